/* limits.h: every bound that more than one room must agree on, each with its reason. */
#ifndef COVEY_BASE_LIMITS_H
#define COVEY_BASE_LIMITS_H

enum {
    /* bytes of a key, as a client gives it (base/key.h): far more than any client uses */
    KEY_MAX = 64 * 1024,
    /* bytes of a value by default: two of them fit a turn without stalling gossip */
    VALUE_MAX = 8 * 1024 * 1024,
    REPLICAS_MAX = 7, /* N: beyond seven copies nobody waits for W */
    /* owners of a vnode while a change moves it: the present ones and those to come */
    OWNERS_MAX = 2 * REPLICAS_MAX,
    /* parts of a node's data, each with its own log and log positions */
    SHARDS = 1,
    MEMBERS_MAX = 8192, /* of one cluster; bounds every table that a peer can fill */
    /* bytes of a datagram: fits an Ethernet MTU with IPv6 and a tunnel header */
    PACKET_MAX = 1400,
    /* bytes of a member's metadata, so that an alive always fits a packet */
    META_MAX = 512,
    /* bytes of one peer message, before compression: a value, or 8192 members */
    MESSAGE_MAX = 16 * 1024 * 1024,
    VNODES_DEFAULT = 1024,
    VNODES_MAX = 16384, /* one slot each */
    CLOCK_SKEW_MAX_MS = 500,
};

#endif
