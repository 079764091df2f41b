/* replay.h: opening a log that is there: every record of every segment goes into the table again.
 *
 * Records merge by version, so the order in which they stand matters to nobody. A torn tail is cut
 * and reported. A damaged record is passed over with its slot marked, for the owner to fetch it
 * again (segment.c says how torn and damaged are told apart); a damaged or missing file with all
 * slots. */
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
    struct table *table; /* initialised with this seed, and empty */
    uint64_t seed;
    /* empty; what was opened is in it after an error too */
    struct segments *segments;
    void (*report)(void *arg, const char *sentence); /* may be NULL */
    void *report_arg;
    char *why;
    size_t why_n;
    /* out */
    struct damage damage;
    uint32_t damaged;                /* stretches, and files */
    uint32_t missing, missing_first; /* files: how many, the number of one */
    /* damaged ones without a successor: u64 serial, u32 length of the name, the name. The
     * caller's */
    struct buf lost_states;
    uint64_t torn_bytes, replayed_bytes;
    uint64_t snapshot_bytes; /* of the snapshot that was used; 0: none */
    /* its own */
    uint32_t named;         /* the greatest number of a segment that the snapshot names */
    struct segment **found; /* by rising number */
    uint32_t found_n;
};

/* Replays the directory, or makes the first segment of a new log. 0, or ERR_IO, ERR_NO_SPACE,
 * ERR_CORRUPT, ERR_BAD_FORMAT, ERR_NO_MEMORY with a sentence in why. */
int replay_run(struct replay *r);

#endif
