/* members.h: the membership invariants, checked as the members change (scenarios.md, "Membership").
 *
 * Per observer and life of the observer: (incarnation, state) of a subject never goes back; nobody
 * holds an incarnation above the subject's own, as the subject's disk remembers it. While disks
 * alone are sick nobody holds a live node dead: a disk that stalls must not stall gossip. */
#ifndef COVEY_SIM_MEMBERS_H
#define COVEY_SIM_MEMBERS_H

#include "sim/world.h"

struct members_seen {
    uint64_t incarnation;
    uint8_t state;
    bool seen;
};

struct members_check {
    struct world *world;
    struct members_seen *seen; /* observer * nodes + subject */
    uint64_t *own;             /* the highest incarnation each node had durable */
    struct buf why;            /* the first violation; empty while there is none */
    bool no_excuse;            /* nothing hinders gossip: to hold a live node dead is a violation */
    uint64_t deaths;           /* times anybody held anybody dead, */
    uint64_t false_deaths;     /* of these, of nodes that were up, reachable or not */
};

void members_init(struct members_check *c, struct world *w);
void members_close(struct members_check *c);

/* An observer reports a member (ACT_MEMBER). */
void members_observe(struct members_check *c, uint32_t observer, const struct member_info *m);

/* A node started or lost power: what it believed is gone, what it is has to hold. */
void members_life(struct members_check *c, uint32_t node, bool up);

/* Whether every node is up, holds all nodes alive, and has adopted one and the same layout of all
 * of them. When not, and why is not NULL, one reason. */
bool members_agree(struct members_check *c, struct buf *why);

/* Whether STATUS of every node says that all is well, as it is when nothing is broken, awaited or
 * kept for anybody. */
bool members_healthy(const struct members_check *c, struct buf *why);

#endif
