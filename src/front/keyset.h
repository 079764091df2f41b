/* keyset.h: the keys of one connection's operations under way, as 64-bit hashes.
 *
 * Two keys with the same hash count as one: the later operation waits without need, and nothing
 * else goes wrong. The hash table is open, with linear probing, and at most half full. A removal
 * moves the followers back, so no tombstones gather in a connection that lives for months. */
#ifndef COVEY_FRONT_KEYSET_H
#define COVEY_FRONT_KEYSET_H

#include <stdbool.h>
#include <stdint.h>

struct keyset {
    uint64_t *bucket; /* 0: empty */
    uint32_t cap;     /* a power of two */
    uint32_t n;
};

/* A zeroed set is empty. */
void keyset_close(struct keyset *k);

/* Makes room for n hashes in all; n is a power of two. 0 or ERR_NO_MEMORY. */
int keyset_reserve(struct keyset *k, uint32_t n);

/* A hash is never 0. keyset_add needs room, and the hash must not be there; keyset_remove needs
 * it to be there. */
bool keyset_has(const struct keyset *k, uint64_t hash);
void keyset_add(struct keyset *k, uint64_t hash);
void keyset_remove(struct keyset *k, uint64_t hash);

#endif
