/* Flushes: what they cover is absent, whenever it comes; they merge by the greater stamp and
 * outlive a replay. Over the memory store and over the log. */
#include "store_both.h"

#include "store/table/table.h"

static struct record flush_record(uint64_t stamp)
{
    return (struct record){.kind = RECORD_FLUSH,
                           .version = {.stamp = stamp, .deleted = 1},
                           .value = FLUSH_EVERYTHING_BYTES};
}

static void expect_flushed(struct both *b, struct slice key, uint64_t stamp)
{
    struct store_result got = fixture_get(b->log, key, GET_VALUE);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.record.kind, RECORD_TOMBSTONE);
    assert_int_equal(got.record.version.stamp, stamp);
    assert_int_equal(got.record.value.n, 0);
}

/* As other owners are told. */
static uint64_t told(struct both *b)
{
    static const uint8_t vnode[2];
    store_set_secret(b->log->store, &(struct layout_secret){{7}});
    store_tree(b->log->store, 9, slice_of(vnode, sizeof vnode), false);
    return flush_run_at(reap(b).flushed, 0, 0).stamp;
}

/* And the coordinator of a flush. */
static uint64_t greatest(struct both *b)
{
    store_greatest(b->log->store, 10);
    struct store_result out = reap(b);
    assert_int_equal(out.kind, STORE_GREATEST_DONE);
    assert_int_equal(out.token, 10);
    assert_int_equal(out.error, 0);
    return out.greatest;
}

static uint32_t live(struct both *b)
{
    store_count(b->log->store, 8, 0);
    struct store_result out = reap(b);
    uint32_t sum = 0;
    for (uint32_t v = 0; v < out.vnode_n; v++)
        sum += out.live[v];
    return sum;
}

static void a_flush_covers_what_is_older(void **state)
{
    struct both *b = *state;
    put(b, value_record(KEY_OF("old"), SLICE("v"), 5));
    put(b, value_record(KEY_OF("new"), SLICE("v"), 9));
    assert_int_equal(live(b), 2);
    assert_int_equal(told(b), 0);
    struct store_result r = put(b, flush_record(7));
    assert_int_equal(r.error, 0);
    for (int round = 0; round < 2; round++) {
        expect_flushed(b, KEY_OF("old"), 7);
        expect_flushed(b, KEY_OF("never was"), 7);
        fixture_expect(b->log, KEY_OF("new"), SLICE("v"));
        assert_int_equal(live(b), 1);
        assert_int_equal(told(b), 7);
        reopen(b);
        store_set_vnodes(b->log->store, 16); /* cut after the replay, as at a start */
        assert_int_equal(live(b), 1);
    }
    r = put(b, flush_record(9));
    assert_int_equal(r.error, 0);
    expect_flushed(b, KEY_OF("new"), 9); /* a flush is the greater of two equal stamps */
}

static void what_comes_later_is_covered_too(void **state)
{
    struct both *b = *state;
    assert_int_equal(put(b, flush_record(7)).error, 0);
    struct store_result r = put(b, value_record(KEY_OF("k"), SLICE("v"), 6));
    assert_int_equal(r.error, ERR_SUPERSEDED);
    assert_int_equal(r.held.stamp, 7);
    assert_int_equal(r.held.deleted, 1);
    expect_flushed(b, KEY_OF("k"), 7);
    assert_int_equal(put(b, value_record(KEY_OF("k"), SLICE("v"), 8)).error, 0);
    fixture_expect(b->log, KEY_OF("k"), SLICE("v"));
    assert_int_equal(live(b), 1);
    struct record expiry = value_record(KEY_OF("k"), SLICE("v"), 6);
    expiry.version.expiry_stamp = 20;
    assert_int_equal(put(b, expiry).error, ERR_SUPERSEDED);
}

/* And is counted, while the walk is on its way. */
static void an_ordered_record_is_spared(void **state)
{
    struct both *b = *state;
    struct record ordered = value_record(KEY_OF("ordered"), SLICE("v"), 5);
    ordered.version.ordered = 1;
    assert_int_equal(put(b, ordered).error, 0);
    put(b, value_record(KEY_OF("plain"), SLICE("v"), 6));
    assert_int_equal(put(b, flush_record(7)).error, 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(live(b), 1);
        fixture_expect(b->log, KEY_OF("ordered"), SLICE("v"));
        expect_flushed(b, KEY_OF("plain"), 7);
        reopen(b);
    }
}

/* A put that is on its way to the disk when the flush becomes visible. */
static void a_flush_overtakes_pending_puts(void **state)
{
    struct both *b = *state;
    struct record flush = flush_record(7), value = value_record(KEY_OF("k"), SLICE("v"), 6);
    store_put(b->log->store, 7, &flush);
    store_put(b->log->store, 6, &value);
    store_commit(b->log->store);
    for (int i = 0; i < 2; i++) {
        struct store_result r = reap(b);
        assert_int_equal(r.error, 0); /* the put came before the flush was visible */
        assert_int_equal(r.held.stamp, 7);
    }
    expect_flushed(b, KEY_OF("k"), 7);
    assert_int_equal(live(b), 0);
}

