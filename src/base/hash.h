/* hash.h: the two hashes of covey that are not secret.
 *
 * hash_bytes is XXH3-64 (libxxhash): record checksums, value digests, trace hashes. slot_of_name is
 * Redis's key slot: CRC16 (XMODEM: polynomial 0x1021, start 0) of the key as the client gave it, or
 * of the part between the first '{' and the next '}' when that part is not empty, modulo 16384 (the
 * Redis Cluster specification, "Hash tags"). */
#ifndef COVEY_BASE_HASH_H
#define COVEY_BASE_HASH_H

#include "base/key.h"
#include "base/slice.h"

enum { SLOTS = 16384 };

uint64_t hash_bytes(struct slice s);

/* The same, chained: the hash of s under a seed, for running trace hashes. */
uint64_t hash_seeded(struct slice s, uint64_t seed);

/* 0 .. SLOTS-1. */
uint16_t slot_of_name(struct slice name);

/* The same for a full key (base/key.h), whose space has no part in it. */
static inline uint16_t slot_of_key(struct slice key)
{
    return slot_of_name(key_name(key));
}

#endif
