/* keeper.h: the helper thread of the log's upkeep: it does what compaction and snapshots read and
 * write.
 *
 * One job at a time: the loop asks for a function, the thread runs it, and the loop polls whether
 * it is done. A job is short, a chunk of a megabyte or so, and its owner asks again. So the thread
 * needs to know nothing of what it does, and a stop waits for one chunk at most. */
#ifndef COVEY_STORE_KEEPER_H
#define COVEY_STORE_KEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct keeper {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    void (*wake)(void *arg);
    void *wake_arg;
    void (*run)(struct keeper *k, void *arg); /* under lock: the job; NULL: none */
    void *arg;                                /* under lock */
    bool stop;                                /* under lock */
    bool running;                             /* the owner's: the thread was started */
    bool busy;         /* the owner's: a job was asked for, and keeper_done has not said true */
    _Atomic bool done; /* the job has been run */
};

/* Starts the thread. The fields wake and wake_arg are set. 0 or ERR_NO_MEMORY. */
int keeper_start(struct keeper *k);

/* Ends the thread after the job that it has; a pause of that job ends at once. Does nothing to a
 * thread that was not started. */
void keeper_stop(struct keeper *k);

/* Asks for a job; none may be under way. */
void keeper_ask(struct keeper *k, void (*run)(struct keeper *k, void *arg), void *arg);

/* True once when the job is done. */
bool keeper_done(struct keeper *k);

/* On the keeper's thread: waits for so many microseconds, or until the stop. */
void keeper_pause(struct keeper *k, uint64_t us);

/* Monotonic microseconds. Any thread. */
uint64_t keeper_clock_us(void);

#endif
