/* Erasing: only just what was named goes; nothing that it covers comes back, not in any order at
 * replay, nor after compaction; what is at or below the floor is refused. Over the memory store and
 * over the log. */
#include "store_fixture.h"

#include "base/rng.h"
#include "store/table/floors.h"
#include "store/mem/mem.h"
#include "store/table/table_inner.h"

struct both {
    struct fixture *log; /* its `store` is the one under test, whichever it is */
    struct mem_disk disk;
    bool mem;
};

static const struct layout_secret secret = {.b = {1}};

static void open_store(struct both *b)
{
    if (b->mem)
        b->log->store = mem_open(&(struct mem_options){.disk = &b->disk});
    else
        fixture_open(b->log);
    assert_non_null(b->log->store);
    store_set_secret(b->log->store, &secret);
}

static int setup_mem(void **state)
{
    struct both *b = test_calloc(1, sizeof *b);
    b->mem = true;
    fixture_setup((void **)&b->log);
    open_store(b);
    *state = b;
    return 0;
}

static int setup_log(void **state)
{
    struct both *b = test_calloc(1, sizeof *b);
    fixture_setup((void **)&b->log);
    open_store(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct both *b = *state;
    fixture_teardown((void **)&b->log);
    mem_disk_close(&b->disk);
    test_free(b);
    return 0;
}

static struct store_result reap(struct both *b)
{
    if (b->mem)
        mem_sync(b->log->store);
    return fixture_reap(b->log);
}

/* What a list of the key's vnode would bear now. */
static uint64_t ticket(struct both *b, struct slice key)
{
    const struct table *t = b->log->store->table;
    return floors_ticket(&t->floors, table_vnode(t, slot_of_key(key)));
}

static struct store_result bring_with(struct both *b, struct record r, enum put_from from,
                                      uint64_t ticket)
{
    store_bring(b->log->store, r.version.stamp, &r,
                (struct put_origin){.from = from, .ticket = ticket});
    store_commit(b->log->store);
    return reap(b);
}

static struct store_result bring(struct both *b, struct record r, enum put_from from)
{
    return bring_with(b, r, from, ticket(b, r.key));
}

static int put(struct both *b, struct record r)
{
    return bring(b, r, PUT_FROM_ANYBODY).error;
}

static void reopen(struct both *b)
{
    fixture_close(b->log);
    open_store(b);
}

static struct record erasure_of(struct record r)
{
    r.kind = RECORD_FLOOR;
    r.value = slice_of(NULL, 0);
    return r;
}

static struct record value_at(uint64_t stamp)
{
    return value_record(KEY_OF("k"), SLICE("value"), stamp);
}

static struct record dead_at(uint64_t stamp)
{
    return tombstone_record(KEY_OF("k"), stamp);
}

static struct record ends_at(uint64_t stamp, uint64_t expiry_stamp, uint64_t expiry_ms)
{
    struct record r = value_at(stamp);
    r.version.expiry_stamp = expiry_stamp;
    r.expiry_ms = expiry_ms;
    return r;
}

static uint8_t kind_held(struct both *b)
{
    return fixture_get(b->log, KEY_OF("k"), GET_DIGEST).record.kind;
}

static uint64_t floor_of(struct both *b)
{
    uint32_t vnode = (uint32_t)slot_of_key(KEY_OF("k")) * VNODES_DEFAULT / SLOTS;
    uint8_t asked[2] = {(uint8_t)vnode, (uint8_t)(vnode >> 8)};
    store_tree(b->log->store, 5, slice_of(asked, 2), false);
    struct store_result r = fixture_reap(b->log);
    assert_int_equal(r.kind, STORE_TREE_DONE);
    assert_int_equal(r.floors.n, 8);
    uint64_t floor;
    memcpy(&floor, r.floors.p, 8);
    return floor;
}

static void test_erases_just_that(void **state)
{
    struct both *b = *state;
    assert_int_equal(put(b, value_at(100)), 0);
    assert_int_equal(put(b, dead_at(200)), 0);
    assert_int_equal(put(b, erasure_of(dead_at(199))), ERR_SUPERSEDED);
    assert_int_equal(put(b, erasure_of(value_at(100))), ERR_SUPERSEDED);
    assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
    assert_int_equal(floor_of(b), 0);
    assert_int_equal(put(b, erasure_of(dead_at(200))), 0);
    assert_int_equal(kind_held(b), RECORD_NONE);
    assert_int_equal(floor_of(b), 200);
    assert_int_equal(store_records(b->log->store), 0);
    assert_true(store_trees_hold(b->log->store));
    assert_int_equal(put(b, erasure_of(dead_at(200))), 0); /* told twice */
}

/* Another owner found it missing here, and sends it; its key is deleted and erased everywhere
 * before it arrives. No clock says so. */
static void test_what_was_erased_since_the_list_does_not_come_back(void **state)
{
    struct both *b = *state;
    uint64_t listed = ticket(b, value_at(150).key);
    put(b, dead_at(200));
    put(b, erasure_of(dead_at(200)));
    assert_int_equal(bring_with(b, value_at(150), PUT_FROM_OWNER, listed).error, ERR_BUSY);
    assert_int_equal(bring_with(b, value_at(150), PUT_FROM_SOURCE, listed).error, ERR_BUSY);
    assert_int_equal(kind_held(b), RECORD_NONE);
    /* missing in a list that was made since */
    assert_int_equal(bring(b, value_at(150), PUT_FROM_OWNER).error, 0);
    assert_int_equal(kind_held(b), RECORD_VALUE);
}

static void test_refuses_below_the_floor(void **state)
{
    struct both *b = *state;
    put(b, dead_at(200));
    put(b, erasure_of(dead_at(200)));
    struct store_result r = bring(b, value_at(200), PUT_FROM_ANYBODY);
    assert_int_equal(r.error, ERR_TOO_OLD);
    assert_int_equal(r.held.stamp, 200);
    assert_int_equal(put(b, dead_at(150)), ERR_TOO_OLD);
    assert_int_equal(bring(b, dead_at(200), PUT_FROM_OWNER).error, ERR_TOO_OLD); /* "erased" */
    assert_int_equal(kind_held(b), RECORD_NONE);
    assert_int_equal(bring(b, dead_at(200), PUT_FROM_SOURCE).error, 0);
    assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
    assert_int_equal(put(b, value_at(150)), ERR_SUPERSEDED); /* there is something to say by what */
    put(b, erasure_of(dead_at(200)));
    assert_int_equal(bring(b, value_at(150), PUT_FROM_OWNER).error, 0);
    assert_int_equal(kind_held(b), RECORD_VALUE);
    assert_int_equal(put(b, value_at(160)), 0); /* the key is there: what is newer may come */
    assert_int_equal(put(b, value_at(201)), 0);
}

static void test_replay_keeps_it_erased(void **state)
{
    struct both *b = *state;
    put(b, value_at(100));
    put(b, dead_at(200));
    put(b, erasure_of(dead_at(200)));
    reopen(b);
    assert_int_equal(kind_held(b), RECORD_NONE);
    assert_int_equal(store_records(b->log->store), 0);
    assert_int_equal(floor_of(b), 200);
    assert_int_equal(put(b, value_at(120)), ERR_TOO_OLD);
    assert_int_equal(put(b, value_at(300)), 0);
    reopen(b);
    assert_int_equal(kind_held(b), RECORD_VALUE);
    assert_true(store_trees_hold(b->log->store));
}

/* A put that was on its way when the erasure was submitted, and one behind it, all in one group. */
static void test_one_group(void **state)
{
    struct both *b = *state;
    struct record dead = dead_at(200), erasure = erasure_of(dead), late = value_at(150),
                  fresh = value_at(300);
    put(b, dead);
    store_put(b->log->store, 1, &late);
    store_put(b->log->store, 2, &erasure);
    store_put(b->log->store, 3, &late); /* not written: it would lie behind the erasure */
    store_commit(b->log->store);
    int error[4] = {0};
    for (int i = 0; i < 3; i++) {
        struct store_result r = reap(b);
        error[r.token] = r.error;
    }
    assert_int_equal(error[1], ERR_SUPERSEDED);
    assert_int_equal(error[2], 0);
    assert_int_equal(error[3], ERR_SUPERSEDED);
    assert_int_equal(kind_held(b), RECORD_NONE);
    put(b, dead_at(250));
    struct record again = erasure_of(dead_at(250));
    store_put(b->log->store, 1, &again);
    store_put(b->log->store, 2, &fresh);
    store_commit(b->log->store);
    for (int i = 0; i < 2; i++) {
        struct store_result r = reap(b);
        error[r.token] = r.error;
    }
    assert_int_equal(error[2], 0);
    /* its entry was the tombstone's when it was submitted */
    assert_int_equal(kind_held(b), RECORD_VALUE);
    reopen(b);
    assert_int_equal(kind_held(b), RECORD_VALUE);
}

/* An erasure, and two puts behind it in the same group, of which only the second has an end: both
 * had room in the entry that goes, and the one that the first makes anew has none for an end. */
static void test_one_group_with_an_end(void **state)
{
    struct both *b = *state;
    struct record dead = dead_at(200), erasure = erasure_of(dead), plain = value_at(300),
                  ends = ends_at(310, 310, 9000);
    put(b, dead);
    store_put(b->log->store, 1, &erasure);
    store_put(b->log->store, 2, &plain);
    store_put(b->log->store, 3, &ends);
    store_commit(b->log->store);
    for (int i = 0; i < 3; i++)
        assert_int_equal(reap(b).error, 0);
    assert_int_equal(fixture_get(b->log, KEY_OF("k"), GET_DIGEST).record.expiry_ms, 9000);
    assert_true(store_trees_hold(b->log->store));
}

static void test_expired_values(void **state)
{
    struct both *b = *state;
    struct record old = ends_at(100, 110, 5000), renewed = ends_at(100, 120, 9000);
    assert_int_equal(put(b, old), 0);
    assert_int_equal(put(b, renewed), 0);
    assert_int_equal(put(b, erasure_of(old)), ERR_SUPERSEDED); /* the greater expiry stands */
    assert_int_equal(kind_held(b), RECORD_VALUE);
    assert_int_equal(put(b, erasure_of(renewed)), 0);
    assert_int_equal(kind_held(b), RECORD_NONE);
    assert_int_equal(put(b, old), ERR_TOO_OLD);
    reopen(b);
    assert_int_equal(kind_held(b), RECORD_NONE);
}

/* A value is given another end while it is erased under the one before: it stays, whichever of the
 * two comes first. */
static void test_another_end_outlives_an_erasure(void **state)
{
    struct both *b = *state;
    for (unsigned first = 0; first < 2; first++) {
        uint64_t stamp = 100 + first;
        struct record value = ends_at(stamp, 110, 5000), renewed = ends_at(stamp, 120, 9000),
                      erasure = erasure_of(value);
        put(b, value);
        store_put(b->log->store, 1, first ? &erasure : &renewed);
        store_put(b->log->store, 2, first ? &renewed : &erasure);
        store_commit(b->log->store);
        for (int i = 0; i < 2; i++) {
            struct store_result r = reap(b);
            assert_int_equal(r.error, !first && r.token == 2 ? ERR_SUPERSEDED : 0);
        }
        for (int again = 0; again < 2; again++) {
            struct store_result got = fixture_get(b->log, KEY_OF("k"), GET_VALUE);
            assert_int_equal(got.record.kind, RECORD_VALUE);
            assert_int_equal(got.record.version.expiry_stamp, 120);
            assert_true(slice_eq(got.record.value, renewed.value));
            reopen(b);
        }
    }
}

/* What two records and an erasure make of a key, in all orders. */
static void test_any_order(void **state)
{
    (void)state;
    static const unsigned order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const struct record r[3] = {value_at(100), dead_at(200), erasure_of(dead_at(200))};
    for (unsigned o = 0; o < 6; o++) {
        struct table t;
        struct buf bytes;
        buf_init(&bytes, RECORD_MAX);
        assert_int_equal(table_init(&t, 1), 0);
        for (unsigned i = 0; i < 3; i++) {
            struct record_view v;
            bytes.n = 0;
            assert_int_equal(record_encode(&bytes, &r[order[o][i]]), 0);
            assert_true(record_decode(buf_view(&bytes), &v) > 0);
            assert_int_equal(table_replay(&t, &v, 0, i * 100), 0);
        }
        table_opened(&t);
        index_check(&t.index);
        assert_int_equal(t.index.records, 0);
        assert_int_equal(t.tallies.of[0].live, 0);
        table_close(&t);
        buf_close(&bytes);
    }
}

static void test_lists_what_may_be_erased(void **state)
{
    struct both *b = *state;
    uint8_t all[2 * VNODES_DEFAULT], held[3];
    for (unsigned v = 0; v < VNODES_DEFAULT; v++) {
        all[2 * v] = (uint8_t)v;
        all[2 * v + 1] = (uint8_t)(v >> 8);
    }
    put(b, tombstone_record(KEY_OF("k"), 10ull << 16));
    put(b, tombstone_record(KEY_OF("late"), 100ull << 16));
    put(b, value_record(KEY_OF("lives"), SLICE("v"), 10ull << 16));
    struct listing_entry e;
    uint64_t dead = 0;
    unsigned found = 0;
    for (size_t at = 0; at < VNODES_DEFAULT;) {
        store_erasable(b->log->store, 5, slice_of(all + 2 * at, sizeof all - 2 * at), 50, 0);
        struct store_result r = fixture_reap(b->log);
        assert_int_equal(r.error, 0);
        struct slice rest = r.bytes;
        while (listing_next(&rest, &e) == 1) {
            assert_true(slice_eq(e.key, KEY_OF("k")));
            found++;
        }
        dead += r.dead;
        at += r.upto + (r.bytes.n > 0);
    }
    assert_int_equal(found, 1);
    assert_int_equal(dead, 2);
    struct buf asked;
    buf_init(&asked, 4096);
    e = (struct listing_entry){.version = {.stamp = 10ull << 16, .node = 7, .deleted = 1},
                               .kind = RECORD_TOMBSTONE,
                               .key = KEY_OF("k")};
    listing_append(&asked, &e);
    e.version.stamp++;
    listing_append(&asked, &e);
    e.version.stamp -= 2;
    listing_append(&asked, &e);
    store_held(b->log->store, 6, buf_view(&asked));
    struct store_result r = fixture_reap(b->log);
    assert_int_equal(r.bytes.n, 3);
    memcpy(held, r.bytes.p, 3);
    assert_int_equal(held[0], HELD_SAME);
    assert_int_equal(held[1], HELD_OTHER);
    assert_int_equal(held[2], HELD_OTHER);
    put(b, erasure_of(tombstone_record(KEY_OF("k"), 10ull << 16)));
    store_held(b->log->store, 6, buf_view(&asked));
    r = fixture_reap(b->log);
    assert_int_equal(r.bytes.p[0], HELD_GONE);
    assert_int_equal(r.bytes.p[1], HELD_OTHER); /* above the floor: it may yet come */
    assert_int_equal(r.bytes.p[2], HELD_GONE);
    buf_close(&asked);
}

static void ask_for_over(struct both *b, uint64_t wall_ms)
{
    uint32_t vnode = (uint32_t)slot_of_key(KEY_OF("k")) * VNODES_DEFAULT / SLOTS;
    uint8_t asked[2] = {(uint8_t)vnode, (uint8_t)(vnode >> 8)};
    store_erasable(b->log->store, 5, slice_of(asked, 2), wall_ms, 0);
    struct store_result r = fixture_reap(b->log);
    assert_int_equal(r.kind, STORE_ERASABLE_DONE);
}

/* A value that is over keeps its place without its bytes: what is older cannot come, what is newer
 * can, and a later end brings the value back. */
static void test_values_lapse(void **state)
{
    struct both *b = *state;
    struct record over = ends_at(100, 110, 5000), renewed = ends_at(100, 120, 9000);
    put(b, over);
    ask_for_over(b, 4999);
    assert_int_equal(kind_held(b), RECORD_VALUE);
    ask_for_over(b, 5000);
    assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
    assert_true(store_trees_hold(b->log->store));
    assert_int_equal(put(b, value_at(99)), ERR_SUPERSEDED);
    assert_int_equal(put(b, over), 0); /* it is held, though not its bytes */
    assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
    assert_int_equal(put(b, renewed), 0);
    assert_int_equal(kind_held(b), RECORD_VALUE);
    ask_for_over(b, 9000);
    assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
    assert_int_equal(put(b, erasure_of(renewed)), 0);
    assert_int_equal(kind_held(b), RECORD_NONE);
    reopen(b);
    assert_int_equal(kind_held(b), RECORD_NONE);
}

static struct record lapsed(struct record value)
{
    value.kind = RECORD_TOMBSTONE;
    value.value = slice_of(NULL, 0);
    return value;
}

/* What is left of a value at one owner merges at another like a deletion of just that: over
 * nothing, an older value, the value itself and it with an earlier end, but not over it with a
 * later one. */
static void test_what_has_lapsed_is_taken_by_everybody(void **state)
{
    struct both *b = *state;
    struct record over;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t stamp = 100 + 10 * i;
        over = ends_at(stamp, 210, 5000);
        const struct record before[] = {value_at(stamp - 1), over, ends_at(stamp, 205, 8000)};
        if (i > 0)
            assert_int_equal(put(b, before[i - 1]), 0);
        assert_int_equal(put(b, lapsed(over)), 0);
        assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
        assert_true(store_trees_hold(b->log->store));
        reopen(b);
        assert_int_equal(kind_held(b), RECORD_TOMBSTONE);
    }
    assert_int_equal(put(b, ends_at(130, 220, 9000)), 0);
    assert_int_equal(put(b, lapsed(over)), ERR_SUPERSEDED);
    assert_int_equal(kind_held(b), RECORD_VALUE);
}

