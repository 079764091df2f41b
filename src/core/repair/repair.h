/* repair.h: Merkle anti-entropy: owners of a vnode compare what they hold, and what one is missing
 * the other sends (design section 5).
 *
 * The essay is in repair.c: which exchange comes when, and what they found. One exchange, step by
 * step, is in repair_run.c and repair_move.c. The side that is asked keeps no state: replica.c
 * answers for its store. */
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
    /* both ends of a pair begin an exchange in that time: a pair compares every five minutes */
    REPAIR_EVERY_MS = 10 * 60 * 1000,
    /* after a member's return: the first of what it missed may come to it by other ways */
    REPAIR_RETURN_MS = 1000,
    REPAIR_RETRY_MS = 10 * 1000, /* after an exchange that was not completed */
    REPAIR_ANSWER_MS = 5000,     /* a peer that says nothing for so long ends the exchange */
    /* versions younger than that are on their way to the owners anyhow */
    REPAIR_YOUNG_MS = 2000,
    /* vnodes whose roots are asked for at once: bounds how many trees one question may plant */
    REPAIR_ROOTS = 32,
    REPAIR_FLUSHED_MAX =
        /* bytes of a side's flushes: twice as many runs as can be */
    2 * FLUSH_RUN * SPACES_CLIENTS * REPAIR_ROOTS,
    REPAIR_WINDOW = 32, /* records on their way, */
    /* and bytes, unless one record alone is larger */
    REPAIR_WINDOW_BYTES = 1 << 20,
    REPAIR_OUT_MAX = REPAIR_WINDOW + 4,
    REPAIR_RECOVERING = 0xfffe, /* instead of a vnode */
};

/* What this node and another member compare, and when. */
struct repair_peer {
    bool asked;       /* an operator wants an exchange now */
    uint16_t shared;  /* vnodes that it and this node both own */
    uint64_t due_ms;  /* when the next exchange begins */
    uint64_t done_ms; /* when the last complete one began; 0: never */
};

enum repair_phase {
    REPAIR_IDLE,
    REPAIR_TREES,  /* roots of some vnodes are awaited from both stores */
    REPAIR_FLUSH,  /* one of the two is brought a flush that it missed; then the roots again */
    REPAIR_LEAVES, /* the leaves of one vnode */
    REPAIR_LISTS,  /* the (key, version) pairs of its ranges that differ */
    REPAIR_MOVES,  /* the records that one of the two is missing */
};

/* A record on its way; free while number is 0. */
struct repair_flight {
    uint64_t number;
    uint32_t size;
    bool deletion;
    /* get theirs, store it; read ours, put it there */
    enum { FLIGHT_PULL, FLIGHT_KEEP, FLIGHT_READ, FLIGHT_PUSH } stage;
    struct slice key;       /* in a list */
    struct version version; /* PUSH: of what was read, */
    uint64_t expiry_ms;     /* with its expiry */
};

enum { REPAIR_OWN, REPAIR_THEIRS, REPAIR_SIDES }; /* of whom a question is asked */

/* What one store answered. */
struct repair_side {
    uint64_t upto;      /* of a list, */
    uint64_t ticket;    /* and what says that nothing was erased there since */
    struct buf flushed; /* runs that have a part in the vnodes of the last roots, */
    struct buf floors;  /* and these vnodes' floors */
    struct buf told;
    struct buf leaves; /* of the vnode that is being looked into */
    struct slice rest; /* of a list: not judged yet */
};

/* A floor as a state record (store/table/floors.h). */
struct repair_floor {
    uint8_t name[16];
    uint8_t value[8];
};

