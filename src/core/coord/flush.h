/* flush.h: FLUSHALL: everything in the cluster is deleted, as of a stamp.
 *
 * One flush runs at a time; who asks meanwhile is served by the next one. Part of the coordinator;
 * the essay is in flush.c. */
#ifndef COVEY_CORE_FLUSH_H
#define COVEY_CORE_FLUSH_H

#include "core/asked.h"
#include "core/protocol.h"
#include "wire/layout.h"

enum {
    FLUSH_WAITERS = 16,                          /* askers at once; one more is answered ERR_BUSY */
    FLUSH_SLICE = 16,                            /* members asked in one step */
    FLUSH_OUT_MAX = FLUSH_WAITERS + FLUSH_SLICE, /* actions a call appends at most */
};

enum flush_phase {
    FLUSH_ASKING,  /* members are asked for their greatest stamp */
    FLUSH_STORING, /* members are asked to store the flush */
};

struct flush {
    bool running;
    uint8_t phase;   /* enum flush_phase */
    uint64_t number; /* of what was asked last: answers to an earlier question are dropped */
    uint64_t deadline_ms, look_ms;
    uint64_t greatest; /* the greatest stamp that a member has answered */
    /* of the flush, above `greatest`; 0 until it is known and the clock's ceiling allows one */
    uint64_t stamp;
    bool sent; /* some member may have stored it */
    uint16_t next;
    struct asked_set asked; /* the members of the layout: who has done what this phase asks for */
    struct asked member[LAYOUT_MEMBERS_MAX];
    /* tokens; the first `served` of them belong to the running flush */
    uint64_t waiting[FLUSH_WAITERS];
    unsigned waiting_n, served;
};

struct coord;

void flush_request(struct coord *c, uint64_t token, struct out *out);

/* The answers to TOKEN_FLUSH tokens, of members and of the own store; `p` is the struct coord. */
extern const struct protocol flush_protocol;

/* The layout changed under it: all members are asked anew, with the same stamp if it has one. Links
 * or members changed: looked at anew. */
void flush_restart(struct coord *c);
void flush_look(struct coord *c);

/* A bounded piece of work; when more is due. */
void flush_tick(struct coord *c, struct out *out);
uint64_t flush_deadline_ms(const struct coord *c, const struct moment *now);

#endif
