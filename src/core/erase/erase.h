/* erase.h: tombstones, and values that are over, go for good. The essay is in erase.c; what a store
 * refuses from then on is in store/table/floors.h.
 *
 * Every owner of a vnode runs this for what it holds itself, the first owner soonest. An owner that
 * is asked keeps no state: core/replica answers for its store. */
#ifndef COVEY_CORE_ERASE_H
#define COVEY_CORE_ERASE_H

#include "core/asked.h"
#include "core/protocol.h"
#include "wire/merkle.h"

enum {
    ERASE_ANSWER_MS = 2000, /* an owner that is silent for so long confirms nothing */
    /* Passes over all vnodes in the age of what is erased: what may go is found so much later, at
     * most. */
    ERASE_PASSES = 16,
    ERASE_PASS_MIN_MS = 500,    /* the shortest pause between two passes */
    ERASE_PASS_MAX_MS = 600000, /* the longest */
    /* The shortest pause after a batch; else it is as long as the batch took. So at most 6,400 keys
     * a second are asked about. */
    ERASE_PAUSE_MS = 10,
    /* The owner of each rank begins a quarter of the age later than the one before it. */
    ERASE_LATER = 4,
    ERASE_OUT_MAX = ERASABLE_MAX + REPLICAS_MAX + 2,
};

/* erase.c has the diagram. */
enum erase_phase {
    ERASE_REST, /* between two passes, or two batches of one */
    ERASE_LOOK, /* the own store is asked for what may go */
    ERASE_ASK,  /* the other owners are asked whether they hold the same */
};

struct erase {
    uint64_t self;
    const struct moment *now; /* of the call under way, or the last one */
    uint64_t age_ms;
    uint8_t phase;     /* enum erase_phase */
    uint64_t next_ms;  /* in REST: when it goes on; else: when the question is given up */
    uint64_t began_ms; /* when the other owners were asked about the batch */
    uint64_t number;   /* of the open question */

    /* the pass */
    uint8_t rank;         /* our rank in the vnodes that it goes through now */
    uint8_t *vnodes;      /* these vnodes, u16 each */
    uint32_t vnode_n;     /* so many */
    uint32_t at;          /* which of them it is at */
    uint64_t from;        /* the key hash in that vnode from which on it looks */
    uint64_t pass_found;  /* tombstones, and values that are over, so far */
    uint64_t pass_erased; /* records that were erased so far */

    /* the batch */
    struct buf entries; /* what the own store listed */
    unsigned entry_n;
    bool confirmed[ERASABLE_MAX]; /* which of them every owner that answered confirmed */
    struct asked_set asked;       /* the owners of the vnode, by rank */
    struct asked owner[OWNERS_MAX];
    struct buf going; /* the entries that all owners confirmed, as they are announced */

    /* for reports */
    uint64_t found;  /* tombstones, and values that are over, that the last pass found */
    uint64_t erased; /* records, since the start */
};

struct erase_options {
    uint64_t self;
    /* Records younger than that are left alone. Not below the age to which hints are kept. */
    uint64_t age_ms;
};

void erase_init(struct erase *e, const struct erase_options *o);

/* The line of core/node/protocols.c: answers to TOKEN_ERASE tokens. */
extern const struct protocol erase_protocol;

/* Another owner announces what all owners have confirmed. Nothing is erased because of it while a
 * layout is being agreed, nor while this node is recovering. */
void erase_obey(struct erase *e, const struct moment *now, uint64_t from, const struct msg_erase *m,
                struct out *out);

#endif
