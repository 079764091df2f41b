/* Records: the order of versions, the disk form, and what damage does to it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"
#include "wire/record.h"
#include "wire_random.h"

/* ---- Order ---- */

/* All versions whose fields are 1 or 2: every pair that differs in any combination of fields. */
static struct version nth_version(unsigned i)
{
    return (struct version){1 + (i & 1),      1 + (i >> 1 & 1), 1 + (i >> 2 & 1),
                            1 + (i >> 3 & 1), i >> 4 & 1,       i >> 5 & 1};
}

enum { VERSIONS = 64 };

static int sign(int c)
{
    return (c > 0) - (c < 0);
}

static void test_versions_are_totally_ordered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VERSIONS; i++) {
        for (unsigned j = 0; j < VERSIONS; j++) {
            struct version a = nth_version(i), b = nth_version(j);
            assert_int_equal(sign(version_cmp(&a, &b)), -sign(version_cmp(&b, &a)));
            assert_int_equal(version_cmp(&a, &b) == 0, i == j);
            for (unsigned k = 0; k < VERSIONS; k++) {
                struct version c = nth_version(k);
                if (version_cmp(&a, &b) <= 0 && version_cmp(&b, &c) <= 0)
                    assert_true(version_cmp(&a, &c) <= 0);
            }
        }
    }
}

static void test_the_order_is_that_of_the_design(void **state)
{
    (void)state;
    const struct version low = {5, 5, 5, 5, 0, 0};
    /* each is greater than all before it, whatever the fields behind the one that decides say */
    const struct version rising[] = {
        {5, 5, 5, 6, 0, 0}, {5, 5, 6, 0, 0, 0},          {5, 6, 0, 0, 0, 0}, {5, 0, 0, 0, 1, 0},
        {6, 0, 0, 0, 0, 0}, {UINT64_MAX, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 1},
    };
    const struct version *before = &low;
    for (unsigned i = 0; i < sizeof rising / sizeof *rising; i++) {
        assert_true(version_cmp(&rising[i], before) > 0);
        before = &rising[i];
    }
}

/* A value, it with other ends, what is left of it when it has lapsed, and its erasure. */
static void test_records_of_one_value_are_totally_ordered(void **state)
{
    (void)state;
    const struct record rising[] = {
        {.kind = RECORD_VALUE, .version = {.stamp = 5}},
        {.kind = RECORD_FLOOR, .version = {.stamp = 5}},
        {.kind = RECORD_VALUE, .version = {.stamp = 5, .expiry_stamp = 8}},
        {.kind = RECORD_VALUE, .version = {.stamp = 5, .expiry_stamp = 8}, .expiry_ms = 1000},
        {.kind = RECORD_TOMBSTONE, .version = {.stamp = 5, .expiry_stamp = 8}, .expiry_ms = 1000},
        {.kind = RECORD_FLOOR, .version = {.stamp = 5, .expiry_stamp = 8}, .expiry_ms = 1000},
        {.kind = RECORD_VALUE, .version = {.stamp = 5, .expiry_stamp = 8}, .expiry_ms = 1001},
        {.kind = RECORD_VALUE, .version = {.stamp = 5, .expiry_stamp = 9}},
        {.kind = RECORD_TOMBSTONE, .version = {.stamp = 5, .deleted = 1}},
        {.kind = RECORD_VALUE, .version = {.stamp = 6}},
    };
    enum { N = sizeof rising / sizeof *rising };
    for (unsigned i = 0; i < N; i++)
        for (unsigned j = 0; j < N; j++)
            assert_int_equal(sign(record_cmp(&rising[i], &rising[j])), (i > j) - (i < j));
}

/* What has lapsed has a value's version, and an end. */
static void test_a_tombstone_without_a_deletion_has_an_end(void **state)
{
    (void)state;
    struct record r = {
        .kind = RECORD_TOMBSTONE, .version = {.stamp = 5, .expiry_stamp = 5}, .key = KEY_OF("k")};
    assert_false(record_valid(&r));
    r.expiry_ms = 1000;
    assert_true(record_valid(&r));
    r.value = SLICE("v");
    assert_false(record_valid(&r));
}

static void test_a_deletion_wins_at_equal_stamps(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 1000; i++) {
        struct version value, deletion;
        random_version(&rng, &value);
        random_version(&rng, &deletion);
        value.deleted = 0;
        deletion.deleted = 1;
        deletion.stamp = value.stamp;
        deletion.ordered = value.ordered;
        assert_true(version_cmp(&deletion, &value) > 0);
    }
}

/* ---- Disk form ---- */

static struct buf encoded(const struct record *r)
{
    struct buf b;
    buf_init(&b, RECORD_MAX);
    assert_int_equal(record_encode(&b, r), 0);
    return b;
}

