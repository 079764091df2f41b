/* flush.h: FLUSHALL: everything in the cluster is deleted, as of a stamp.
 *
 * One flush runs at a time. A request that comes meanwhile is served by the next one. Part of the
 * coordinator; the essay is in flush.c. */
#ifndef COVEY_CORE_FLUSH_H
#define COVEY_CORE_FLUSH_H

#include "core/asked.h"
#include "core/protocol.h"
#include "wire/layout.h"

enum {
    FLUSH_WAITERS = 16,                          /* requests at once; one more gets ERR_BUSY */
    FLUSH_SLICE = 16,                            /* members asked in one step */
    FLUSH_OUT_MAX = FLUSH_WAITERS + FLUSH_SLICE, /* actions a call appends at most */
};

/* The diagram is in flush.c. */
enum flush_phase {
    FLUSH_REST,
    FLUSH_ASKING,  /* members are asked for their greatest stamp */
    FLUSH_STORING, /* members are asked to store the flush */
};

struct flush {
    uint8_t phase;        /* enum flush_phase */
    uint64_t number;      /* of what was asked last: answers to an earlier question are dropped */
    uint64_t deadline_ms; /* the flush ends then, with an error */
    uint64_t look_ms;     /* when members that have not answered are asked again */
    uint64_t greatest;    /* the greatest stamp that a member answered */
    /* The flush's stamp, above `greatest`; 0 until that is known and the clock's ceiling allows
     * one. */
    uint64_t stamp;
    bool sent;              /* some member may have stored it */
    uint16_t next;          /* index of the member to be looked at next */
    struct asked_set asked; /* the members of the layout: which have done what the phase asks for */
    struct asked member[LAYOUT_MEMBERS_MAX];
    uint64_t waiting[FLUSH_WAITERS]; /* the tokens of the requests, in the order they came */
    unsigned waiting_n;
    unsigned served; /* so many of these, from the first, are served by the flush under way */
};

struct coord;

void flush_request(struct coord *c, uint64_t token, struct out *out);

/* The answers to TOKEN_FLUSH tokens, of members and of the own store; `p` is the struct coord. */
extern const struct protocol flush_protocol;

/* Another layout is in force: all members are asked anew, with the same stamp if there is one. */
void flush_restart(struct coord *c);

/* Links or members changed: the next tick looks at all members again. */
void flush_look(struct coord *c);

/* Does a bounded piece of work. */
void flush_tick(struct coord *c, struct out *out);

/* When flush_tick has work again; UINT64_MAX: not before something happens. */
uint64_t flush_deadline_ms(const struct coord *c, const struct moment *now);

void flush_check(const struct coord *c, const struct moment *now);

#endif
