/* ring.h: how a layout is computed. Pure integer arithmetic: every node computes the same from the
 * same.
 *
 * What a computed layout holds to, with V vnodes, n owners each, and Z zones:
 *  - the owners of a vnode are distinct members, in distinct zones where Z >= n, else in all Z
 *    zones;
 *  - a member's ideal share is in proportion to its weight, capped by one place a vnode (what is
 *    cut off goes to the others in proportion: water-filling), and the same for each zone; its
 *    places are that share rounded down or up;
 *  - its places of rank 0 are (its places / n) rounded down or up, and the later ranks are balanced
 *    in the same way;
 *  - no layout with these shares and zones has fewer moves from the previous one (a minimum-cost
 *    flow). Without zones the moves are the places that members gain, for joins, and for leaves
 *    among equals. With weights far apart they may be some more (1 % over random histories, 5 %
 *    with zones), because an owner of a vnode cannot take over another's place in that vnode. */
#ifndef COVEY_CORE_RING_H
#define COVEY_CORE_RING_H

#include "wire/layout.h"

/* ten times the default: products of weights and places stay far inside 64 bits */
enum { RING_WEIGHT_MAX = 1000 };

struct ring_change {
    const struct layout *prev;          /* NULL at birth; else settled */
    const struct layout_member *member; /* the members wanted, ids distinct, any order */
    uint16_t member_n;                  /* 1 .. LAYOUT_MEMBERS_MAX */
    uint8_t n_wanted;                   /* at birth, 1 .. REPLICAS_MAX; later that of prev */
    /* at birth: a power of two, 0 for VNODES_DEFAULT; later that of prev */
    uint16_t vnodes;
    uint64_t generation_id;      /* at birth, random; later that of prev */
    struct layout_secret secret; /* at birth, random; later that of prev */
};

/* Computes the next layout into an initialised empty one: epoch + 1, n = min(n_wanted, members),
 * and owners as listed on top. 200 members on 1024 vnodes take some ten milliseconds, three take
 * one. 0, ERR_NO_MEMORY, or ERR_TOO_BIG for counts or weights out of range (the layout then stays
 * empty). */
int ring_compute(const struct ring_change *change, struct layout *out);

/* Whether the epochs of next's places and rows are what they must be after prev. A member that was
 * an owner of the vnode before has its `since` of prev; a row with the same owners at the same
 * ranks has its `changed` of prev; all others are next's epoch. */
bool ring_dated(const struct layout *prev, const struct layout *next);

/* How many places the member of index m has, and how many of them are of rank 0. */
void ring_places(const struct layout *l, uint16_t m, uint32_t *places, uint32_t *firsts);

#endif
