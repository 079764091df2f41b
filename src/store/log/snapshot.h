/* snapshot.h: the index on disk, so that a start reads it and the tail of the log only. snapshot.c
 * has the format and says why a snapshot may be old, and taken while the store works. */
#ifndef COVEY_STORE_SNAPSHOT_H
#define COVEY_STORE_SNAPSHOT_H

#include "store/log/keeper.h"
#include "store/log/segments.h"
#include "store/table/table.h"

#define SNAPSHOT_NAME "snapshot"
#define SNAPSHOT_NEW  "snapshot.new"

/* ---- Writing: driven by the loop in slices, one arc or some at a time; the writes on the keeper's
 * thread. ---- */

struct snapshot_arc {
    uint64_t at; /* in the file */
    uint64_t checksum;
    uint64_t bytes; /* 0: the arc is empty */
};

/* segments not synced as far as they are published: the active one, and what a failure left */
enum { SNAPSHOT_LAGGING = 4 };

struct snapshot {
    /* set by the owner */
    struct table *table;
    struct segments *segments;
    struct keeper *keeper;
    const struct log_io *io;
    int dir;
    uint64_t least_bytes; /* written to the log before another snapshot; 0: SNAPSHOT_LEAST_BYTES */
    /* its own */
    enum snapshot_stage { SNAPSHOT_REST, SNAPSHOT_WRITE, SNAPSHOT_END } stage;
    int fd;
    uint64_t at;     /* in the file */
    struct buf part; /* what is to be written next */
    struct snapshot_arc *arc;
    uint32_t arc_n, from, to; /* the arcs from..to are in the part */
    uint64_t unsynced;
    struct segment *lagging[SNAPSHOT_LAGGING]; /* to be synced before the end */
    uint32_t lagging_n;
    uint64_t written;    /* the table's count when the last one was begun */
    uint64_t last_bytes; /* of the last one */
    uint64_t taken;      /* snapshots since the opening */
    int error;           /* of the keeper's last job */
};

void snapshot_init(struct snapshot *s);
void snapshot_close(struct snapshot *s);

/* True when enough was written to the log since the last snapshot. */
bool snapshot_due(const struct snapshot *s);

/* A slice of work; begins when none is under way. After a failure s->error is set, the stage REST,
 * and the last snapshot as it was. Compaction must rest meanwhile. */
void snapshot_step(struct snapshot *s);

static inline bool snapshot_busy(const struct snapshot *s)
{
    return s->stage != SNAPSHOT_REST;
}

/* ---- Reading (snapshot_load.c) ---- */

struct snapshot_load {
    int dir;
    const struct log_io *io;
    struct table *table;       /* initialised and empty; its index is replaced */
    struct segments *segments; /* empty: those that the snapshot names get their slots */
    struct segment **found;    /* what is in the directory, by rising number */
    uint32_t found_n;
    uint64_t bytes;    /* out: of the snapshot */
    uint32_t greatest; /* out: the greatest number of a segment that it names */
    uint32_t format;   /* out: as it says, with ERR_BAD_FORMAT too */
};

/* Takes the snapshot in, when there is a good one: then each segment's published, end and reach say
 * where the log's tail begins and what the snapshot counts on. 0; ERR_NOT_FOUND (there is none);
 * ERR_CORRUPT or ERR_IO (not one to use: the table and the segments are then to be made anew);
 * ERR_NO_MEMORY. */
int snapshot_load(struct snapshot_load *l);

/* Removes the snapshot, durably. 0 or ERR_IO. */
int snapshot_remove(int dir, const struct log_io *io);

/* ---- Format, shared by both ---- */

enum {
    SNAPSHOT_FORMAT = 3,
    SNAPSHOT_HEADER = 64,
    SNAPSHOT_TRAILER = 32,
    SNAPSHOT_SEGMENT = 40, /* bytes of a segment in the footer */
    /* arcs, nodes, segments and the node's own state: a few MiB at the very most */
    SNAPSHOT_FOOTER_MAX = 64 * 1024 * 1024,
};

#endif
