/* load.h: a closed-loop load generator: what a number of busy Redis clients do to a number of
 * ports, in one thread.
 *
 * Each connection sends a pipeline of P requests in one write, waits for all P replies, and sends
 * the next (as redis-benchmark does, so that figures compare). Keys are drawn at random from a
 * known set; a key's value follows from its number, so each reply is checked byte for byte. The
 * latency of a request is from its pipeline's write to the read that brought its reply. A closed
 * loop waits for a slow server instead of asking on, so the tail is what these clients saw, not
 * what an open one would have seen. */
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
    /* bytes; the in-flight requests of all connections are in memory twice */
    LOAD_VALUE_MAX = 128 * 1024,
    LOAD_SILENCE_MS = 10000, /* no reply at all for so long is an error */
    LOAD_WHY = 256,
};

/* EXPIRE gives each key a day; value_bytes are those of the values that are there. */
enum load_op { LOAD_SET, LOAD_GET, LOAD_EXPIRE };

struct load_options {
    uint16_t port[LOAD_PORTS_MAX]; /* on 127.0.0.1; connections are dealt out in turn */
    unsigned port_n;
    enum load_op op;
    unsigned connections, pipeline;
    uint32_t value_bytes;
    uint32_t keys;
    /* each key once, in order, and then the run is over; no warm-up, no duration */
    bool every_key;
    /* a GET may bring any value of value_bytes: the floor keeps none */
    bool any_content;
    /* each pipeline ends with WAIT 1: one replica must have said that it holds it */
    bool wait;
    uint32_t warm_ms;  /* not counted */
    uint32_t count_ms; /* counted, after the warm-up */
    uint64_t seed;     /* of the keys */
    /* set from outside: the run ends early, as an error. May be NULL */
    const volatile sig_atomic_t *stop;
};

struct load_report {
    uint64_t replies; /* right ones, in the counted time; WAIT's own not */
    uint64_t ns;      /* the counted time */
    /* of the whole run: error replies, missing keys, wrong values, WAITs that no replica
     * answered */
    uint64_t errors;
    char error[LOAD_WHY]; /* the first of them */
    struct histogram latency;
};

/* Runs the load and fills the report. 0, or ERR_IO (a port refuses, a connection closes),
 * ERR_BAD_MESSAGE (no RESP), ERR_INCOMPLETE (silence, or stopped), ERR_NO_MEMORY, with a sentence
 * in why (LOAD_WHY bytes). Replies that are merely wrong are counted, and are no error. */
int load_run(const struct load_options *o, struct load_report *out, char *why);

#endif
