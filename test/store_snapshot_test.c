/* Snapshots of the index: what a start with one finds is what a start without one finds, whatever
 * became of either since. */
#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/rng.h"
#include "store/log/snapshot.h"
#include "wire/bytes.h"

enum { KEYS = 40, SEGMENT = 4000 };

static struct slice read_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *p = test_malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    return slice_of(p, (size_t)st.st_size);
}

static void write_file(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    close(fd);
}

static struct log_stats stats_of(const struct fixture *f)
{
    struct log_stats stats;
    log_stats(f->store, &stats);
    return stats;
}

/* Every key of a round, values long and short, the last ones deleted. */
static void put_round(struct fixture *f, unsigned round)
{
    char key[32], value[32];
    for (unsigned i = 0; i < KEYS; i++) {
        struct slice k = numbered(key, i % 7 ? "key" : "a-much-longer-key", i);
        uint64_t stamp = 1 + round * KEYS + i;
        struct record r = value_record(k, numbered_text(value, "value", (unsigned)stamp), stamp);
        r.version.node = 1 + i % 5;
        r.version.expiry_stamp = i % 4 ? 0 : stamp;
        r.expiry_ms = i % 4 ? 0 : 1000 + stamp;
        assert_int_equal(fixture_put(f, i >= KEYS - 3 ? tombstone_record(k, stamp) : r).error, 0);
    }
    fixture_put(f, state_record(SLICE("identity"), numbered_text(value, "me", round), round + 1));
}

static void expect_key(struct fixture *f, unsigned round, unsigned i)
{
    char key[32], value[32];
    uint64_t stamp = 1 + round * KEYS + i;
    struct store_result got =
        fixture_get(f, numbered(key, i % 7 ? "key" : "a-much-longer-key", i), GET_VALUE);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.record.kind, i >= KEYS - 3 ? RECORD_TOMBSTONE : RECORD_VALUE);
    assert_int_equal(got.record.version.stamp, stamp);
    if (i >= KEYS - 3)
        return;
    assert_true(slice_eq(got.record.value, numbered_text(value, "value", (unsigned)stamp)));
    assert_int_equal(got.record.version.node, 1 + i % 5);
    assert_int_equal(got.record.expiry_ms, i % 4 ? 0 : 1000 + stamp);
}

static void expect_round(struct fixture *f, unsigned round)
{
    char name[32];
    struct slice value;
    uint64_t serial;
    for (unsigned i = 0; i < KEYS; i++)
        expect_key(f, round, i);
    assert_int_equal(store_records(f->store), KEYS);
    assert_true(store_state(f->store, SLICE("identity"), &value, &serial));
    assert_true(slice_eq(value, numbered_text(name, "me", round)));
}