static void the_greater_flush_wins(void **state)
{
    struct both *b = *state;
    put(b, flush_record(9));
    put(b, value_record(KEY_OF("new"), SLICE("v"), 10));
    struct store_result r = put(b, flush_record(5)); /* older: changes nothing */
    assert_int_equal(r.error, ERR_SUPERSEDED);
    assert_int_equal(r.held.stamp, 9);
    expect_flushed(b, KEY_OF("k"), 9);
    put(b, flush_record(11));
    for (int round = 0; round < 2; round++) {
        expect_flushed(b, KEY_OF("k"), 11);
        reopen(b);
    }
}

/* Of what was ever visible; what is on its way is not. */
static void the_greatest_stamp_is_told(void **state)
{
    struct both *b = *state;
    assert_int_equal(greatest(b), 0);
    put(b, value_record(KEY_OF("k"), SLICE("v"), 20));
    put(b, value_record(KEY_OF("other"), SLICE("v"), 6));
    assert_int_equal(greatest(b), 20);
    put(b, flush_record(9));
    assert_int_equal(greatest(b), 20);
    put(b, flush_record(30));
    assert_int_equal(greatest(b), 30);
    struct record pending = value_record(KEY_OF("k"), SLICE("v"), 40);
    store_put(b->log->store, 40, &pending);
    store_greatest(b->log->store, 10);
    struct store_result r = reap(b);
    assert_int_equal(r.kind, STORE_GREATEST_DONE);
    assert_int_equal(r.greatest, 30);
    store_commit(b->log->store);
    assert_int_equal(reap(b).error, 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(greatest(b), 40);
        reopen(b);
    }
}

static void a_malformed_flush_is_refused(void **state)
{
    struct both *b = *state;
    struct record r = flush_record(7);
    r.version.deleted = 0;
    assert_int_equal(put(b, r).error, ERR_REFUSED);
    r = flush_record(7);
    r.key = KEY_OF("k");
    assert_int_equal(put(b, r).error, ERR_REFUSED);
    static const char *const wrong[] = {"\1\0\0\0\xff\x3f", "\0\x10\0\0\xff\x3f", "\0\0\2\0\1\0",
                                        "\0\0\0\0\0\x40"};
    r = flush_record(7);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r.value = slice_of(wrong[i], FLUSH_AREA);
        assert_int_equal(put(b, r).error, ERR_REFUSED);
    }
    r.value.n--;
    assert_int_equal(put(b, r).error, ERR_REFUSED);
}

/* ---- Areas ---- */

static struct record flush_of(uint8_t bytes[FLUSH_AREA], struct flush_area area, uint64_t stamp)
{
    flush_area_write(bytes, &area);
    struct record r = flush_record(stamp);
    r.value = slice_of(bytes, FLUSH_AREA);
    return r;
}

/* The runs that are told to who asks for a vnode. */
static unsigned runs_told(struct both *b, uint16_t vnode, struct flush_run *run)
{
    uint8_t asked[2] = {(uint8_t)vnode, (uint8_t)(vnode >> 8)};
    unsigned n = 0;
    store_tree(b->log->store, 9, slice_of(asked, sizeof asked), false);
    for (struct slice rest = reap(b).flushed; flush_run_next(&rest, run) == 1;)
        n++;
    return n;
}

/* One space of two vnodes, whatever the cut that the store knows: after the opening it is not that
 * of the area. */
static void a_flush_leaves_what_is_not_in_its_area(void **state)
{
    struct both *b = *state;
    uint8_t bytes[FLUSH_AREA];
    uint16_t slot = slot_of_name(SLICE("k")), first = (uint16_t)(slot / 4 * 4);
    struct slice beside = SLICE("\1l"); /* far from it on the ring */
    assert_true(slot_of_key(beside) < first || slot_of_key(beside) > first + 3);
    assert_int_equal(put(b, value_record(SLICE("\0k"), SLICE("v"), 5)).error, 0);
    assert_int_equal(put(b, value_record(SLICE("\1k"), SLICE("v"), 5)).error, 0);
    assert_int_equal(put(b, value_record(SLICE("\x80k"), SLICE("v"), 5)).error, 0);
    assert_int_equal(put(b, value_record(beside, SLICE("v"), 5)).error, 0);
    struct flush_area area = {1, 1, first, (uint16_t)(first + 3)};
    assert_int_equal(put(b, flush_of(bytes, area, 7)).error, 0);
    for (int round = 0; round < 2; round++) {
        expect_flushed(b, SLICE("\1k"), 7);
        fixture_expect(b->log, SLICE("\0k"), SLICE("v"));
        fixture_expect(b->log, SLICE("\x80k"), SLICE("v"));
        fixture_expect(b->log, beside, SLICE("v"));
        assert_int_equal(live(b), 3);
        reopen(b);
    }
    store_set_secret(b->log->store, &(struct layout_secret){{7}});
    struct flush_run run;
    assert_int_equal(runs_told(b, (uint16_t)(slot / (SLOTS / VNODES_DEFAULT)), &run), 1);
    assert_memory_equal(&run.area, &area, sizeof area);
    assert_int_equal(run.stamp, 7);
    assert_int_equal(runs_told(b, (uint16_t)(slot_of_key(beside) / (SLOTS / VNODES_DEFAULT)), &run),
                     0);
}

