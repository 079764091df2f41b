/* The log over system calls that fail: the n-th write or sync, short writes, reads that are not
 * cached, a crash at each write. */
#include "store_fault.h"

#include <sys/wait.h>

#include "store/log/reader.h"

/* Reaps until a sentence with this word is reported: what the helpers do wakes. */
static void wait_for_report(struct fixture *f, const char *word)
{
    struct store_result out;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    while (!strstr(f->report, word)) {
        assert_false(store_reap(f->store, &out));
        if (!strstr(f->report, word) && sem_timedwait(&f->woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("nobody said \"%s\" but \"%s\"", word, f->report);
    }
}

static void fresh_directory(struct fixture *f)
{
    nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    f->report[0] = 0;
    open_faulty(f);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("a"), SLICE("good"), 1)).error, 0);
}

/* One failed write or sync loses nothing and is not even noticed by who writes: another segment
 * goes on. */
static void one_failure_is_survived(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        f->options.durability = i < 2 ? DURABILITY_FSYNC : DURABILITY_INTERVAL;
        fresh_directory(f);
        fault.number = EIO;
        *(i % 2 ? &fault.sync_fails : &fault.write_fails) = 1;
        assert_int_equal(fixture_put(f, value_record(KEY_OF("b"), SLICE("new"), 2)).error, 0);
        assert_int_equal(fixture_put(f, state_record(SLICE("s"), SLICE("own"), 3)).error, 0);
        bool retried = i == 2; /* the loop's write failed, and the committer's did not */
        assert_true(retried || strstr(f->report, "seg-00000001.log ends at its last good sync"));
        for (int round = 0; round < 2; round++) {
            fixture_expect(f, KEY_OF("a"), SLICE("good"));
            fixture_expect(f, KEY_OF("b"), SLICE("new"));
            assert_int_equal(store_records(f->store), 2);
            fixture_close(f);
            open_faulty(f);
        }
        fixture_close(f);
    }
}

/* When nothing can be written puts are refused and reads go on; when it can again, the log comes
 * back by itself. */
static void a_dead_disk_heals(void **state)
{
    struct fixture *f = *state;
    fresh_directory(f);
    fault.number = EIO;
    fault.broken = true;
    assert_int_equal(fixture_put(f, value_record(KEY_OF("b"), SLICE("new"), 2)).error, ERR_IO);
    assert_int_equal(fixture_get(f, KEY_OF("b"), GET_VALUE).record.kind, RECORD_NONE);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("c"), SLICE("later"), 3)).error, ERR_IO);
    assert_int_equal(log_drain(f->store), ERR_IO);
    assert_non_null(strstr(f->report, "refuses writes"));
    fixture_expect(f, KEY_OF("a"), SLICE("good"));
    fault.broken = false;
    wait_for_report(f, "takes writes again");
    assert_int_equal(fixture_put(f, value_record(KEY_OF("c"), SLICE("later"), 4)).error, 0);
    fixture_close(f);
    open_faulty(f);
    fixture_expect(f, KEY_OF("a"), SLICE("good"));
    fixture_expect(f, KEY_OF("c"), SLICE("later"));
    assert_int_equal(fixture_get(f, KEY_OF("b"), GET_VALUE).record.kind, RECORD_NONE);
}

/* The write that meets a full disk is taken with the room of the reserve; then values are refused,
 * deletions and state records taken, until there is room for a reserve. */
static void a_full_disk_takes_deletions(void **state)
{
    struct fixture *f = *state;
    fresh_directory(f);
    fault.number = ENOSPC;
    fault.full = true;
    fault.write_fails = 1;
    assert_int_equal(access(fixture_path(f, "reserve"), F_OK), 0);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("b"), SLICE("new"), 2)).error, 0);
    assert_int_equal(access(fixture_path(f, "reserve"), F_OK), -1);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("c"), SLICE("more"), 3)).error,
                     ERR_NO_SPACE);
    assert_int_equal(fixture_put(f, tombstone_record(KEY_OF("a"), 4)).error, 0);
    assert_int_equal(fixture_put(f, state_record(SLICE("s"), SLICE("own"), 5)).error, 0);
    fixture_expect(f, KEY_OF("b"), SLICE("new"));
    wait_for_report(f, "the disk is full");
    fault.full = false;
    wait_for_report(f, "there is room on the disk again");
    assert_int_equal(fixture_put(f, value_record(KEY_OF("c"), SLICE("more"), 6)).error, 0);
    fixture_expect(f, KEY_OF("c"), SLICE("more"));
}

