/* replay.h: opening a log that is there: every record of every segment goes into the table again.
 *
 * Records merge by version, so the order in which they stand matters to nobody. A torn tail is cut and reported; a damaged record
 * is refused with a sentence (segment.c says how the two are told apart). */
#ifndef COVEY_STORE_REPLAY_H
#define COVEY_STORE_REPLAY_H

#include "store/segment.h"
#include "store/table.h"

struct replay {
    /* in */
    int dir;
    const char *path; /* of the directory, for sentences */
    const struct log_io *io;
    struct table *table;
    void (*report)(void *arg, const char *sentence); /* may be NULL */
    void *report_arg;
    char *why;
    size_t why_n;
    /* out: the segments in order, the last one open for appending; malloced; set also after an error, for closing */
    struct segment **segment;
    uint32_t segment_n;
    uint64_t torn_bytes;
};

/* Replays the directory, or makes the first segment of a new log. 0, or ERR_IO, ERR_NO_SPACE, ERR_CORRUPT, ERR_BAD_FORMAT,
 * ERR_NO_MEMORY with a sentence in why. */
int replay_run(struct replay *r);

#endif
