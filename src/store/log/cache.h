/* cache.h: values lately read, so that a popular one costs no system call: preadv2 is a quarter of
 * a GET.
 *
 * A ring of bytes, oldest overwritten first, and a table that says where in it a value begins.
 * Entries are found by the version's stamp and the value's digest and size, which name the bytes
 * whatever segment they lie in; so nothing ever has to be invalidated. */
#ifndef COVEY_STORE_CACHE_H
#define COVEY_STORE_CACHE_H

#include "wire/record.h"

enum {
    /* bytes of values: some 300,000 of 100 bytes. Touched only as it fills */
    CACHE_RING = 32 * 1024 * 1024,
    CACHE_SLOTS = 1 << 18,
    CACHE_VALUE_MAX = 4096, /* larger ones are worth their system call, and would push out many */
};

struct cache_slot {
    uint64_t stamp, digest;
    uint64_t at; /* bytes ever put before it */
    uint32_t n;
};

struct cache {
    uint8_t *ring;
    struct cache_slot *slot;
    uint64_t head; /* bytes ever put, gaps at the ring's end included */
};

/* An empty cache that has allocated nothing. */
void cache_init(struct cache *c);
void cache_close(struct cache *c);

/* The value of that version and size, if it is there: it lives until the next cache_keep. */
bool cache_find(const struct cache *c, const struct version *v, uint32_t n, struct slice *value);

/* Asks the processor's cache for what cache_find will touch for some versions, their misses side by
 * side. */
void cache_fetch(const struct cache *c, const struct version *v, unsigned n);

/* Keeps a copy of a value. Does nothing for one that is too large, or while memory is out. */
void cache_keep(struct cache *c, const struct version *v, struct slice value);

#endif
