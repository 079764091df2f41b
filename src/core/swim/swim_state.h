/* swim_state.h: what a swim remembers, and every number it goes by. Included by swim.h only; the
 * fields are the swim_*.c files' own. */
#ifndef COVEY_CORE_SWIM_STATE_H
#define COVEY_CORE_SWIM_STATE_H

#define HASH_NONFATAL_OOM 1 /* a full memory must cost one member, not the node */
#include <uthash.h>

#include "base/phase.h"

/* ---- Numbers that do not depend on the profile; those that do stand in swim.c ---- */

enum {
    /* helpers: at 5 % loss all three fail once in 150 tries, and the stream is a fourth */
    SWIM_INDIRECT = 3,
    /* targets of a gossip tick: N = 1,000 is covered in about log4 N = 5 ticks */
    SWIM_FANOUT = 3,
    /* an update is sent 4 * ceil(log10(N + 1)) times: then few miss it, and they have push-pull */
    SWIM_RETRANSMIT_MULT = 4,
    SWIM_SENDS_MAX = 16, /* how often that is for MEMBERS_MAX members */
    /* a suspect has at least 4 probe periods to learn of it and to refute */
    SWIM_SUSPICION_MULT = 4,
    /* the longest suspicion is 6 times the shortest (Lifeguard's default) */
    SWIM_SUSPICION_MAX = 6,
    /* Lifeguard's K: so many further accusers bring it down to the shortest */
    SWIM_CONFIRMATIONS = SWIM_SUSPICION_MULT - 2,
    SWIM_ACCUSERS = SWIM_CONFIRMATIONS + 1,
    SWIM_HEALTH_MAX = 8, /* Lifeguard's S: a sick node probes at a ninth of the pace at worst */
    /* probes for others under way; each takes a fraction of a period, so more is abuse */
    SWIM_RELAYS = 64,
    SWIM_ANSWERS = 4, /* pings answered of one packet; honest packets have two at most */
    /* traces of one call: with 8 packets, 4 messages and a state record they fit SWIM_OUT_MAX */
    SWIM_TRACES = 16,
    SWIM_MESSAGES = 4, /* stream messages of one call */
    SWIM_TIMERS = 16,  /* timers that one tick serves: each costs one trace or packet */
    /* quick pings to a member known by hearsay; after them the probes' round robin decides */
    SWIM_INTRODUCTIONS = 3,
    SWIM_SYNC_SMALL = 32, /* members up to which push-pull keeps its pace (memberlist's figure) */
};

enum {
    /* between introductions: 1,000 strangers in 2 s, without overflowing a socket buffer */
    SWIM_INTRODUCE_MS = 2,
    /* for how long the dead are gossiped to: most that come back do so within it */
    SWIM_DEAD_GOSSIP_MS = 30 * 1000,
    /* between pings to one of the dead: halves of 50 meet again within a second or so */
    SWIM_DEAD_PROBE_MS = 30 * 1000,
    /* a dead member's name is free after that: longer than any suspicion of a small cluster */
    SWIM_RECLAIM_MS = 30 * 1000,
    /* for how long the dead are remembered: stale news of a day ago no longer comes back */
    SWIM_FORGET_MS = 24 * 3600 * 1000,
    /* an incarnation that is not stored by then is submitted anew: the disk failed or was busy */
    SWIM_PERSIST_RETRY_MS = 2000,
};

/* How far above the known one an incarnation is believed: swim_bound.c argues for each. */
#define INCARNATION_NEAR (UINT64_C(1) << 10) /* in a datagram */
#define INCARNATION_FAR  (UINT64_C(1) << 40) /* on a stream */
/* no incarnation is above it, and none that a peer sends reaches it: there is room to answer */
#define INCARNATION_MAX (UINT64_C(1) << 62)

/* What the profile decides. */
struct swim_times {
    uint32_t period_ms;  /* one member is probed each period */
    uint32_t timeout_ms; /* of the direct ping, before helpers are asked */
    uint32_t gossip_ms;  /* between two gossip ticks */
    uint32_t sync_ms;    /* between two push-pulls, up to SWIM_SYNC_SMALL members */
};

/* ---- Members ---- */

enum { SWIM_NOWHERE = UINT32_MAX };

/* A member's name and metadata, replaced together. The old one stays readable for the step, because
 * traces and views point into it. */
struct swim_text {
    struct swim_text *next; /* once discarded */
    uint16_t name_n, meta_n;
    uint8_t bytes[];
};

enum swim_link_kind { SWIM_NEWS, SWIM_CHANGED, SWIM_LINKS };

