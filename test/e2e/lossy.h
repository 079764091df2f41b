/* lossy.h: a network for five nodes in which packets are lost. Each node has a network namespace,
 * and they meet at a bridge in a namespace of the test's.
 *
 * Nodes listen on loopback addresses only, so theirs are 127.7.0.1 and on, each on the bridge's
 * cable of its node (where route_localnet lets such addresses leave a machine). The loss is a rule
 * of nftables in the bridge, for what it forwards from or to a node's cable: packets between nodes,
 * of gossip and of streams, in both directions; the test's own do not pass it. It takes root,
 * iproute2 and nftables. */
#ifndef COVEY_TEST_E2E_LOSSY_H
#define COVEY_TEST_E2E_LOSSY_H

#include "harness.h"

struct lossy {
    bool open;
    /* the namespace that the process came from, and the one with the bridge, in which it is now */
    int home, here;
    int node[E2E_NODES]; /* those of the nodes */
};

/* Makes the namespaces and goes into that of the bridge. False, and the reason printed, where they
 * cannot be made. */
bool lossy_open(struct lossy *l, struct cluster *c);

/* Goes back; the namespaces end with the last node in them. Does nothing when it is not open. */
void lossy_close(struct lossy *l);

/* Starts all five nodes, each in its namespace, and waits until they know each other. */
void lossy_start(struct lossy *l, struct cluster *c);

/* From now on so many % of the packets from and to a node are lost, and of no other's. */
void lossy_strike(struct cluster *c, unsigned node, unsigned percent);

#endif
