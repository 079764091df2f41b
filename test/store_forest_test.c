/* The Merkle trees: true after any merges, equal for equal records, folding, growing; listings
 * complete, in order, bounded. */
#include "store_fixture.h"

#include "base/rng.h"
#include "store/mem/mem.h"
#include "wire/bytes.h"

enum { VNODES = 4, VNODE = 2 };

struct fixture_store {
    struct mem_disk disk;
    struct store *store;
};

static void open_store(struct fixture_store *f)
{
    *f = (struct fixture_store){0};
    f->store = mem_open(&(struct mem_options){.disk = &f->disk});
    assert_non_null(f->store);
    store_set_vnodes(f->store, VNODES);
    store_set_secret(f->store, &(struct layout_secret){{7}});
}

static void close_store(struct fixture_store *f)
{
    store_close(f->store);
    mem_disk_close(&f->disk);
}

static struct slice key_of(char out[32], unsigned number)
{
    out[0] = 0;
    return slice_of(out, 1 + (size_t)snprintf(out + 1, 31, "key %u", number));
}

static void put(struct store *s, unsigned number, uint64_t stamp, bool deleted)
{
    char key[32];
    struct record r = {.kind = deleted ? RECORD_TOMBSTONE : RECORD_VALUE};
    r.version = (struct version){
        .stamp = stamp, .node = 1, .deleted = deleted, .expiry_stamp = stamp % 5 ? 0 : stamp};
    r.key = key_of(key, number);
    store_put(s, 1, &r);
}

static void settle(struct store *s)
{
    struct store_result r;
    store_commit(s);
    mem_sync(s);
    while (store_reap(s, &r))
        assert_true(r.error == 0 || r.error == ERR_SUPERSEDED);
}

/* The answer's bytes live until the next call on the store. */
static struct store_result tree(struct store *s, bool leaves)
{
    struct store_result r;
    uint8_t vnode[2];
    put_u16(vnode, VNODE);
    store_tree(s, 9, slice_of(vnode, 2), leaves);
    assert_true(store_reap(s, &r));
    assert_int_equal(r.kind, STORE_TREE_DONE);
    assert_int_equal(r.token, 9);
    return r;
}

static uint64_t root(struct store *s)
{
    struct store_result r = tree(s, false);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.bytes.n, 8);
    return get_u64(r.bytes.p);
}

static void a_tree_is_true_after_any_merges(void **state)
{
    (void)state;
    struct fixture_store f;
    struct rng rng;
    open_store(&f);
    rng_init(&rng, 1);
    root(f.store); /* built while empty, so that every merge has to keep it */
    for (unsigned i = 0; i < 3000; i++) {
        put(f.store, (unsigned)rng_below(&rng, 400), 1 + rng_below(&rng, 1000),
            rng_below(&rng, 3) == 0);
        if (i % 100 == 0) {
            settle(f.store);
            assert_true(store_trees_hold(f.store));
        }
        if (i % 700 == 0)
            root(f.store);
    }
    settle(f.store);
    root(f.store);
    assert_true(store_trees_hold(f.store));
    close_store(&f);
}

static void equal_records_make_equal_trees_in_any_order(void **state)
{
    (void)state;
    struct fixture_store a, b;
    open_store(&a);
    open_store(&b);
    for (unsigned i = 0; i < 500; i++) {
        put(a.store, i, 10, false);
        put(b.store, 499 - i, 3, false); /* older versions at first */
    }
    settle(a.store);
    settle(b.store);
    assert_int_not_equal(root(a.store), root(b.store));
    for (unsigned i = 0; i < 500; i++)
        put(b.store, i, 10, false);
    settle(b.store);
    assert_int_equal(root(a.store), root(b.store));
    put(b.store, 17, 11, true);
    put(b.store, 18, 11, true);
    put(b.store, 19, 11, true);
    put(b.store, 20, 11, true);
    settle(b.store);
    uint64_t before = root(b.store);
    mem_crash(b.store); /* and the same after opening anew */
    b.store = mem_open(&(struct mem_options){.disk = &b.disk});
    store_set_vnodes(b.store, VNODES);
    store_set_secret(b.store, &(struct layout_secret){{7}});
    assert_int_equal(root(b.store), before);
    close_store(&a);
    close_store(&b);
}

/* A tree built early is small, one built late is large: neighbours folded together, they are
 * the same. */
static void trees_of_different_sizes_fold(void **state)
{
    (void)state;
    struct fixture_store a, b;
    open_store(&a);
    open_store(&b);
    for (unsigned i = 0; i < 500; i++)
        put(a.store, i, 10, false);
    settle(a.store);
    root(a.store);
    for (unsigned i = 500; i < 700; i++)
        put(a.store, i, 10, false);
    for (unsigned i = 0; i < 700; i++)
        put(b.store, i, 10, false);
    settle(a.store);
    settle(b.store);
    struct store_result x = tree(a.store, true), y = tree(b.store, true);
    assert_true(x.bytes.n < y.bytes.n);
    for (size_t at = 0, each = y.bytes.n / x.bytes.n; at < x.bytes.n; at += 8) {
        uint64_t sum = 0;
        for (size_t k = 0; k < each; k++)
            sum ^= get_u64(y.bytes.p + at * each + k * 8);
        assert_int_equal(get_u64(x.bytes.p + at), sum);
    }
    close_store(&a);
    close_store(&b);
}

