/* Contested writes in every order of events: the rule holds, and it needs each of its parts, for
 * each test that leaves one out must find a history that is wrong. (Else the model would prove
 * nothing.) The model is in model_contest.h.
 *
 * MODEL_STATES=n visits larger worlds too, up to n states each (25000000 take 1 GB; test/soak). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "model_contest.h"

enum { STATES_MAX = 2000000 }; /* of the worlds that every change visits: 60 MB */

static void holds(const char *name, struct world w)
{
    struct model_report report;
    assert_int_equal(contest_explore(name, &w, STATES_MAX, &report), MODEL_HOLDS);
}

static void finds(const char *name, struct world w)
{
    struct model_report report;
    assert_int_equal(contest_explore(name, &w, STATES_MAX, &report), MODEL_BROKEN);
}

/* ---- The rule holds ---- */

enum { PLAIN = 0, ONE_ASKS = 1, BOTH_ASK = 3 };

static void test_two_plain_writers(void **state)
{
    (void)state;
    holds("two plain writers, two readers",
          (struct world){.ask = PLAIN, .readers = 2, .at_once = true});
    holds("two plain writers, three reads in turn", (struct world){.ask = PLAIN, .readers = 3});
}

static void test_writers_that_ask_first(void **state)
{
    (void)state;
    holds("one writer asks first, two readers",
          (struct world){.ask = ONE_ASKS, .readers = 2, .at_once = true});
    holds("both writers ask first, two readers",
          (struct world){.ask = BOTH_ASK, .readers = 2, .at_once = true});
    holds("both writers ask first, three reads in turn",
          (struct world){.ask = BOTH_ASK, .readers = 3});
}

static void test_clocks_that_are_ahead(void **state)
{
    (void)state;
    holds("clocks are ahead", (struct world){.ask = PLAIN, .readers = 2, .faster = 1});
}

static void test_an_owner_that_restarts(void **state)
{
    (void)state;
    holds("an owner restarts, plain writers",
          (struct world){.ask = PLAIN, .readers = 2, .restarts = true});
    holds("an owner restarts, one writer asks",
          (struct world){.ask = ONE_ASKS, .readers = 2, .restarts = true});
}

static void test_an_owner_that_recovers(void **state)
{
    (void)state;
    holds("an owner recovers, plain writers",
          (struct world){.ask = PLAIN, .readers = 2, .recovering = true});
    holds("an owner recovers, one writer asks",
          (struct world){.ask = ONE_ASKS, .readers = 2, .recovering = true});
}

static void test_an_owner_that_lost_what_was_acknowledged(void **state)
{
    (void)state;
    holds("an owner lost it, plain writers",
          (struct world){.ask = PLAIN, .readers = 1, .lost = true});
    holds("an owner lost it, one writer asks",
          (struct world){.ask = ONE_ASKS, .readers = 1, .lost = true});
    holds("an owner lost it, both ask",
          (struct world){.ask = BOTH_ASK, .readers = 2, .lost = true});
}

/* ---- And needs each of its parts: with all of them these worlds are among those above ---- */

static void test_no_bet(void **state)
{
    (void)state;
    finds("a bet", (struct world){.left_out = BET, .readers = 2});
}

static void test_a_refused_write_back_is_no_success(void **state)
{
    (void)state;
    finds("a refused write-back is good",
          (struct world){.left_out = REFUSED_IS_GOOD, .readers = 2});
}

static void test_readers_write_back(void **state)
{
    (void)state;
    finds("no write-back", (struct world){.left_out = NO_WRITE_BACK, .readers = 2});
}

static void test_one_answer_is_no_quorum(void **state)
{
    (void)state;
    finds("a writer asks one owner",
          (struct world){.left_out = ASKS_ONE, .ask = BOTH_ASK, .readers = 2});
}

static void test_greater_is_no_ack_in_the_first_round(void **state)
{
    (void)state;
    finds("greater is an ack", (struct world){.left_out = GREATER_IS_ACK, .readers = 1});
}

static void test_recovering_is_not_never_took(void **state)
{
    (void)state;
    finds("recovering is never took",
          (struct world){.left_out = RECOVERING_NEVER, .readers = 2, .recovering = true});
}

static void test_recovering_is_no_ack_in_the_first_round(void **state)
{
    (void)state;
    finds("recovering is an ack",
          (struct world){.left_out = RECOVERING_ACKS, .readers = 1, .lost = true});
}

