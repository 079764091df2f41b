/* node.h: one member of the cluster, whole. One door, one list out, one deadline.
 *
 * node.c wires the protocols, which do not know each other: swim (who is reachable), chain (which layout is in force),
 * coord (what clients asked), hint (what owners missed), replica (what peers ask of our disk), repair (what owners hold
 * differently), erase (what may be forgotten). The life of a node is told
 * in node.c's essay. */
#ifndef COVEY_CORE_NODE_H
#define COVEY_CORE_NODE_H

#include "core/chain/chain.h"
#include "core/coord/coord.h"
#include "core/erase/erase.h"
#include "core/event.h"
#include "core/hint/hint.h"
#include "core/repair/repair.h"
#include "core/reach/reach.h"
#include "core/replica/replica.h"
#include "core/swim/swim.h"
#include "core/twin/twin.h"
#include "core/node/verdict.h"
#include "core/wall/wall.h"

enum {
    SEEDS_MAX = 16,
    SEED_RETRY_MS = 1000,   /* a seed that is not up yet is tried for ever, once a second */
    MEMBERS_SAVE_MS = 1000, /* the members' addresses are written to disk at most once in that time */
    NODE_MEET_MS = 1000,    /* for so long a node that comes back waits to meet all who may live, after it has met enough */
    NODE_CHANGES = 8,       /* changed members handed to the other protocols in one step; more wait for the next */
    PROTOCOL_MIN = 1,
    PROTOCOL_MAX = 1,
};

/* A piece of the node's own state as the store holds it; empty where there is none. */
struct node_saved {
    struct slice bytes;
    uint64_t serial;
};

/* Zero is the default for every field that has one. Slices are copied or read during node_init only. */
struct node_options {
    uint64_t id;               /* of this node, born with its data directory; not 0 */
    uint64_t boot;             /* random, of this process */
    uint64_t disk;             /* born with the data directory, never 0; 0: the id, where the id itself is */
    uint64_t seed;             /* of the node's random numbers */
    bool found;                /* this start founds a cluster */
    struct cluster_id cluster; /* with `found`: the new cluster's, drawn by the world */
    uint64_t generation;       /* with `found`: random */
    struct slice name;         /* 1 .. NODE_NAME_MAX bytes */
    struct slice zone;         /* up to ZONE_MAX bytes */
    uint16_t weight;           /* 0: 100 */
    struct addr addr;          /* where others reach it: the base address */
    unsigned seed_n;           /* how many seeds the world knows */
    enum swim_profile profile;
    uint8_t n_wanted;                                      /* with `found`: 0: 3 */
    bool repair_manual;                                    /* see struct repair */
    uint16_t vnodes;                                       /* with `found`: 0: VNODES_DEFAULT */
    uint32_t ops_max;                                      /* 0: OPS_MAX_DEFAULT */
    uint64_t hint_age_ms, erase_age_ms;                    /* 0: HINT_AGE_DEFAULT_MS; see hint_options, erase_options */
    uint32_t op_deadline_ms;                               /* 0: OP_DEADLINE_DEFAULT_MS */
    struct node_saved cluster_saved;                       /* state record "cluster" */
    struct node_saved incarnation, chain, layout, members; /* state records of these names */
    struct node_saved whole;                               /* likewise */
    struct node_saved clock;                               /* state record "clock" */
    struct node_saved boots, reached;                      /* likewise */
    uint64_t records;                                      /* store_records at start, */
    uint64_t position;                                     /* and store_position */
};

/* What the node knows of a member of the layout besides what its protocols do; sorted by id. */
struct node_peer {
    uint64_t id;
    uint64_t epoch; /* the highest it was heard to be at, one above ours at most; 0: never heard */
    bool greeted;   /* it was sent something, so that a stream comes up, */
    bool met;       /* and one did */
    uint64_t told;  /* the boot of its process that was told, by our hello, what we remember of its log; 0: none, or unknown */
    struct twin twin;
    uint16_t recovering; /* vnodes, as it said last, */
    uint8_t ills;        /* and what it suffers from (enum packet_ill) */
    unsigned failures;   /* of streams with it, one after another, since one was up */
    uint64_t redial_ms;  /* when a stream to it is tried again, after one broke or was refused; UINT64_MAX: not so */
    bool news;           /* its place in the layout changed, or it adopted it: to be told to subscribers */
};

/* Members of another cluster look for a member of theirs at this node's address (node_peers.c). */
struct node_claim {
    struct cluster_id cluster; /* none: nobody does */
    uint64_t member;           /* whom they look for */
    bool news;                 /* to be logged */
};

