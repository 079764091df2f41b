/* repair_bench.c: what anti-entropy costs. Three simulated nodes hold the same keys except for
 * some, and one of them runs REPAIR. Bytes are counted on the streams of all nodes; the time is the
 * virtual time of the network and the disks; the CPU time is that of all three nodes.
 *
 *     repair_bench [KEYS]    a million by default: half a gigabyte */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/hash.h"
#include "bench/figure.h"
#include "sim/world.h"

enum { NODES = 3, VALUE_BYTES = 20, COMMIT_EVERY = 20000 };

static struct world world;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_until(uint64_t until_us)
{
    struct sim_event ev;
    while (world_next(&world, until_us, &ev)) {}
}

static bool ready(void)
{
    for (unsigned i = 0; i < NODES; i++)
        if (!world.node[i].up || !node_ready(&world.node[i].node) ||
            chain_layout(&world.node[i].node.member.chain)->n != NODES)
            return false;
    return true;
}

/* Makes everything that was put durable. The node gets no results. */
static void settle(struct store *s)
{
    struct store_result r;
    store_commit(s);
    mem_sync(s);
    while (store_reap(s, &r))
        CHECK(r.kind == STORE_PUT_DONE && r.error == 0);
}

/* Puts `n` keys, `step` apart, with one stamp. */
static void fill(uint32_t node, uint32_t n, uint32_t step, uint64_t stamp)
{
    struct store *s = world.node[node].store;
    char key[16] = {0};
    uint8_t value[VALUE_BYTES] = {(uint8_t)stamp};
    for (uint32_t i = 0; i < n; i++) {
        int key_n = 1 + snprintf(key + 1, sizeof key - 1, "key:%08" PRIu32, i * step);
        struct record r = {.kind = RECORD_VALUE,
                           .key = slice_of(key, (size_t)key_n),
                           .value = slice_of(value, sizeof value)};
        r.version = (struct version){.stamp = stamp, .node = 1, .digest = hash_bytes(r.value)};
        store_put(s, 0, &r);
        if (i % COMMIT_EVERY == COMMIT_EVERY - 1)
            settle(s);
    }
    settle(s);
}

/* Runs REPAIR at node 0 and prints its costs. mb and seconds: the goals, 0 where there is none. */
static void repair(const char *what, double mb, double seconds)
{
    struct repair *r = &world.node[0].node.shard.repair;
    uint64_t bytes = world.bytes, from_us = world.now_us;
    double cpu = cpu_s();
    char row[120];
    struct request ask = {.kind = OP_REPAIR, .vnode = REPAIR_ALL};
    struct event ev = {.kind = EV_REQUEST, .request = &ask};
    world_turn(&world, 0, &ev);
    while (r->run.phase != REPAIR_IDLE || r->next_ms == 0)
        run_until(world.now_us + 1000);
    CHECK(r->info.incomplete == 0 && r->info.unreachable == 0);
    snprintf(row, sizeof row, "repair, %s: %" PRIu64 " moved, %.2f s of CPU", what,
             r->info.sent + r->info.received, cpu_s() - cpu);
    figure_print(&(struct figure){.what = row,
                                  .value = (double)(world.bytes - bytes) / 1e6,
                                  .decimals = 3,
                                  .unit = "MB sent",
                                  .kind = mb > 0 ? FIGURE_BELOW : FIGURE_ALONE,
                                  .goal = mb});
    figure_print(&(struct figure){.what = "",
                                  .value = (double)(world.now_us - from_us) / 1e6,
                                  .decimals = 3,
                                  .unit = "s, virtual",
                                  .kind = seconds > 0 ? FIGURE_BELOW : FIGURE_ALONE,
                                  .goal = seconds});
}

int main(int argc, char **argv)
{
    uint32_t keys = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    uint64_t stamp = (uint64_t)1600000000000 << 16;
    world_init(&world, &(struct world_options){.seed = 1, .nodes = NODES, .profile = SWIM_LOCAL});
    for (uint32_t i = 0; i < NODES; i++)
        world_start_node(&world, i, 0);
    while (!ready())
        run_until(world.now_us + 100000);
    for (uint32_t i = 0; i < NODES; i++)
        fill(i, keys, 1, stamp);
    figure_head("anti-entropy, three nodes");
    repair("trees built", 0, 0);
    /* by now the other two have compared by themselves, as members do when they meet */
    run_until(world.now_us + 5000000);
    repair("no difference", 0, 0);
    fill(1, 10, keys / 10, stamp + 1);
    repair("10 keys newer at a peer", 1, 2);
    fill(0, 10, keys / 10, stamp + 2);
    repair("10 keys newer here", 1, 2);
    fill(1, keys / 100, 100, stamp + 3);
    repair("1 in 100 newer at a peer", 0, 0);
    world_close(&world);
    return 0;
}