static void wait_for_snapshots(struct fixture *f, uint64_t n)
{
    struct store_result out;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    while (!store_reap(f->store, &out) && stats_of(f).snapshots < n)
        if (sem_timedwait(&f->woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("no snapshot after %d s", WAIT_S);
}

/* A log of some rounds whose last snapshot stands in the middle. */
static unsigned make_log(struct fixture *f)
{
    f->options.segment_bytes = SEGMENT;
    f->options.snapshot_bytes = 20000;
    fixture_open(f);
    for (unsigned round = 0; round < 8; round++)
        put_round(f, round);
    wait_for_snapshots(f, 1);
    put_round(f, 8);
    return 8;
}

static void a_start_reads_the_snapshot_and_the_tail(void **state)
{
    struct fixture *f = *state;
    for (int mode = 0; mode < 2; mode++) {
        f->options.durability = mode ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
        unsigned round = make_log(f);
        struct log_stats before = stats_of(f);
        for (int again = 0; again < 2; again++) {
            expect_round(f, round);
            fixture_close(f);
            f->report[0] = 0;
            fixture_open(f);
            assert_string_equal(f->report, "");
            assert_in_range(stats_of(f).snapshot_bytes, 1, 1000000);
            assert_in_range(stats_of(f).replayed_bytes, 1, before.disk_bytes - 1);
            assert_int_equal(stats_of(f).key_bytes, before.key_bytes);
        }
        put_round(f, ++round);
        expect_round(f, round);
        fixture_close(f);
    }
}

/* Damaged anywhere, or cut anywhere: passed over. */
static void a_damaged_snapshot_is_passed_over(void **state)
{
    struct fixture *f = *state;
    unsigned round = make_log(f);
    fixture_close(f);
    struct slice whole = read_file(fixture_path(f, SNAPSHOT_NAME));
    uint8_t *p = (uint8_t *)(uintptr_t)whole.p;
    f->options.snapshot_bytes = 1 << 30;
    for (size_t at = 0; at < whole.n; at += 1 + at / 3 % 97) {
        p[at] ^= 0x41;
        write_file(fixture_path(f, SNAPSHOT_NAME), slice_of(p, at % 5 ? whole.n : at));
        p[at] ^= 0x41;
        fixture_open(f);
        assert_int_equal(stats_of(f).snapshot_bytes, 0);
        assert_int_equal(access(fixture_path(f, SNAPSHOT_NAME), F_OK), -1);
        expect_round(f, round);
        fixture_close(f);
    }
    test_free(p);
}

/* The segments of a snapshot's footer. */
static uint8_t *footer_segments(const uint8_t *snapshot, const uint8_t *trailer, uint32_t *n)
{
    uint8_t *p = (uint8_t *)(uintptr_t)snapshot + get_u64(trailer);
    p += (size_t)get_u32(snapshot + 24) * 24; /* past the arcs */
    p += 4 + (size_t)get_u32(p) * 8;          /* past the nodes */
    *n = get_u32(p);
    return p + 4;
}

/* Lets the snapshot name one segment, of which there is a file, under two ordinals. */
static void name_twice(struct fixture *f, uint8_t *snapshot, uint8_t *trailer)
{
    uint32_t n;
    char name[SEGMENT_NAME];
    uint8_t *first = footer_segments(snapshot, trailer, &n), *there = NULL;
    for (uint32_t i = 0; i < n; i++) {
        segment_name(get_u32(first + (size_t)i * SNAPSHOT_SEGMENT), name);
        if (access(fixture_path(f, name), F_OK) == 0)
            there = first + (size_t)i * SNAPSHOT_SEGMENT;
    }
    assert_true(n >= 2 && there);
    uint8_t *other = there == first ? first + SNAPSHOT_SEGMENT : first;
    memcpy(other, there, 12);          /* number and id */
    memcpy(other + 16, there + 16, 8); /* complete_to and named_to */
    put_u64(trailer + 16, hash_bytes(slice_of(snapshot + get_u64(trailer), get_u64(trailer + 8))));
}

/* It has every checksum right. */
static void a_snapshot_that_names_a_segment_twice_is_passed_over(void **state)
{
    struct fixture *f = *state;
    f->options.dead_percent = 101; /* every segment stays */
    unsigned round = make_log(f);
    fixture_close(f);
    struct slice whole = read_file(fixture_path(f, SNAPSHOT_NAME));
    uint8_t *p = (uint8_t *)(uintptr_t)whole.p;
    name_twice(f, p, p + whole.n - SNAPSHOT_TRAILER);
    write_file(fixture_path(f, SNAPSHOT_NAME), whole);
    test_free(p);
    f->options.snapshot_bytes = 1 << 30;
    fixture_open(f);
    assert_int_equal(stats_of(f).snapshot_bytes, 0);
    expect_round(f, round);
}

/* Nothing is read twice, and nothing closed twice. */
static void one_that_cannot_be_removed_is_said(void **state)
{
    struct fixture *f = *state;
    make_log(f);
    fixture_close(f);
    const char *path = fixture_path(f, SNAPSHOT_NAME);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(log_open(&f->options, &f->store, f->why, sizeof f->why), ERR_IO);
    assert_non_null(strstr(f->why, "cannot remove the old snapshot"));
    assert_int_equal(rmdir(fixture_path(f, SNAPSHOT_NAME)), 0);
    fixture_open(f);
}

/* An old snapshot names segments that compaction has since removed, and is good all the same. */
static void an_old_snapshot_is_good(void **state)
{
    struct fixture *f = *state;
    unsigned round = make_log(f);
    struct slice old = read_file(fixture_path(f, SNAPSHOT_NAME));
    uint64_t removed = stats_of(f).removed;
    while (round < 20)
        put_round(f, ++round);
    fixture_until_compacted(f, removed + 10);
    fixture_close(f);
    for (int again = 0; again < 2; again++) {
        write_file(fixture_path(f, SNAPSHOT_NAME), old);
        fixture_open(f);
        assert_int_equal(stats_of(f).snapshot_bytes, old.n);
        for (unsigned i = 0; i < KEYS; i++)
            expect_key(f, round, i);
        fixture_close(f);
    }
    test_free((void *)(uintptr_t)old.p);
}

/* A snapshot that counts on records which the log has lost is not used, and goes. */
static void a_snapshot_ahead_of_the_log_is_passed_over(void **state)
{
    struct fixture *f = *state;
    char key[32];
    f->options.snapshot_bytes = 1000;
    fixture_open(f);
    for (unsigned i = 1; i <= 100; i++)
        fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i));
    wait_for_snapshots(f, 1);
    fixture_close(f);
    assert_int_equal(truncate(fixture_path(f, "seg-00000001.log"), 400), 0);
    fixture_open(f);
    assert_int_equal(stats_of(f).snapshot_bytes, 0);
    assert_in_range(store_records(f->store), 1, 4);
    fixture_expect(f, KEY_OF("key-1"), SLICE("value"));
    assert_int_equal(fixture_get(f, KEY_OF("key-100"), GET_VALUE).record.kind, RECORD_NONE);
    assert_int_equal(access(fixture_path(f, SNAPSHOT_NAME), F_OK), -1);
}