/* The reserve is used up too: everything is refused as full, nothing is lost, and there is no
 * failure to heal from. */
static void a_disk_without_any_room_refuses(void **state)
{
    struct fixture *f = *state;
    fresh_directory(f);
    fault.number = ENOSPC;
    fault.full = fault.broken = true;
    assert_int_equal(fixture_put(f, value_record(KEY_OF("b"), SLICE("new"), 2)).error,
                     ERR_NO_SPACE);
    assert_int_equal(fixture_put(f, tombstone_record(KEY_OF("a"), 3)).error, ERR_NO_SPACE);
    fixture_expect(f, KEY_OF("a"), SLICE("good"));
    fault.full = fault.broken = false;
    wait_for_report(f, "there is room on the disk again");
    assert_int_equal(fixture_put(f, value_record(KEY_OF("b"), SLICE("new"), 4)).error, 0);
}

/* A disk that is full from now on, but for the reserve: the committer's next write meets that. */
static void fill_disk(struct fixture *f)
{
    fault.number = ENOSPC;
    fault.full = true;
    fault.write_fails = 1;
    assert_int_equal(fixture_put(f, state_record(SLICE("last"), SLICE("straw"), 1)).error, 0);
    wait_for_report(f, "the disk is full");
}

static void put_keys(struct fixture *f, unsigned from, unsigned to)
{
    char key[32], value[32];
    for (unsigned i = from; i < to; i++)
        assert_int_equal(fixture_put(f, value_record(numbered(key, "key", i),
                                                     numbered_text(value, "value", i), i + 1))
                             .error,
                         0);
}

static void delete_keys(struct fixture *f, unsigned from, unsigned to)
{
    char key[32];
    for (unsigned i = from; i < to; i++)
        assert_int_equal(fixture_put(f, tombstone_record(numbered(key, "key", i), 1000 + i)).error,
                         0);
}

static void expect_keys(struct fixture *f, unsigned from, unsigned to)
{
    char key[32], value[32];
    for (unsigned i = from; i < to; i++)
        fixture_expect(f, numbered(key, "key", i), numbered_text(value, "value", i));
}

/* All that there is stands in the segment in use: it is ended, so that what was deleted of it gives
 * room. In interval mode not before what was written to it is synced. */
static void a_full_disk_ends_the_segment_in_use(void **state)
{
    struct fixture *f = *state;
    f->options.segment_bytes = 64 * 1024;
    for (int mode = 0; mode < 2; mode++) {
        f->options.durability = mode ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        fresh_directory(f);
        put_keys(f, 0, 100);
        fill_disk(f);
        delete_keys(f, 0, 60);
        fixture_until_compacted(f, 1);
        assert_int_equal(access(fixture_path(f, "seg-00000001.log"), F_OK), -1);
        fault.full = false;
        wait_for_report(f, "there is room on the disk again");
        put_keys(f, 100, 120);
        for (int again = 0; again < 2; again++) {
            expect_keys(f, 60, 120);
            assert_int_equal(fixture_get(f, KEY_OF("key-59"), GET_DIGEST).record.kind,
                             RECORD_TOMBSTONE);
            fixture_close(f);
            open_faulty(f);
        }
        fixture_close(f);
    }
}

/* Reaps until the upkeep has looked twice more for something to do. */
static void let_upkeep_look(struct fixture *f)
{
    struct store_result out;
    for (int tries = fault.reserve_tries; fault.reserve_tries < tries + 2;) {
        assert_false(store_reap(f->store, &out));
        sem_wait(&f->woken);
    }
}

/* A value that is no small part of what its record and a group's mark take. */
static struct slice wide_value(unsigned i)
{
    static char value[200];
    memset(value, '.', sizeof value);
    numbered_text(value, "value", i);
    return slice_of(value, sizeof value);
}

