/* One process at a time under a member's id. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/cast/twin.h"

enum { FIRST = 10, SECOND = 20, THIRD = 30 };

static void a_restart_in_place_is_let_in_at_once(void **state)
{
    (void)state;
    struct twin t = {0};
    assert_int_equal(twin_knock(&t, FIRST, true, 0), TWIN_LET_IN);
    assert_int_equal(twin_knock(&t, SECOND, false, 0), TWIN_LET_IN);
    /* its datagrams may come from elsewhere */
    assert_int_equal(twin_knock(&t, SECOND, true, 0), TWIN_LET_IN);
    assert_false(twin_ask(&t));
    assert_int_equal(t.boot, SECOND);
}

static void a_second_one_is_refused_while_the_first_answers(void **state)
{
    (void)state;
    struct twin t = {.boot = FIRST};
    assert_int_equal(twin_knock(&t, SECOND, true, 0), TWIN_WAIT);
    assert_true(twin_ask(&t));
    assert_false(twin_ask(&t));
    twin_answered(&t, THIRD); /* another question's */
    assert_int_equal(twin_knock(&t, SECOND, true, 1), TWIN_WAIT);
    twin_answered(&t, SECOND);
    assert_int_equal(twin_knock(&t, SECOND, true, 10 * TWIN_WAIT_MS), TWIN_REFUSE);
    assert_int_equal(twin_knock(&t, FIRST, true, 10 * TWIN_WAIT_MS), TWIN_LET_IN);
    /* a question of its own */
    assert_int_equal(twin_knock(&t, THIRD, true, 10 * TWIN_WAIT_MS), TWIN_WAIT);
    assert_true(twin_ask(&t));
}

static void one_that_moved_is_let_in_when_the_first_is_gone(void **state)
{
    (void)state;
    struct twin t = {.boot = FIRST};
    assert_int_equal(twin_knock(&t, SECOND, true, 0), TWIN_WAIT);
    twin_gone(&t); /* not asked yet: that was another stream */
    assert_int_equal(twin_knock(&t, SECOND, true, 0), TWIN_WAIT);
    assert_true(twin_ask(&t));
    twin_gone(&t);
    assert_int_equal(twin_knock(&t, SECOND, true, 0), TWIN_LET_IN);
    assert_int_equal(twin_knock(&t, THIRD, true, 100), TWIN_WAIT);
    assert_true(twin_ask(&t));
    assert_int_equal(twin_knock(&t, THIRD, true, 99 + TWIN_WAIT_MS), TWIN_WAIT);
    /* it says nothing */
    assert_int_equal(twin_knock(&t, THIRD, true, 100 + TWIN_WAIT_MS), TWIN_LET_IN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_in_place_is_let_in_at_once),
        cmocka_unit_test(a_second_one_is_refused_while_the_first_answers),
        cmocka_unit_test(one_that_moved_is_let_in_when_the_first_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