/* Images of arcs with keys of all lengths, expiries gained and lost, and entries made anew. */
static void images_are_faithful(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct index from, to;
    struct rng rng;
    struct buf image;
    bool known[4] = {true, true, false, true};
    struct tally tally[4] = {{0}};
    uint8_t *key = test_malloc(KEY_MAX);
    rng_init(&rng, 5);
    buf_init(&image, 1 << 28);
    assert_int_equal(index_init(&from, 4, 99) | index_init(&to, 4, 99), 0);
    for (unsigned i = 0; i < 2 * N; i++) {
        unsigned k = i % N;
        size_t n = k % 50 == 0 ? 200 + k * 7 % 30000 : 5 + k % 20;
        memset(key, (int)(k % 251), n);
        key[0] = 0;
        memcpy(key + 1, &k, sizeof k);
        struct index_key ik = index_key(&from, slot_of_key(slice_of(key, n)), slice_of(key, n));
        struct index_item item = {.version = {.stamp = i + 1, .node = 1 + k % 9},
                                  .kind = RECORD_VALUE,
                                  .segment = (uint16_t)(k % 4)};
        item.offset = i;
        item.value_n = k;
        item.expiry_ms = rng_below(&rng, 3) ? 0 : i;
        struct index_spot spot;
        index_find(&from, &ik, &spot);
        assert_int_equal(index_reserve(&from, &ik, &item, &spot), 0);
        index_set(&from, &spot, &item);
    }
    for (uint32_t i = 1; i < from.nodes.n; i++)
        assert_int_equal(nodes_number(&to.nodes, from.nodes.id[i]), i);
    struct index_image_segments places = {known, tally, 4};
    for (uint32_t arc = 0; arc < 4; arc++) {
        image.n = 0;
        assert_int_equal(index_image_write(&from, arc, &image), 0);
        assert_int_equal(image.n, index_image_bytes(&from, arc));
        assert_int_equal(index_image_read(&to, arc, buf_view(&image), &places), 0);
    }
    index_check(&to);
    assert_int_equal(to.records, from.records);
    assert_int_equal(to.greatest, 2 * N);
    assert_int_equal(to.key_bytes, from.key_bytes);
    assert_int_equal(to.bytes, from.bytes);
    for (unsigned k = 0; k < N; k++) {
        size_t n = k % 50 == 0 ? 200 + k * 7 % 30000 : 5 + k % 20;
        memset(key, (int)(k % 251), n);
        key[0] = 0;
        memcpy(key + 1, &k, sizeof k);
        struct index_key ik = index_key(&from, slot_of_key(slice_of(key, n)), slice_of(key, n));
        struct index_spot a, b;
        assert_true(index_find(&from, &ik, &a) && index_find(&to, &ik, &b));
        struct index_item x = index_get(&from, &a), y = index_get(&to, &b);
        assert_int_equal(y.kind, k % 4 == 2 ? RECORD_NONE : RECORD_VALUE);
        assert_int_equal(version_cmp(&x.version, &y.version), 0);
        assert_int_equal(x.offset, y.offset);
        assert_int_equal(x.expiry_ms, y.expiry_ms);
    }
    index_close(&from);
    index_close(&to);
    buf_close(&image);
    test_free(key);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_start_reads_the_snapshot_and_the_tail),
        TEST(a_damaged_snapshot_is_passed_over),
        TEST(a_snapshot_that_names_a_segment_twice_is_passed_over),
        TEST(one_that_cannot_be_removed_is_said),
        TEST(an_old_snapshot_is_good),
        TEST(a_snapshot_ahead_of_the_log_is_passed_over),
        cmocka_unit_test(images_are_faithful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
