/* merkle.h: what owners of a vnode tell each other about it: the keyed hashes under their trees,
 * and listings of keys with versions.
 *
 * A key comes with its space (base/key.h).
 *
 * A key's *key_hash* says in which leaf it falls: the key hashes, 64 bits, are cut in as many equal
 * ranges as the tree has leaves. So a tree of half the size is the same tree with neighbouring
 * leaves folded together, and any range of key hashes can be listed, finer than a leaf too. A
 * record's *print* is a hash of its key_hash and of all that owners must agree on; a leaf is the
 * XOR of its records' prints. (Merkle 1987; kept by XOR and so updated in any order: Bellare and
 * Micciancio, "A new paradigm for collision-free hashing", 1997, from which also comes that the
 * hash must be keyed: whoever knows it can choose keys that cancel.) */
#ifndef COVEY_WIRE_MERKLE_H
#define COVEY_WIRE_MERKLE_H

#include "base/buf.h"
#include "wire/layout.h"
#include "wire/record.h"

struct merkle_key {
    uint8_t b[16];
};

/* The cluster's key, derived from its secret, which no client is told. (Who listens between peers
 * hears it, until peers speak under a cluster key.) */
struct merkle_key merkle_key_of(const struct layout_secret *secret);

uint64_t merkle_key_hash(const struct merkle_key *k, struct slice key);
uint64_t merkle_print(const struct merkle_key *k, uint64_t key_hash, uint8_t kind,
                      const struct version *v, uint64_t expiry_ms);

/* ---- Ranges of key hashes: a run of (u64 first, u64 last) pairs, ascending, none touching the next
 * ---- */

enum { RANGE_BYTES = 16 };

/* Appends a range. Errors as buf_reserve. */
int range_append(struct buf *out, uint64_t first, uint64_t last);

/* Whether a key_hash is in one of the ranges. A piece of a range at the end counts for nothing. */
bool ranges_have(struct slice ranges, uint64_t key_hash);

/* ---- Listings: runs of entries, in the order of (key_hash, key) ---- */

enum {
    LISTING_HEAD = 58,              /* bytes of an entry besides its key */
    LISTING_ENTRIES_MAX = 512,      /* of one listing: what a leaf holds, sixteen times */
    LISTING_BYTES_MAX = 256 * 1024, /* of one listing, unless its first entry alone is larger */
    /* entries of what may be erased: a put for each of them must fit one step */
    ERASABLE_MAX = 64,
    ERASABLE_BYTES_MAX = 32 * 1024, /* likewise, unless the first alone is larger */
};

struct listing_entry {
    uint64_t key_hash;
    struct version version;
    uint64_t expiry_ms;
    uint32_t size; /* bytes of the value */
    uint8_t kind;
    struct slice key;
};

/* What an owner says to an entry that may be erased (core/erase/erase.c). */
enum held {
    HELD_OTHER = 0, /* something else, or nothing, and the floor is below it */
    HELD_SAME = 1,  /* just this version, with just this expiry, lapsed or not */
    HELD_GONE = 2,  /* nothing, and the floor keeps it and what is older from coming back */
};

/* Appends an entry. Errors as buf_reserve. */
int listing_append(struct buf *out, const struct listing_entry *e);

/* Takes the next entry off a listing; its key points into it. 1, 0 (no more), or
 * ERR_BAD_MESSAGE. */
int listing_next(struct slice *rest, struct listing_entry *e);

/* Whether a listing is one of what may be erased: ERASABLE_MAX entries at most, all of them
 * deletions, or values whose time has passed by wall_ms. 0, ERR_BAD_MESSAGE, or ERR_CLOCK (a value
 * is not over by that clock). */
int listing_judge(struct slice rest, uint64_t wall_ms);

/* <0, 0 or >0: the order of entries, without their versions. */
int listing_cmp(const struct listing_entry *a, const struct listing_entry *b);

#endif
