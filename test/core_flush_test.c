/* FLUSHALL at the coordinator alone: three owners, of which the coordinator is the first; the test plays the peers and the
 * store. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "core/coord.h"
#include "core/ring.h"

enum { A = 1, B = 2, C = 3 };

struct fixture {
    struct layout layout;
    struct coord coord;
    struct out out;
    uint64_t now_ms;
    uint64_t own_token; /* of the own store's flush */
};

static const uint64_t WALL_MS = 1700000000000;

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.now_ms = 1000};
    struct layout_member m[] = {{.id = A, .weight = 100}, {.id = B, .weight = 100}, {.id = C, .weight = 100}};
    struct ring_change birth = {.member = m, .member_n = 3, .n_wanted = 3, .vnodes = 16, .generation = 1};
    layout_init(&f.layout);
    assert_int_equal(ring_compute(&birth, &f.layout), 0);
    assert_int_equal(coord_init(&f.coord, &(struct coord_options){.self = A, .ops_max = 1000, .deadline_ms = 2000}), 0);
    coord_time(&f.coord, f.now_ms, WALL_MS);
    assert_int_equal(coord_layout(&f.coord, &f.layout), 0);
    for (uint64_t id = A; id <= C; id++)
        coord_peer(&f.coord, id, (struct addr){.family = 4, .port = (uint16_t)(7000 + id)}, MEMBER_ALIVE);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    coord_check(&f->coord);
    coord_close(&f->coord);
    layout_close(&f->layout);
    return 0;
}

static void begin(struct fixture *f, uint64_t later_ms)
{
    f->now_ms += later_ms;
    out_clear(&f->out);
    coord_time(&f->coord, f->now_ms, WALL_MS);
}

static const struct message *sent(const struct fixture *f, uint64_t to, enum message_kind kind)
{
    for (unsigned i = 0; i < f->out.n; i++) {
        const struct action *a = &f->out.action[i];
        if (a->kind == ACT_SEND && a->send.to == to && a->send.message.kind == kind)
            return &a->send.message;
    }
    return NULL;
}

static const struct action *acted(const struct fixture *f, enum action_kind kind)
{
    for (unsigned i = 0; i < f->out.n; i++)
        if (f->out.action[i].kind == kind)
            return &f->out.action[i];
    return NULL;
}

static const struct result *replied(const struct fixture *f)
{
    const struct action *a = acted(f, ACT_REPLY);
    return a ? &a->reply : NULL;
}

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
