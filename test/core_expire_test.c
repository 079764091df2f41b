/* EXPIRE at the coordinator alone: three owners, of which the coordinator is the first; the test
 * plays the peers and the store. */
#include "core_coord.h"

static void answer_put(struct fixture *f, uint64_t from, uint64_t op, int error,
                       struct version held)
{
    begin(f, 1);
    struct message m = {.kind = MSG_PUT_ACK};
    m.put_ack = (struct msg_put_ack){.op = op, .epoch = 1, .error = (uint32_t)error, .held = held};
    answered(f, from, &m);
    check(f);
}

/* ---- Writes ---- */

static const struct version V1 = {.stamp = 100, .node = B, .digest = 1};

static void ask_for(struct fixture *f, struct request r)
{
    begin(f, 0);
    r.token = 77;
    r.key = SLICE("k");
    coord_request(&f->coord, &f->now, &r, &f->out);
    check(f);
}

static struct record held(struct version v, uint64_t expiry_ms)
{
    return (struct record){
        .kind = v.stamp ? RECORD_VALUE : RECORD_NONE, .version = v, .expiry_ms = expiry_ms};
}

/* Both owners that are asked hold the record; returns the operation's handle. */
static uint64_t answer_reads(struct fixture *f, struct record r, struct slice value)
{
    const struct action *own = acted(f, ACT_STORE_GET);
    assert_non_null(own);
    uint64_t token = own->get.token, peer = sent(f, B, MSG_GET) ? B : C,
             op = sent(f, peer, MSG_GET)->get.op;
    struct record with = r;
    with.value = own->get.wants == GET_VALUE ? value : slice_of(NULL, 0);
    begin(f, 0);
    struct event ev = {.kind = EV_READ, .read = {.record = with, .size = (uint32_t)value.n}};
    own_answered(f, token, &ev);
    begin(f, 1);
    struct message m = {.kind = MSG_GOT};
    m.got = (struct msg_got){.op = op, .epoch = 1, .size = (uint32_t)value.n, .record = r};
    answered(f, peer, &m);
    check(f);
    return op;
}

static void test_the_value_is_written_back(void **state)
{
    struct fixture *f = *state;
    ask_for(f, (struct request){.kind = OP_EXPIRE, .expiry_ms = 5000, .expiry_relative = true});
    uint64_t op = answer_reads(f, held(V1, 0), SLICE("value"));
    const struct message *m = sent(f, B, MSG_PUT);
    assert_non_null(m);
    assert_non_null(sent(f, C, MSG_PUT));
    struct record r = m->put.record;
    assert_int_equal(r.kind, RECORD_VALUE);
    assert_true(slice_eq(r.value, SLICE("value")));
    assert_int_equal(version_value_cmp(&r.version, &V1), 0);
    assert_true(r.version.expiry_stamp > 0);
    assert_int_equal(r.expiry_ms, WALL_MS + 5000);
    answer_put(f, B, op, 0, r.version);
    assert_null(replied(f));
    answer_put(f, C, op, 0, r.version);
    assert_int_equal(replied(f)->error, 0);
    assert_true(replied(f)->existed);
}

static void test_a_newer_expiry_has_a_greater_stamp(void **state)
{
    struct fixture *f = *state;
    struct version v = V1;
    v.expiry_stamp = (WALL_MS + 100) << 16;
    ask_for(f, (struct request){.kind = OP_EXPIRE});
    answer_reads(f, held(v, WALL_MS + 9000), SLICE("value"));
    const struct message *m = sent(f, B, MSG_PUT);
    assert_int_equal(m->put.record.expiry_ms, 0);
    assert_true(m->put.record.version.expiry_stamp > v.expiry_stamp);
}

static void test_a_concurrent_set_is_an_ack(void **state)
{
    struct fixture *f = *state;
    ask_for(f, (struct request){.kind = OP_EXPIRE, .expiry_ms = 5000, .expiry_relative = true});
    uint64_t op = answer_reads(f, held(V1, 0), SLICE("value"));
    answer_put(f, B, op, ERR_SUPERSEDED, above(V1, 1));
    answer_put(f, C, op, ERR_SUPERSEDED, above(V1, 1));
    assert_int_equal(replied(f)->error, 0);
    assert_true(replied(f)->existed);
}

static void expect_no(struct fixture *f, struct request r, struct record record)
{
    ask_for(f, r);
    answer_reads(f, record, SLICE(""));
    assert_non_null(replied(f));
    assert_int_equal(replied(f)->error, 0);
    assert_false(replied(f)->existed);
    assert_null(sent(f, B, MSG_PUT));
}

