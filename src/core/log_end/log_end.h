/* log_end.h: how far each member's log is durable, as the others remember it: a member that lost
 * the end of its log learns it from them. The essay is in log_end.c. */
#ifndef COVEY_CORE_LOG_END_H
#define COVEY_CORE_LOG_END_H

#include "base/buf.h"
#include "core/protocol.h"

enum {
    /* Boots of its own that a node remembers. A peer that met none of the last 64 makes the node
     * recover for nothing. */
    LOG_END_BOOTS = 64,
    LOG_END_MARKS = LAYOUT_MEMBERS_MAX * SHARDS, /* marks of other members: one a log */
    LOG_END_SETTLED = 16,                        /* losses that are remembered as settled */
    /* Marks are written down at most once in that time, along with other records. */
    LOG_END_SAVE_MS = 1000,
};

/* No log was ever that long (at 1 GB/s it takes 36 years). A greater position is an error of its
 * sender, and the sum of two of them does not wrap. */
#define LOG_END_POSITION_MAX (UINT64_C(1) << 60)

/* The greatest position that a peer may remember of our own log. What we announce is lifted above
 * it, so it goes half-way at most: no peer can lift our announcements to where others do not take
 * them. */
#define LOG_END_OWN_MAX (LOG_END_POSITION_MAX / 2)

/* A position in a datagram is taken up to so far above the last one: 1 TiB. A member sends one each
 * probe period, and one with every acknowledgement besides, so no log grows by that in between. */
#define LOG_END_LEAP (UINT64_C(1) << 40)

/* What a member announced last of a shard's log. Little-endian, as it travels and rests. */
struct log_end_mark {
    uint64_t id, boot, position, shard;
};

/* A boot and a position of the own log. Little-endian, as it rests. */
struct log_end_boot {
    uint64_t boot;
    uint64_t at; /* in own[]: where the boot began; in settled[]: up to where it is settled */
};

/* The state records as they were saved; empty where there are none. */
struct log_end_options {
    uint64_t self, boot;
    uint64_t position;  /* where the log ends at this start */
    struct slice boots; /* state record "boots" */
    uint64_t boots_serial;
    struct slice ends; /* state record "ends" */
    uint64_t ends_serial;
};

/* Whether this node announces its log; log_end.c has the diagram. */
enum log_end_phase {
    LOG_END_SILENT,     /* the record of the boots must be put first */
    LOG_END_WRITING,    /* the record of the boots is on its way to the store */
    LOG_END_ANNOUNCING, /* the record is durable, so positions are announced */
};

struct log_end {
    uint64_t self, boot;
    uint8_t phase;     /* enum log_end_phase */
    uint64_t position; /* end of the own log, as the store counts */
    uint64_t lift;     /* added to every position that is announced, so that none ever goes back */

    struct log_end_boot own[LOG_END_BOOTS]; /* our boots; the last of them is this one */
    unsigned own_n;
    struct log_end_boot settled[LOG_END_SETTLED]; /* boots whose loss is settled, oldest first */
    unsigned settled_n;
    bool healing;            /* not everything that was lost is fetched again */
    bool boots_dirty;        /* own[], settled[], lift or healing changed since they were put */
    uint64_t boots_tried_ms; /* when they were put last; 0: they are to be put at once */
    unsigned boots_open;     /* puts of them that the store has not answered */
    uint64_t boots_serial;
    struct buf boots_bytes; /* their record, as it was put last */

    struct log_end_mark mark[LOG_END_MARKS]; /* what other members announced */
    unsigned mark_n;
    bool marks_dirty;      /* marks changed since they were put */
    uint64_t marks_put_ms; /* when they were put last */
    uint64_t ends_serial;
    struct buf ends_bytes; /* their record, as it was put last */
};

/* 0, ERR_BAD_MESSAGE (a record of another format, or one that breaks an invariant) or
 * ERR_NO_MEMORY. */
int log_end_init(struct log_end *r, const struct log_end_options *o);

/* The line of core/node/protocols.c: the store's answers to TOKEN_LOG_END tokens. */
extern const struct protocol log_end_protocol;

/* Notes where the own log ends now: the first thing in each step. A log that was never lost only
 * grows while the node runs. */
void log_end_position(struct log_end *r, uint64_t position);

/* The position that this node announces. Its end is 0 while none may be announced. */
static inline struct log_position log_end_announced(const struct log_end *r)
{
    bool announces = r->phase == LOG_END_ANNOUNCING;
    return (struct log_position){.end = announces ? r->position + r->lift : 0};
}

/* A member announced a position on its stream. It overwrites what we remember of that member, so
 * the member must have had our hello in this boot of its. A shard that is not known here is passed
 * over. */
void log_end_note(struct log_end *r, uint64_t id, uint64_t boot, struct log_position position);

/* The same, from a datagram, which anybody can have sent. */
void log_end_note_packet(struct log_end *r, uint64_t id, uint64_t boot,
                         struct log_position position);

/* Whether this is the node's first boot: nobody can remember anything of its log. */
static inline bool log_end_first_boot(const struct log_end *r)
{
    return r->own_n == 1;
}

/* The boot in which a member announced most; 0: it announced nothing. */
uint64_t log_end_boot_of(const struct log_end *r, uint64_t id);

/* All that this node remembers of others, for its hello: a run of struct log_end_mark. */
static inline struct slice log_end_marks(const struct log_end *r)
{
    return slice_of(r->mark, r->mark_n * sizeof *r->mark);
}

/* Compares a peer's marks, from its hello, with the own log. True when the peer remembers more of
 * this log than there is. Then the loss counts as settled from here on: the caller must put
 * everything that this node holds in doubt, durably, before it does anything else. */
bool log_end_compare(struct log_end *r, struct slice marks);

/* Whether the log lost records that are not all fetched again: the store found that by itself, or
 * everything is fetched. It is remembered over restarts. */
void log_end_healing(struct log_end *r, bool healing);

/* Puts the records that changed. `riding`: other records are put in this step anyhow. At most 2
 * actions. */
void log_end_save(struct log_end *r, uint64_t now_ms, bool riding, struct out *out);

#endif
