/* Hints on disk: kept, read, dropped, and what crashes, torn tails, damage, caps and failing disks
 * do to them. Then the memory version's crash. */
#include "store_fixture.h"

#include <fcntl.h>

#include "store/hints/hints_batch.h"
#include "store/hints/hints_file.h"
#include "store/hints/hints_log.h"
#include "store/mem/hints_mem.h"
#include "wire/bytes.h"

enum { TARGET = 0xc1, OTHER = 0xc2, RESULTS = 64 };

/* The n-th write or sync fails; how many syncs there were. */
static struct {
    int write_fails, sync_fails, syncs;
} fault;

static ssize_t faulty_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (fault.write_fails > 0 && --fault.write_fails == 0) {
        errno = ENOSPC;
        return -1;
    }
    return pwritev(fd, iov, n, at);
}

static int faulty_fdatasync(int fd)
{
    fault.syncs++;
    if (fault.sync_fails > 0 && --fault.sync_fails == 0) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static const struct log_io faulty = {
    .pwritev = faulty_pwritev, .fdatasync = faulty_fdatasync, .preadv2 = preadv2};

struct hints_fixture {
    struct fixture base;
    struct hints_log_options options;
    struct hints *hints;
};

static int set_up(void **state)
{
    fixture_setup(state);
    struct fixture *base = *state;
    struct hints_fixture *f = test_calloc(1, sizeof *f);
    f->base = *base;
    test_free(base);
    sem_init(&f->base.woken, 0, 0);
    f->options = (struct hints_log_options){.dir = f->base.root,
                                            .wake = fixture_wake,
                                            .wake_arg = &f->base,
                                            .report = fixture_report,
                                            .report_arg = &f->base,
                                            .io = &faulty};
    memset(&fault, 0, sizeof fault);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct hints_fixture *f = *state;
    if (f->hints)
        hints_close(f->hints);
    f->hints = NULL;
    return fixture_teardown(state); /* its fixture stands first */
}

static int system_in(const char *dir, const char *command)
{
    char line[256];
    snprintf(line, sizeof line, "cd %s && %s", dir, command);
    return system(line);
}

static void open_hints(struct hints_fixture *f)
{
    int error = hints_log_open(&f->options, &f->hints, f->base.why, sizeof f->base.why);
    if (error)
        fail_msg("hints_log_open: %s: %s", error_name(error), f->base.why);
}

/* As a crash of the process: what was not handed to the helper is lost. */
static void reopen(struct hints_fixture *f)
{
    hints_close(f->hints);
    f->hints = NULL;
    open_hints(f);
}

static struct hints_result reap(struct hints_fixture *f)
{
    struct hints_result out;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    while (!hints_reap(f->hints, &out))
        if (sem_timedwait(&f->base.woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("no result within %d s", WAIT_S);
    return out;
}

static void put(struct hints_fixture *f, uint64_t target, unsigned number, struct slice value)
{
    char key[32];
    struct record r =
        value_record(numbered(key, "key", number), value, (uint64_t)(1000 + number) << 16);
    hints_put(f->hints, target, &r);
}

/* Keeps hints from .. to-1 and waits until they are durable. */
static void keep(struct hints_fixture *f, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        put(f, TARGET, i, SLICE("value"));
    hints_commit(f->hints);
    struct hints_result r = reap(f);
    assert_int_equal(r.kind, HINTS_KEPT);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.n, to - from);
}

static struct hints_result ask(struct hints_fixture *f)
{
    struct hints_result r;
    hints_read(f->hints, TARGET);
    do
        r = reap(f);
    while (r.kind != HINTS_READ);
    return r;
}

/* The batch begins with hint `from` and has n. */
static void expect_batch(const struct hints_result *r, unsigned from, unsigned n)
{
    char key[32];
    assert_int_equal(r->error, 0);
    assert_int_equal(r->n, n);
    for (unsigned i = 0; i < n; i++)
        assert_true(slice_eq(r->batch[i].record.key, numbered(key, "key", from + i)));
}

static unsigned files(const struct hints_fixture *f)
{
    unsigned n = 0;
    char path[128], name[HINTS_FILE_NAME];
    for (uint32_t number = 1; number < 100; number++) {
        hints_file_name(TARGET, number, name);
        snprintf(path, sizeof path, "%s/hints/%s", f->base.root, name);
        n += access(path, F_OK) == 0;
    }
    return n;
}

static int open_file(const struct hints_fixture *f, uint32_t number)
{
    char path[128], name[HINTS_FILE_NAME];
    hints_file_name(TARGET, number, name);
    snprintf(path, sizeof path, "%s/hints/%s", f->base.root, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void test_kept_read_dropped(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    assert_int_equal(ask(f).n, 0);
    keep(f, 0, 3);
    assert_int_equal(fault.syncs, 1); /* one for the three */
    struct hints_result r = ask(f);
    expect_batch(&r, 0, 3);
    assert_true(slice_eq(r.batch[2].record.value, SLICE("value")));
    assert_int_equal(r.waiting, 3);
    uint64_t second = r.batch[1].location;
    hints_drop(f->hints, TARGET, second, 2);
    r = ask(f);
    expect_batch(&r, 2, 1);
    hints_drop(f->hints, TARGET, r.batch[0].location, 1);
    assert_int_equal(ask(f).n, 0);
    hints_log_drain(f->hints);
    assert_int_equal(files(f), 0); /* drained: nothing is left behind */
}

static void test_values_of_all_sizes(void **state)
{
    struct hints_fixture *f = *state;
    static uint8_t large[RECORD_VALUE_MAX], noise[4096];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(hash_bytes(slice_of(&i, sizeof i)));
    open_hints(f);
    put(f, TARGET, 0, slice_of(noise, sizeof noise));
    put(f, TARGET, 1, slice_of(large, sizeof large)); /* compressed to little */
    put(f, TARGET, 2, slice_of(large, HINTS_BATCH_BYTES));
    struct record deletion = tombstone_record(KEY_OF("key-3"), 1 << 20);
    hints_put(f->hints, TARGET, &deletion);
    hints_commit(f->hints);
    assert_int_equal(reap(f).n, 4);
    struct hints_result r = ask(f);
    expect_batch(&r, 0, 1); /* the next is too large to come along */
    assert_true(slice_eq(r.batch[0].record.value, slice_of(noise, sizeof noise)));
    hints_drop(f->hints, TARGET, r.batch[0].location, 1);
    r = ask(f);
    expect_batch(&r, 1, 1);
    assert_true(slice_eq(r.batch[0].record.value, slice_of(large, sizeof large)));
    hints_drop(f->hints, TARGET, r.batch[0].location, 1);
    r = ask(f);
    expect_batch(&r, 2, 2);
    assert_int_equal(r.batch[1].record.kind, RECORD_TOMBSTONE);
}

/* A crash: durable hints are there, the head is where a mark says, or further back. */
static void test_survives_a_crash(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 200);
    struct hints_result r = ask(f);
    expect_batch(&r, 0, HINTS_BATCH);
    hints_drop(f->hints, TARGET, r.batch[HINTS_BATCH - 1].location, HINTS_BATCH);
    reopen(f); /* the mark was not even committed */
    r = reap(f);
    assert_int_equal(r.kind, HINTS_KEPT);
    assert_int_equal(r.waiting, 200);
    r = ask(f);
    expect_batch(&r, 0, HINTS_BATCH);
    hints_drop(f->hints, TARGET, r.batch[HINTS_BATCH - 1].location, HINTS_BATCH);
    hints_log_drain(f->hints);
    reopen(f);
    assert_int_equal(reap(f).waiting, 200 - HINTS_BATCH);
    keep(f, 200, 210); /* into a file of its own */
    assert_int_equal(files(f), 3);
    r = ask(f);
    expect_batch(&r, HINTS_BATCH, HINTS_BATCH);
}

static void test_all_is_read_in_order_across_files(void **state)
{
    struct hints_fixture *f = *state;
    static uint8_t noise[64 * 1024];
    char key[32];
    unsigned next = 0;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(hash_bytes(slice_of(&i, sizeof i)));
    open_hints(f);
    for (unsigned i = 0; i < 200; i += 10) {
        for (unsigned k = i; k < i + 10; k++)
            put(f, TARGET, k, slice_of(noise, sizeof noise));
        hints_commit(f->hints);
        assert_int_equal(reap(f).n, 10);
    }
    assert_true(files(f) >= 3);
    for (struct hints_result r; (r = ask(f)).n > 0;) {
        assert_true(r.n <= HINTS_BATCH_BYTES / sizeof noise + 1);
        for (uint32_t i = 0; i < r.n; i++)
            assert_true(slice_eq(r.batch[i].record.key, numbered(key, "key", next++)));
        hints_drop(f->hints, TARGET, r.batch[r.n - 1].location, r.n);
        hints_commit(f->hints);
    }
    assert_int_equal(next, 200);
    hints_log_drain(f->hints);
    assert_int_equal(files(f), 0);
}

static void test_a_torn_tail_is_cut(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 10);
    hints_close(f->hints);
    f->hints = NULL;
    int fd = open_file(f, 1);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
    close(fd);
    open_hints(f);
    assert_non_null(strstr(f->base.report, "torn"));
    assert_int_equal(reap(f).waiting, 9);
    struct hints_result r = ask(f);
    expect_batch(&r, 0, 9);
    keep(f, 10, 11);
    hints_drop(f->hints, TARGET, r.batch[8].location, 9);
    r = ask(f);
    expect_batch(&r, 10, 1);
}

/* A bit flips under a running node: the rest of that file is lost, and said to be; what came into
 * later files is not. */
static void test_damage_costs_the_rest_of_the_file(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 10);
    reopen(f);
    assert_int_equal(reap(f).waiting, 10);
    keep(f, 10, 12);
    int fd = open_file(f, 1);
    assert_int_equal(pwrite(fd, "x", 1, HINTS_HEADER + RECORD_HEADER), 1);
    close(fd);
    hints_read(f->hints, TARGET);
    struct hints_result r = reap(f);
    assert_int_equal(r.kind, HINTS_LOST);
    assert_int_equal(r.error, ERR_CORRUPT);
    assert_int_equal(r.n, 10);
    assert_int_equal(r.waiting, 2);
    assert_non_null(strstr(f->base.report, "damaged"));
    r = reap(f);
    expect_batch(&r, 10, 2);
}

static void test_a_file_without_a_header_goes(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 1);
    hints_close(f->hints);
    f->hints = NULL;
    int fd = open_file(f, 1);
    assert_int_equal(ftruncate(fd, HINTS_HEADER - 1), 0);
    close(fd);
    open_hints(f);
    assert_int_equal(files(f), 0);
    keep(f, 1, 2);
}

