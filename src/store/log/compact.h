/* compact.h: gives back the space of dead records: copies what still counts out of a segment, then
 * removes that. compact.c says how, and why no crash loses anything.
 *
 * The loop drives it in slices; its reads and writes are jobs of the keeper's thread. */
#ifndef COVEY_STORE_COMPACT_H
#define COVEY_STORE_COMPACT_H

#include "store/log/doubt.h"
#include "store/log/keeper.h"
#include "store/log/reserve.h"
#include "store/log/segments.h"
#include "store/table/table.h"

/* Stretches of damage that are noted of one chunk; with more of them it ends early. */
enum { COMPACT_BAD = 16 };

/* compact.c has the table of them. */
enum compact_phase {
    COMPACT_REST,
    COMPACT_READ,
    COMPACT_JUDGE,
    COMPACT_COPY,
    COMPACT_MOVE,
    COMPACT_FORGET,
    COMPACT_UNLINK,
};

struct compact_item {
    struct record_view view; /* its slices point into the chunk */
    uint32_t at;             /* offset of the record in the victim */
    struct location from, to;
    enum standing standing;
    struct index_item held; /* of a record of the ring that counts */
};

struct compact {
    /* set by the owner */
    struct table *table;
    struct segments *segments;
    struct keeper *keeper;
    struct reserve *reserve;
    struct doubt *doubt;
    void (*report)(void *arg, const char *sentence); /* may be NULL */
    void *report_arg;
    const struct log_io *io;
    int dir;
    uint32_t segment_bytes;
    uint32_t dead_percent; /* of a victim at least so much is dead; 0: DEAD_PERCENT */
    uint32_t patience_ms;  /* how long a segment is young */
    /* The disk is full: less of a victim must be dead, its copy must fit the reserve, and the
     * keeper does not rest. */
    bool urgent;
    /* its own */
    uint8_t phase;          /* enum compact_phase */
    struct segment *victim; /* NULL: none */
    bool rest_doubted;      /* all of the victim was put in doubt */
    struct segment *output; /* where copies go; it stays open from one victim to the next */
    struct segment *fresh;  /* an output that the keeper has made, not yet taken in */
    struct segment *gone;   /* the segment that is being unlinked */
    uint32_t at;            /* offset of the chunk in the victim */
    uint32_t chunk_end;     /* offset in the victim behind the last complete record of the chunk */
    struct buf chunk;       /* as read */
    struct buf copy;        /* what is written of it */
    struct compact_item *item;    /* the records of the chunk */
    struct lost bad[COMPACT_BAD]; /* what of the chunk cannot be read */
    uint32_t bad_n;
    uint32_t item_n, item_cap;
    uint32_t next;         /* the next item to judge or move */
    uint64_t worked_us;    /* how long the keeper worked on this chunk */
    uint64_t seen_written; /* bytes the log had written at the last slice */
    uint64_t seen_died;    /* bytes that had died when victims were last looked for */
    uint32_t seen_n;       /* segments there were then */
    uint64_t again_us;     /* when the first that was too young then is old; 0: none was */
    uint64_t copied_bytes; /* for figures */
    uint64_t removed;      /* segments; for figures */
    int error;             /* of the keeper's last job */
};

/* The owner's fields are set. */
void compact_init(struct compact *c);
void compact_close(struct compact *c);

/* A slice of work: goes on with the victim, or looks for one that is worth the work. The keeper is
 * idle, or has a job of compaction. True when there is more to do at once. After a failure c->error
 * is set, and the victim as it was. */
bool compact_step(struct compact *c);

/* A read has met damage in a segment: it is the next victim, and is set aside in the end. */
void compact_first(struct compact *c, struct segment *s);

/* True when there is no victim, and the active segment would be one if it were ended. For a full
 * disk: else what was deleted from a small store would never give room. */
bool compact_wants_active(const struct compact *c);

/* True when there is a victim that is worth the work. */
bool compact_due(const struct compact *c);

/* True while a victim, or an unlink, is under way. */
static inline bool compact_busy(const struct compact *c)
{
    return c->phase != COMPACT_REST;
}

/* A segment that may be unlinked: it is UNLISTED and nobody reads it. NULL: there is none. */
struct segment *compact_unlisted(const struct compact *c);

/* Unlinks such a segment, or renames it to damaged-NNNNNNNN.log when it is to be set aside, and
 * frees its ordinal. */
void compact_unlink(struct compact *c, struct segment *s);

#endif
