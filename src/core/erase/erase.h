/* erase.h: tombstones, and values whose time is over, go for good (design section 4, "Erasing"). The essay is in erase.c; the
 * store's half is store/table/floors.h.
 *
 * Every owner of a vnode runs this for what it holds itself, the first owner soonest. Whoever is asked keeps no state:
 * replica.c answers for its store. */
#ifndef COVEY_CORE_ERASE_H
#define COVEY_CORE_ERASE_H

#include "core/event.h"
#include "wire/merkle.h"

enum {
    ERASE_ANSWER_MS = 2000,     /* owners who say nothing for so long confirm nothing */
    ERASE_PASSES = 16,          /* passes over all vnodes in the age of what is erased: so much later, at most, it is found */
    ERASE_PASS_MIN_MS = 500,    /* between two passes, at least, */
    ERASE_PASS_MAX_MS = 600000, /* and at most */
    ERASE_PAUSE_MS = 10,        /* after a batch, or as long as it took: at most 6,400 keys a second */
    ERASE_LATER = 4,            /* the second owner is a quarter of the age later than the first, and so on */
    ERASE_OUT_MAX = ERASABLE_MAX + REPLICAS_MAX + 2,
};

/* REST --(due)--> LOOK --(some may go)--> ASK --(all owners have answered, or time is up)--> REST
 *                   '--(none in this vnode, nor the next ones)--> REST */
enum erase_phase {
    ERASE_REST,
    ERASE_LOOK, /* the own store is asked for what may go */
    ERASE_ASK,  /* the other owners are asked whether they hold the same */
};

struct erase_peer {
    uint64_t id;
    struct addr addr;
    bool alive;
};

struct erase {
    uint64_t self;
    const struct layout *layout; /* borrowed from the chain */
    struct erase_peer *peer;     /* parallel to layout->member */
    uint64_t age_ms;
    uint64_t now_ms, wall_ms; /* wall: the time by which ends are judged */
    bool rests;               /* a layout is being agreed, or this node is recovering */
    enum erase_phase phase;
    uint64_t next_ms; /* REST: when it goes on; else when it is given up */
    uint64_t began_ms;
    uint64_t number; /* of the open question */
    /* the pass */
    uint8_t rank;    /* the place among their owners that we have in the vnodes that it goes through now */
    uint8_t *vnodes; /* these, u16 each */
    uint32_t vnode_n, at;
    uint64_t from; /* position in vnode `at` */
    uint64_t pass_dead, pass_erased;
    /* the batch */
    struct buf entries;
    unsigned entry_n;
    bool held[ERASABLE_MAX]; /* by all owners so far */
    uint8_t silent;          /* owners that have not answered: a bit for each place */
    struct buf confirmed;
    /* for reports */
    uint64_t dead;   /* tombstones, and values known to be over, that the last pass has met */
    uint64_t erased; /* records, since the start */
};

struct erase_options {
    uint64_t self;
    uint64_t age_ms; /* 0: HINT_AGE_DEFAULT_MS, which it must not be below where hints are kept for so long */
};

void erase_init(struct erase *e, const struct erase_options *o);
void erase_close(struct erase *e);

/* First in every step. `rests`: nothing may be erased now. */
void erase_time(struct erase *e, uint64_t now_ms, uint64_t wall_ms, bool rests);

/* A layout is in force: what was under way ends. 0 or ERR_NO_MEMORY. */
int erase_layout(struct erase *e, const struct layout *layout);

/* A member of the layout: where it is, and whether it lives beyond suspicion. */
void erase_peer(struct erase *e, uint64_t id, struct addr addr, bool alive);

/* A peer's answer to a TOKEN_ERASE op. */
void erase_message(struct erase *e, uint64_t from, const struct message *m, struct out *out);

/* Another owner says what all have confirmed. It is not heeded while this node is recovering. */
void erase_obey(struct erase *e, uint64_t from, const struct msg_erase *m, bool recovering, struct out *out);

/* The own store's answers to TOKEN_ERASE tokens. */
void erase_told(struct erase *e, uint64_t number, int error, struct slice told, uint64_t upto, uint64_t dead, struct out *out);
void erase_stored(struct erase *e, int error);

/* Whether a list is one that may be asked for: not too long, all of it over by that time. 0, ERR_BAD_MESSAGE or ERR_CLOCK. */
int erase_judge(struct slice entries, uint64_t wall_ms);

/* A bounded piece of what time asks for. */
void erase_tick(struct erase *e, struct out *out);
uint64_t erase_deadline_ms(const struct erase *e);

void erase_check(const struct erase *e);

#endif