/* A flipped bit in any field of it: it is no reason not to start. */
static void test_a_file_with_a_rotten_header_goes(void **state)
{
    struct hints_fixture *f = *state;
    for (off_t at = 0; at < HINTS_HEADER; at += 4) {
        uint8_t byte;
        open_hints(f);
        keep(f, 0, 1);
        hints_close(f->hints);
        f->hints = NULL;
        int fd = open_file(f, 1);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        open_hints(f);
        assert_int_equal(files(f), 0);
        assert_non_null(strstr(f->base.report, "is removed"));
        hints_close(f->hints);
        f->hints = NULL;
    }
}

/* No file of hints is that large: it is refused, and without it the hints open. */
static void test_a_file_that_cannot_be_read_says_what_to_do(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 1);
    hints_close(f->hints);
    f->hints = NULL;
    int fd = open_file(f, 1);
    assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
    close(fd);
    assert_int_equal(hints_log_open(&f->options, &f->hints, f->base.why, sizeof f->base.why),
                     ERR_TOO_BIG);
    f->hints = NULL;
    assert_non_null(strstr(f->base.why, "/hints cannot be read: move it away"));
    assert_int_equal(system_in(f->base.root, "mv hints away"), 0);
    open_hints(f);
    keep(f, 1, 2);
}

