/* core_coord.h: the coordinator alone: three owners, of which it is the first; the test plays the
 * peers and the store. */
#ifndef COVEY_TEST_CORE_COORD_H
#define COVEY_TEST_CORE_COORD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "core/coord/coord.h"
#include "core/ring/ring.h"

enum { A = 1, B = 2, C = 3, BOOT = 9 };

struct fixture {
    struct layout layout;
    struct cast cast;
    struct moment now;
    struct coord coord;
    struct out out;
    uint64_t now_ms;
    uint64_t own_token; /* the token of the own store's flush, for the tests of FLUSHALL */
};

static const uint64_t WALL_MS = 1700000000000;

/* What the node calls a coordinator with. */
static inline void adopt(struct fixture *f)
{
    f->now.layout = &f->layout;
    f->now.epoch = f->layout.epoch;
    assert_int_equal(coord_protocol.layout(&f->coord, &f->now), 0);
}

static inline void believe(struct fixture *f, uint64_t id, struct addr addr,
                           enum member_state state)
{
    struct member *m = cast_find(&f->cast, id);
    coord_protocol.member(&f->coord, &f->now, m, cast_believe(m, addr, state, slice_of(NULL, 0)));
}

/* A stream to a member came up, with the process of that boot; with boot 0 it broke. */
static inline void link_to(struct fixture *f, uint64_t id, uint64_t boot)
{
    struct member *m = cast_find(&f->cast, id);
    coord_protocol.member(&f->coord, &f->now, m, cast_link(m, boot, f->now.ms));
}

static inline void set_fence(struct fixture *f, bool fenced)
{
    f->now.fenced = fenced;
    coord_protocol.barred(&f->coord, &f->now);
}

/* In which vnodes this node is recovering: a byte for each. */
static inline void set_lost(struct fixture *f, const uint8_t *lost)
{
    f->now.own.recovering = lost;
    f->now.own.recovering_n = f->layout.vnodes;
}

static inline void tick_now(struct fixture *f)
{
    coord_protocol.tick(&f->coord, &f->now, &f->out);
}

static inline uint64_t deadline_ms(const struct fixture *f)
{
    return coord_protocol.deadline_ms(&f->coord, &f->now);
}

static inline void check(const struct fixture *f)
{
    coord_protocol.check(&f->coord, &f->now);
}

/* A peer's answer, to the protocol whose token it has. */
static inline void answered(struct fixture *f, uint64_t from, const struct message *m)
{
    const struct protocol *p =
        TOKEN_OWNER(m->head.op) == TOKEN_FLUSH ? &flush_protocol : &coord_protocol;
    p->answer(&f->coord, &f->now, from, m, &f->out);
}

/* The own store's answer, likewise. */
static inline void own_answered(struct fixture *f, uint64_t token, const struct event *ev)
{
    const struct protocol *p =
        TOKEN_OWNER(token) == TOKEN_FLUSH ? &flush_protocol : &coord_protocol;
    p->stored(&f->coord, &f->now, TOKEN_NUMBER(token), ev, &f->out);
}

static inline int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.now_ms = 1000};
    f.now = (struct moment){
        .ms = f.now_ms, .wall_ms = WALL_MS, .believed_ms = WALL_MS, .cast = &f.cast, .boot = BOOT};
    struct layout_member m[] = {
        {.id = A, .weight = 100}, {.id = B, .weight = 100}, {.id = C, .weight = 100}};
    struct ring_change birth = {
        .member = m, .member_n = 3, .n_wanted = 3, .vnodes = 16, .generation_id = 1};
    layout_init(&f.layout);
    assert_int_equal(ring_compute(&birth, &f.layout), 0);
    assert_int_equal(
        coord_init(&f.coord,
                   &(struct coord_options){.self = A, .ops_max = 1000, .deadline_ms = 2000}),
        0);
    for (uint64_t id = A; id <= C; id++)
        cast_make(&f.cast, id)->self = id == A;
    adopt(&f);
    for (uint64_t id = A; id <= C; id++)
        believe(&f, id, (struct addr){.family = 4, .port = (uint16_t)(7000 + id)}, MEMBER_ALIVE);
    link_to(&f, B, BOOT);
    link_to(&f, C, BOOT);
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    check(f);
    coord_protocol.close(&f->coord);
    cast_close(&f->cast);
    layout_close(&f->layout);
    return 0;
}

static inline void begin(struct fixture *f, uint64_t later_ms)
{
    f->now_ms += later_ms;
    out_clear(&f->out);
    f->now.ms = f->now_ms;
    coord_protocol.begin(&f->coord);
}

static inline const struct message *sent(const struct fixture *f, uint64_t to,
                                         enum message_kind kind)
{
    for (unsigned i = 0; i < f->out.n; i++) {
        const struct action *a = &f->out.action[i];
        if (a->kind == ACT_SEND && a->send.to == to && a->send.message.kind == kind)
            return &a->send.message;
    }
    return NULL;
}

static inline const struct action *acted(const struct fixture *f, enum action_kind kind)
{
    for (unsigned i = 0; i < f->out.n; i++)
        if (f->out.action[i].kind == kind)
            return &f->out.action[i];
    return NULL;
}

static inline const struct result *replied(const struct fixture *f)
{
    const struct action *a = acted(f, ACT_REPLY);
    return a ? &a->reply : NULL;
}

static inline struct version above(struct version v, uint64_t ms)
{
    v.stamp += ms << 16;
    v.node = C;
    return v;
}

#endif
