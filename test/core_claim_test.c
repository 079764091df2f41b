/* A node that stands where another cluster's member lived: how it learns of that, and what it
 * does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/error.h"
#include "core/node/node.h"

enum { SELF = 1, THEIR_MEMBER = 7, THEIR_LOST = 8 };

static const struct cluster_id ours = {{1}}, theirs = {{2}};

struct fixture {
    struct node node;
    struct out out;
    uint64_t now_ms;
    int answer;      /* the error of the last reply; 0 while there is none */
    unsigned logged; /* how often it was logged that the address is claimed */
};

/* Steps the node, and stores whatever it has stored. */
static void step(struct fixture *f, struct event ev)
{
    uint64_t token[OUT_MAX];
    unsigned n = 0;
    ev.now_ms = ++f->now_ms;
    ev.wall_ms = 1600000000000 + f->now_ms;
    out_clear(&f->out);
    node_step(&f->node, &ev, &f->out);
    node_check(&f->node);
    for (unsigned i = 0; i < f->out.n; i++) {
        const struct action *a = &f->out.action[i];
        if (a->kind == ACT_STORE_PUT)
            token[n++] = a->put.token;
        if (a->kind == ACT_REPLY)
            f->answer = a->reply.error;
        f->logged += a->kind == ACT_TRACE && a->trace.kind == TRACE_NODE_CLAIMED;
    }
    for (unsigned i = 0; i < n; i++)
        step(f, (struct event){.kind = EV_STORED, .stored.token = token[i]});
}

/* A founder that serves. */
static int setup(void **state)
{
    static struct fixture f;
    const struct node_options o = {.id = SELF,
                                   .boot = 2,
                                   .seed = 3,
                                   .name = SLICE("a"),
                                   .found = true,
                                   .cluster = ours,
                                   .generation_id = 4};
    f = (struct fixture){.now_ms = 1000};
    *state = &f;
    if (node_init(&f.node, &o, f.now_ms))
        return -1;
    for (unsigned i = 0; i < 10 && !node_serves(&f.node); i++)
        step(&f, (struct event){.kind = EV_TIMER});
    return node_serves(&f.node) ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    node_close(&f->node);
    return 0;
}

static void take_ping(struct fixture *f, struct cluster_id cluster, uint64_t target)
{
    struct packet p;
    struct message ping = {.kind = MSG_PING, .ping = {.seq = 9, .target = target}};
    packet_begin(&p, &(struct packet_header){
                         .cluster = cluster, .from = THEIR_MEMBER, .boot = 5, .epoch = 3});
    assert_true(packet_add(&p, &ping));
    packet_seal(&p);
    step(f, (struct event){
                .kind = EV_PACKET,
                .packet = {.from = {4, 7410, {127, 0, 0, 1}}, .bytes = slice_of(p.bytes, p.n)}});
}

static void take_hello(struct fixture *f, uint64_t sought)
{
    struct msg_hello h = {.cluster = theirs, .node = THEIR_MEMBER, .epoch = 3, .sought = sought};
    step(f, (struct event){.kind = EV_STRANGER, .link.hello = &h});
}

static void assert_claimed(struct fixture *f)
{
    struct status_info s;
    node_status(&f->node, &s);
    assert_true(cluster_id_eq(s.claimed_by, theirs));
    assert_int_equal(s.claimed_for, THEIR_LOST);
}

/* The error that a client's GET is answered; 0: the key is being looked up. */
static int answer(struct fixture *f)
{
    struct request r = {.token = 1, .kind = OP_GET, .key = SLICE("k")};
    f->answer = 0;
    step(f, (struct event){.kind = EV_REQUEST, .request = &r});
    return f->answer;
}

static void a_stream_that_looks_for_their_member_stops_it(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(answer(f), 0);
    take_hello(f, THEIR_LOST);
    assert_false(node_serves(&f->node));
    assert_claimed(f);
    assert_int_equal(answer(f), ERR_OTHER_CLUSTER);
    struct status_info s;
    node_status(&f->node, &s);
    assert_int_equal(s.verdict, VERDICT_LOADING);
}

/* Nobody dials a dead member; but it is pinged for ever. */
static void a_ping_for_their_member_stops_it(void **state)
{
    struct fixture *f = *state;
    take_ping(f, theirs, THEIR_LOST);
    assert_false(node_serves(&f->node));
    assert_claimed(f);
    take_ping(f, (struct cluster_id){{3}}, 99); /* the first one stands */
    assert_claimed(f);
    assert_int_equal(f->logged, 1);
}

/* A seed that was mistyped, a node that has no cluster yet, and our own cluster's words. */
static void what_claims_nothing_stops_nobody(void **state)
{
    struct fixture *f = *state;
    take_hello(f, 0);
    take_ping(f, (struct cluster_id){{0}}, THEIR_LOST);
    take_ping(f, ours, THEIR_LOST);
    take_ping(f, theirs, SELF);
    assert_false(node_claimed(&f->node));
    assert_true(node_serves(&f->node));
    assert_int_equal(answer(f), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_that_looks_for_their_member_stops_it),
        TEST(a_ping_for_their_member_stops_it),
        TEST(what_claims_nothing_stops_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
