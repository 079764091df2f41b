/* layout.h: the layout, the explicit table vnode -> owners that the members agree on (design section 3), and its bytes.
 *
 * The ring of 16384 slots is cut in `vnodes` equal arcs; arc v holds slots [v * 16384 / vnodes, (v + 1) * 16384 / vnodes).
 * owner[v * n + i] is the index in member[] of the i-th owner of vnode v. How a layout is computed stands in core/ring/ring.h. */
#ifndef COVEY_WIRE_LAYOUT_H
#define COVEY_WIRE_LAYOUT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/limits.h"

enum { LAYOUT_MEMBERS_MAX = 1024 };          /* storage members: one vnode each at least, at the default 1024 vnodes */
#define LAYOUT_EPOCH_MAX (UINT64_C(1) << 62) /* no chain is so long (core/chain/chain.c) */

struct layout_member {
    uint64_t id;
    uint64_t disk;   /* the nonce of the disk that it was let in with: with another one it lacks what it acknowledged */
    uint64_t since;  /* the epoch since which it owns anything, for discarding data of an earlier tenure */
    uint16_t weight; /* share of the data it takes; 1 .. 1000; 100 by default */
    uint8_t zone_n;
    uint8_t zone[ZONE_MAX]; /* members of one zone are expected to fail together */
};

struct layout {
    uint64_t epoch;      /* 1 at birth, LAYOUT_EPOCH_MAX at most */
    uint64_t generation; /* random; a new one only when an operator forces a layout */
    uint16_t vnodes;     /* a power of two, fixed at birth */
    uint8_t n_wanted;    /* N asked for at birth: n is the smaller of it and the members */
    uint8_t n, w, r;     /* replicas, write and read quorum: w = n / 2 + 1, r = n - w + 1 */
    uint16_t member_n;
    struct layout_member *member; /* sorted by id */
    uint16_t *owner;              /* vnodes * n */
};

/* An empty layout; close frees its tables. */
void layout_init(struct layout *l);
void layout_close(struct layout *l);

/* A deep copy into an initialised empty layout. 0 or ERR_NO_MEMORY. */
int layout_copy(struct layout *to, const struct layout *from);

/* Appends the byte form: format u8 (1), then the fields in order, little-endian. Errors as buf_reserve. */
int layout_encode(struct buf *out, const struct layout *l);

/* Reads what layout_encode writes into an initialised empty layout. Everything is checked: sizes before allocation, owners
 * distinct and in range, quorums consistent, members sorted. 0, ERR_BAD_MESSAGE, ERR_BAD_FORMAT or ERR_NO_MEMORY (the layout then
 * stays empty). */
int layout_decode(struct slice bytes, struct layout *out);

/* XXH3-64 chained over the parts of the byte form (head, each member, the owners), without allocating: what gossip compares. */
uint64_t layout_hash(const struct layout *l);

/* Index in member[], or -1. */
int layout_find(const struct layout *l, uint64_t id);

/* The vnode of a slot. */
static inline uint16_t layout_vnode(const struct layout *l, uint16_t slot)
{
    return (uint16_t)((uint32_t)slot * l->vnodes / 16384);
}

/* Owner i (0 .. n-1) of a vnode, in order of preference. */
static inline const struct layout_member *layout_owner(const struct layout *l, uint16_t vnode, unsigned i)
{
    return &l->member[l->owner[(size_t)vnode * l->n + i]];
}

/* Whether member id is an owner of the vnode. */
bool layout_owns(const struct layout *l, uint16_t vnode, uint64_t id);

#endif
