/* store_load.h: the log store by itself, under a load of puts and gets: what its benchmarks share.
 *
 * Keys are "user:N:session"; values have VALUE_BYTES that differ from put to put. A turn is TURN
 * puts, one commit, and their results, as at a busy node. Any failure ends the program: a benchmark
 * of a store that fails has no meaning. */
#ifndef COVEY_BENCH_STORE_LOAD_H
#define COVEY_BENCH_STORE_LOAD_H

#include <semaphore.h>

#include "base/rng.h"
#include "bench/histogram.h"
#include "store/log/log.h"

enum { VALUE_BYTES = 100, TURN = 64 };

struct bench {
    struct store *store;
    char dir[200];
    sem_t woken;
    uint8_t value[VALUE_BYTES];
    uint64_t stamp;
};

/* Wall time, and processor time of all threads, which is what a replica costs on a machine that it
 * shares. */
struct watch {
    double wall_s, cpu_s;
};

struct watch watch_start(void);
struct watch watch_read(struct watch w);

/* Makes a temporary directory below `under`; bench_remove removes it. */
void bench_make(char root[200], const char *under);
void bench_remove(const char *root);

/* Opens a store at root/name; fills in dir, wake and wake_arg of the options. */
void bench_open(struct bench *b, const char *root, const char *name, struct log_options o);

/* Makes everything durable and closes the store. */
void bench_close(struct bench *b);

struct slice bench_key(char out[32], uint64_t i);

/* bench_put submits a put of key i; bench_reap takes n results. */
void bench_put(struct bench *b, uint64_t i);
void bench_reap(struct bench *b, uint32_t n);

/* Puts keys 0 .. n - 1; n is a multiple of TURN. */
void bench_fill(struct bench *b, uint64_t n);

/* Runs one turn of puts of random keys below `keys`, with one look at the upkeep after it, as a
 * node does. Its time goes into the histogram. */
void bench_overwrite(struct bench *b, struct rng *rng, uint64_t keys, struct histogram *turns);

/* Waits until no compaction and no snapshot is under way or due, and at least that many seconds. */
void bench_rest(struct bench *b, double least_s);

/* The bytes that the data directory takes on the disk. */
uint64_t bench_disk_bytes(const struct bench *b);

#endif
