/* hint.h: hinted handoff: what an owner missed, brought to it when it is back (design section 5).
 *
 * The coordinator gives a hint for each owner that did not acknowledge a write (coord_write.c); the world keeps it in a durable
 * log per target. This is the other half: the replay. The essay is in hint.c. */
#ifndef COVEY_CORE_HINT_H
#define COVEY_CORE_HINT_H

#include "core/event.h"

enum {
    HINT_BATCH = 64,            /* records on their way to one target at most */
    HINT_REPLAYS = 4,           /* targets replayed to at once: a rack that returns must not drown us, nor we it */
    HINT_BACKOFF_MS = 100,      /* after a refusal or a lost stream, doubling */
    HINT_BACKOFF_MAX_MS = 5000, /* up to this: a target that is there but says no is asked now and then */
    HINT_ANSWER_MS = 10000,     /* a batch without all its answers after that is sent again: a stream would have broken */
    HINT_AGE_DEFAULT_MS = 3 * 60 * 60 * 1000, /* beyond it anti-entropy is the cheaper repair, and tombstones may be erased */
    HINT_EXPIRE_MS = 60 * 1000,               /* how often the logs are looked through for what is too old */
    HINT_LACKS_MS = 30 * 1000,                /* how long an expiry waits for the value that another coordinator's hint brings */
    HINT_OUT_MAX = HINT_BATCH + 8,            /* actions a call appends at most: the last hint of a batch may go to all owners */
};

/* IDLE --(due, reachable)--> READING --(a batch)--> SENDING --(all answered)--> IDLE, and back to IDLE whenever the target is
 * lost. */
enum hint_phase { HINT_IDLE, HINT_READING, HINT_SENDING };

/* One record of the batch under way. */
struct hint_sent {
    uint64_t place;
    uint16_t slot;
    uint8_t need;    /* acks that settle it: 1, or W when the target owns it no more */
    uint8_t acks;    /* a bit per owner; bit 0 for the target */
    uint8_t refused; /* refused, so the batch ends with a back-off */
    uint8_t sent;    /* answers that may still come */
};

struct hint_target {
    uint64_t id;
    uint64_t waiting, bytes;          /* as the world said last */
    uint64_t kept, replayed, dropped; /* since the start */
    uint64_t say_dropped;             /* the next number of dropped ones worth a line in the log */
    enum hint_phase phase;
    uint64_t since_ms;   /* in this phase */
    uint64_t due_ms;     /* when the next batch may begin */
    uint32_t backoff_ms; /* 0: the last batch went well */
    uint64_t lacking_ms; /* since then an expiry at the head has met no value; 0: none has */
    uint64_t batch;      /* number of the batch, in the messages' tokens */
    uint16_t sent_n;
    struct hint_sent sent[HINT_BATCH];
    uint64_t run_n, run_ms; /* hints replayed since it returned, and when that began */
};

struct hint_peer {
    uint64_t id;
    struct addr addr;
    bool alive;
};

struct hint {
    uint64_t self;
    const struct layout *layout; /* borrowed from the chain; NULL before the first */
    struct hint_peer *peer;      /* members of the layout, sorted by id */
    uint16_t peer_n;
    struct hint_target *target; /* those that something was ever kept for, since the start */
    uint32_t target_n;
    uint64_t owed; /* see hint_owed */
    uint64_t age_max_ms;
    uint64_t now_ms, wall_ms;
    uint64_t expire_at_ms;
    uint64_t batches;
    struct hint_info *info; /* of the last hint_report */
};

struct hint_options {
    uint64_t self;
    uint64_t age_max_ms; /* 0: HINT_AGE_DEFAULT_MS */
};

void hint_init(struct hint *h, const struct hint_options *o);
void hint_close(struct hint *h);

/* First in every step: the times, and that what the last step's actions pointed to may go. */
void hint_time(struct hint *h, uint64_t now_ms, uint64_t wall_ms);

/* A layout is in force; borrowed until the next. 0 or ERR_NO_MEMORY. */
int hint_layout(struct hint *h, const struct layout *layout);

/* A member of the layout: where it is, and whether it lives beyond suspicion. A stream to it came up or broke. */
void hint_peer(struct hint *h, uint64_t id, struct addr addr, bool alive);
void hint_link(struct hint *h, uint64_t id, bool up);

/* EV_HINTED and EV_HINTS. ERR_NO_MEMORY: this target's hints wait for the next start. */
int hint_kept(struct hint *h, const struct event *ev, struct out *out);
void hint_found(struct hint *h, const struct event *ev, struct out *out);

/* A peer's answer to a TOKEN_HINT op, a replayed hint. And any answer to one: of a peer, or of the own store. */
void hint_message(struct hint *h, uint64_t from, const struct message *m, struct out *out);
void hint_answer(struct hint *h, uint64_t number, uint64_t from, int error, struct out *out);

/* A bounded piece of what time asks for. */
void hint_tick(struct hint *h, struct out *out);
uint64_t hint_deadline_ms(const struct hint *h);

/* Hints kept, of all targets. */
uint64_t hint_waiting(const struct hint *h);

/* Those of targets that are alive: an owner is there and lacks what it should hold. */
static inline uint64_t hint_owed(const struct hint *h)
{
    return h->owed; /* kept, since packets tell of it */
}

/* Whether something is kept for it. */
bool hint_waits(const struct hint *h, uint64_t target);

/* What is kept for whom, without names and states: *info lives until the next call. 0 or ERR_NO_MEMORY. */
int hint_report(struct hint *h, struct hint_info **info, uint32_t *n);

void hint_check(const struct hint *h);

#endif
