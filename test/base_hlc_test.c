/* The hybrid logical clock. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/hlc.h"
#include "base/limits.h"

#define WALL_MS UINT64_C(1700000000000)

static void test_stamps_strictly_increase_whatever_the_wall_does(void **state)
{
    (void)state;
    static const int64_t steps_ms[] = {0, 1, 0, -5000, 0, 3, 100000, -1, 0};
    struct hlc c = {0};
    uint64_t wall_ms = WALL_MS, before = 0;
    for (int i = 0; i < 9 * 50; i++) {
        wall_ms += (uint64_t)steps_ms[i % 9];
        uint64_t stamp = hlc_stamp(&c, wall_ms);
        assert_true(stamp > before);
        assert_true(hlc_wall_ms(stamp) >= wall_ms);
        before = stamp;
    }
}

static void test_follows_the_wall_when_it_moves_on(void **state)
{
    (void)state;
    struct hlc c = {0};
    assert_true(hlc_stamp(&c, WALL_MS) == WALL_MS << 16);
    assert_true(hlc_stamp(&c, WALL_MS) == (WALL_MS << 16) + 1);
    assert_true(hlc_stamp(&c, WALL_MS + 1) == (WALL_MS + 1) << 16);
}

static void test_a_full_counter_carries(void **state)
{
    (void)state;
    struct hlc c = {0};
    for (int i = 0; i < 65536; i++)
        hlc_stamp(&c, WALL_MS);
    assert_true(hlc_stamp(&c, WALL_MS) == (WALL_MS + 1) << 16);
}

static void test_seen_stamps_pull_the_clock_within_the_skew(void **state)
{
    (void)state;
    struct hlc c = {0};
    uint64_t near = (WALL_MS + 500) << 16 | 0xffff;
    assert_true(hlc_see(&c, near, WALL_MS, 500));
    assert_true(hlc_stamp(&c, WALL_MS) > near);
    uint64_t last = c.last;
    assert_true(hlc_see(&c, 1, WALL_MS, 500)); /* an old one is believed and changes nothing */
    assert_true(c.last == last);
    assert_false(hlc_see(&c, (WALL_MS + 501) << 16, WALL_MS, 500));
    assert_false(hlc_see(&c, UINT64_MAX, WALL_MS, 500));
    assert_true(c.last == last);
    assert_true(hlc_see(&c, UINT64_MAX - 1, WALL_MS, UINT64_MAX)); /* no bound, no overflow */
}

static void test_a_stamp_above_a_near_floor_pulls_the_clock(void **state)
{
    (void)state;
    struct hlc c = {0};
    uint64_t floor = (WALL_MS + CLOCK_SKEW_MAX_MS) << 16;
    uint64_t stamp = hlc_stamp_above(&c, floor, WALL_MS);
    assert_true(stamp > floor);
    assert_true(hlc_stamp(&c, WALL_MS) > stamp);
    assert_true(hlc_stamp_above(&c, 1, WALL_MS) > stamp); /* a low floor: like any stamp */
}

static void test_a_stamp_above_a_far_floor_does_not(void **state)
{
    (void)state;
    struct hlc c = {0};
    uint64_t ours = hlc_stamp(&c, WALL_MS);
    uint64_t floor = (WALL_MS * 2) << 16;
    assert_true(hlc_stamp_above(&c, floor, WALL_MS) == floor + 1);
    assert_true(hlc_stamp(&c, WALL_MS) == ours + 1);
    assert_true(hlc_stamp_above(&c, STAMP_MAX - 1, WALL_MS) == STAMP_MAX);
    assert_true(hlc_stamp_above(&c, STAMP_MAX, WALL_MS) == STAMP_MAX);
    assert_true(hlc_stamp_above(&c, UINT64_MAX, WALL_MS) == UINT64_MAX);
    /* the wall was set back by a day: the own last stamp is as far ahead as the floor, and still
     * wins */
    uint64_t yesterday_ms = WALL_MS - 86400000;
    assert_true(hlc_stamp_above(&c, ours, yesterday_ms) > ours + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamps_strictly_increase_whatever_the_wall_does),
        cmocka_unit_test(test_follows_the_wall_when_it_moves_on),
        cmocka_unit_test(test_a_full_counter_carries),
        cmocka_unit_test(test_seen_stamps_pull_the_clock_within_the_skew),
        cmocka_unit_test(test_a_stamp_above_a_near_floor_pulls_the_clock),
        cmocka_unit_test(test_a_stamp_above_a_far_floor_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
