/* Reads: which owners a coordinator asks, which it passes over, what it repairs before it
 * replies. */
#include "core_coord_play.h"

static const struct version V1 = {.stamp = 100, .node = B, .digest = 1},
                            V2 = {.stamp = 200, .node = C, .digest = 2}, NO_VERSION = {0};

static uint64_t ask_get(struct fixture *f, uint64_t *token, uint64_t *peer)
{
    ask(f, OP_GET, "k", "");
    const struct action *own = acted(f, ACT_STORE_GET);
    assert_non_null(own);
    assert_int_equal(own->get.wants, GET_VALUE);
    *token = own->get.token;
    *peer = sent(f, B, MSG_GET) ? B : C;
    const struct message *m = sent(f, *peer, MSG_GET);
    assert_non_null(m);
    assert_int_equal(m->get.wants, GET_DIGEST);
    assert_int_equal(f->out.n, 2); /* R = 2: no other owner is asked */
    return m->get.op;
}

static void test_get_agrees(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_own_read(f, token, V1, "old");
    assert_null(replied(f));
    answer_get(f, peer, op, V1, "old", false);
    assert_true(slice_eq(replied(f)->record.value, SLICE("old")));
}

static void test_get_of_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_get(f, peer, op, NO_VERSION, "", false);
    answer_own_read(f, token, NO_VERSION, "");
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->record.kind, RECORD_NONE);
}

static void test_stale_coordinator_fetches_repairs_then_replies(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_own_read(f, token, V1, "old");
    answer_get(f, peer, op, V2, "newer", false);
    const struct message *fetch = sent(f, peer, MSG_GET);
    assert_non_null(fetch);
    assert_int_equal(fetch->get.wants, GET_VALUE);
    answer_get(f, peer, op, V2, "newer", true);
    assert_null(replied(f)); /* only one owner holds it */
    const struct action *repair = acted(f, ACT_STORE_PUT);
    assert_non_null(repair);
    assert_int_equal(version_cmp(&repair->put.record.version, &V2), 0);
    assert_true(slice_eq(repair->put.record.value, SLICE("newer")));
    own_put(f, op, 0, V2);
    assert_true(slice_eq(replied(f)->record.value, SLICE("newer")));
}

static void test_stale_peer_is_repaired_before_the_reply(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_own_read(f, token, V2, "newer");
    answer_get(f, peer, op, NO_VERSION, "", false);
    assert_null(replied(f));
    const struct message *repair = sent(f, peer, MSG_PUT);
    assert_non_null(repair);
    assert_true(slice_eq(repair->put.record.value, SLICE("newer")));
    answer_put(f, peer, op, 0, V2);
    assert_true(slice_eq(replied(f)->record.value, SLICE("newer")));
}

static void test_silent_owner_is_passed_over_at_the_tick(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer), other = peer == B ? C : B;
    answer_own_read(f, token, V1, "v");
    begin(f, 500);
    tick_now(f);
    assert_non_null(sent(f, other, MSG_GET));
    answer_get(f, other, op, V1, "v", false);
    assert_int_equal(replied(f)->error, 0);
}

static void test_hedge_follows_the_p99(void **state)
{
    (void)state;
    struct hedge h = {0};
    for (unsigned i = 0; i < HEDGE_SAMPLES_MIN - 1; i++)
        hedge_note(&h, 1);
    assert_int_equal(hedge_after_ms(&h), 0);
    hedge_note(&h, 1);
    assert_int_equal(hedge_after_ms(&h), HEDGE_MIN_MS);
    for (unsigned i = 0; i < 20; i++)
        hedge_note(&h, 40);
    assert_in_range(hedge_after_ms(&h), 41, 44);
    hedge_note(&h, UINT64_MAX);
    assert_in_range(hedge_after_ms(&h), 41, 44); /* one in two hundred */
    for (unsigned i = 0; i < 5 * HEDGE_SAMPLES_MAX; i++)
        hedge_note(&h, 10);
    assert_int_equal(hedge_after_ms(&h), 11); /* what is long past is forgotten */
}