static void an_outgrown_tree_is_built_anew(void **state)
{
    (void)state;
    struct fixture_store f;
    open_store(&f);
    assert_int_equal(tree(f.store, true).bytes.n, 8);
    for (unsigned i = 0; i < 4000; i++)
        put(f.store, i, 10, false);
    settle(f.store);
    size_t n = tree(f.store, true).bytes.n / 8;
    assert_true(n >= 1000 / LEAF_CROWDED && n <= 2 * 1000 / (LEAF_RECORDS / 2));
    assert_true(store_trees_hold(f.store));
    close_store(&f);
}

static void questions_before_the_cluster_is_known_or_beyond_the_ring_are_refused(void **state)
{
    (void)state;
    struct fixture_store f = {0};
    f.store = mem_open(&(struct mem_options){.disk = &f.disk});
    assert_int_equal(tree(f.store, false).error, ERR_LOADING);
    store_set_secret(f.store, &(struct layout_secret){{7}});
    assert_int_equal(tree(f.store, false).error, 0);
    store_set_vnodes(f.store, VNODE);
    assert_int_equal(tree(f.store, false).error, ERR_BAD_MESSAGE);
    close_store(&f);
}

/* ---- Listings ---- */

static struct store_result list(struct store *s, uint64_t first, uint64_t last)
{
    struct store_result r;
    struct buf ranges;
    buf_init(&ranges, 1024);
    assert_int_equal(range_append(&ranges, first, last), 0);
    store_list(s, 5, VNODE, buf_view(&ranges));
    buf_close(&ranges);
    assert_true(store_reap(s, &r));
    assert_int_equal(r.kind, STORE_LIST_DONE);
    assert_int_equal(r.error, 0);
    return r;
}

/* Lists the whole vnode, piece by piece; how many entries and pieces there were. */
static unsigned list_all(struct store *s, unsigned *pieces)
{
    uint64_t from = 0, last = 0;
    unsigned entries = 0;
    for (*pieces = 1;; ++*pieces) {
        struct store_result r = list(s, from, UINT64_MAX);
        struct slice rest = r.bytes;
        struct listing_entry e;
        for (unsigned n = 0; listing_next(&rest, &e) == 1; n++, entries++) {
            assert_true(n < LISTING_ENTRIES_MAX);
            assert_true(entries == 0 || e.key_hash > last);
            assert_true(e.key_hash >= from && e.key_hash <= r.upto);
            last = e.key_hash;
        }
        assert_true(r.bytes.n <= LISTING_BYTES_MAX || r.bytes.n <= LISTING_HEAD + KEY_FULL_MAX);
        if (r.upto == UINT64_MAX)
            return entries;
        from = r.upto + 1;
    }
}

static void a_listing_is_complete_in_pieces(void **state)
{
    (void)state;
    struct fixture_store f;
    unsigned pieces, in_vnode = 0;
    open_store(&f);
    for (unsigned i = 0; i < 6000; i++) {
        char key[32];
        in_vnode += slot_of_key(key_of(key, i)) / (SLOTS / VNODES) == VNODE;
        put(f.store, i, 10, i % 3 == 0);
    }
    settle(f.store);
    assert_int_equal(list_all(f.store, &pieces), in_vnode);
    assert_int_equal(pieces, (in_vnode + LISTING_ENTRIES_MAX - 1) / LISTING_ENTRIES_MAX);
    close_store(&f);
}

static void long_keys_are_cut_by_bytes(void **state)
{
    (void)state;
    static char key[KEY_FULL_MAX];
    struct fixture_store f;
    unsigned pieces;
    open_store(&f);
    memset(key, 'x', sizeof key);
    memcpy(key, "\0{a}", 4); /* one slot for all, in the vnode that is looked at */
    while (slot_of_key(slice_of(key, 4)) / (SLOTS / VNODES) != VNODE)
        key[2]++;
    for (unsigned i = 0; i < 20; i++) {
        key[4] = (char)('a' + i);
        struct record r = {
            .kind = RECORD_VALUE, .version = {.stamp = 1}, .key = slice_of(key, sizeof key)};
        store_put(f.store, 1, &r);
    }
    settle(f.store);
    assert_int_equal(list_all(f.store, &pieces), 20);
    assert_true(pieces >= 20 * KEY_MAX / LISTING_BYTES_MAX);
    close_store(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_true_after_any_merges),
        cmocka_unit_test(equal_records_make_equal_trees_in_any_order),
        cmocka_unit_test(trees_of_different_sizes_fold),
        cmocka_unit_test(an_outgrown_tree_is_built_anew),
        cmocka_unit_test(questions_before_the_cluster_is_known_or_beyond_the_ring_are_refused),
        cmocka_unit_test(a_listing_is_complete_in_pieces),
        cmocka_unit_test(long_keys_are_cut_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
