/* arm.h: the contestants of the benchmark: each is one or three processes on loopback, in a
 * temporary directory (console/nest.h: both go when we end, however we end). */
#ifndef COVEY_BENCH_ARM_H
#define COVEY_BENCH_ARM_H

#include "bench/load.h"
#include "console/nest.h"

enum arm_kind { ARM_FLOOR, ARM_INTERVAL, ARM_FSYNC, ARM_REDIS, ARM_REDIS_WAIT, ARMS };

enum {
    ARM_NODES = 3,
    ARM_READY_MS = 30000, /* how long an arm may take to get ready */
    ARM_LOG_LINES = 8,    /* of the log of each process that did not get ready */
};

struct arm {
    enum arm_kind kind;
    bool running;
    uint16_t base; /* clients' ports are base, base + 10, base + 20; peers' are one above */
    struct nest nest;
};

/* Its name for --only ("interval"), and for the table ("covey, interval"). */
const char *arm_name(enum arm_kind kind);
const char *arm_title(enum arm_kind kind);

/* Finds an arm's program: beside ours, or in PATH for Redis. False with a sentence in why (LOAD_WHY
 * bytes) when it is not there. */
bool arm_program(enum arm_kind kind, char path[PATH_MAX], char *why);

/* Starts the processes and waits until all are ready (of covey: a healthy cluster of all three).
 * False with a sentence in why: nothing runs then, and the ends of the logs were printed. *stop
 * ends the wait. */
bool arm_start(struct arm *a, enum arm_kind kind, const volatile sig_atomic_t *stop, char *why);

/* Kills the processes and removes the directory. Does nothing when the arm is not running. */
void arm_stop(struct arm *a);

/* Starts process i again, which was killed, on the data that it had. 0 or an errno. */
int arm_restart(struct arm *a, unsigned i);

/* The port at which process i takes clients. */
uint16_t arm_port(const struct arm *a, unsigned i);

/* Sets the ports of a load, and which replies it must expect. */
void arm_aim(const struct arm *a, struct load_options *o);

/* VmRSS of the arm's largest process, in KiB; 0 when it cannot be read. */
uint64_t arm_rss_kib(const struct arm *a);

#endif
