/* What the coordinator knows of owners before it asks: streams that are refused, owners that leave
 * writes unanswered, a disk that does not store the clock's ceiling. */
#include "core_coord_play.h"

#include "core/coord/coord_op.h"

static void cut(struct fixture *f, uint64_t id)
{
    begin(f, 1);
    link_to(f, id, 0);
    tick_now(f);
    check(f);
}

/* A member's stream breaks, and the next cannot be opened. */
static void refuse(struct fixture *f, uint64_t id)
{
    cut(f, id);
    cut(f, id);
}

/* A member that refused a stream is not asked until one is up, however long that takes. */
static void test_refused_is_out_of_reach_until_a_stream_is_up(void **state)
{
    struct fixture *f = *state;
    assert_false(member_cut(cast_find(&f->cast, B)));
    cut(f, B); /* broken */
    assert_true(member_cut(cast_find(&f->cast, B)) &&
                cast_find(&f->cast, B)->stream != STREAM_REFUSED);
    assert_false(member_reachable(cast_find(&f->cast, B), f->now.ms));
    begin(f, MEMBER_HOLD_MS);
    assert_true(
        member_reachable(cast_find(&f->cast, B), f->now.ms)); /* a second one is worth a try */
    cut(f, B);                                                /* it is refused */
    assert_true(member_cut(cast_find(&f->cast, B)) &&
                cast_find(&f->cast, B)->stream == STREAM_REFUSED);
    begin(f, 60000);
    assert_false(member_reachable(cast_find(&f->cast, B), f->now.ms));
    link_to(f, B, BOOT);
    assert_true(member_reachable(cast_find(&f->cast, B), f->now.ms) &&
                !member_cut(cast_find(&f->cast, B)));
}

/* A member that comes back to life, or has moved, may be tried. */
static void test_news_of_a_member_end_a_refusal(void **state)
{
    struct fixture *f = *state;
    struct addr old = {.family = 4, .port = 7000 + B}, moved = {.family = 4, .port = 9};
    refuse(f, B);
    believe(f, B, old, MEMBER_SUSPECT);
    believe(f, B, old, MEMBER_ALIVE);
    /* it gossips, and refuses streams */
    assert_true(cast_find(&f->cast, B)->stream == STREAM_REFUSED);
    believe(f, B, old, MEMBER_DEAD);
    believe(f, B, old, MEMBER_ALIVE);
    assert_false(member_cut(cast_find(&f->cast, B)));
    refuse(f, B);
    believe(f, B, moved, MEMBER_ALIVE);
    assert_false(member_cut(cast_find(&f->cast, B)));
}

/* Long before the failure detector is sure. */
static void test_too_few_reachable_is_said_at_once(void **state)
{
    struct fixture *f = *state;
    refuse(f, B);
    refuse(f, C);
    begin(f, 500);
    ask(f, OP_PUT, "k", "v");
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
    assert_int_equal(replied(f)->answered, 1);
    assert_null(acted(f, ACT_STORE_PUT));
    ask(f, OP_GET, "k", "");
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
    assert_int_equal(replied(f)->tally.away, 2);
}

/* A read under way ends when the owners that it waits for turn out to be away; one that broke may
 * come back. */
static void test_a_read_under_way_does_not_wait_for_the_deadline(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_GET, "k", "");
    cut(f, B);
    cut(f, C);
    assert_null(replied(f));
    begin(f, MEMBER_HOLD_MS);
    link_to(f, B, 0);
    link_to(f, C, 0);
    tick_now(f);
    assert_non_null(replied(f));
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
}

/* A write that C leaves unanswered until the deadline: C is mute until it answers one. */
static void test_who_leaves_a_write_unanswered_is_mute(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    own_put(f, op, 0, v);
    assert_int_equal(replied(f)->error, 0);
    assert_false(coord_mute(&f->coord, C));
    begin(f, 2000);
    tick_now(f);
    assert_non_null(acted(f, ACT_HINT_PUT));
    assert_true(coord_mute(&f->coord, C));
    assert_false(coord_mute(&f->coord, B) || coord_mute(&f->coord, A));
    ask(f, OP_PUT, "k", "w");
    op = sent(f, C, MSG_PUT)->put.op;
    answer_put(f, C, op, 0, sent(f, C, MSG_PUT)->put.record.version);
    assert_false(coord_mute(&f->coord, C));
}

/* The own disk does not store the clock's ceiling: nothing is sent, and the client gets the error
 * at once. */
static void test_a_disk_that_keeps_no_clock(void **state)
{
    struct fixture *f = *state;
    coord_ceiling_recall(&f->coord, 0);
    ask(f, OP_PUT, "k", "v");
    assert_true(coord_ceiling_wanted(&f->coord, &f->now) > 0);
    assert_int_equal(f->out.n, 0);
    begin(f, 1);
    coord_ceiling_failed(&f->coord, &f->now, ERR_IO);
    tick_now(f);
    assert_int_equal(f->out.n, 1);
    assert_int_equal(replied(f)->error, ERR_IO);
    assert_true(replied(f)->unstamped);
    assert_int_equal(coord_in_flight(&f->coord), 0);
    /* a second attempt, that nobody waits for any more */
    coord_ceiling_failed(&f->coord, &f->now, ERR_IO);
    ask(f, OP_PUT, "k", "v"); /* the next one tries again */
    assert_int_equal(f->out.n, 0);
    assert_true(coord_ceiling_wanted(&f->coord, &f->now) > 0);
}

/* An error has a tally with it of what became of each owner. */
static void test_the_error_says_what_became_of_the_owners(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    believe(f, C, (struct addr){.family = 4, .port = 7000 + C}, MEMBER_DEAD);
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    own_put(f, op, ERR_IO, (struct version){0});
    answer_put(f, B, op, 0, v);
    begin(f, 2000);
    tick_now(f);
    const struct result *r = replied(f);
    assert_int_equal(r->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(r->tally.n, 3);
    assert_int_equal(r->tally.answered, 1);
    assert_int_equal(r->tally.failed, 1);
    assert_int_equal(r->tally.away, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_refused_is_out_of_reach_until_a_stream_is_up),
        TEST(test_news_of_a_member_end_a_refusal),
        TEST(test_too_few_reachable_is_said_at_once),
        TEST(test_a_read_under_way_does_not_wait_for_the_deadline),
        TEST(test_who_leaves_a_write_unanswered_is_mute),
        TEST(test_a_disk_that_keeps_no_clock),
        TEST(test_the_error_says_what_became_of_the_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
