/* hint.h: hinted handoff: an owner that was away is brought the writes that it missed.
 *
 * The coordinator gives a hint for each owner that did not acknowledge a write
 * (core/coord/coord_write.c), and the world keeps it in a durable log for that owner, its target
 * (store/hints.h). This is the other half, the replay. The essay is in hint.c. */
#ifndef COVEY_CORE_HINT_H
#define COVEY_CORE_HINT_H

#include "core/asked.h"
#include "core/protocol.h"

enum {
    HINT_BATCH = 64, /* the most records on their way to one target */
    /* The most targets that are replayed to at once: a rack that returns must not drown us, nor we
     * it. */
    HINT_REPLAYS = 4,
    HINT_BACKOFF_MS = 100, /* the pause after a refusal or a lost stream; it doubles each time */
    /* The longest pause: a target that is there but refuses is still tried now and then. */
    HINT_BACKOFF_MAX_MS = 5000,
    /* A batch that is not answered in that time is sent again. (A stream that breaks ends it
     * sooner.) */
    HINT_ANSWER_MS = 10000,
    /* The age from which a hint is dropped: anti-entropy is the cheaper repair then, and tombstones
     * may be erased. */
    HINT_AGE_DEFAULT_MS = 3 * 60 * 60 * 1000,
    /* how often the logs are looked through for hints that are too old */
    HINT_EXPIRE_MS = 60 * 1000,
    /* The most actions that a call appends: the last hint of a batch may go to all owners. */
    HINT_OUT_MAX = HINT_BATCH + 8,
};

/* What a target's replay is at; hint.c has the diagram. */
enum hint_phase {
    HINT_IDLE,    /* no batch is under way */
    HINT_READING, /* the target's log is asked for a batch */
    HINT_SENDING, /* the batch is on its way, and its answers are awaited */
};

/* A hint of a batch. */
struct hint_sent {
    uint64_t location; /* in the target's log */
    uint16_t slot;
    bool orphan;            /* its target no longer owns the key: it went to the owners, by rank */
    uint8_t need;           /* acks that settle it: 1, W for an orphan, 0 where it is dropped */
    struct asked_set asked; /* the members that it went to; done: those that acknowledged it */
    struct asked peer[OWNERS_MAX];
};

/* What is on its way to one target. */
struct hint_batch {
    uint64_t number; /* stands in the tokens of its messages; 0: this one is free */
    uint16_t n;
    struct hint_sent sent[HINT_BATCH];
};

struct hint_target {
    struct hint_info info;    /* for reports: its id; hints in its log, and hints since the start */
    uint64_t trace_dropped;   /* the next line in the log is due at so many dropped hints */
    uint8_t phase;            /* enum hint_phase */
    uint64_t since_ms;        /* when the phase began */
    uint64_t due_ms;          /* when the next batch may begin */
    uint32_t backoff_ms;      /* the last pause; 0: the last batch went well */
    struct hint_batch *batch; /* in SENDING: one of struct hint's; else NULL */
    uint64_t run_n;           /* hints that were replayed since the target returned */
    uint64_t run_ms;          /* when their replay began */
};

struct hint {
    uint64_t self;
    const struct moment *now;   /* of the call under way, or the last one */
    struct hint_target *target; /* the members that a hint was kept for since the start */
    uint32_t target_n;
    uint64_t owed;         /* what hint_owed returns */
    uint64_t age_max_ms;   /* an older hint is dropped */
    uint64_t expire_at_ms; /* when the logs are looked through next for old hints */
    uint64_t batches;      /* counts the batches; the last one's number */
    struct hint_batch batch[HINT_REPLAYS];
    struct hint_info *info; /* what the last hint_report returned */
};

struct hint_options {
    uint64_t self;
    uint64_t age_max_ms; /* 0: HINT_AGE_DEFAULT_MS */
};

void hint_init(struct hint *h, const struct hint_options *o);

/* The line of core/node/protocols.c: all but hints themselves; answers to TOKEN_HINT tokens. */
extern const struct protocol hint_protocol;

/* EV_HINTED: what is kept for a target changed. ERR_NO_MEMORY: this target's hints wait for the
 * next start. */
int hint_kept(struct hint *h, const struct moment *now, const struct event *ev, struct out *out);

/* EV_HINTS: a batch was read. */
void hint_found(struct hint *h, const struct moment *now, const struct event *ev, struct out *out);

/* How many hints are kept, for all targets. */
uint64_t hint_waiting(const struct hint *h);

/* How many of them are for members of the layout that are alive: such a member lacks what it should
 * hold. Every packet reports it, so the sum is kept ready. */
static inline uint64_t hint_owed(const struct hint *h)
{
    return h->owed;
}

/* Whether hints are kept for that member. */
bool hint_waits(const struct hint *h, uint64_t target);

/* How many hints are kept for each target, without the targets' names and states. *info lives until
 * the next call. 0 or ERR_NO_MEMORY. */
int hint_report(struct hint *h, struct hint_info **info, uint32_t *n);

#endif