static void test_another_format_is_refused(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 1);
    hints_close(f->hints);
    const uint32_t other[] = {HINTS_FORMAT - 1, HINTS_FORMAT + 1};
    for (unsigned i = 0; i < 2; i++) {
        char says[80], path[80];
        f->hints = NULL;
        int fd = open_file(f, 1);
        uint8_t header[HINTS_HEADER];
        assert_int_equal(pread(fd, header, sizeof header, 0), sizeof header);
        put_u32(header + 8, other[i]);
        put_u64(header + 24, hash_bytes(slice_of(header, 24)));
        assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
        close(fd);
        assert_int_equal(hints_log_open(&f->options, &f->hints, f->base.why, sizeof f->base.why),
                         ERR_BAD_FORMAT);
        snprintf(says, sizeof says,
                 "-00000001.log has format version %u; this release knows version 2",
                 (unsigned)other[i]);
        snprintf(path, sizeof path, "%s/hints/", f->base.root);
        assert_int_equal(strncmp(f->base.why, path, strlen(path)), 0);
        assert_non_null(strstr(f->base.why, says));
        assert_non_null(strstr(f->base.why, "run the one that wrote it, or move the file away"));
    }
    f->hints = NULL;
    assert_int_equal(system_in(f->base.root, "mv hints/*.log ."), 0);
    open_hints(f);
    keep(f, 1, 2);
}

static void test_caps(void **state)
{
    struct hints_fixture *f = *state;
    f->options.target_bytes_max = 1000; /* a hint takes 74 bytes here */
    f->options.bytes_max = 1500;
    open_hints(f);
    for (unsigned i = 0; i < 50; i++)
        put(f, TARGET, i, SLICE("value"));
    struct hints_result r = reap(f);
    assert_int_equal(r.kind, HINTS_LOST);
    assert_int_equal(r.error, ERR_TOO_BIG);
    unsigned lost = r.n;
    assert_in_range(lost, 50 - 1000 / 74, 40);
    hints_commit(f->hints);
    assert_int_equal(reap(f).n, 50 - lost);
    for (unsigned i = 0; i < 50; i++)
        put(f, OTHER, i, SLICE("value"));
    r = reap(f);
    assert_int_equal(r.target, OTHER);
    assert_true(r.n > lost);
    r = ask(f);
    hints_drop(f->hints, TARGET, r.batch[r.n - 1].location, r.n);
    hints_log_drain(f->hints);
    keep(f, 0, 5); /* what was drained makes room */
}

