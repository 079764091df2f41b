/* FLUSHALL at the coordinator alone: three owners, of which the coordinator is the first; the test plays the peers and the
 * store. */
#include "core_coord.h"

static void ask_flush(struct fixture *f)
{
    begin(f, 0);
    coord_request(&f->coord, &(struct request){.token = 77, .kind = OP_FLUSH}, &f->out);
    coord_tick(&f->coord, &f->out);
    coord_check(&f->coord);
}

/* A peer's answer about the round of message m; then what is due. */
static void answer(struct fixture *f, uint64_t from, const struct message *m, int error, uint64_t greatest)
{
    struct message a = {.kind = MSG_FLUSHED};
    a.flushed = (struct msg_flushed){.op = m->flush.op, .epoch = 1, .error = (uint32_t)error, .greatest = greatest};
    begin(f, 1);
    assert_true(coord_message(&f->coord, from, &a, &f->out));
    if (coord_deadline_ms(&f->coord) <= f->now_ms)
        coord_tick(&f->coord, &f->out);
    coord_check(&f->coord);
}

static void answer_own(struct fixture *f, uint64_t greatest)
{
    begin(f, 0);
    struct version held = {.stamp = greatest, .deleted = 1};
    coord_flushed(&f->coord, TOKEN_NUMBER(f->own_token), ERR_SUPERSEDED, &held, &f->out);
    coord_check(&f->coord);
}

/* The messages of a round to B and C, copied; notes the own store's token. */
static void sent_round(struct fixture *f, struct message *to_b, struct message *to_c)
{
    const struct message *b = sent(f, B, MSG_FLUSH), *c = sent(f, C, MSG_FLUSH);
    assert_non_null(b);
    assert_non_null(c);
    *to_b = *b;
    *to_c = *c;
    f->own_token = acted(f, ACT_STORE_PUT)->put.token;
    assert_int_equal(TOKEN_OWNER(f->own_token), TOKEN_FLUSH);
}

static void test_all_members_store_one_stamp(void **state)
{
    struct fixture *f = *state;
    struct message b, c;
    ask_flush(f);
    sent_round(f, &b, &c);
    assert_true(hlc_wall_ms(b.flush.record.version.stamp) >= WALL_MS);
    answer(f, B, &b, 0, 0);
    answer(f, C, &c, 0, 0);
    assert_null(replied(f));
    answer_own(f, 5);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_a_second_round_beats_what_was_seen(void **state)
{
    struct fixture *f = *state;
    struct message b, c;
    ask_flush(f);
    sent_round(f, &b, &c);
    uint64_t stamp = b.flush.record.version.stamp, ahead = stamp + (300 << 16);
    answer_own(f, stamp);
    answer(f, B, &b, ERR_SUPERSEDED, ahead); /* a coordinator whose clock is ahead wrote there */
    answer(f, C, &c, 0, stamp);
    assert_null(replied(f));
    struct message b2, c2;
    sent_round(f, &b2, &c2);
    assert_true(b2.flush.record.version.stamp > ahead);
    answer(f, B, &b, 0, 0); /* a late answer to the first round says nothing about the second */
    answer(f, B, &b2, ERR_SUPERSEDED, ahead + (600 << 16));
    answer(f, C, &c2, 0, 0);
    answer_own(f, 0);
    assert_int_equal(replied(f)->error, 0); /* what is greater still came meanwhile */
}

static void test_a_dead_member_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
    ask_flush(f);
    assert_null(sent(f, C, MSG_FLUSH));
    struct message b = *sent(f, B, MSG_FLUSH);
    f->own_token = acted(f, ACT_STORE_PUT)->put.token;
    answer_own(f, 0);
    answer(f, B, &b, 0, 0);
    assert_int_equal(replied(f)->error, 0);
}

static void test_too_few_is_unknown_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct message b, c;
    ask_flush(f);
    sent_round(f, &b, &c);
    answer_own(f, 0);
    answer(f, B, &b, ERR_BUSY, 0);
    bool again = false;
    while (!replied(f)) {
        begin(f, 100);
        coord_tick(&f->coord, &f->out);
        coord_check(&f->coord);
        again |= sent(f, B, MSG_FLUSH) != NULL;
    }
    assert_true(again); /* who refused for now is asked once more */
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_members_store_one_stamp),
        TEST(test_a_second_round_beats_what_was_seen),
        TEST(test_a_dead_member_is_not_waited_for),
        TEST(test_too_few_is_unknown_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
