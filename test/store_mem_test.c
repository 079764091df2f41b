/* The memory store as a device: what a crash loses, what a lying device loses, and what a sick one
 * does. */
#include "store_fixture.h"

#include "base/rng.h"
#include "store/mem/mem.h"

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
    struct mem_disk disk = {0};
    struct store_result out;
    struct store *s = open_disk(&disk, false);
    assert_false(mem_syncing(s));
    put(s, value_record(KEY_OF("a"), SLICE("synced"), 1));
    store_commit(s);
    assert_true(mem_syncing(s));
    mem_sync(s);
    assert_false(mem_syncing(s));
    assert_true(store_reap(s, &out));
    put(s, value_record(KEY_OF("b"), SLICE("flushed"), 2));
    store_commit(s);
    put(s, value_record(KEY_OF("c"), SLICE("submitted"), 3));
    assert_false(store_reap(s, &out));
    mem_crash(s);
    s = open_disk(&disk, false);
    assert_true(holds(s, KEY_OF("a"), SLICE("synced")));
    assert_int_equal(store_records(s), 1);
    store_close(s);
    mem_disk_close(&disk);
}

static void a_sync_covers_all_flushes_before_it(void **state)
{
    (void)state;
    struct mem_disk disk = {0};
    struct store_result out;
    struct store *s = open_disk(&disk, false);
    for (uint64_t i = 1; i <= 3; i++) {
        put(s, value_record(KEY_OF("k"), i == 2 ? SLICE("two") : SLICE("odd"), i));
        put(s, state_record(SLICE("incarnation"), SLICE("x"), i));
        store_commit(s);
    }
    put(s, value_record(KEY_OF("later"), SLICE("v"), 9));
    mem_sync(s);
    for (int i = 0; i < 6; i++) {
        assert_true(store_reap(s, &out));
        assert_int_equal(out.error, 0);
        assert_int_equal(out.token, i / 2 + 1);
    }
    assert_false(store_reap(s, &out));
    assert_true(holds(s, KEY_OF("k"), SLICE("odd")));
    mem_crash(s);
    mem_disk_close(&disk);
}

static void a_lying_device_answers_early_and_forgets(void **state)
{
    (void)state;
    struct mem_disk disk = {0};
    struct store_result out;
    struct store *s = open_disk(&disk, true);
    put(s, value_record(KEY_OF("a"), SLICE("one"), 1));
    store_commit(s);
    assert_true(store_reap(s, &out));
    assert_int_equal(out.error, 0);
    assert_true(holds(s, KEY_OF("a"), SLICE("one")));
    mem_sync(s);
    assert_true(holds(s, KEY_OF("a"), SLICE("one")));
    put(s, value_record(KEY_OF("b"), SLICE("two"), 2));
    store_commit(s);
    assert_true(store_reap(s, &out));
    assert_true(holds(s, KEY_OF("b"), SLICE("two")));
    mem_crash(s);
    s = open_disk(&disk, true);
    assert_true(holds(s, KEY_OF("a"), SLICE("one")));
    assert_false(holds(s, KEY_OF("b"), SLICE("two")));
    store_close(s);
    mem_disk_close(&disk);
}

static int put_and_sync(struct store *s, struct record r)
{
    struct store_result out;
    put(s, r);
    store_commit(s);
    mem_sync(s);
    assert_true(store_reap(s, &out));
    assert_int_equal(out.token, r.version.stamp);
    return out.error;
}

/* Puts records 1 to 8 of about two sectors each, in four flushes, and tears them. Returns how many
 * are held after the crash; they are the first ones. */
static unsigned torn(struct mem_disk *disk, uint64_t seed)
{
    static char value[1000];
    char key[] = "\0k0"; /* the space, the name */
    unsigned held = 0;
    struct rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)rng_below(&r, 256); /* does not compress */
    struct store *s = open_disk(disk, false);
    assert_int_equal(put_and_sync(s, value_record(KEY_OF("before"), SLICE("safe"), 9)), 0);
    for (uint64_t i = 1; i <= 8; i++) {
        key[2] = (char)('0' + i);
        put(s, value_record(slice_of(key, 3), slice_of(value, sizeof value), i));
        if (i % 2 == 0)
            store_commit(s);
    }
    mem_tear(s, seed);
    mem_crash(s);
    s = open_disk(disk, false);
    assert_true(holds(s, KEY_OF("before"), SLICE("safe")));
    for (unsigned i = 1; i <= 8; i++) {
        key[2] = (char)('0' + i);
        bool here = holds(s, slice_of(key, 3), slice_of(value, sizeof value));
        assert_true(!here || held == i - 1);
        held += here;
    }
    assert_int_equal(put_and_sync(s, value_record(KEY_OF("after"), SLICE("on the cut"), 10)), 0);
    mem_crash(s);
    s = open_disk(disk, false);
    assert_true(holds(s, KEY_OF("after"), SLICE("on the cut")));
    assert_int_equal(store_records(s), held + 2);
    mem_crash(s);
    return held;
}

static void a_torn_write_is_cut_where_it_ends(void **state)
{
    (void)state;
    unsigned met[9] = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct mem_disk disk = {0};
        met[torn(&disk, seed)]++;
        mem_disk_close(&disk);
    }
    for (unsigned held = 0; held <= 8; held++)
        assert_true(met[held] > 0 || held == 8); /* all of it: one in 8,000 */
}

