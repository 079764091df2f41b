/* cast.h: the members, in one table: who they are, where they live, what the failure detector
 * believes of them, how the streams to them stand, and what they announced of themselves last.
 *
 * core/node writes it, from what SWIM, the streams and the packets bring. Every protocol reads it,
 * through the moment that is given to it with each call (core/moment.h), and has no copy. All
 * members that this node knows of are in it, those of the layout and others; a member of the layout
 * is always there. */
#ifndef COVEY_CORE_CAST_H
#define COVEY_CORE_CAST_H

#include "core/cast/twin.h"
#include "core/event.h"

/* After a stream to a member broke, it counts as unreachable for so long, unless one comes up. */
enum { MEMBER_HOLD_MS = 100 };

/* How the stream to a member stands (the table of what may follow what is in cast.c):
 *
 *     UNTRIED --> UP <--> BROKEN --> REFUSED --> UP
 *        '--> REFUSED
 *     any but UP --(the member was dead and lives, or has moved)--> UNTRIED
 *
 * A member that refused is not asked until a stream to it is up. The node tries to open one by
 * itself (core/node/membership.c), so no client has to wait for that. */
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

    /* ---- By SWIM ---- */
    uint8_t state; /* enum member_state; DEAD until SWIM knows more */

    /* ---- By its streams ---- */
    uint8_t stream; /* enum member_stream */
    /* The link generation grows whenever messages to the member may have been lost. All that is
     * answered within one generation is answered by one process. */
    uint32_t link;
    uint64_t boot;          /* of the process that the last stream was with; 0: none was yet */
    uint64_t held_until_ms; /* unreachable until then, after a broken stream */
    bool greeted;           /* something was sent to it, to have a stream, and none broke since */
    bool met;               /* a stream to it was up, once */
    /* The boot of its process that got our marks of its log in a hello (core/log_end); 0: none. */
    uint64_t marked;
    struct twin twin;
    unsigned failures;  /* of streams with it, one after another, since one was up */
    uint64_t redial_ms; /* when a lost stream to it is opened again; UINT64_MAX: none was lost */

    /* ---- By its own words ---- */
    /* The highest epoch that it announced, at most one above ours; 0: it announced none. */
    uint64_t epoch;
    uint16_t recovering; /* vnodes in which it is recovering */
    uint8_t ills;        /* what it suffers from (enum packet_ill) */

    /* Its places in the layout changed, or it adopted the layout: subscribers do not know it
     * yet. */
    bool news;
};

struct cast {
    struct member *member; /* sorted by id */
    unsigned n, cap;
};

/* What changed about a member, or'ed: what every protocol is called with (core/protocol.h). */
enum cast_change {
    CAST_PRESENT = 1, /* it is alive or suspect, and was not */
    CAST_ABSENT = 2,  /* it is dead or has left, and was not */
    CAST_ALIVE = 4,   /* it is alive beyond suspicion, and was not */
    CAST_DOUBTED = 8, /* it was alive beyond suspicion, and is not */
    CAST_UP = 16,     /* a stream to it came up */
    CAST_DOWN = 32,   /* its last stream broke, or one that was wanted could not be opened */
    /* With UP: the stream is with another process than the one before, whose end was not seen. */
    CAST_PROCESS = 64,
};

/* ---- Reading ---- */

/* NULL when it is not known. */
struct member *cast_find(const struct cast *c, uint64_t id);

/* Where a member lives; a family of 0 when it is not known. */
struct addr cast_addr(const struct cast *c, uint64_t id);

/* Whether another present member than `id` has the name. */
bool cast_name_taken(const struct cast *c, struct slice name, uint64_t id);

/* Whether it is alive or suspect. */
static inline bool member_present(const struct member *m)
{
    return m->state <= MEMBER_SUSPECT;
}

static inline struct slice member_name(const struct member *m)
{
    return slice_of(m->name, m->name_n);
}

/* Whether it is worth asking now. False for NULL, true for the node itself. */
bool member_reachable(const struct member *m, uint64_t now_ms);

/* Whether it is known that it cannot be asked: it is dead, or no stream to it can be opened. True
 * for NULL. */
bool member_gone(const struct member *m);

/* Whether the last stream to it broke or was refused, and none is up since. */
static inline bool member_cut(const struct member *m)
{
    return m->stream == STREAM_BROKEN || m->stream == STREAM_REFUSED;
}

/* ---- Writing (core/node) ---- */

void cast_close(struct cast *c);

/* The member of that id, made if need be. In a full table (MEMBERS_MAX) it takes the room of a
 * member that is absent, is not in the layout, and has no stream. Moves the others in memory. NULL
 * when there is no such member, or no memory: then this node can talk to the new one only over
 * streams that the new one opens. */
struct member *cast_make(struct cast *c, uint64_t id);

/* Writes what SWIM believes of a member, and where it is. Returns what changed: enum cast_change,
 * or'ed. */
unsigned cast_believe(struct member *m, struct addr addr, enum member_state state,
                      struct slice name);

/* A stream to a member came up, with the process of that boot; or, with boot 0, one broke or could
 * not be opened. Returns what changed: nothing where another attempt failed like the last. */
unsigned cast_link(struct member *m, uint64_t boot, uint64_t now_ms);

void cast_check(const struct cast *c);

#endif
