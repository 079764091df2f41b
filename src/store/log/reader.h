/* reader.h: the helper thread that reads records which are not in the page cache, in the order they
 * were asked for.
 *
 * The jobs are a ring of READS. A job is asked for by the owner, done by the helper, and taken by
 * the owner. Three counters say how many were, and each side writes its own:
 *
 *     taken <= done <= asked <= taken + READS
 *
 * When the ring is full the owner lets further reads wait: a disk that is so slow gains nothing
 * from a longer queue. */
#ifndef COVEY_STORE_READER_H
#define COVEY_STORE_READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/log/segment.h"
#include "store/table/table.h"

enum { READS = 16 };

struct read_job {
    struct store_result result; /* as the index has it; its key points into `key` */
    struct buf key;
    struct buf bytes;        /* the record, as read */
    struct segment *segment; /* its `reads` counts this job */
    uint32_t at;             /* offset in the segment */
    uint32_t n;              /* bytes to read at most */
};

struct reader {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    const struct log_io *io;
    void (*wake)(void *arg);
    void *wake_arg;
    struct read_job job[READS];
    _Atomic uint32_t asked, done;
    uint32_t taken;
    bool stop, running;
};

/* Starts the thread. The fields io, wake, wake_arg are set. 0 or ERR_NO_MEMORY. */
int reader_start(struct reader *r);

/* Ends the thread after the read that it is doing, and frees its jobs. Does nothing to one that was
 * not started. */
void reader_stop(struct reader *r);

/* Whether reader_ask would be refused. */
bool reader_full(const struct reader *r);

/* Asks for up to n bytes at the offset `at`, to complete a result. The key is copied, and the
 * segment stays until the read is taken. After an error (ERR_NO_MEMORY) nothing was asked for. */
int reader_ask(struct reader *r, const struct store_result *result, struct segment *s, uint32_t at,
               uint32_t n);

/* The next finished read, NULL when there is none; it lives until the next reader_take. */
struct read_job *reader_take(struct reader *r);

#endif
