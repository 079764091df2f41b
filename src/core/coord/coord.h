/* coord.h: what clients asked of this node, until it is answered (design section 5).
 *
 * A coordinator turns a request into messages to a key's owners, gathers their answers to a quorum,
 * and answers the client once: ok, failed (refused before any replica could have stored it) or
 * unknown. Any member coordinates any key. The essay is in coord.c; what an operation is and how it
 * ends in coord_op.c, what time asks of it in coord_tick.c, writes in coord_write.c, reads in
 * coord_read.c, expiries in coord_expire.c, stamps in coord_stamp.c, the count over all members in
 * census.c, FLUSHALL in flush.c. */
#ifndef COVEY_CORE_COORD_H
#define COVEY_CORE_COORD_H

#include "base/hlc.h"
#include "core/asked.h"
#include "core/coord/census.h"
#include "core/protocol.h"
#include "core/coord/flush.h"
#include "core/coord/hedge.h"
#include "core/slab.h"

enum {
    /* client operations under way: about 2 KB each at most sizes of small values */
    OPS_MAX_DEFAULT = 16384,
    OP_DEADLINE_DEFAULT_MS = 2000,
    /* an operation is looked at again every deadline / OP_TICKS: fail-over, resending */
    OP_TICKS = 4,
    /* who still owes an answer when others answer so much later is held for silent: more than one
     * retransmission takes (200 ms), which passes by itself. By the others' answers, for we may be
     * the slow one */
    PEER_SILENT_MS = 250,
    OP_OUT_MAX = 2 * OWNERS_MAX + 2, /* actions of one: it may make another end, to have room */
    COORD_OUT_MAX = 48 + OP_OUT_MAX, /* actions a call appends at most */
    /* bytes of buffer that a free operation keeps for the next one */
    OP_DATA_KEPT = 4096,
    /* bytes of answered writes that still wait for an owner, slots included: some 60,000 small
     * ones, so that an owner may lag for a quarter of a second at full speed before hints take
     * over. Of each slot the room for owners beyond the layout's N is never touched, so a third of
     * it stays out of memory. */
    LINGER_BYTES_DEFAULT = 96 * 1024 * 1024,
};

/* An operation's phases. Allowed moves:
 *
 *   READ --(quorum agrees)--> done              DEL, EXPIRE, PUT that asks first: READ --> WRITE
 *   READ --> FETCH (the newest value is elsewhere) --> REPAIR --> done
 *   READ --> REPAIR (stale owners, value at hand)  --> done
 *   WRITE --(W acks)--> answered, lingering --(the other owners too, or hints for them)--> done
 *   every phase --(deadline, nobody left)--> done, with an error; a write of unknown outcome leaves
 *   hints too
 */
enum op_phase { PHASE_READ, PHASE_FETCH, PHASE_REPAIR, PHASE_WRITE };

/* What is known of one owner within the present phase: the states of core/asked.h, of which the
 * last is told apart. */
enum owner_state {
    OWNER_IDLE = ASKED_IDLE, /* not asked, or what was asked is lost or was refused for now */
    OWNER_ASKED = ASKED_OPEN,
    /* read: answered. Write, repair: took this version durably (or holds a greater one where that
     * counts) */
    OWNER_DONE = ASKED_DONE,
    /* write: holds a greater version (or a floor: `aged`), and never took this one */
    OWNER_NEVER,
    OWNER_UNSURE, /* write: the same, but it may have taken this one */
    /* write, order open: took it, but may have lost a greater version that was acknowledged */
    OWNER_RECOVERING,
    OWNER_FAILED, /* refused for good, or its disk failed */
};

struct op_owner {
    uint64_t id;
    struct asked asked; /* its state is an enum owner_state */
    uint64_t asked_ms;  /* when it was asked last */
    /* writes sent and not refused: while there are any, the record may be stored there */
    uint8_t open;
    /* write: refused the stamp as too old: it holds nothing, not even a greater version */
    bool aged;
    /* write: was recovering when it answered, so `seen` may be less than what it held */
    bool unsound;
    /* write: its stream broke since the write began, or it became an owner since: another process
     * may answer */
    bool torn;
    bool hinted; /* write: a hint was left for it */
    /* refused to be read; ours when it was asked to write: it may have lost what it held */
    bool recovering;
    bool read;    /* answered the read: `seen` is what it holds */
    uint8_t kind; /* of what it holds: enum record_kind */
    int error;    /* FAILED: with what */
    uint32_t size;
    uint64_t expiry_ms;
    struct version seen;
};

struct op_queue_link {
    uint32_t prev, next; /* slab indexes; UINT32_MAX ends */
};

