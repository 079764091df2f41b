/* Compaction: what it gives back, what it must not lose, and a crash or a failure at every one of
 * its steps. */
#include "store_fault.h"

#include <sched.h>
#include <sys/wait.h>

#include "base/rng.h"
#include "store/log/log_inner.h"

enum { KEYS = 20, SEGMENT = 2000 };

/* Round r of a load that overwrites: every key anew, the last three deleted. */
static struct store_result put_round(struct fixture *f, unsigned round, unsigned key_number)
{
    char key[32], value[32];
    struct slice k = numbered(key, "key", key_number);
    uint64_t stamp = 1 + round * KEYS + key_number;
    if (key_number >= KEYS - 3)
        return fixture_put(f, tombstone_record(k, stamp));
    return fixture_put(f, value_record(k, numbered_text(value, "value", (unsigned)stamp), stamp));
}

static void put_rounds(struct fixture *f, unsigned from, unsigned to)
{
    for (unsigned round = from; round < to; round++)
        for (unsigned i = 0; i < KEYS; i++)
            assert_int_equal(put_round(f, round, i).error, 0);
}

static void expect_round(struct fixture *f, unsigned round, unsigned key_number)
{
    char key[32], value[32];
    struct slice k = numbered(key, "key", key_number);
    struct store_result got = fixture_get(f, k, GET_VALUE);
    uint64_t stamp = 1 + round * KEYS + key_number;
    assert_int_equal(got.error, 0);
    assert_int_equal(got.record.kind, key_number >= KEYS - 3 ? RECORD_TOMBSTONE : RECORD_VALUE);
    assert_int_equal(got.record.version.stamp, stamp);
    if (got.record.kind == RECORD_VALUE)
        assert_true(slice_eq(got.record.value, numbered_text(value, "value", (unsigned)stamp)));
}

static void expect_rounds(struct fixture *f, unsigned last)
{
    for (unsigned i = 0; i < KEYS; i++)
        expect_round(f, last, i);
    assert_int_equal(store_records(f->store), KEYS);
}

/* Keys that are written once, so that segments are never wholly dead. */
static bool put_cold(struct fixture *f, unsigned n)
{
    char key[32];
    return fixture_put(f, value_record(numbered(key, "cold", n), SLICE("stays"), 1)).error == 0;
}

static void expect_cold(struct fixture *f, unsigned n)
{
    char key[32];
    for (unsigned i = 0; i < n; i++)
        fixture_expect(f, numbered(key, "cold", i), SLICE("stays"));
}

static void expect_rounds_and_cold(struct fixture *f, unsigned last, unsigned cold)
{
    for (unsigned i = 0; i < KEYS; i++)
        expect_round(f, last, i);
    expect_cold(f, cold);
}

/* The position only grows, over restarts and segments that come and go; an older copy of the
 * directory ends before it. */
static void the_position_never_falls_but_for_an_old_copy(void **state)
{
    struct fixture *f = *state;
    char command[400];
    uint64_t position = 0, copied = 0;
    f->options.segment_bytes = SEGMENT;
    for (unsigned round = 0; round < 6; round++) {
        f->options.durability = round % 2 ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        fixture_open(f);
        assert_true(store_position(f->store) >= position);
        for (unsigned i = 0; i < 3; i++) {
            put_rounds(f, 3 * round + i, 3 * round + i + 1);
            assert_true(store_position(f->store) > position);
            position = store_position(f->store);
        }
        fixture_until_compacted(f, 1);
        assert_true(store_position(f->store) >= position);
        if (round % 3 == 0)
            assert_int_equal(log_drain(f->store), 0);
        fixture_close(f);
        if (round != 3)
            continue;
        copied = position;
        snprintf(command, sizeof command, "cp -r %s %s.old", f->dir, f->dir);
        assert_int_equal(system(command), 0);
    }
    snprintf(command, sizeof command, "rm -r %s && mv %s.old %s", f->dir, f->dir, f->dir);
    assert_int_equal(system(command), 0);
    fixture_open(f);
    assert_true(store_position(f->store) >= copied);
    assert_true(store_position(f->store) < position);
}