/* A random record that may rest on disk; with `runs`, its value is one that lz4 shrinks. */
static struct record random_stored(struct rng *rng, bool runs)
{
    static uint8_t zeros[4096];
    struct record r;
    do
        random_record(rng, &r);
    while (r.kind == RECORD_NONE);
    if (runs && r.kind != RECORD_TOMBSTONE && r.kind != RECORD_FLUSH && r.kind != RECORD_FLOOR)
        r.value = slice_of(zeros, rng_below(rng, sizeof zeros));
    return r;
}

static void check_round_trip(const struct record *r)
{
    struct buf b = encoded(r), scratch;
    struct record_view v;
    struct record back;
    buf_init(&scratch, RECORD_VALUE_MAX);
    assert_int_equal(record_decode(buf_view(&b), &v), b.n);
    assert_int_equal(v.size, b.n);
    assert_int_equal(v.slot, record_slot(r));
    assert_int_equal(v.value_size, r->value.n);
    back = v.record;
    assert_int_equal(record_value(&v, &scratch, &back.value), 0);
    assert_true(equal_record(r, &back));
    buf_close(&b);
    buf_close(&scratch);
}

static void test_records_survive(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        struct record r = random_stored(&rng, i % 2);
        check_round_trip(&r);
    }
}

static void test_the_largest_record_survives(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(RECORD_VALUE_MAX + 1);
    struct rng rng;
    rng_init(&rng, 2);
    for (size_t i = 0; i <= RECORD_VALUE_MAX; i++)
        bytes[i] = (uint8_t)(rng_next(&rng) >> 56);
    bytes[0] = 0;
    struct record r = {.kind = RECORD_VALUE,
                       .key = slice_of(bytes, KEY_FULL_MAX),
                       .value = slice_of(bytes, RECORD_VALUE_MAX)};
    check_round_trip(&r);

    struct buf b;
    buf_init(&b, 2 * (size_t)RECORD_MAX);
    r.value.n++;
    assert_int_equal(record_encode(&b, &r), ERR_TOO_BIG);
    r.value.n--;
    r.key.n++;
    assert_int_equal(record_encode(&b, &r), ERR_TOO_BIG);
    assert_int_equal(b.n, 0);
    free(bytes);
}

static void test_values_are_compressed_where_it_pays(void **state)
{
    (void)state;
    uint8_t text[4096];
    struct record r = {.kind = RECORD_VALUE, .key = KEY_OF("k")};
    memset(text, 'x', sizeof text);
    r.value = slice_of(text, RECORD_LZ4_MIN - 1);
    struct buf b = encoded(&r);
    assert_int_equal(b.n, RECORD_HEADER + 2 + RECORD_LZ4_MIN - 1);
    buf_close(&b);
    r.value = slice_of(text, sizeof text);
    b = encoded(&r);
    assert_true(b.n < 200);
    buf_close(&b);
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(rng_next(&rng) >> 56);
    b = encoded(&r);
    assert_int_equal(b.n, RECORD_HEADER + 2 + sizeof text);
    buf_close(&b);
}

static void test_a_truncated_record_is_incomplete(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 4);
    for (int i = 0; i < 50; i++) {
        struct record r = random_stored(&rng, i % 2);
        struct buf b = encoded(&r);
        for (size_t n = 0; n < b.n; n++) {
            struct record_view v;
            uint8_t *copy = exact_copy(b.p, n);
            assert_int_equal(record_decode(slice_of(copy, n), &v), ERR_INCOMPLETE);
            exact_free(copy, n);
        }
        buf_close(&b);
    }
}

static void test_every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 20; i++) {
        struct record r = random_stored(&rng, i % 2);
        struct buf b = encoded(&r);
        for (size_t bit = 0; bit < b.n * 8; bit++) {
            struct record_view v;
            b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int got = record_decode(buf_view(&b), &v);
            assert_true(got == ERR_CORRUPT || got == ERR_INCOMPLETE);
            b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buf_close(&b);
    }
}

/* Damage to the size of an uncompressed record is seen at once: a log's reader does not wait for
 * bytes that never were. */