struct node {
    uint64_t self, boot;
    struct cluster_id cluster; /* none until the first layout is adopted, or learnt from a peer */
    uint64_t cluster_serial;
    bool cluster_saved;
    struct addr addr;
    uint8_t name_n, zone_n;
    uint8_t name[NODE_NAME_MAX], zone[ZONE_MAX];
    uint16_t weight;
    bool found;
    struct layout first; /* what a founder adopts, until it is handed to the chain */
    bool started;        /* the first event was seen */
    bool ready;          /* latched: part of a layout, and enough peers were heard */
    bool stopped;        /* ACT_STOP was given out */
    bool wrote;          /* the store holds, or was given, a record */
    unsigned seed_n, seed_next, seed_tries;
    uint64_t seed_at_ms; /* when the next seed is tried; UINT64_MAX: no more */
    struct node_claim claim;
    uint64_t redial_ms;  /* the least of the peers' */
    uint64_t meet_by_ms; /* enough members were met, and the others are waited for until then; UINT64_MAX: not so */
    uint64_t now_ms, wall_ms;
    uint64_t epoch; /* of the layout that the others were told of */
    struct node_peer *peer;
    uint16_t peer_n;
    bool members_dirty; /* addresses changed since they were saved */
    uint64_t members_saved_ms;
    uint64_t members_serial;
    uint64_t disk;          /* the disk's nonce */
    bool recovering;        /* in some vnode, and said so */
    struct slice doubt_why; /* what the log will say of the next such */
    bool forgot;        /* its log lost an end, or what nobody can name, or its disk is another one: its votes may be lost too */
    bool new_disk;      /* it is not the disk that this node was let in with, */
    bool whole;         /* but what that one held is here; this is remembered, */
    bool whole_unsaved; /* or was not, because the disk failed */
    uint64_t whole_serial;
    struct buf members_bytes;                                                  /* of the last save; alive until it is made anew */
    char said_addr[ADDR_TEXT], said_cluster[ADDR_TEXT], said_claim[ADDR_TEXT]; /* texts of this step's traces */
    struct member_info *info;                                                  /* of the last MEMBERS or RING result */
    uint32_t info_cap;
    uint64_t *synced;     /* likewise, per vnode */
    uint64_t unreached;   /* who is no member of the layout, and to whom the last stream failed; 0: nobody */
    unsigned news;        /* peers with news */
    bool knocked;         /* a second process of some member wants in */
    bool more;            /* changed members are left for the next step */
    uint64_t bad_packets; /* dropped whole: damaged, of another cluster, of a second process */
    uint64_t store_errors;
    int store_refuses; /* why the store takes no values now, as it says itself; */
    int put_failed;    /* and ERR_IO where its disk failed the last put of all */
    struct wall wall;
    bool ahead;              /* our wall clock is too far ahead of the peers' */
    uint64_t clock_asked_ms; /* the clock's ceiling that is being stored; 0: none is */
    uint64_t clock_serial;
    uint8_t clock_bytes[8]; /* of the last one; little-endian */
    struct swim swim;
    struct chain chain;
    struct coord coord;
    struct hint hint;
    struct reach reach;
    struct replica replica;
    struct repair repair;
    struct erase erase;
};

/* 0, ERR_BAD_MESSAGE (a state record is malformed), ERR_NO_MEMORY, ERR_TOO_BIG. Nothing happens before the first event. */
int node_init(struct node *n, const struct node_options *o, uint64_t now_ms);
void node_close(struct node *n);

/* Advance the node by one event. ev is borrowed for the call. Appends at most OUT_MAX actions, to be done in order. */
void node_step(struct node *n, const struct event *ev, struct out *out);

/* Monotonic ms at which EV_TIMER is next due; UINT64_MAX if none. "Now" or earlier while sliced work is left. */
uint64_t node_deadline_ms(const struct node *n);

/* The node is about to stop: writes that still wait for an owner leave hints for it in the next steps. True when none is left. */
bool node_drain(struct node *n);

/* The hello that the world sends first on each stream. Slices live until the next step. */
void node_hello(const struct node *n, struct msg_hello *h);

/* Whether a peer's hello is acceptable: 0, ERR_BAD_VERSION, ERR_OTHER_CLUSTER, ERR_SELF, ERR_TWIN (twin.h), ERR_LOADING (whether
 * it is a twin is being found out: let it come again). A refusal's sentence, which
 * names both sides' values, is appended to why. The world sends it as HELLO_NO and closes. */
int node_check_hello(struct node *n, const struct msg_hello *theirs, struct buf *why);

/* A process of that boot says, from that address, that it is that member. */
enum twin_verdict node_knock(struct node *n, uint64_t id, uint64_t boot, struct addr addr);

/* False until the node is part of a layout and has met W-1 of its peers; one that was here before also waits for the others that
 * may live, NODE_MEET_MS at most (node_peers.c). Until then the world answers clients -LOADING; once true it stays so. */
bool node_ready(const struct node *n);

/* Members of another cluster look for a member of theirs at this node's address: STATUS says so until
 * the node is started again. */
bool node_claimed(const struct node *n);

/* Whether clients are answered: node_ready, and not claimed while this node is its cluster's only member. */
bool node_serves(const struct node *n);

/* One member as clients are shown it; places and firsts are left 0. Slices live as long as the view's. */
void node_describe(const struct node *n, const struct swim_view *v, struct member_info *info);

/* The verdict on the cluster as this node sees it (STATUS). Names live until the next step; what the world knows is left 0. */
void node_status(const struct node *n, struct status_info *s);

/* All members, this node included, in the order of their ids: *member lives until the next call. 0 or ERR_NO_MEMORY. */
int node_members(struct node *n, const struct member_info **member, uint32_t *member_n);

/* What is kept here for whom (HINTS): *info lives until the next call. 0 or ERR_NO_MEMORY. */
int node_hints(struct node *n, const struct hint_info **info, uint32_t *info_n);

/* Per vnode: how long ago the last comparison with all other owners began that left no difference; UINT64_MAX where this node
 * is no owner, or never got that far. Lives until the next call. 0 or ERR_NO_MEMORY. */
int node_synced(struct node *n, const uint64_t **ago_ms);

/* Every invariant of every protocol; aborts when one is broken. */
void node_check(const struct node *n);

#endif
