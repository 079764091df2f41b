/* forest.c: see forest.h. */
#include "store/table/forest.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fetch.h"
#include "wire/bytes.h"

/* ---- Trees ---- */

static void drop(struct tree *t)
{
    free(t->leaf);
    *t = (struct tree){0};
}

static void drop_all(struct forest *f)
{
    for (uint32_t i = 0; i < f->tree_n; i++)
        drop(&f->tree[i]);
    f->built = 0;
}

int forest_init(struct forest *f, uint32_t trees)
{
    *f = (struct forest){.tree_n = trees, .tree = calloc(trees, sizeof *f->tree)};
    return f->tree ? 0 : ERR_NO_MEMORY;
}

void forest_close(struct forest *f)
{
    if (f->tree)
        drop_all(f);
    free(f->tree);
    *f = (struct forest){0};
}

int forest_cut(struct forest *f, uint32_t trees)
{
    if (trees == f->tree_n)
        return 0;
    struct tree *tree = calloc(trees, sizeof *tree);
    if (!tree)
        return ERR_NO_MEMORY;
    drop_all(f);
    free(f->tree);
    f->tree = tree;
    f->tree_n = trees;
    return 0;
}

void forest_set_key(struct forest *f, const struct merkle_key *key)
{
    if (f->keyed && !memcmp(&f->key, key, sizeof *key))
        return;
    drop_all(f);
    f->key = *key;
    f->keyed = true;
}

static uint32_t leaf_of(const struct tree *t, uint64_t key_hash)
{
    return t->leaf_n == 1 ? 0 : (uint32_t)(key_hash >> (64 - __builtin_ctz(t->leaf_n)));
}

/* XORs the print of a record in, or out. */
static void tree_flip(struct tree *t, const struct merkle_key *key, uint64_t key_hash,
                      const struct index_item *item)
{
    uint64_t print = merkle_print(key, key_hash, item->kind, &item->version, item->expiry_ms);
    t->leaf[leaf_of(t, key_hash)] ^= print;
    t->root ^= print;
}

uint64_t forest_key_hash(const struct forest *f, struct slice key)
{
    return merkle_key_hash(&f->key, key);
}

uint64_t forest_fetch(const struct forest *f, uint32_t vnode, struct slice key)
{
    const struct tree *t = &f->tree[vnode];
    fetch_line(t); /* it comes while the key is hashed */
    uint64_t key_hash = forest_key_hash(f, key);
    if (t->leaf)
        fetch_line(&t->leaf[leaf_of(t, key_hash)]);
    return key_hash;
}

void forest_change(struct forest *f, uint32_t vnode, uint64_t key_hash,
                   const struct index_item *old, const struct index_item *now)
{
    struct tree *t = &f->tree[vnode];
    if (!t->leaf)
        return;
#ifdef CANARY_MERKLE_STALE_LEAF
    if (now->kind == RECORD_TOMBSTONE)
        return;
#endif
    if (old->kind != RECORD_NONE) {
        tree_flip(t, &f->key, key_hash, old);
        t->records--;
    }
    if (now->kind != RECORD_NONE) {
        tree_flip(t, &f->key, key_hash, now);
        t->records++;
    }
    if (t->records / LEAF_CROWDED >= t->leaf_n && t->leaf_n < TREE_LEAVES_MAX) {
        drop(t);
        f->built--;
    }
}

struct building {
    struct tree *tree;
    const struct merkle_key *key;
};

static void add_record(void *arg, struct slice key, const struct index_item *item)
{
    struct building *b = arg;
    tree_flip(b->tree, b->key, merkle_key_hash(b->key, key), item);
    b->tree->records++;
}

/* Builds a tree of so many leaves from scratch. 0 or ERR_NO_MEMORY. */
static int build(struct tree *t, const struct merkle_key *key, const struct index *ix,
                 uint32_t vnode, uint32_t leaf_n)
{
    *t = (struct tree){.leaf_n = leaf_n, .leaf = calloc(leaf_n, sizeof *t->leaf)};
    if (!t->leaf)
        return ERR_NO_MEMORY;
    struct building b = {t, key};
    index_walk(ix, vnode, add_record, &b);
    return 0;
}

int forest_tree(struct forest *f, const struct index *ix, uint32_t vnode, const struct tree **tree)
{
    CHECK(vnode < f->tree_n && f->tree_n == ix->arc_n);
    struct tree *t = &f->tree[vnode];
    uint32_t leaf_n = 1;
    *tree = t;
    if (!f->keyed)
        return ERR_LOADING;
    if (t->leaf)
        return 0;
    while (leaf_n < TREE_LEAVES_MAX && index_arc_records(ix, vnode) / LEAF_RECORDS >= leaf_n)
        leaf_n *= 2;
    int error = build(t, &f->key, ix, vnode, leaf_n);
    f->built += error == 0;
    return error;
}