static void test_conditions(void **state)
{
    struct fixture *f = *state;
    struct request r = {.kind = OP_EXPIRE, .expiry_ms = WALL_MS + 5000};
    expect_no(f, r, held((struct version){0}, 0));
    expect_no(f, r, held(V1, WALL_MS)); /* its time has come */
    expect_no(f, (struct request){.kind = OP_EXPIRE}, held(V1, 0));
    r.when = EXPIRE_NX;
    expect_no(f, r, held(V1, WALL_MS + 1));
    r.when = EXPIRE_XX;
    expect_no(f, r, held(V1, 0));
    r.when = EXPIRE_GT;
    expect_no(f, r, held(V1, 0));
    expect_no(f, r, held(V1, WALL_MS + 5000));
    r.when = EXPIRE_LT;
    expect_no(f, r, held(V1, WALL_MS + 5000));
    ask_for(f, r);
    answer_reads(f, held(V1, 0), SLICE("value")); /* no end is later than any */
    assert_non_null(sent(f, B, MSG_PUT));
}

/* The answers agree, but the owner that was asked for the value is not the one that holds it: it is
 * fetched, the other is repaired, and only then it is written back. */
static void test_a_value_that_is_elsewhere_is_fetched(void **state)
{
    struct fixture *f = *state;
    ask_for(f, (struct request){.kind = OP_EXPIRE, .expiry_ms = WALL_MS + 5000});
    uint64_t token = acted(f, ACT_STORE_GET)->get.token, peer = sent(f, B, MSG_GET) ? B : C,
             op = sent(f, peer, MSG_GET)->get.op;
    assert_int_equal(acted(f, ACT_STORE_GET)->get.wants, GET_VALUE);
    begin(f, 0);
    struct event ev = {.kind = EV_READ, .read = {.record = {.kind = RECORD_NONE}}};
    own_answered(f, token, &ev);
    begin(f, 1);
    struct message m = {.kind = MSG_GOT};
    m.got = (struct msg_got){.op = op, .epoch = 1, .size = 5, .record = held(V1, 0)};
    answered(f, peer, &m);
    assert_int_equal(sent(f, peer, MSG_GET)->get.wants, GET_VALUE);
    begin(f, 1);
    m.got.record.value = SLICE("value");
    answered(f, peer, &m);
    assert_int_equal(version_cmp(&acted(f, ACT_STORE_PUT)->put.record.version, &V1), 0);
    assert_null(sent(f, B, MSG_PUT));
    begin(f, 1);
    ev = (struct event){.kind = EV_STORED, .stored = {.held = V1}};
    own_answered(f, token, &ev);
    check(f);
    const struct record *r = &sent(f, B, MSG_PUT)->put.record;
    assert_true(slice_eq(r->value, SLICE("value")));
    assert_int_equal(version_value_cmp(&r->version, &V1), 0);
    assert_true(r->version.expiry_stamp > 0);
}

/* Two owners keep silent: nobody knows whether it holds, so they get it as a hint, value
 * included. */
static void test_an_unknown_end_leaves_hints_of_the_whole_record(void **state)
{
    struct fixture *f = *state;
    ask_for(f, (struct request){.kind = OP_EXPIRE, .expiry_ms = WALL_MS + 5000});
    answer_reads(f, held(V1, 0), SLICE("value"));
    struct version version = sent(f, B, MSG_PUT)->put.record.version;
    while (!replied(f)) {
        begin(f, 2000 / OP_TICKS);
        tick_now(f);
    }
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    while (!acted(f, ACT_HINT_PUT)) {
        begin(f, 2000 / OP_TICKS);
        tick_now(f);
    }
    const struct record *hint = &acted(f, ACT_HINT_PUT)->hint.record;
    assert_int_equal(hint->kind, RECORD_VALUE);
    assert_true(slice_eq(hint->value, SLICE("value")));
    assert_int_equal(version_cmp(&hint->version, &version), 0);
    assert_int_equal(hint->expiry_ms, WALL_MS + 5000);
}

/* An owner that has erased later stamps refuses for good: the others' acks do, and a stamp is not
 * given again, as to a SET. */
