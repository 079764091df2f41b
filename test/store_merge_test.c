/* What both stores promise: merging by version in any order, reads, counts, state records. Each
 * test runs over the memory store and over the log. */
#include "store_both.h"

#include "base/rng.h"

static void the_greater_version_wins(void **state)
{
    struct both *b = *state;
    assert_int_equal(put(b, value_record(KEY_OF("k"), SLICE("two"), 2)).error, 0);
    struct store_result old = put(b, value_record(KEY_OF("k"), SLICE("one"), 1));
    assert_int_equal(old.error, ERR_SUPERSEDED);
    assert_int_equal(old.held.stamp, 2);
    struct store_result same = put(b, value_record(KEY_OF("k"), SLICE("two"), 2));
    assert_int_equal(same.error, 0);
    assert_int_equal(same.held.stamp, 2);
    fixture_expect(b->log, KEY_OF("k"), SLICE("two"));
    /* a deletion is the greater of two equal stamps */
    assert_int_equal(put(b, tombstone_record(KEY_OF("k"), 2)).error, 0);
    struct store_result got = fixture_get(b->log, KEY_OF("k"), GET_VALUE);
    assert_int_equal(got.record.kind, RECORD_TOMBSTONE);
    assert_int_equal(got.record.version.deleted, 1);
    assert_int_equal(got.record.value.n, 0);
    assert_int_equal(put(b, value_record(KEY_OF("k"), SLICE("three"), 3)).error, 0);
    fixture_expect(b->log, KEY_OF("k"), SLICE("three"));
}

static void an_ordered_version_is_greater_than_any_plain_one(void **state)
{
    struct both *b = *state;
    struct record ordered = value_record(KEY_OF("k"), SLICE("ordered"), 3),
                  later = value_record(KEY_OF("k"), SLICE("later"), 4);
    ordered.version.ordered = later.version.ordered = 1;
    assert_int_equal(put(b, value_record(KEY_OF("k"), SLICE("plain"), 9)).error, 0);
    assert_int_equal(put(b, ordered).error, 0);
    struct store_result r = put(b, value_record(KEY_OF("k"), SLICE("plain"), 10));
    assert_int_equal(r.error, ERR_SUPERSEDED);
    assert_int_equal(r.held.stamp, 3);
    assert_int_equal(r.held.ordered, 1);
    for (int round = 0; round < 2; round++, reopen(b))
        fixture_expect(b->log, KEY_OF("k"), SLICE("ordered"));
    assert_int_equal(put(b, later).error, 0);
    assert_int_equal(put(b, ordered).error, ERR_SUPERSEDED);
    fixture_expect(b->log, KEY_OF("k"), SLICE("later"));
}

static void absent_keys_and_digests(void **state)
{
    struct both *b = *state;
    struct store_result got = fixture_get(b->log, KEY_OF("nothing"), GET_VALUE);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.record.kind, RECORD_NONE);
    assert_true(slice_eq(got.record.key, KEY_OF("nothing")));
    put(b, value_record(KEY_OF("k"), SLICE("value"), 5));
    got = fixture_get(b->log, KEY_OF("k"), GET_DIGEST);
    assert_int_equal(got.record.kind, RECORD_VALUE);
    assert_int_equal(got.record.version.digest, hash_bytes(SLICE("value")));
    assert_int_equal(got.size, 5);
    assert_int_equal(got.record.value.n, 0);
    put(b, value_record(KEY_OF(""), SLICE(""), 6)); /* Redis allows both */
    fixture_expect(b->log, KEY_OF(""), SLICE(""));
}

/* Nothing is visible, and no result comes out, before the device is done; store_records counts from
 * submission on. */
static void a_put_is_invisible_until_it_is_durable(void **state)
{
    struct both *b = *state;
    struct record r = value_record(KEY_OF("k"), SLICE("v"), 1);
    store_put(b->log->store, 1, &r);
    assert_int_equal(store_records(b->log->store), 1);
    assert_int_equal(fixture_get(b->log, KEY_OF("k"), GET_VALUE).record.kind, RECORD_NONE);
    store_commit(b->log->store);
    assert_int_equal(reap(b).kind, STORE_PUT_DONE);
    fixture_expect(b->log, KEY_OF("k"), SLICE("v"));
    assert_int_equal(store_records(b->log->store), 1);
}

