/* core_chain_table.h: one chain on a table: the test plays its peers and its disk. */
#ifndef COVEY_TEST_CORE_CHAIN_TABLE_H
#define COVEY_TEST_CORE_CHAIN_TABLE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/chain/chain.h"
#include "core/ring/ring.h"

enum { A = 1, B = 2, C = 3, D = 4, E = 5, NOW_MS = 100000 };

/* A chain of member B under test, in a layout of A, B, C at epoch 1. */
struct table {
    struct cast cast;
    struct moment now;
    struct chain chain;
    struct layout layout;
    struct buf bytes, same, with_d, with_e; /* the layout, and the values that may follow it */
    struct out out;
    uint64_t now_ms;
};

static inline const struct moment *at(struct table *t)
{
    t->now.ms = t->now_ms;
    t->now.cast = &t->cast;
    return &t->now;
}

static inline void value(struct buf *b, const struct layout *prev, uint64_t joiner)
{
    struct layout_member member[4];
    struct layout l;
    struct ring_change change = {
        .prev = prev, .member = member, .n_wanted = 3, .vnodes = 8, .generation_id = 7};

    for (uint64_t id = A; id <= C; id++)
        member[change.member_n++] = (struct layout_member){.id = id, .weight = 100};
    if (joiner)
        member[change.member_n++] = (struct layout_member){.id = joiner, .weight = 100};
    layout_init(&l);
    buf_init(b, MESSAGE_MAX);
    assert_int_equal(ring_compute(&change, &l), 0);
    assert_int_equal(layout_encode(b, &l), 0);
    layout_close(&l);
}

static inline void table_start(struct table *t, struct slice acceptor)
{
    struct chain_options o = {.self = B,
                              .layout = buf_view(&t->bytes),
                              .layout_serial = 1,
                              .acceptor = acceptor,
                              .seed = 1};

    assert_int_equal(chain_init(&t->chain, at(t), &o), 0);
}

static inline struct table *table_new(void)
{
    struct table *t = calloc(1, sizeof *t);

    assert_non_null(t);
    t->now_ms = NOW_MS;
    value(&t->bytes, NULL, 0);
    assert_int_equal(layout_decode(buf_view(&t->bytes), &t->layout), 0);
    value(&t->same, &t->layout, 0);
    value(&t->with_d, &t->layout, D);
    value(&t->with_e, &t->layout, E);
    table_start(t, slice_of(NULL, 0));
    return t;
}

static inline void table_free(struct table *t)
{
    chain_protocol.close(&t->chain);
    cast_close(&t->cast);
    layout_close(&t->layout);
    buf_close(&t->bytes);
    buf_close(&t->same);
    buf_close(&t->with_d);
    buf_close(&t->with_e);
    free(t);
}

static inline void take(struct table *t, uint64_t from, const struct message *m)
{
    out_clear(&t->out);
    assert_true(chain_protocol.message(&t->chain, at(t), from, m, &t->out));
    chain_protocol.check(&t->chain, at(t));
}

/* The message of that kind that the last call sends to a peer; NULL: none. */
static const struct message *sent(const struct table *t, uint64_t to, enum message_kind kind)
{
    for (unsigned i = 0; i < t->out.n; i++) {
        const struct action *a = &t->out.action[i];
        if (a->kind == ACT_SEND && a->send.to == to && a->send.message.kind == kind)
            return &a->send.message;
    }
    return NULL;
}

/* The number of the last write that the last call submitted, as EV_STORED brings it; 0 when there
 * is none. */
static inline uint64_t submitted(const struct table *t)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < t->out.n; i++)
        if (t->out.action[i].kind == ACT_STORE_PUT)
            number = TOKEN_NUMBER(t->out.action[i].put.token);
    return number;
}

static inline void stored(struct table *t, uint64_t number, int error)
{
    out_clear(&t->out);
    chain_protocol.stored(&t->chain, at(t), number,
                          &(struct event){.kind = EV_STORED, .stored = {.error = error}}, &t->out);
    chain_protocol.check(&t->chain, at(t));
}

/* Lets time pass until the chain's deadline, and calls it. */
static inline void wait_tick(struct table *t)
{
    uint64_t due = chain_protocol.deadline_ms(&t->chain, at(t));

    assert_true(due != UINT64_MAX);
    t->now_ms = due > t->now_ms ? due : t->now_ms;
    out_clear(&t->out);
    chain_protocol.tick(&t->chain, at(t), &t->out);
    chain_protocol.check(&t->chain, at(t));
}

static inline void prepare(struct table *t, uint64_t from, uint64_t ballot)
{
    struct message m = {.kind = MSG_PREPARE, .prepare = {.epoch = 2, .ballot = ballot}};
    take(t, from, &m);
}

static inline void accept_value(struct table *t, uint64_t from, uint64_t ballot,
                                const struct buf *v)
{
    struct message m = {.kind = MSG_ACCEPT,
                        .accept = {.epoch = 2, .ballot = ballot, .layout = buf_view(v)}};
    take(t, from, &m);
}

static inline void join(struct table *t, uint64_t from)
{
    struct message m = {.kind = MSG_JOIN, .join = {.weight = 100, .name = SLICE("d")}};
    take(t, from, &m);
}

#endif
