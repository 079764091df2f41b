/* census.h: how many live keys the whole cluster holds (DBSIZE).
 *
 * Every member is asked for its live keys per vnode; a vnode's count is the greatest that one of its owners answered,
 * so that a member which missed writes does not lower it. One census runs at a time; who asks meanwhile waits for the
 * next. Approximate while writes run. */
#ifndef COVEY_CORE_CENSUS_H
#define COVEY_CORE_CENSUS_H

#include "core/protocol.h"

enum {
    CENSUS_WAITERS = 256, /* askers at once; one more is answered ERR_BUSY */
    CENSUS_SLICE = 16,    /* members asked in one step */
    CENSUS_MS = 1000,     /* after that, what is there must do */
};

struct coord;

struct census {
    bool running;
    uint64_t number; /* of this census: answers to an earlier one are dropped */
    uint64_t started_ms;
    uint16_t asked;                   /* members asked so far: layout->member[0 .. asked) */
    uint16_t awaited;                 /* of them, those who can still answer */
    uint8_t *answered;                /* per member */
    uint32_t *live;                   /* per vnode: the greatest answer of an owner */
    uint8_t *known;                   /* per vnode: whether any owner answered */
    uint64_t waiting[CENSUS_WAITERS]; /* tokens; the first `served` of them belong to the running census */
    unsigned waiting_n, served;
};

void census_close(struct census *s);
void census_request(struct coord *c, uint64_t token, struct out *out);
void census_answer(struct coord *c, uint64_t number, uint64_t from, int error, struct slice counts, struct out *out);

/* The layout changed under it: a running census starts anew. */
void census_restart(struct coord *c);

/* A bounded piece of work; when more is due. */
void census_tick(struct coord *c, struct out *out);
uint64_t census_deadline_ms(const struct coord *c, const struct moment *now);

#endif
