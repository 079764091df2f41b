/* Contested writes: what a coordinator makes of an owner that holds a greater version, and when it may stamp again
 * (core/coord_write.c). */
#include "core_coord_play.h"

static void test_put_is_ok_at_w_acks(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "city", "Paris");
    const struct message *b = sent(f, B, MSG_PUT), *c = sent(f, C, MSG_PUT);
    const struct action *own = acted(f, ACT_STORE_PUT);
    assert_non_null(b);
    assert_non_null(c);
    assert_non_null(own);
    assert_true(slice_eq(own->put.record.value, SLICE("Paris")));
    assert_int_equal(version_cmp(&own->put.record.version, &b->put.record.version), 0);
    uint64_t op = b->put.op;
    struct version v = b->put.record.version;
    answer_put(f, B, op, 0, v);
    assert_null(replied(f));
    answer_put(f, B, op, 0, v); /* one owner counts once */
    assert_null(replied(f));
    answer_put(f, C, op, 0, v);
    assert_non_null(replied(f));
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->token, 77);
    begin(f, 0);
    coord_stored(&f->coord, op, 0, &v, 0, &f->out); /* late: finds nothing */
    assert_int_equal(f->out.n, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_greater_version_makes_a_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    assert_null(replied(f));
    answer_put(f, B, op, ERR_SUPERSEDED, held); /* what is at B may be at C too, acknowledged before we began */
    assert_null(replied(f));
    assert_null(sent(f, B, MSG_PUT));
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    const struct message *again = sent(f, B, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    assert_non_null(acted(f, ACT_STORE_PUT));
    answer_put(f, C, op, 0, first); /* a late ack of the first stamp is none of the second */
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_null(replied(f));
    answer_put(f, B, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

static void test_still_greater_counts_in_the_second_round(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 100);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    struct version second = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, ERR_SUPERSEDED, above(second, 100));
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* Ours was seen by readers, who saw another after it: to stamp it again would turn their time around. */
static void test_superseded_after_it_was_taken_is_an_ack(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    answer_put(f, B, op, 0, held); /* taken there, and superseded since */
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    begin(f, 0);
    coord_stored(&f->coord, op, 0, &held, 0, &f->out);
    assert_int_equal(replied(f)->error, 0);
}

/* An owner does not answer, and the two others disagree. */
static uint64_t contested(struct fixture *f, struct version *held)
{
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version;
    *held = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    return op;
}

static void test_contested_and_young_is_stamped_again_when_nobody_is_awaited(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    assert_null(sent(f, B, MSG_PUT));
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_null(replied(f));
    assert_true(version_cmp(&sent(f, B, MSG_PUT)->put.record.version, &held) > 0);
}

/* It refuses the stamp for its floor: it must not pass for a holder, neither for ALL nor for a hint. */
static void test_too_old_is_no_holder(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    struct request r = {.token = 77, .kind = OP_PUT, .level = LEVEL_ALL, .key = SLICE("k"), .value = SLICE("mine")};
    coord_request(&f->coord, &r, &f->out);
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, floor = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    answer_put(f, B, op, 0, first);
    answer_put(f, C, op, ERR_TOO_OLD, floor);
    assert_null(replied(f));
    const struct message *again = sent(f, C, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &floor) > 0);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &second, 0, &f->out);
    answer_put(f, B, op, 0, second);
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* What the others hold may have been acknowledged, and be above whatever we would outbid. */
static void test_one_answer_is_not_enough_for_a_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, ERR_SUPERSEDED, &held, reach_ms, &f->out);
    coord_peer(&f->coord, B, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_null(acted(f, ACT_STORE_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

static void test_contested_and_old_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    begin(f, 1100);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_null(sent(f, B, MSG_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* Ours was visible for a while before the greater version was heard of, and may have been read: C has to say. */
static void test_contested_late_waits_for_the_silent(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    begin(f, 320);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    begin(f, 300);
    coord_tick(&f->coord, &f->out);
    assert_null(replied(f));
    assert_null(sent(f, B, MSG_PUT));
    answer_put(f, C, op, 0, held); /* it took ours, from a read's repair, and what superseded it */
    assert_int_equal(replied(f)->error, 0);
}

/* It was started since, say, and may have taken ours before. */
static void test_what_an_owner_forgot_makes_no_second_stamp(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    begin(f, 10);
    reach_ms = 5;
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    reach_ms = 10000;
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(sent(f, B, MSG_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* B lost its disk, and with it perhaps what C has and ours must outbid. */
static void test_an_owner_that_lost_its_disk_does_not_outvote_another(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    answer_put(f, B, op, ERR_RECOVERING, first);
    assert_null(replied(f));
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    const struct message *again = sent(f, B, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    answer_put(f, B, op, ERR_RECOVERING, second); /* the order is certain by now: it counts */
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* The same, and it is this node that lost its disk. */
static void test_an_own_disk_that_was_lost_does_not_outvote_others(void **state)
{
    struct fixture *f = *state;
    static uint8_t lost[VNODES_MAX];
    memset(lost, 1, sizeof lost);
    coord_lost(&f->coord, lost);
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version;
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    answer_put(f, B, op, 0, first);
    assert_null(replied(f));
    answer_put(f, C, op, ERR_SUPERSEDED, above(first, 400));
    struct version second = sent(f, B, MSG_PUT)->put.record.version;
    assert_true(second.stamp > above(first, 400).stamp);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &second, 0, &f->out);
    answer_put(f, B, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_put_is_ok_at_w_acks),
        TEST(test_greater_version_makes_a_second_stamp),
        TEST(test_still_greater_counts_in_the_second_round),
        TEST(test_superseded_after_it_was_taken_is_an_ack),
        TEST(test_contested_and_young_is_stamped_again_when_nobody_is_awaited),
        TEST(test_too_old_is_no_holder),
        TEST(test_one_answer_is_not_enough_for_a_second_stamp),
        TEST(test_contested_and_old_is_unknown),
        TEST(test_contested_late_waits_for_the_silent),
        TEST(test_what_an_owner_forgot_makes_no_second_stamp),
        TEST(test_an_owner_that_lost_its_disk_does_not_outvote_another),
        TEST(test_an_own_disk_that_was_lost_does_not_outvote_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
