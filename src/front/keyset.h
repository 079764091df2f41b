/* keyset.h: the keys that one connection has under way, as 64-bit hashes.
 *
 * Two keys of one hash are taken for the same, which costs the later one a wait and nothing else.
 * Open addressing with linear probing, at most half full; a removal moves the followers back, so
 * there are no tombstones to pile up in a connection that lives for months. */
#ifndef COVEY_FRONT_KEYSET_H
#define COVEY_FRONT_KEYSET_H

#include <stdbool.h>
#include <stdint.h>

struct keyset {
    uint64_t *slot; /* 0: empty */
    uint32_t cap;   /* a power of two */
    uint32_t n;
};

/* Zeroed is empty. */
void keyset_close(struct keyset *k);

/* Makes room for n hashes in all (n a power of two). 0 or ERR_NO_MEMORY. */
int keyset_reserve(struct keyset *k, uint32_t n);

/* Hashes are not 0. Adding needs room and that it is not there; removing, that it is. */
bool keyset_has(const struct keyset *k, uint64_t hash);
void keyset_add(struct keyset *k, uint64_t hash);
void keyset_remove(struct keyset *k, uint64_t hash);

#endif