static void test_a_failed_sync_keeps_nothing(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 2);
    fault.sync_fails = 1;
    put(f, TARGET, 2, SLICE("lost"));
    hints_commit(f->hints);
    struct hints_result r = reap(f);
    assert_int_equal(r.kind, HINTS_LOST);
    assert_int_equal(r.error, ERR_IO);
    assert_int_equal(r.n, 1);
    fault.write_fails = 1;
    put(f, TARGET, 3, SLICE("lost"));
    hints_commit(f->hints);
    assert_int_equal(reap(f).error, ERR_NO_SPACE);
    keep(f, 4, 5); /* a new file each time, and it goes on */
    r = ask(f);
    expect_batch(&r, 0, 2);
    hints_drop(f->hints, TARGET, r.batch[1].location, 2);
    r = ask(f);
    expect_batch(&r, 4, 1);
}

/* An append that failed leaves a file that never counted any bytes. */
static void test_when_all_is_dropped_no_bytes_are_left(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    fault.sync_fails = 1;
    put(f, TARGET, 0, SLICE("lost"));
    hints_commit(f->hints);
    assert_int_equal(reap(f).kind, HINTS_LOST);
    keep(f, 1, 3); /* into a file of its own */
    struct hints_result r = ask(f);
    expect_batch(&r, 1, 2);
    hints_drop(f->hints, TARGET, r.batch[1].location, 2);
    r = reap(f);
    assert_int_equal(r.kind, HINTS_KEPT);
    assert_int_equal(r.waiting, 0);
    assert_int_equal(r.bytes, 0);
}

static void test_expiry_takes_whole_files(void **state)
{
    struct hints_fixture *f = *state;
    open_hints(f);
    keep(f, 0, 10); /* stamped 1000 .. 1009 ms */
    reopen(f);
    assert_int_equal(reap(f).waiting, 10);
    keep(f, 10, 20);
    hints_expire(f->hints, 1009);
    hints_expire(f->hints, 1010);
    struct hints_result r = reap(f);
    assert_int_equal(r.kind, HINTS_LOST);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.n, 10);
    assert_int_equal(r.waiting, 10);
    r = ask(f);
    expect_batch(&r, 10, 10);
    hints_expire(f->hints, 2000);
    hints_drop(f->hints, TARGET, r.batch[9].location, 10); /* gone already */
    assert_int_equal(ask(f).n, 0);
}

static void test_memory_loses_what_was_not_synced(void **state)
{
    (void)state;
    struct hints_disk disk = {0};
    struct hints_result r;
    struct hints *h = hints_mem_open(&disk);
    struct record a = value_record(KEY_OF("a"), SLICE("synced"), 1),
                  b = value_record(KEY_OF("b"), SLICE("flushed"), 2);
    hints_put(h, TARGET, &a);
    hints_put(h, TARGET, &a);
    hints_commit(h);
    assert_true(hints_mem_syncing(h));
    assert_false(hints_reap(h, &r));
    hints_mem_sync(h);
    assert_true(hints_reap(h, &r));
    assert_int_equal(r.n, 2);
    hints_put(h, TARGET, &b);
    hints_commit(h);
    hints_read(h, TARGET);
    assert_true(hints_reap(h, &r));
    assert_int_equal(r.n, 2);
    hints_drop(h, TARGET, r.batch[0].location, 1);
    assert_int_equal(hints_disk_waiting(&disk, TARGET), 2); /* the head is not durable yet */
    hints_close(h);
    h = hints_mem_open(&disk);
    assert_true(hints_reap(h, &r));
    assert_int_equal(r.waiting, 2);
    hints_close(h);
    hints_disk_close(&disk);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_kept_read_dropped),
        TEST(test_values_of_all_sizes),
        TEST(test_survives_a_crash),
        TEST(test_all_is_read_in_order_across_files),
        TEST(test_a_torn_tail_is_cut),
        TEST(test_damage_costs_the_rest_of_the_file),
        TEST(test_a_file_without_a_header_goes),
        TEST(test_a_file_with_a_rotten_header_goes),
        TEST(test_a_file_that_cannot_be_read_says_what_to_do),
        TEST(test_another_format_is_refused),
        TEST(test_caps),
        TEST(test_a_failed_sync_keeps_nothing),
        TEST(test_when_all_is_dropped_no_bytes_are_left),
        TEST(test_expiry_takes_whole_files),
        TEST(test_memory_loses_what_was_not_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
