#include "bench/store_load.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"

enum { LOOK_NS = 100 * 1000 * 1000 }; /* between two looks at a store that has no results */

/* ---- Time ---- */

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct watch watch_start(void)
{
    return (struct watch){clock_s(CLOCK_MONOTONIC), clock_s(CLOCK_PROCESS_CPUTIME_ID)};
}

struct watch watch_read(struct watch w)
{
    return (struct watch){clock_s(CLOCK_MONOTONIC) - w.wall_s,
                          clock_s(CLOCK_PROCESS_CPUTIME_ID) - w.cpu_s};
}

/* ---- Directories ---- */

void bench_make(char root[200], const char *under)
{
    snprintf(root, 200, "%.150s/covey-store-XXXXXX", under);
    if (mkdtemp(root))
        return;
    perror(root);
    exit(1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void bench_remove(const char *root)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

uint64_t bench_disk_bytes(const struct bench *b)
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

/* ---- The store ---- */

static void wake(void *arg)
{
    sem_post(&((struct bench *)arg)->woken);
}

void bench_open(struct bench *b, const char *root, const char *name, struct log_options o)
{
    char why[512];
    snprintf(b->dir, sizeof b->dir, "%.170s/%.20s", root, name);
    sem_init(&b->woken, 0, 0);
    o.dir = b->dir;
    o.wake = wake;
    o.wake_arg = b;
    if (log_open(&o, &b->store, why, sizeof why) == 0)
        return;
    fprintf(stderr, "%s\n", why);
    exit(1);
}

void bench_close(struct bench *b)
{
    CHECK(log_drain(b->store) == 0);
    store_close(b->store);
    sem_destroy(&b->woken);
}

struct slice bench_key(char out[32], uint64_t i)
{
    out[0] = 0;
    return slice_of(out,
                    1 + (size_t)snprintf(out + 1, 31, "user:%llu:session", (unsigned long long)i));
}

/* Puts a fresh value, which lz4 would not shrink (and which is too short for it). */
void bench_put(struct bench *b, uint64_t i)
{
    char key[32];
    memcpy(b->value, &i, sizeof i);
    struct slice value = slice_of(b->value, sizeof b->value);
    struct record r = {.kind = RECORD_VALUE, .key = bench_key(key, i), .value = value};
    r.version =
        (struct version){.stamp = ++b->stamp, .node = 1 + i % 3, .digest = hash_bytes(value)};
    store_put(b->store, i, &r);
}

void bench_reap(struct bench *b, uint32_t n)
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

void bench_fill(struct bench *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += TURN) {
        for (uint64_t j = i; j < i + TURN; j++)
            bench_put(b, j);
        store_commit(b->store);
        bench_reap(b, TURN);
    }
}

void bench_overwrite(struct bench *b, struct rng *rng, uint64_t keys, struct histogram *turns)
{
    struct store_result none;
    double began = clock_s(CLOCK_MONOTONIC);
    for (int j = 0; j < TURN; j++)
        bench_put(b, rng_below(rng, keys));
    store_commit(b->store);
    bench_reap(b, TURN);
    CHECK(!store_reap(b->store, &none));
    histogram_add(turns, (uint64_t)((clock_s(CLOCK_MONOTONIC) - began) * 1e9), 1);
}

void bench_rest(struct bench *b, double least_s)
{
    struct store_result out;
    struct log_stats stats;
    for (struct watch w = watch_start();;) {
        CHECK(!store_reap(b->store, &out));
        log_stats(b->store, &stats);
        if (stats.resting && watch_read(w).wall_s >= least_s)
            return;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        sem_timedwait(&b->woken, &until);
    }
}