struct swim_member {
    uint64_t id;
    uint64_t incarnation;  /* the highest received, from any member */
    uint64_t since_ms;     /* when it came into this state */
    uint64_t suspected_ms; /* SUSPECT: when this suspicion began */
    /* its one timer: a suspect dies, a dead one is forgotten, an unverified one introduced to */
    uint64_t timer_ms;
    uint32_t timer_at;      /* index in the heap, or SWIM_NOWHERE */
    uint32_t list_at;       /* index in live or gone; SWIM_NOWHERE for the node itself */
    struct swim_text *text; /* NULL: neither name nor metadata is known */
    struct addr addr;       /* family 0: none is known */
    uint8_t state;          /* enum member_state */
    uint8_t accuser_n;
    uint8_t sends;         /* how often the present news about it was sent */
    uint8_t introductions; /* quick pings that it got */
    bool verified;         /* it answered */
    bool sketch;           /* no alive of it came yet: it is known from a hello, disk or layout */
    bool met;              /* a stream to it was up once: it exists, however silent it is */
    bool pinned;           /* it is in the layout */
    bool named;            /* the name that it claims is its own */
    bool listed[SWIM_LINKS];
    struct swim_member *prev[SWIM_LINKS], *next[SWIM_LINKS];
    uint64_t accuser[SWIM_ACCUSERS]; /* distinct; DEAD: the one that declared it */
    UT_hash_handle hh;               /* by id */
    UT_hash_handle hh_name;          /* by name, while `named` */
};

/* Live (alive, suspect) or gone (dead, left) members in a shuffled order, walked round robin. The
 * node itself is in neither. */
struct swim_list {
    struct swim_member **m;
    uint32_t n;
    uint32_t cursor; /* the members before it had their turn in this round */
};

struct swim_queue {
    struct swim_member *first, *last;
};

/* ---- The protocol's parts ---- */

/* Of a probe; swim_probe.c has the diagram and what may follow what. */
enum swim_phase { SWIM_REST, SWIM_DIRECT, SWIM_ASKING };

/* The one probe under way. */
struct swim_probe {
    uint8_t phase; /* enum swim_phase */
    uint64_t target, seq;
    uint64_t incarnation; /* of the target, when the probe began */
    uint64_t next_ms;     /* REST: when the next one begins; UINT64_MAX: no member to probe */
    uint64_t indirect_ms; /* DIRECT: when helpers are asked */
    uint64_t end_ms;      /* when it has failed */
    uint64_t begun_ms;
    uint64_t helper[SWIM_INDIRECT]; /* the members that owe a nack; 0 once it came */
};

/* A probe on behalf of another member. */
struct swim_relay {
    uint64_t asker_seq; /* the asker's number for it */
    uint64_t seq;       /* ours, in the ping */
    uint64_t nack_ms;   /* when the asker gets a nack */
    struct addr asker;
};

/* The sender of what is being handled. */
struct swim_source {
    uint64_t id; /* 0 outside packets and messages */
    struct addr addr;
    bool introduced; /* it sent its own alive */
    bool behind;     /* its alive is older than what we know of it, or differs from it */
    bool accused_us;
};

struct swim {
    struct swim_times times;
    struct swim_member *self;
    uint64_t now_ms; /* of the last call */
    uint64_t due_ms; /* when that call wanted the next: one that comes much later was stalled */
    struct rng rng;
    const struct moment *now; /* the node's; see swim_options */
    struct packet_header header;

    /* the present call */
    struct out *out;
    unsigned packets_left, traces_left, messages_left;
    struct swim_source source;

    /* members */
    struct swim_member *by_id, *by_name;
    struct swim_list live, gone;
    uint32_t cap;      /* of the lists and the heap */
    uint32_t hidden_n; /* members that are neither verified nor pinned */
    uint64_t hash; /* what push-pull compares: an XOR over the live, up to date at each change */
    struct swim_member **timer; /* a binary heap by (timer_ms, id) */
    uint32_t timer_n;
    struct swim_queue changed;
    struct swim_text *trash; /* replaced texts, freed once time has moved on from trash_ms */
    uint64_t trash_ms;

    /* the own incarnation */
    bool ready;           /* self->incarnation is durable */
    uint64_t raise_to;    /* the one wanted: above self->incarnation while a write is under way */
    uint64_t submitted;   /* the one that is being stored; 0: none is */
    uint64_t serial;      /* of the newest state record submitted; its token's number too */
    uint64_t persist_ms;  /* when that record was submitted */
    uint8_t persisted[8]; /* its bytes */
    uint64_t answer_id;   /* the accuser that gets the refutation at once; 0: none */
    struct addr answer_addr;

    /* probing */
    struct swim_probe probe;
    struct swim_relay relay[SWIM_RELAYS];
    uint32_t relay_n;
    uint64_t relay_ms;      /* when the earliest nack is due */
    uint8_t health;         /* Lifeguard's local health multiplier, 0 (well) .. SWIM_HEALTH_MAX */
    uint64_t gone_probe_ms; /* when one of the dead gets the next introduction */
    uint64_t introduce_ms;  /* when the next quick introduction may be sent */

    /* dissemination */
    struct swim_queue news[SWIM_SENDS_MAX]; /* [i]: members whose news was sent i times */
    uint32_t news_n;
    uint64_t gossip_ms; /* when the next gossip tick may be */
    bool any_death;
    uint64_t death_ms;  /* of the last death known; for a while the dead are gossiped to after it */
    uint64_t sync_ms;   /* when the next push-pull is due */
    uint64_t synced_ms; /* when the last one began; 0: none did */
    struct buf table;   /* of the last SYNC_TABLE: lives until the next */

    struct swim_counters counters;
};

#endif
