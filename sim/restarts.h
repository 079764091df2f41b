/* restarts.h: what a node held durably and visibly when it lost power is there when it starts
 * again, or something newer is (scenarios.md, "Acknowledged writes"). What was over may be erased
 * by then, and what a damaged disk lost is not asked for. */
#ifndef COVEY_SIM_RESTARTS_H
#define COVEY_SIM_RESTARTS_H

#include "sim/world.h"

struct restarts_held;

struct restarts_check {
    struct world *world;
    struct restarts_held *held; /* per node: as of its last loss of power */
    struct buf why;             /* the first violation, in words */
};

void restarts_init(struct restarts_check *r, struct world *w);
void restarts_close(struct restarts_check *r);

/* The world's news: a node is about to lose power; it has started. */
void restarts_losing(struct restarts_check *r, uint32_t node);
void restarts_started(struct restarts_check *r, uint32_t node);

#endif
