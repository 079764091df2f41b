/* store_bench.c: what the log store costs by itself, and the goals that it has to meet.
 *
 *     store_bench [-d DIR] [-k KEYS]    KEYS: a million by default; DIR: /tmp by default
 *     store_bench [-d DIR] -l           memory and starts at ten million keys: 2 GiB in DIR
 *
 * The price of compaction is measured on two stores with the same history, of which one compacts.
 * They take many turns of a fifth of a second, and the median of the ratios counts, because the
 * machine is shared: a disk with many users may stall for half a second. Segments are small, and
 * none is left alone, so that compaction never rests; with a node's own settings it does less. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "bench/figure.h"
#include "bench/store_load.h"

enum {
    LARGE_KEYS = 10 * 1000 * 1000 / TURN * TURN,
    PATIENCE_MS = 10000, /* a node's own setting */
    /* how long to rest after a load: until the last segment is old, and a little more */
    PATIENCE_OVER_S = 13,
    /* 150 MiB of live records: far more than is written in a round, so that there is always much to
     * copy */
    DUEL_KEYS = 12500 * TURN,
    DUEL_SEGMENT = 8 * 1024 * 1024,
    DUEL_ROUNDS = 31,
    SYNC_SECONDS = 2,
};

static const double DUEL_TURN_S = 0.2;

static void price(const char *what, struct watch start, uint64_t n)
{
    struct watch took = watch_read(start);
    char row[80];
    snprintf(row, sizeof row, "%s: %.2f us of CPU each", what, took.cpu_s * 1e6 / (double)n);
    figure_print(&(struct figure){
        .what = row, .value = (double)n / took.wall_s / 1e3, .unit = "thousand/s"});
}

static void memory(struct bench *b, uint64_t keys)
{
    struct log_stats stats;
    char row[80];
    log_stats(b->store, &stats);
    snprintf(row, sizeof row, "memory of the index besides the keys, %.0f million of them",
             (double)keys / 1e6);
    figure_print(&(struct figure){.what = row,
                                  .value = (double)(stats.index_bytes - stats.key_bytes) /
                                           (double)stats.records,
                                  .decimals = 1,
                                  .unit = "bytes a key",
                                  .kind = FIGURE_BELOW,
                                  .goal = 40.0});
}

static void gets(struct bench *b, uint64_t keys)
{
    char key[32];
    struct rng rng;
    for (int wants = GET_DIGEST; wants <= GET_VALUE; wants++) {
        rng_init(&rng, 1);
        struct watch start = watch_start();
        for (uint64_t i = 0; i < keys; i += TURN) {
            for (int j = 0; j < TURN; j++)
                store_get(b->store, 0, bench_key(key, rng_below(&rng, keys)),
                          (enum get_wants)wants);
            bench_reap(b, TURN);
        }
        price(wants == GET_VALUE ? "gets of a value, cached" : "gets of a digest", start, keys);
    }
}

/* How long a start takes, with a snapshot and without. */
static void starts(struct bench *b, const char *root, const char *name, uint64_t keys)
{
    struct log_stats stats;
    char row[80], path[240];
    bench_open(b, root, name, (struct log_options){.durability = DURABILITY_INTERVAL});
    bench_rest(b, 0);
    bench_close(b);
    for (int with = 1; with >= 0; with--) {
        snprintf(path, sizeof path, "%s/snapshot", b->dir);
        if (!with)
            unlink(path);
        struct watch start = watch_start();
        bench_open(b, root, name, (struct log_options){.durability = DURABILITY_INTERVAL});
        struct watch took = watch_read(start);
        log_stats(b->store, &stats);
        CHECK(stats.records >= keys);
        snprintf(row, sizeof row, "a start %s a snapshot, %.0f million keys",
                 with ? "with" : "without", (double)keys / 1e6);
        figure_print(&(struct figure){.what = row,
                                      .value = took.wall_s,
                                      .decimals = 2,
                                      .unit = "s",
                                      .kind = with ? FIGURE_BELOW : FIGURE_ALONE,
                                      .goal = 5});
        bench_close(b);
    }
}

/* ---- Compaction ---- */

struct duellist {
    struct bench b;
    struct histogram turns;
    uint64_t copied; /* bytes that were copied before the duel began */
};

