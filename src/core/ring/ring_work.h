/* ring_work.h: the workspace of one layout computation, passed from step to step. Inside
 * core/ring/ring*.c only.
 *
 * The steps: ring_share.c says how many places each member gets, ring_flow.c which vnodes these
 * are, ring_order.c in which order the owners of a vnode stand. */
#ifndef COVEY_CORE_RING_WORK_H
#define COVEY_CORE_RING_WORK_H

#include "core/ring/ring.h"

struct ring_work {
    const struct layout *prev; /* NULL at birth */
    struct layout *next;       /* its members are set, its owners are what we are after */
    uint16_t zone_n;
    uint16_t *zone;       /* of each member: the index of its zone, zones numbered as they appear */
    uint16_t *zone_first; /* zone z has zone_member[zone_first[z] .. zone_first[z + 1] - 1] */
    uint16_t *zone_member;
    uint32_t *held;  /* places of each member in prev */
    uint32_t *floor; /* its ideal share, rounded down */
    uint32_t *ceil;  /* and up */
    uint32_t *share; /* the places it gets: floor or ceil */
    uint8_t *had;    /* had[m * vnodes + v]: m is an owner of v in prev */
    uint8_t *has;    /* the same for next, as far as it is computed */
};

/* Zeroes and sizes the workspace for next's members, numbers the zones, reads prev. 0 or
 * ERR_NO_MEMORY. close in either case. */
int ring_work_init(struct ring_work *w, const struct layout *prev, struct layout *next);
void ring_work_close(struct ring_work *w);

/* The places that a zone may have in one vnode, at least and at most: one at most where there are
 * zones enough, else one at least. */
static inline uint8_t ring_zone_min(const struct ring_work *w)
{
    return w->zone_n < w->next->n;
}

static inline uint8_t ring_zone_max(const struct ring_work *w)
{
    return w->zone_n < w->next->n ? (uint8_t)(w->next->n - w->zone_n + 1) : 1;
}

/* Fills floor, ceil and share. 0 or ERR_NO_MEMORY. */
int ring_share(struct ring_work *w);

/* Fills has: share[m] vnodes for each member, next->n members for each vnode, zones kept apart, as
 * much of `had` kept as can be. 0 or ERR_NO_MEMORY. */
int ring_flow(struct ring_work *w);

/* Fills next->owner from has: each position balanced, previous orders kept where that allows. 0 or
 * ERR_NO_MEMORY. */
int ring_order(struct ring_work *w);

#endif
