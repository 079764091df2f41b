/* havoc.h: a schedule of blows to real nodes, drawn from a seed: SIGKILL and a restart, or SIGSTOP
 * and SIGCONT.
 *
 * At most one node is down or stopped at a time, so that a quorum is always running. Three blows in
 * four wait until the cluster is healthy again: then every node that is not hit must do what its
 * clients ask. The fourth blow comes while the last node that was hit is still coming back. Nothing
 * may be lost then either, but clients may be refused. */
#ifndef COVEY_TEST_E2E_HAVOC_H
#define COVEY_TEST_E2E_HAVOC_H

#include "writers.h"

struct havoc_options {
    uint64_t seed;
    unsigned kills;         /* how many kills; about half as many stops come between them */
    const char *durability; /* the durability with which nodes are started again */
};

struct blow {
    bool kill; /* else stop */
    unsigned node;
    uint32_t after_ms; /* after the last blow, or after the cluster was healthy again */
    uint32_t for_ms;   /* how long the node is down or stopped */
    bool patient;      /* it waits until the cluster is healthy */
};

struct havoc {
    struct writers *writers;
    struct rng rng;
    const char *durability;
    unsigned kills_left;
    struct blow blow; /* the next one, or the one under way */
    bool struck;      /* that blow is under way */
    bool healthy;     /* the cluster was healthy since the last blow */
    uint64_t due_us;  /* when the next thing is due */
    uint64_t asked_us;
    uint64_t give_up_us; /* until then the cluster must be healthy */
};

/* The same options give the same schedule. Each blow is printed when it falls. */
void havoc_init(struct havoc *h, struct writers *w, const struct havoc_options *o);

/* Does what is due. False when all blows are over and the cluster is healthy. */
bool havoc_turn(struct havoc *h);

#endif
