/* load.h: a closed-loop load generator: a number of busy Redis clients, in one thread.
 *
 * Each connection sends a pipeline of P requests in one write, waits for all P replies, and sends
 * the next (as redis-benchmark does, so that figures compare). Keys are drawn at random from a
 * known set; a key's value follows from its number, so each reply is checked byte for byte. The
 * latency of a request is from the write of its pipeline to the read that brought its reply. A
 * closed loop waits for a slow server instead of asking on: the tail is what these clients saw, not
 * what an open loop would have seen. */
#ifndef COVEY_BENCH_LOAD_H
#define COVEY_BENCH_LOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/histogram.h"

enum {
    LOAD_PORTS_MAX = 16,
    LOAD_CONNECTIONS_MAX = 1000,
    LOAD_PIPELINE_MAX = 1000,
    /* bytes; requests under way of all connections are in memory twice */
    LOAD_VALUE_MAX = 128 * 1024,
    LOAD_SILENCE_MS = 10000, /* when no reply came for so long, the run fails */
    LOAD_WHY = 256,
};

/* EXPIRE gives each key a day; value_bytes are those of the values that are there. */
enum load_op { LOAD_SET, LOAD_GET, LOAD_EXPIRE };

struct load_options {
    uint16_t port[LOAD_PORTS_MAX]; /* on 127.0.0.1; connections use them in turn */
    unsigned port_n;
    enum load_op op;
    unsigned connections, pipeline;
    uint32_t value_bytes;
    uint32_t keys;
    /* sends each key once, in order, and ends; no warm-up, no duration */
    bool every_key;
    /* a GET may return any value of value_bytes: the floor has no records */
    bool any_content;
    /* each pipeline ends with WAIT 1: one replica must have acknowledged it */
    bool wait;
    uint32_t warm_ms;  /* of warm-up, which is not counted */
    uint32_t count_ms; /* of measuring, after the warm-up */
    uint64_t seed;     /* of the random keys */
    /* set by a signal handler: the run ends early, as an error; may be NULL */
    const volatile sig_atomic_t *stop;
};

struct load_report {
    uint64_t replies; /* right replies in the counted time, without those of WAIT */
    uint64_t ns;      /* the counted time */
    /* of the whole run: error replies, missing keys, wrong values, WAITs without a replica */
    uint64_t errors;
    char error[LOAD_WHY]; /* the first error */
    struct histogram latency;
};

/* Runs a load and fills the report. 0; or ERR_IO (a port refuses, a connection closes),
 * ERR_BAD_MESSAGE (no RESP), ERR_INCOMPLETE (silence, or stopped), ERR_NO_MEMORY, with a sentence
 * in why (LOAD_WHY bytes). Replies that are merely wrong are counted in the report. */
int load_run(const struct load_options *o, struct load_report *out, char *why);

#endif
