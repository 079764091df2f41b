/* writers.h: clients of real nodes in one poll loop, that write, delete and read, and remember what
 * they were told.
 *
 * Each node has a few connections of its own. Each sends a batch of commands on random keys in one
 * go, waits for all the replies, thinks, and goes on; when the connection ends it opens another to
 * the same node, again and again. Every written value is unique, and everything goes into a history
 * (sim/history.h), which says at each read whether what the clients were told so far can be true:
 * the same judge that judges the simulated world.
 *
 * An outcome is one of five. done; refused (nothing was stored, says the node); unknown (it may
 * have been stored, says the node); cut (the connection ended before the reply came); and anything
 * else is a violation. So is a request that was not done without an excuse: the story says what it
 * does to each node (writers_killed ...), and a node that is left alone, with at most one other in
 * trouble, has none. */
#ifndef COVEY_TEST_E2E_WRITERS_H
#define COVEY_TEST_E2E_WRITERS_H

#include "base/rng.h"
#include "harness.h"
#include "sim/history.h"

enum {
    WRITERS_NODES = 3,
    WRITERS_EACH = 3, /* connections to each node */
    WRITERS = WRITERS_NODES * WRITERS_EACH,
    /* so few that each is written, read and deleted many times between two blows */
    WRITERS_KEYS = 300,
    WRITERS_BATCH = 8,
    WRITERS_VALUE = 4096, /* bytes of a value's text at most */
};

/* A command on its way. */
struct asked {
    char kind; /* 'S'et, 'D'el or 'G'et */
    uint32_t key, value;
    uint32_t write; /* its handle in the history */
    uint64_t begin_us;
};

struct writer {
    struct client client;
    unsigned node;
    struct asked asked[WRITERS_BATCH];
    unsigned asked_n, answered_n;
    uint64_t wakes_us; /* when it has thought enough */
};

/* What the story does to a node: what its clients' bad luck is held against. */
struct weather {
    bool stopped;
    uint64_t killed_us, resumed_us;
    /* requests that began before then may be refused or unknown; UINT64_MAX: in trouble */
    uint64_t excused_until_us;
};

struct latencies {
    uint32_t *us;
    uint32_t n, cap;
};

struct writers {
    struct cluster *cluster;
    struct history history;
    struct rng rng;
    struct writer writer[WRITERS];
    struct weather weather[WRITERS_NODES];
    bool running; /* with new batches when the old ones are answered */
    uint32_t next_value;
    uint64_t done, refused, unknown, cut;
    struct latencies calm, rough; /* of what was done: in no trouble, and in some */
    struct buf why;               /* a violation besides the history's */
};

uint64_t writers_now_us(void);

/* The key's name and the value's text, NUL-terminated. A value is "v7" and dots behind, as many as
 * its number says. */
const char *writers_key(uint32_t key, char out[16]);
const char *writers_value(uint32_t value, char out[WRITERS_VALUE]);
uint32_t writers_number(struct slice value);

/* Clients of nodes 0 .. 2 of the cluster, which begin at once. */
void writers_open(struct writers *w, struct cluster *c, uint64_t seed);
void writers_close(struct writers *w);

/* One turn of the loop, a few milliseconds: hears what came, says what is due. Fails the story at a
 * violation. */
void writers_turn(struct writers *w);

/* No new batches; turns until all that was asked is answered or cut. */
void writers_finish(struct writers *w);

/* ---- The weather. Each is said right after (killed, resumed) or before (the others) it is done
 * ---- */

void writers_killed(struct writers *w, unsigned node);
void writers_stopped(struct writers *w, unsigned node);
void writers_resumed(struct writers *w, unsigned node);

/* Node is in trouble; two at once excuse all three, since there is no quorum. */
void writers_trouble(struct writers *w, unsigned node);

/* All three are well. */
void writers_well(struct writers *w);

/* Prints counts and latencies, and forgets the latencies. */
void writers_report(struct writers *w, const char *title);

#endif
