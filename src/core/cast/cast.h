/* cast.h: the members, in one table: who they are, where they live, what the failure detector holds
 * of them, how the streams to them stand, and what they said of themselves last.
 *
 * core/node writes it, from what SWIM, the streams and the packets bring. Every protocol reads it,
 * through the moment that is given to it with each call (core/moment.h), and keeps no copy. All
 * members that this node has heard of are in it, those of the layout and others; a member of the
 * layout is always there. */
#ifndef COVEY_CORE_CAST_H
#define COVEY_CORE_CAST_H

#include "core/cast/twin.h"
#include "core/event.h"

/* after a stream to it broke, how long a member counts as unreachable unless one comes back */
enum { MEMBER_HOLD_MS = 100 };

/* UNTRIED --> UP --> BROKEN --> UP or REFUSED; a member that was dead and lives, or has moved, is
 * UNTRIED again. Whoever refused is not asked until a stream to it is up: the node tries that by
 * itself (membership.c), so no client has to wait for it. */
enum member_stream {
    STREAM_UNTRIED, /* none was needed yet */
    STREAM_UP,
    STREAM_BROKEN,  /* the last one broke: another is worth a try, after MEMBER_HOLD_MS */
    STREAM_REFUSED, /* the last attempt to open one failed */
};

struct member {
    uint64_t id;
    struct addr addr; /* family 0: not known */
    uint8_t name_n;
    uint8_t name[NODE_NAME_MAX];
    bool self;
    bool peer; /* it is a member of the layout in force */
    /* by SWIM */
    uint8_t state; /* enum member_state; DEAD until SWIM says something */
    /* by its streams */
    uint8_t stream; /* enum member_stream */
    /* generation: grows whenever messages to it may have been lost; one process answers within
     * one */
    uint32_t link;
    uint64_t boot;          /* of the process that the last stream was with; 0: none yet */
    uint64_t held_until_ms; /* unreachable until then, after a broken stream */
    /* it was sent something for the sake of a stream, and none broke since */
    bool greeted;
    bool met; /* a stream to it was up, once */
    /* the boot of its process that was told, by our hello, what we remember of its log; 0: none */
    uint64_t told;
    struct twin twin;
    unsigned failures; /* of streams with it, one after another, since one was up */
    /* when a stream to it is tried again, after one broke or was refused; UINT64_MAX: not so */
    uint64_t redial_ms;
    /* by its own words */
    /* the highest it was heard to be at, one above ours at most; 0: never heard */
    uint64_t epoch;
    uint16_t recovering; /* vnodes in which it is */
    uint8_t ills;        /* what it suffers from (enum packet_ill) */
    /* its place in the layout changed, or it adopted it: to be told to subscribers */
    bool news;
};

struct cast {
    struct member *member; /* sorted by id */
    unsigned n, cap;
};

/* What changed about a member, or'ed: so much is told to every protocol (core/protocol.h). */
enum cast_change {
    CAST_PRESENT = 1, /* it is held alive or suspect, and was not */
    CAST_ABSENT = 2,  /* it is held dead or gone, and was not */
    CAST_ALIVE = 4,   /* it is held alive beyond suspicion, and was not */
    CAST_DOUBTED = 8, /* the reverse */
    CAST_UP = 16,     /* a stream to it came up */
    CAST_DOWN = 32,   /* its last stream broke, or one that was wanted could not be opened */
    /* with UP: another process than that of the stream before, whose end was not seen */
    CAST_PROCESS = 64,
};

/* ---- Reading ---- */

/* NULL when it is not known. */
struct member *cast_find(const struct cast *c, uint64_t id);

/* Where a member lives; a family of 0 when it is not known. */
struct addr cast_addr(const struct cast *c, uint64_t id);

/* Whether another present member than `id` has the name. */
bool cast_name_taken(const struct cast *c, struct slice name, uint64_t id);

/* Held alive, or suspect. */
static inline bool member_present(const struct member *m)
{
    return m->state <= MEMBER_SUSPECT;
}

static inline struct slice member_name(const struct member *m)
{
    return slice_of(m->name, m->name_n);
}

/* Whether it is worth asking now. NULL, or the node itself: false, true. */
bool member_reachable(const struct member *m, uint64_t now_ms);

/* Whether it is known that it cannot be asked: it is dead, or no stream to it can be opened. NULL
 * is. */
bool member_gone(const struct member *m);

/* Whether the last stream to it broke or was refused, and none is up since. */
static inline bool member_cut(const struct member *m)
{
    return m->stream == STREAM_BROKEN || m->stream == STREAM_REFUSED;
}

/* ---- Writing (core/node) ---- */

void cast_close(struct cast *c);

/* The member of that id, made if need be: in a full table (MEMBERS_MAX) in the room of one who is
 * gone, is no member of the layout, and has no stream. Moves the others. NULL: all are here, or
 * memory is at its end; whoever is not in the table can be reached through streams that it opens
 * alone. */
struct member *cast_make(struct cast *c, uint64_t id);

/* What SWIM holds of it, and where it is. Returns what changed: enum cast_change, or'ed. */
unsigned cast_believe(struct member *m, struct addr addr, enum member_state state,
                      struct slice name);

/* A stream to it came up, with the process of that boot, or (boot 0) broke. Returns what changed:
 * nothing where another attempt failed like the last. */
unsigned cast_link(struct member *m, uint64_t boot, uint64_t now_ms);

void cast_check(const struct cast *c);

#endif