/* Puts of few keys in random order and random groups, with duplicates: what is held is the greatest
 * of each key, each result tells the truth, and a replay, which sees the records in the order of
 * the log, agrees. */
static void any_order_gives_the_same(void **state)
{
    enum { KEYS = 8, PUTS = 400 };
    struct both *b = *state;
    struct rng rng;
    struct version greatest[KEYS] = {{0}};
    char key[32], value[32];
    rng_init(&rng, 11);
    for (unsigned i = 0, waiting = 0; i < PUTS; i++) {
        unsigned k = (unsigned)rng_below(&rng, KEYS), stamp = (unsigned)rng_below(&rng, 60) + 1;
        bool deletion = rng_below(&rng, 4) == 0;
        struct slice name = numbered(key, "k", k);
        struct record r = deletion ? tombstone_record(name, stamp)
                                   : value_record(name, numbered_text(value, "v", stamp), stamp);
        if (version_cmp(&r.version, &greatest[k]) > 0)
            greatest[k] = r.version;
        store_put(b->log->store, k, &r);
        waiting++;
        if (rng_below(&rng, 5) == 0 || i + 1 == PUTS) {
            store_commit(b->log->store);
            for (; waiting > 0; waiting--) {
                struct store_result out = reap(b);
                assert_true(out.error == 0 || out.error == ERR_SUPERSEDED);
                assert_true(version_cmp(&out.held, &greatest[out.token]) <= 0);
            }
        }
    }
    for (int round = 0; round < 2; round++, reopen(b)) {
        for (unsigned k = 0; k < KEYS; k++) {
            struct store_result got = fixture_get(b->log, numbered(key, "k", k), GET_VALUE);
            assert_int_equal(version_cmp(&got.record.version, &greatest[k]), 0);
            if (!greatest[k].deleted)
                assert_true(slice_eq(got.record.value,
                                     numbered_text(value, "v", (unsigned)greatest[k].stamp)));
        }
    }
}

/* Two puts of one key wait together; the greater was submitted first. */
static void pending_puts_of_one_key(void **state)
{
    struct both *b = *state;
    struct record two = value_record(KEY_OF("k"), SLICE("two"), 2),
                  one = value_record(KEY_OF("k"), SLICE("one"), 1);
    store_put(b->log->store, 2, &two);
    store_put(b->log->store, 1, &one);
    store_put(b->log->store, 22, &two);
    store_commit(b->log->store);
    struct store_result first = reap(b), second = reap(b), third = reap(b);
    assert_int_equal(first.token, 2);
    assert_int_equal(first.error, 0);
    assert_int_equal(second.token, 1);
    assert_int_equal(second.error, 0); /* the greater one was not visible yet when it came */
    assert_int_equal(second.held.stamp, 2);
    assert_int_equal(third.token, 22);
    assert_int_equal(third.error, 0);
    fixture_expect(b->log, KEY_OF("k"), SLICE("two"));
}

static struct store_result put_k(struct both *b, const char *value, uint64_t stamp)
{
    return put(b, value_record(KEY_OF("k"), slice_str(value), stamp));
}

/* Whether a version was ever taken is known as long as it is remembered: recent.h. */
static void what_was_taken_is_told_from_what_never_was(void **state)
{
    struct both *b = *state;
    assert_int_equal(put_k(b, "two", 2).error, 0);
    assert_int_equal(put_k(b, "four", 4).error, 0);
    assert_int_equal(put_k(b, "two", 2).error, 0);
    struct store_result never = put_k(b, "three", 3);
    assert_int_equal(never.error, ERR_SUPERSEDED);
    assert_int_equal(never.held.stamp, 4);
    assert_true(never.never_took);
    assert_int_equal(put_k(b, "three", 3).error, ERR_SUPERSEDED);
    reopen(b);
    assert_int_equal(put_k(b, "five", 5).error, 0);
    assert_true(put_k(b, "four", 4).never_took); /* as far as this process goes */
}

/* What was taken while greater records were missing. test/model_contest_test.c has the write that
 * wins over an acknowledged one where it is remembered. */
