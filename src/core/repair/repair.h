/* repair.h: Merkle anti-entropy: owners of a vnode compare what they hold, and each is sent what it
 * is missing.
 *
 * The essay is in repair.c: which exchange comes when, and what is known afterwards. One exchange,
 * step by step, is in repair_run.c and repair_move.c; an owner that lost records is in
 * repair_recover.c. The peer of an exchange keeps no state: core/replica answers for its store. */
#ifndef COVEY_CORE_REPAIR_H
#define COVEY_CORE_REPAIR_H

#include "base/hash.h"
#include "base/rng.h"
#include "core/asked.h"
#include "core/protocol.h"
#include "core/repair/refused.h"
#include "wire/flush.h"
#include "wire/merkle.h"

enum {
    /* Each end of a pair begins an exchange in that time, so a pair compares every five minutes. */
    REPAIR_EVERY_MS = 10 * 60 * 1000,
    /* The pause after a member's return: the first of what it missed may reach it by other ways. */
    REPAIR_RETURN_MS = 1000,
    REPAIR_RETRY_MS = 10 * 1000, /* the pause after an exchange that was not completed */
    REPAIR_ANSWER_MS = 5000,     /* a peer that is silent for so long ends the exchange */
    REPAIR_YOUNG_MS = 2000,      /* younger versions are on their way to the owners anyhow */
    /* Vnodes whose roots are asked for at once: it bounds how many trees one question may build. */
    REPAIR_ROOTS = 32,
    /* The most bytes of a side's flushes: twice as many runs as can be. */
    REPAIR_FLUSHED_MAX = 2 * FLUSH_RUN * SPACES_CLIENTS * REPAIR_ROOTS,
    REPAIR_WINDOW = 32,            /* the most records on their way */
    REPAIR_WINDOW_BYTES = 1 << 20, /* the most bytes of them, unless one record alone is larger */
    REPAIR_OUT_MAX = REPAIR_WINDOW + 4,
    REPAIR_RECOVERING = 0xfffe, /* stands for a vnode: all those in which this node recovers */
};

/* What this node and another member compare, and when. */
struct repair_peer {
    bool asked;       /* an operator wants an exchange now */
    uint16_t shared;  /* how many vnodes it and this node both own */
    uint64_t due_ms;  /* when the next exchange begins */
    uint64_t done_ms; /* when the last complete one began; 0: never */
};

/* repair_run.c has the diagram. */
enum repair_phase {
    REPAIR_IDLE,
    REPAIR_TREES,  /* the roots of some vnodes are awaited from both stores */
    REPAIR_FLUSH,  /* one of the two is brought a flush that it missed; then the roots again */
    REPAIR_LEAVES, /* the leaves of one vnode are awaited */
    REPAIR_LISTS,  /* the (key, version) pairs of its ranges that differ are awaited */
    REPAIR_MOVES,  /* the records that one of the two is missing are on their way */
};

/* repair_move.c has the diagram. */
enum flight_stage {
    FLIGHT_PULL, /* the peer is asked for its record */
    FLIGHT_KEEP, /* that is put into the own store */
    FLIGHT_READ, /* the own store is asked for our record */
    FLIGHT_PUSH, /* that is put to the peer */
};

/* A record on its way; free while number is 0. */
struct repair_flight {
    uint64_t number;
    uint32_t size;
    bool deletion;
    uint8_t stage;          /* enum flight_stage */
    struct slice key;       /* points into a list */
    struct version version; /* in PUSH: of the record that was read */
    uint64_t expiry_ms;     /* likewise */
};

enum { REPAIR_OWN, REPAIR_THEIRS, REPAIR_SIDES }; /* the two stores that a question is put to */

/* What one store answered. */
struct repair_side {
    struct buf answer;  /* to the last question: roots, leaves, or a list */
    uint64_t upto;      /* the key hash up to which the list goes */
    uint64_t ticket;    /* of the list: whether anything was erased in the vnode since */
    struct buf flushed; /* with roots: the runs of flushes that meet their vnodes */
    struct buf floors;  /* with roots: the floors of their vnodes */
    struct buf leaves;  /* of the vnode that is being compared */
    struct slice rest;  /* the part of the list that is not merged yet */
};

/* A floor as a state record (store/table/floors.h). */
struct repair_floor {
    char name[16];
    uint8_t value[8];
};

