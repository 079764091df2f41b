/* world_inner.h: what the files of the simulated world know of each other: world.c (time), life.c,
 * turn.c, strike.c. */
#ifndef COVEY_SIM_WORLD_INNER_H
#define COVEY_SIM_WORLD_INNER_H

#include "sim/world.h"

/* What a node's own clock shows. */
uint64_t world_wall_ms(const struct world *w, const struct sim_node *s);

/* ---- life.c ---- */

/* Power on, with what the disk has kept; the node is down. */
void life_begin(struct world *w, uint32_t i);

/* Power off, told to nobody. */
void life_end(struct world *w, uint32_t i);

/* Closes what world_disk opened. */
void life_stop_looking(struct world *w, uint32_t i);

/* ---- strike_disk.c ---- */

/* Power is lost, and the disk with it; the id stays. */
void strike_wipe(struct world *w, uint32_t i);

/* A bit rots in a record, and one in a hint. */
void strike_rot(struct world *w, uint32_t i, uint64_t seed);

/* The disk is remembered as it is now; later power is lost, and it is as it was; or
 * just a restart, where nothing was remembered or the atlas does not bear it. */
void strike_remember(struct world *w, uint32_t i);
void strike_roll_back(struct world *w, uint32_t i);
void strike_forget(struct world *w, uint32_t i);

/* Whether a node that is up has heard that this one's log reaches beyond that. Ends of logs are
 * taken only then: what nobody was told of, such as a coordinator's own copy of what it has just
 * stored, nobody can miss (core/log_end/log_end.c). */
bool strike_announced(const struct world *w, uint32_t i, uint64_t position);

/* ---- turn.c ---- */

/* A turn on nothing but the time. */
void turn_timer(struct world *w, uint32_t i);

/* The rest of a turn: whatever the store and the clients have by now, then the flush. */
void turn_finish(struct world *w, uint32_t i);

/* The events SIM_NODE_TIMER and SIM_DISK; whether an event is for the life that its node leads
 * now. */
void turn_on_timer(struct world *w, const struct sim_event *ev);
void turn_on_disk(struct world *w, const struct sim_event *ev);
bool turn_meant_for(const struct world *w, const struct sim_event *ev);

#endif
