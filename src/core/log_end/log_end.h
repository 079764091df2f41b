/* log_end.h: how far each member's log reached: so that one that lost its end is noticed (design
 * section 4, "Recovering"). The essay is in log_end.c. */
#ifndef COVEY_CORE_LOG_END_H
#define COVEY_CORE_LOG_END_H

#include "base/buf.h"
#include "core/protocol.h"

enum {
    LOG_END_BOOTS =
        /* of its own that a node remembers: a peer that heard of none of the last 64 makes it
         * recover for nothing */
    64,
    LOG_END_MARKS = LAYOUT_MEMBERS_MAX * SHARDS, /* of others: one a log */
    LOG_END_SETTLED = 16,                        /* losses found and seen to */
    /* what peers announced is written down at most once in that time, along with other records */
    LOG_END_SAVE_MS = 1000,
};

/* No log was ever that long (at 1 GB/s 36 years): a greater position is an error of who says it,
 * and sums of two of them do not wrap. */
#define LOG_END_POSITION_MAX (UINT64_C(1) << 60)

/* What a peer remembers of our own log lifts what we announce above it, so it may go half-way at
 * most: no word of anybody takes our announcements to where they are not heard any more. */
#define LOG_END_TOLD_MAX (LOG_END_POSITION_MAX / 2)

/* In a datagram a position is heard up to so far above the last one: 1 TiB. A member sends one each
 * probe period, and says its position in every acknowledgement besides, so no log grows by that
 * between two words. */
#define LOG_END_LEAP (UINT64_C(1) << 40)

/* Little-endian, as it travels and rests: what a member announced last of a shard's log. */
struct log_end_mark {
    uint64_t id, boot, position, shard;
};

struct log_end_boot {
    uint64_t boot;
    uint64_t at; /* own[]: where its log began; settled[]: up to where a loss was seen to */
};

/* Pieces of the node's state, as they were saved; empty where there are none. */
struct log_end_options {
    uint64_t self, boot;
    uint64_t position;  /* where the log ends at this start */
    struct slice boots; /* state record "boots" */
    uint64_t boots_serial;
    struct slice ends; /* state record "ends" */
    uint64_t ends_serial;
};

struct log_end {
    uint64_t self, boot;
    uint64_t position; /* of the own log, as the store counts */
    /* is added to that wherever it is told: so that what is announced never goes back, whatever was
     * lost */
    uint64_t lift;
    struct log_end_boot own[LOG_END_BOOTS]; /* the last of them is this one */
    unsigned own_n;
    bool healing; /* a loss was found, and what was lost is not all here again */
    struct log_end_boot settled[LOG_END_SETTLED];
    unsigned settled_n, settled_at;
    /* the last of own and settled are durable: before that nothing is announced */
    bool saved;
    bool unsaved;      /* they changed since they were put, */
    uint64_t tried_ms; /* which was at this time */
    unsigned out;      /* of them on their way */
    uint64_t boots_serial;
    struct buf boots_bytes; /* of the last save */
    struct log_end_mark mark[LOG_END_MARKS];
    unsigned mark_n;
    bool dirty; /* marks changed since they were put */
    uint64_t put_ms, ends_serial;
    struct buf ends_bytes;
};

/* 0, ERR_BAD_MESSAGE (a record of another format, or one that breaks an invariant) or
 * ERR_NO_MEMORY. */
int log_end_init(struct log_end *r, const struct log_end_options *o);

/* Its place in the table of protocols: answers of the store to TOKEN_LOG_END tokens. */
extern const struct protocol log_end_protocol;

/* Where the own log ends now: first thing in each step. */
static inline void log_end_position(struct log_end *r, uint64_t position)
{
    r->position = position;
}

/* What this node tells of its log; its end is 0: nothing yet. */
static inline struct log_position log_end_announced(const struct log_end *r)
{
    return (struct log_position){.end = r->saved ? r->position + r->lift : 0};
}

/* A member said how far its log reaches. It must have been told, in this boot of its, what we
 * remember of it: that is overwritten. The log of a shard that is not known here is passed over. */
void log_end_heard(struct log_end *r, uint64_t id, uint64_t boot, struct log_position position);

/* Nothing was announced to anybody before this boot, so nobody can remember it. */
static inline bool log_end_first_boot(const struct log_end *r)
{
    return r->own_n == 1;
}

/* The same, in a datagram, which anybody can have sent. */
void log_end_overheard(struct log_end *r, uint64_t id, uint64_t boot, struct log_position position);

/* The boot of a member that announced most; 0: none did. */
uint64_t log_end_boot_of(const struct log_end *r, uint64_t id);

/* All that this node keeps of others, for its hello: a run of struct log_end_mark. */
static inline struct slice log_end_kept(const struct log_end *r)
{
    return slice_of(r->mark, r->mark_n * sizeof *r->mark);
}

/* What a peer keeps, from its hello. True when it remembers more of this node's log than there is:
 * then the loss is seen to from here on, and all that this node holds must be doubted, durably,
 * before it does anything else. */
bool log_end_told(struct log_end *r, struct slice kept);

/* The log lost records in a way that is seen here. Until log_end_healed, over restarts too, votes may
 * be among them. */
void log_end_damaged(struct log_end *r);

/* What was lost is here again. */
void log_end_healed(struct log_end *r);

/* Puts what changed. riding: other records are put in this step anyhow. At most 2 actions. */
void log_end_save(struct log_end *r, uint64_t now_ms, bool riding, struct out *out);

#endif
