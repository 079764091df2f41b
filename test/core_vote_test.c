/* One chain on a table: the acceptor, whose every yes is durable before it leaves, and the
 * fence. */
#include "core_chain_table.h"

static void test_votes_leave_when_durable(void **state)
{
    struct table *t = table_new();

    (void)state;
    prepare(t, A, 100);
    assert_null(sent(t, A, MSG_PROMISE));
    stored(t, submitted(t), 0);
    assert_int_equal(sent(t, A, MSG_PROMISE)->promise.error, 0);
    accept_value(t, A, 100, &t->with_d);
    assert_null(sent(t, A, MSG_ACCEPTED));
    assert_true(chain_fenced(&t->chain));
    stored(t, submitted(t), 0);
    assert_int_equal(sent(t, A, MSG_ACCEPTED)->accepted.error, 0);
    prepare(t, A, 100); /* asked once more: stored once more */
    assert_null(sent(t, A, MSG_PROMISE));
    assert_true(submitted(t) > 0);
    table_free(t);
}

/* Who may have forgotten its votes casts none, until it may. */
static void test_who_forgot_does_not_vote(void **state)
{
    struct table *t = table_new();

    (void)state;
    t->now.own.forgot = true;
    prepare(t, A, 100);
    accept_value(t, A, 100, &t->with_d);
    assert_int_equal(submitted(t), 0);
    assert_false(chain_fenced(&t->chain));
    t->now.own.forgot = false;
    prepare(t, A, 100);
    assert_true(submitted(t) > 0);
    table_free(t);
}

/* Several votes on their way: a result speaks for all before it, and an overtaken promise is a
 * no. */
static void test_results_in_bulk(void **state)
{
    struct table *t = table_new();

    (void)state;
    prepare(t, A, 100);
    prepare(t, C, 200);
    stored(t, submitted(t), 0);
    assert_int_equal(sent(t, A, MSG_PROMISE)->promise.error, (uint32_t)ERR_SUPERSEDED);
    assert_int_equal(sent(t, A, MSG_PROMISE)->promise.promised, 200);
    assert_int_equal(sent(t, C, MSG_PROMISE)->promise.error, 0);
    table_free(t);
}

static void test_store_error(void **state)
{
    struct table *t = table_new();

    (void)state;
    prepare(t, A, 100);
    stored(t, submitted(t), ERR_IO);
    assert_null(sent(t, A, MSG_PROMISE));
    assert_int_equal(t->out.action[0].trace.kind, TRACE_STORE_ERROR);
    prepare(t, A, 100);
    stored(t, submitted(t), 0);
    assert_int_equal(sent(t, A, MSG_PROMISE)->promise.error, 0);
    table_free(t);
}

static void test_below_the_promise(void **state)
{
    struct table *t = table_new();

    (void)state;
    prepare(t, A, 200);
    accept_value(t, C, 100, &t->with_d);
    assert_int_equal(sent(t, C, MSG_ACCEPTED)->accepted.error, (uint32_t)ERR_SUPERSEDED);
    assert_int_equal(submitted(t), 0);
    assert_false(chain_fenced(&t->chain));
    prepare(t, C, 100);
    assert_int_equal(sent(t, C, MSG_PROMISE)->promise.error, (uint32_t)ERR_SUPERSEDED);
    table_free(t);
}

static void test_records_and_values(void **state)
{
    struct table *t = table_new();

    (void)state;
    t->now.own.holds = true;
    accept_value(t, A, 100, &t->with_d);
    assert_int_equal(sent(t, A, MSG_ACCEPTED)->accepted.error, (uint32_t)ERR_HOLDS_RECORDS);
    accept_value(t, A, 100, &t->bytes); /* not a successor */
    assert_int_equal(t->out.n, 0);
    accept_value(t, A, 100, &t->same);
    stored(t, submitted(t), 0);
    assert_int_equal(sent(t, A, MSG_ACCEPTED)->accepted.error, 0);
    assert_false(chain_fenced(&t->chain));
    table_free(t);
}

/* The fence falls when the value that lifts it is durable, and rises again after a restart before
 * that. */
static void test_fence(void **state)
{
    struct table *t = table_new();
    struct buf disk;

    (void)state;
    buf_init(&disk, MESSAGE_MAX);
    accept_value(t, A, 100, &t->with_d);
    uint64_t number = submitted(t);
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->out.action[i].kind == ACT_STORE_PUT)
            assert_int_equal(buf_slice(&disk, t->out.action[i].put.record.value), 0);
    stored(t, number, 0);
    accept_value(t, C, 200, &t->same);
    assert_true(chain_fenced(&t->chain));
    stored(t, submitted(t), 0);
    assert_false(chain_fenced(&t->chain));
    chain_protocol.close(&t->chain);
    table_start(t, buf_view(&disk));
    assert_true(chain_fenced(&t->chain));
    /* it will see to an end of this */
    assert_true(chain_protocol.deadline_ms(&t->chain, at(t)) != UINT64_MAX);
    buf_close(&disk);
    table_free(t);
}

/* A ballot at the end of all ballots, once followed, left nobody one above it: the epoch would have
 * had no successor, ever. */
static void test_ballots_that_cannot_be_true(void **state)
{
    static const uint64_t too_far[] = {CHAIN_BALLOT_LEAP + 101, CHAIN_BALLOT_MAX, UINT64_MAX};
    struct table *t = table_new();

    (void)state;
    prepare(t, A, 100);
    for (unsigned i = 0; i < 3; i++) {
        prepare(t, A, too_far[i]);
        accept_value(t, A, too_far[i], &t->with_d);
        struct message no[] = {
            {.kind = MSG_PROMISE,
             .promise = {.epoch = 2, .error = (uint32_t)ERR_SUPERSEDED, .promised = too_far[i]}},
            {.kind = MSG_ACCEPTED,
             .accepted = {.epoch = 2, .error = (uint32_t)ERR_SUPERSEDED, .promised = too_far[i]}},
        };
        take(t, A, &no[0]);
        take(t, A, &no[1]);
        assert_int_equal(submitted(t), 0);
        assert_int_equal(t->chain.seen_ballot, 100);
    }
    prepare(t, A, CHAIN_BALLOT_LEAP + 100);
    assert_true(submitted(t) > 0);
    table_free(t);
}

static void test_malformed_record(void **state)
{
    struct table *t = table_new();
    struct chain c;
    struct moment now = {0};
    struct chain_options o = {
        .self = B, .layout = buf_view(&t->bytes), .acceptor = SLICE("\1garbage")};

    (void)state;
    assert_int_equal(chain_init(&c, &now, &o), ERR_BAD_MESSAGE);
    chain_protocol.close(&c);
    o.layout = SLICE("garbage");
    o.acceptor.n = 0;
    assert_int_equal(chain_init(&c, &now, &o), ERR_BAD_MESSAGE);
    chain_protocol.close(&c);
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_votes_leave_when_durable),
        cmocka_unit_test(test_who_forgot_does_not_vote),
        cmocka_unit_test(test_results_in_bulk),
        cmocka_unit_test(test_store_error),
        cmocka_unit_test(test_below_the_promise),
        cmocka_unit_test(test_records_and_values),
        cmocka_unit_test(test_fence),
        cmocka_unit_test(test_ballots_that_cannot_be_true),
        cmocka_unit_test(test_malformed_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