/* A flush of everything takes in those of areas, and leaves one run; the system's spaces it leaves
 * too. */
static void a_flush_of_everything_is_one_of_all_clients_spaces(void **state)
{
    struct both *b = *state;
    uint8_t bytes[FLUSH_AREA];
    struct flush_run run;
    store_set_secret(b->log->store, &(struct layout_secret){{7}});
    for (uint8_t space = 0; space < SPACES_CLIENTS; space++)
        assert_int_equal(
            put(b, value_record(slice_of((const uint8_t[]){space, 'k'}, 2), SLICE("v"), 5)).error,
            0);
    assert_int_equal(put(b, value_record(SLICE("\x80k"), SLICE("v"), 5)).error, 0);
    assert_int_equal(put(b, flush_of(bytes, (struct flush_area){3, 5, 32, 47}, 20)).error, 0);
    struct store_result r = put(b, flush_record(10));
    assert_int_equal(r.error, 0); /* it was not everywhere at a greater stamp */
    assert_int_equal(live(b), 1);
    for (uint8_t space = 0; space < SPACES_CLIENTS; space++)
        expect_flushed(b, slice_of((const uint8_t[]){space, 'k'}, 2), 10);
    fixture_expect(b->log, SLICE("\x80k"), SLICE("v"));
    assert_int_equal(runs_told(b, 2, &run), 3); /* spaces 0 to 2, 3 to 5 and 6 to 15 */
    assert_int_equal(put(b, flush_record(30)).error, 0);
    for (int round = 0; round < 2; round++) {
        store_set_secret(b->log->store, &(struct layout_secret){{7}});
        assert_int_equal(runs_told(b, 2, &run), 1);
        assert_memory_equal(&run.area, &FLUSH_EVERYTHING, sizeof run.area);
        assert_int_equal(run.stamp, 30);
        r = put(b, flush_of(bytes, (struct flush_area){3, 5, 32, 47}, 25));
        assert_int_equal(r.error, ERR_SUPERSEDED);
        assert_int_equal(r.held.stamp, 30);
        reopen(b);
    }
}

/* Of two flushes that are on their way together neither is lost, whichever of the two states is the
 * last. */
static void two_flushes_go_together(void **state)
{
    struct both *b = *state;
    uint8_t bytes[2][FLUSH_AREA];
    struct record one = flush_of(bytes[0], (struct flush_area){0, 0, 0, SLOTS - 1}, 7),
                  two = flush_of(bytes[1], (struct flush_area){1, 1, 0, SLOTS - 1}, 8);
    store_put(b->log->store, 1, &one);
    store_put(b->log->store, 2, &two);
    store_commit(b->log->store);
    assert_int_equal(reap(b).error | reap(b).error, 0);
    for (int round = 0; round < 2; round++, reopen(b)) {
        expect_flushed(b, SLICE("\0k"), 7);
        expect_flushed(b, SLICE("\1k"), 8);
        assert_int_equal(fixture_get(b->log, SLICE("\2k"), GET_VALUE).record.kind, RECORD_NONE);
    }
}

/* ---- The walk through the index, slice by slice ---- */

enum { HELD = 400, FLUSHED = 250 };

/* One put, written and published; false when no answer comes out. */
static bool put_through(struct table *t, const struct record *r, struct store_result *out)
{
    struct group g;
    group_init(&g);
    table_put(t, &g, r->version.stamp, r, (struct put_origin){0});
    if (table_settle(t, &g))
        table_publish(t, &g, 0, 0);
    group_close(&g);
    return table_answer(t, out);
}

static void ask_for(struct table *t, unsigned number, struct store_result *out)
{
    char key[32];
    struct index_item item;
    table_get(t, 1, numbered(key, "key", number), GET_DIGEST);
    assert_int_equal(table_question(t, out, &item), 1);
}

/* The answer to a count that was asked for. */
static uint32_t answered(struct table *t)
{
    struct index_item item;
    struct store_result out;
    uint32_t sum = 0;
    assert_int_equal(table_question(t, &out, &item), 1);
    for (uint32_t v = 0; v < out.vnode_n; v++)
        sum += out.live[v];
    return sum;
}

