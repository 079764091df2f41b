/* loader.h: many keys into a running cluster: pipelined SETs through one node, each acknowledged
 * before it counts.
 *
 * What is refused for now (BUSY, NOQUORUM, UNKNOWN, ...) is sent again until LOADER_PATIENCE_MS
 * pass without a single success: to store a key twice is no harm. */
#ifndef COVEY_CONSOLE_LOADER_H
#define COVEY_CONSOLE_LOADER_H

#include "console/client.h"

enum {
    LOADER_BATCH = 1024,                  /* keys under way at once */
    LOADER_BATCH_BYTES = 8 * 1024 * 1024, /* and bytes of them */
    /* longer than a member takes to be held dead, or to come back */
    LOADER_PATIENCE_MS = 60 * 1000,
};

struct loader_key {
    size_t key_at, value_at; /* in bytes */
    uint32_t key_n, value_n;
    uint64_t expiry_ms; /* wall time; 0: never */
    bool done;
};

struct loader {
    struct client client;
    struct buf bytes; /* of the batch */
    struct loader_key key[LOADER_BATCH];
    unsigned n;
    uint64_t acknowledged;
    char why[1024]; /* after an error: a sentence */
};

/* Connects. 0 or an error of client_open. loader_close in either case. */
int loader_open(struct loader *l, const char *host, uint16_t port);

/* How many keys the cluster holds. 0, ERR_IO, or ERR_REFUSED (it does not say). */
int loader_count(struct loader *l, uint64_t *keys);

/* Adds a key; all are copied. 0, or why an earlier one could not be stored: ERR_IO, ERR_REFUSED,
 * ERR_NO_MEMORY. */
int loader_put(struct loader *l, struct slice key, struct slice value, uint64_t expiry_ms);

/* Waits until all are stored. Errors as loader_put. */
int loader_finish(struct loader *l);

void loader_close(struct loader *l);

#endif