/* The exchange under way. */
struct repair_run {
    uint8_t phase; /* enum repair_phase */
    uint64_t peer;
    uint64_t began_ms, deadline_ms;
    uint64_t number;        /* of the open question */
    struct asked_set asked; /* which of the two stores have answered it */
    struct asked asks[REPAIR_SIDES];
    uint16_t *vnode; /* the vnodes to be compared; both own each of them */
    uint16_t vnode_n, vnode_at;
    uint16_t differ[REPAIR_ROOTS]; /* those of the last roots that differ */
    unsigned differ_n, differ_at;
    uint8_t question[2 * REPAIR_ROOTS]; /* the vnodes of the last question, u16 each */
    unsigned question_n;
    struct buf ranges;        /* ranges of key hashes that differ, as they are listed */
    uint64_t from;            /* the key hash up to which the vnode is compared */
    bool vnode_incomplete;    /* a record of the vnode could not be moved */
    bool complete;            /* no vnode so far was incomplete */
    bool all_shared;          /* every vnode that the two share is compared */
    uint32_t unsound;         /* a bit for each vnode of `question`: the peer is recovering there */
    uint8_t area[FLUSH_AREA]; /* of the flush that one of the two is brought */
    struct repair_floor floor[REPAIR_ROOTS]; /* the peer's, on their way to the own store */
    struct repair_side own, theirs;
    struct repair_flight flight[REPAIR_WINDOW];
    unsigned flight_n;
    uint64_t flight_bytes;
};

struct repair {
    uint64_t self;
    const struct moment *now; /* of the call under way, or the last one */
    struct repair_peer *peer; /* parallel to now->layout's members */
    /* vnodes * n: when the last complete comparison with that owner began; 0: never */
    uint64_t *synced_ms;
    uint16_t only;    /* the vnode that an operator asked for, or REPAIR_ALL */
    uint64_t next_ms; /* when the next exchange is due */
    uint64_t serial;  /* counts the numbers that were given */
    bool manual;      /* exchanges begin only when asked for, or to recover: for the simulator */
    struct rng rng;
    struct repair_run run;
    struct repair_info info;

    /* ---- Recovering (repair_recover.c) ---- */

    /* per vnode: whether this node is recovering in it; one allocation with sources and merged */
    uint8_t *recovering;
    uint8_t *sources; /* per vnode: the sound owners that were merged, a bit for each rank */
    uint8_t *merged; /* per vnode: all owners that were merged, sound or not, a bit for each rank */
    uint32_t recovering_n;
    uint32_t doubts;           /* how often a vnode was marked, ever */
    uint8_t doubt[SLOTS / 8];  /* slots that may lack records, a bit each; kept over layouts */
    uint8_t healed[SLOTS / 8]; /* slots that ceased to be in doubt since repair_healed was asked */
    bool any_healed;
    uint8_t healed_out[SLOTS / 8]; /* what repair_healed returned last */
    struct refused refused;        /* what sources refused, in the vnodes that are recovering */
    /* Erasures of what enough sources refused. */
    uint64_t sweep_ms;     /* when they are looked for; UINT64_MAX: nothing is new */
    uint64_t sweep_number; /* of those on their way to the own store */
    unsigned sweep_n;      /* so many are on their way */
    bool sweep_failed;     /* one of them failed */
};

void repair_init(struct repair *r, uint64_t self, uint64_t seed);

/* The line of core/node/protocols.c: answers to TOKEN_REPAIR tokens. */
extern const struct protocol repair_protocol;

/* An operator wants this node compared with all other owners now, in one vnode or REPAIR_ALL.
 * ERR_REFUSED: this node does not own that vnode. */
int repair_ask(struct repair *r, const struct moment *now, uint32_t vnode);

/* Records of some slots (SLOTS / 8 bytes, a bit each) may be missing here. This node is recovering
 * in the vnodes of these slots that it owns, until it has synced each. Without a layout the slots
 * are remembered for the first one. */
void repair_doubt(struct repair *r, const struct moment *now, struct slice slots);

/* The same for all slots. */
void repair_doubt_all(struct repair *r, const struct moment *now);

/* The slots that ceased to be in doubt since this was asked last; false: none. They live until the
 * next call. */
bool repair_healed(struct repair *r, struct slice *slots);

/* When this node's records of a vnode were last known to be those of all other owners; 0: never, or
 * this node is no owner. */
uint64_t repair_synced_ms(const struct repair *r, const struct moment *now, uint16_t vnode);

#endif
