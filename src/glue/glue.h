/* glue.h: joins a node to its store and its hints. Actions of the node become calls on them; their
 * results become events of the node. A world (src/rt, sim) does the rest: time, sockets, clients.
 *
 * Both worlds use the same glue, so the simulator also tries the translation. */
#ifndef COVEY_GLUE_GLUE_H
#define COVEY_GLUE_GLUE_H

#include "core/node/node.h"
#include "store/hints.h"
#include "store/store.h"

/* Steps the node. The caller has set the event's times; what the event says about the store is
 * filled in here. Empties *out, then fills it with actions. The world carries each out, in order,
 * by glue_carry first. */
void glue_step(struct node *n, struct store *s, struct event *ev, struct out *out);

/* Carries out an action that concerns the store or the hints. False when the rest of the world has
 * to act on it: because the action is not for the store, or because it is for both (as a trace). */
bool glue_carry(const struct node *n, struct store *s, struct hints *h, const struct action *a);

/* Makes an event of the next result of the store or the hints, to be stepped. False when there is
 * no result now; *ev is then undefined. */
bool glue_reap(struct store *s, struct hints *h, struct event *ev);

/* Tells the store into how many vnodes the layout in force cuts the ring, and the layout's secret,
 * from which the keys of its Merkle trees come. A world calls it before the first step, for the
 * layout that the node starts with; glue_carry does it for those adopted later. */
void glue_adopt(const struct node *n, struct store *s);

#endif