struct op {
    uint64_t handle;
    uint64_t token; /* the client's */
    uint64_t deadline_ms, tick_ms;
    struct op_queue_link by_deadline, by_tick, by_answer, by_hedge;
    uint64_t hedge_ms; /* when a read asks one more owner; 0: it is not in that queue */
    uint8_t kind;      /* enum op_kind */
    uint8_t level;     /* enum consistency */
    uint8_t phase;
    /* write: its stamp is above all that was acknowledged before it began, so a greater version
     * counts as an ack */
    bool ordered;
    uint8_t need; /* owners that must answer in this phase */
    uint8_t owner_n;
    uint8_t value_from; /* read: index of the owner asked for the value, OWNERS_MAX for nobody */
    bool existed;
    bool have_value; /* data holds the value of `record` */
    /* the client has its answer: a write that lingers until every owner holds it */
    bool answered;
    bool keep_expiry;
    uint8_t when;       /* EXPIRE: enum expire_when */
    uint64_t expiry_ms; /* PUT, EXPIRE: what was asked for, absolute; 0: none */
    int refusal;        /* the last refusal met, for the error */
    bool unstamped;     /* it was that of the own disk, which did not take the clock's ceiling */
    uint16_t slot, vnode;
    uint32_t key_n;
    uint64_t epoch; /* of the layout that gave the owners */
    /* written, or the newest read; its slices are unused: the bytes are in data */
    struct record record;
    uint32_t size;  /* of record's value */
    uint32_t put_n; /* PUT: bytes of the value to be written */
    uint64_t above; /* write: its stamp must be greater */
    /* a new operation finds these two as the last one left them */
    struct buf data;                   /* key, then value */
    struct op_owner owner[OWNERS_MAX]; /* the first owner_n: the rest, at the end, is not touched */
};

/* What the coordinator found out about a member of the layout. */
struct coord_due {
    uint64_t id;
    uint64_t since_ms; /* the first that it was asked since it answered last; 0: it owes nothing */
    /* it left a write without an answer until the deadline, and answered none since */
    bool mute;
    bool failing; /* its store failed the last write that it answered */
};

/* An owner's answer to a put. */
struct put_answer {
    int error;
    struct version held; /* there now; with ERR_TOO_OLD: the floor */
    /* with ERR_SUPERSEDED, ERR_TOO_OLD: that version was never taken since the owner was started */
    bool never_took;
    /* the owner is recovering there: it may have lost a greater version that was acknowledged */
    bool unsound;
};

struct op_queue {
    uint32_t head, tail;
};

struct coord {
    uint64_t self;
    uint32_t deadline_ms;
    const struct moment *now; /* of the call under way, or the last one */
    struct coord_due *due;    /* parallel to now->layout's members */
    unsigned due_n;
    struct hlc clock;
    struct slab ops;
    uint32_t ops_max; /* not yet answered */
    struct op_queue by_deadline, by_tick;
    struct op_queue by_answer; /* those that linger, */
    uint32_t linger_n;         /* how many, */
    uint64_t linger_bytes, linger_bytes_max;
    bool draining;            /* nobody lingers any more */
    struct op_queue by_hedge; /* a change of the p99 makes some late, by that change at most */
    struct hedge hedge;
    /* slab index at which the walk over all operations goes on; == ops.cap when there is none */
    uint32_t sweep;
    uint64_t heard_ms; /* when an owner answered last */
    /* stamps lie below it, and it is durable; UINT64_MAX: there is none */
    uint64_t ceiling_ms;
    bool ceiling_wanted; /* a higher one should be stored, */
    bool stamps_wait;    /* and some writes wait for it */
    /* why it could not be stored, until those who wait for it are told */
    int ceiling_error;
    uint32_t turn;   /* rotates the digest reads over the owners */
    uint32_t writes; /* operations in PHASE_WRITE */
    /* operations answered in the last step whose large buffers go at the next */
    uint32_t trim[COORD_OUT_MAX];
    unsigned trim_n;
    struct census census;
    struct flush flush;
    struct where_owner where[OWNERS_MAX]; /* of the last OP_WHERE result */
};

struct coord_options {
    uint64_t self;
    uint32_t ops_max;          /* 0: OPS_MAX_DEFAULT */
    uint32_t deadline_ms;      /* 0: OP_DEADLINE_DEFAULT_MS */
    uint32_t linger_bytes_max; /* 0: LINGER_BYTES_DEFAULT */
};

/* 0 or ERR_NO_MEMORY. */
int coord_init(struct coord *c, const struct coord_options *o);

/* Everything else that it is told: the layout, the members, answers of peers and of the own store
 * to TOKEN_COORD tokens, time. */
extern const struct protocol coord_protocol;

/* The clock's ceiling (coord_stamp.c), in wall ms: what was stored before this start, then each one
 * that has become durable. And the next that should be stored, 0 while none is needed: asked for
 * only when none is on its way. */
void coord_ceiling_recall(struct coord *c, uint64_t ms);
void coord_ceiling(struct coord *c, const struct moment *now, uint64_t ms);
uint64_t coord_ceiling_wanted(struct coord *c, const struct moment *now);

/* It could not be stored (ERR_IO, ERR_NO_SPACE): the writes that wait for it end with that. */
void coord_ceiling_failed(struct coord *c, const struct moment *now, int error);

/* Whether it leaves writes without an answer. And: it answered one that is not the coordinator's, a
 * hint. */
bool coord_mute(const struct coord *c, uint64_t id);
void coord_hint_answered(struct coord *c, const struct moment *now, uint64_t id);

/* A client's request (GET, HEAD, PUT, DEL, EXPIRE, WHERE, COUNT, FLUSH): answered by an ACT_REPLY
 * now or later. */
void coord_request(struct coord *c, const struct moment *now, const struct request *r,
                   struct out *out);

/* The node is about to stop: writes that linger end now, with hints, a slice at each tick. True
 * when none is left. */
bool coord_drain(struct coord *c);

/* Operations not yet answered, those of census and flush included. */
uint32_t coord_in_flight(const struct coord *c);

#endif
