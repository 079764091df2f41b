/* swim.h: who is reachable. SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips,
 * Currey 2018); design section 2.
 *
 * SWIM never decides who owns data. The node (node.c) feeds it packets, stream messages and time,
 * and drains the members that changed. Nothing is sent before the own incarnation is durable
 * (EV_STORED). One call appends at most SWIM_OUT_MAX actions, of which at most SWIM_PACKETS_MAX are
 * packets; what does not fit waits for the next tick, and the deadline then lies at or before the
 * present. */
#ifndef COVEY_CORE_SWIM_H
#define COVEY_CORE_SWIM_H

#include "base/rng.h"
#include "core/protocol.h"

enum {
    SWIM_OUT_MAX = 40, /* actions a call appends at most */
    /* of them packets: below OUT_PACKETS, and one turn of the loop sends them in well under 100
     * us */
    SWIM_PACKETS_MAX = 8,
};

enum swim_profile { SWIM_LAN = 0, SWIM_WAN, SWIM_LOCAL };

struct swim_options {
    uint64_t self;
    struct addr addr;
    struct slice name; /* NODE_NAME_MAX bytes at most; copied */
    struct slice meta; /* META_MAX bytes at most; copied */
    enum swim_profile profile;
    uint64_t incarnation;     /* as it was persisted; 0 for a new node; INCARNATION_MAX at most */
    uint64_t serial;          /* of that state record */
    uint64_t seed;            /* of the random numbers */
    const struct moment *now; /* kept: what packets say of this node is read off it as they leave */
};

/* One member as others may see it. Pointers live until the next call on the swim. */
struct swim_view {
    uint64_t id;
    struct addr addr;
    struct slice name; /* empty while another live member holds the name that this one claims */
    struct slice meta;
    enum member_state state; /* SUSPECT also while it is not verified */
    uint64_t incarnation;
    uint64_t since_ms;
    bool self;
    bool verified; /* it has answered, to us or to a helper of ours, since we know of it */
};

/* Counters for INFO and for the simulator's tables. */
struct swim_counters {
    uint64_t packets_out, packets_in, bytes_out, bytes_in, dropped, probes, probes_failed,
        suspicions, deaths, refutations, syncs;
    uint64_t unbelieved; /* words in datagrams with an incarnation that cannot be true */
};

struct swim;
#include "core/swim/swim_state.h" /* struct swim in full, for embedding */

/* A node alone, silent until swim_start. 0, ERR_TOO_BIG (name or meta) or ERR_NO_MEMORY. */
int swim_init(struct swim *s, const struct swim_options *o, uint64_t now_ms);

/* What it is told by the node: stream messages of the PROBE and SYNC group; the store's answers to
 * TOKEN_SWIM tokens, for an incarnation may be sent only then; time. */
extern const struct protocol swim_protocol;

/* The header that packets carry, but for the sender's id and what the moment says: told by the node
 * whenever it changes. */
void swim_set_header(struct swim *s, const struct packet_header *h);

/* The first thing: asks that incarnation + 1 be stored (out_state, name "incarnation", 8 bytes
 * little-endian). */
void swim_start(struct swim *s, struct out *out);

/* A datagram's messages (the header was opened and accepted by the node). `from` is the sender's
 * base address. */
void swim_packet(struct swim *s, const struct packet_header *h, struct addr from,
                 struct slice messages, uint64_t now_ms, struct out *out);

/* A stream to a peer is up: a first contact (its hello names it) becomes a member that must answer
 * for itself, and tables are exchanged (push-pull). */
void swim_link_up(struct swim *s, const struct msg_hello *hello, uint64_t now_ms, struct out *out);

/* A member that is known from the disk: the layout's members and their last addresses, at start.
 * Counted as suspect-to-be-verified, not announced. The incarnation is INCARNATION_MAX at most. */
void swim_recall(struct swim *s, uint64_t id, struct addr addr, struct slice name,
                 uint64_t incarnation, uint64_t now_ms);

/* Whom to probe for ever once dead: members of the layout. One that is not known yet is listed as
 * unverified, without an address. */
void swim_pin(struct swim *s, uint64_t id, bool pinned);

/* Says goodbye: a dead of oneself, gossiped while the node drains. */
void swim_leave(struct swim *s, uint64_t now_ms, struct out *out);

/* The next member whose state, address, name or incarnation changed since it was last given out:
 * true and *v, until none is left. A member that was never verified is not given out, unless it is
 * pinned. */
bool swim_changed(struct swim *s, struct swim_view *v);

/* Any member, also one known by hearsay alone (v->verified tells). */
bool swim_find(const struct swim *s, uint64_t id, struct swim_view *v);

/* Members that swim_each shows: the node itself, and whoever was verified or is pinned. */
uint32_t swim_count(const struct swim *s);

/* Walks them: start with *cursor = 0; false at the end. The order is stable between calls that
 * change something. */
bool swim_each(const struct swim *s, uint32_t *cursor, struct swim_view *v);

void swim_counters(const struct swim *s, struct swim_counters *c);

#endif