static void overwriting_gives_space_back(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats;
    f->options.segment_bytes = SEGMENT;
    for (int mode = 0; mode < 2; mode++) {
        f->options.durability = mode ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        fixture_open(f);
        put_rounds(f, 30U * (unsigned)mode, 30U * (unsigned)mode + 30);
        fixture_until_rested(f);
        log_stats(f->store, &stats);
        assert_true(stats.removed >= 15);
        assert_in_range(stats.disk_bytes, KEYS * RECORD_HEADER, 6 * SEGMENT);
        for (int again = 0; again < 2; again++) {
            expect_rounds(f, 30U * (unsigned)mode + 29);
            assert_int_equal(log_drain(f->store), 0);
            fixture_close(f);
            f->report[0] = 0;
            fixture_open(f);
            assert_string_equal(f->report, "");
        }
        fixture_close(f);
    }
}

/* While a load goes on, segments that ended lately are left to die by themselves: for so many
 * bytes, not for ever. */
static void the_young_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats;
    f->options.segment_bytes = SEGMENT;
    f->options.patience_ms = 3600 * 1000;
    fixture_open(f);
    for (unsigned round = 0; round < 2; round++) {
        put_cold(f, round);
        put_rounds(f, round, round + 1);
    }
    log_stats(f->store, &stats);
    assert_in_range(stats.segments, 2, 4);
    assert_true(stats.resting);
    assert_int_equal(stats.removed, 0);
    for (unsigned round = 2; round < 30; round++) {
        put_cold(f, round);
        put_rounds(f, round, round + 1);
    }
    fixture_until_compacted(f, 10);
    log_stats(f->store, &stats);
    assert_true(stats.segments >= 4);
    expect_rounds_and_cold(f, 29, 30);
}

/* What still counts is copied, state records too. */
static void the_living_are_copied(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats;
    struct slice value;
    uint64_t serial;
    f->options.segment_bytes = SEGMENT;
    fixture_open(f);
    fixture_put(f, state_record(SLICE("identity"), SLICE("me"), 1));
    for (unsigned round = 0; round < 30; round++) {
        put_cold(f, round);
        put_rounds(f, round, round + 1);
    }
    fixture_until_rested(f);
    log_stats(f->store, &stats);
    assert_true(stats.removed >= 15);
    assert_in_range(stats.copied_bytes, 15 * RECORD_HEADER, 100 * SEGMENT);
    for (int again = 0; again < 2; again++) {
        expect_rounds_and_cold(f, 29, 30);
        assert_true(store_state(f->store, SLICE("identity"), &value, &serial));
        assert_true(slice_eq(value, SLICE("me")));
        assert_int_equal(access(fixture_path(f, "seg-00000001.log"), F_OK), -1);
        fixture_close(f);
        fixture_open(f);
    }
}

static struct record expiry_record(struct slice key, struct slice value, uint64_t stamp,
                                   uint64_t expiry_stamp)
{
    struct record r = value_record(key, value, stamp);
    r.version.expiry_stamp = expiry_stamp;
    r.expiry_ms = 1000 + expiry_stamp;
    return r;
}

/* Cold keys get expiries round after round: only the last of each counts, and it outlives every
 * compaction and a start. */
static void the_last_expiry_counts(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats;
    char key[32];
    f->options.segment_bytes = SEGMENT;
    fixture_open(f);
    for (unsigned round = 0; round < 30; round++) {
        put_cold(f, round);
        put_rounds(f, round, round + 1);
        /* the first of them each time, others now and then, some never */
        for (unsigned i = 0; i <= round; i += 1 + i / 4)
            assert_int_equal(fixture_put(f, expiry_record(numbered(key, "cold", i), SLICE("stays"),
                                                          1, 2 + round))
                                 .error,
                             0);
    }
    put_rounds(f, 30, 60); /* so that no expiry is left where it was written */
    for (int again = 0; again < 3; again++) {
        fixture_until_rested(f);
        for (unsigned i = 0; i < 30; i++) {
            bool ends = false;
            for (unsigned k = 0; k <= 29; k += 1 + k / 4)
                ends |= k == i;
            struct store_result got = fixture_get(f, numbered(key, "cold", i), GET_VALUE);
            assert_int_equal(got.error, 0);
            assert_true(slice_eq(got.record.value, SLICE("stays")));
            assert_int_equal(got.record.version.expiry_stamp, ends ? 31 : 0);
            assert_int_equal(got.record.expiry_ms, ends ? 1031 : 0);
        }
        assert_int_equal(access(fixture_path(f, "seg-00000001.log"), F_OK), -1);
        assert_int_equal(log_drain(f->store), 0);
        fixture_close(f);
        if (again == 1)
            unlink(fixture_path(f, "snapshot")); /* all of the log is read, then */
        fixture_open(f);
    }
    fixture_until_rested(f);
    log_stats(f->store, &stats);
    assert_true(stats.disk_bytes < 20 * SEGMENT); /* the 250 expiries are not there any more */
}

