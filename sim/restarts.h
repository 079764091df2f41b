/* restarts.h: a restart loses nothing.
 *
 * Of every key that a node held durably when it lost power it holds the same version, or a greater
 * one, when it has started again. A deletion, or a value that is over, may be erased by then. What
 * a damaged disk lost is not asked for: that is the atlas's business (atlas.h). */
#ifndef COVEY_SIM_RESTARTS_H
#define COVEY_SIM_RESTARTS_H

#include "sim/world.h"

struct restarts_held;

struct restarts_check {
    struct world *world;
    struct restarts_held *held; /* per node: what it held when it lost power last */
    struct buf why;             /* the first violation, in words */
};

void restarts_init(struct restarts_check *r, struct world *w);
void restarts_close(struct restarts_check *r);

/* The world's news: a node is about to lose power; it has started. */
void restarts_losing(struct restarts_check *r, uint32_t node);
void restarts_started(struct restarts_check *r, uint32_t node);

#endif
