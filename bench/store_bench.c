/* The log store by itself: puts and gets a second, sync latency, memory a key, and how fast it opens again.
 *
 * store_bench [KEYS [DIR]]    a million keys in a temporary directory by default */
#include <dirent.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "bench/histogram.h"
#include "store/log.h"

enum { VALUE_BYTES = 100, TURN = 64, SYNC_SECONDS = 2 };

struct bench {
    struct store *store;
    char root[128], dir[160];
    sem_t woken;
    uint8_t value[VALUE_BYTES];
    uint64_t stamp;
};

/* Wall time, and processor time of all threads: the second says what a replica pays on a machine that it shares. */
struct watch {
    double wall_s, cpu_s;
};

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct watch watch_start(void)
{
    return (struct watch){clock_s(CLOCK_MONOTONIC), clock_s(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct watch watch_read(struct watch w)
{
    return (struct watch){clock_s(CLOCK_MONOTONIC) - w.wall_s, clock_s(CLOCK_PROCESS_CPUTIME_ID) - w.cpu_s};
}

static void wake(void *arg)
{
    sem_post(&((struct bench *)arg)->woken);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void open_log(struct bench *b, enum durability durability, uint32_t dead_percent)
{
    char why[512];
    struct log_options o = {.dir = b->dir, .durability = durability, .dead_percent = dead_percent, .wake = wake, .wake_arg = b};
    if (log_open(&o, &b->store, why, sizeof why) != 0) {
        fprintf(stderr, "store_bench: %s\n", why);
        exit(1);
    }
}

static struct slice key_of(char out[32], uint64_t i)
{
    return slice_of(out, (size_t)snprintf(out, 32, "user:%llu:session", (unsigned long long)i));
}

/* One put of a fresh random value, which lz4 would not shrink (and which is too short for it). */
static void put(struct bench *b, uint64_t i)
{
    char key[32];
    memcpy(b->value, &i, sizeof i);
    struct slice value = slice_of(b->value, sizeof b->value);
    struct record r = {.kind = RECORD_VALUE, .key = key_of(key, i), .value = value};
    r.version = (struct version){.stamp = ++b->stamp, .node = 1 + i % 3, .digest = hash_bytes(value)};
    store_put(b->store, i, &r);
}

static void reap(struct bench *b, uint32_t n)
{
    struct store_result out;
    while (n > 0) {
        if (!store_reap(b->store, &out)) {
            sem_wait(&b->woken);
            continue;
        }
        CHECK(out.error == 0);
        n--;
    }
}

static void row(const char *what, struct watch start, uint64_t n)
{
    struct watch took = watch_read(start);
    printf("%-40s %12.1f %12.2f\n", what, (double)n / took.wall_s / 1e3, took.cpu_s * 1e6 / (double)n);
    fflush(stdout);
}

static void bench_interval(struct bench *b, uint64_t keys)
{
    char key[32];
    struct rng rng;
    struct log_stats stats;
    open_log(b, DURABILITY_INTERVAL, 0);
    struct watch start = watch_start();
    for (uint64_t i = 0; i < keys; i += TURN) {
        for (uint64_t j = i; j < i + TURN; j++)
            put(b, j);
        store_flush(b->store);
        reap(b, TURN);
    }
    row("puts, interval, 64 a turn", start, keys);
    log_stats(b->store, &stats);
    printf("%-40s %12.1f bytes/key\n", "memory of the index besides the keys",
           (double)(stats.index_bytes - stats.key_bytes) / (double)stats.records);
    for (int wants = GET_DIGEST; wants <= GET_VALUE; wants++) {
        rng_init(&rng, 1);
        start = watch_start();
        for (uint64_t i = 0; i < keys; i += TURN) {
            for (int j = 0; j < TURN; j++)
                store_get(b->store, 0, key_of(key, rng_below(&rng, keys)), (enum get_wants)wants);
            reap(b, TURN);
        }
        row(wants == GET_VALUE ? "gets of a value, cached" : "gets of a digest", start, keys);
    }
    CHECK(log_drain(b->store) == 0);
    store_close(b->store);
}

/* Blocks until neither compaction nor a snapshot is under way or due. */
static void rest(struct bench *b)
{
    struct store_result out;
    struct log_stats stats;
    for (;;) {
        CHECK(!store_reap(b->store, &out));
        log_stats(b->store, &stats);
        if (stats.resting)
            return;
        sem_wait(&b->woken);
    }
}

static uint64_t directory_bytes(const struct bench *b)
{
    uint64_t n = 0;
    struct stat st;
    char path[600];
    DIR *d = opendir(b->dir);
    CHECK(d != NULL);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        snprintf(path, sizeof path, "%s/%s", b->dir, e->d_name);
        if (e->d_name[0] != '.' && stat(path, &st) == 0)
            n += (uint64_t)st.st_blocks * 512;
    }
    closedir(d);
    return n;
}

/* How long a start takes: with a snapshot, and without. */
static void bench_start(struct bench *b, uint64_t keys)
{
    struct log_stats stats;
    char what[64];
    open_log(b, DURABILITY_INTERVAL, 0);
    rest(b);
    store_close(b->store);
    for (int with = 1; with >= 0; with--) {
        char path[200];
        snprintf(path, sizeof path, "%s/snapshot", b->dir);
        if (!with)
            unlink(path);
        struct watch start = watch_start();
        open_log(b, DURABILITY_INTERVAL, 0);
        struct watch took = watch_read(start);
        log_stats(b->store, &stats);
        CHECK(stats.records >= keys);
        snprintf(what, sizeof what, "a start %s a snapshot", with ? "with" : "without");
        printf("%-40s %12.2f s, %.2f s CPU, %llu MiB of log read, snapshot of %llu MiB\n", what, took.wall_s, took.cpu_s,
               (unsigned long long)(stats.replayed_bytes >> 20), (unsigned long long)(stats.snapshot_bytes >> 20));
        fflush(stdout);
        store_close(b->store);
    }
}

/* Overwrites everything, keys in a random order, in turns; the time of each turn goes into a histogram. */
static void overwrite(struct bench *b, uint64_t keys, uint32_t times, struct histogram *turns)
{
    struct rng rng;
    struct store_result none;
    rng_init(&rng, 2);
    for (uint64_t i = 0; i < keys * times; i += TURN) {
        double began = clock_s(CLOCK_MONOTONIC);
        for (int j = 0; j < TURN; j++)
            put(b, rng_below(&rng, keys));
        store_flush(b->store);
        reap(b, TURN);
        CHECK(!store_reap(b->store, &none)); /* as a node does: the store's upkeep goes on when there is nothing to reap */
        histogram_add(turns, (uint64_t)((clock_s(CLOCK_MONOTONIC) - began) * 1e9), 1);
    }
}

/* The price of compaction, and what it gives back. */
static void bench_overwriting(struct bench *b, uint64_t keys, enum durability durability, uint32_t times)
{
    static struct histogram turns[2];
    struct log_stats stats;
    for (int off = 1; off >= 0; off--) {
        char what[64];
        open_log(b, durability, off ? 1000 : 0);
        memset(&turns[off], 0, sizeof turns[off]);
        struct watch start = watch_start();
        overwrite(b, keys, times, &turns[off]);
        snprintf(what, sizeof what, "overwriting, %s, %s compaction", durability ? "interval" : "fsync", off ? "no" : "with");
        row(what, start, keys * times);
        log_stats(b->store, &stats);
        printf("%-40s %12llu us p99 of a turn, %llu us at most, %llu MiB copied, %llu segments gone\n", "",
               (unsigned long long)histogram_at(&turns[off], 990) / 1000, (unsigned long long)turns[off].max_ns / 1000,
               (unsigned long long)(stats.copied_bytes >> 20), (unsigned long long)stats.removed);
        if (!off) {
            start = watch_start();
            rest(b);
            log_stats(b->store, &stats);
            uint64_t live = stats.records * (64 + VALUE_BYTES) + stats.key_bytes;
            printf("%-40s %12.2f times the live bytes in the log, %.2f with snapshot and reserve, after %.1f s\n",
                   "space when it rests", (double)stats.disk_bytes / (double)live, (double)directory_bytes(b) / (double)live,
                   watch_read(start).wall_s);
        }
        CHECK(log_drain(b->store) == 0);
        store_close(b->store);
    }
}

static void bench_fsync(struct bench *b, uint32_t turn)
{
    char what[64];
    uint64_t puts = 0;
    open_log(b, DURABILITY_FSYNC, 0);
    struct watch start = watch_start();
    do {
        for (uint32_t j = 0; j < turn; j++)
            put(b, puts++ % 10000);
        store_flush(b->store);
        reap(b, turn);
    } while (watch_read(start).wall_s < SYNC_SECONDS);
    snprintf(what, sizeof what, "puts, fsync, %u a group", (unsigned)turn);
    row(what, start, puts);
    store_close(b->store);
}

int main(int argc, char **argv)
{
    uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const char *under = argc > 2 ? argv[2] : "/tmp";
    struct bench *b = calloc(1, sizeof *b);
    CHECK(b != NULL && keys > 0);
    keys = (keys + TURN - 1) / TURN * TURN;
    snprintf(b->root, sizeof b->root, "%.100s/covey-store-XXXXXX", under);
    if (!mkdtemp(b->root)) {
        perror(b->root);
        return 1;
    }
    snprintf(b->dir, sizeof b->dir, "%s/data", b->root);
    sem_init(&b->woken, 0, 0);
    printf("the log store, %llu keys, values of %d bytes\n%-40s %12s %12s\n", (unsigned long long)keys, VALUE_BYTES, "",
           "thousand/s", "CPU us each");
    bench_interval(b, keys);
    bench_start(b, keys);
    bench_overwriting(b, keys, DURABILITY_INTERVAL, keys > 2000000 ? 1 : 10);
    nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    bench_fsync(b, 1);
    bench_fsync(b, TURN);
    nftw(b->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(b);
    return 0;
}
