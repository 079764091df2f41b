/* Simulated devices that lie, rot and fail: what the memory store and the hints beside it make of
 * it. */
#include "store_fixture.h"

#include "store/mem/hints_mem.h"
#include "store/mem/mem.h"

enum { TARGET = 0xc1 };

static struct store *open_disk(struct mem_disk *disk)
{
    struct store *s = mem_open(&(struct mem_options){.disk = disk});
    assert_non_null(s);
    return s;
}

/* Puts a value, syncs, and takes the result. */
static void put(struct store *s, struct slice key, uint64_t stamp)
{
    struct store_result out;
    struct record r = value_record(key, SLICE("value"), stamp);
    store_put(s, stamp, &r);
    store_commit(s);
    mem_sync(s);
    assert_true(store_reap(s, &out));
    assert_int_equal(out.kind, STORE_PUT_DONE);
    assert_int_equal(out.error, 0);
}

static int peek(const struct store *s, struct slice key, uint8_t *kind)
{
    struct buf scratch;
    struct record r;
    buf_init(&scratch, RECORD_VALUE_MAX);
    int error = mem_peek(s, key, &scratch, &r);
    *kind = r.kind;
    buf_close(&scratch);
    return error;
}

static bool holds(const struct store *s, struct slice key)
{
    uint8_t kind;
    return peek(s, key, &kind) == 0 && kind == RECORD_VALUE;
}

static bool damaged(const struct store *s)
{
    for (uint32_t v = 0; v < VNODES_DEFAULT; v++)
        if (store_damaged(s, v))
            return true;
    return false;
}

static void a_lost_write_shows_when_power_was_off(void **state)
{
    (void)state;
    struct mem_disk disk = {0};
    struct store *s = open_disk(&disk);
    put(s, KEY_OF("a"), 1);
    disk.faults.loses = true;
    put(s, KEY_OF("b"), 2);
    disk.faults.loses = false;
    put(s, KEY_OF("c"), 3);
    assert_true(holds(s, KEY_OF("b")));
    mem_crash(s);
    s = open_disk(&disk);
    assert_true(holds(s, KEY_OF("a")) && holds(s, KEY_OF("c")));
    assert_false(holds(s, KEY_OF("b")));
    for (uint32_t v = 0; v < VNODES_DEFAULT; v++)
        assert_true(store_damaged(s, v)); /* whose it was is not known */
    store_close(s);
    mem_disk_close(&disk);
}

static void a_lost_write_at_the_end_is_not_seen(void **state)
{
    (void)state;
    struct mem_disk disk = {0};
    struct store *s = open_disk(&disk);
    put(s, KEY_OF("a"), 1);
    disk.faults.loses = true;
    put(s, KEY_OF("b"), 2);
    disk.faults.loses = false;
    mem_crash(s);
    s = open_disk(&disk);
    assert_true(holds(s, KEY_OF("a")));
    assert_false(holds(s, KEY_OF("b")));
    assert_false(damaged(s));
    store_close(s);
    mem_disk_close(&disk);
}

static void a_misdirected_write_takes_others_along(void **state)
{
    (void)state;
    char key[32];
    unsigned left = 0;
    struct mem_disk disk = {0};
    struct store *s = open_disk(&disk);
    for (unsigned i = 0; i < 40; i++)
        put(s, numbered(key, "key", i), 1);
    disk.faults.loses = true;
    disk.faults.misdirects = 7;
    put(s, KEY_OF("lost"), 2);
    disk.faults = (struct mem_faults){0};
    put(s, KEY_OF("last"), 3);
    mem_crash(s);
    s = open_disk(&disk);
    for (unsigned i = 0; i < 40; i++)
        left += holds(s, numbered(key, "key", i));
    assert_true(left < 40 && left > 30);
    assert_true(holds(s, KEY_OF("last")) && damaged(s));
    store_close(s);
    mem_disk_close(&disk);
}

static void to_look_finds_nothing_out(void **state)
{
    (void)state;
    struct mem_disk disk = {0}, copy;
    struct damage_finding finding;
    uint8_t kind;
    struct store *s = open_disk(&disk);
    put(s, KEY_OF("a"), 1);
    mem_disk_copy(&copy, &disk);
    assert_true(mem_damage(&disk, 3, &finding));
    assert_int_equal(peek(s, KEY_OF("a"), &kind), ERR_CORRUPT);
    assert_int_equal(peek(s, KEY_OF("nothing"), &kind), 0);
    assert_int_equal(kind, RECORD_NONE);
    store_commit(s);
    assert_false(mem_syncing(s) || damaged(s));
    struct store *other = open_disk(&copy);
    assert_true(holds(other, KEY_OF("a")));
    store_close(s);
    store_close(other);
    mem_disk_close(&disk);
    mem_disk_close(&copy);
}

/* ---- Hints ---- */

struct bed {
    struct mem_faults faults;
    struct hints_disk disk;
    struct hints *hints;
};

static void lie_down(struct bed *b)
{
    *b = (struct bed){0};
    b->disk.faults = &b->faults;
    b->hints = hints_mem_open(&b->disk);
    assert_non_null(b->hints);
}

static void get_up(struct bed *b)
{
    hints_close(b->hints);
    hints_disk_close(&b->disk);
}

