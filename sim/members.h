/* members.h: what nodes believe of each other, checked at each change.
 *
 *   - As long as a node runs, the pair (incarnation, state) that it holds of a member never goes
 *     back.
 *   - No node holds an incarnation of a member that is above the member's own, as that member's
 *     disk has it. A member whose disk lost something need not remember its own: it outbids.
 *   - In a run whose faults leave gossip alone (sick disks) no node holds a live node dead: a disk
 *     that stalls must not stall gossip.
 *   - After the faults, within CONVERGE_MS (run.h), every node is up, holds all others alive, and
 *     has adopted one and the same layout of all; STATUS of every node is healthy once nothing is
 *     kept or awaited. */
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
    uint64_t *own;             /* per node: the highest incarnation that it had durable */
    struct buf why;            /* the first violation; empty while there is none */
    bool no_excuse;            /* nothing hinders gossip: to hold a live node dead is a violation */
    uint64_t deaths;           /* how often a node began to hold a member dead */
    uint64_t false_deaths;     /* how often that member was up, reachable or not */
};

void members_init(struct members_check *c, struct world *w);
void members_close(struct members_check *c);

/* An observer reports a member (ACT_MEMBER). */
void members_observe(struct members_check *c, uint32_t observer, const struct member_info *m);

/* A node started or lost power. What it believed is gone; its own incarnation has to be on its
 * disk. */
void members_life(struct members_check *c, uint32_t node, bool up);

/* Whether every node is up, holds all nodes alive, and has adopted one and the same layout of all
 * of them. When not, and why is not NULL, it gets one reason. */
bool members_agree(struct members_check *c, struct buf *why);

/* Whether the verdict of every node is healthy, as it must be when nothing is broken or awaited,
 * and no hint is kept. When not, and why is not NULL, it gets the reasons. */
bool members_healthy(const struct members_check *c, struct buf *why);

#endif
