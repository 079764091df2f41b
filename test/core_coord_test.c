/* The coordinator alone: three owners, of which the coordinator is the first; the test plays the
 * peers and the store. What becomes of a write, and many operations at once. */
#include "core_coord_play.h"

static void test_a_far_future_version_is_outbid_but_not_believed(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 3600 * 1000);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    struct version second = sent(f, B, MSG_PUT)->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    ask(f, OP_PUT, "other", "x"); /* an hour's error of one node must not spread to other keys */
    assert_true(hlc_wall_ms(sent(f, B, MSG_PUT)->put.record.version.stamp) < WALL_MS + 1000);
}

static void test_no_quorum_is_refused_before_anything_is_sent(void **state)
{
    struct fixture *f = *state;
    believe(f, B, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    believe(f, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    ask(f, OP_PUT, "k", "v");
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
    assert_int_equal(replied(f)->answered, 1);
    assert_int_equal(replied(f)->needed, 2);
    assert_null(acted(f, ACT_STORE_PUT));
}

static void test_deadline_makes_a_sent_write_unknown(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    begin(f, 2000);
    tick_now(f);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(replied(f)->answered, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_refused_everywhere_is_failed_not_unknown(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    answer_put(f, B, op, ERR_NO_SPACE, (struct version){0});
    assert_null(replied(f));
    own_put(f, op, ERR_NO_SPACE, (struct version){0});
    assert_non_null(replied(f)); /* C was sent it, and has not refused it */
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(replied(f)->cause, ERR_NO_SPACE); /* but the operator reads why */
    op = ask_put(f, &(struct request){.key = SLICE("k"), .value = SLICE("v")})->put.op;
    answer_put(f, C, op, ERR_NO_SPACE, (struct version){0});
    answer_put(f, B, op, ERR_FORMING, (struct version){0});
    own_put(f, op, ERR_NO_SPACE, (struct version){0});
    assert_int_equal(replied(f)->error, ERR_NO_SPACE);
}

/* The owners refuse what is sent under the next layout. What was sent under the one before may be
 * stored all the same. */
static void test_a_write_sent_under_an_earlier_layout_is_unknown(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    assert_non_null(sent(f, C, MSG_PUT));
    begin(f, 1);
    f->layout.epoch = 2;
    adopt(f);
    tick_now(f);
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    assert_int_equal(sent(f, B, MSG_PUT)->put.epoch, 2);
    answer_put(f, C, op, ERR_NO_SPACE, (struct version){0});
    answer_put(f, B, op, ERR_FORMING, (struct version){0});
    own_put(f, op, ERR_NO_SPACE, (struct version){0});
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

static void test_lost_stream_is_sent_again_when_it_is_back(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    begin(f, 1);
    link_to(f, B, 0);
    tick_now(f);
    assert_null(sent(f, B, MSG_PUT)); /* not while it is held off */
    begin(f, 10);
    link_to(f, B, BOOT);
    assert_true(deadline_ms(f) <= f->now_ms);
    tick_now(f);
    assert_non_null(sent(f, B, MSG_PUT));
    assert_null(sent(f, C, MSG_PUT)); /* C's is still on its way */
    assert_int_equal(version_cmp(&sent(f, B, MSG_PUT)->put.record.version, &v), 0);
}

static void test_fence_holds_writes_until_the_layout(void **state)
{
    struct fixture *f = *state;
    set_fence(f, true);
    ask(f, OP_PUT, "k", "v");
    assert_int_equal(f->out.n, 0);
    set_fence(f, false);
    begin(f, 5);
    tick_now(f);
    assert_non_null(sent(f, B, MSG_PUT));
    set_fence(f, true);
    ask(f, OP_PUT, "k2", "v");
    begin(f, 2000);
    tick_now(f); /* the first is unknown, and leaves two hints; the second was never sent */
    assert_int_equal(f->out.n, 4);
    assert_int_equal(f->out.action[0].reply.error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(f->out.action[3].reply.error, ERR_FORMING);
}

/* ---- Many at once ---- */

static void test_a_death_under_many_operations_is_sliced(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        ask(f, OP_GET, key, "");
    }
    ask(f, OP_GET, "one more", "");
    assert_int_equal(replied(f)->error, ERR_BUSY);
    begin(f, 1);
    link_to(f, B, 0);
    unsigned asked = 0, steps = 0;
    while (deadline_ms(f) <= f->now_ms) {
        begin(f, 0);
        tick_now(f);
        assert_true(f->out.n <= COORD_OUT_MAX);
        asked += f->out.n;
        steps++;
    }
    assert_true(asked > 300 && asked < 700); /* about half had asked B */
    assert_true(steps > 5);
}

static void test_count_takes_the_greatest_answer_of_an_owner(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_COUNT, "", "");
    begin(f, 0);
    tick_now(f);
    const struct message *m = sent(f, B, MSG_COUNT);
    assert_non_null(m);
    uint64_t number = m->count.op;
    assert_non_null(acted(f, ACT_STORE_COUNT));
    uint32_t own[16] = {5, 1}, b[16] = {4, 2}, c[16] = {0};
    begin(f, 1);
    own_answered(f, number,
                 &(struct event){.kind = EV_COUNTED, .counted = {.live = own, .vnode_n = 16}});
    for (uint64_t id = B; id <= C; id++) {
        struct message a = {.kind = MSG_COUNTED};
        a.counted =
            (struct msg_counted){.op = number, .counts = slice_of(id == B ? b : c, sizeof b)};
        assert_null(replied(f));
        answered(f, id, &a);
    }
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->count, 7);
    assert_int_equal(deadline_ms(f), UINT64_MAX);
}

static void test_a_count_waits_for_nobody_whose_stream_broke(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_COUNT, "", "");
    begin(f, 0);
    tick_now(f);
    uint64_t number = sent(f, B, MSG_COUNT)->count.op;
    uint32_t counts[16] = {5, 1};
    struct message of_b = {.kind = MSG_COUNTED};
    of_b.counted = (struct msg_counted){.op = number, .counts = slice_of(counts, sizeof counts)};
    begin(f, 1);
    own_answered(f, number,
                 &(struct event){.kind = EV_COUNTED, .counted = {.live = counts, .vnode_n = 16}});
    link_to(f, C, 0);
    answered(f, C, &of_b); /* C's answer comes after that, and does not count */
    tick_now(f);
    assert_null(replied(f)); /* B may still answer */
    answered(f, B, &of_b);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->count, 6);

    ask(f, OP_COUNT, "", "");
    begin(f, 0);
    tick_now(f);
    number = sent(f, B, MSG_COUNT)->count.op;
    begin(f, 1);
    own_answered(f, number,
                 &(struct event){.kind = EV_COUNTED, .counted = {.live = counts, .vnode_n = 16}});
    link_to(f, B, 0);
    assert_true(deadline_ms(f) <= f->now_ms);
    while (!replied(f) && deadline_ms(f) <= f->now_ms)
        tick_now(f);
    assert_non_null(replied(f)); /* that was the last answer, and no time had to pass */
    assert_int_equal(replied(f)->count, 6);
}

/* A layout of n members, all alive, in the place of the fixture's three. */
static void grow(struct fixture *f, unsigned n)
{
    struct layout_member m[64] = {0};
    struct ring_change birth = {
        .member = m, .member_n = (uint16_t)n, .n_wanted = 3, .vnodes = 64, .generation_id = 1};
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct layout_member){.id = A + i, .weight = 100};
    layout_close(&f->layout);
    layout_init(&f->layout);
    assert_int_equal(ring_compute(&birth, &f->layout), 0);
    for (uint64_t id = C + 1; id < A + n; id++)
        cast_make(&f->cast, id);
    adopt(f);
    for (uint64_t id = C + 1; id < A + n; id++)
        believe(f, id, (struct addr){.family = 4, .port = (uint16_t)(7000 + id)}, MEMBER_ALIVE);
}

