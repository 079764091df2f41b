/* membership.h: the part of a node that is a member: who the others are, which layout is in force,
 * what time it is.
 *
 * A node has one, whatever its shards are. It fills in the moment (core/moment.h), but for how the
 * shard's records stand, and carries what SWIM, the chain and the streams bring to all
 * protocols. */
#ifndef COVEY_CORE_MEMBERSHIP_H
#define COVEY_CORE_MEMBERSHIP_H

#include "core/chain/chain.h"
#include "core/swim/swim.h"
#include "core/wall/wall.h"

/* Members of another cluster look for a member of theirs at this node's address (membership.c). */
struct node_claim {
    struct cluster_id cluster; /* none: there is no claim */
    uint64_t member;           /* the one that they look for */
    bool news;                 /* it is to be logged */
};

struct membership {
    uint64_t self;
    uint64_t disk;             /* the disk's nonce */
    struct cluster_id cluster; /* none until this node founds one, or learns it from a hello */
    uint64_t cluster_serial;
    bool cluster_saved; /* it is stored, or on its way to that */
    struct addr addr;
    uint8_t name_n, zone_n;
    uint8_t name[NODE_NAME_MAX], zone[ZONE_MAX];
    uint16_t weight;
    bool found;          /* this start founds a cluster */
    struct layout first; /* what a founder adopts, until the chain takes it */
    unsigned seed_n, seed_next, seed_tries;
    uint64_t seed_at_ms; /* when the next seed is tried; UINT64_MAX: no more */
    struct node_claim claim;
    uint64_t redial_ms; /* the least redial_ms of the members */
    /* enough members were met, and until then the others are waited for; UINT64_MAX: not so */
    uint64_t meet_by_ms;
    uint64_t layout_hash;
    bool members_dirty; /* addresses changed since they were saved */
    uint64_t members_saved_ms;
    uint64_t members_serial;
    struct buf members_bytes; /* of the last save; they live until the next */
    /* the peer outside the layout to which the last stream failed; 0: none */
    uint64_t unreached;
    unsigned news;        /* members with news */
    bool knocked;         /* a second process of some member wants to be let in */
    bool more;            /* changed members are left for the next step */
    uint64_t bad_packets; /* dropped: damaged, of another cluster, or of a second process */
    /* texts of this step's traces */
    char text_addr[ADDR_TEXT], text_cluster[ADDR_TEXT], text_claim[ADDR_TEXT];
    struct wall wall;
    struct cast cast;
    struct swim swim;
    struct chain chain;
};

/* Its row in the table of protocols: the store's answers about its own states. */
extern const struct protocol membership_protocol;

#endif
