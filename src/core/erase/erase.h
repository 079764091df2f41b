/* erase.h: tombstones, and values whose time is over, go for good (design section 4, "Erasing").
 * The essay is in erase.c; the store's half is store/table/floors.h.
 *
 * Every owner of a vnode runs this for what it holds itself, the first owner soonest. Whoever is
 * asked keeps no state: replica.c answers for its store. */
#ifndef COVEY_CORE_ERASE_H
#define COVEY_CORE_ERASE_H

#include "core/asked.h"
#include "core/protocol.h"
#include "wire/merkle.h"

enum {
    ERASE_ANSWER_MS = 2000, /* owners who say nothing for so long confirm nothing */
    /* passes over all vnodes in the age of what is erased: so much later, at most, it is found */
    ERASE_PASSES = 16,
    ERASE_PASS_MIN_MS = 500,    /* between two passes, at least, */
    ERASE_PASS_MAX_MS = 600000, /* and at most */
    /* after a batch, or as long as it took: at most 6,400 keys a second */
    ERASE_PAUSE_MS = 10,
    /* the second owner is a quarter of the age later than the first, and so on */
    ERASE_LATER = 4,
    ERASE_OUT_MAX = ERASABLE_MAX + REPLICAS_MAX + 2,
};

/* REST --(due)--> LOOK --(some may go)--> ASK --(all answered, or one cannot, or time is up)-->
 * REST
 *                   '--(none in this vnode, nor the next ones)--> REST */
enum erase_phase {
    ERASE_REST,
    ERASE_LOOK, /* the own store is asked for what may go */
    ERASE_ASK,  /* the other owners are asked whether they hold the same */
};

struct erase {
    uint64_t self;
    const struct moment *now; /* of the call under way, or the last one */
    uint64_t age_ms;
    enum erase_phase phase;
    uint64_t next_ms; /* REST: when it goes on; else when it is given up */
    uint64_t began_ms;
    uint64_t number; /* of the open question */
    /* the pass */
    /* the place among their owners that we have in the vnodes that it goes through now */
    uint8_t rank;
    uint8_t *vnodes; /* these, u16 each */
    uint32_t vnode_n, at;
    uint64_t from; /* key_hash in vnode `at` */
    uint64_t pass_dead, pass_erased;
    /* the batch */
    struct buf entries;
    unsigned entry_n;
    bool held[ERASABLE_MAX]; /* by all owners so far */
    struct asked_set asked;  /* the other owners of the vnode, at their places */
    struct asked owner[OWNERS_MAX];
    struct buf confirmed;
    /* for reports */
    uint64_t dead;   /* tombstones, and values known to be over, that the last pass has met */
    uint64_t erased; /* records, since the start */
};

struct erase_options {
    uint64_t self;
    /* 0: HINT_AGE_DEFAULT_MS, which it must not be below where hints are kept for so long */
    uint64_t age_ms;
};

void erase_init(struct erase *e, const struct erase_options *o);

/* All that it is told by the node; answers to TOKEN_ERASE tokens among it. */
extern const struct protocol erase_protocol;

/* Another owner says what all have confirmed. It is not heeded while this node is recovering. */
void erase_obey(struct erase *e, const struct moment *now, uint64_t from, const struct msg_erase *m,
                struct out *out);

#endif
