/* A question that is put to several peers: each answer counts once, and none that cannot come is
 * waited for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/asked.h"

static struct asked room[3];
static struct asked_set set;
static struct member self = {.id = 1, .self = true}, peer = {.id = 2, .link = 7};

static int begin(void **state)
{
    (void)state;
    asked_begin(&set, room, 3);
    asked_ask(&set, 0, &self);
    asked_ask(&set, 1, &peer);
    peer.link = 7;
    return 0;
}

static void an_answer_counts_once(void **state)
{
    (void)state;
    assert_int_equal(set.open, 2);
    assert_true(asked_answered(&set, 1));
    assert_false(asked_answered(&set, 1));
    assert_int_equal(set.open, 1);
    assert_int_equal(set.done, 1);
    assert_false(asked_answered(&set, 2)); /* it was not asked */
    assert_false(asked_answered(&set, -1));
    assert_false(asked_answered(&set, 3));
    assert_int_equal(set.done, 1);
}

static void who_answers_no_or_is_asked_twice_is_counted_once(void **state)
{
    (void)state;
    asked_ask(&set, 1, &peer);
    assert_int_equal(set.open, 2);
    assert_true(asked_answered(&set, 1));
    asked_forget(&set, 1);
    assert_int_equal(set.done, 0);
    assert_false(asked_answered(&set, 1));
    asked_ask(&set, 1, &peer);
    assert_true(asked_answered(&set, 1));
    assert_int_equal(set.done, 1);
}

static void another_link_means_that_it_may_be_lost(void **state)
{
    (void)state;
    assert_false(asked_lose(&set, 1, &peer));
    peer.link++;
    self.link++;
    assert_false(asked_lose(&set, 0, &self)); /* the own store always answers */
    assert_true(asked_lose(&set, 1, &peer));
    assert_int_equal(set.open, 1);
    assert_true(asked_is(&set, 1, ASKED_IDLE));
    assert_false(asked_lose(&set, 1, &peer)); /* it is idle already */
    assert_false(asked_answered(&set, 1));    /* the answer comes after all: too late */
}

static void an_answer_that_came_is_not_lost(void **state)
{
    (void)state;
    assert_true(asked_answered(&set, 1));
    peer.link++;
    assert_false(asked_lose(&set, 1, &peer));
    assert_int_equal(set.done, 1);
    assert_false(asked_lose(&set, -1, &peer));
    assert_false(asked_lose(&set, 2, NULL));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup(t, begin)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_counts_once),
        TEST(who_answers_no_or_is_asked_twice_is_counted_once),
        TEST(another_link_means_that_it_may_be_lost),
        TEST(an_answer_that_came_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
