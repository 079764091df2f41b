/* swim.h: who is reachable. SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips,
 * Currey 2018). The essay is in swim.c.
 *
 * SWIM never decides who owns data. The node gives it packets, stream messages and time, and takes
 * the members that changed. Nothing is sent before the own incarnation is durable (EV_STORED). One
 * call appends at most SWIM_OUT_MAX actions, of which at most SWIM_PACKETS_MAX are packets. What
 * does not fit waits for the next tick, and the deadline then lies at or before the present. */
#ifndef COVEY_CORE_SWIM_H
#define COVEY_CORE_SWIM_H

#include "base/rng.h"
#include "core/protocol.h"

enum {
    SWIM_OUT_MAX = 40, /* actions that a call appends at most */
    /* packets among them: below OUT_PACKETS, and sent in well under 100 us */
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
    uint64_t serial;          /* of the state record that holds it */
    uint64_t seed;            /* of the random numbers */
    const struct moment *now; /* borrowed for life: packets carry what it says of this node */
};

/* One member as the rest of the node sees it. Pointers live until the next call on the swim. */
struct swim_view {
    uint64_t id;
    struct addr addr;
    struct slice name; /* empty while another live member has the name that this one claims */
    struct slice meta;
    enum member_state state; /* SUSPECT too for one that is alive and not verified */
    uint64_t incarnation;
    uint64_t since_ms; /* when it came into this state */
    bool self;
    bool verified; /* it has answered, to us or to a helper of ours, since we know of it */
};

struct swim_counters {
    uint64_t packets;    /* sent and received */
    uint64_t dropped;    /* packets, messages and tables that were malformed, or too many */
    uint64_t unbelieved; /* messages in datagrams with an incarnation that cannot be true */
};

struct swim;
#include "core/swim/swim_state.h" /* struct swim in full, for embedding */

/* A node alone, silent until swim_start. 0, ERR_TOO_BIG (name or meta) or ERR_NO_MEMORY. */
int swim_init(struct swim *s, const struct swim_options *o, uint64_t now_ms);

/* What the node calls it for: stream messages of the PROBE and SYNC group; the store's answers to
 * TOKEN_SWIM tokens, since an incarnation may be sent only then; time. */
extern const struct protocol swim_protocol;

/* Sets the header that packets carry, but for the sender's id and what the moment says. The node
 * calls it whenever that header changes. */
void swim_set_header(struct swim *s, const struct packet_header *h);

/* The first call: submits incarnation + 1 to the store (state record "incarnation", 8 bytes
 * little-endian). */
void swim_start(struct swim *s, struct out *out);

/* A datagram's messages (the header was opened and accepted by the node). `from` is the sender's
 * base address. */
void swim_packet(struct swim *s, const struct packet_header *h, struct addr from,
                 struct slice messages, uint64_t now_ms, struct out *out);

/* A stream to a peer is up. A peer that is met for the first time becomes a member, which must yet
 * answer for itself, and tables are exchanged (push-pull). */
void swim_link_up(struct swim *s, const struct msg_hello *hello, uint64_t now_ms, struct out *out);

/* At start: a member that is known from the disk, with its last address. It is not verified, and so
 * not announced. The incarnation is INCARNATION_MAX at most. */
void swim_recall(struct swim *s, uint64_t id, struct addr addr, struct slice name,
                 uint64_t incarnation, uint64_t now_ms);

/* Members of the layout are pinned: they are probed for ever once dead. One that is not known yet
 * is listed, unverified and without an address. */
void swim_pin(struct swim *s, uint64_t id, bool pinned);

/* Says goodbye: gossips this node's own death, while the node drains. */
void swim_leave(struct swim *s, uint64_t now_ms, struct out *out);

/* The next member whose state, address, name or incarnation changed since this last returned it:
 * true and *v; false when there is none. Members that are neither verified nor pinned are left
 * out. */
bool swim_changed(struct swim *s, struct swim_view *v);

/* Any member, one known by hearsay alone (not v->verified) too. False: it is not known. */
bool swim_find(const struct swim *s, uint64_t id, struct swim_view *v);

/* How many members swim_each shows: the node itself, and those that are verified or pinned. */
uint32_t swim_count(const struct swim *s);

/* Walks them: start with *cursor = 0; false at the end. The order is stable between calls that
 * change something. */
bool swim_each(const struct swim *s, uint32_t *cursor, struct swim_view *v);

#endif
