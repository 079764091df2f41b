/* Damage in the middle of the log: refused, or set aside with the slots in doubt marked, until they are healed. */
#include "store_fixture.h"

#include <fcntl.h>

#include "store/damage.h"
#include "store/segment.h"

enum { KEYS = 30, SEGMENT = 4000, ENTRY = RECORD_HEADER + 6 + 5 };

#define SEGMENT_1 "seg-00000001.log"

static void flip(const char *path, off_t at, size_t n)
{
    uint8_t bytes[512];
    assert_true(n <= sizeof bytes);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, bytes, n, at), n);
    for (size_t i = 0; i < n; i++)
        bytes[i] ^= 0x15;
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static struct slice key_of(char out[32], unsigned i)
{
    return numbered(out, "key", 10 + i);
}

/* A log with one record a group, so that each stands behind a mark; key i is at record_at(i). */
static void make(struct fixture *f)
{
    char key[32];
    f->options.segment_bytes = SEGMENT;
    f->options.set_aside = true;
    fixture_open(f);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(fixture_put(f, value_record(key_of(key, i), SLICE("value"), i + 1)).error, 0);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
}

static off_t record_at(unsigned i)
{
    return SEGMENT_HEADER + (off_t)i * (ENTRY + MARK_BYTES);
}

static unsigned damaged_vnodes(struct fixture *f)
{
    unsigned n = 0;
    for (uint32_t v = 0; v < VNODES_DEFAULT; v++)
        n += store_damaged(f->store, v);
    return n;
}

static uint32_t vnode_of(unsigned i)
{
    char key[32];
    return (uint32_t)slot_of_key(key_of(key, i)) * VNODES_DEFAULT / SLOTS;
}

