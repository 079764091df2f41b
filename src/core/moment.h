/* moment.h: what every protocol is told with each call: when it is, by which layout the members go,
 * and how this node stands.
 *
 * One struct, which core/node keeps, and which is the same for all protocols within a call. They
 * read it, and keep no copy of what is in it: so no two of them can be of another opinion about the
 * time, the layout or a member. */
#ifndef COVEY_CORE_MOMENT_H
#define COVEY_CORE_MOMENT_H

#include "core/cast/cast.h"

/* How the records stand that this node keeps: what its shard tells the rest of it. */
struct own_records {
    struct log_position position; /* what is told of the own log (core/log_end/log_end.h) */
    /* per vnode: not 0 where it may have lost records; NULL without a layout */
    const uint8_t *recovering;
    uint32_t recovering_n; /* vnodes of which that is so */
    uint32_t doubts;       /* counts the vnodes that ever were found to lack something */
    bool holds;            /* the store holds, or was given, a record */
    bool forgot;           /* what this node voted for may be lost: it casts no votes */
    uint8_t ills;          /* what packets say that it suffers from (enum packet_ill) */
};

struct moment {
    uint64_t ms;          /* monotonic */
    uint64_t wall_ms;     /* our wall clock, WALL_MS_MAX at most; may step either way */
    uint64_t believed_ms; /* the time by which ends are judged (core/wall/wall.h) */
    bool ahead;           /* our wall clock is too far ahead of the peers' to stamp by it */
    /* a change of the layout is being agreed: no write may be taken under this one */
    bool fenced;
    uint64_t epoch;              /* of the layout in force; 0: there is none */
    const struct layout *layout; /* NULL: there is none */
    const struct cast *cast;
    uint64_t boot; /* of this process */
    struct own_records own;
};

/* Whether this node may have lost records of a vnode of the layout, or of any. */
static inline bool moment_recovers(const struct moment *m, uint16_t vnode)
{
    return m->own.recovering_n > 0 && m->own.recovering[vnode];
}

static inline bool moment_recovering(const struct moment *m)
{
    return m->own.recovering_n > 0;
}

/* Whether a read of a key of that slot must be refused, because this node may have lost its
 * record. */
bool moment_lacks(const struct moment *m, uint16_t slot);

#endif
