/* census.h: how many live keys the whole cluster holds (DBSIZE). Part of the coordinator.
 *
 * Every member is asked for its live keys per vnode. A vnode's count is the greatest that one of
 * its owners answered, so that a member which missed writes does not lower it. A member whose
 * stream breaks meanwhile is not waited for. The sum is approximate while writes run.
 *
 * One census runs at a time. A request that comes meanwhile waits for the next one.
 *
 *     REST --(a request waits)--> ASKING --(all answered, or CENSUS_MS)--> REPLYING --> REST
 *     any --(another layout)--> REST: the next tick begins anew, for the same requests
 *
 * Invariant: a census has requests that it serves, unless it rests. */
#ifndef COVEY_CORE_CENSUS_H
#define COVEY_CORE_CENSUS_H

#include "core/asked.h"
#include "core/protocol.h"
#include "wire/layout.h"

enum {
    CENSUS_WAITERS = 256,              /* requests at once; one more is answered ERR_BUSY */
    CENSUS_SLICE = 16,                 /* members asked, or requests answered, in one step */
    CENSUS_OUT_MAX = 2 * CENSUS_SLICE, /* actions a call appends at most */
    CENSUS_MS = 1000, /* members that have not answered after so long are left out */
};

enum census_phase {
    CENSUS_REST,
    CENSUS_ASKING,   /* members are asked for their counts */
    CENSUS_REPLYING, /* the count is known; more requests wait for it than fit one step */
};

struct coord;

struct census {
    uint8_t phase;   /* enum census_phase */
    uint64_t number; /* of this census: answers to an earlier one are dropped */
    uint64_t started_ms;
    uint16_t next;          /* index of the member to be asked next; asked.n: all were asked */
    struct asked_set asked; /* the members of the layout */
    struct asked member[LAYOUT_MEMBERS_MAX];
    uint32_t *live;                   /* per vnode: the greatest count that an owner answered */
    uint8_t *known;                   /* per vnode: whether any owner answered */
    uint64_t waiting[CENSUS_WAITERS]; /* the tokens of the requests, in the order they came */
    unsigned waiting_n;
    unsigned served; /* requests, the first of these, that the census under way is for */
};

void census_close(struct census *s);
void census_request(struct coord *c, uint64_t token, struct out *out);
void census_answer(struct coord *c, uint64_t number, uint64_t from, int error, struct slice counts,
                   struct out *out);

/* Another layout is in force: a census under way begins anew. */
void census_restart(struct coord *c);

/* Something changed about a member: it may not answer any more. */
void census_member(struct coord *c, const struct member *m);

/* A bounded piece of work; and when more is due. */
void census_tick(struct coord *c, struct out *out);
uint64_t census_deadline_ms(const struct coord *c, const struct moment *now);

void census_check(const struct coord *c);

#endif