static void crash(struct bed *b)
{
    hints_close(b->hints);
    b->hints = hints_mem_open(&b->disk);
    assert_non_null(b->hints);
}

/* Keeps a hint, as far as the device lets it: what is said about it. */
static struct hints_result keep(struct bed *b, uint64_t stamp)
{
    struct hints_result out;
    struct record r = value_record(KEY_OF("k"), SLICE("value"), stamp);
    hints_put(b->hints, TARGET, &r);
    hints_commit(b->hints);
    hints_mem_sync(b->hints);
    assert_true(hints_reap(b->hints, &out));
    return out;
}

static void expect_lost(const struct hints_result *r, int error, uint32_t n, uint64_t waiting)
{
    assert_int_equal(r->kind, HINTS_LOST);
    assert_int_equal(r->error, error);
    assert_int_equal(r->n, n);
    assert_int_equal(r->waiting, waiting);
}

static void hints_that_are_not_kept_are_told(void **state)
{
    (void)state;
    struct bed b;
    lie_down(&b);
    assert_int_equal(keep(&b, 1).waiting, 1);
    b.faults.full = true;
    struct hints_result r = keep(&b, 2);
    expect_lost(&r, ERR_NO_SPACE, 1, 1);
    b.faults = (struct mem_faults){.sync_fails = true};
    r = keep(&b, 3);
    expect_lost(&r, ERR_IO, 1, 1);
    crash(&b);
    assert_int_equal(hints_disk_waiting(&b.disk, TARGET), 1);
    b.faults = (struct mem_faults){.sync_fails = true, .failed_stays = true};
    assert_true(hints_reap(b.hints, &r));
    r = keep(&b, 4);
    expect_lost(&r, ERR_IO, 1, 1);
    crash(&b);
    assert_int_equal(hints_disk_waiting(&b.disk, TARGET), 2); /* it was on the disk for all that */
    get_up(&b);
}

static void hints_that_the_disk_loses_are_gone(void **state)
{
    (void)state;
    struct bed b;
    lie_down(&b);
    keep(&b, 1);
    b.faults.loses = true;
    assert_int_equal(keep(&b, 2).waiting, 2);
    b.faults.loses = false;
    assert_int_equal(keep(&b, 3).waiting, 3);
    crash(&b);
    assert_int_equal(hints_disk_waiting(&b.disk, TARGET), 1); /* all behind the hole is given up */
    get_up(&b);
}

static void a_torn_tail_of_hints_is_cut(void **state)
{
    (void)state;
    struct bed b;
    for (uint64_t seed = 0; seed < 20; seed++) {
        lie_down(&b);
        keep(&b, 1);
        for (uint64_t stamp = 2; stamp < 20; stamp++) {
            struct record r = value_record(KEY_OF("k"), SLICE("value"), stamp);
            hints_put(b.hints, TARGET, &r);
        }
        hints_commit(b.hints);
        hints_mem_tear(b.hints, seed);
        crash(&b);
        uint64_t waiting = hints_disk_waiting(&b.disk, TARGET);
        assert_true(waiting >= 1 && waiting <= 19);
        get_up(&b);
    }
}

static void rot_costs_what_is_kept_for_the_target(void **state)
{
    (void)state;
    struct bed b;
    struct hints_result r;
    lie_down(&b);
    hints_disk_rot(&b.disk, 1); /* nothing is there yet */
    keep(&b, 1);
    hints_disk_rot(&b.disk, 1);
    keep(&b, 2);
    hints_read(b.hints, TARGET);
    assert_true(hints_reap(b.hints, &r));
    expect_lost(&r, ERR_CORRUPT, 2, 0);
    assert_int_equal(keep(&b, 3).waiting, 1);
    get_up(&b);
}

static void old_hints_go(void **state)
{
    (void)state;
    struct bed b;
    struct hints_result r;
    lie_down(&b);
    keep(&b, UINT64_C(1000) << 16);
    keep(&b, UINT64_C(2000) << 16);
    hints_read(b.hints, TARGET);
    assert_true(hints_reap(b.hints, &r));
    assert_int_equal(r.n, 2);
    uint64_t first = r.batch[0].location, second = r.batch[1].location;
    hints_expire(b.hints, 1500);
    assert_true(hints_reap(b.hints, &r));
    expect_lost(&r, 0, 1, 1);
    /* of which the holder learnt too late */
    hints_drop(b.hints, TARGET, first, 1);
    assert_int_equal(hints_disk_waiting(&b.disk, TARGET), 2); /* the head is not synced yet */
    hints_drop(b.hints, TARGET, second, 2);
    assert_true(hints_reap(b.hints, &r));
    assert_int_equal(r.kind, HINTS_KEPT);
    assert_int_equal(r.waiting, 0);
    get_up(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_write_shows_when_power_was_off),
        cmocka_unit_test(a_lost_write_at_the_end_is_not_seen),
        cmocka_unit_test(a_misdirected_write_takes_others_along),
        cmocka_unit_test(to_look_finds_nothing_out),
        cmocka_unit_test(hints_that_are_not_kept_are_told),
        cmocka_unit_test(hints_that_the_disk_loses_are_gone),
        cmocka_unit_test(a_torn_tail_of_hints_is_cut),
        cmocka_unit_test(rot_costs_what_is_kept_for_the_target),
        cmocka_unit_test(old_hints_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
