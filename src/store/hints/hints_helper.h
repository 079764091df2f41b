/* hints_helper.h: the thread that appends to, reads and removes files of hints, so that the loop
 * never waits for the disk. It does its jobs in the order of their submission. So a file is read
 * after what was appended to it before, and removed after it was read. */
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
    struct buf bytes;   /* APPEND: what is to be written. FETCH: what was read */
    uint32_t at;        /* APPEND, FETCH: the offset in the file */
    uint32_t n;         /* FETCH: bytes to read */
    uint32_t hints;     /* APPEND: hints among the bytes; 0: marks alone, which need no sync */
    uint64_t newest_ms; /* APPEND: the wall time of the newest stamp among the hints */
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
    struct hints_jobs asked, done; /* under the lock */
    bool busy, stop, running;      /* under the lock */
    _Atomic bool news; /* something may be done; read without the lock, so that a poll is cheap */
};

/* Starts the thread. The fields io, dir, wake, wake_arg are set. 0 or ERR_NO_MEMORY. */
int hints_helper_start(struct hints_helper *h);

/* Ends the thread when it has done all its jobs. These stay to be taken. Does nothing if the thread
 * was not started. */
void hints_helper_stop(struct hints_helper *h);

/* Hands a job over. The job and the descriptor of its file are the helper's until the job is taken
 * again. */
void hints_helper_submit(struct hints_helper *h, struct hints_job *job);

/* The next job that is done, which is the caller's again. NULL when there is none. */
struct hints_job *hints_helper_take(struct hints_helper *h);

/* Blocks until all jobs are done. */
void hints_helper_wait(struct hints_helper *h);

#endif