/* A large value does not fit a chunk of the compaction. */
static void large_values_are_copied(void **state)
{
    enum { ROUNDS = 12 };
    struct fixture *f = *state;
    size_t n = 3 * 1024 * 1024;
    uint8_t *p = test_malloc(n);
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)rng_below(&rng, 256); /* lz4 would make it small */
    /* several chunks, though one may be as large as the largest record */
    f->options.segment_bytes = 24 * 1024 * 1024;
    fixture_open(f);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        char key[32];
        put_cold(f, i - 1);
        p[0] = (uint8_t)i;
        fixture_put(f, value_record(numbered(key, "large", i % 2), slice_of(p, n), i));
        fixture_put(f, value_record(numbered(key, "stays", i), slice_of(p, n / 2), 1));
    }
    fixture_until_compacted(f, 1);
    for (int again = 0; again < 2; again++) {
        fixture_expect(f, KEY_OF("large-0"), slice_of(p, n));
        expect_cold(f, ROUNDS);
        fixture_close(f);
        fixture_open(f);
    }
    test_free(p);
}

/* Of a put that failed nobody knows: what was acknowledged is there, or what was tried after it. */
static void expect_round_or_later(struct fixture *f, unsigned round, unsigned last,
                                  unsigned key_number)
{
    char key[32];
    struct slice k = numbered(key, "key", key_number);
    uint64_t stamp = fixture_get(f, k, GET_DIGEST).record.version.stamp;
    unsigned found = (unsigned)((stamp - 1) / KEYS);
    assert_in_range(found, round, last);
    expect_round(f, found, key_number);
}

/* After a failure of the n-th call, whatever it is, nothing acknowledged is lost, nor by a
 * restart. */
static void a_failure_at_any_step(void **state)
{
    struct fixture *f = *state;
    f->options.segment_bytes = SEGMENT;
    f->options.snapshot_bytes = 1500; /* snapshots fail, and die, along with it */
    for (int nth = 1; nth <= 60; nth++) {
        nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
        open_faulty(f);
        fault.number = nth % 2 ? EIO : ENOSPC;
        fault.call_fails = 40 + 5 * nth;
        unsigned last[KEYS] = {0}, cold = 0;
        for (unsigned round = 0; round < 12; round++) {
            cold += put_cold(f, cold);
            for (unsigned i = 0; i < KEYS; i++)
                last[i] = put_round(f, round, i).error == 0 ? round : last[i];
        }
        for (int again = 0; again < 2; again++) {
            for (unsigned i = 0; i < KEYS; i++)
                expect_round_or_later(f, last[i], 11, i);
            expect_cold(f, cold);
            fixture_close(f);
            open_faulty(f);
        }
        fixture_close(f);
    }
}

/* The process dies in its n-th call: what it acknowledged is there, and nothing else but what was
 * on its way. */
static void child(struct fixture *f, int nth, int fd)
{
    open_faulty(f);
    fault.dies = nth;
    for (unsigned round = 0;; round++) {
        put_cold(f, round);
        for (unsigned i = 0; i < KEYS; i++) {
            uint64_t acked = put_round(f, round, i).token;
            if (write(fd, &acked, sizeof acked) != sizeof acked)
                _exit(2);
        }
    }
}

static uint64_t run_child(struct fixture *f, int nth)
{
    int fds[2], status;
    uint64_t acked, greatest = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        child(f, nth, fds[1]);
    close(fds[1]);
    while (read(fds[0], &acked, sizeof acked) == sizeof acked)
        greatest = acked;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return greatest;
}

static void dying_at_any_step(void **state)
{
    struct fixture *f = *state;
    f->options.segment_bytes = SEGMENT;
    f->options.snapshot_bytes = 1500;
    for (int nth = 60; nth <= 460; nth += 7) {
        nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
        uint64_t greatest = run_child(f, nth);
        unsigned round = (unsigned)((greatest - 1) / KEYS),
                 key_number = (unsigned)((greatest - 1) % KEYS);
        open_faulty(f);
        for (unsigned i = 0; i < KEYS; i++) {
            if (i != (key_number + 1) % KEYS && (i <= key_number || round > 0))
                expect_round(f, i <= key_number ? round : round - 1, i);
        }
        expect_cold(f, round + 1);
        put_rounds(f, round + 2, round + 6); /* and it goes on */
        expect_cold(f, round + 1);
        fixture_close(f);
    }
}

