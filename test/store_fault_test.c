/* The log over system calls that fail: the n-th write or sync, short writes, reads that are not cached, a crash at each write. */
#include "store_fixture.h"

#include <sys/wait.h>

#include "store/log_io.h"
#include "store/reader.h"

/* What is to go wrong: counted down at each call; 0 and below: nothing. */
static struct {
    int write_fails, sync_fails, dies;
    int number;       /* errno of the failure */
    size_t write_max; /* bytes that one write takes; 0: all */
    bool uncached;    /* no read is in the page cache */
    bool read_fails;
} fault;

static ssize_t faulty_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (fault.write_fails > 0 && --fault.write_fails == 0) {
        errno = fault.number;
        return -1;
    }
    if (fault.dies > 0 && --fault.dies == 0)
        _exit(pwrite(fd, iov->iov_base, iov->iov_len / 2, at) < 0);
    if (fault.write_max == 0)
        return pwritev(fd, iov, n, at);
    while (n > 1 && iov->iov_len == 0)
        iov++, n--;
    return pwrite(fd, iov->iov_base, iov->iov_len < fault.write_max ? iov->iov_len : fault.write_max, at);
}

static int faulty_fdatasync(int fd)
{
    if (fault.sync_fails > 0 && --fault.sync_fails == 0) {
        errno = fault.number;
        return -1;
    }
    return fdatasync(fd);
}

static ssize_t faulty_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    if (fault.uncached && (flags & RWF_NOWAIT)) {
        errno = EAGAIN;
        return -1;
    }
    if (fault.read_fails) {
        errno = EIO;
        return -1;
    }
    return preadv2(fd, iov, n, at, flags);
}

static const struct log_io faulty = {faulty_pwritev, faulty_fdatasync, faulty_preadv2};

static void open_faulty(struct fixture *f)
{
    memset(&fault, 0, sizeof fault);
    assert_int_equal(log_open_io(&f->options, &faulty, &f->store, f->why, sizeof f->why), 0);
}

/* The failed group is answered and invisible, later puts are refused, reads go on, and opening again heals. */
static void expect_failed(struct fixture *f, int error)
{
    assert_int_equal(fixture_put(f, value_record(SLICE("b"), SLICE("new"), 2)).error, error);
    assert_int_equal(fixture_get(f, SLICE("b"), GET_VALUE).record.kind, RECORD_NONE);
    assert_int_equal(fixture_put(f, value_record(SLICE("c"), SLICE("later"), 3)).error, error);
    assert_int_equal(log_drain(f->store), error);
    assert_non_null(strstr(f->report, "refuses writes"));
    fixture_expect(f, SLICE("a"), SLICE("good"));
    fixture_close(f);
    open_faulty(f);
    fixture_expect(f, SLICE("a"), SLICE("good"));
    assert_int_equal(fixture_put(f, value_record(SLICE("c"), SLICE("later"), 3)).error, 0);
    fixture_expect(f, SLICE("c"), SLICE("later"));
    fixture_close(f);
}

static void failed_writes_and_syncs(void **state)
{
    struct fixture *f = *state;
    static const int numbers[] = {ENOSPC, EIO};
    for (int interval = 0; interval < 2; interval++) {
        f->options.durability = interval ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        for (int i = 0; i < 4; i++) {
            if (interval && i % 2)
                continue; /* no put waits for a sync there */
            nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
            open_faulty(f);
            fixture_put(f, value_record(SLICE("a"), SLICE("good"), 1));
            fault.number = numbers[i / 2];
            *(i % 2 ? &fault.sync_fails : &fault.write_fails) = 1;
            expect_failed(f, fault.number == ENOSPC ? ERR_NO_SPACE : ERR_IO);
        }
    }
}

/* Interval: a put's result comes out of the flush itself, whatever a sync would say; a state record's only after one. */
static void interval_mode_syncs_states(void **state)
{
    struct fixture *f = *state;
    struct store_result out;
    struct record r = value_record(SLICE("k"), SLICE("v"), 1);
    f->options.durability = DURABILITY_INTERVAL;
    open_faulty(f);
    fault.number = EIO;
    fault.sync_fails = 1;
    store_put(f->store, 1, &r);
    store_flush(f->store);
    assert_true(store_reap(f->store, &out));
    assert_int_equal(out.error, 0);
    fixture_expect(f, SLICE("k"), SLICE("v"));
    assert_int_equal(fixture_put(f, state_record(SLICE("layout"), SLICE("l"), 2)).error, ERR_IO);
}

/* The sync of each second happens without a further call, and the owner is woken when it fails. */
static void the_interval_sync_fails(void **state)
{
    struct fixture *f = *state;
    struct timespec end;
    f->options.durability = DURABILITY_INTERVAL;
    open_faulty(f);
    fault.number = EIO;
    fault.sync_fails = 1;
    assert_int_equal(fixture_put(f, value_record(SLICE("k"), SLICE("v"), 1)).error, 0);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    assert_int_equal(sem_timedwait(&f->woken, &end), 0);
    assert_int_equal(fault.sync_fails, 0);
    fixture_expect(f, SLICE("k"), SLICE("v"));
    assert_int_equal(fixture_put(f, value_record(SLICE("k"), SLICE("w"), 2)).error, ERR_IO);
}

