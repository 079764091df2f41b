/* world_inner.h: what the files of the simulated world know of each other: world.c (time), life.c,
 * turn.c, strike.c. */
#ifndef COVEY_SIM_WORLD_INNER_H
#define COVEY_SIM_WORLD_INNER_H

#include "sim/world.h"

/* What a node's own wall clock shows. */
uint64_t world_wall_ms(const struct world *w, const struct sim_node *s);

/* ---- life.c ---- */

/* Power on: a node that is down starts with what its disk holds. */
void life_begin(struct world *w, uint32_t i);

/* Power off, without news to the world's watch. */
void life_end(struct world *w, uint32_t i);

/* Closes what world_disk opened. */
void life_stop_looking(struct world *w, uint32_t i);

/* ---- strike_disk.c ---- */

/* Power is lost, and the disk with it, where the atlas allows that; the id stays. */
void strike_wipe(struct world *w, uint32_t i);

/* A bit rots in a record, and one in a hint. */
void strike_rot(struct world *w, uint32_t i, uint64_t seed);

/* strike_remember copies the disk as it is now. strike_roll_back cuts the power and starts the node
 * on that copy; where there is none, or the atlas refuses, it is a restart. strike_forget frees the
 * copy. */
void strike_remember(struct world *w, uint32_t i);
void strike_roll_back(struct world *w, uint32_t i);
void strike_forget(struct world *w, uint32_t i);

/* Whether a node that is up remembers that this one's log ends beyond that position. The end of a
 * log is struck only then. What was announced to no peer, such as a coordinator's own copy of what
 * it has just stored, no peer can miss (core/log_end/log_end.c). */
bool strike_announced(const struct world *w, uint32_t i, uint64_t position);

/* ---- turn.c ---- */

/* A turn on nothing but the time. */
void turn_timer(struct world *w, uint32_t i);

/* The rest of a turn: the results and requests that there are by now, then the commit. */
void turn_finish(struct world *w, uint32_t i);

/* The events SIM_NODE_TIMER and SIM_DISK. And whether an event is for the present life of its
 * node. */
void turn_on_timer(struct world *w, const struct sim_event *ev);
void turn_on_disk(struct world *w, const struct sim_event *ev);
bool turn_meant_for(const struct world *w, const struct sim_event *ev);

#endif
