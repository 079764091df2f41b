/* The judge of the simulator: it must know a lie when it hears one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sim/history.h"

static struct history h;

static int set_up(void **state)
{
    (void)state;
    history_init(&h, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    history_close(&h);
    return 0;
}

/* A write of `value` from begin to end. */
static void wrote(uint32_t value, uint64_t begin_us, uint64_t end_us, enum outcome outcome)
{
    history_end(&h, 0, history_begin(&h, 0, value, begin_us), outcome, end_us);
}

static bool reads(uint32_t value, uint64_t begin_us, uint64_t end_us)
{
    return history_read(&h, 0, value, begin_us, end_us);
}

static void test_the_last_acknowledged_write_is_read(void **state)
{
    (void)state;
    assert_true(reads(HISTORY_ABSENT, 1, 2));
    wrote(1, 10, 20, OUTCOME_OK);
    wrote(2, 30, 40, OUTCOME_OK);
    assert_true(reads(2, 50, 51));
    assert_false(reads(1, 52, 53));
    assert_true(h.why.n > 0);
}

static void test_an_acknowledged_write_is_not_lost(void **state)
{
    (void)state;
    wrote(1, 10, 20, OUTCOME_OK);
    assert_false(reads(HISTORY_ABSENT, 30, 31));
}

static void test_a_deletion_explains_absence(void **state)
{
    (void)state;
    wrote(1, 10, 20, OUTCOME_OK);
    wrote(HISTORY_ABSENT, 30, 40, OUTCOME_OK);
    assert_true(reads(HISTORY_ABSENT, 50, 51));
    assert_false(reads(1, 60, 61));
}

static void test_concurrent_writes_may_win_either_way(void **state)
{
    (void)state;
    wrote(1, 10, 30, OUTCOME_OK);
    wrote(2, 20, 40, OUTCOME_OK);
    assert_true(reads(1, 50, 51));
}

static void test_reads_do_not_go_back_and_forth(void **state)
{
    (void)state;
    wrote(1, 10, 30, OUTCOME_OK);
    wrote(2, 20, 40, OUTCOME_OK);
    assert_true(reads(1, 50, 51));
    assert_true(reads(2, 60, 61));
    assert_false(reads(1, 70, 71));
}

/* Not over several others either, nor when what came between was never acknowledged. */
static void test_reads_do_not_go_back_over_others(void **state)
{
    (void)state;
    for (uint32_t value = 1; value <= 4; value++)
        wrote(value, 10 + value, 30 + value, value == 3 ? OUTCOME_UNKNOWN : OUTCOME_OK);
    for (uint32_t value = 1; value <= 4; value++)
        assert_true(reads(value, 50 + 10 * value, 51 + 10 * value));
    assert_true(reads(3, 90, 100)); /* this began before the read of 4 had ended */
    assert_false(reads(1, 110, 111));
}

static void test_an_unknown_write_may_come_late(void **state)
{
    (void)state;
    wrote(1, 10, 20, OUTCOME_UNKNOWN);
    wrote(2, 30, 40, OUTCOME_OK);
    assert_true(reads(2, 50, 51));
    assert_true(reads(1, 60, 61));
}

static void test_an_unknown_write_once_read_counts_as_acknowledged(void **state)
{
    (void)state;
    wrote(1, 10, 20, OUTCOME_UNKNOWN);
    assert_true(reads(1, 30, 31));
    wrote(2, 40, 50, OUTCOME_OK);
    assert_false(reads(1, 60, 61));
}

static void test_only_acks_bind_when_that_is_asked(void **state)
{
    (void)state;
    h.only_acks = true;
    uint32_t w = history_begin(&h, 0, 1, 10);
    assert_true(reads(1, 20, 21)); /* seen under way */
    wrote(2, 30, 40, OUTCOME_OK);
    assert_true(reads(2, 41, 42));
    assert_true(reads(1, 50, 51)); /* held by the other owner */
    history_end(&h, 0, w, OUTCOME_OK, 60);
    wrote(3, 70, 80, OUTCOME_OK);
    assert_true(reads(3, 81, 82));
    assert_false(reads(1, 90, 91)); /* acknowledged by then: it stays below what began later */
}