/* Where its key is gone it is refused below the floor, as a deletion is: it was erased here. */
static void test_what_has_lapsed_does_not_come_back(void **state)
{
    struct both *b = *state;
    struct record over = ends_at(100, 110, 5000);
    put(b, over);
    assert_int_equal(put(b, erasure_of(over)), 0);
    assert_int_equal(bring(b, lapsed(over), PUT_FROM_OWNER).error, ERR_TOO_OLD);
    assert_int_equal(put(b, lapsed(over)), ERR_TOO_OLD);
    assert_int_equal(kind_held(b), RECORD_NONE);
}

/* Keys that come and go for ever take no memory for ever. */
static void test_memory_comes_back(void **state)
{
    struct index ix;
    (void)state;
    assert_int_equal(index_init(&ix, 4, 1), 0);
    uint64_t before = ix.bytes, most = 0;
    for (unsigned i = 0; i < 50000; i++) {
        char name[32], gone[32];
        struct slice key = numbered(name, "session", i), old = numbered(gone, "session", i - 500);
        struct index_item item = {.kind = RECORD_VALUE,
                                  .version = version_at(i + 1, 7, SLICE("x"))};
        struct index_key k = index_key(&ix, slot_of_key(key), key),
                         o = index_key(&ix, slot_of_key(old), old);
        struct index_spot spot;
        index_find(&ix, &k, &spot);
        assert_int_equal(index_reserve(&ix, &k, &item, &spot), 0);
        index_set(&ix, &spot, &item);
        if (i >= 500) {
            assert_true(index_find(&ix, &o, &spot));
            index_remove(&ix, &o, &spot);
            assert_false(index_find(&ix, &o, &spot));
        }
        most = ix.bytes > most ? ix.bytes : most;
        if (i % 5000 == 0)
            index_check(&ix);
    }
    assert_int_equal(ix.records, 500);
    assert_true(most < 500 * 200);
    for (unsigned i = 49500; i < 50000; i++) {
        char name[32];
        struct slice key = numbered(name, "session", i);
        struct index_key k = index_key(&ix, slot_of_key(key), key);
        struct index_spot spot;
        assert_true(index_find(&ix, &k, &spot));
        index_remove(&ix, &k, &spot);
    }
    assert_int_equal(ix.bytes, before);
    index_close(&ix);
}