static void test_a_damaged_size_is_corrupt_not_incomplete(void **state)
{
    (void)state;
    struct record r = {.kind = RECORD_VALUE, .key = KEY_OF("key"), .value = SLICE("value")};
    struct buf b = encoded(&r);
    for (int bit = 0; bit < 32; bit++) {
        struct record_view v;
        b.p[8 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(record_decode(buf_view(&b), &v), ERR_CORRUPT);
        b.p[8 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_close(&b);
}

static void test_zeros_are_no_record(void **state)
{
    (void)state;
    static const uint8_t zeros[4096];
    struct record_view v;
    assert_int_equal(record_decode(slice_of(zeros, sizeof zeros), &v), ERR_CORRUPT);
}

/* Writes a checksum that fits, so that what is behind it is tested. */
static int decode_resealed(struct buf *b, struct record_view *v)
{
    put_u64(b->p, hash_bytes(slice_of(b->p + 8, b->n - 8)));
    return record_decode(buf_view(b), v);
}

static void test_what_a_fitting_checksum_does_not_excuse(void **state)
{
    (void)state;
    static const uint8_t zeros[1024];
    struct record r = {
        .kind = RECORD_VALUE, .key = KEY_OF("key"), .value = slice_of(zeros, sizeof zeros)};
    struct buf b = encoded(&r), scratch;
    struct record_view v;
    struct slice value;
    buf_init(&scratch, RECORD_VALUE_MAX);
    assert_int_equal(decode_resealed(&b, &v), b.n);

    uint8_t *last = b.p + b.n - 1;
    *last ^= 0xff; /* the lz4 bytes themselves */
    memset(b.p + RECORD_HEADER + 4, 0xff, 4);
    assert_int_equal(decode_resealed(&b, &v), b.n);
    assert_int_equal(record_value(&v, &scratch, &value), ERR_CORRUPT);
    buf_close(&b);

    static const struct {
        unsigned at;
        uint8_t byte;
    } wrong[] = {{12, RECORD_NONE},
                 {12, RECORD_STATE + 1},
                 {12, RECORD_TOMBSTONE},
                 {RECORD_HEADER, SPACES_CLIENTS},
                 {13, 1 | 8},
                 {13, 1 | 2},
                 {15, 0x40}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        b = encoded(&r);
        b.p[wrong[i].at] = wrong[i].byte;
        assert_int_equal(decode_resealed(&b, &v), ERR_CORRUPT);
        buf_close(&b);
    }
    buf_close(&scratch);
}

/* With such a stamp a key could not be written again; and with such a flush or floor no key. */
static void test_a_stamp_that_leaves_no_room_is_no_records(void **state)
{
    (void)state;
    const struct {
        struct record r;
        bool valid;
    } c[] = {
        {{.kind = RECORD_VALUE, .key = KEY_OF("k"), .version.stamp = STAMP_MAX}, true},
        {{.kind = RECORD_VALUE, .key = KEY_OF("k"), .version.stamp = STAMP_MAX + 1}, false},
        {{.kind = RECORD_VALUE, .key = KEY_OF("k"), .version.stamp = UINT64_MAX}, false},
        {{.kind = RECORD_TOMBSTONE,
          .key = KEY_OF("k"),
          .version = {.stamp = UINT64_MAX, .deleted = 1}},
         false},
        {{.kind = RECORD_VALUE,
          .key = KEY_OF("k"),
          .version = {.stamp = 1, .expiry_stamp = STAMP_MAX}},
         true},
        {{.kind = RECORD_VALUE,
          .key = KEY_OF("k"),
          .version = {.stamp = 1, .expiry_stamp = STAMP_MAX + 1}},
         false},
        {{.kind = RECORD_STATE, .version.stamp = UINT64_MAX}, false},
        {{.kind = RECORD_FLUSH,
          .version = {.stamp = STAMP_WIDE_MAX, .deleted = 1},
          .value = FLUSH_EVERYTHING_BYTES},
         true},
        {{.kind = RECORD_FLUSH,
          .version = {.stamp = STAMP_WIDE_MAX + 1, .deleted = 1},
          .value = FLUSH_EVERYTHING_BYTES},
         false},
        {{.kind = RECORD_FLOOR, .key = KEY_OF("k"), .version.stamp = STAMP_WIDE_MAX}, true},
        {{.kind = RECORD_FLOOR, .key = KEY_OF("k"), .version.stamp = STAMP_WIDE_MAX + 1}, false},
    };
    for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
        struct buf b = encoded(&c[i].r);
        struct record_view v;
        assert_int_equal(record_valid(&c[i].r), c[i].valid);
        assert_int_equal(record_decode(buf_view(&b), &v), c[i].valid ? (int)b.n : ERR_CORRUPT);
        buf_close(&b);
    }
}

static void test_a_value_that_does_not_fit_the_scratch_is_an_error(void **state)
{
    (void)state;
    static const uint8_t zeros[1024];
    struct record r = {
        .kind = RECORD_VALUE, .key = KEY_OF("key"), .value = slice_of(zeros, sizeof zeros)};
    struct buf b = encoded(&r), scratch;
    struct record_view v;
    struct slice value;
    buf_init(&scratch, sizeof zeros - 1);
    assert_int_equal(record_decode(buf_view(&b), &v), b.n);
    assert_int_equal(record_value(&v, &scratch, &value), ERR_TOO_BIG);
    buf_close(&b);
    buf_close(&scratch);
}

static void test_the_bytes_are_as_declared(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        /* size, kind, flags, slot of "foobar" */
        71, 0,   0,   0,   2,   6,   0x25, 0x30, 1, 0, 0, 0, 0, 0, 0, 0,
        2,  0,   0,   0,   0,   0,   0,    0,                            /* stamp, node */
        3,  0,   0,   0,   0,   0,   0,    0,    4, 0, 0, 0, 0, 0, 0, 0, /* digest, expiry stamp */
        5,  0,   0,   0,   0,   0,   0,    0,    7, 0, 0, 0, 0, 0, 0, 0, /* expiry, lengths */
        0,  'f', 'o', 'o', 'b', 'a', 'r',                                /* the space, the name */
    };
    struct record r = {.kind = RECORD_TOMBSTONE,
                       .version = {1, 2, 3, 4, 1, 1},
                       .expiry_ms = 5,
                       .key = KEY_OF("foobar")};
    struct buf b = encoded(&r);
    assert_int_equal(b.n, 8 + sizeof want);
    assert_int_equal(get_u64(b.p), hash_bytes(slice_of(b.p + 8, b.n - 8)));
    assert_memory_equal(b.p + 8, want, sizeof want);
    buf_close(&b);
}

/* ---- Flushes ---- */

static void test_runs_of_flushes_come_back_and_damage_ends_them(void **state)
{
    (void)state;
    const struct flush_run c[] = {{{0, 15, 0, SLOTS - 1}, 7}, {{3, 3, 16, 31}, STAMP_WIDE_MAX}},
                           none = {0};
    struct flush_run got;
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(flush_run_append(&b, &c[0]) | flush_run_append(&b, &c[1]), 0);
    assert_int_equal(b.n, 2 * FLUSH_RUN);
    assert_memory_equal(b.p, FLUSH_EVERYTHING_BYTES.p, FLUSH_AREA);
    struct slice rest = buf_view(&b);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(flush_run_next(&rest, &got), 1);
        assert_memory_equal(&got.area, &c[i].area, sizeof got.area);
        assert_int_equal(got.stamp, c[i].stamp);
    }
    assert_int_equal(flush_run_next(&rest, &got), 0);
    assert_int_equal(flush_run_at(slice_of(b.p + FLUSH_RUN, FLUSH_RUN), 3, 31).stamp,
                     STAMP_WIDE_MAX);
    assert_int_equal(flush_run_at(slice_of(b.p + FLUSH_RUN, FLUSH_RUN), 3, 32).stamp, none.stamp);
    assert_int_equal(flush_run_at(slice_of(b.p + FLUSH_RUN, FLUSH_RUN), 4, 31).stamp, none.stamp);
    for (size_t n = 1; n < FLUSH_RUN; n++) {
        uint8_t *copy = exact_copy(b.p, n);
        rest = slice_of(copy, n);
        assert_int_equal(flush_run_next(&rest, &got), ERR_BAD_MESSAGE);
        exact_free(copy, n);
    }
    static const uint64_t wrong[] = {0, STAMP_WIDE_MAX + 1};
    for (unsigned i = 0; i < 2; i++) {
        put_u64(b.p + FLUSH_AREA, wrong[i]);
        rest = buf_view(&b);
        assert_int_equal(flush_run_next(&rest, &got), ERR_BAD_MESSAGE);
    }
    buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_are_totally_ordered),
        cmocka_unit_test(test_the_order_is_that_of_the_design),
        cmocka_unit_test(test_records_of_one_value_are_totally_ordered),
        cmocka_unit_test(test_a_tombstone_without_a_deletion_has_an_end),
        cmocka_unit_test(test_a_deletion_wins_at_equal_stamps),
        cmocka_unit_test(test_records_survive),
        cmocka_unit_test(test_the_largest_record_survives),
        cmocka_unit_test(test_values_are_compressed_where_it_pays),
        cmocka_unit_test(test_a_truncated_record_is_incomplete),
        cmocka_unit_test(test_every_flipped_bit_is_seen),
        cmocka_unit_test(test_a_damaged_size_is_corrupt_not_incomplete),
        cmocka_unit_test(test_zeros_are_no_record),
        cmocka_unit_test(test_what_a_fitting_checksum_does_not_excuse),
        cmocka_unit_test(test_a_stamp_that_leaves_no_room_is_no_records),
        cmocka_unit_test(test_a_value_that_does_not_fit_the_scratch_is_an_error),
        cmocka_unit_test(test_the_bytes_are_as_declared),
        cmocka_unit_test(test_runs_of_flushes_come_back_and_damage_ends_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
