/* The memory store as a device: what a crash loses, and what a lying device loses. */
#include "store_fixture.h"

#include "store/mem.h"

static struct store *open_disk(struct mem_disk *disk, bool lie)
{
    struct store *s = mem_open(&(struct mem_options){.disk = disk, .lie_about_sync = lie});
    assert_non_null(s);
    return s;
}

static void put(struct store *s, struct record r)
{
    store_put(s, r.version.stamp, &r);
}

static bool holds(struct store *s, struct slice key, struct slice value)
{
    struct store_result out;
    store_get(s, 1, key, GET_VALUE);
    assert_true(store_reap(s, &out));
    assert_int_equal(out.error, 0);
    return out.record.kind == RECORD_VALUE && slice_eq(out.record.value, value);
}

static void a_crash_loses_what_was_not_synced(void **state)
{
    (void)state;
    struct mem_disk disk = {{0}};
    struct store_result out;
    struct store *s = open_disk(&disk, false);
    assert_false(mem_syncing(s));
    put(s, value_record(SLICE("a"), SLICE("synced"), 1));
    store_flush(s);
    assert_true(mem_syncing(s));
    mem_sync(s);
    assert_false(mem_syncing(s));
    assert_true(store_reap(s, &out));
    put(s, value_record(SLICE("b"), SLICE("flushed"), 2));
    store_flush(s);
    put(s, value_record(SLICE("c"), SLICE("submitted"), 3));
    assert_false(store_reap(s, &out));
    mem_crash(s);
    s = open_disk(&disk, false);
    assert_true(holds(s, SLICE("a"), SLICE("synced")));
    assert_int_equal(store_records(s), 1);
    store_close(s);
    mem_disk_close(&disk);
}

static void a_sync_covers_all_flushes_before_it(void **state)
{
    (void)state;
    struct mem_disk disk = {{0}};
    struct store_result out;
    struct store *s = open_disk(&disk, false);
    for (uint64_t i = 1; i <= 3; i++) {
        put(s, value_record(SLICE("k"), i == 2 ? SLICE("two") : SLICE("odd"), i));
        put(s, state_record(SLICE("incarnation"), SLICE("x"), i));
        store_flush(s);
    }
    put(s, value_record(SLICE("later"), SLICE("v"), 9));
    mem_sync(s);
    for (int i = 0; i < 6; i++) {
        assert_true(store_reap(s, &out));
        assert_int_equal(out.error, 0);
        assert_int_equal(out.token, i / 2 + 1);
    }
    assert_false(store_reap(s, &out));
    assert_true(holds(s, SLICE("k"), SLICE("odd")));
    mem_crash(s);
    mem_disk_close(&disk);
}

static void a_lying_device_answers_early_and_forgets(void **state)
{
    (void)state;
    struct mem_disk disk = {{0}};
    struct store_result out;
    struct store *s = open_disk(&disk, true);
    put(s, value_record(SLICE("a"), SLICE("one"), 1));
    store_flush(s);
    assert_true(store_reap(s, &out));
    assert_int_equal(out.error, 0);
    assert_true(holds(s, SLICE("a"), SLICE("one")));
    mem_sync(s);
    assert_true(holds(s, SLICE("a"), SLICE("one")));
    put(s, value_record(SLICE("b"), SLICE("two"), 2));
    store_flush(s);
    assert_true(store_reap(s, &out));
    assert_true(holds(s, SLICE("b"), SLICE("two")));
    mem_crash(s);
    s = open_disk(&disk, true);
    assert_true(holds(s, SLICE("a"), SLICE("one")));
    assert_false(holds(s, SLICE("b"), SLICE("two")));
    store_close(s);
    mem_disk_close(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_loses_what_was_not_synced),
        cmocka_unit_test(a_sync_covers_all_flushes_before_it),
        cmocka_unit_test(a_lying_device_answers_early_and_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