static void until_reported(struct fixture *f, const char *text)
{
    struct store_result out;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    while (!strstr(f->report, text)) {
        assert_false(fixture_poll(f, &out));
        if (sem_timedwait(&f->woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("\"%s\" was not reported within %d s", text, WAIT_S);
    }
}

/* Every slot of key i's vnode is fetched again. */
static void heal(struct fixture *f, unsigned i)
{
    uint8_t slots[SLOTS / 8] = {0};
    for (uint32_t slot = vnode_of(i) * (SLOTS / VNODES_DEFAULT); slot < (vnode_of(i) + 1) * (SLOTS / VNODES_DEFAULT); slot++)
        slots[slot / 8] |= (uint8_t)(1 << slot % 8);
    store_healed(f->store, slice_of(slots, sizeof slots));
    store_flush(f->store);
}

static void expect_all_but(struct fixture *f, unsigned from, unsigned to)
{
    char key[32];
    for (unsigned i = 0; i < KEYS; i++)
        if (i < from || i >= to)
            fixture_expect(f, key_of(key, i), SLICE("value"));
        else
            assert_int_equal(fixture_get(f, key_of(key, i), GET_VALUE).record.kind, RECORD_NONE);
}

/* Reads fail until the doubt is durable and the entry forgotten; then the record is absent. Whoever reads on and on still has to
 * reap until there is nothing, for that is when the log looks after itself. */
static void until_absent(struct fixture *f, unsigned i)
{
    char key[32];
    struct store_result none;
    for (;;) {
        assert_false(fixture_poll(f, &none));
        struct store_result got = fixture_get(f, key_of(key, i), GET_VALUE);
        if (got.record.kind == RECORD_NONE)
            return;
        assert_int_equal(got.error, ERR_CORRUPT);
    }
}

/* A value that rots puts one vnode in doubt, over restarts, until it is healed; the file is kept aside when it has been
 * compacted. */
static void a_rotten_record_puts_its_vnode_in_doubt(void **state)
{
    struct fixture *f = *state;
    make(f);
    flip(fixture_path(f, SEGMENT_1), record_at(3) + RECORD_HEADER + 6, 2);
    fixture_open(f);
    assert_non_null(strstr(f->report, "damaged record"));
    fixture_until_compacted(f, 1);
    assert_int_equal(access(fixture_path(f, "damaged-00000001.log"), F_OK), 0);
    assert_int_equal(access(fixture_path(f, SEGMENT_1), F_OK), -1);
    for (int again = 0; again < 2; again++) {
        expect_all_but(f, 3, 4);
        assert_int_equal(f->doubted, 1);
        assert_int_equal(damaged_vnodes(f), 1);
        assert_true(store_damaged(f->store, vnode_of(3)));
        fixture_close(f);
        f->report[0] = 0;
        f->doubted = 0;
        fixture_open(f);
        assert_string_equal(f->report, "");
    }
    char key[32];
    assert_int_equal(fixture_put(f, value_record(key_of(key, 3), SLICE("value"), 4)).error, 0);
    heal(f, 3);
    for (unsigned stamp = 5; stamp < 7; stamp++) /* what was said before may be on its way: the healing goes with a later flush */
        assert_int_equal(fixture_put(f, value_record(key_of(key, 3), SLICE("value"), stamp)).error, 0);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
    expect_all_but(f, 0, 0);
}

/* Damage that comes while the log is open is met by the next read, which fails; then the record is absent and its slot in doubt,
 * over restarts. */
static void a_read_that_meets_damage_puts_its_slot_in_doubt(void **state)
{
    struct fixture *f = *state;
    char key[32];
    make(f);
    fixture_open(f);
    flip(fixture_path(f, SEGMENT_1), record_at(3) + RECORD_HEADER + 6, 2);
    assert_int_equal(fixture_get(f, key_of(key, 3), GET_VALUE).error, ERR_CORRUPT);
    assert_non_null(strstr(f->report, "seg-00000001.log"));
    assert_int_equal(fixture_put(f, value_record(SLICE("another"), SLICE("value"), 100)).error, 0);
    until_absent(f, 3);
    expect_all_but(f, 3, 4);
    assert_int_equal(f->doubted, 1);
    fixture_close(f);
    fixture_open(f);
    expect_all_but(f, 3, 4);
    assert_int_equal(damaged_vnodes(f), 1);
    fixture_until_compacted(f, 1); /* else the next opening would find it again */
    heal(f, 3);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
}

/* A read that meets damage sets compaction on the segment, which finds what else is damaged there and carries the rest out. */
static void compaction_puts_what_it_cannot_read_in_doubt(void **state)
{
    struct fixture *f = *state;
    char key[32];
    for (int rotten = 0; rotten < 2; rotten++) {
        make(f);
        fixture_open(f);
        flip(fixture_path(f, SEGMENT_1), record_at(1) + (rotten ? RECORD_HEADER + 6 : 8), 2); /* its value, or its length */
        flip(fixture_path(f, SEGMENT_1), record_at(3) + RECORD_HEADER + 6, 2);
        assert_int_equal(fixture_get(f, key_of(key, 3), GET_VALUE).error, ERR_CORRUPT);
        fixture_until_compacted(f, 1);
        assert_int_equal(access(fixture_path(f, "damaged-00000001.log"), F_OK), 0);
        for (int again = 0; again < 2; again++) {
            for (unsigned i = 0; i < KEYS; i++)
                if (i != 1 && i != 3)
                    fixture_expect(f, key_of(key, i), SLICE("value"));
            assert_int_equal(fixture_get(f, key_of(key, 1), GET_VALUE).record.kind, RECORD_NONE);
            assert_int_equal(fixture_get(f, key_of(key, 3), GET_VALUE).record.kind, RECORD_NONE);
            assert_int_equal(damaged_vnodes(f), rotten ? 2 : VNODES_DEFAULT);
            fixture_close(f);
            f->report[0] = 0;
            fixture_open(f);
            assert_string_equal(f->report, "");
        }
        fixture_close(f);
        nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* The newest record of a state is not left behind: the segment stays. */
static void a_segment_with_a_rotten_state_is_left_alone(void **state)
{
    struct fixture *f = *state;
    char key[32];
    f->options.segment_bytes = SEGMENT;
    f->options.set_aside = true;
    fixture_open(f);
    fixture_put(f, state_record(SLICE("promise"), SLICE("one"), 1));
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(fixture_put(f, value_record(key_of(key, i), SLICE("value"), i + 1)).error, 0);
    flip(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + RECORD_HEADER + 8, 1);
    off_t first = SEGMENT_HEADER + RECORD_HEADER + 10 + MARK_BYTES;
    flip(fixture_path(f, SEGMENT_1), first + RECORD_HEADER + 6, 1);
    assert_int_equal(fixture_get(f, key_of(key, 0), GET_VALUE).error, ERR_CORRUPT);
    until_reported(f, "until that is written anew");
    assert_int_equal(access(fixture_path(f, SEGMENT_1), F_OK), 0);
    assert_int_equal(fixture_put(f, state_record(SLICE("promise"), SLICE("two"), 2)).error, 0);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    fixture_open(f);
    fixture_until_compacted(f, 1);
    assert_int_equal(access(fixture_path(f, "damaged-00000001.log"), F_OK), 0);
    assert_int_equal(damaged_vnodes(f), 1);
}

/* What the owner says itself is remembered as well; damage that it does not know of yet is not healed by it. */
static void a_doubt_of_the_owner_lasts_until_it_is_healed(void **state)
{
    struct fixture *f = *state;
    uint8_t all[SLOTS / 8];
    memset(all, 0xff, sizeof all);
    fixture_open(f);
    store_doubt(f->store, slice_of(all, sizeof all));
    assert_int_equal(fixture_put(f, value_record(SLICE("k"), SLICE("v"), 1)).error, 0);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    store_healed(f->store, slice_of(all, sizeof all)); /* it was not told yet */
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    fixture_expect(f, SLICE("k"), SLICE("v"));
    assert_int_equal(f->doubted, SLOTS);
    store_healed(f->store, slice_of(all, sizeof all));
    assert_int_equal(damaged_vnodes(f), 0);
}

/* When the bytes do not even say what they were, every vnode is in doubt; all that can be read is there. */
static void a_bad_sector_puts_all_in_doubt(void **state)
{
    struct fixture *f = *state;
    make(f);
    flip(fixture_path(f, SEGMENT_1), record_at(3), (size_t)(record_at(6) - record_at(3)));
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    expect_all_but(f, 3, 6);
    fixture_until_compacted(f, 1);
    expect_all_but(f, 3, 6);
}

/* Damage in the segment that was written to last: the next put goes to another, and it is carried out too. */
static void damage_in_the_last_segment_is_carried_out(void **state)
{
    struct fixture *f = *state;
    make(f);
    f->options.segment_bytes = 0;
    fixture_open(f);
    for (unsigned i = 0; i < 3; i++) {
        char key[32];
        assert_int_equal(fixture_put(f, value_record(numbered(key, "late", i), SLICE("rots"), 1000 + i)).error, 0);
    }
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    assert_int_equal(fixture_shell(f, "f=$(ls seg-*.log | tail -n 1) && at=$(grep -abo late-1 $f | head -n 1 | cut -d: -f1) && "
                                      "printf X | dd of=$f bs=1 seek=$((at + 7)) conv=notrunc 2>/dev/null"),
                     0);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 1);
    fixture_until_compacted(f, 1);
    assert_int_equal(fixture_shell(f, "test -f damaged-*.log"), 0);
}

static void a_missing_end_puts_all_in_doubt(void **state)
{
    struct fixture *f = *state;
    make(f);
    assert_int_equal(truncate(fixture_path(f, SEGMENT_1), record_at(4)), 0);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    assert_non_null(strstr(f->report, "end is missing"));
}

/* The node's own state may not go back: a damaged state record is harmless only when a later one is there. */
static void a_lost_state_is_refused(void **state)
{
    struct fixture *f = *state;
    f->options.set_aside = true;
    fixture_open(f);
    fixture_put(f, state_record(SLICE("promise"), SLICE("one"), 1));
    fixture_put(f, state_record(SLICE("promise"), SLICE("two"), 2));
    fixture_put(f, value_record(SLICE("k"), SLICE("v"), 3));
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    flip(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + RECORD_HEADER + 8, 1);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
    fixture_close(f);
    off_t second = SEGMENT_HEADER + RECORD_HEADER + 10 + MARK_BYTES;
    flip(fixture_path(f, SEGMENT_1), second + RECORD_HEADER + 8, 1);
    assert_int_equal(log_open(&f->options, &f->store, f->why, sizeof f->why), ERR_CORRUPT);
    f->store = NULL;
    assert_non_null(strstr(f->why, "\"promise\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_rotten_record_puts_its_vnode_in_doubt),
        TEST(a_read_that_meets_damage_puts_its_slot_in_doubt),
        TEST(compaction_puts_what_it_cannot_read_in_doubt),
        TEST(a_segment_with_a_rotten_state_is_left_alone),
        TEST(a_doubt_of_the_owner_lasts_until_it_is_healed),
        TEST(a_bad_sector_puts_all_in_doubt),
        TEST(damage_in_the_last_segment_is_carried_out),
        TEST(a_missing_end_puts_all_in_doubt),
        TEST(a_lost_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
