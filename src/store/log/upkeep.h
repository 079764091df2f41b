/* upkeep.h: what a log does beside its reads and writes: compaction, snapshots, making room, coming
 * back after a failure. One of them at a time, all through the keeper's thread.
 *
 *     phase     the keeper's thread                 next
 *     REST      is idle, or works for compaction    RESERVE, HEAL
 *               or for a snapshot
 *     RESERVE   tries to make the reserve again     REST
 *     HEAL      makes a fresh segment               REST; the owner takes `fresh` */
#ifndef COVEY_STORE_UPKEEP_H
#define COVEY_STORE_UPKEEP_H

#include "store/log/compact.h"
#include "store/log/reserve.h"
#include "store/log/snapshot.h"

enum upkeep_phase { UPKEEP_REST, UPKEEP_RESERVE, UPKEEP_HEAL };

struct upkeep {
    /* set by the owner */
    struct table *table;
    struct segments *segments;
    struct reserve *reserve;
    const struct log_io *io;
    int dir;
    uint32_t segment_bytes;
    bool heal; /* the log refuses writes, and needs a fresh segment to take them again */
    void (*report)(void *arg, const char *sentence);
    void *report_arg;
    /* its own */
    struct keeper keeper;
    struct compact compact;
    struct snapshot snapshot;
    uint8_t phase; /* enum upkeep_phase */
    /* A segment made because the log must heal, or because a full disk needs the active one ended.
     * The owner takes it, and sets this to NULL. */
    struct segment *fresh;
    uint64_t base;                /* of `fresh` */
    const struct segment *before; /* the segment that `fresh` follows; NULL: none */
    int error;                    /* of the last try for room */
    bool tired; /* compaction or a snapshot failed: neither is tried again before a pause */
    bool full;  /* the reserve was needed and is not back */
};

/* Starts the thread. 0 or ERR_NO_MEMORY. */
int upkeep_start(struct upkeep *u, void (*wake)(void *arg), void *wake_arg);

/* Ends the thread after the job that it has. Does nothing to one that was not started. */
void upkeep_stop(struct upkeep *u);

/* A slice of work, once a turn. True when there is more to do at once. */
bool upkeep_step(struct upkeep *u);

/* At a clean stop: seals the segment that compaction writes to, unless the keeper is writing to it.
 * 0, ERR_IO or ERR_NO_SPACE. */
int upkeep_seal(struct upkeep *u);

/* True when nothing is under way or due. */
bool upkeep_resting(const struct upkeep *u);

/* True when a new list of segments should be written, so that doomed ones can go. */
bool upkeep_wants_list(const struct upkeep *u);

/* The owner makes such a list. */
void upkeep_listing(struct upkeep *u);

/* That list has become durable, or was not written. */
void upkeep_listed(struct upkeep *u, bool durable);

#endif