/* Compaction may drop an erasure only when all that it covers is gone from the disk, and the floor
 * stays for ever. */
static void test_compaction(void **state)
{
    struct fixture *f = *state;
    static uint8_t filler[4000];
    struct rng r;
    rng_init(&r, 1);
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (uint8_t)rng_next(&r); /* not to be compressed */
    f->options.segment_bytes = 64 * 1024;
    f->options.dead_percent = 10;
    fixture_open(f);
    fixture_put(f, value_record(KEY_OF("k"), SLICE("old"), 1));
    for (unsigned i = 0; i < 40; i++) {
        /* keeps the first segment from being a victim: most of it counts */
        char name[32];
        fixture_put(f, value_record(numbered(name, "keeps", i),
                                    slice_of(filler, i < 14 ? 200 : 4000), 2 + i));
    }
    fixture_put(f, tombstone_record(KEY_OF("k"), 100));
    fixture_put(f, erasure_of(tombstone_record(KEY_OF("k"), 100)));
    struct log_stats stats;
    log_stats(f->store, &stats);
    uint64_t removed = stats.removed;
    /* the segments of the tombstone and of its erasure become victims */
    for (unsigned i = 0; i < 400; i++)
        fixture_put(f, value_record(KEY_OF("churn"), slice_of(filler, sizeof filler), 200 + i));
    fixture_until_compacted(f, removed + 10);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(fixture_get(f, KEY_OF("k"), GET_DIGEST).record.kind, RECORD_NONE);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("late"), 99)).error,
                     ERR_TOO_OLD);
    for (unsigned i = 0; i < 40; i++) { /* now what was old goes too, and in the end the erasure */
        char name[32];
        fixture_put(f, value_record(numbered(name, "keeps", i), SLICE("new"), 1000 + i));
    }
    for (unsigned i = 0; i < 400; i++)
        fixture_put(f, value_record(KEY_OF("churn"), slice_of(filler, sizeof filler), 2000 + i));
    fixture_until_compacted(f, 10);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(fixture_get(f, KEY_OF("k"), GET_DIGEST).record.kind, RECORD_NONE);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("late"), 99)).error,
                     ERR_TOO_OLD);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("new"), 101)).error, 0);
}

