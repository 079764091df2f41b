/* loader.h: many keys into a running cluster: pipelined SETs through one node; each counts when it
 * is acknowledged.
 *
 * A SET that is refused for now (BUSY, NOQUORUM, UNKNOWN, ...) is sent again, until
 * LOADER_PATIENCE_MS pass without one success. To store a key twice does no harm. */
#ifndef COVEY_CONSOLE_LOADER_H
#define COVEY_CONSOLE_LOADER_H

#include "console/client.h"

enum {
    LOADER_BATCH = 1024,                  /* keys under way at once */
    LOADER_BATCH_BYTES = 8 * 1024 * 1024, /* bytes of those keys and values */
    /* longer than it takes to declare a member dead, or to restart it */
    LOADER_PATIENCE_MS = 60 * 1000,
};

struct loader_key {
    size_t key_at, value_at; /* offsets in `bytes` */
    uint32_t key_n, value_n;
    uint64_t expiry_ms; /* wall time; 0: never */
    bool done;
};

struct loader {
    struct client client;
    struct buf bytes; /* the keys and values of the batch */
    struct loader_key key[LOADER_BATCH];
    unsigned n;
    uint64_t acknowledged;
    char why[1024]; /* after an error: why */
};

/* Connects. 0 or an error of client_open. Call loader_close in either case. */
int loader_open(struct loader *l, const char *host, uint16_t port);

/* Asks how many keys the cluster has. 0, ERR_IO, or ERR_REFUSED (the node does not answer that). */
int loader_count(struct loader *l, uint64_t *keys);

/* Adds a key, copied. 0, or why an earlier one could not be stored: ERR_IO, ERR_REFUSED,
 * ERR_NO_MEMORY. */
int loader_put(struct loader *l, struct slice key, struct slice value, uint64_t expiry_ms);

/* Sends the rest, and waits until all keys are stored. Errors as loader_put. */
int loader_finish(struct loader *l);

void loader_close(struct loader *l);

#endif
