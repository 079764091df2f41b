/* cache.h: values lately read, so that a popular one costs no system call: preadv2 is a quarter of
 * a GET.
 *
 * The values lie in a ring of bytes, of which the oldest are overwritten first. A table of lines
 * says where in the ring a value begins. A line is found by the version's stamp and the value's
 * digest and size. These name the bytes whatever segment they stand in, so nothing ever has to be
 * invalidated. */
#ifndef COVEY_STORE_CACHE_H
#define COVEY_STORE_CACHE_H

#include "wire/record.h"

enum {
    CACHE_RING = 32 * 1024 * 1024, /* bytes of values: some 300,000 of 100 bytes */
    CACHE_LINES = 1 << 18,
    CACHE_VALUE_MAX = 4096, /* a larger one is worth its system call, and would push out many */
};

struct cache_line {
    uint64_t stamp, digest;
    uint64_t at; /* bytes ever put into the ring before the value */
    uint32_t n;  /* bytes of the value */
};

struct cache {
    uint8_t *ring;
    struct cache_line *line;
    uint64_t head; /* bytes ever put into the ring, gaps at its end included */
};

/* An empty cache that has allocated nothing. */
void cache_init(struct cache *c);
void cache_close(struct cache *c);

/* The value of that version and size, if it is there: it lives until the next cache_add. */
bool cache_find(const struct cache *c, const struct version *v, uint32_t n, struct slice *value);

/* Fetches into the processor's cache what cache_find will touch for some versions, so that their
 * misses overlap. */
void cache_fetch(const struct cache *c, const struct version *v, unsigned n);

/* Adds a copy of a value. Does nothing for one that is too large, or while memory is out. */
void cache_add(struct cache *c, const struct version *v, struct slice value);

#endif
