/* upkeep.h: what a log does beside its reads and writes: compaction, snapshots, making room, coming
 * back after a failure. One of them at a time, all through the keeper's thread. */
#ifndef COVEY_STORE_UPKEEP_H
#define COVEY_STORE_UPKEEP_H

#include "store/log/compact.h"
#include "store/log/reserve.h"
#include "store/log/snapshot.h"

struct upkeep {
    /* set by the owner */
    struct table *table;
    struct segments *segments;
    struct reserve *reserve;
    const struct log_io *io;
    int dir;
    uint32_t segment_bytes;
    bool heal; /* the log refuses writes: it needs a fresh segment */
    void (*report)(void *arg, const char *sentence);
    void *report_arg;
    /* its own */
    struct keeper keeper;
    struct compact compact;
    struct snapshot snapshot;
    /* the keeper's, when it is not compaction's */
    enum upkeep_job { UPKEEP_NONE, UPKEEP_RESERVE, UPKEEP_HEAL } job;
    uint64_t base; /* of `fresh` */
    /* the one that `fresh` follows and says the end of; NULL: none */
    const struct segment *before;
    /* what healing made, or a full disk's need to end the segment in use: for the owner to take */
    struct segment *fresh;
    int error; /* of the last try for room */
    /* compaction failed: not again before a pause */
    bool tired;
    /* the reserve was needed and is not back */
    bool full;
};

/* Starts the thread. 0 or ERR_NO_MEMORY. */
int upkeep_start(struct upkeep *u, void (*wake)(void *arg), void *wake_arg);

/* Ends the thread after the job that it has. Does nothing to one that was not started. */
void upkeep_stop(struct upkeep *u);

/* A slice of work, once a turn. True when there is more to do at once. */
bool upkeep_step(struct upkeep *u);

/* At a clean stop: ends what compaction writes to with its seal, unless it is being written to. 0
 * or ERR_IO. */
int upkeep_seal(struct upkeep *u);

/* True when nothing is under way or due. */
bool upkeep_resting(const struct upkeep *u);

/* True when a new list of segments should be written, so that doomed ones can go. The owner makes
 * it, says so, and says later whether it has become durable. */
bool upkeep_wants_list(const struct upkeep *u);
void upkeep_listing(struct upkeep *u);
void upkeep_listed(struct upkeep *u, bool durable);

#endif
