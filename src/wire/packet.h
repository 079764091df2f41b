/* packet.h: one gossip datagram: a header and a run of messages, PACKET_MAX bytes at most.
 *
 * Header, little-endian: "CVY" | u8 format (4) | u64 checksum | u16 bytes of the header |
 * cluster id 16 | u64 sender | u64 sender's boot nonce | u64 layout epoch | u64 layout hash |
 * u64 sender's wall clock | u64 its monotonic clock || u16 shard, u64 end: sender's log position |
 * u16 vnodes in which it is recovering | u8 what it suffers from.
 *
 * A later release adds fields at the header's end: a receiver skips there what it does not know. Of
 * the fields behind the double bar the last ones may be missing, and are 0 then: nothing is said.
 *
 * The checksum is XXH3-64 of all that follows it. UDP's own has 16 bits and may be left out; a
 * flipped bit that passes it would be believed: a member's incarnation twice as high, a death. It
 * keeps out accidents, not attackers: everybody can compute it. What a forged number can do is
 * bounded where it is believed (core/swim/swim_bound.c). (The seal, when it comes, wraps the whole,
 * and replaces the checksum.) */
#ifndef COVEY_WIRE_PACKET_H
#define COVEY_WIRE_PACKET_H

#include "base/limits.h"
#include "wire/message.h"

struct packet_header {
    struct cluster_id cluster;
    uint64_t from;
    uint64_t boot;
    uint64_t epoch;
    uint64_t layout_hash;
    uint64_t wall_ms;             /* the sender's wall clock as the packet left it, */
    uint64_t mono_ms;             /* and its monotonic clock then */
    struct log_position position; /* how far its log reaches (core/log_end/log_end.h) */
    uint16_t recovering;          /* vnodes in which the sender is */
    /* what it suffers from: enum packet_ill, or'ed; bits that are not known are ignored */
    uint8_t ills;
};

/* What a node says of itself, so that every member's verdict knows (core/node/verdict.h). */
enum packet_ill {
    ILL_FULL = 1,  /* its disk is full: it takes no values */
    ILL_FAILS = 2, /* its disk fails: it takes no writes */
    ILL_OWES = 4,  /* it keeps writes for a member that it holds alive */
};

enum {
    PACKET_FORMAT = 4,
    PACKET_HEADER = 91,       /* bytes of ours */
    PACKET_HEADER_LEAST = 78, /* without the fields that may be missing */
};

/* A packet being written or read. */
struct packet {
    uint8_t bytes[PACKET_MAX];
    uint16_t n;
};

void packet_begin(struct packet *p, const struct packet_header *h);

/* Adds a message; false (and unchanged) when it does not fit. */
bool packet_add(struct packet *p, const struct message *m);

/* The last thing before it leaves: writes the checksum. What is added afterwards makes it wrong. */
void packet_seal(struct packet *p);

/* Opens a received datagram: fills the header, sets *rest to its messages. 0, ERR_BAD_MESSAGE,
 * ERR_BAD_FORMAT, or ERR_CORRUPT (the checksum is wrong). */
int packet_open(struct slice datagram, struct packet_header *h, struct slice *rest);

/* The next message of *rest, which advances. 1, 0 at the end, or ERR_BAD_MESSAGE (drop the
 * remainder). Skips unknown numbers. */
int packet_next(struct slice *rest, struct message *out);

#endif
