/* writers.h: clients of real nodes in one poll loop. They write, delete and read, and remember the
 * replies.
 *
 * There are a few connections to each node. Each sends a batch of commands on random keys, waits
 * for all the replies, pauses, and goes on. When a connection ends, it is opened anew, to the same
 * node. Every written value is unique, and everything goes into a history (sim/history.h), which
 * judges at each read whether all replies so far can be true: the same judge as in the simulated
 * world.
 *
 * A command ends in one of four ways: done; refused (the node answers that nothing was stored);
 * unknown (it answers that something may be stored); cut (the connection ended before the reply
 * came). Anything else is a violation. A command that was not done, and has no excuse, is one too.
 * The excuses come from the story, which reports what it does to each node (writers_killed ...): a
 * node that is left in peace, while at most one other is in trouble, has none. */
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
    WRITERS_VALUE = 4096, /* the most bytes that the text of a value has, with its NUL */
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
    uint64_t wakes_us; /* when its pause ends */
};

/* What the story does to a node: the excuses of its clients' commands. */
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
    bool running; /* a new batch follows when the last one is answered */
    uint32_t next_value;
    uint64_t done, refused, unknown, cut;
    struct latencies calm, rough; /* of commands that were done, without and with trouble */
    struct buf why;               /* a violation besides the history's */
};

uint64_t writers_now_us(void);

/* The name of a key and the text of a value, NUL-terminated. A value is "v7" and dots, as many as
 * follow from its number. */
const char *writers_key(uint32_t key, char out[16]);
const char *writers_value(uint32_t value, char out[WRITERS_VALUE]);
uint32_t writers_number(struct slice value);

/* Clients of nodes 0 .. 2 of the cluster, which begin at once. */
void writers_open(struct writers *w, struct cluster *c, uint64_t seed);
void writers_close(struct writers *w);

/* One turn of the loop, a few milliseconds: takes the replies that came, sends the batches that are
 * due. Fails the story at a violation. */
void writers_turn(struct writers *w);

/* No new batches; turns until all that was asked is answered or cut. */
void writers_finish(struct writers *w);

/* ---- The weather: called right after a kill or a resume, and before anything else is done ---- */

void writers_killed(struct writers *w, unsigned node);
void writers_stopped(struct writers *w, unsigned node);
void writers_resumed(struct writers *w, unsigned node);

/* The node is in trouble. Two such nodes at once excuse all three: there is no quorum. */
void writers_trouble(struct writers *w, unsigned node);

/* All three are well. */
void writers_well(struct writers *w);

/* Prints counts and latencies, and forgets the latencies. */
void writers_report(struct writers *w, const char *title);

#endif
