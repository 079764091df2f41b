/* membership.h: the part of a node that is a member: who the others are, which layout they go by,
 * what time it is.
 *
 * One a node, whatever its shards are. It fills in the moment, but for what the shard says of
 * itself (core/moment.h), and carries what SWIM, the chain and the streams bring to all who read
 * it. */
#ifndef COVEY_CORE_MEMBERSHIP_H
#define COVEY_CORE_MEMBERSHIP_H

#include "core/chain/chain.h"
#include "core/swim/swim.h"
#include "core/wall/wall.h"

/* Members of another cluster look for a member of theirs at this node's address (membership.c). */
struct node_claim {
    struct cluster_id cluster; /* none: nobody does */
    uint64_t member;           /* whom they look for */
    bool news;                 /* to be logged */
};

struct membership {
    uint64_t self;
    uint64_t disk;             /* the disk's nonce */
    struct cluster_id cluster; /* none until the first layout is adopted, or learnt from a peer */
    uint64_t cluster_serial;
    bool cluster_saved;
    struct addr addr;
    uint8_t name_n, zone_n;
    uint8_t name[NODE_NAME_MAX], zone[ZONE_MAX];
    uint16_t weight;
    bool found;
    struct layout first; /* what a founder adopts, until it is handed to the chain */
    bool ready;          /* latched: part of a layout, and enough others were met */
    unsigned seed_n, seed_next, seed_tries;
    uint64_t seed_at_ms; /* when the next seed is tried; UINT64_MAX: no more */
    struct node_claim claim;
    uint64_t redial_ms; /* the least of the members' */
    /* enough members were met, and the others are waited for until then; UINT64_MAX: not so */
    uint64_t meet_by_ms;
    uint64_t layout_hash;
    bool members_dirty; /* addresses changed since they were saved */
    uint64_t members_saved_ms;
    uint64_t members_serial;
    /* of the last save; alive until it is made anew */
    struct buf members_bytes;
    /* who is no member of the layout, and to whom the last stream failed; 0: nobody */
    uint64_t unreached;
    /* members with news */
    unsigned news;
    /* a second process of some member wants in */
    bool knocked;
    /* changed members are left for the next step */
    bool more;
    /* dropped whole: damaged, of another cluster, of a second process */
    uint64_t bad_packets;
    /* texts of this step's traces */
    char said_addr[ADDR_TEXT], said_cluster[ADDR_TEXT], said_claim[ADDR_TEXT];
    struct wall wall;
    struct cast cast;
    struct swim swim;
    struct chain chain;
};

/* Its place in the table of protocols: what it is told of its own states. */
extern const struct protocol membership_protocol;

#endif
