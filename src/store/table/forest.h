/* forest.h: the Merkle trees over a store's records, one for each vnode. Every merge keeps them up
 * to date (wire/merkle.h says what is hashed).
 *
 * A tree here is its leaves and their XOR, the root. The levels in between are folded from the
 * leaves when two owners compare trees. The number of leaves doubles as the vnode grows, from 1 to
 * 4096, so that a leaf covers 8 to 32 records: a byte of memory for each record at most.
 *
 * A tree is built when it is first asked for, in one walk over its vnode (0.2 us a record). So
 * opening a store costs nothing for the trees: they come back while the node serves. Once a tree is
 * built, a merge takes the print of the old record out and puts that of the new one in, and reads
 * nothing else. A tree that has become too small for its vnode is dropped. It is built again,
 * larger, when it is next asked for, so no put ever pays for the growth. */
#ifndef COVEY_STORE_FOREST_H
#define COVEY_STORE_FOREST_H

#include "store/index/index.h"
#include "wire/merkle.h"

enum {
    TREE_LEAVES_MAX = 4096,
    /* A tree is built with at most so many records a leaf on average; with at least half as many,
     * unless it has one leaf. */
    LEAF_RECORDS = 16,
    LEAF_CROWDED = 32, /* A tree with so many records a leaf on average is dropped. */
};

struct tree {
    uint64_t *leaf; /* NULL while the tree is not built */
    uint64_t root;
    uint32_t leaf_n; /* a power of two */
    uint32_t records;
};

struct forest {
    struct merkle_key key;
    bool keyed;
    struct tree *tree; /* by vnode */
    uint32_t tree_n;
    uint32_t built; /* trees that are built; while there is none, a merge need not look for one */
};

/* trees: as many as the index has arcs. 0 or ERR_NO_MEMORY. */
int forest_init(struct forest *f, uint32_t trees);
void forest_close(struct forest *f);

/* The ring is cut anew: drops all trees. 0 or ERR_NO_MEMORY. */
int forest_cut(struct forest *f, uint32_t trees);

/* The cluster's key is known. Until then no tree can be asked for. Another key than before drops
 * all trees. */
void forest_set_key(struct forest *f, const struct merkle_key *key);

/* The hash of a key in its tree, once the cluster's key is known. forest_fetch asks the processor's
 * cache for the key's leaf besides. */
uint64_t forest_key_hash(const struct forest *f, struct slice key);
uint64_t forest_fetch(const struct forest *f, uint32_t vnode, struct slice key);

/* The record of the key with that hash changes from *old to *now. Kind RECORD_NONE says that there
 * was none, or will be none. To be called for each change while any tree is built. */
void forest_change(struct forest *f, uint32_t vnode, uint64_t key_hash,
                   const struct index_item *old, const struct index_item *now);

/* The tree of a vnode, which is built if need be. 0, ERR_LOADING (no key yet) or ERR_NO_MEMORY. */
int forest_tree(struct forest *f, const struct index *ix, uint32_t vnode, const struct tree **tree);

/* Appends the records of a vnode whose key hashes are in some ranges, in order: the first
 * LISTING_ENTRIES_MAX of them, and at most LISTING_BYTES_MAX. All records up to the key hash *upto
 * are listed; *upto is UINT64_MAX when none was left out. 0, ERR_LOADING or ERR_NO_MEMORY. */
int forest_list(const struct forest *f, const struct index *ix, uint32_t vnode, struct slice ranges,
                struct buf *out, uint64_t *upto);

/* Appends, likewise, the records of a vnode that ended before wall_ms, which are deletions and
 * values that are over: the first ERASABLE_MAX from the key hash `from` on. Errors as
 * forest_list. */
int forest_erasable(const struct forest *f, const struct index *ix, uint32_t vnode,
                    uint64_t wall_ms, uint64_t from, struct buf *out);

/* Whether every tree that is built equals one built from scratch. For tests and the simulator:
 * reads everything. */
bool forest_holds(const struct forest *f, const struct index *ix);

#endif
