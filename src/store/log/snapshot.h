/* snapshot.h: the index on disk, so that a start reads the snapshot and the tail of the log only.
 * snapshot.c has the format, and says why a snapshot may be old and taken while the store works. */
#ifndef COVEY_STORE_SNAPSHOT_H
#define COVEY_STORE_SNAPSHOT_H

#include "store/log/keeper.h"
#include "store/log/segments.h"
#include "store/table/table.h"

#define SNAPSHOT_NAME "snapshot"
#define SNAPSHOT_NEW  "snapshot.new"

/* ---- Writing: the loop copies some arcs in a slice, the keeper's thread writes them ---- */

struct snapshot_arc {
    uint64_t at; /* where its image begins in the file */
    uint64_t checksum;
    uint64_t bytes; /* of its image; 0: the arc is empty */
};

/* Segments that may not be synced as far as they are published: the active one, and what a failure
 * left. With more of them there is no snapshot. */
enum { SNAPSHOT_LAGGING = 4 };

/* snapshot.c has the diagram. */
enum snapshot_phase { SNAPSHOT_REST, SNAPSHOT_WRITE, SNAPSHOT_END };

struct snapshot {
    /* set by the owner */
    struct table *table;
    struct segments *segments;
    struct keeper *keeper;
    const struct log_io *io;
    int dir;
    uint64_t least_bytes; /* bytes between snapshots, at least; 0: SNAPSHOT_LEAST_BYTES */
    /* its own */
    uint8_t phase;   /* enum snapshot_phase */
    int fd;          /* the file while it is written; -1: not open */
    uint64_t at;     /* where the next part goes in the file */
    struct buf part; /* what is to be written next */
    struct snapshot_arc *arc;
    uint32_t arc_n, from, to;                  /* the arcs from..to are in the part */
    uint64_t unsynced;                         /* bytes of the file */
    struct segment *lagging[SNAPSHOT_LAGGING]; /* to be synced before the end */
    uint32_t lagging_n;
    uint64_t written;    /* bytes that the log had written when the last snapshot began */
    uint64_t last_bytes; /* size of the last snapshot */
    uint64_t taken;      /* snapshots since the opening */
    int error;           /* of the keeper's last job */
};

void snapshot_init(struct snapshot *s);
void snapshot_close(struct snapshot *s);

/* True when enough was written to the log since the last snapshot. */
bool snapshot_due(const struct snapshot *s);

/* A slice of work; begins a snapshot when none is under way. After a failure s->error is set, the
 * phase is REST, and the last snapshot is as it was. Compaction must rest meanwhile. */
void snapshot_step(struct snapshot *s);

static inline bool snapshot_busy(const struct snapshot *s)
{
    return s->phase != SNAPSHOT_REST;
}

/* ---- Reading (snapshot_load.c) ---- */

struct snapshot_load {
    int dir;
    const struct log_io *io;
    struct table *table;       /* initialised and empty; its index is replaced */
    struct segments *segments; /* empty: those that the snapshot names are added */
    struct segment **found;    /* the segments in the directory, by rising number */
    uint32_t found_n;
    uint64_t bytes;    /* out: size of the snapshot */
    uint32_t greatest; /* out: the greatest number of a segment that it names */
    uint32_t format;   /* out: its format, with ERR_BAD_FORMAT too */
};

/* Takes the snapshot in, when there is a good one. Then the tail of each segment begins at its
 * `end`, and `covered` says what the snapshot has of it. 0; ERR_NOT_FOUND (there is no snapshot);
 * ERR_CORRUPT, ERR_BAD_FORMAT or ERR_IO (it is of no use: the table and the segments are to be made
 * anew); ERR_NO_MEMORY. */
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