static void test_a_failed_write_is_never_seen(void **state)
{
    (void)state;
    wrote(1, 10, 20, OUTCOME_FAILED);
    assert_false(reads(1, 30, 31));
}

static void test_nobody_wrote_that(void **state)
{
    (void)state;
    assert_false(reads(99, 30, 31));
}

static void test_covering(void **state)
{
    (void)state;
    wrote(1, 10, 20, OUTCOME_OK);
    uint32_t w = history_begin(&h, 0, 2, 30);
    assert_true(history_covers(&h, 0, 2, w));
    assert_false(history_covers(&h, 0, 1, w)); /* it ended before this one began */
    (void)history_begin(&h, 0, 3, 31);
    assert_true(history_covers(&h, 0, 3, w));
}

enum { SECOND = 1000000 };

static void test_a_value_with_an_end(void **state)
{
    (void)state;
    uint32_t w = history_begin(&h, 0, 1, 10 * SECOND);
    history_lives(&h, 0, w, 5 * SECOND);
    history_end(&h, 0, w, OUTCOME_OK, 11 * SECOND);
    assert_true(reads(1, 12 * SECOND, 12 * SECOND + 1));
    assert_true(reads(HISTORY_ABSENT, 14 * SECOND, 14 * SECOND + 1)); /* by a clock ahead */
    assert_true(reads(1, 16 * SECOND, 16 * SECOND + 1));              /* by one behind */
    assert_true(reads(HISTORY_ABSENT, 19 * SECOND, 19 * SECOND + 1));
    assert_false(reads(1, 19 * SECOND, 19 * SECOND + 2));
}

static void test_a_value_does_not_end_early(void **state)
{
    (void)state;
    uint32_t w = history_begin(&h, 0, 1, 10 * SECOND);
    history_lives(&h, 0, w, 5 * SECOND);
    history_end(&h, 0, w, OUTCOME_OK, 11 * SECOND);
    assert_false(reads(HISTORY_ABSENT, 12 * SECOND, 12 * SECOND + 1));
}

static void test_an_expire_ends_what_it_met(void **state)
{
    (void)state;
    wrote(1, 10 * SECOND, 11 * SECOND, OUTCOME_OK);
    uint32_t e = history_expire_begin(&h, 0, 5 * SECOND, 12 * SECOND);
    history_expire_end(&h, 0, e, OUTCOME_OK, 13 * SECOND);
    assert_true(reads(HISTORY_ABSENT, 16 * SECOND, 16 * SECOND + 1));
    wrote(2, 17 * SECOND, 18 * SECOND, OUTCOME_OK);
    assert_true(reads(2, 19 * SECOND, 19 * SECOND + 1));
    /* the later value is not its business */
    assert_false(reads(HISTORY_ABSENT, 20 * SECOND, 20 * SECOND + 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_last_acknowledged_write_is_read),
        TEST(test_an_acknowledged_write_is_not_lost),
        TEST(test_a_deletion_explains_absence),
        TEST(test_concurrent_writes_may_win_either_way),
        TEST(test_reads_do_not_go_back_and_forth),
        TEST(test_reads_do_not_go_back_over_others),
        TEST(test_an_unknown_write_may_come_late),
        TEST(test_an_unknown_write_once_read_counts_as_acknowledged),
        TEST(test_only_acks_bind_when_that_is_asked),
        TEST(test_a_failed_write_is_never_seen),
        TEST(test_nobody_wrote_that),
        TEST(test_covering),
        TEST(test_a_value_with_an_end),
        TEST(test_a_value_does_not_end_early),
        TEST(test_an_expire_ends_what_it_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