static void test_a_slow_owner_is_hedged(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < HEDGE_SAMPLES_MIN; i++)
        hedge_note(&f->coord.hedge, 9);
    uint64_t token, peer, op = ask_get(f, &token, &peer), other = peer == B ? C : B;
    answer_own_read(f, token, V1, "v");
    assert_int_equal(deadline_ms(f), f->now_ms + 10);
    begin(f, 9);
    tick_now(f);
    assert_int_equal(f->out.n, 0);
    begin(f, 1);
    tick_now(f);
    assert_non_null(sent(f, other, MSG_GET));
    assert_null(sent(f, peer, MSG_GET));
    uint32_t samples = f->coord.hedge.n;
    answer_get(f, other, op, V1, "v", false);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(f->coord.hedge.n, samples + 2); /* the silent one counts as slow, too */
}

static void test_broken_stream_fails_over_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer;
    (void)ask_get(f, &token, &peer);
    begin(f, 1);
    link_to(f, peer, 0);
    tick_now(f);
    assert_non_null(sent(f, peer == B ? C : B, MSG_GET));
}

static void test_delete_says_whether_it_existed(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_DEL, "k", "");
    uint64_t token = acted(f, ACT_STORE_GET)->get.token;
    uint64_t peer = sent(f, B, MSG_GET) ? B : C, op = sent(f, peer, MSG_GET)->get.op;
    answer_own_read(f, token, V1, "v");
    answer_get(f, peer, op, V1, "v", false);
    assert_null(replied(f));
    const struct message *m = sent(f, B, MSG_PUT);
    assert_int_equal(m->put.record.kind, RECORD_TOMBSTONE);
    assert_true(version_cmp(&m->put.record.version, &V1) > 0);
    struct version v = m->put.record.version;
    answer_put(f, B, op, 0, v);
    answer_put(f, C, op, 0, v);
    assert_true(replied(f)->existed);
}

/* An owner that cannot be read is sent the deletion all the same: else it would lack it, and get no
 * hint. */
static void test_who_cannot_be_read_is_written_to(void **state)
{
    struct fixture *f = *state;
    struct record none = {0};
    ask(f, OP_DEL, "k", "");
    uint64_t token = acted(f, ACT_STORE_GET)->get.token;
    uint64_t peer = sent(f, B, MSG_GET) ? B : C, op = sent(f, peer, MSG_GET)->get.op;
    begin(f, 0);
    struct event ev = {.kind = EV_READ, .read = {.error = ERR_RECOVERING, .record = none}};
    own_answered(f, token, &ev);
    answer_get(f, peer, op, V1, "v", false);
    answer_get(f, peer == B ? C : B, op, V1, "v", false);
    assert_int_equal(acted(f, ACT_STORE_PUT)->put.record.kind, RECORD_TOMBSTONE);
    assert_non_null(sent(f, B, MSG_PUT));
    assert_non_null(sent(f, C, MSG_PUT));
}

static void test_where_shows_silent_owners(void **state)
{
    struct fixture *f = *state;
    believe(f, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    ask(f, OP_WHERE, "k", "");
    uint64_t token = acted(f, ACT_STORE_GET)->get.token, op = sent(f, B, MSG_GET)->get.op;
    answer_own_read(f, token, V1, "v");
    answer_get(f, B, op, V2, "w", false);
    const struct result *r = replied(f);
    assert_non_null(r);
    assert_int_equal(r->where.owner_n, 3);
    unsigned answered = 0;
    for (unsigned i = 0; i < 3; i++)
        answered += r->where.owner[i].answered;
    assert_int_equal(answered, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_get_agrees),
        TEST(test_get_of_nothing),
        TEST(test_stale_coordinator_fetches_repairs_then_replies),
        TEST(test_stale_peer_is_repaired_before_the_reply),
        TEST(test_silent_owner_is_passed_over_at_the_tick),
        cmocka_unit_test(test_hedge_follows_the_p99),
        TEST(test_a_slow_owner_is_hedged),
        TEST(test_broken_stream_fails_over_at_once),
        TEST(test_delete_says_whether_it_existed),
        TEST(test_who_cannot_be_read_is_written_to),
        TEST(test_where_shows_silent_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