/* The bytes of values that have lapsed are given back. */
static void test_compaction_frees_what_has_lapsed(void **state)
{
    struct fixture *f = *state;
    static uint8_t filler[4000];
    struct rng r;
    rng_init(&r, 1);
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (uint8_t)rng_next(&r);
    f->options.segment_bytes = 64 * 1024;
    fixture_open(f);
    store_set_secret(f->store, &secret);
    for (unsigned i = 0; i < 200; i++) {
        char name[32];
        struct record v =
            value_record(numbered(name, "ends", i), slice_of(filler, sizeof filler), 1 + i);
        v.version.expiry_stamp = 1000 + i;
        v.expiry_ms = 5000;
        fixture_put(f, v);
    }
    for (unsigned v = 0; v < VNODES_DEFAULT; v++) {
        uint8_t asked[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
        store_erasable(f->store, 5, slice_of(asked, 2), 5000, 0);
        assert_int_equal(fixture_reap(f).kind, STORE_ERASABLE_DONE);
    }
    fixture_until_compacted(f, 10);
    fixture_close(f);
    fixture_open(f);
    unsigned lapsed_n = 0;
    for (unsigned i = 0; i < 200; i++) {
        char name[32];
        struct store_result got = fixture_get(f, numbered(name, "ends", i), GET_VALUE);
        assert_true(got.record.kind == RECORD_TOMBSTONE || got.record.kind == RECORD_VALUE);
        assert_int_equal(got.record.version.expiry_stamp, 1000 + i);
        assert_int_equal(got.record.expiry_ms, 5000);
        lapsed_n += got.record.kind == RECORD_TOMBSTONE;
    }
    assert_true(lapsed_n > 100); /* the rest stands in a segment that was not compacted yet */
}

/* A start from a snapshot knows floors whose erasures it does not read. */
static void test_snapshot(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats = {0};
    static const char filler[1000];
    f->options.snapshot_bytes = 64 * 1024;
    fixture_open(f);
    fixture_put(f, tombstone_record(KEY_OF("k"), 100));
    fixture_put(f, erasure_of(tombstone_record(KEY_OF("k"), 100)));
    for (unsigned i = 0; i < 1000 && stats.snapshots == 0; i++) {
        fixture_put(f, value_record(KEY_OF("churn"), slice_of(filler, sizeof filler), 200 + i));
        log_stats(f->store, &stats);
    }
    assert_true(stats.snapshots > 0);
    fixture_close(f);
    fixture_open(f);
    log_stats(f->store, &stats);
    assert_true(stats.replayed_bytes < 1000 * 100);
    assert_int_equal(fixture_get(f, KEY_OF("k"), GET_DIGEST).record.kind, RECORD_NONE);
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("late"), 99)).error,
                     ERR_TOO_OLD);
}

#define BOTH(test)                                              \
    cmocka_unit_test_setup_teardown(test, setup_mem, teardown), \
        cmocka_unit_test_setup_teardown(test, setup_log, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_erases_just_that),
        BOTH(test_what_was_erased_since_the_list_does_not_come_back),
        BOTH(test_refuses_below_the_floor),
        BOTH(test_replay_keeps_it_erased),
        BOTH(test_one_group),
        BOTH(test_one_group_with_an_end),
        BOTH(test_expired_values),
        BOTH(test_another_end_outlives_an_erasure),
        BOTH(test_lists_what_may_be_erased),
        BOTH(test_values_lapse),
        BOTH(test_what_has_lapsed_is_taken_by_everybody),
        BOTH(test_what_has_lapsed_does_not_come_back),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test_setup_teardown(test_compaction, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compaction_frees_what_has_lapsed, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_snapshot, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
