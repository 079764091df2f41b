/* compact.h: gives back the space of dead records: copies what still counts out of a segment and
 * dooms it. compact.c says how, and why no crash loses anything.
 *
 * Driven by the loop in slices, its reads and writes on the keeper's thread. */
#ifndef COVEY_STORE_COMPACT_H
#define COVEY_STORE_COMPACT_H

#include "store/log/doubt.h"
#include "store/log/keeper.h"
#include "store/log/reserve.h"
#include "store/log/segments.h"
#include "store/table/table.h"

/* stretches of damage taken note of at once: with more of them a chunk ends early */
enum { COMPACT_BAD = 16 };

struct compact_item {
    struct record_view view; /* its slices point into the chunk */
    uint32_t at;             /* of the record in the victim */
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
    uint32_t dead_percent; /* of a victim, at least; 0: DEAD_PERCENT */
    uint32_t patience_ms;  /* how long a segment is young */
    /* the disk is full: less of a victim must be dead, its copy must fit the reserve, and no
     * pauses */
    bool urgent;
    /* its own */
    enum compact_stage {
        COMPACT_REST,
        COMPACT_READ,
        COMPACT_JUDGE,
        COMPACT_COPY,
        COMPACT_MOVE,
        /* the victim is through, but entries still name what could not be read in it */
        COMPACT_FORGET,
        COMPACT_UNLINK
    } stage;
    struct segment *victim; /* NULL: none */
    struct segment *output; /* where copies go; stays open from one victim to the next */
    struct segment *fresh;  /* an output that the keeper has made */
    struct segment *gone;   /* being unlinked */
    uint32_t at;            /* of the chunk in the victim */
    uint32_t chunk_end;     /* of its last whole record */
    struct buf chunk, copy;
    struct compact_item *item;    /* the records of the chunk */
    struct lost bad[COMPACT_BAD]; /* what of it cannot be read */
    uint32_t bad_n;
    uint32_t item_n, item_cap;
    uint32_t next;         /* the next item to judge or move */
    uint64_t worked_us;    /* by the keeper, on this chunk */
    uint64_t seen_written; /* at the last slice */
    uint64_t seen_died;    /* when victims were last looked for */
    uint32_t seen_n;
    /* when a young segment that was seen then will be old; 0: there was none */
    uint64_t again_us;
    uint64_t copied_bytes, removed; /* for figures: bytes, segments */
    int error;                      /* of the keeper's last job */
};

/* The first group of fields is set. */
void compact_init(struct compact *c);
void compact_close(struct compact *c);

/* A slice of work: begins with a victim when there is one worth it, goes on with the one there is.
 * The keeper is idle or ours. True when there is more to do at once. A failure is left in c->error,
 * and the victim as it was. */
bool compact_step(struct compact *c);

/* A read has met damage in a segment: it is a victim at once, and set aside. */
void compact_first(struct compact *c, struct segment *s);

/* True when there is no victim, and the segment in use would be one if it were ended. For a full
 * disk: else what was deleted from a small store would never give room. */
bool compact_wants_active(const struct compact *c);

/* True when there is a victim worth it. */
bool compact_due(const struct compact *c);

/* True while a victim is under way. */
static inline bool compact_busy(const struct compact *c)
{
    return c->stage != COMPACT_REST;
}

/* A segment that has parted and that nobody reads, NULL when there is none. */
struct segment *compact_parted(const struct compact *c);

/* Unlinks it (or, when it is to be set aside, renames it to damaged-NNNNNNNN.log) and frees its
 * slot. */
void compact_unlink(struct compact *c, struct segment *s);

#endif
