/* commit.h: the helper thread that commits groups, that is writes and syncs them, so that the loop
 * never waits for the disk.
 *
 * One group at a time is with the helper, and the owner gathers the next meanwhile. In interval
 * mode the owner writes most groups itself; a second after the first write the helper syncs all
 * that was written. */
#ifndef COVEY_STORE_COMMIT_H
#define COVEY_STORE_COMMIT_H

#include <pthread.h>

#include "store/log/reserve.h"
#include "store/log/segments.h"

/* What interval durability may lose, as its documentation says. */
enum { SYNC_INTERVAL_MS = 1000 };

/* A group on its way. The segment's writing end belongs to the helper from commit_submit until
 * commit_poll. */
struct commit_job {
    struct slice bytes;
    struct segment *active; /* where the group should go */
    bool ahead;             /* keep zeros written ahead */
    bool may_grow;          /* there is an ordinal for a fresh segment */
    /* out */
    struct segment *fresh; /* made because the active one was full, or failed; the group is in it */
    uint32_t base;         /* where the group begins */
    int failed;            /* error of the active segment, which was cut then; 0: it was not */
    int error;             /* of the group, in the end */
};

/* Whose the job is; commit.c has the table. */
enum commit_phase { JOB_NONE, JOB_ASKED, JOB_DONE };

struct committer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    const struct log_io *io;
    int dir;
    struct numbers *numbers;
    struct reserve *reserve;
    uint32_t segment_bytes;
    void (*wake)(void *arg);
    void *wake_arg;
    /* under lock */
    struct commit_job job;
    uint8_t phase;             /* enum commit_phase */
    struct segment *dirty;     /* written in interval mode and not synced yet; NULL: none */
    uint32_t dirty_end;        /* how far it was written */
    struct timespec dirty_due; /* when it is to be synced */
    int sync_error;            /* of an interval sync, not yet polled */
    uint64_t syncs;
    bool syncing; /* an interval sync is under way */
    bool stop;
    /* without the lock */
    _Atomic uint64_t sync_began_us; /* when the interval sync under way began; 0: none is */
    _Atomic bool news;              /* commit_poll has something; else it costs no lock */
    bool running;                   /* the owner's: the thread was started */
};

/* Starts the thread. The fields above "under lock" are set. 0 or ERR_NO_MEMORY. */
int commit_start(struct committer *c);

/* Ends the thread after the job that it has. Does nothing to one that was not started. */
void commit_stop(struct committer *c);

/* Hands a group over; the last one must have been polled. */
void commit_submit(struct committer *c, const struct commit_job *job);

/* True when the submitted group is finished: *job says how. *error: of an interval sync that failed
 * since the last call, else 0. */
bool commit_poll(struct committer *c, struct commit_job *job, int *error);

/* The owner wrote a segment up to `end` itself: the helper syncs it within SYNC_INTERVAL_MS. */
void commit_dirty(struct committer *c, struct segment *s, uint32_t end);

/* True while what the owner wrote waits for its sync. */
bool commit_owes(struct committer *c);

/* True while an interval sync takes long: a write might have to wait for it. */
bool commit_stalls(const struct committer *c);

/* Blocks until the helper is doing nothing; commit_poll then has the result. */
void commit_wait(struct committer *c);

/* fdatasync calls so far. */
uint64_t commit_syncs(struct committer *c);

#endif