/* The rate of one turn, in puts a second. */
static double duel_turn(struct duellist *d, struct rng *rng)
{
    struct watch start = watch_start();
    uint64_t before = d->turns.total;
    while (watch_read(start).wall_s < DUEL_TURN_S)
        bench_overwrite(&d->b, rng, DUEL_KEYS, &d->turns);
    return (double)((d->turns.total - before) * TURN) / watch_read(start).wall_s;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The rate of the store that compacts, as a part of the other's. */
static double duel(struct duellist *with, struct duellist *without, struct rng *rng)
{
    double ratio[DUEL_ROUNDS];
    for (int i = 0; i < DUEL_ROUNDS; i++) {
        double rate = duel_turn(without, rng);
        ratio[i] = duel_turn(with, rng) / rate;
    }
    qsort(ratio, DUEL_ROUNDS, sizeof *ratio, by_size);
    return ratio[DUEL_ROUNDS / 2];
}

static void duel_begin(struct duellist *d, const char *root, const char *name,
                       enum durability durability, bool compacts)
{
    struct rng rng;
    struct log_stats stats;
    rng_init(&rng, 2);
    bench_open(&d->b, root, name, (struct log_options){.durability = DURABILITY_INTERVAL});
    bench_fill(&d->b, DUEL_KEYS);
    for (unsigned i = 0; i < DUEL_KEYS / TURN; i++)
        bench_overwrite(&d->b, &rng, DUEL_KEYS, &d->turns);
    bench_close(&d->b);
    bench_open(&d->b, root, name,
               (struct log_options){.durability = durability,
                                    .segment_bytes = DUEL_SEGMENT,
                                    .dead_percent = compacts ? 0 : 1000});
    duel_turn(d, &rng); /* compaction is under way now */
    log_stats(d->b.store, &stats);
    d->copied = stats.copied_bytes;
    memset(&d->turns, 0, sizeof d->turns);
}

static void compaction(const char *root, enum durability durability)
{
    static struct duellist duellist[2];
    const char *mode = durability == DURABILITY_FSYNC ? "fsync" : "interval";
    char row[120], name[16];
    struct rng rng;
    struct log_stats stats;
    rng_init(&rng, 3);
    memset(duellist, 0, sizeof duellist);
    for (int compacts = 0; compacts < 2; compacts++) {
        snprintf(name, sizeof name, "%s-%d", mode, compacts);
        duel_begin(&duellist[compacts], root, name, durability, compacts);
    }
    double ratio = duel(&duellist[1], &duellist[0], &rng);
    log_stats(duellist[1].b.store, &stats);
    snprintf(row, sizeof row, "puts while compaction runs, %s (%.0f MiB copied), of those without",
             mode, (double)(stats.copied_bytes - duellist[1].copied) / 1048576);
    figure_print(&(struct figure){
        .what = row, .value = 100 * ratio, .unit = "%", .kind = FIGURE_ABOVE, .goal = 80});
    for (int compacts = 0; compacts < 2; compacts++) {
        snprintf(row, sizeof row, "p99 of a turn of %d, %s, %s", TURN, mode,
                 compacts ? "while it runs" : "without");
        figure_print(
            &(struct figure){.what = row,
                             .value = (double)histogram_at(&duellist[compacts].turns, 990) / 1e3,
                             .unit = "us"});
        bench_close(&duellist[compacts].b);
    }
}

static void space(struct bench *b, const char *root, uint64_t keys)
{
    static struct histogram turns;
    struct rng rng;
    struct log_stats stats;
    rng_init(&rng, 2);
    bench_open(b, root, "main",
               (struct log_options){.durability = DURABILITY_INTERVAL, .patience_ms = PATIENCE_MS});
    for (uint64_t i = 0; i < 10 * keys; i += TURN)
        bench_overwrite(b, &rng, keys, &turns);
    struct watch start = watch_start();
    bench_rest(b, PATIENCE_OVER_S);
    double waited_s = watch_read(start).wall_s;
    log_stats(b->store, &stats);
    uint64_t live = stats.records * (RECORD_HEADER + VALUE_BYTES) + stats.key_bytes;
    char row[120];
    snprintf(row, sizeof row, "space after overwriting all 10 times, %.0f s after the load",
             waited_s);
    figure_print(&(struct figure){.what = row,
                                  .value = (double)bench_disk_bytes(b) / (double)live,
                                  .decimals = 2,
                                  .unit = "x live bytes",
                                  .kind = FIGURE_BELOW,
                                  .goal = 2});
    bench_close(b);
}

static void fsyncs(struct bench *b, const char *root, uint32_t turn)
{
    char what[64];
    uint64_t puts = 0;
    bench_open(b, root, "fsync", (struct log_options){.durability = DURABILITY_FSYNC});
    struct watch start = watch_start();
    do {
        for (uint32_t j = 0; j < turn; j++)
            bench_put(b, puts++ % 10000);
        store_commit(b->store);
        bench_reap(b, turn);
    } while (watch_read(start).wall_s < SYNC_SECONDS);
    snprintf(what, sizeof what, "puts, fsync, %u a group", (unsigned)turn);
    price(what, start, puts);
    bench_close(b);
}

static void fill(struct bench *b, const char *root, uint64_t keys)
{
    bench_open(b, root, "main", (struct log_options){.durability = DURABILITY_INTERVAL});
    struct watch start = watch_start();
    bench_fill(b, keys);
    price("puts, interval, 64 a turn", start, keys);
    memory(b, keys);
}

int main(int argc, char **argv)
{
    static struct bench b;
    uint64_t keys = 1000000;
    const char *under = "/tmp";
    bool large = false, good = true;
    char root[200];
    for (int c; good && (c = getopt(argc, argv, "d:k:l")) != -1;) {
        large |= c == 'l';
        under = c == 'd' ? optarg : under;
        keys = c == 'k' ? strtoull(optarg, NULL, 10) : keys;
        good = c != '?' && keys > 0;
    }
    if (!good || optind < argc) {
        fprintf(stderr, "usage: store_bench [-d DIR] [-k KEYS | -l]\n");
        return 2;
    }
    keys = large ? LARGE_KEYS : (keys + TURN - 1) / TURN * TURN;
    bench_make(root, under);
    figure_head(large ? "the store, ten million keys" : "the store");
    fill(&b, root, keys);
    if (!large)
        gets(&b, keys);
    bench_close(&b);
    starts(&b, root, "main", keys);
    if (!large) {
        space(&b, root, keys);
        compaction(root, DURABILITY_INTERVAL);
        compaction(root, DURABILITY_FSYNC);
        fsyncs(&b, root, 1);
        fsyncs(&b, root, TURN);
    }
    bench_remove(root);
    return 0;
}
