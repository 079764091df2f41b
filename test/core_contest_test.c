/* Contested writes: what a coordinator makes of an owner that holds a greater version, and when it
 * may stamp again (core/coord/coord_write.c). */
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
    own_put(f, op, 0, v); /* late: finds nothing */
    assert_int_equal(f->out.n, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_greater_version_makes_a_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    own_put(f, op, 0, first);
    assert_null(replied(f));
    /* what is at B may be at C too, acknowledged before we began */
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    assert_null(sent(f, B, MSG_PUT));
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    const struct message *again = sent(f, B, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    assert_non_null(acted(f, ACT_STORE_PUT));
    answer_put(f, C, op, 0, first); /* an ack of the first stamp counts not for the second */
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

/* Readers saw ours, and the other after it: with a second stamp they would see ours again. */
static void test_superseded_after_it_was_taken_is_an_ack(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    answer_put(f, B, op, 0, held); /* taken there, and superseded since */
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    own_put(f, op, 0, held);
    assert_int_equal(replied(f)->error, 0);
}

/* A took it, B refused it, and C does not answer. */
static uint64_t contested(struct fixture *f, struct version *first, struct version *held)
{
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    *first = sent(f, B, MSG_PUT)->put.record.version;
    *held = above(*first, 400);
    own_put(f, op, 0, *first);
    answer_put(f, B, op, ERR_SUPERSEDED, *held);
    assert_null(replied(f));
    return op;
}

static void expect_no_second_stamp(const struct fixture *f, const struct version *first)
{
    for (unsigned i = 0; i < f->out.n; i++) {
        const struct action *a = &f->out.action[i];
        if (a->kind == ACT_SEND && a->send.message.kind == MSG_PUT)
            assert_int_equal(version_cmp(&a->send.message.put.record.version, first), 0);
        assert_false(a->kind == ACT_STORE_PUT && version_cmp(&a->put.record.version, first) != 0);
    }
}

static void tick(struct fixture *f, uint64_t later_ms)
{
    begin(f, later_ms);
    tick_now(f);
    check(f);
}

/* C may be serving readers all the while, which saw ours at A and C: its silence is no answer,
 * however long it lasts. */
static void test_a_silent_owner_is_waited_for_whatever_the_time(void **state)
{
    struct fixture *f = *state;
    struct version first, held;
    uint64_t op = contested(f, &first, &held);
    for (unsigned i = 0; i < 19; i++) {
        tick(f, 100);
        assert_null(replied(f));
        expect_no_second_stamp(f, &first);
    }
    answer_put(f, C, op, 0, held); /* it took ours, and what superseded it */
    assert_int_equal(replied(f)->error, 0);
}

static void test_silent_until_the_deadline_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct version first, held;
    contested(f, &first, &held);
    tick(f, 2000);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    expect_no_second_stamp(f, &first);
    const struct action *hint = acted(f, ACT_HINT_PUT);
    assert_non_null(hint);
    assert_int_equal(hint->hint.target, C);
}

static void test_nobody_left_to_answer_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct version first, held;
    contested(f, &first, &held);
    believe(f, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    tick(f, 1);
    expect_no_second_stamp(f, &first);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* Owners refuse the stamp for their floor: they do not count as holders, and a second stamp will
 * do. */
static void test_too_old_is_no_holder(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, floor = above(first, 400);
    own_put(f, op, 0, first);
    answer_put(f, B, op, ERR_TOO_OLD, floor);
    assert_null(replied(f));
    expect_no_second_stamp(f, &first);
    answer_put(f, C, op, ERR_TOO_OLD, floor);
    assert_null(replied(f));
    const struct message *again = sent(f, C, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &floor) > 0);
    answer_put(f, C, op, ERR_TOO_OLD, floor); /* a late answer to the first stamp */
    own_put(f, op, 0, second);
    assert_null(replied(f));
    answer_put(f, B, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* The floor has risen again meanwhile. */
static void test_too_old_again_is_stamped_again(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version last = sent(f, B, MSG_PUT)->put.record.version;
    for (unsigned i = 0; i < 3; i++) {
        struct version floor = above(last, 400);
        answer_put(f, B, op, ERR_TOO_OLD, floor);
        answer_put(f, C, op, ERR_TOO_OLD, floor);
        last = sent(f, B, MSG_PUT)->put.record.version;
        assert_true(version_cmp(&last, &floor) > 0);
    }
    answer_put(f, B, op, 0, last);
    answer_put(f, C, op, 0, last);
    assert_int_equal(replied(f)->error, 0);
}

/* The owners that did not answer may hold a version that was acknowledged, and is above all that
 * was seen. */
static void test_one_answer_is_not_enough_for_a_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 400);
    own_put(f, op, ERR_SUPERSEDED, held);
    believe(f, B, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    believe(f, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    tick_now(f);
    assert_null(acted(f, ACT_STORE_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* An owner has taken so many writes since that it does not know whether it took ours. */
static void test_what_an_owner_forgot_makes_no_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    own_put(f, op, 0, first);
    forgetful = true;
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    forgetful = false;
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    expect_no_second_stamp(f, &first);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* The process that answers does not know what a process before it took and showed to readers. */
static void restarted(struct fixture *f, bool noticed)
{
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    own_put(f, op, 0, first);
    begin(f, 1);
    if (noticed)
        link_to(f, B, 0);
    link_to(f, B, BOOT + 1);
    tick_now(f);
    assert_non_null(sent(f, B, MSG_PUT));
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    expect_no_second_stamp(f, &first);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

static void test_the_word_of_a_restarted_owner_is_not_taken(void **state)
{
    restarted(*state, true);
}

/* The new process's stream came up before the end of the old one's was seen. */
static void test_a_new_process_is_known_by_its_boot(void **state)
{
    restarted(*state, false);
}

/* B took it and is recovering: it may be read again, and show ours, before a second stamp reaches
 * it. */
static void test_taken_while_recovering_is_not_never_taken(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    own_put(f, op, 0, first);
    recovering = true;
    answer_put(f, B, op, 0, first);
    recovering = false;
    assert_null(replied(f)); /* it may have lost a greater version that was acknowledged */
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    expect_no_second_stamp(f, &first);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* B lost its disk, and with it perhaps the greatest version that was acknowledged, which C has. */
static void test_what_a_recovering_owner_holds_is_not_all_to_be_outbid(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version;
    own_put(f, op, ERR_SUPERSEDED, above(first, 100));
    recovering = true;
    answer_put(f, B, op, ERR_SUPERSEDED, above(first, 200));
    recovering = false;
    expect_no_second_stamp(f, &first);
    answer_put(f, C, op, ERR_SUPERSEDED, above(first, 400));
    assert_true(sent(f, B, MSG_PUT)->put.record.version.stamp > above(first, 400).stamp);
}

/* The same of this node: it finds out that it lost records after it asked its own store. */
static void test_an_own_disk_that_was_lost_does_not_outvote_others(void **state)
{
    struct fixture *f = *state;
    static uint8_t lost[VNODES_MAX];
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version;
    memset(lost, 1, sizeof lost);
    set_lost(f, lost);
    own_put(f, op, 0, first);
    answer_put(f, B, op, 0, first);
    assert_null(replied(f));
    answer_put(f, C, op, 0, first);
    assert_int_equal(replied(f)->error, 0);
}

/* ---- Asking first ---- */

/* A PUT asks R owners for their versions, and is stamped once, above them. A greater version counts
 * as an ack then. */
static void expect_asked_first(struct fixture *f, uint64_t answers)
{
    ask(f, OP_PUT, "k", "mine");
    assert_null(replied(f));
    assert_null(acted(f, ACT_STORE_PUT));
    assert_null(sent(f, B, MSG_PUT));
    const struct message *get = sent(f, answers, MSG_GET);
    assert_non_null(get);
    assert_int_equal(get->get.wants, GET_DIGEST);
    uint64_t op = get->get.op;
    struct version seen = {.stamp = (WALL_MS + 300) << 16, .node = B};
    answer_own_read(f, op, (struct version){0}, "");
    answer_get(f, answers, op, seen, "other", false);
    const struct action *own = acted(f, ACT_STORE_PUT);
    assert_non_null(own);
    struct version ours = own->put.record.version;
    assert_true(ours.stamp > seen.stamp);
    assert_true(slice_eq(own->put.record.value, SLICE("mine")));
    own_put(f, op, 0, ours);
    assert_null(replied(f));
    answer_put(f, answers, op, ERR_SUPERSEDED, above(ours, 400));
    assert_int_equal(replied(f)->error, 0);
}

static void test_a_suspect_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    believe(f, C, (struct addr){.family = 4, .port = 1}, MEMBER_SUSPECT);
    expect_asked_first(f, B);
}

static void test_a_dead_owner_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    believe(f, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    expect_asked_first(f, B);
}

static void test_a_broken_stream_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    link_to(f, B, 0);
    expect_asked_first(f, C);
}

static void test_a_recovering_owner_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    cast_find(&f->cast, C)->recovering = 1;
    expect_asked_first(f, B);
}

static void test_an_own_loss_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    static uint8_t lost[VNODES_MAX];
    memset(lost, 1, sizeof lost);
    set_lost(f, lost);
    ask(f, OP_PUT, "k", "mine");
    assert_null(sent(f, B, MSG_PUT));
    assert_non_null(acted(f, ACT_STORE_GET));
}

static void test_a_failing_disk_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, C, op, ERR_NO_SPACE, (struct version){0});
    own_put(f, op, 0, v);
    answer_put(f, B, op, 0, v);
    expect_asked_first(f, B);
}

static void test_an_overdue_answer_makes_a_write_ask_first(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "other", "v");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    begin(f, PEER_SILENT_MS);
    ask(f, OP_PUT, "k", "v"); /* no member has answered since: this node may be the slow one */
    assert_non_null(sent(f, C, MSG_PUT));
    own_put(f, op, 0, v);
    answer_put(f, B, op, 0, v);
    expect_asked_first(f, B);
    answer_put(f, C, op, 0, v); /* late: it owes nothing any more */
    ask(f, OP_PUT, "k", "mine");
    assert_non_null(sent(f, C, MSG_PUT));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_put_is_ok_at_w_acks),
        TEST(test_greater_version_makes_a_second_stamp),
        TEST(test_still_greater_counts_in_the_second_round),
        TEST(test_superseded_after_it_was_taken_is_an_ack),
        TEST(test_a_silent_owner_is_waited_for_whatever_the_time),
        TEST(test_silent_until_the_deadline_is_unknown),
        TEST(test_nobody_left_to_answer_is_unknown),
        TEST(test_too_old_is_no_holder),
        TEST(test_too_old_again_is_stamped_again),
        TEST(test_one_answer_is_not_enough_for_a_second_stamp),
        TEST(test_what_an_owner_forgot_makes_no_second_stamp),
        TEST(test_the_word_of_a_restarted_owner_is_not_taken),
        TEST(test_a_new_process_is_known_by_its_boot),
        TEST(test_taken_while_recovering_is_not_never_taken),
        TEST(test_what_a_recovering_owner_holds_is_not_all_to_be_outbid),
        TEST(test_an_own_disk_that_was_lost_does_not_outvote_others),
        TEST(test_a_suspect_makes_a_write_ask_first),
        TEST(test_a_dead_owner_makes_a_write_ask_first),
        TEST(test_a_broken_stream_makes_a_write_ask_first),
        TEST(test_a_recovering_owner_makes_a_write_ask_first),
        TEST(test_an_own_loss_makes_a_write_ask_first),
        TEST(test_a_failing_disk_makes_a_write_ask_first),
        TEST(test_an_overdue_answer_makes_a_write_ask_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
