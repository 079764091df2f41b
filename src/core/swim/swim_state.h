/* swim_state.h: what a swim remembers, and every number it goes by. Included by swim.h only; the
 * fields are the swim_*.c files' own. */
#ifndef COVEY_CORE_SWIM_STATE_H
#define COVEY_CORE_SWIM_STATE_H

#define HASH_NONFATAL_OOM 1 /* a full memory must cost one member, not the node */
#include <uthash.h>

/* ---- Numbers that do not depend on the profile; those that do stand in swim.c ---- */

enum {
    /* helpers: at 5 % loss all three fail once in 150 tries, and the stream is a fourth */
    SWIM_INDIRECT = 3,
    /* targets of a gossip tick: N = 1,000 is covered in about log4 N = 5 ticks */
    SWIM_FANOUT = 3,
    /* an update is sent 4 * ceil(log10(N + 1)) times: then few miss it, and push-pull has them */
    SWIM_RETRANSMIT_MULT = 4,
    SWIM_SENDS_MAX = 16, /* that, for MEMBERS_MAX members */
    /* a suspect has at least 4 probe periods to hear of it and to refute */
    SWIM_SUSPICION_MULT = 4,
    /* the longest suspicion is 6 times the shortest (Lifeguard's default) */
    SWIM_SUSPICION_MAX = 6,
    /* Lifeguard's K: so many further accusers bring it down to the shortest */
    SWIM_CONFIRMATIONS = SWIM_SUSPICION_MULT - 2,
    SWIM_ACCUSERS = SWIM_CONFIRMATIONS + 1,
    SWIM_HEALTH_MAX = 8, /* Lifeguard's S: a sick node probes at a ninth of the pace at worst */
    /* probes on behalf of others under way; each lives for a fraction of a period, so more is
     * abuse */
    SWIM_RELAYS = 64,
    SWIM_ANSWERS = 4, /* pings answered of one packet; honest packets hold two at most */
    /* traces of one call: with 8 packets, 4 messages and a state record below SWIM_OUT_MAX */
    SWIM_TRACES = 16,
    SWIM_MESSAGES = 4, /* stream messages of one call */
    SWIM_TIMERS = 16,  /* timers that one tick serves: one trace or packet each */
    /* quick pings to a member known by hearsay; then the probe's round robin takes over */
    SWIM_INTRODUCTIONS = 3,
    SWIM_SYNC_SMALL = 32, /* members up to which push-pull keeps its pace (memberlist's figure) */
};

enum {
    /* between introductions: 1,000 strangers in 2 s, without overflowing a socket buffer */
    SWIM_INTRODUCE_MS = 2,
    /* the dead are gossiped to for so long: most who come back do it within */
    SWIM_DEAD_GOSSIP_MS = 30 * 1000,
    /* between pings to one of the dead: halves of 50 meet again within a second or so */
    SWIM_DEAD_PROBE_MS = 30 * 1000,
    /* a dead member's name is free after that: longer than any suspicion of a small cluster */
    SWIM_RECLAIM_MS = 30 * 1000,
    /* the dead are remembered so long: what is stale for a day no longer comes back as news */
    SWIM_FORGET_MS = 24 * 3600 * 1000,
    /* an incarnation not stored by then is submitted anew: the disk failed or was busy */
    SWIM_PERSIST_RETRY_MS = 2000,
};

/* How far above what is known an incarnation is believed: swim_bound.c argues for each. */
#define INCARNATION_NEAR (UINT64_C(1) << 10) /* in a datagram */
#define INCARNATION_FAR  (UINT64_C(1) << 40) /* on a stream */
/* nobody's is above it, and no word of others reaches it: there is room to answer */
#define INCARNATION_MAX (UINT64_C(1) << 62)

/* What the profile decides. */
struct swim_times {
    uint32_t period_ms;  /* one member is probed each period */
    uint32_t timeout_ms; /* of the direct ping, before helpers are asked */
    uint32_t gossip_ms;  /* between gossip ticks */
    uint32_t sync_ms;    /* between push-pulls, up to SWIM_SYNC_SMALL members */
};

/* ---- Members ---- */

enum { SWIM_NOWHERE = UINT32_MAX };

/* A member's name and metadata. Replaced as a whole; the old one stays readable for the step
 * (traces and views point into it). */
struct swim_text {
    struct swim_text *next; /* once discarded */
    uint16_t name_n, meta_n;
    uint8_t bytes[];
};

enum swim_link_kind { SWIM_NEWS, SWIM_CHANGED, SWIM_LINKS };

