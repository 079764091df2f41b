/* glue.h: between a node and what it keeps things in: its actions into calls on the store and the
 * hints, their results into its events. A world (src/rt, sim) does the rest: time, sockets,
 * clients. */
#ifndef COVEY_GLUE_GLUE_H
#define COVEY_GLUE_GLUE_H

#include "core/node/node.h"
#include "store/hints.h"
#include "store/store.h"

/* A step. The event has its times; what it says of the store is filled in here. The actions are in
 * *out, which was emptied: each is the world's to carry out, in order, glue_carry first. */
void glue_step(struct node *n, struct store *s, struct event *ev, struct out *out);

/* Carries out an action that concerns the store or the hints. False when the rest of the world has
 * to do something: all, or for its part (a trace is a fact for the store too). */
bool glue_carry(const struct node *n, struct store *s, struct hints *h, const struct action *a);

/* The next result of the store or the hints as an event to be stepped. False when there is none
 * now; *ev is then undefined. */
bool glue_reap(struct store *s, struct hints *h, struct event *ev);

/* The store cuts its records as the ring in force is cut, and keys its trees by the layout's
 * secret. Before the first step, for what was in force before; glue_carry does it later. */
void glue_adopt(const struct node *n, struct store *s);

#endif
