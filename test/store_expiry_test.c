/* Expiries: of the records of one value the one with the latest expiry counts, in whatever order
 * they come, and outlives a replay. Over the memory store and over the log, and the merge by
 * itself. */
#include "store_both.h"

#include "store/table/table.h"

static struct record expiry_record(struct slice key, struct slice value, uint64_t stamp,
                                   uint64_t expiry_stamp, uint64_t expiry_ms)
{
    struct record r = value_record(key, value, stamp);
    r.version.expiry_stamp = expiry_stamp;
    r.expiry_ms = expiry_ms;
    return r;
}

static void expect_expiry(struct both *b, uint64_t expiry_stamp, uint64_t expiry_ms)
{
    struct store_result got = fixture_get(b->log, KEY_OF("k"), GET_VALUE);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.record.kind, RECORD_VALUE);
    assert_true(slice_eq(got.record.value, SLICE("value")));
    assert_int_equal(got.record.version.expiry_stamp, expiry_stamp);
    assert_int_equal(got.record.expiry_ms, expiry_ms);
}

static void the_latest_expiry_counts(void **state)
{
    struct both *b = *state;
    put(b, value_record(KEY_OF("k"), SLICE("value"), 5));
    struct store_result r = put(b, expiry_record(KEY_OF("k"), SLICE("value"), 5, 8, 1000));
    assert_int_equal(r.error, 0);
    assert_int_equal(r.held.expiry_stamp, 8);
    expect_expiry(b, 8, 1000);
    /* an earlier one: that value is held, and with a later end */
    r = put(b, expiry_record(KEY_OF("k"), SLICE("value"), 5, 7, 2000));
    assert_int_equal(r.error, 0);
    assert_int_equal(r.held.expiry_stamp, 8);
    expect_expiry(b, 8, 1000);
    assert_int_equal(put(b, expiry_record(KEY_OF("k"), SLICE("value"), 5, 8, 1000)).error, 0);
    /* a late copy: that value is held */
    assert_int_equal(put(b, value_record(KEY_OF("k"), SLICE("value"), 5)).error, 0);
    expect_expiry(b, 8, 1000);
    reopen(b);
    expect_expiry(b, 8, 1000);
    /* PERSIST */
    assert_int_equal(put(b, expiry_record(KEY_OF("k"), SLICE("value"), 5, 9, 0)).error, 0);
    expect_expiry(b, 9, 0);
}

/* The older of two values comes second and has an expiry, so the entry is made anew while the newer
 * is on its way. */
static void an_entry_grows_under_a_pending_put(void **state)
{
    struct both *b = *state;
    struct record newer = value_record(KEY_OF("k"), SLICE("value"), 5),
                  older = value_record(KEY_OF("k"), SLICE("older"), 4);
    older.version.expiry_stamp = 4;
    older.expiry_ms = 1000;
    store_put(b->log->store, 1, &newer);
    store_put(b->log->store, 2, &older);
    store_commit(b->log->store);
    assert_int_equal(reap(b).token, 1);
    assert_int_equal(fixture_reap(b->log).token, 2);
    expect_expiry(b, 0, 0);
    reopen(b);
    expect_expiry(b, 0, 0);
}

static void an_expiry_never_touches_another_value(void **state)
{
    struct both *b = *state;
    put(b, value_record(KEY_OF("k"), SLICE("older"), 4));
    assert_int_equal(put(b, expiry_record(KEY_OF("k"), SLICE("value"), 5, 8, 1000)).error, 0);
    expect_expiry(b, 8, 1000); /* an owner that lacked the value has it now */
    put(b, value_record(KEY_OF("k"), SLICE("newer"), 6));
    /* however late its own stamp is */
    struct store_result r = put(b, expiry_record(KEY_OF("k"), SLICE("value"), 5, 9, 1000));
    assert_int_equal(r.error, ERR_SUPERSEDED);
    assert_int_equal(r.held.stamp, 6);
    assert_int_equal(fixture_get(b->log, KEY_OF("k"), GET_VALUE).record.expiry_ms, 0);
    put(b, tombstone_record(KEY_OF("k"), 7));
    assert_int_equal(put(b, expiry_record(KEY_OF("k"), SLICE("newer"), 6, 9, 1000)).error,
                     ERR_SUPERSEDED);
}

