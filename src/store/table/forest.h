/* forest.h: the Merkle trees over a store's records, one a vnode, kept up to date by every merge
 * (wire/merkle.h: what is hashed).
 *
 * A tree is its leaves and their XOR, the root: the levels between are folded from the leaves when
 * two owners compare trees. Leaves double with the vnode, 1 to 4096, at 8 to 32 records each: a
 * byte a record at most.
 *
 * A tree is planted when it is first asked for, in one walk over its vnode (0.2 us a record): so
 * opening a store costs nothing for it, and the trees come back while the node serves. From then on
 * a merge takes the old record's print out and puts the new one's in, without reading anything. A
 * tree that its vnode has outgrown is felled, and planted anew, larger, when it is asked for again:
 * no put ever pays for growth. */
#ifndef COVEY_STORE_FOREST_H
#define COVEY_STORE_FOREST_H

#include "store/index/index.h"
#include "wire/merkle.h"

enum {
    TREE_LEAVES_MAX = 4096,
    LEAF_RECORDS = 16, /* at most, when planted; at least half of it unless the tree has one leaf */
    LEAF_CROWDED = 32, /* on average: the tree is felled */
};

struct tree {
    uint64_t *leaf; /* NULL: not planted */
    uint64_t root;
    uint32_t leaf_n; /* a power of two */
    uint32_t records;
};

struct forest {
    struct merkle_key key;
    bool keyed;
    struct tree *tree;
    uint32_t tree_n;
    uint32_t planted; /* of these; while there is none, a merge looks at none */
};

/* trees: as many as the index has arcs. 0 or ERR_NO_MEMORY. */
int forest_init(struct forest *f, uint32_t trees);
void forest_close(struct forest *f);

/* The ring is cut anew: all trees are felled. 0 or ERR_NO_MEMORY. */
int forest_cut(struct forest *f, uint32_t trees);

/* The cluster's key is known; until then no tree can be asked for. Another one fells all trees. */
void forest_set_key(struct forest *f, const struct merkle_key *key);

/* Where a key is in its tree, once the cluster's key is known; and the same while asking the cache
 * for its leaf there. */
uint64_t forest_key_hash(const struct forest *f, struct slice key);
uint64_t forest_fetch(const struct forest *f, uint32_t vnode, struct slice key);

/* A record of a vnode, at that key_hash, changes from *old to *now; kind RECORD_NONE where there
 * was, or will be, none. To be called while any tree is planted. */
void forest_change(struct forest *f, uint32_t vnode, uint64_t key_hash,
                   const struct index_item *old, const struct index_item *now);

/* The tree of a vnode, planted if need be. 0, ERR_LOADING (no key yet) or ERR_NO_MEMORY. */
int forest_tree(struct forest *f, const struct index *ix, uint32_t vnode, const struct tree **tree);

/* Appends the records of a vnode in some ranges, the least LISTING_ENTRIES_MAX of them and at most
 * LISTING_BYTES_MAX, in order. *upto: every record up to that key_hash is listed; UINT64_MAX when
 * none was left out. 0, ERR_LOADING or ERR_NO_MEMORY. */
int forest_list(const struct forest *f, const struct index *ix, uint32_t vnode, struct slice ranges,
                struct buf *out, uint64_t *upto);

/* Appends, likewise, the records of a vnode behind a key_hash that ended before wall_ms: deletions,
 * and values that are over; the least ERASABLE_MAX of them. Errors as forest_list. */
int forest_erasable(const struct forest *f, const struct index *ix, uint32_t vnode,
                    uint64_t wall_ms, uint64_t from, struct buf *out);

/* Aborts unless every planted tree equals one planted from scratch. For tests and the simulator:
 * reads everything. */
bool forest_holds(const struct forest *f, const struct index *ix);

#endif
