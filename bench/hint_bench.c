/* hint_bench.c: how fast a member that was away gets what it missed. Of three nodes one is killed,
 * and the others take writes, each of which leaves a hint. The node starts again, and the time from
 * the first hint that is replayed to the last is measured.
 *
 *     hint_bench [WRITES]    200,000 by default, each of another key */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/arm.h"
#include "bench/figure.h"
#include "console/client.h"

enum { AWAY = 2, OTHERS = ARM_NODES - 1, PATIENCE_S = 120, LOOK_NS = 10 * 1000 * 1000 };

static volatile sig_atomic_t stop;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void give_up(struct arm *a, const char *why)
{
    fprintf(stderr, "hint_bench: %s\n", why);
    arm_stop(a);
    exit(1);
}

/* The hints that the two others keep for the node that is away. */
static uint64_t waiting(struct arm *a, struct client *c)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < OTHERS; i++) {
        if (client_ask(&c[i], (const char *const[]){"HINTS", NULL}) != 0)
            give_up(a, c[i].why);
        for (uint32_t v = 0; v < c[i].reply.n; v++) {
            uint32_t field =
                c[i].reply.v[v].type == RESP_MAP ? client_field(&c[i], v, "waiting") : 0;
            n += field ? (uint64_t)c[i].reply.v[field].integer : 0;
        }
    }
    return n;
}

static void look_again(void)
{
    nanosleep(&(struct timespec){0, LOOK_NS}, NULL);
}

/* Waits until at least (or, falling, at most) that many hints wait. Returns how many do. */
static uint64_t wait_for(struct arm *a, struct client *c, uint64_t goal, bool falling)
{
    double began_s = now_s();
    for (;;) {
        uint64_t n = waiting(a, c);
        if (falling ? n <= goal : n >= goal)
            return n;
        if (now_s() - began_s > PATIENCE_S)
            give_up(a, "the hints did not get where they should");
        look_again();
    }
}

static void write_all(struct arm *a, uint32_t writes)
{
    static struct load_report report;
    char why[LOAD_WHY];
    struct load_options o = {
        .op = LOAD_SET, .connections = 30, .pipeline = 16, .value_bytes = 100, .every_key = true};
    o.keys = writes;
    o.stop = &stop;
    arm_aim(a, &o);
    o.port_n = OTHERS;
    if (load_run(&o, &report, why) != 0)
        give_up(a, why);
    if (report.errors)
        give_up(a, report.error);
}

int main(int argc, char **argv)
{
    static struct arm a;
    uint32_t writes = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200000;
    char why[LOAD_WHY];
    struct client c[OTHERS];
    if (!arm_start(&a, ARM_INTERVAL, &stop, why)) {
        fprintf(stderr, "hint_bench: %s\n", why);
        return 1;
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        client_init(&c[i]);
        if (client_open(&c[i], "127.0.0.1", arm_port(&a, i)) != 0)
            give_up(&a, c[i].why);
    }
    nest_signal(&a.nest, AWAY, SIGKILL);
    write_all(&a, writes);
    uint64_t kept = wait_for(&a, c, writes, false);
    if (arm_restart(&a, AWAY) != 0)
        give_up(&a, "the node could not be started again");
    wait_for(&a, c, kept - 1, true);
    double began_s = now_s();
    wait_for(&a, c, 0, true);
    double took_s = now_s() - began_s;
    figure_head("hints");
    figure_print(&(struct figure){.what = "hints replayed to a member that came back",
                                  .value = (double)kept / took_s,
                                  .unit = "a second"});
    for (unsigned i = 0; i < OTHERS; i++)
        client_close(&c[i]);
    arm_stop(&a);
    return 0;
}
