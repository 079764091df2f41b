/* layout.h: the layout, the explicit table vnode -> owners that the members agree on
 * (core/chain/chain.h), and its bytes.
 *
 * The ring of 16384 slots is cut in `vnodes` equal arcs; arc v holds the slots from
 * v * 16384 / vnodes up to, and without, (v + 1) * 16384 / vnodes. owner[v * n + i] is the index in
 * member[] of the i-th owner of vnode v. That is a *place*, and i is the owner's *rank* there. The
 * owners of a vnode in the order of their ranks are its *row*. core/ring/ring.h computes layouts.
 *
 * A settled layout has one table of owners. While a change of owners is under way there is a second
 * one, `next`. */
#ifndef COVEY_WIRE_LAYOUT_H
#define COVEY_WIRE_LAYOUT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/limits.h"

/* storage members: one vnode each at least, at the default 1024 vnodes */
enum { LAYOUT_MEMBERS_MAX = 1024 };
#define LAYOUT_EPOCH_MAX (UINT64_C(1) << 62) /* no chain is so long (core/chain/chain.c) */

struct layout_member {
    uint64_t id;
    /* the nonce of the disk with which it was let in: with another disk it lacks what it
     * acknowledged */
    uint64_t disk;
    uint16_t weight; /* share of the data it takes; 1 .. 1000; 100 by default */
    uint8_t zone_n;
    uint8_t zone[ZONE_MAX]; /* members of one zone are expected to fail together */
};

/* Drawn when a cluster is founded, and known to its members alone. Keys that must outlive each
 * cluster key come from it. */
struct layout_secret {
    uint8_t b[16];
};

/* How far a change of owners is. (core/chain/chain_adopt.c takes no layout of a change yet.) */
enum layout_stage {
    LAYOUT_SETTLED, /* there is no change */
    LAYOUT_STAGE_1, /* the owners of both tables are written to, the present ones read */
    LAYOUT_STAGE_2, /* the owners of both tables are written to and read */
};

/* The table of owners that a change leads to. Its fields are those of the same names in struct
 * layout. */
struct layout_table {
    uint8_t n, w, r;
    uint16_t *owner;
    uint64_t *since;
};

struct layout {
    uint64_t epoch;              /* 1 at birth, LAYOUT_EPOCH_MAX at most */
    uint32_t generation;         /* 1 at birth, one more with each layout that an operator forces */
    uint64_t generation_id;      /* random: tells two that were forced apart */
    struct layout_secret secret; /* the same for ever */
    uint16_t vnodes;             /* a power of two, fixed at birth */
    uint8_t n_wanted;            /* N asked for; a settled n is this, or the number of members */
    uint8_t stage;               /* enum layout_stage */
    uint8_t n, w, r;             /* replicas, write and read quorum: w = n / 2 + 1, r = n - w + 1 */
    uint16_t member_n;
    struct layout_member *member; /* sorted by id */
    uint16_t *owner;              /* vnodes * n */
    uint64_t *since;              /* of each place: the epoch since which its member owns it */
    uint64_t *changed;            /* of each vnode: the epoch in which its row changed last */
    struct layout_table next;     /* all zero when settled */
};

/* The bytes of the parts, and of the largest: all members, and a vnode each slot, with
 * REPLICAS_MAX places in each table. */
enum {
    LAYOUT_HEAD = 1 + 8 + 4 + 8 + 16 + 2 + 1 + 1 + 3 + 3 + 2, /* format to member_n */
    LAYOUT_MEMBER = 8 + 8 + 2 + 1,                            /* and the zone's bytes */
    LAYOUT_PLACE = 2 + 8,                                     /* owner, since */
    LAYOUT_CHANGED = 8,
    LAYOUT_BYTES_MAX = LAYOUT_HEAD + LAYOUT_MEMBERS_MAX * (LAYOUT_MEMBER + ZONE_MAX) +
                       VNODES_MAX * (LAYOUT_CHANGED + OWNERS_MAX * LAYOUT_PLACE),
};

/* An empty layout; close frees its tables. */
void layout_init(struct layout *l);
void layout_close(struct layout *l);

/* Allocates zeroed tables of the sizes in l (vnodes, n, member_n, next.n) and points l to them,
 * whatever it pointed to before. 0, or ERR_NO_MEMORY (l is empty then). */
int layout_allocate(struct layout *l);

/* A deep copy into an initialised empty layout. 0 or ERR_NO_MEMORY. */
int layout_copy(struct layout *to, const struct layout *from);

/* Appends the byte form: format u8 (2), then the fields in order, little-endian, where n, w and r
 * of `next` stand behind the others, and are all of it when settled. LAYOUT_BYTES_MAX at most.
 * Errors as buf_reserve. */
int layout_encode(struct buf *out, const struct layout *l);

/* Reads what layout_encode writes into an initialised empty layout. Everything is checked: sizes
 * before allocation, owners distinct and in range, quorums consistent, members sorted, epochs in
 * their order. 0, ERR_BAD_MESSAGE, ERR_BAD_FORMAT or ERR_NO_MEMORY (the layout then stays
 * empty). */
int layout_decode(struct slice bytes, struct layout *out);

/* XXH3-64 chained over the parts of the byte form (head, each member, the tables), without
 * allocating: what gossip compares. */
uint64_t layout_hash(const struct layout *l);

/* Index in member[], or -1. */
int layout_find(const struct layout *l, uint64_t id);

/* The vnode of a slot. */
static inline uint16_t layout_vnode(const struct layout *l, uint16_t slot)
{
    return (uint16_t)((uint32_t)slot * l->vnodes / 16384);
}

/* Owner i (0 .. n-1) of a vnode, in order of preference. */
static inline const struct layout_member *layout_owner(const struct layout *l, uint16_t vnode,
                                                       unsigned i)
{
    return &l->member[l->owner[(size_t)vnode * l->n + i]];
}

/* Whether member id is an owner of the vnode. */
bool layout_owns(const struct layout *l, uint16_t vnode, uint64_t id);

/* The rank of a member among the owners of a vnode, or -1 when it is not one of them. */
int layout_rank(const struct layout *l, uint16_t vnode, uint64_t id);

/* All members that a write goes to: the owners of the vnode by rank, then the owners to come that
 * are not among them. Fills out with indices in member[]; returns how many. */
unsigned layout_writers(const struct layout *l, uint16_t vnode, uint16_t out[OWNERS_MAX]);

/* Whether the member at index m owns something, and owned none of it before this epoch. Walks over
 * all places. */
bool layout_newcomer(const struct layout *l, uint16_t m);

#endif
