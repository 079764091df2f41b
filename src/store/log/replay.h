/* replay.h: opening a log that exists: every record of every segment goes into the table again.
 *
 * Records merge by version, so it does not matter in which order they stand. A torn tail is cut and
 * reported. A damaged record is passed over, and its slot is put in doubt, for the node to fetch it
 * again (segment.c says how the two are distinguished). A damaged or missing file puts all
 * slots in doubt. */
#ifndef COVEY_STORE_REPLAY_H
#define COVEY_STORE_REPLAY_H

#include "store/log/damage.h"
#include "store/log/segments.h"
#include "store/table/table.h"

struct replay {
    /* in */
    int dir;
    const char *path; /* of the directory, for sentences */
    const struct log_io *io;
    struct table *table;       /* initialised with `seed`, and empty */
    uint64_t seed;             /* of the index's hash */
    struct segments *segments; /* empty; what was opened is in it after an error too */
    void (*report)(void *arg, const char *sentence); /* may be NULL */
    void *report_arg;
    char *why;
    size_t why_n;
    /* out */
    struct damage damage;   /* the slots that are in doubt */
    uint32_t damaged;       /* stretches and files that are damaged */
    uint32_t missing;       /* files that are missing */
    uint32_t missing_first; /* the number of one of them */
    /* States whose newest record is damaged: u64 serial, u32 length of the name, the name. The
     * caller closes it. */
    struct buf lost_states;
    uint64_t torn_bytes, replayed_bytes;
    uint64_t snapshot_bytes; /* size of the snapshot that was used; 0: none was */
    /* its own */
    uint32_t named;         /* the greatest number of a segment that the snapshot names */
    struct segment **found; /* the segments in the directory, by rising number */
    uint32_t found_n;
};

/* Replays the directory, or makes the first segment of a new log. 0, or ERR_IO, ERR_NO_SPACE,
 * ERR_CORRUPT, ERR_BAD_FORMAT, ERR_NO_MEMORY with a sentence in why. */
int replay_run(struct replay *r);

#endif