static void what_was_taken_before_the_store_was_healed_is_forgotten(void **state)
{
    struct both *b = *state;
    uint8_t all[SLOTS / 8];
    memset(all, 0xff, sizeof all);
    assert_int_equal(put_k(b, "two", 2).error, 0);  /* by a coordinator, or by anti-entropy */
    assert_int_equal(put_k(b, "four", 4).error, 0); /* what was acknowledged before */
    store_healed(b->log->store, slice_of(all, sizeof all));
    struct store_result again = put_k(b, "two", 2);
    assert_int_equal(again.error, ERR_SUPERSEDED);
    assert_false(again.never_took);
    assert_int_equal(put_k(b, "four", 4).error, 0); /* nothing greater is visible */
    assert_int_equal(put_k(b, "six", 6).error, 0);
    assert_int_equal(put_k(b, "eight", 8).error, 0);
    assert_int_equal(put_k(b, "six", 6).error, 0); /* since then it is remembered */
}

/* What is remembered, and what is said of what is not: the memory alone. */
static void a_memory_of_puts(void **state)
{
    (void)state;
    struct recent r;
    struct version v = {.stamp = 5, .node = 7}, other = {.stamp = 5, .node = 8},
                   old = {.stamp = 4, .node = 7};
    assert_int_equal(recent_init(&r), 0);
    recent_take(&r, 11, &v);
    assert_true(recent_took(&r, 11, &v));
    assert_false(recent_took(&r, 12, &v) || recent_took(&r, 11, &other));
    assert_true(recent_never_took(&r, 12, &v) && recent_never_took(&r, 11, &other) &&
                recent_never_took(&r, 11, &old));
    assert_false(recent_never_took(&r, 11, &v));
    for (uint64_t i = 1; i < 2 * RECENT_PUTS; i++)
        recent_take(&r, i * 0x9e3779b97f4a7c15u, &(struct version){.stamp = 5 + i});
    assert_true(recent_took(&r, 11, &v));
    assert_true(recent_never_took(&r, 11, &old)); /* all since the first */
    recent_take(&r, 13, &v);
    assert_false(recent_took(&r, 11, &v));
    /* they may be among the forgotten */
    assert_false(recent_never_took(&r, 11, &v) || recent_never_took(&r, 11, &old));
    assert_false(recent_never_took(&r, 11, &(struct version){.stamp = 4 + RECENT_PUTS}));
    assert_true(recent_never_took(&r, 11, &(struct version){.stamp = 5 + RECENT_PUTS}));
    recent_forget(&r);
    assert_false(recent_took(&r, 13, &v));
    assert_false(recent_never_took(&r, 11, &(struct version){.stamp = 4 + 2 * RECENT_PUTS}));
    assert_true(recent_never_took(&r, 11, &(struct version){.stamp = 5 + 2 * RECENT_PUTS}));
    recent_close(&r);
}

/* On a full disk every group fails: between the failures what was forgotten takes room until its
 * table goes, and no more than that. */
static void what_could_not_be_stored_is_forgotten_again_and_again(void **state)
{
    (void)state;
    struct recent r;
    assert_int_equal(recent_init(&r), 0);
    for (uint64_t i = 0; i < 4 * RECENT_PUTS; i++) {
        struct version v = {.stamp = 1 + i % 3}; /* the same ones come back */
        recent_take(&r, 11, &v);
        assert_true(recent_took(&r, 11, &v));
        if (i % 2) {
            recent_forget(&r);
            assert_false(recent_took(&r, 11, &v) || recent_never_took(&r, 11, &v));
        }
    }
    for (uint64_t i = 0; i < RECENT_PUTS; i++)
        recent_take(&r, 12, &(struct version){.stamp = 4 + i});
    assert_true(recent_took(&r, 12, &(struct version){.stamp = 4}));
    assert_true(recent_never_took(&r, 11, &(struct version){.stamp = 4}));
    recent_close(&r);
}

/* One name in two spaces is two keys, in one slot; what has no space, or one that is none, is no
 * key. */