static uint32_t live_at(struct both *b, uint64_t wall_ms)
{
    store_count(b->log->store, 8, wall_ms);
    struct store_result out = reap(b);
    uint32_t sum = 0;
    for (uint32_t v = 0; v < out.vnode_n; v++)
        sum += out.live[v];
    return sum;
}

static void the_expired_do_not_count(void **state)
{
    struct both *b = *state;
    char name[32];
    for (unsigned i = 1; i <= 100; i++) {
        struct record r = value_record(numbered(name, "key", i), SLICE("v"), 5);
        r.version.expiry_stamp = i % 2 ? 5 : 0;
        r.expiry_ms = i % 2 ? i * 10 : 0;
        put(b, r);
    }
    assert_int_equal(live_at(b, 9), 100);
    assert_int_equal(live_at(b, 10), 99);
    assert_int_equal(live_at(b, 10), 99);
    assert_int_equal(live_at(b, 500), 75);
    /* given its life back by a later expiry */
    put(b, expiry_record(numbered(name, "key", 1), SLICE("v"), 5, 6, 0));
    assert_int_equal(live_at(b, 500), 76);
    assert_int_equal(live_at(b, 5000), 51);
    put(b, tombstone_record(numbered(name, "key", 3), 6)); /* it does not count as dead twice */
    assert_int_equal(live_at(b, 5000), 51);
}

/* ---- The merge by itself ---- */

static struct index_item replayed(const struct record *r, const unsigned *order, unsigned n)
{
    struct table t;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(table_init(&t, 1), 0);
    for (unsigned i = 0; i < n; i++) {
        uint32_t at = (uint32_t)bytes.n;
        struct record_view v;
        assert_int_equal(record_encode(&bytes, &r[order[i]]), 0);
        assert_true(record_decode(slice_of(bytes.p + at, bytes.n - at), &v) > 0);
        /* the record's number stands for its place */
        assert_int_equal(table_replay(&t, &v, 0, order[i]), 0);
        index_check(&t.index);
    }
    struct index_key k = index_key(&t.index, slot_of_key(r->key), r->key);
    struct index_spot spot;
    assert_true(index_find(&t.index, &k, &spot));
    struct index_item item = index_get(&t.index, &spot);
    table_close(&t);
    buf_close(&bytes);
    return item;
}

/* Every order of a value, it with other expiries, what is left of it when it has lapsed, and an
 * older value, each twice: the greatest of them, at its place. */
static void any_order_of_replay_gives_the_same(void **state)
{
    (void)state;
    struct record r[] = {
        expiry_record(KEY_OF("k"), SLICE("old"), 4, 30, 999),
        value_record(KEY_OF("k"), SLICE("value"), 5),
        expiry_record(KEY_OF("k"), SLICE("value"), 5, 7, 2000),
        expiry_record(KEY_OF("k"), SLICE("value"), 5, 8, 1000),
        expiry_record(KEY_OF("k"), SLICE("value"), 5, 8, 1001),
        expiry_record(KEY_OF("k"), SLICE("value"), 5, 8, 1001),
    };
    enum { N = sizeof r / sizeof r[0] };
    r[N - 1].kind = RECORD_TOMBSTONE;
    r[N - 1].value = slice_of(NULL, 0);
    for (unsigned permutation = 0; permutation < 720; permutation++) {
        unsigned order[2 * N], left[N] = {0, 1, 2, 3, 4, 5};
        for (unsigned i = 0, rest = permutation; i < N; rest /= N - i, i++) {
            unsigned pick = rest % (N - i);
            order[i] = order[N + i] = left[pick];
            memmove(left + pick, left + pick + 1, (N - i - pick - 1) * sizeof left[0]);
        }
        for (unsigned n = N; n <= 2 * N; n += N) {
            struct index_item item = replayed(r, order, n);
            assert_int_equal(item.kind, RECORD_TOMBSTONE);
            assert_int_equal(item.version.stamp, 5);
            assert_int_equal(item.version.expiry_stamp, 8);
            assert_int_equal(item.expiry_ms, 1001);
            assert_int_equal(item.offset, N - 1);
            assert_int_equal(item.value_n, 0);
        }
    }
}

#define BOTH(test)                                     \
    {"mem: " #test, test, setup_mem, teardown, NULL},  \
    {                                                  \
        "log: " #test, test, setup_log, teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(the_latest_expiry_counts),
        BOTH(an_entry_grows_under_a_pending_put),
        BOTH(an_expiry_never_touches_another_value),
        BOTH(the_expired_do_not_count),
        cmocka_unit_test(any_order_of_replay_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