static void put_wide_keys(struct fixture *f, unsigned n)
{
    enum { GROUP = 9 };
    char key[32];
    for (unsigned i = 0; i < n; i++) {
        struct record r = value_record(numbered(key, "key", i), wide_value(i), i + 1);
        store_put(f->store, i, &r);
        if (i % GROUP < GROUP - 1)
            continue;
        store_commit(f->store);
        for (unsigned k = 0; k < GROUP; k++)
            assert_int_equal(fixture_reap(f).error, 0);
    }
}

/* A copy that the reserve has no room for is not begun: it would take that of deletions, and give
 * nothing back. */
static void a_full_disk_begins_no_copy_that_does_not_fit(void **state)
{
    enum { SEGMENT = 64 * 1024, KEYS = 468 };
    char key[32];
    struct fixture *f = *state;
    struct log_stats stats;
    f->options.segment_bytes = SEGMENT;
    fresh_directory(f);
    put_wide_keys(f, KEYS);
    fill_disk(f);
    /* a ninth of every segment: what is left of each is over five sixths of a reserve */
    for (unsigned i = 0; i < KEYS; i += 9)
        delete_keys(f, i, i + 1);
    let_upkeep_look(f);
    log_stats(f->store, &stats);
    assert_int_equal(stats.copied_bytes, 0);
    for (unsigned i = 0; i < KEYS; i += 9)
        delete_keys(f, i + 1, i + 5);
    fixture_until_compacted(f, 1);
    log_stats(f->store, &stats);
    /* one may be under way */
    assert_in_range(stats.copied_bytes, 1, (stats.removed + 1) * (SEGMENT - SEGMENT / 6));
    for (unsigned i = 5; i < 9; i++)
        fixture_expect(f, numbered(key, "key", i), wide_value(i));
    fault.full = false;
    wait_for_report(f, "there is room on the disk again");
}

/* Interval: a put's result comes out of the commit itself, whatever a sync would say; a state
 * record's only after one. */
static void interval_mode_syncs_states(void **state)
{
    struct fixture *f = *state;
    struct store_result out;
    struct log_stats before, after;
    struct record r = value_record(KEY_OF("k"), SLICE("v"), 1);
    f->options.durability = DURABILITY_INTERVAL;
    open_faulty(f);
    log_stats(f->store, &before);
    store_put(f->store, 1, &r);
    store_commit(f->store);
    assert_true(store_reap(f->store, &out));
    assert_int_equal(out.error, 0);
    assert_int_equal(fixture_put(f, state_record(SLICE("layout"), SLICE("l"), 2)).error, 0);
    log_stats(f->store, &after);
    assert_int_equal(after.syncs, before.syncs + 1);
}

/* The sync of each second happens without a further call; when it fails, what it should have synced
 * is written anew elsewhere. */
static void the_interval_sync_fails(void **state)
{
    struct fixture *f = *state;
    f->options.durability = DURABILITY_INTERVAL;
    open_faulty(f);
    fault.number = EIO;
    fault.sync_fails = 1;
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("v"), 1)).error, 0);
    wait_for_report(f, "ends at its last good sync");
    assert_int_equal(fixture_put(f, value_record(KEY_OF("l"), SLICE("w"), 2)).error, 0);
    fixture_until_compacted(f, 1);
    assert_int_equal(access(fixture_path(f, "seg-00000001.log"), F_OK), -1);
    fixture_expect(f, KEY_OF("k"), SLICE("v"));
    fixture_close(f);
    open_faulty(f);
    fixture_expect(f, KEY_OF("k"), SLICE("v"));
    fixture_expect(f, KEY_OF("l"), SLICE("w"));
}

/* What had gathered behind the group that failed is refused too. */
static void a_failure_takes_the_gathered_group_along(void **state)
{
    struct fixture *f = *state;
    struct record b = value_record(KEY_OF("b"), SLICE("1"), 2),
                  c = value_record(KEY_OF("c"), SLICE("1"), 3),
                  s = state_record(SLICE("s"), SLICE("1"), 4);
    open_faulty(f);
    fault.number = EIO;
    fault.broken = true;
    store_put(f->store, 2, &b);
    store_commit(f->store);
    store_put(f->store, 3, &c);
    store_put(f->store, 4, &s);
    store_commit(f->store);
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
        assert_int_equal(fixture_put(f, value_record(numbered(key, "key", i),
                                                     numbered_text(value, "value", i), i))
                             .error,
                         0);
    }
    fixture_close(f);
    open_faulty(f);
    for (unsigned i = 1; i <= 40; i++)
        fixture_expect(f, numbered(key, "key", i), numbered_text(value, "value", i));
}