static void a_space_is_part_of_the_key_and_not_of_the_slot(void **state)
{
    struct both *b = *state;
    assert_int_equal(put(b, value_record(SLICE("\0k"), SLICE("first"), 1)).error, 0);
    assert_int_equal(put(b, value_record(SLICE("\x0fk"), SLICE("last"), 2)).error, 0);
    assert_int_equal(put(b, value_record(SLICE("\x80k"), SLICE("system"), 3)).error, 0);
    for (int round = 0; round < 2; round++, reopen(b)) {
        fixture_expect(b->log, SLICE("\0k"), SLICE("first"));
        fixture_expect(b->log, SLICE("\x0fk"), SLICE("last"));
        fixture_expect(b->log, SLICE("\x80k"), SLICE("system"));
    }
    assert_int_equal(slot_of_key(SLICE("\0k")), slot_of_key(SLICE("\x80k")));
    assert_int_equal(put(b, value_record(SLICE("\x10k"), SLICE("v"), 4)).error, ERR_REFUSED);
    assert_int_equal(put(b, value_record(SLICE("\x7fk"), SLICE("v"), 4)).error, ERR_REFUSED);
    assert_int_equal(put(b, value_record(SLICE(""), SLICE("v"), 4)).error, ERR_REFUSED);
}

static void large_and_compressible(void **state)
{
    struct both *b = *state;
    size_t n = VALUE_MAX, too_big = RECORD_VALUE_MAX + 1;
    uint8_t *value = test_calloc(1, too_big), *key = test_malloc(KEY_FULL_MAX);
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t word = rng_next(&rng);
        memcpy(value + i, &word, 8);
    }
    memset(key, 'k', KEY_FULL_MAX);
    key[0] = 0;
    assert_int_equal(put(b, value_record(slice_of(key, KEY_FULL_MAX), slice_of(value, n), 1)).error,
                     0);
    fixture_expect(b->log, slice_of(key, KEY_FULL_MAX), slice_of(value, n));
    memset(value, 'v', n); /* lz4 takes this to 32 KiB */
    assert_int_equal(put(b, value_record(KEY_OF("soft"), slice_of(value, n), 1)).error, 0);
    assert_int_equal(put(b, value_record(KEY_OF("soft small"), slice_of(value, 300), 1)).error, 0);
    for (int round = 0; round < 2; round++, reopen(b)) {
        fixture_expect(b->log, KEY_OF("soft"), slice_of(value, n));
        fixture_expect(b->log, KEY_OF("soft small"), slice_of(value, 300));
    }
    assert_int_equal(put(b, value_record(KEY_OF("k"), slice_of(value, too_big), 1)).error,
                     ERR_TOO_BIG);
    test_free(value);
    test_free(key);
}

static void counts_live_keys_per_vnode(void **state)
{
    struct both *b = *state;
    char key[32];
    uint32_t expected[16] = {0};
    store_set_vnodes(b->log->store, 16);
    for (unsigned i = 0; i < 100; i++) {
        struct slice name = numbered(key, "key", i);
        put(b, value_record(name, SLICE("v"), 1));
        if (i % 4 == 0)
            put(b, tombstone_record(name, 2));
        else
            expected[slot_of_key(name) / (SLOTS / 16)]++;
    }
    assert_int_equal(store_records(b->log->store), 100);
    for (int round = 0; round < 2; round++) {
        store_count(b->log->store, 8, 0);
        struct store_result out = reap(b);
        assert_int_equal(out.kind, STORE_COUNT_DONE);
        assert_int_equal(out.token, 8);
        assert_int_equal(out.vnode_n, 16);
        assert_memory_equal(out.live, expected, sizeof expected);
        reopen(b);
        store_set_vnodes(b->log->store, 16); /* the index is full this time */
    }
}

static void state_records_are_apart(void **state)
{
    struct both *b = *state;
    struct slice value;
    uint64_t serial;
    assert_false(store_state(b->log->store, SLICE("layout"), &value, &serial));
    assert_int_equal(put(b, state_record(SLICE("layout"), SLICE("first"), 1)).error, 0);
    assert_int_equal(put(b, state_record(SLICE("layout"), SLICE("third"), 3)).error, 0);
    assert_int_equal(put(b, state_record(SLICE("layout"), SLICE("second"), 2)).error,
                     ERR_SUPERSEDED);
    assert_int_equal(put(b, state_record(SLICE("chain"), SLICE(""), 9)).error, 0);
    assert_int_equal(store_records(b->log->store), 0);
    assert_int_equal(fixture_get(b->log, KEY_OF("layout"), GET_VALUE).record.kind, RECORD_NONE);
    for (int round = 0; round < 2; round++, reopen(b)) {
        assert_true(store_state(b->log->store, SLICE("layout"), &value, &serial));
        assert_true(slice_eq(value, SLICE("third")));
        assert_int_equal(serial, 3);
        assert_true(store_state(b->log->store, SLICE("chain"), &value, &serial));
        assert_int_equal(value.n, 0);
        assert_false(store_state(b->log->store, SLICE("ballot"), &value, &serial));
    }
}

