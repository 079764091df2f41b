/* load.h: clients that write, read and delete, and remember what they were told.
 *
 * Each speaks RESP to one node at a time, one command after the other; when its node dies it goes
 * to another. What it did goes into the history (history.h), which says whether it can be true. */
#ifndef COVEY_SIM_LOAD_H
#define COVEY_SIM_LOAD_H

#include "sim/history.h"
#include "sim/world.h"

enum load_op { LOAD_NONE, LOAD_SET, LOAD_GET, LOAD_DEL, LOAD_EXPIRE, LOAD_FLUSH };

enum {
    LOAD_ANSWER_MS = 30000,  /* no answer of a live node for so long is a hang */
    LOAD_THINK_MS = 60,      /* between commands of a client, at most, */
    LOAD_HOT_THINK_US = 500, /* and where keys are hot */
    LOAD_LIFE_MS = 8000,     /* of a value that ends, at most */
    LOAD_FLUSH_OFTEN = 500,  /* one command in so many is a FLUSHALL in every other run, */
    /* and none in the rest, for they hide what becomes of single deletions */
    LOAD_FLUSH_NEVER = INT32_MAX
};

struct load_client {
    enum load_op op; /* under way */
    uint32_t key;
    uint32_t write;   /* its handle in the history: of a write, or of an EXPIRE */
    uint32_t life_ms; /* SET, EXPIRE: until the value ends; 0: it does not */
    uint32_t *flush;  /* FLUSHALL: the deletion of each key in the history */
    uint32_t value;
    uint64_t begin_us;
    uint64_t wakes_us; /* when it thought of going on */
    uint32_t commands; /* that it gave */
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
    uint32_t flush_rarely;
    uint32_t hot;          /* so many keys alone are written and read, without thinking; 0: all */
    uint32_t commands_max; /* of each client; 0: no end */
    uint64_t ok, failed, unknown, reads;
    struct buf why; /* a violation besides the history's */
    void (*said)(void *arg, uint32_t client, const char *op, uint32_t key, uint32_t value,
                 struct slice reply);
    void *said_arg;
};

/* hot: see struct load. */
void load_init(struct load *l, struct world *w, uint64_t seed, uint32_t keys, uint32_t hot);
void load_close(struct load *l);

/* Clients begin, at different times; they stop after their present command. */
void load_start(struct load *l);
void load_stop(struct load *l);

/* The world's news (world_watch.client, .hung_up). */
void load_client(struct load *l, uint32_t client);
void load_hung_up(struct load *l, uint32_t client);

/* Client 0 reads key `key` through a node; the answer is judged as any read. Commands must have
 * stopped. */
void load_read(struct load *l, uint32_t key, uint32_t node);

/* Commands under way. */
uint32_t load_pending(const struct load *l);

/* A client that has waited too long for a live node: its number, else -1. */
int64_t load_hanging(const struct load *l);

#endif