static void a_failed_sync_is_told_and_may_come_back(void **state)
{
    (void)state;
    for (int stays = 0; stays < 2; stays++) {
        struct mem_disk disk = {0};
        struct store *s = open_disk(&disk, false);
        assert_int_equal(put_and_sync(s, value_record(KEY_OF("a"), SLICE("one"), 1)), 0);
        disk.faults = (struct mem_faults){.sync_fails = true, .failed_stays = stays};
        assert_int_equal(put_and_sync(s, value_record(KEY_OF("b"), SLICE("two"), 2)), ERR_IO);
        assert_true(holds(s, KEY_OF("a"), SLICE("one")));
        assert_false(holds(s, KEY_OF("b"), SLICE("two")));
        disk.faults = (struct mem_faults){0};
        assert_int_equal(put_and_sync(s, value_record(KEY_OF("c"), SLICE("three"), 3)), 0);
        assert_true(holds(s, KEY_OF("c"), SLICE("three")));
        assert_false(holds(s, KEY_OF("b"), SLICE("two")));
        mem_crash(s);
        s = open_disk(&disk, false);
        assert_int_equal(holds(s, KEY_OF("b"), SLICE("two")), stays);
        assert_true(holds(s, KEY_OF("c"), SLICE("three")));
        mem_crash(s);
        mem_disk_close(&disk);
    }
}

static void a_full_disk_refuses_until_there_is_space(void **state)
{
    (void)state;
    struct mem_disk disk = {0};
    struct store *s = open_disk(&disk, false);
    assert_int_equal(put_and_sync(s, value_record(KEY_OF("a"), SLICE("one"), 1)), 0);
    disk.faults.full = true;
    assert_int_equal(put_and_sync(s, value_record(KEY_OF("b"), SLICE("two"), 2)), ERR_NO_SPACE);
    assert_false(mem_syncing(s));
    assert_true(holds(s, KEY_OF("a"), SLICE("one")));
    disk.faults.full = false;
    assert_int_equal(put_and_sync(s, value_record(KEY_OF("b"), SLICE("two"), 2)), 0);
    assert_true(holds(s, KEY_OF("b"), SLICE("two")));
    mem_crash(s);
    mem_disk_close(&disk);
}

/* The result of the next read of a key, whatever is told before. */
static struct store_result get(struct store *s, struct slice key, struct damage *told)
{
    struct store_result out;
    store_get(s, 1, key, GET_VALUE);
    do {
        assert_true(store_reap(s, &out));
        if (out.kind == STORE_DAMAGED)
            memcpy(told->slot, out.bytes.p, out.bytes.n);
    } while (out.kind == STORE_DAMAGED);
    return out;
}

/* Reaps until there is nothing: what was in doubt is forgotten then, and told. */
static void rest(struct store *s, struct damage *told)
{
    struct store_result out;
    while (store_reap(s, &out)) {
        assert_int_equal(out.kind, STORE_DAMAGED);
        memcpy(told->slot, out.bytes.p, out.bytes.n);
    }
}

/* One rotten record: met by a read or by a replay, it is in doubt from then on, till it is healed,
 * and others are well. */
static void rot_puts_a_slot_in_doubt(void **state)
{
    (void)state;
    unsigned doubted_too = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct mem_disk disk = {0};
        struct damage_finding f;
        struct damage told = {0};
        struct store *s = open_disk(&disk, false);
        bool met_open = seed % 2;
        assert_false(mem_damage(&disk, seed, &f));
        assert_int_equal(put_and_sync(s, value_record(KEY_OF("a"), SLICE("one"), 1)), 0);
        assert_true(mem_damage(&disk, seed, &f));
        assert_int_equal(put_and_sync(s, value_record(KEY_OF("b"), SLICE("two"), 2)), 0);
        if (met_open) {
            assert_int_equal(get(s, KEY_OF("a"), &told).error, ERR_CORRUPT);
            store_commit(s);
            mem_sync(s);
            rest(s, &told);
            assert_int_equal(get(s, KEY_OF("a"), &told).record.kind, RECORD_NONE);
            assert_true(damage_in(&told, slot_of_key(KEY_OF("a")), SLOTS));
        }
        mem_crash(s);
        for (unsigned again = 0; again < 2; again++) {
            s = open_disk(&disk, false);
            memset(&told, 0, sizeof told);
            assert_int_equal(get(s, KEY_OF("a"), &told).record.kind, RECORD_NONE);
            assert_true(damage_in(&told, slot_of_key(KEY_OF("a")), SLOTS));
            doubted_too += damage_in(&told, slot_of_key(KEY_OF("b")), SLOTS);
            assert_true(holds(s, KEY_OF("b"), SLICE("two")));
            if (again)
                store_healed(s, slice_of(told.slot, sizeof told.slot));
            store_commit(s);
            mem_sync(s);
            mem_crash(s);
        }
        s = open_disk(&disk, false);
        memset(&told, 0, sizeof told);
        get(s, KEY_OF("a"), &told);
        assert_false(damage_any(&told));
        mem_crash(s);
        mem_disk_close(&disk);
    }
    /* of 400: when the key, its slot or a length is what rots */
    assert_in_range(doubted_too, 1, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_loses_what_was_not_synced),
        cmocka_unit_test(a_sync_covers_all_flushes_before_it),
        cmocka_unit_test(a_lying_device_answers_early_and_forgets),
        cmocka_unit_test(a_torn_write_is_cut_where_it_ends),
        cmocka_unit_test(a_failed_sync_is_told_and_may_come_back),
        cmocka_unit_test(a_full_disk_refuses_until_there_is_space),
        cmocka_unit_test(rot_puts_a_slot_in_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
