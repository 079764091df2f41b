/* node.h: one member of the cluster, whole. One door, one list out, one deadline.
 *
 * node.c wires the protocols, which do not know each other: swim (who is reachable), chain (which layout is in force), coord (what clients
 * asked), replica (what peers ask of our disk). The life of a node is in node.c's essay. */
#ifndef COVEY_CORE_NODE_H
#define COVEY_CORE_NODE_H

#include "core/chain.h"
#include "core/coord.h"
#include "core/event.h"
#include "core/replica.h"
#include "core/swim.h"

enum {
    SEEDS_MAX = 16,
    SEED_RETRY_MS = 1000, /* a seed that is not up yet is tried for ever, once a second */
};

/* Zero is the default for every field that has one. Slices are copied or read during node_init only. */
struct node_options {
    uint64_t id;               /* of this node, born with its data directory; not 0 */
    uint64_t boot;             /* random, of this process */
    uint64_t seed;             /* of the node's random numbers */
    struct cluster_id cluster; /* as persisted; with `found`: the new cluster's; else none yet */
    bool found;                /* this start founds a cluster */
    struct slice name;         /* 1 .. NODE_NAME_MAX bytes */
    struct slice zone;         /* up to ZONE_MAX bytes */
    uint16_t weight;           /* 100 */
    struct addr addr;          /* where others reach it: the base address */
    unsigned seed_n;           /* how many seeds the world knows */
    enum swim_profile profile;
    uint8_t n_wanted;          /* at birth: 3 */
    uint16_t vnodes;           /* at birth: VNODES_DEFAULT */
    uint32_t ops_max;          /* client operations under way at once: 16384 */
    uint32_t op_deadline_ms;   /* 2000 */
    /* What the store holds of the node's own state (store_state), by record name; empty where there is none. */
    struct { struct slice bytes; uint64_t serial; } incarnation, acceptor, layout, members, identity;
    uint64_t records;          /* store_records at start */
};

struct node; /* visible in core/node_state.h for embedding */
#include "core/node_state.h"

/* 0, ERR_BAD_MESSAGE (a state record is malformed), ERR_NO_MEMORY. Nothing happens before the first event. */
int node_init(struct node *n, const struct node_options *o, uint64_t now_ms);
void node_close(struct node *n);

/* Advance the node by one event. ev is borrowed for the call. Appends at most OUT_MAX actions, to be done in order. */
void node_step(struct node *n, const struct event *ev, struct out *out);

/* Monotonic ms at which EV_TIMER is next due; UINT64_MAX if none. "Now" or earlier while sliced work is left. */
uint64_t node_deadline_ms(const struct node *n);

/* The hello that the world sends first on each stream. Slices live until the next step. */
void node_hello(const struct node *n, struct msg_hello *h);

/* Whether a peer's hello is acceptable: 0, ERR_BAD_VERSION, ERR_OTHER_CLUSTER, ERR_SELF, ERR_NOT_A_MEMBER. A refusal's sentence, which names both sides' values,
 * goes to why (appended). The world sends it as HELLO_NO and closes. */
int node_check_hello(const struct node *n, const struct msg_hello *theirs, struct buf *why);

/* False until the node is part of a layout: the world answers clients -LOADING. */
bool node_ready(const struct node *n);

/* Every invariant of every protocol; aborts when one is broken. */
void node_check(const struct node *n);

#endif