/* The process dies in the middle of its n-th write, for every n there is: what it acknowledged
 * before is there. */
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
                acked =
                    fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i)).token;
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
        fixture_put(f,
                    value_record(numbered(key, "key", i), numbered_text(value, "value", i), i + 1));
    fixture_put(f, value_record(KEY_OF("soft"), slice_of(soft, 100000), 1));
    fault.uncached = true;
    for (unsigned i = 0; i < KEYS; i++)
        store_get(f->store, i, numbered(key, "key", i), GET_VALUE);
    for (unsigned i = 0; i < KEYS; i++) {
        struct store_result out = fixture_reap(f);
        assert_int_equal(out.error, 0);
        assert_true(slice_eq(out.record.key, numbered(key, "key", (unsigned)out.token)));
        assert_true(slice_eq(out.record.value, numbered_text(value, "value", (unsigned)out.token)));
    }
    fixture_expect(f, KEY_OF("soft"), slice_of(soft, 100000));
    fault.read_fails = true;
    assert_int_equal(fixture_get(f, KEY_OF("soft"), GET_VALUE).error, ERR_IO);
    fault.uncached = false;
    assert_int_equal(fixture_get(f, KEY_OF("soft"), GET_VALUE).error, ERR_IO);
    assert_int_equal(fixture_get(f, KEY_OF("soft"), GET_DIGEST).error, 0);
    test_free(soft);
}

/* A value that rots after it was written is never given out. */
static void a_rotten_value_is_an_error(void **state)
{
    struct fixture *f = *state;
    open_faulty(f);
    fixture_put(f, value_record(KEY_OF("k"), SLICE("value"), 1));
    FILE *file = fopen(fixture_path(f, "seg-00000001.log"), "r+");
    assert_non_null(file);
    fseek(file, 64 + 64 + 1, SEEK_SET);
    fputc('V', file);
    fclose(file);
    assert_int_equal(fixture_get(f, KEY_OF("k"), GET_VALUE).error, ERR_CORRUPT);
    fault.uncached = true;
    assert_int_equal(fixture_get(f, KEY_OF("k"), GET_VALUE).error, ERR_CORRUPT);
}

/* A segment that the disk does not give is refused: it may be mended. Moved away it is one that is
 * missing. */
static void an_unreadable_segment_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    char key[32];
    f->options.segment_bytes = 1000;
    open_faulty(f);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(
            fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i + 1)).error, 0);
    fixture_close(f);
    fault.read_fails = true;
    assert_int_equal(log_open_io(&f->options, &faulty, &f->store, f->why, sizeof f->why), ERR_IO);
    f->store = NULL;
    assert_non_null(strstr(
        f->why, "seg-00000001.log: Input/output error; where it cannot be mended, move it away"));
    assert_int_equal(fixture_shell(f, "mv seg-00000001.log .."), 0);
    open_faulty(f);
    assert_true(store_damaged(f->store, 0));
    fixture_expect(f, numbered(key, "key", 29), SLICE("value"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_failure_is_survived),
        TEST(a_dead_disk_heals),
        TEST(a_full_disk_takes_deletions),
        TEST(a_full_disk_ends_the_segment_in_use),
        TEST(a_full_disk_begins_no_copy_that_does_not_fit),
        TEST(a_disk_without_any_room_refuses),
        TEST(interval_mode_syncs_states),
        TEST(the_interval_sync_fails),
        TEST(a_failure_takes_the_gathered_group_along),
        TEST(short_writes_are_continued),
        TEST(dying_in_any_write),
        TEST(uncached_reads_go_to_the_helper),
        TEST(a_rotten_value_is_an_error),
        TEST(an_unreadable_segment_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
