/* moment.h: what every protocol is given with each call: the time, the layout in force, the
 * members, and how this node stands.
 *
 * One struct, which core/node fills in, and which is the same for all protocols within a call. They
 * read it, and have no copy of what is in it: so no two protocols can be of different opinions
 * about the time, the layout or a member. */
#ifndef COVEY_CORE_MOMENT_H
#define COVEY_CORE_MOMENT_H

#include "core/cast/cast.h"

/* How the records of this node stand: what its shard (core/node/shard.h) lets the protocols
 * know. */
struct own_records {
    struct log_position position; /* the end of the own log, as it is announced (core/log_end) */
    /* Per vnode: not 0 where this node is recovering. NULL without a layout. */
    const uint8_t *recovering;
    uint32_t recovering_n; /* vnodes in which this node is recovering */
    uint32_t doubts;       /* how often a vnode came into doubt, since the start */
    bool holds;            /* the store holds a record, or was given one to store */
    bool forgot;           /* what this node voted for may be lost: it casts no votes */
    uint8_t ills;          /* what it suffers from, as its packets announce (enum packet_ill) */
};

struct moment {
    uint64_t ms;          /* monotonic */
    uint64_t wall_ms;     /* our wall clock, WALL_MS_MAX at most; may step either way */
    uint64_t believed_ms; /* the time by which ends are judged (core/wall/wall.h) */
    bool ahead;           /* our wall clock is too far ahead of the peers' to stamp by it */
    bool fenced;    /* the next layout is being agreed: no write may be taken under this one */
    uint64_t epoch; /* of the layout in force; 0: there is none */
    const struct layout *layout; /* NULL: there is none */
    const struct cast *cast;
    uint64_t boot; /* of this process */
    struct own_records own;
};

/* Whether this node is recovering in a vnode of the layout; whether it is in any. */
static inline bool moment_recovers(const struct moment *m, uint16_t vnode)
{
    return m->own.recovering_n > 0 && m->own.recovering[vnode];
}

static inline bool moment_recovering(const struct moment *m)
{
    return m->own.recovering_n > 0;
}

/* Whether a read of a key of that slot must be refused: this node may have lost its record. */
bool moment_lacks(const struct moment *m, uint16_t slot);

#endif
