/* coord.h: the operations that clients asked this node for, until they are answered.
 *
 * A coordinator turns a request into messages to a key's owners, gathers their answers to a quorum,
 * and answers the client once: ok, failed (nothing was stored) or unknown (something may be). Any
 * member coordinates any key. The essay is in coord.c. An operation's queues and its end are in
 * coord_op.c, what time asks of it in coord_tick.c, writes in coord_write.c, reads in coord_read.c,
 * expiries in coord_expire.c, stamps in coord_stamp.c, the count over all members in census.c,
 * FLUSHALL in flush.c. */
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
    /* Client operations under way: about 2 KB each while values are small. */
    OPS_MAX_DEFAULT = 16384,
    OP_DEADLINE_DEFAULT_MS = 2000,
    /* An operation is looked at again every deadline / OP_TICKS: fail-over, resending. */
    OP_TICKS = 4,
    /* A member that owes an answer is taken for silent when others answer something so much later
     * than it was asked: later than one retransmission takes (200 ms), which passes by itself. It
     * is measured by the others' answers, because this node may be the slow one. */
    PEER_SILENT_MS = 250,
    /* Actions of one operation at most: it may make another one end, to have room. */
    OP_OUT_MAX = 2 * OWNERS_MAX + 2,
    COORD_OUT_MAX = 48 + OP_OUT_MAX, /* actions a call appends at most */
    OP_DATA_KEPT = 4096, /* bytes of buffer that a free cell keeps for its next operation */
    /* Bytes of answered writes that still wait for an owner, their cells included: some 60,000
     * small ones, so that an owner may lag for a quarter of a second at full speed before hints
     * take over. The part of each cell for owners beyond the layout's N is never touched, so a
     * third of these bytes is never in memory. */
    LINGER_BYTES_DEFAULT = 96 * 1024 * 1024,
};

/* An operation's phases. What may follow what is a table in coord_op.c (op_enter):
 *
 *     a request --+--> READ --(R owners agree)--------------------------> over
 *                 |     |  '---> FETCH (the newest value is elsewhere) --> REPAIR, or over
 *                 |     '------> REPAIR (owners that lack the newest) ---> over
 *                 |     '------> WRITE (DEL, EXPIRE; a PUT that asks first)
 *                 '--> WRITE --(W acks)--> answered, lingers --(all owners hold it)--> over
 *
 *     READ, FETCH, REPAIR --(a step went wrong, or another layout)--> READ, from its beginning
 *     EXPIRE reads like a GET, so it goes on to WRITE from FETCH and REPAIR too.
 *     Each phase ends with an error at the deadline, or when no owner is left to wait for. A write
 *     of unknown outcome lingers like an answered one. */
enum op_phase { PHASE_READ, PHASE_FETCH, PHASE_REPAIR, PHASE_WRITE };

/* What is known of one owner within the present phase: the states of core/asked.h, of which DONE is
 * split. coord_write.c has a table of which answer makes which. */
enum owner_state {
    OWNER_IDLE = ASKED_IDLE, /* not asked; or what was asked is lost, or was refused for now */
    OWNER_ASKED = ASKED_OPEN,
    /* Read: it answered. Write, repair: it took the record durably, or holds a greater version
     * where that counts as much. */
    OWNER_DONE = ASKED_DONE,
    OWNER_NEVER,  /* write: it holds a greater version (or a floor), and never took the record */
    OWNER_UNSURE, /* write: the same, but it may have taken the record earlier */
    /* Write, while its order is open: it took the record, but is recovering. */
    OWNER_RECOVERING,
    OWNER_FAILED, /* it refused for good, or its disk failed */
};

struct op_owner {
    uint64_t id;
    struct asked asked; /* its state is an enum owner_state */
    uint64_t asked_ms;  /* when it was asked last */

    /* ---- Of a write ---- */
    /* Puts that were sent to it and not refused: while there are any, it may store the record. */
    uint8_t open;
    /* Repairs of the read before the write, sent to it and not answered: a late refusal of one of
     * them is none of the write. */
    uint8_t repairs;
    /* It refused the stamp as too old: it holds nothing of the key, no greater version either. */
    bool aged;
    /* It was recovering when it answered, so `seen` may be less than what it held before. */
    bool unsound;
    /* Its stream broke since the write began, or it became an owner since: the process that answers
     * may not be the one that was asked first. */
    bool torn;
    bool hinted; /* a hint was left for it */

    /* It refused to be read because it is recovering. Of the own store: this node was recovering
     * when it was asked to write. */
    bool recovering;

    /* ---- Of a read ---- */
    bool read;           /* it answered: the next four are what it holds */
    uint8_t kind;        /* enum record_kind */
    uint32_t size;       /* bytes of the value */
    uint64_t expiry_ms;  /* when the value ends; 0: never */
    struct version seen; /* of a write too: what it held when it answered */

    int error; /* the error that it answered last */
};

struct op_queue_link {
    uint32_t prev, next; /* slab indexes; UINT32_MAX ends */
};

