/* XXH3, the slot of a key, and the seeded random numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/hash.h"
#include "base/rng.h"

static void test_xxh3_known_values(void **state)
{
    (void)state;
    /* from xxHash's own test vectors: empty input, seed 0 */
    assert_true(hash_bytes(slice_of(NULL, 0)) == 0x2d06800538d394c2u);
    assert_true(hash_bytes(SLICE("a")) == hash_seeded(SLICE("a"), 0));
    assert_true(hash_seeded(SLICE("a"), 1) != hash_seeded(SLICE("a"), 2));
    assert_true(hash_bytes(SLICE("a")) != hash_bytes(SLICE("b")));
}

/* The Redis Cluster specification's own examples, and values that a redis-server gave for CLUSTER
 * KEYSLOT. */
static void test_slots_are_those_of_redis(void **state)
{
    (void)state;
    assert_int_equal(slot_of_name(SLICE("123456789")), 0x31c3);
    assert_int_equal(slot_of_name(SLICE("foo")), 12182);
    assert_int_equal(slot_of_name(SLICE("bar")), 5061);
    assert_int_equal(slot_of_name(SLICE("somekey")), 11058);
    assert_int_equal(slot_of_name(SLICE("")), 0);
    assert_int_equal(slot_of_key(KEY_OF("foo")), 12182);
    assert_int_equal(slot_of_key(SLICE("\x80{foo}bar")), 12182);
    assert_int_equal(slot_of_key(slice_of(NULL, 0)), 0);
    assert_int_equal(slot_of_name(slice_of(NULL, 0)), 0);
}

static void test_hash_tags(void **state)
{
    (void)state;
    uint16_t user = slot_of_name(SLICE("user1000"));
    assert_int_equal(slot_of_name(SLICE("{user1000}.following")), user);
    assert_int_equal(slot_of_name(SLICE("{user1000}.followers")), user);
    /* the first tag is empty: the whole key counts, whatever follows */
    assert_int_equal(slot_of_name(SLICE("foo{}{bar}")), 8363);
    assert_int_not_equal(slot_of_name(SLICE("foo{}{bar}")), slot_of_name(SLICE("bar")));
    /* from the first '{' to the first '}' after it: "{bar" */
    assert_int_equal(slot_of_name(SLICE("foo{{bar}}zap")), slot_of_name(SLICE("{bar")));
    assert_int_equal(slot_of_name(SLICE("foo{bar}{zap}")), slot_of_name(SLICE("bar")));
    /* no closing brace after the opening one */
    assert_int_not_equal(slot_of_name(SLICE("{foo")), slot_of_name(SLICE("foo")));
    assert_int_not_equal(slot_of_name(SLICE("}foo{")), slot_of_name(SLICE("foo")));
    /* binary keys */
    assert_int_equal(slot_of_name(SLICE("\0{foo}\0")), slot_of_name(SLICE("foo")));
}

/* The polynomial bit by bit. */
static uint16_t slot_by_bits(struct slice s)
{
    unsigned crc = 0;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (unsigned)s.p[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc & 0x8000 ? 0x1021u : 0u);
    }
    return crc % SLOTS;
}

static void test_slots_of_all_lengths_and_places(void **state)
{
    (void)state;
    struct rng r;
    uint8_t key[80];
    rng_init(&r, 3);
    for (size_t n = 0; n <= sizeof key - 8; n++) {
        for (size_t at = 0; at < 8; at++) {
            for (size_t i = 0; i < n; i++)
                key[at + i] = (uint8_t)(rng_next(&r) & 0x1f) ^ 0x80; /* no braces */
            assert_int_equal(slot_of_name(slice_of(key + at, n)),
                             slot_by_bits(slice_of(key + at, n)));
        }
    }
    for (unsigned place = 0; place < 16; place++) { /* every byte at every place of eight */
        for (unsigned byte = 0; byte < 256; byte++) {
            memset(key, 0, 16);
            key[place] = (uint8_t)byte;
            assert_int_equal(slot_of_name(slice_of(key, 16)), slot_by_bits(slice_of(key, 16)));
        }
    }
}

static void test_slots_are_spread(void **state)
{
    (void)state;
    static uint16_t hits[SLOTS];
    char key[32];
    for (int i = 0; i < SLOTS * 32; i++) {
        int n = snprintf(key, sizeof key, "key:%d", i);
        uint16_t slot = slot_of_name(slice_of(key, (size_t)n));
        assert_true(slot < SLOTS);
        hits[slot]++;
    }
    for (int i = 0; i < SLOTS; i++)
        assert_in_range(hits[i], 1, 128); /* 32 on average */
}

/* xoshiro256** and splitmix64 after their authors' reference code, run with seed 42. */
static void test_rng_known_values(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 42);
    assert_true(r.s[0] == 0xbdd732262feb6e95u && r.s[3] == 0x581ce1ff0e4ae394u);
    assert_true(rng_next(&r) == 0x15780b2e0c2ec716u);
    assert_true(rng_next(&r) == 0x6104d9866d113a7eu);
    for (int i = 0; i < 997; i++)
        rng_next(&r);
    assert_true(rng_next(&r) == 0x8de5848c61ab8968u);
}

static void test_rng_same_seed_same_numbers(void **state)
{
    (void)state;
    struct rng a, b, c;
    rng_init(&a, 7);
    rng_init(&b, 7);
    rng_init(&c, 8);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = rng_next(&a);
        assert_true(x == rng_next(&b));
        same += x == rng_next(&c);
    }
    assert_int_equal(same, 0);
}

static void test_rng_below_is_uniform(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 1);
    int hits[6] = {0};
    for (int i = 0; i < 60000; i++)
        hits[rng_below(&r, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(hits[i], 9500, 10500); /* five standard deviations of 10,000 */
    assert_int_equal(rng_below(&r, 1), 0);
    /* without the redraw, numbers of the lower half would come twice as often as the others */
    uint64_t n = UINT64_C(3) << 62;
    int low = 0;
    for (int i = 0; i < 30000; i++)
        low += rng_below(&r, n) < n / 3;
    assert_in_range(low, 9500, 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xxh3_known_values),
        cmocka_unit_test(test_slots_are_those_of_redis),
        cmocka_unit_test(test_hash_tags),
        cmocka_unit_test(test_slots_of_all_lengths_and_places),
        cmocka_unit_test(test_slots_are_spread),
        cmocka_unit_test(test_rng_known_values),
        cmocka_unit_test(test_rng_same_seed_same_numbers),
        cmocka_unit_test(test_rng_below_is_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
