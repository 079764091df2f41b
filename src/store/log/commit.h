/* commit.h: the helper thread that writes and syncs groups, so that the loop never waits for the
 * disk.
 *
 * One group at a time is with the helper; the owner gathers the next meanwhile. In interval mode
 * the owner writes most groups itself, and the helper syncs what was written a second after the
 * first of it. */
#ifndef COVEY_STORE_COMMIT_H
#define COVEY_STORE_COMMIT_H

#include <pthread.h>

#include "store/log/reserve.h"
#include "store/log/segments.h"

/* what interval durability may lose, and what its documentation says */
enum { SYNC_INTERVAL_MS = 1000 };

/* A group on its way. The segment's writing end belongs to the helper from commit_submit until
 * commit_poll. */
struct commit_job {
    struct slice bytes;
    struct segment *active; /* where it should go */
    bool ahead;             /* keep zeros written ahead */
    bool may_grow;          /* there is a slot for a fresh segment */
    /* out */
    struct segment *fresh; /* made because the active one was full, or failed; the group is in it */
    uint32_t base;         /* where the group begins */
    /* of the active segment, which was cut then; the group may yet be in the fresh one */
    int failed;
    int error; /* of the group */
};

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
    enum { JOB_NONE, JOB_ASKED, JOB_DONE } stage;
    struct segment *dirty; /* written in interval mode, not synced yet */
    uint32_t dirty_end;
    struct timespec dirty_due;
    int sync_error; /* of an interval sync */
    uint64_t syncs;
    _Atomic uint64_t sync_began_us; /* the interval sync under way; 0: none */
    bool syncing, stop, running;
    /* read without it, so that a poll with nothing to say costs nothing */
    _Atomic bool news;
};

/* Starts the thread. The fields io, dir, numbers, reserve, segment_bytes, wake, wake_arg are set. 0
 * or ERR_NO_MEMORY. */
int commit_start(struct committer *c);

/* Ends the thread after the job that it has. Does nothing to one that was not started. */
void commit_stop(struct committer *c);

/* Hands a group over; the last one must have been polled. */
void commit_submit(struct committer *c, const struct commit_job *job);

/* True when the submitted group is finished: *job tells how. False with *error set when an interval
 * sync failed. */
bool commit_poll(struct committer *c, struct commit_job *job, int *error);

/* The owner wrote a segment up to `end` itself: it is synced within SYNC_INTERVAL_MS. */
void commit_dirty(struct committer *c, struct segment *s, uint32_t end);

/* True while what the owner wrote waits for its sync. */
bool commit_owes(struct committer *c);

/* True while the disk takes long over an interval sync: a write might have to wait for it. */
bool commit_stalls(const struct committer *c);

/* Blocks until the helper is doing nothing; commit_poll then has the result. */
void commit_wait(struct committer *c);

/* fdatasync calls so far. */
uint64_t commit_syncs(struct committer *c);

#endif