bool forest_holds(const struct forest *f, const struct index *ix)
{
    bool holds = true;
    for (uint32_t v = 0; holds && v < f->tree_n; v++) {
        const struct tree *t = &f->tree[v];
        struct tree fresh;
        if (!t->leaf)
            continue;
        CHECK(build(&fresh, &f->key, ix, v, t->leaf_n) == 0);
        holds = fresh.records == t->records && fresh.root == t->root &&
                !memcmp(fresh.leaf, t->leaf, t->leaf_n * sizeof *t->leaf);
        drop(&fresh);
    }
    return holds;
}

/* ---- Listings ---- */

/* The least entries that a walk has met so far, as a heap with the greatest on top. So a listing of
 * a large vnode takes bounded memory. */
struct picks {
    const struct merkle_key *key;
    struct slice ranges;
    struct listing_entry *at; /* the heap; it has room for `most` entries */
    uint32_t n, most;
    uint64_t ended_ms; /* only records that ended before this time are listed; 0: all */
    bool left_out;     /* an entry that belongs to the listing had no room */
};

static void swap(struct listing_entry *a, struct listing_entry *b)
{
    struct listing_entry x = *a;
    *a = *b;
    *b = x;
}

static void sift_up(struct picks *p, uint32_t i)
{
    for (; i > 0 && listing_cmp(&p->at[(i - 1) / 2], &p->at[i]) < 0; i = (i - 1) / 2)
        swap(&p->at[(i - 1) / 2], &p->at[i]);
}

static void sift_down(struct picks *p)
{
    for (uint32_t i = 0, child; (child = 2 * i + 1) < p->n; i = child) {
        child += child + 1 < p->n && listing_cmp(&p->at[child], &p->at[child + 1]) < 0;
        if (listing_cmp(&p->at[i], &p->at[child]) >= 0)
            return;
        swap(&p->at[i], &p->at[child]);
    }
}

static bool ended(const struct index_item *item, uint64_t wall_ms)
{
    bool over = item->kind == RECORD_TOMBSTONE || expiry_passed(item->expiry_ms, wall_ms);
    return over && version_ms(&item->version) <= wall_ms;
}

static void pick(void *arg, struct slice key, const struct index_item *item)
{
    struct picks *p = arg;
    struct listing_entry e = {
        .key_hash = merkle_key_hash(p->key, key),
        .version = item->version,
        .expiry_ms = item->expiry_ms,
        .size = item->value_n,
        .kind = item->kind,
        .key = key,
    };
    if (!ranges_have(p->ranges, e.key_hash) || (p->ended_ms && !ended(item, p->ended_ms)))
        return;
    if (p->n < p->most) {
        p->at[p->n] = e;
        sift_up(p, p->n++);
        return;
    }
    p->left_out = true;
    if (listing_cmp(&e, &p->at[0]) >= 0)
        return;
    p->at[0] = e;
    sift_down(p);
}

static int by_key_hash(const void *a, const void *b)
{
    return listing_cmp(a, b);
}

/* Appends the entries, which are in order by now, as far as the bytes allow. */
static int write_picks(const struct picks *p, struct buf *out, uint64_t *upto)
{
    size_t begin = out->n;
    *upto = p->left_out ? p->at[p->n - 1].key_hash : UINT64_MAX;
    for (uint32_t i = 0; i < p->n; i++) {
        if (i > 0 && out->n - begin + LISTING_HEAD + p->at[i].key.n >
                         (p->ended_ms ? ERASABLE_BYTES_MAX : LISTING_BYTES_MAX)) {
            *upto = p->at[i - 1].key_hash;
            return 0;
        }
        int error = listing_append(out, &p->at[i]);
        if (error)
            return error;
    }
    return 0;
}

static int list(struct picks *p, const struct index *ix, uint32_t vnode, struct buf *out,
                uint64_t *upto)
{
    p->at = malloc(p->most * sizeof *p->at);
    if (!p->at)
        return ERR_NO_MEMORY;
    index_walk(ix, vnode, pick, p);
    qsort(p->at, p->n, sizeof *p->at, by_key_hash);
    int error = write_picks(p, out, upto);
    free(p->at);
    return error;
}

int forest_list(const struct forest *f, const struct index *ix, uint32_t vnode, struct slice ranges,
                struct buf *out, uint64_t *upto)
{
    struct picks p = {.key = &f->key, .ranges = ranges, .most = LISTING_ENTRIES_MAX};
    return f->keyed ? list(&p, ix, vnode, out, upto) : ERR_LOADING;
}

int forest_erasable(const struct forest *f, const struct index *ix, uint32_t vnode,
                    uint64_t wall_ms, uint64_t from, struct buf *out)
{
    uint8_t range[RANGE_BYTES];
    uint64_t upto;
    put_u64(put_u64(range, from), UINT64_MAX);
    struct picks p = {.key = &f->key,
                      .ranges = slice_of(range, sizeof range),
                      .most = ERASABLE_MAX,
                      .ended_ms = wall_ms};
    return f->keyed ? list(&p, ix, vnode, out, &upto) : ERR_LOADING;
}
