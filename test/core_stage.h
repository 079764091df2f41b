/* core_stage.h: what a node gives to a protocol, for a protocol that is tested alone: the moment,
 * and the members in it. */
#ifndef COVEY_TEST_CORE_STAGE_H
#define COVEY_TEST_CORE_STAGE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/protocol.h"

struct stage {
    struct cast cast;
    struct moment now;
};

static inline void stage_open(struct stage *s, uint64_t self)
{
    *s = (struct stage){0};
    s->now.cast = &s->cast;
    struct member *m = cast_make(&s->cast, self);
    assert_non_null(m);
    m->self = true;
    m->state = MEMBER_ALIVE;
}

static inline void stage_close(struct stage *s)
{
    cast_close(&s->cast);
}

static inline void stage_time(struct stage *s, uint64_t ms, uint64_t wall_ms)
{
    s->now.ms = ms;
    s->now.wall_ms = s->now.believed_ms = wall_ms;
}

/* A layout comes into force: all its members are known, and the protocol is called. */
static inline int stage_layout(struct stage *s, const struct protocol *p, void *it,
                               const struct layout *l)
{
    s->now.layout = l;
    s->now.epoch = l->epoch;
    for (unsigned i = 0; i < l->member_n; i++)
        assert_non_null(cast_make(&s->cast, l->member[i].id));
    return p->layout(it, &s->now);
}

/* Sets what SWIM believes of a member, and its address. */
static inline void stage_believe(struct stage *s, const struct protocol *p, void *it, uint64_t id,
                                 struct addr addr, bool alive)
{
    struct member *m = cast_find(&s->cast, id);
    unsigned change = cast_believe(m, addr, alive ? MEMBER_ALIVE : MEMBER_DEAD, slice_of(NULL, 0));
    if (p->member)
        p->member(it, &s->now, m, change);
}

/* A stream to a member is up, to the process of that boot; 0: it broke. */
static inline void stage_link(struct stage *s, const struct protocol *p, void *it, uint64_t id,
                              uint64_t boot)
{
    struct member *m = cast_find(&s->cast, id);
    p->member(it, &s->now, m, cast_link(m, boot, s->now.ms));
}

static inline void stage_fence(struct stage *s, const struct protocol *p, void *it, bool fenced)
{
    s->now.fenced = fenced;
    p->barred(it, &s->now);
}

#endif
