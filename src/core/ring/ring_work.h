/* ring_work.h: the workspace of one layout computation, passed from step to step. Inside
 * core/ring/ring*.c only.
 *
 * The steps: ring_share.c decides how many places each member gets, ring_flow.c in which vnodes,
 * ring_order.c at which rank. */
#ifndef COVEY_CORE_RING_WORK_H
#define COVEY_CORE_RING_WORK_H

#include "core/ring/ring.h"

/* A piece of the workspace's memory. */
struct ring_block {
    struct ring_block *next;
    uint64_t bytes[];
};

struct ring_work {
    const struct layout *prev; /* NULL at birth */
    struct layout *next;       /* its members are set, its owners are being computed */
    uint16_t zone_n;
    uint16_t *zone;       /* of each member: the index of its zone, zones numbered as they appear */
    uint16_t *zone_first; /* zone z has zone_member[zone_first[z] .. zone_first[z + 1] - 1] */
    uint16_t *zone_member;
    uint32_t *had_n;     /* of each member: its places in prev */
    uint32_t *share_min; /* of each member: its ideal share, rounded down */
    uint32_t *share_max; /* of each member: its ideal share, rounded up */
    uint32_t *share;     /* of each member: the places that it gets, one of the two */
    uint8_t *had;        /* had[m * vnodes + v]: m is an owner of v in prev */
    uint8_t *has;        /* the same for next, as far as it is computed */
    struct ring_block *blocks;
    bool failed; /* memory was out */
};

/* Makes the workspace for next's members: numbers the zones, reads prev. 0 or ERR_NO_MEMORY. Close
 * it in either case. */
int ring_work_init(struct ring_work *w, const struct layout *prev, struct layout *next);
void ring_work_close(struct ring_work *w);

/* n zeroed things of that size, which live as long as the workspace. NULL when memory is out:
 * w->failed then, and at each later call too. */
void *ring_take(struct ring_work *w, size_t n, size_t size);

/* The least and the most places that a zone may have in one vnode. At most one where there are as
 * many zones as owners; else at least one. */
static inline uint8_t ring_zone_min(const struct ring_work *w)
{
    return w->zone_n < w->next->n;
}

static inline uint8_t ring_zone_max(const struct ring_work *w)
{
    return w->zone_n < w->next->n ? (uint8_t)(w->next->n - w->zone_n + 1) : 1;
}

/* Fills share_min, share_max and share. 0 or ERR_NO_MEMORY. */
int ring_share(struct ring_work *w);

/* Fills has: share[m] vnodes for each member, next->n members for each vnode, zones kept apart, as
 * much of `had` kept as can be. 0 or ERR_NO_MEMORY. */
int ring_flow(struct ring_work *w);

/* Fills next->owner from has: each rank balanced, and owners at the ranks that they had where that
 * allows it. 0 or ERR_NO_MEMORY. */
int ring_order(struct ring_work *w);

#endif