struct swim_member {
    uint64_t id;
    uint64_t incarnation;  /* the highest seen, whoever said it */
    uint64_t since_ms;     /* in this state */
    uint64_t suspected_ms; /* suspect: when this suspicion began */
    /* its one timer: suspect -> dead, dead -> forgotten, unverified -> next introduction */
    uint64_t timer_ms;
    uint32_t timer_at;      /* place in the heap, or SWIM_NOWHERE */
    uint32_t list_at;       /* place in live or gone; SWIM_NOWHERE for the node itself */
    struct swim_text *text; /* NULL: neither name nor metadata known */
    struct addr addr;       /* family 0: none known */
    uint8_t state;          /* enum member_state */
    uint8_t accuser_n;
    uint8_t sends; /* of the present news about it */
    uint8_t introductions;
    bool verified; /* it answered */
    bool sketch;   /* no alive of it was seen yet: from a hello, the disk or the layout */
    bool met;      /* a stream to it was up once: it exists, whatever its silence */
    bool pinned;   /* in the layout */
    bool named;    /* holds the name that it claims */
    bool listed[SWIM_LINKS];
    struct swim_member *prev[SWIM_LINKS], *next[SWIM_LINKS];
    uint64_t accuser[SWIM_ACCUSERS]; /* distinct; dead: the one who said so */
    UT_hash_handle hh;               /* by id */
    UT_hash_handle hh_name;          /* by name, while `named` */
};

/* Live (alive, suspect) or gone (dead, left) members in a shuffled order, walked round robin. Never
 * the node itself. */
struct swim_list {
    struct swim_member **m;
    uint32_t n;
    uint32_t cursor; /* those before it had their turn in this round */
};

struct swim_queue {
    struct swim_member *first, *last;
};

/* ---- The protocol's parts ---- */

enum swim_phase { SWIM_REST, SWIM_DIRECT, SWIM_ASKING };

/* The one probe under way. */
struct swim_probe {
    enum swim_phase phase;
    uint64_t target, seq;
    uint64_t incarnation; /* of the target when it began */
    uint64_t next_ms;     /* REST: when the next one begins; UINT64_MAX with nobody to probe */
    uint64_t indirect_ms; /* DIRECT: when helpers are asked */
    uint64_t end_ms;      /* when it has failed */
    uint64_t begun_ms;
    uint64_t helper[SWIM_INDIRECT]; /* who owes a nack; 0 once it came */
};

/* A probe on behalf of somebody. */
struct swim_relay {
    uint64_t asker_seq, seq;
    uint64_t nack_ms;
    struct addr asker;
};

/* Who sent what is being handled. */
struct swim_source {
    uint64_t id; /* 0 outside packets and messages */
    struct addr addr;
    bool introduced; /* it sent its own alive */
    /* which is older than what we hold of it, or differs at the same incarnation */
    bool behind;
    bool accused_us;
};

struct swim {
    struct swim_times times;
    struct swim_member *self;
    uint64_t now_ms; /* of the last call */
    /* when the next was wanted, as that one ended: who comes much later was stalled */
    uint64_t due_ms;
    struct rng rng;
    const struct moment *now; /* of the node; see swim_options */
    struct packet_header header;

    /* the present call */
    struct out *out;
    unsigned packets_left, traces_left, messages_left;
    struct swim_source source;

    /* members */
    struct swim_member *by_id, *by_name;
    struct swim_list live, gone;
    uint32_t cap;      /* of the lists and the heap */
    uint32_t hidden_n; /* neither verified nor pinned */
    /* of what push-pull compares: XOR over the live, kept as they change */
    uint64_t hash;
    struct swim_member **timer; /* a binary heap by (timer_ms, id) */
    uint32_t timer_n;
    struct swim_queue changed;
    struct swim_text *trash; /* freed once time has moved on */
    uint64_t trash_ms;

    /* the own incarnation: self->incarnation is durable, once ready */
    bool ready;
    uint64_t raise_to;   /* wanted: above self->incarnation while a store is under way */
    uint64_t submitted;  /* the incarnation under way, 0 when none is */
    uint64_t serial;     /* of the newest state record submitted; also its token number */
    uint64_t persist_ms; /* when it was submitted */
    uint8_t persisted[8];
    uint64_t answer_id; /* who is told of the refutation at once; 0 for nobody */
    struct addr answer_addr;

    /* probing */
    struct swim_probe probe;
    struct swim_relay relay[SWIM_RELAYS];
    uint32_t relay_n;
    uint64_t relay_ms; /* the earliest nack */
    uint8_t health;    /* Lifeguard's local health multiplier, 0 (well) .. SWIM_HEALTH_MAX */
    uint64_t gone_probe_ms;
    uint64_t introduce_ms; /* the next free slot for an introduction */

    /* dissemination: news[i] was sent i times */
    struct swim_queue news[SWIM_SENDS_MAX];
    uint32_t news_n;
    uint64_t gossip_ms;
    /* of the last death known: until SWIM_DEAD_GOSSIP_MS later one of the dead is told too */
    uint64_t death_ms;
    bool any_death;
    uint64_t sync_ms, synced_ms;
    struct buf table; /* of the last SYNC_TABLE: lives until the next */

    struct swim_counters counters;
};

#endif
