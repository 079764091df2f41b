/* hint.h: hinted handoff: what an owner missed, brought to it when it is back (design section 5).
 *
 * The coordinator gives a hint for each owner that did not acknowledge a write (coord_write.c); the
 * world keeps it in a durable log per target. This is the other half: the replay. The essay is in
 * hint.c. */
#ifndef COVEY_CORE_HINT_H
#define COVEY_CORE_HINT_H

#include "core/asked.h"
#include "core/protocol.h"

enum {
    HINT_BATCH = 64, /* records on their way to one target at most */
    /* targets replayed to at once: a rack that returns must not drown us, nor we it */
    HINT_REPLAYS = 4,
    HINT_BACKOFF_MS = 100, /* after a refusal or a lost stream, doubling */
    /* up to this: a target that is there but says no is asked now and then */
    HINT_BACKOFF_MAX_MS = 5000,
    /* a batch without all its answers after that is sent again: a stream would have broken */
    HINT_ANSWER_MS = 10000,
    /* beyond it anti-entropy is the cheaper repair, and tombstones may be erased */
    HINT_AGE_DEFAULT_MS = 3 * 60 * 60 * 1000,
    /* how often the logs are looked through for what is too old */
    HINT_EXPIRE_MS = 60 * 1000,
    /* actions a call appends at most: the last hint of a batch may go to all owners */
    HINT_OUT_MAX = HINT_BATCH + 8,
};

/* IDLE --(due, reachable)--> READING --(a batch)--> SENDING --(all answered)--> IDLE, and back to
 * IDLE whenever the target is lost. */
enum hint_phase { HINT_IDLE, HINT_READING, HINT_SENDING };

/* One record of a batch. */
struct hint_sent {
    uint64_t place;
    uint16_t slot;
    bool nobodys;           /* the target owns it no more: it went to the owners, in their order */
    uint8_t need;           /* acks that settle it: 1, or W where it is nobody's */
    struct asked_set asked; /* done: those that acknowledged it */
    struct asked peer[OWNERS_MAX];
};

/* What is on its way to one target. */
struct hint_batch {
    uint64_t number; /* in the messages' tokens; 0: free */
    uint16_t n;
    struct hint_sent sent[HINT_BATCH];
};

struct hint_target {
    uint64_t id;
    uint64_t waiting, bytes;          /* as the world said last */
    uint64_t kept, replayed, dropped; /* since the start */
    uint64_t say_dropped;             /* the next number of dropped ones worth a line in the log */
    enum hint_phase phase;
    uint64_t since_ms;        /* in this phase */
    uint64_t due_ms;          /* when the next batch may begin */
    uint32_t backoff_ms;      /* 0: the last batch went well */
    struct hint_batch *batch; /* SENDING: one of hint's */
    uint64_t run_n, run_ms;   /* hints replayed since it returned, and when that began */
};

struct hint {
    uint64_t self;
    const struct moment *now;   /* of the call under way, or the last one */
    struct hint_target *target; /* those that something was ever kept for, since the start */
    uint32_t target_n;
    uint64_t owed; /* see hint_owed */
    uint64_t age_max_ms;
    uint64_t expire_at_ms;
    uint64_t batches; /* so many began */
    struct hint_batch batch[HINT_REPLAYS];
    struct hint_info *info; /* of the last hint_report */
};

struct hint_options {
    uint64_t self;
    uint64_t age_max_ms; /* 0: HINT_AGE_DEFAULT_MS */
};

void hint_init(struct hint *h, const struct hint_options *o);

/* All that it is told by the node but hints themselves; answers to TOKEN_HINT tokens among it. */
extern const struct protocol hint_protocol;

/* EV_HINTED and EV_HINTS. ERR_NO_MEMORY: this target's hints wait for the next start. */
int hint_kept(struct hint *h, const struct moment *now, const struct event *ev, struct out *out);
void hint_found(struct hint *h, const struct moment *now, const struct event *ev, struct out *out);

/* Hints kept, of all targets. */
uint64_t hint_waiting(const struct hint *h);

/* Those of targets that are alive: an owner is there and lacks what it should hold. */
static inline uint64_t hint_owed(const struct hint *h)
{
    return h->owed; /* kept, since packets tell of it */
}

/* Whether something is kept for it. */
bool hint_waits(const struct hint *h, uint64_t target);

/* What is kept for whom, without names and states: *info lives until the next call. 0 or
 * ERR_NO_MEMORY. */
int hint_report(struct hint *h, struct hint_info **info, uint32_t *n);

#endif
