/* hints_helper.h: the thread that appends, reads and removes files of hints, so that the loop never
 * waits for them. Jobs are done in the order of their submission: what was appended is there to be
 * read, what is being read is removed only after. */
#ifndef COVEY_STORE_HINTS_HELPER_H
#define COVEY_STORE_HINTS_HELPER_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/hints/hints_file.h"

enum hints_job_kind { HINTS_APPEND, HINTS_FETCH, HINTS_REMOVE };

struct hints_job {
    struct hints_job *next;
    enum hints_job_kind kind;
    struct hints_file *file;
    struct buf bytes;   /* APPEND: what to write. FETCH: what was read */
    uint32_t at, n;     /* FETCH: where, and how much */
    uint32_t hints;     /* APPEND: among the bytes; 0: marks alone, which need no sync */
    uint64_t newest_ms; /* APPEND: of their stamps */
    int error;
};

struct hints_jobs {
    struct hints_job *first, **last;
};

struct hints_helper {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    const struct log_io *io;
    int dir;
    void (*wake)(void *arg);
    void *wake_arg;
    struct hints_jobs asked, done; /* under lock, */
    bool busy, stop, running;      /* and so are these */
    _Atomic bool news;             /* read without it: a poll with nothing to say costs nothing */
};

/* Starts the thread. The fields io, dir, wake, wake_arg are set. 0 or ERR_NO_MEMORY. */
int hints_helper_start(struct hints_helper *h);

/* Ends the thread after the jobs that it has; the finished ones stay to be taken. Does nothing to
 * one not started. */
void hints_helper_stop(struct hints_helper *h);

/* Hands a job over; it and its file are the helper's until they come back. */
void hints_helper_submit(struct hints_helper *h, struct hints_job *job);

/* The next finished job, NULL when there is none; it is the caller's again. */
struct hints_job *hints_helper_take(struct hints_helper *h);

/* Blocks until all submitted jobs are finished. */
void hints_helper_wait(struct hints_helper *h);

#endif
