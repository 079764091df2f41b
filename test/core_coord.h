/* core_coord.h: the coordinator alone: three owners, of which it is the first; the test plays the peers and the store. */
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
    struct coord coord;
    struct out out;
    uint64_t now_ms;
    uint64_t own_token; /* of the own store's flush: flush tests */
};

static const uint64_t WALL_MS = 1700000000000;

static inline int set_up(void **state)
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
    coord_link(&f.coord, B, BOOT);
    coord_link(&f.coord, C, BOOT);
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    coord_check(&f->coord);
    coord_close(&f->coord);
    layout_close(&f->layout);
    return 0;
}

static inline void begin(struct fixture *f, uint64_t later_ms)
{
    f->now_ms += later_ms;
    out_clear(&f->out);
    coord_time(&f->coord, f->now_ms, WALL_MS);
}

static inline const struct message *sent(const struct fixture *f, uint64_t to, enum message_kind kind)
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