static void test_recovering_answers_no_reads(void **state)
{
    (void)state;
    finds("recovering is read",
          (struct world){.left_out = RECOVERING_IS_READ, .readers = 1, .lost = true});
}

static void test_recovering_is_not_asked(void **state)
{
    (void)state;
    finds("recovering is asked",
          (struct world){
              .left_out = RECOVERING_IS_ASKED, .ask = BOTH_ASK, .readers = 1, .lost = true});
}

static void test_owners_remember_what_they_took(void **state)
{
    (void)state;
    finds("owners forget", (struct world){.left_out = FORGETS, .readers = 2});
}

static void test_a_new_life_does_not_know_what_was_never_taken(void **state)
{
    (void)state;
    finds("a new life knows",
          (struct world){.left_out = NEW_LIFE_KNOWS, .readers = 2, .restarts = true});
}

static void test_memory_begins_when_recovering_ends(void **state)
{
    (void)state;
    finds("owners remember all",
          (struct world){.left_out = REMEMBERS_ALL, .readers = 1, .lost = true});
}

static void test_the_second_stamp_is_above_what_was_seen(void **state)
{
    (void)state;
    finds("the second stamp may be any",
          (struct world){.left_out = NOT_ABOVE, .readers = 1, .lost = true});
}

static void test_late_acks_are_not_the_second_stamps(void **state)
{
    (void)state;
    finds("late acks count", (struct world){.left_out = LATE_ACK, .readers = 1});
}

/* ---- Larger worlds ---- */

static void test_larger_worlds(void **state)
{
    (void)state;
    static const struct world LARGER[] = {
        {.ask = PLAIN, .readers = 3, .at_once = true, .faster = 1},
        {.ask = ONE_ASKS, .readers = 3, .at_once = true, .faster = 1},
        {.ask = BOTH_ASK, .readers = 3, .at_once = true},
        {.ask = PLAIN, .readers = 2, .at_once = true, .faster = 1, .restarts = true},
        {.ask = PLAIN, .readers = 2, .at_once = true, .faster = 1, .recovering = true},
        {.ask = ONE_ASKS, .readers = 2, .at_once = true, .faster = 1, .recovering = true},
        {.ask = BOTH_ASK, .readers = 3, .at_once = true, .recovering = true},
        {.ask = PLAIN, .readers = 2, .at_once = true, .faster = 1, .lost = true},
        {.ask = ONE_ASKS, .readers = 3, .at_once = true, .lost = true},
    };
    const char *states = getenv("MODEL_STATES");
    if (!states)
        skip(); /* minutes */
    for (size_t i = 0; i < sizeof LARGER / sizeof *LARGER; i++) {
        struct model_report report;
        enum model_result result = contest_explore("a larger world", &LARGER[i],
                                                   (uint32_t)strtoul(states, NULL, 10), &report);
        assert_int_not_equal(result, MODEL_BROKEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_plain_writers),
        cmocka_unit_test(test_writers_that_ask_first),
        cmocka_unit_test(test_clocks_that_are_ahead),
        cmocka_unit_test(test_an_owner_that_restarts),
        cmocka_unit_test(test_an_owner_that_recovers),
        cmocka_unit_test(test_an_owner_that_lost_what_was_acknowledged),
        cmocka_unit_test(test_no_bet),
        cmocka_unit_test(test_a_refused_write_back_is_no_success),
        cmocka_unit_test(test_readers_write_back),
        cmocka_unit_test(test_one_answer_is_no_quorum),
        cmocka_unit_test(test_greater_is_no_ack_in_the_first_round),
        cmocka_unit_test(test_recovering_is_not_never_took),
        cmocka_unit_test(test_recovering_is_no_ack_in_the_first_round),
        cmocka_unit_test(test_recovering_answers_no_reads),
        cmocka_unit_test(test_recovering_is_not_asked),
        cmocka_unit_test(test_owners_remember_what_they_took),
        cmocka_unit_test(test_a_new_life_does_not_know_what_was_never_taken),
        cmocka_unit_test(test_memory_begins_when_recovering_ends),
        cmocka_unit_test(test_the_second_stamp_is_above_what_was_seen),
        cmocka_unit_test(test_late_acks_are_not_the_second_stamps),
        cmocka_unit_test(test_larger_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
