/* census.h: how many live keys the whole cluster holds (DBSIZE).
 *
 * Every member is asked for its live keys per vnode; a vnode's count is the greatest that one of
 * its owners answered, so that a member which missed writes does not lower it. A member whose
 * stream breaks meanwhile is not waited for. One census runs at a time; who asks meanwhile waits
 * for the next. Approximate while writes run. */
#ifndef COVEY_CORE_CENSUS_H
#define COVEY_CORE_CENSUS_H

#include "core/asked.h"
#include "core/protocol.h"
#include "wire/layout.h"

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
    uint16_t next;          /* the member to be asked next; as many as there are: all were */
    struct asked_set asked; /* the members of the layout */
    struct asked member[LAYOUT_MEMBERS_MAX];
    uint32_t *live; /* per vnode: the greatest answer of an owner */
    uint8_t *known; /* per vnode: whether any owner answered */
    /* tokens; the first `served` of them belong to the running census */
    uint64_t waiting[CENSUS_WAITERS];
    unsigned waiting_n, served;
};

void census_close(struct census *s);
void census_request(struct coord *c, uint64_t token, struct out *out);
void census_answer(struct coord *c, uint64_t number, uint64_t from, int error, struct slice counts,
                   struct out *out);

/* The layout changed under it: a running census starts anew. Something changed about a member: it
 * may not answer any more. */
void census_restart(struct coord *c);
void census_member(struct coord *c, const struct member *who);

/* A bounded piece of work; when more is due. */
void census_tick(struct coord *c, struct out *out);
uint64_t census_deadline_ms(const struct coord *c, const struct moment *now);

#endif