static void expiry_is_kept(void **state)
{
    struct both *b = *state;
    struct record r = value_record(KEY_OF("k"), SLICE("v"), 1);
    put(b, r);
    r.version.expiry_stamp = 77;
    r.expiry_ms = 123456789;
    assert_int_equal(put(b, r).error, 0);
    for (int round = 0; round < 2; round++, reopen(b)) {
        struct store_result got = fixture_get(b->log, KEY_OF("k"), GET_VALUE);
        assert_int_equal(got.record.expiry_ms, 123456789);
        assert_int_equal(got.record.version.expiry_stamp, 77);
        assert_true(slice_eq(got.record.value, SLICE("v")));
    }
}

static void kinds_of_later_releases_are_refused(void **state)
{
    struct both *b = *state;
    struct record r = value_record(KEY_OF("k"), SLICE("v"), 1);
    r.kind = RECORD_ROW;
    r.version.ordered = 1;
    assert_int_equal(put(b, r).error, ERR_REFUSED);
    assert_int_equal(store_records(b->log->store), 0);
    struct record zero = value_record(KEY_OF("k"), SLICE("v"), 0);
    assert_int_equal(put(b, zero).error, ERR_REFUSED);
}

#define BOTH(test)                                     \
    {"mem: " #test, test, setup_mem, teardown, NULL},  \
    {                                                  \
        "log: " #test, test, setup_log, teardown, NULL \
    }

static void the_values_asked_for_next_are_known(void **state)
{
    struct table t;
    struct group g;
    struct store_result out;
    struct index_item item;
    struct version v[INDEX_FETCH];
    const struct record a = value_record(KEY_OF("a"), SLICE("1"), 11),
                        b = value_record(KEY_OF("b"), SLICE("2"), 12),
                        c = value_record(KEY_OF("c"), SLICE("3"), 13);
    (void)state;
    assert_int_equal(table_init(&t, 1), 0);
    group_init(&g);
    table_put(&t, &g, 1, &a, (struct put_origin){0});
    table_put(&t, &g, 2, &b, (struct put_origin){0});
    table_put(&t, &g, 3, &c, (struct put_origin){0});
    assert_true(table_settle(&t, &g));
    table_publish(&t, &g, 0, 0);
    table_get(&t, 4, a.key, GET_VALUE);
    /* one alone is as well looked up when it is answered */
    assert_int_equal(table_expect(&t, v), 0);
    table_get(&t, 5, b.key, GET_DIGEST);
    table_get(&t, 6, KEY_OF("absent"), GET_VALUE);
    table_get(&t, 7, c.key, GET_VALUE);
    assert_int_equal(table_expect(&t, v), 2);
    assert_int_equal(v[0].stamp, 11);
    assert_int_equal(v[1].stamp, 13);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(table_expect(&t, v), 0);
        assert_int_not_equal(table_question(&t, &out, &item), 0);
    }
    group_close(&g);
    table_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(the_greater_version_wins),
        BOTH(an_ordered_version_is_greater_than_any_plain_one),
        BOTH(absent_keys_and_digests),
        BOTH(a_put_is_invisible_until_it_is_durable),
        BOTH(any_order_gives_the_same),
        BOTH(pending_puts_of_one_key),
        BOTH(what_was_taken_is_told_from_what_never_was),
        BOTH(what_was_taken_before_the_store_was_healed_is_forgotten),
        cmocka_unit_test(a_memory_of_puts),
        cmocka_unit_test(the_values_asked_for_next_are_known),
        cmocka_unit_test(what_could_not_be_stored_is_forgotten_again_and_again),
        BOTH(a_space_is_part_of_the_key_and_not_of_the_slot),
        BOTH(large_and_compressible),
        BOTH(counts_live_keys_per_vnode),
        BOTH(state_records_are_apart),
        BOTH(expiry_is_kept),
        BOTH(kinds_of_later_releases_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
