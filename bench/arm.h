/* arm.h: the contestants of the benchmark, each a few processes on loopback in a temporary
 * directory of their own (console/nest.h: they and the directory go with us, however we end). */
#ifndef COVEY_BENCH_ARM_H
#define COVEY_BENCH_ARM_H

#include "bench/load.h"
#include "console/nest.h"

enum arm_kind { ARM_FLOOR, ARM_INTERVAL, ARM_FSYNC, ARM_REDIS, ARM_REDIS_WAIT, ARMS };

enum {
    ARM_NODES = 3,
    ARM_READY_MS = 30000, /* to be ready after the start */
    ARM_LOG_LINES = 8,    /* shown of each process that did not get there */
};

struct arm {
    enum arm_kind kind;
    bool running;
    uint16_t base; /* ports: base, base + 10, base + 20; peers one above */
    struct nest nest;
};

/* "interval", for --only; "covey, interval", for the table. */
const char *arm_name(enum arm_kind kind);
const char *arm_title(enum arm_kind kind);

/* Finds the program: beside ours, or in PATH for somebody else's. False with a sentence in why
 * (LOAD_WHY bytes) where it is not there. */
bool arm_program(enum arm_kind kind, char path[PATH_MAX], char *why);

/* Starts the processes and asks until all are ready (a whole, healthy cluster). False with a
 * sentence in why; then nothing runs, and the ends of their logs were printed. *stop ends the
 * wait. */
bool arm_start(struct arm *a, enum arm_kind kind, const volatile sig_atomic_t *stop, char *why);

/* Kills the processes, removes the directory. Does nothing when it is not running. */
void arm_stop(struct arm *a);

/* Starts process i again, which was killed, on what it had. 0 or an errno. */
int arm_restart(struct arm *a, unsigned i);

/* Where process i takes clients. */
uint16_t arm_port(const struct arm *a, unsigned i);

/* Sets the ports and what replies are to be expected. */
void arm_aim(const struct arm *a, struct load_options *o);

/* VmRSS of its largest process, in KiB; 0 when it cannot be read. */
uint64_t arm_rss_kib(const struct arm *a);

#endif