struct op {
    uint64_t handle;
    uint64_t token; /* of the client's request */
    uint64_t deadline_ms, tick_ms;
    struct op_queue_link by_deadline, by_tick, by_answer, by_hedge;
    uint64_t hedge_ms; /* when a read asks one more owner; 0: it is not in the queue by_hedge */
    uint8_t kind;      /* enum op_kind */
    uint8_t level;     /* enum consistency */
    uint8_t phase;     /* enum op_phase */
    /* Write: its stamp is above all that was acknowledged before it began, so a greater version
     * counts as an ack. */
    bool ordered;
    uint8_t need;       /* owners that must answer in this phase */
    uint8_t owner_n;    /* as the layout of `epoch` has it */
    uint8_t value_from; /* read: index of the owner that is asked for the value; OWNERS_MAX: none */
    bool existed;       /* DEL: there was a value. EXPIRE: it gets another end */
    bool have_value;    /* `data` has the value of `record` in it */
    bool answered;      /* a write: the client has its answer, and the write lingers */
    bool keep_expiry;   /* PUT: the new value takes over the expiry of the old one */
    uint8_t when;       /* EXPIRE: enum expire_when */
    uint64_t expiry_ms; /* PUT, EXPIRE: what was asked for, absolute; 0: none */
    int refusal;        /* the last error that an owner answered: the client gets it if all fail */
    bool unstamped; /* `refusal` is that of the own disk, which did not store the clock's ceiling */
    uint16_t slot, vnode;
    uint32_t key_n;
    uint64_t epoch; /* of the layout that gave the owners */
    /* The record that is written, or the newest that was read. Its slices are not used: the bytes
     * are in `data`. */
    struct record record;
    uint32_t size;  /* of record's value */
    uint32_t put_n; /* PUT: bytes of the value to be written */
    uint64_t above; /* write: its stamp must be greater than this one */
    /* write: an owner under an earlier layout was sent the record and did not refuse it */
    bool sent_before;

    /* A new operation finds the next two as the last one in the cell left them. */
    struct buf data;                   /* key, then value */
    struct op_owner owner[OWNERS_MAX]; /* the first owner_n are used, the others never touched */
};

/* What the coordinator found out about a member of the layout. */
struct coord_due {
    uint64_t id;
    /* When it was asked first since it answered last: it owes an answer since then. 0: it owes
     * none. */
    uint64_t since_ms;
    bool mute; /* it left a write without an answer until the deadline, and answered none since */
    bool failing; /* its disk failed the last write that it answered */
};

/* An owner's answer to a put. */
struct put_answer {
    int error;
    struct version held; /* what the owner holds now; with ERR_TOO_OLD: its floor */
    /* With ERR_SUPERSEDED and ERR_TOO_OLD: the process that answers never took the record. */
    bool never_took;
    /* The owner is recovering: it may have lost a greater version that was acknowledged. */
    bool unsound;
};

struct op_queue {
    uint32_t head, tail;
};

struct coord {
    uint64_t self;
    uint32_t deadline_ms;     /* after so long an operation ends */
    const struct moment *now; /* of the call under way, or the last one */
    struct coord_due *due;    /* parallel to now->layout's members */
    unsigned due_n;
    struct hlc clock;

    struct slab ops;  /* of struct op: those not yet answered, and those that linger */
    uint32_t ops_max; /* of those not yet answered */
    struct op_queue by_deadline, by_tick; /* all operations */
    struct op_queue by_hedge;  /* reads that will ask one more owner, about in that order */
    struct op_queue by_answer; /* writes that linger */
    uint32_t linger_n;         /* how many these are */
    uint64_t linger_bytes;     /* and how large */
    uint64_t linger_bytes_max;
    bool draining;  /* this node is about to stop: no write lingers any more */
    uint32_t sweep; /* cell at which the walk over all operations goes on; ops.cap: there is none */
    uint32_t turn;  /* which owner a read asks first: it rotates, to spread the load */
    uint32_t writes; /* operations in PHASE_WRITE */
    struct hedge hedge;
    uint64_t answered_ms; /* when a member answered last */

    /* ---- Stamps (coord_stamp.c) ---- */
    uint64_t ceiling_ms; /* durable, and above all stamps; UINT64_MAX: there is none */
    bool ceiling_wanted; /* a higher one should be stored */
    bool stamps_wait;    /* some writes wait for it */
    int ceiling_error;   /* why it was not stored, until the writes that wait for it have ended */

    /* Cells of operations that ended in the last step: large buffers are freed at the next. */
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

/* All else that it is called with: the layout, the members, the answers of peers and of the own
 * store to TOKEN_COORD tokens, time. */
extern const struct protocol coord_protocol;

/* The clock's ceiling (coord_stamp.c), in wall ms. At the start: the one that was stored before.
 * Then: one has become durable. */
void coord_ceiling_recall(struct coord *c, uint64_t ms);
void coord_ceiling(struct coord *c, const struct moment *now, uint64_t ms);

/* The ceiling that should be stored next, 0 while none is needed. To be called only when none is
 * being stored. */
uint64_t coord_ceiling_wanted(struct coord *c, const struct moment *now);

/* A ceiling could not be stored (ERR_IO, ERR_NO_SPACE): the writes that wait for it end with that
 * error. */
void coord_ceiling_failed(struct coord *c, const struct moment *now, int error);

/* Whether a member leaves writes without an answer. */
bool coord_mute(const struct coord *c, uint64_t id);

/* A client's request (GET, HEAD, PUT, DEL, EXPIRE, WHERE, COUNT, FLUSH): answered by an ACT_REPLY
 * now or later. */
void coord_request(struct coord *c, const struct moment *now, const struct request *r,
                   struct out *out);

/* The node is about to stop: writes that linger end early, with hints, some at each tick. True when
 * none is left. */
bool coord_drain(struct coord *c);

/* Operations that are not answered yet, those of census and flush included. */
uint32_t coord_in_flight(const struct coord *c);

#endif
