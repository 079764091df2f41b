/* flush.h: FLUSHALL: everything in the cluster is deleted, as of a stamp.
 *
 * One flush runs at a time; who asks meanwhile is served by the next one. Part of the coordinator; the essay is in
 * flush.c. */
#ifndef COVEY_CORE_FLUSH_H
#define COVEY_CORE_FLUSH_H

#include "core/event.h"

enum {
    FLUSH_WAITERS = 16,                          /* askers at once; one more is answered ERR_BUSY */
    FLUSH_SLICE = 16,                            /* members asked in one step */
    FLUSH_OUT_MAX = FLUSH_WAITERS + FLUSH_SLICE, /* actions a call appends at most */
};

enum flush_state { FLUSH_IDLE, FLUSH_ASKED, FLUSH_DONE };

struct flush_member {
    uint32_t link; /* the peer's link generation when it was asked */
    uint8_t state; /* enum flush_state */
};

struct flush {
    bool running;
    uint64_t number; /* of this round: answers to an earlier one are dropped */
    uint64_t deadline_ms, look_ms;
    uint64_t stamp;    /* 0 until the clock's ceiling allows one */
    uint64_t greatest; /* stamp that a member has seen */
    uint8_t round;
    bool sent; /* some member may have stored it */
    uint16_t next, awaited;
    struct flush_member *member;
    uint64_t waiting[FLUSH_WAITERS]; /* tokens; the first `served` of them belong to the running flush */
    unsigned waiting_n, served;
};

struct coord;

void flush_close(struct flush *f);
void flush_request(struct coord *c, uint64_t token, struct out *out);

/* A member's answer, or the own store's: 0, or why it is not stored there; the greatest stamp seen there. */
void flush_answer(struct coord *c, uint64_t number, uint64_t from, int error, uint64_t greatest, struct out *out);

/* The layout changed under it: all members are asked anew, with the same stamp. Links or members changed: looked at anew. */
void flush_restart(struct coord *c);
void flush_look(struct coord *c);

/* A bounded piece of work; when more is due. */
void flush_tick(struct coord *c, struct out *out);
uint64_t flush_deadline_ms(const struct coord *c);

#endif
