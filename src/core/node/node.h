/* node.h: one member of the cluster. One event in, one list of actions out, one deadline.
 *
 * A node has a part that is a member (membership.h) and a part that holds records (shard.h), both
 * of protocols that do not know each other (protocols.c has their table). node.c's essay describes
 * a node's life. */
#ifndef COVEY_CORE_NODE_H
#define COVEY_CORE_NODE_H

#include "base/phase.h"
#include "core/node/membership.h"
#include "core/node/shard.h"
#include "core/node/verdict.h"

enum {
    SEEDS_MAX = 16,
    SEED_RETRY_MS = 1000,   /* a seed that is not up yet is tried for ever, once a second */
    MEMBERS_SAVE_MS = 1000, /* the members' addresses are stored at most once in that time */
    /* how long a node that comes back, and has met enough members, waits for all that may live */
    NODE_MEET_MS = 1000,
    /* changed members that one step hands to the other protocols; more wait for the next */
    NODE_CHANGES = 8,
};

/* A piece of the node's own state as the store holds it; empty where there is none. */
struct node_saved {
    struct slice bytes;
    uint64_t serial;
};

/* Zero is the default for every field that has one. Slices are copied or read during node_init
 * only. */
struct node_options {
    uint64_t id;   /* of this node, born with its data directory; not 0 */
    uint64_t boot; /* random, of this process */
    /* nonce that was drawn with the data directory; 0: the id, which was too */
    uint64_t disk;
    uint64_t seed;               /* of the node's random numbers */
    bool found;                  /* this start founds a cluster */
    struct cluster_id cluster;   /* with `found`: the new cluster's, drawn by the world */
    uint64_t generation_id;      /* with `found`: random */
    struct layout_secret secret; /* with `found`: likewise */
    struct slice name;           /* 1 .. NODE_NAME_MAX bytes */
    struct slice zone;           /* up to ZONE_MAX bytes */
    uint16_t weight;             /* 0: 100 */
    struct addr addr;            /* where others reach it: the base address */
    unsigned seed_n;             /* how many seeds the world knows */
    enum swim_profile profile;
    uint8_t n_wanted;                /* with `found`: 0: 3 */
    bool repair_manual;              /* see struct repair */
    uint16_t vnodes;                 /* with `found`: 0: VNODES_DEFAULT */
    uint32_t ops_max;                /* 0: OPS_MAX_DEFAULT */
    uint64_t hint_age_ms;            /* see hint_options; 0: HINT_AGE_DEFAULT_MS */
    uint64_t erase_age_ms;           /* see erase_options; 0: HINT_AGE_DEFAULT_MS */
    uint32_t op_deadline_ms;         /* 0: OP_DEADLINE_DEFAULT_MS */
    struct node_saved cluster_saved; /* state record "cluster" */
    /* the state records of these names */
    struct node_saved incarnation, chain, layout, members, healed, clock, boots, ends;
    uint64_t records;  /* store_records at start */
    uint64_t position; /* store_position at start */
};

/* A node's life; node.c has the diagram. */
enum node_phase {
    NODE_BORN,    /* no event came yet */
    NODE_WAKING,  /* it is not part of a layout, or has not met enough members */
    NODE_READY,   /* it was both once */
    NODE_STOPPED, /* ACT_STOP was given out */
};

/* The two parts, and what joins them: the moment, which has time, layout and members from the
 * first, and the standing of the records from the second. */
struct node {
    struct moment now;
    uint8_t phase;             /* enum node_phase */
    bool barred_by_recovering; /* whether it was recovering at the last protocols_barred */
    struct membership member;
    struct shard shard;
    struct member_info *info; /* of the last MEMBERS or RING result */
    uint32_t info_cap;
    uint64_t *synced; /* per vnode: of the last RING result */
};

/* 0, ERR_BAD_MESSAGE (a state record is malformed), ERR_NO_MEMORY, ERR_TOO_BIG. Nothing happens
 * before the first event. */
int node_init(struct node *n, const struct node_options *o, uint64_t now_ms);
void node_close(struct node *n);

/* Advances the node by one event, borrowed for the call. Appends at most OUT_MAX actions, to be
 * done in order. */
void node_step(struct node *n, const struct event *ev, struct out *out);

/* When EV_TIMER is due next, in monotonic ms; UINT64_MAX: never. "Now" or earlier while sliced work
 * is left. */
uint64_t node_deadline_ms(const struct node *n);

/* The node is about to stop: writes that still wait for an owner leave a hint for it in the next
 * steps. True when no such write is left. */
bool node_drain(struct node *n);

/* The hello that the world sends first on each stream. Slices live until the next step. */
void node_hello(const struct node *n, struct msg_hello *h);

/* Whether a peer's hello is acceptable: 0, ERR_BAD_VERSION, ERR_BAD_MESSAGE (the node id 0),
 * ERR_OTHER_CLUSTER, ERR_SELF, ERR_TWIN (twin.h), or ERR_LOADING (whether it is a twin is being
 * found out; the peer is to come again). The sentence of a refusal, which names both sides' values,
 * is appended to why. The world sends it as HELLO_NO and closes the stream. */
int node_check_hello(struct node *n, const struct msg_hello *theirs, struct buf *why);

/* A process of that boot claims, from that address, to be that member. */
enum twin_verdict node_knock(struct node *n, uint64_t id, uint64_t boot, struct addr addr);

/* False until the node is part of a layout and has met W-1 of its peers. A node that comes back
 * also waits for the others that may live, NODE_MEET_MS at most (membership.c). Until then clients
 * are answered -LOADING. Once true it stays so, until the node stops. */
bool node_ready(const struct node *n);

/* Whether members of another cluster look for a member of theirs at this node's address. STATUS
 * reports it until the node is started again. */
bool node_claimed(const struct node *n);

/* Whether clients are answered: node_ready, and not claimed while this node is its cluster's only
 * member. */
bool node_serves(const struct node *n);

/* One member as clients are shown it; places and firsts are left 0. Slices live as long as the
 * view's. */
void node_describe(const struct node *n, const struct swim_view *v, struct member_info *info);

/* The verdict on the cluster as this node sees it (STATUS). Names live until the next step; what
 * the world knows is left 0. */
void node_status(const struct node *n, struct status_info *s);

/* All members, this node included, in the order of their ids: *member lives until the next call. 0
 * or ERR_NO_MEMORY. */
int node_members(struct node *n, const struct member_info **member, uint32_t *member_n);

/* The hints that are kept here, per owner (HINTS): *info lives until the next call. 0 or
 * ERR_NO_MEMORY. */
int node_hints(struct node *n, const struct hint_info **info, uint32_t *info_n);

/* Per vnode: how long ago the last comparison with all other owners that left no difference began,
 * in ms; UINT64_MAX where this node is no owner, or there was no such comparison. Lives until the
 * next call. 0 or ERR_NO_MEMORY. */
int node_synced(struct node *n, const uint64_t **ago_ms);

/* Every invariant of every protocol; aborts when one is broken. */
void node_check(const struct node *n);

#endif