/* A read that waits for the disk holds its segment. */
static void reads_hold_segments(void **state)
{
    struct fixture *f = *state;
    f->options.segment_bytes = SEGMENT;
    open_faulty(f);
    put_cold(f, 0);
    put_rounds(f, 0, 1);
    fault.uncached = true;
    for (unsigned round = 1; round < 30; round++) {
        store_get(f->store, 1000 + round, KEY_OF("cold-0"), GET_VALUE);
        unsigned puts = 0, gets = 0;
        char key[32], value[32];
        for (unsigned i = 0; i < KEYS; i++) {
            uint64_t stamp = 1 + round * KEYS + i;
            struct record r = value_record(numbered(key, "key", i),
                                           numbered_text(value, "value", (unsigned)stamp), stamp);
            store_put(f->store, stamp, &r);
            store_commit(f->store);
        }
        while (puts < KEYS || gets < 1) {
            struct store_result out = fixture_reap(f);
            puts += out.kind == STORE_PUT_DONE;
            gets += out.kind == STORE_GET_DONE;
            assert_int_equal(out.error, 0);
            if (out.kind == STORE_GET_DONE)
                assert_true(slice_eq(out.record.value, SLICE("stays")));
        }
    }
    fixture_until_compacted(f, 10);
}

/* A segment that the list names, and that is not the one that is written to. */
static uint32_t listed_first(struct fixture *f, char name[SEGMENT_NAME])
{
    struct slice list;
    uint64_t serial;
    uint32_t number, end;
    assert_true(store_state(f->store, LIST_NAME, &list, &serial));
    assert_true(segments_listed(list, 0, &number, &end) && end > 0);
    segment_name(number, name);
    return number;
}

/* The index names copies before all of them are in it: a read in between finds its record. */
static void what_is_being_moved_is_read(void **state)
{
    enum { COLD = 2000 };
    struct fixture *f = *state;
    struct store_result out;
    char key[32];
    f->options.segment_bytes = 330 * 1000;
    f->options.durability = DURABILITY_INTERVAL;
    open_faulty(f);
    fault.uncached = true;
    for (unsigned i = 0; i < COLD; i++) {
        assert_true(put_cold(f, i));
        put_round(f, 0, i % KEYS);
    }
    const struct compact *c = &log_of(f->store)->upkeep.compact;
    for (unsigned round = 1; c->phase == COMPACT_REST; round++)
        put_rounds(f, round, round + 1); /* more segments, until the first is no longer young */
    while (c->phase != COMPACT_MOVE || c->next == 0) {
        assert_false(fixture_poll(f, &out));
        sched_yield();
    }
    assert_true(c->next < c->item_n);
    for (unsigned i = 0; i < COLD; i++)
        fixture_expect(f, numbered(key, "cold", i), SLICE("stays"));
}

/* The list says what must be there: a gap that compaction left is none, a listed segment that is
 * gone is a loss. It is reported once, for the next list does not name it. */
static void a_lost_segment_is_noticed(void **state)
{
    struct fixture *f = *state;
    char name[SEGMENT_NAME];
    f->options.segment_bytes = SEGMENT;
    fixture_open(f);
    put_rounds(f, 0, 30);
    for (unsigned i = 0; i < 60; i++)
        put_cold(f, i);
    fixture_until_compacted(f, 10);
    fixture_close(f);
    fixture_open(f);
    assert_false(store_damaged(f->store, 0));
    fixture_until_rested(f); /* else another list may follow */
    assert_in_range(listed_first(f, name), 2, 1000);
    fixture_close(f);
    assert_int_equal(unlink(fixture_path(f, name)), 0);
    fixture_open(f);
    assert_true(store_damaged(f->store, 0));
    assert_non_null(strstr(f->report, name));
    assert_non_null(strstr(f->report, "is missing"));
    fixture_close(f);
    f->report[0] = 0;
    fixture_open(f);
    assert_null(strstr(f->report, "is missing"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_position_never_falls_but_for_an_old_copy),
        TEST(overwriting_gives_space_back),
        TEST(the_living_are_copied),
        TEST(the_last_expiry_counts),
        TEST(large_values_are_copied),
        TEST(a_failure_at_any_step),
        TEST(dying_at_any_step),
        TEST(reads_hold_segments),
        TEST(what_is_being_moved_is_read),
        TEST(a_lost_segment_is_noticed),
        TEST(the_young_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
