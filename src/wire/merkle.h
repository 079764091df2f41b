/* merkle.h: what the owners of a vnode send each other to compare what they hold: the hashes in
 * their Merkle trees, and listings of keys with versions.
 *
 * The *key hash* of a key is a keyed hash of 64 bits over the whole key, space included
 * (base/key.h). It chooses the leaf: a tree of 2^k leaves cuts the key hashes into 2^k equal
 * ranges, so the upper k bits are the number of the leaf. Hence a tree of half the size is the same
 * tree with neighbouring leaves folded together; and a range of key hashes finer than a leaf can be
 * listed too.
 *
 * The *print* of a record is a keyed hash of its key hash and of all that owners must agree on. A
 * leaf is the XOR of the prints of its records.
 *
 * Merkle, "A digital signature based on a conventional encryption function", 1987. XOR lets a leaf
 * be updated in any order: Bellare and Micciancio, "A new paradigm for collision-free hashing",
 * 1997. It is also why the hashes are keyed: whoever can compute them can choose keys whose prints
 * cancel each other out. */
#ifndef COVEY_WIRE_MERKLE_H
#define COVEY_WIRE_MERKLE_H

#include "base/buf.h"
#include "wire/layout.h"
#include "wire/record.h"

struct merkle_key {
    uint8_t b[16];
};

/* The key of a cluster's trees, derived from the layout's secret. No client gets that secret. (It
 * travels between peers in the clear, so whoever reads their traffic has it.) */
struct merkle_key merkle_key_of(const struct layout_secret *secret);

uint64_t merkle_key_hash(const struct merkle_key *k, struct slice key);
uint64_t merkle_print(const struct merkle_key *k, uint64_t key_hash, uint8_t kind,
                      const struct version *v, uint64_t expiry_ms);

/* ---- Ranges of key hashes ----
 *
 * Pairs of u64 first and u64 last, ascending. No range touches the next. */

enum { RANGE_BYTES = 16 };

/* Appends a range. Errors as buf_reserve. */
int range_append(struct buf *out, uint64_t first, uint64_t last);

/* Whether a key hash is in one of the ranges. Bytes at the end that are no whole range are
 * ignored. */
bool ranges_have(struct slice ranges, uint64_t key_hash);

/* ---- Listings: entries in the order of key hash, then key ---- */

enum {
    LISTING_HEAD = 58,              /* bytes of an entry besides its key */
    LISTING_ENTRIES_MAX = 512,      /* entries of one listing: some sixteen leaves */
    LISTING_BYTES_MAX = 256 * 1024, /* bytes of one listing, unless its first entry is larger */
    /* entries of one listing of what may be erased: a put for each of them must fit one step */
    ERASABLE_MAX = 64,
    ERASABLE_BYTES_MAX = 32 * 1024, /* bytes of such a listing, unless its first entry is larger */
};

struct listing_entry {
    uint64_t key_hash;
    struct version version;
    uint64_t expiry_ms;
    uint32_t size; /* bytes of the value */
    uint8_t kind;
    struct slice key;
};

/* What an owner answers for an entry that may be erased (core/erase/erase.c). */
enum held {
    HELD_OTHER = 0, /* It holds another record; or none, and its floor is below the entry. */
    HELD_SAME = 1,  /* It holds just this version and expiry, lapsed or not. */
    HELD_GONE = 2,  /* It holds none, and its floor keeps out this record and all older ones. */
};

/* Appends an entry. Errors as buf_reserve. */
int listing_append(struct buf *out, const struct listing_entry *e);

/* Takes the next entry off a listing; its key points into it. 1, 0 (no more), or
 * ERR_BAD_MESSAGE. */
int listing_next(struct slice *rest, struct listing_entry *e);

/* Whether a listing can be one of what may be erased: ERASABLE_MAX entries at most, each a deletion
 * or a value whose expiry has passed at wall_ms. 0, ERR_BAD_MESSAGE, or ERR_CLOCK (a value is not
 * over by that clock). */
int listing_judge(struct slice rest, uint64_t wall_ms);

/* <0, 0 or >0: the order of two entries in a listing. Their versions do not count. */
int listing_cmp(const struct listing_entry *a, const struct listing_entry *b);

#endif