static void test_an_owner_that_erased_since_does_not_count(void **state)
{
    struct fixture *f = *state;
    ask_for(f, (struct request){.kind = OP_EXPIRE, .expiry_ms = WALL_MS + 5000});
    uint64_t op = answer_reads(f, held(V1, 0), SLICE("value"));
    struct version version = sent(f, B, MSG_PUT)->put.record.version;
    uint64_t token = acted(f, ACT_STORE_PUT)->put.token;
    answer_put(f, B, op, ERR_TOO_OLD, above(V1, 1));
    answer_put(f, C, op, 0, version);
    assert_null(replied(f));
    begin(f, 0);
    struct event ev = {.kind = EV_STORED, .stored = {.held = version}};
    own_answered(f, token, &ev);
    check(f);
    assert_int_equal(replied(f)->error, 0);
    assert_true(replied(f)->existed);
}

/* What is left of a value that has lapsed is greater than the value, and an owner that still has
 * it is brought that. */
static void test_a_value_that_has_lapsed_is_absent(void **state)
{
    struct fixture *f = *state;
    struct version v = V1;
    v.expiry_stamp = 7;
    struct record left = held(v, WALL_MS + 1); /* by our clock it would still live */
    left.kind = RECORD_TOMBSTONE;
    ask_for(f, (struct request){.kind = OP_EXPIRE, .expiry_ms = WALL_MS + 5000});
    uint64_t token = acted(f, ACT_STORE_GET)->get.token, peer = sent(f, B, MSG_GET) ? B : C,
             op = sent(f, peer, MSG_GET)->get.op;
    begin(f, 0);
    struct event ev = {.kind = EV_READ, .read = {.record = held(v, WALL_MS + 1), .size = 5}};
    ev.read.record.value = SLICE("value");
    own_answered(f, token, &ev);
    begin(f, 1);
    struct message m = {.kind = MSG_GOT};
    m.got = (struct msg_got){.op = op, .epoch = 1, .record = left};
    answered(f, peer, &m);
    assert_int_equal(acted(f, ACT_STORE_PUT)->put.record.kind, RECORD_TOMBSTONE);
    begin(f, 1);
    ev = (struct event){.kind = EV_STORED, .stored = {.held = v}};
    own_answered(f, token, &ev);
    check(f);
    assert_int_equal(replied(f)->error, 0);
    assert_false(replied(f)->existed);
}

static void test_set_keeps_the_end(void **state)
{
    struct fixture *f = *state;
    struct version v = V1;
    v.expiry_stamp = 7;
    ask_for(f, (struct request){.kind = OP_PUT, .value = SLICE("fresh"), .keep_expiry = true});
    answer_reads(f, held(v, WALL_MS + 9000), SLICE("a longer value than ours"));
    const struct record *r = &sent(f, B, MSG_PUT)->put.record;
    assert_int_equal(r->kind, RECORD_VALUE);
    assert_true(slice_eq(r->value, SLICE("fresh")));
    assert_int_equal(r->expiry_ms, WALL_MS + 9000);
    assert_int_equal(r->version.expiry_stamp, r->version.stamp);
    ask_for(f, (struct request){.kind = OP_PUT, .value = SLICE("fresh"), .keep_expiry = true});
    answer_reads(f, held(v, WALL_MS - 1), SLICE("over"));
    /* that key is gone, and its end with it */
    assert_int_equal(sent(f, B, MSG_PUT)->put.record.expiry_ms, 0);
}

static void test_the_expired_is_absent(void **state)
{
    struct fixture *f = *state;
    ask_for(f, (struct request){.kind = OP_GET});
    answer_reads(f, held(V1, WALL_MS + 1), SLICE("value"));
    assert_int_equal(replied(f)->record.kind, RECORD_VALUE);
    ask_for(f, (struct request){.kind = OP_GET});
    answer_reads(f, held(V1, WALL_MS), SLICE("value"));
    assert_int_equal(replied(f)->record.kind, RECORD_NONE);
    assert_int_equal(replied(f)->record.value.n, 0);
    ask_for(f, (struct request){.kind = OP_DEL});
    uint64_t op = answer_reads(f, held(V1, WALL_MS), SLICE("value"));
    /* the deletion is written all the same */
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    answer_put(f, C, op, 0, v);
    assert_false(replied(f)->existed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_value_is_written_back),
        TEST(test_a_newer_expiry_has_a_greater_stamp),
        TEST(test_a_concurrent_set_is_an_ack),
        TEST(test_conditions),
        TEST(test_a_value_that_is_elsewhere_is_fetched),
        TEST(test_an_unknown_end_leaves_hints_of_the_whole_record),
        TEST(test_an_owner_that_erased_since_does_not_count),
        TEST(test_a_value_that_has_lapsed_is_absent),
        TEST(test_set_keeps_the_end),
        TEST(test_the_expired_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