static uint32_t counted(struct table *t)
{
    table_count(t, 2, 0);
    return answered(t);
}

static void walk_to_the_end(struct table *t)
{
    unsigned slices = 1;
    while (burial_step(t, 1))
        slices++;
    assert_true(slices > 10);
    index_check(&t->index);
    assert_int_equal(answered(t), HELD - FLUSHED + 2);
}

/* A table that holds key 1 to HELD, stamped with their numbers. */
static void fill(struct table *t)
{
    struct store_result out;
    char key[32];
    assert_int_equal(table_init(t, 1), 0);
    assert_int_equal(table_cut(t, 4), 0);
    for (unsigned i = 1; i <= HELD; i++) {
        struct record r = value_record(numbered(key, "key", i), SLICE("v"), i);
        assert_true(put_through(t, &r, &out) && out.error == 0);
    }
}

static void nobody_sees_a_flush_on_its_way(void **state)
{
    struct table t;
    struct store_result out;
    struct index_item item;
    char key[32];
    (void)state;
    fill(&t);
    struct record flush = flush_record(FLUSHED);
    assert_true(put_through(&t, &flush, &out)); /* it is answered before the walk */
    assert_int_equal(out.error, 0);
    table_count(&t, 2, 0);
    /* a count at the end: it is not above all */
    assert_int_equal(table_question(&t, &out, &item), 0);
    for (unsigned slice = 0; slice < 2; slice++) {
        for (unsigned i = 1; i <= HELD; i++) {
            ask_for(&t, i, &out);
            assert_int_equal(out.record.kind, i <= FLUSHED ? RECORD_TOMBSTONE : RECORD_VALUE);
            assert_int_equal(out.record.version.stamp, i <= FLUSHED ? FLUSHED : i);
        }
        /* older than the flush but newer than an entry; newer than both; of a new key */
        struct record r = value_record(numbered(key, "key", 20 + slice), SLICE("v"), 200 + slice);
        assert_true(put_through(&t, &r, &out));
        assert_int_equal(out.error, ERR_SUPERSEDED);
        assert_int_equal(out.held.stamp, FLUSHED);
        r = value_record(numbered(key, "fresh", slice), SLICE("v"), HELD + 1 + slice);
        assert_true(put_through(&t, &r, &out) && out.error == 0);
        assert_true(burial_step(&t, 20));
    }
    walk_to_the_end(&t);
    table_close(&t);
}

/* Right after a flush of all there is nothing, and then what is put: over old keys and new ones,
 * whether the walk has come to them or not. Only after a cut, when it is not known who is covered,
 * a count waits for the end. */
static void counts_do_not_wait_for_a_walk(void **state)
{
    struct table t;
    struct store_result out;
    struct index_item item;
    char key[32];
    (void)state;
    fill(&t);
    struct record flush = flush_record(HELD);
    assert_true(put_through(&t, &flush, &out) && out.error == 0);
    assert_int_equal(counted(&t), 0);
    unsigned n = 0;
    for (bool more = true; more && n < 60; more = burial_step(&t, 7)) {
        struct record r = value_record(numbered(key, "key", 2 * n + 2), SLICE("v"), HELD + 1 + n);
        assert_true(put_through(&t, &r, &out) && out.error == 0);
        assert_int_equal(counted(&t), ++n);
    }
    assert_true(n > 10);
    flush = flush_record(HELD + 100);
    assert_true(put_through(&t, &flush, &out) && out.error == 0);
    assert_int_equal(counted(&t), 0);
    assert_int_equal(table_cut(&t, 8), 0);
    table_count(&t, 3, 0);
    assert_int_equal(table_question(&t, &out, &item), 0);
    while (burial_step(&t, 7))
        assert_int_equal(table_question(&t, &out, &item), 0);
    assert_int_equal(answered(&t), 0);
    table_close(&t);
}

#define BOTH(test)                                     \
    {"mem: " #test, test, setup_mem, teardown, NULL},  \
    {                                                  \
        "log: " #test, test, setup_log, teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_flush_covers_what_is_older),
        BOTH(what_comes_later_is_covered_too),
        BOTH(an_ordered_record_is_spared),
        BOTH(a_flush_overtakes_pending_puts),
        BOTH(the_greater_flush_wins),
        BOTH(a_malformed_flush_is_refused),
        BOTH(the_greatest_stamp_is_told),
        BOTH(a_flush_leaves_what_is_not_in_its_area),
        BOTH(a_flush_of_everything_is_one_of_all_clients_spaces),
        BOTH(two_flushes_go_together),
        cmocka_unit_test(nobody_sees_a_flush_on_its_way),
        cmocka_unit_test(counts_do_not_wait_for_a_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