/* The exchange under way. */
struct repair_run {
    enum repair_phase phase;
    uint64_t peer;
    uint64_t began_ms, deadline_ms;
    uint64_t number;        /* of the question that is open */
    struct asked_set asked; /* which of the two have answered it */
    struct asked asks[REPAIR_SIDES];
    uint16_t *vnode; /* to be compared: shared by both */
    uint16_t vnode_n, vnode_at;
    uint16_t differ[REPAIR_ROOTS]; /* of the last roots: to be looked into */
    unsigned differ_n, differ_at;
    uint8_t question[2 * REPAIR_ROOTS]; /* the vnodes asked for */
    unsigned question_n;
    struct buf ranges; /* of the vnode that differ and are being listed */
    uint64_t from;     /* the key_hash up to which they are through */
    bool incomplete;   /* something of this vnode could not be moved */
    bool all;          /* every vnode so far was completed */
    bool whole;        /* all vnodes that the two share are compared */
    /* a bit for each vnode of the question last answered: the peer is recovering there itself */
    uint32_t unsound;
    uint8_t area[FLUSH_AREA]; /* of the flush that one of the two is brought */
    /* of the last roots: the peer's, on their way to the own store */
    struct repair_floor floor[REPAIR_ROOTS];
    struct repair_side own, theirs;
    struct repair_flight flight[REPAIR_WINDOW];
    unsigned flight_n;
    uint64_t flight_bytes;
};

struct repair {
    uint64_t self;
    const struct moment *now; /* of the call under way, or the last one */
    struct repair_peer *peer; /* parallel to now->layout's members */
    uint8_t *recovering;      /* per vnode: reads are refused; see repair_recover.c */
    /* per vnode: the places of the owners that were synced from and are sound, a bit each; */
    uint8_t *sources;
    uint8_t *met; /* and of all that were synced from */
    uint32_t recovering_n;
    struct refused refused; /* of the vnodes marked: what sources would not take */
    /* when what enough of them refused is looked for; UINT64_MAX: nothing is new */
    uint64_t sweep_ms;
    uint64_t sweep_number; /* of the erasures that are on their way to the own store, */
    unsigned sweep_n;      /* so many, */
    bool sweep_failed;     /* of which some failed */
    uint32_t doubts;       /* counts vnodes that were marked, ever */
    /* slots that may lack records, a bit each: marks what a later layout gives us too */
    uint8_t doubt[SLOTS / 8];
    uint8_t healed[SLOTS / 8]; /* slots that ceased to be in doubt since repair_healed was asked, */
    bool any_healed;
    uint8_t said_healed[SLOTS / 8]; /* and when it was */
    /* vnodes * n: when the last complete comparison with that owner began; 0: never */
    uint64_t *synced_ms;
    uint16_t only;    /* the vnode that an operator asked for, or REPAIR_ALL */
    uint64_t next_ms; /* when the next exchange is due */
    uint64_t serial;
    /* exchanges begin only when asked for, or to recover: so that the simulator sees what the
     * others do alone */
    bool manual;
    struct rng rng;
    struct repair_run run;
    struct repair_info info;
};

void repair_init(struct repair *r, uint64_t self, uint64_t seed);

/* What it is told by the node; answers to TOKEN_REPAIR tokens among it. */
extern const struct protocol repair_protocol;

/* An operator wants all other owners compared with now, in one vnode or REPAIR_ALL. ERR_REFUSED: no
 * such vnode here. */
int repair_ask(struct repair *r, const struct moment *now, uint32_t vnode);

/* Records of some slots (SLOTS / 8 bytes, a bit each) may be missing here: this node is recovering
 * in the vnodes concerned, those of them that it owns, until it has synced each. Before there is a
 * layout that is remembered for it. */
void repair_doubt(struct repair *r, const struct moment *now, struct slice slots);
void repair_doubt_all(struct repair *r, const struct moment *now);

/* The slots that ceased to be in doubt since this was asked last; false: none. They live until the
 * next call. */
bool repair_healed(struct repair *r, struct slice *slots);

/* When this node's records of a vnode were last known to be those of all other owners; 0: never, or
 * it is no owner. */
uint64_t repair_synced_ms(const struct repair *r, const struct moment *now, uint16_t vnode);

#endif
