/* slow.h: five nodes behind proxies that hold back their streams.
 *
 * Each node listens at its own ports and tells its peers those of a proxy (--advertise), which
 * passes on what comes: datagrams at once, and streams at once until their node is struck: then
 * each direction of each stream stands still for 100 to 400 ms, again and again, for itself.
 * Nothing is lost. A stream between two nodes goes through the proxy of the one that was dialed.
 * The proxies are one process, which ends with the story. */
#ifndef COVEY_TEST_E2E_SLOW_H
#define COVEY_TEST_E2E_SLOW_H

#include "harness.h"

struct slow {
    pid_t pid; /* 0: not running */
    /* a byte is the number of the node whose streams are slow from now on; E2E_NODES: nobody's */
    int control;
};

/* Starts the proxies. */
void slow_open(struct slow *s, struct cluster *c, uint64_t seed);

/* Ends them. Does nothing when they do not run. */
void slow_close(struct slow *s);

/* Starts all five nodes behind them, and waits until they know each other. */
void slow_start(struct cluster *c);

/* From now on the streams to that node are slow, and no other's; E2E_NODES: nobody's are. */
void slow_strike(struct slow *s, struct cluster *c, unsigned node);

#endif
