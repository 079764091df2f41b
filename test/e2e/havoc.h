/* havoc.h: a schedule of blows to real nodes, drawn from a seed: SIGKILL and a restart, SIGSTOP and
 * SIGCONT.
 *
 * At most one node is down or stopped at a time, so that a quorum is always running. Three blows in
 * four wait until the cluster is whole again: then whoever is not hit owes its clients an answer.
 * The fourth comes while the node before it is still coming back; nothing may be lost then either,
 * but clients may be refused. */
#ifndef COVEY_TEST_E2E_HAVOC_H
#define COVEY_TEST_E2E_HAVOC_H

#include "writers.h"

struct havoc_options {
    uint64_t seed;
    unsigned kills;         /* and about half as many stops between them */
    const char *durability; /* of the nodes, when they are started again */
};

struct blow {
    bool kill; /* else stop */
    unsigned node;
    uint32_t after_ms; /* the one before, or after the cluster was whole */
    uint32_t for_ms;   /* down or stopped */
    bool patient;      /* waits until the cluster is whole */
};

struct havoc {
    struct writers *writers;
    struct rng rng;
    const char *durability;
    unsigned kills_left;
    struct blow blow; /* the next one, or the one under way */
    bool struck;      /* it is under way */
    bool whole;       /* since the last one */
    uint64_t due_us;  /* of what comes next */
    uint64_t asked_us;
    uint64_t give_up_us; /* when the cluster must be whole */
};

/* Of the same options comes the same schedule. Each blow is printed as it falls. */
void havoc_init(struct havoc *h, struct writers *w, const struct havoc_options *o);

/* Does what is due. False when all is over and the cluster is whole. */
bool havoc_turn(struct havoc *h);

#endif