/* What had gathered behind the group that failed is refused too. */
static void a_failure_takes_the_gathered_group_along(void **state)
{
    struct fixture *f = *state;
    struct record b = value_record(SLICE("b"), SLICE("1"), 2), c = value_record(SLICE("c"), SLICE("1"), 3),
                  s = state_record(SLICE("s"), SLICE("1"), 4);
    open_faulty(f);
    fault.number = EIO;
    fault.sync_fails = 1;
    store_put(f->store, 2, &b);
    store_flush(f->store);
    store_put(f->store, 3, &c);
    store_put(f->store, 4, &s);
    store_flush(f->store);
    for (uint64_t token = 2; token <= 4; token++) {
        struct store_result out = fixture_reap(f);
        assert_int_equal(out.token, token);
        assert_int_equal(out.error, ERR_IO);
    }
    struct slice value;
    uint64_t serial;
    assert_false(store_state(f->store, SLICE("s"), &value, &serial));
}

static void short_writes_are_continued(void **state)
{
    struct fixture *f = *state;
    char key[32], value[32];
    open_faulty(f);
    for (unsigned i = 1; i <= 40; i++) {
        fault.write_max = i * 5; /* from a few bytes, past a mark's length, to a whole group */
        assert_int_equal(fixture_put(f, value_record(numbered(key, "key", i), numbered(value, "value", i), i)).error, 0);
    }
    fixture_close(f);
    open_faulty(f);
    for (unsigned i = 1; i <= 40; i++)
        fixture_expect(f, numbered(key, "key", i), numbered(value, "value", i));
}

/* The process dies in the middle of its n-th write, for every n there is: what it acknowledged before is there. */
static void dying_in_any_write(void **state)
{
    struct fixture *f = *state;
    char key[32];
    f->options.segment_bytes = 600;
    for (int nth = 1; nth <= 30; nth++) {
        int fds[2], status;
        uint64_t acked = 0, greatest = 0;
        nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            open_faulty(f);
            fault.dies = nth;
            for (unsigned i = 1;; i++) {
                acked = fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i)).token;
                if (write(fds[1], &acked, sizeof acked) != sizeof acked)
                    _exit(2);
            }
        }
        close(fds[1]);
        while (read(fds[0], &acked, sizeof acked) == sizeof acked)
            greatest = acked;
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        open_faulty(f);
        for (unsigned i = 1; i <= greatest; i++)
            fixture_expect(f, numbered(key, "key", i), SLICE("value"));
        assert_in_range(store_records(f->store), greatest, greatest + 1);
        fixture_close(f);
    }
}

/* More reads than the reader's ring holds, none of them cached. */
static void uncached_reads_go_to_the_helper(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 5 * READS };
    char key[32], value[32];
    uint8_t *soft = test_malloc(100000);
    memset(soft, 's', 100000);
    open_faulty(f);
    for (unsigned i = 0; i < KEYS; i++)
        fixture_put(f, value_record(numbered(key, "key", i), numbered(value, "value", i), i + 1));
    fixture_put(f, value_record(SLICE("soft"), slice_of(soft, 100000), 1));
    fault.uncached = true;
    for (unsigned i = 0; i < KEYS; i++)
        store_get(f->store, i, numbered(key, "key", i), GET_VALUE);
    for (unsigned i = 0; i < KEYS; i++) {
        struct store_result out = fixture_reap(f);
        assert_int_equal(out.error, 0);
        assert_true(slice_eq(out.record.key, numbered(key, "key", (unsigned)out.token)));
        assert_true(slice_eq(out.record.value, numbered(value, "value", (unsigned)out.token)));
    }
    fixture_expect(f, SLICE("soft"), slice_of(soft, 100000));
    fault.read_fails = true;
    assert_int_equal(fixture_get(f, SLICE("soft"), GET_VALUE).error, ERR_IO);
    fault.uncached = false;
    assert_int_equal(fixture_get(f, SLICE("soft"), GET_VALUE).error, ERR_IO);
    assert_int_equal(fixture_get(f, SLICE("soft"), GET_DIGEST).error, 0);
    test_free(soft);
}

/* A value that rots after it was written is never given out. */
static void a_rotten_value_is_an_error(void **state)
{
    struct fixture *f = *state;
    open_faulty(f);
    fixture_put(f, value_record(SLICE("k"), SLICE("value"), 1));
    FILE *file = fopen(fixture_path(f, "seg-00000001.log"), "r+");
    assert_non_null(file);
    fseek(file, 64 + 64 + 1, SEEK_SET);
    fputc('V', file);
    fclose(file);
    assert_int_equal(fixture_get(f, SLICE("k"), GET_VALUE).error, ERR_CORRUPT);
    fault.uncached = true;
    assert_int_equal(fixture_get(f, SLICE("k"), GET_VALUE).error, ERR_CORRUPT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(failed_writes_and_syncs),         TEST(interval_mode_syncs_states),
        TEST(the_interval_sync_fails),         TEST(a_failure_takes_the_gathered_group_along),
        TEST(short_writes_are_continued),      TEST(dying_in_any_write),
        TEST(uncached_reads_go_to_the_helper), TEST(a_rotten_value_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
