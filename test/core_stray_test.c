/* What a peer sends that none should: a node refuses or ignores it, and goes on or stops in good
 * order. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/error.h"
#include "core/node/node.h"

enum { SELF = 1, PEER = 7 };

static const struct addr peer_addr = {4, 7410, {127, 0, 0, 1}};

struct fixture {
    struct node node;
    struct out out;
    uint64_t now_ms;
};

/* Steps the node. */
static void step(struct fixture *f, struct event ev)
{
    ev.now_ms = ++f->now_ms;
    ev.wall_ms = 1600000000000 + f->now_ms;
    out_clear(&f->out);
    node_step(&f->node, &ev, &f->out);
    node_check(&f->node);
}

/* A node that has not joined yet. */
static int setup(void **state)
{
    static struct fixture f;
    const struct node_options o = {
        .id = SELF, .boot = 2, .seed = 3, .name = SLICE("a"), .zone = SLICE("")};
    f = (struct fixture){.now_ms = 1000};
    *state = &f;
    return node_init(&f.node, &o, f.now_ms);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    node_close(&f->node);
    return 0;
}

/* A member of a cluster opens a stream to it: so it asks to be let in. */
static void meet(struct fixture *f)
{
    struct msg_hello h = {.protocol_min = PROTOCOL_MIN,
                          .protocol_max = PROTOCOL_MAX,
                          .cluster = {{5}},
                          .node = PEER,
                          .boot = 9,
                          .addr = peer_addr,
                          .name = SLICE("b"),
                          .epoch = 1};
    step(f, (struct event){.kind = EV_TIMER});
    step(f, (struct event){.kind = EV_LINK_UP, .link = {.peer = PEER, .seed = -1, .hello = &h}});
}

static void take(struct fixture *f, const struct message *m)
{
    step(f, (struct event){.kind = EV_MESSAGE, .message = {.from = PEER, .message = m}});
}

/* The reason with which the node stops; NULL: it goes on. */
static const struct action *stopped(const struct fixture *f)
{
    for (unsigned i = 0; i < f->out.n; i++)
        if (f->out.action[i].kind == ACT_STOP)
            return &f->out.action[i];
    return NULL;
}

static void a_refusal_without_a_sentence_has_one(void **state)
{
    struct fixture *f = *state;
    struct message no = {.kind = MSG_JOIN_NO, .join_no = {.error = (uint32_t)ERR_TOO_BIG}};
    meet(f);
    take(f, &no);
    assert_non_null(stopped(f));
    assert_int_equal(stopped(f)->stop.error, ERR_TOO_BIG);
    assert_true(stopped(f)->stop.why.n > 0);
}

static void answers_to_a_node_without_a_layout_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct message ack = {.kind = MSG_PUT_ACK, .put_ack = {.op = TOKEN(TOKEN_COORD, 1)}};
    struct message got = {.kind = MSG_GOT, .got = {.op = TOKEN(TOKEN_COORD, 1)}};
    meet(f);
    take(f, &ack);
    take(f, &got);
    assert_null(stopped(f));
}

static void nobody_has_the_node_id_0(void **state)
{
    struct fixture *f = *state;
    struct msg_hello h = {.protocol_min = PROTOCOL_MIN, .protocol_max = PROTOCOL_MAX, .boot = 9};
    struct buf why;
    buf_init(&why, 1024);
    assert_int_equal(node_check_hello(&f->node, &h, &why), ERR_BAD_MESSAGE);
    assert_true(why.n > 0);
    buf_close(&why);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refusal_without_a_sentence_has_one),
        TEST(answers_to_a_node_without_a_layout_are_ignored),
        TEST(nobody_has_the_node_id_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