/* A tick that comes late finds members to ask, requests to answer, and reads to drive again. */
static void test_a_late_count_appends_no_more_than_a_step_allows(void **state)
{
    struct fixture *f = *state;
    enum { REQUESTS = 48 };
    grow(f, 40);
    for (unsigned i = 0; i < REQUESTS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        ask(f, OP_GET, key, "");
        ask(f, OP_COUNT, "", "");
    }
    begin(f, 0);
    tick_now(f);
    assert_non_null(acted(f, ACT_STORE_COUNT));
    unsigned replies = 0;
    begin(f, CENSUS_MS);
    while (replies < REQUESTS && deadline_ms(f) <= f->now_ms) {
        begin(f, 0);
        tick_now(f);
        check(f);
        assert_true(f->out.n <= COORD_OUT_MAX);
        for (unsigned i = 0; i < f->out.n; i++)
            replies += f->out.action[i].kind == ACT_REPLY;
    }
    assert_int_equal(replies, REQUESTS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_far_future_version_is_outbid_but_not_believed),
        TEST(test_no_quorum_is_refused_before_anything_is_sent),
        TEST(test_deadline_makes_a_sent_write_unknown),
        TEST(test_refused_everywhere_is_failed_not_unknown),
        TEST(test_a_write_sent_under_an_earlier_layout_is_unknown),
        TEST(test_lost_stream_is_sent_again_when_it_is_back),
        TEST(test_fence_holds_writes_until_the_layout),
        TEST(test_a_death_under_many_operations_is_sliced),
        TEST(test_count_takes_the_greatest_answer_of_an_owner),
        TEST(test_a_count_waits_for_nobody_whose_stream_broke),
        TEST(test_a_late_count_appends_no_more_than_a_step_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
