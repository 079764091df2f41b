/* load.h: clients that write, read and delete, and remember the replies that they got.
 *
 * Each client speaks RESP to one node at a time, one command after the other. When its node dies,
 * it connects to another. What it did goes into the history (history.h), which says whether it can
 * be true. Besides, each acknowledged write is looked up on the disks of its owners: at the moment
 * of the reply W of them hold it, or a greater version. */
#ifndef COVEY_SIM_LOAD_H
#define COVEY_SIM_LOAD_H

#include "sim/history.h"
#include "sim/world.h"

enum load_op { LOAD_NONE, LOAD_SET, LOAD_GET, LOAD_DEL, LOAD_EXPIRE, LOAD_FLUSH };

enum {
    LOAD_ANSWER_MS = 30000,  /* a live node that does not reply for so long hangs */
    LOAD_THINK_MS = 60,      /* the longest pause between two commands of a client */
    LOAD_HOT_THINK_US = 500, /* the same where keys are hot */
    LOAD_LIFE_MS = 8000,     /* the longest time until a value with an expiry is over */
    /* In every other run one command in so many is a FLUSHALL. In the rest there is none, for a
     * FLUSHALL hides what becomes of single deletions. */
    LOAD_FLUSH_OFTEN = 500,
    LOAD_FLUSH_NEVER = INT32_MAX
};

struct load_client {
    enum load_op op; /* the command under way */
    uint32_t key;
    uint32_t write;   /* the handle in the history of a write, or of an EXPIRE */
    uint32_t life_ms; /* SET, EXPIRE: until the value is over; 0: for ever */
    uint32_t *flush;  /* FLUSHALL: the handles in the history of each key's deletion */
    uint32_t value;
    uint64_t begin_us;
    uint64_t wakes_us; /* when it begins its next command */
    uint32_t commands; /* commands that it gave */
};

struct load {
    struct world *world;
    struct history history;
    struct rng rng, life_rng;
    struct load_client *client;
    struct resp_reply reply;
    struct buf bytes, scratch;
    bool running; /* clients go on with new commands */
    uint32_t next_value;
    uint32_t flush_rarely; /* one command in so many is a FLUSHALL */
    uint32_t hot;          /* so many keys alone are written and read, without pauses; 0: all */
    uint32_t commands_max; /* commands of each client; 0: no end */
    uint64_t ok, failed, unknown, reads;
    struct buf why; /* the first acknowledged write that too few disks held, in words */
    /* a client got a reply */
    void (*replied)(void *arg, uint32_t client, const char *op, uint32_t key, uint32_t value,
                    struct slice reply);
    void *replied_arg;
};

/* hot: see struct load. */
void load_init(struct load *l, struct world *w, uint64_t seed, uint32_t keys, uint32_t hot);
void load_close(struct load *l);

/* Clients begin, at different times. And they stop after the command under way. */
void load_start(struct load *l);
void load_stop(struct load *l);

/* The world's news (world_watch.client, .hung_up). */
void load_client(struct load *l, uint32_t client);
void load_hung_up(struct load *l, uint32_t client);

/* Client 0 reads a key through a node; the reply is judged like that of any read. No command may be
 * under way. */
void load_read(struct load *l, uint32_t key, uint32_t node);

/* How many commands are under way. */
uint32_t load_pending(const struct load *l);

/* The number of a client that has waited too long for a live node; -1: none has. */
int64_t load_hanging(const struct load *l);

#endif
