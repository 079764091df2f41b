/* Damage in the middle of the log, and whole files of it: set aside with the slots in doubt marked,
 * until they are healed. */
#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/archive/check.h"
#include "store/log/damage.h"
#include "store/log/segments.h"

enum { KEYS = 30, SEGMENT = 4000, ENTRY = RECORD_HEADER + 7 + 5 };

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
    fixture_open(f);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(fixture_put(f, value_record(key_of(key, i), SLICE("value"), i + 1)).error,
                         0);
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

/* Every slot of key i's vnode is fetched again. */
static void heal(struct fixture *f, unsigned i)
{
    uint8_t slots[SLOTS / 8] = {0};
    for (uint32_t slot = vnode_of(i) * (SLOTS / VNODES_DEFAULT);
         slot < (vnode_of(i) + 1) * (SLOTS / VNODES_DEFAULT); slot++)
        slots[slot / 8] |= (uint8_t)(1 << slot % 8);
    store_healed(f->store, slice_of(slots, sizeof slots));
    store_commit(f->store);
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

/* Reads fail until the doubt is durable and the entry forgotten; then the record is absent. Whoever
 * reads on and on still has to reap until there is nothing, for that is when the log looks after
 * itself. */
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

/* A value that rots puts one vnode in doubt, over restarts, until it is healed; the file is kept
 * aside when it has been compacted. */
static void a_rotten_record_puts_its_vnode_in_doubt(void **state)
{
    struct fixture *f = *state;
    make(f);
    flip(fixture_path(f, SEGMENT_1), record_at(3) + RECORD_HEADER + 7, 2);
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
    /* what was said before may be on its way: the healing goes with a later commit */
    for (unsigned stamp = 5; stamp < 7; stamp++)
        assert_int_equal(fixture_put(f, value_record(key_of(key, 3), SLICE("value"), stamp)).error,
                         0);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
    expect_all_but(f, 0, 0);
}

/* Damage that comes while the log is open is met by the next read, which fails; then the record is
 * absent and its slot in doubt, over restarts. */
static void a_read_that_meets_damage_puts_its_slot_in_doubt(void **state)
{
    struct fixture *f = *state;
    char key[32];
    make(f);
    fixture_open(f);
    flip(fixture_path(f, SEGMENT_1), record_at(3) + RECORD_HEADER + 7, 2);
    assert_int_equal(fixture_get(f, key_of(key, 3), GET_VALUE).error, ERR_CORRUPT);
    assert_non_null(strstr(f->report, "seg-00000001.log"));
    assert_int_equal(fixture_put(f, value_record(KEY_OF("another"), SLICE("value"), 100)).error, 0);
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

/* A read that meets damage sets compaction on the segment, which finds what else is damaged there
 * and carries the rest out. */
static void compaction_puts_what_it_cannot_read_in_doubt(void **state)
{
    struct fixture *f = *state;
    char key[32];
    for (int rotten = 0; rotten < 2; rotten++) {
        make(f);
        fixture_open(f);
        /* its value, or its length */
        flip(fixture_path(f, SEGMENT_1), record_at(1) + (rotten ? RECORD_HEADER + 7 : 8), 2);
        flip(fixture_path(f, SEGMENT_1), record_at(3) + RECORD_HEADER + 7, 2);
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

/* The newest record of a state rots while the log is open: it is written anew from memory before
 * its segment goes. */
static void a_rotten_state_is_written_anew(void **state)
{
    struct fixture *f = *state;
    char key[32];
    struct slice value;
    uint64_t serial;
    f->options.segment_bytes = SEGMENT;
    fixture_open(f);
    fixture_put(f, state_record(SLICE("promise"), SLICE("one"), 1));
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(fixture_put(f, value_record(key_of(key, i), SLICE("value"), i + 1)).error,
                         0);
    flip(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + RECORD_HEADER + 8, 1);
    off_t first = SEGMENT_HEADER + RECORD_HEADER + 10 + MARK_BYTES;
    flip(fixture_path(f, SEGMENT_1), first + RECORD_HEADER + 7, 1);
    assert_int_equal(fixture_get(f, key_of(key, 0), GET_VALUE).error, ERR_CORRUPT);
    fixture_until_compacted(f, 1);
    assert_int_equal(access(fixture_path(f, "damaged-00000001.log"), F_OK), 0);
    fixture_close(f);
    fixture_open(f);
    assert_true(store_state(f->store, SLICE("promise"), &value, &serial));
    assert_true(serial == 1 && slice_eq(value, SLICE("one")));
    assert_int_equal(damaged_vnodes(f), 1);
}

/* What the owner says itself is remembered as well; damage that it does not know of yet is not
 * healed by it. */
static void a_doubt_of_the_owner_lasts_until_it_is_healed(void **state)
{
    struct fixture *f = *state;
    uint8_t all[SLOTS / 8];
    memset(all, 0xff, sizeof all);
    fixture_open(f);
    store_doubt(f->store, slice_of(all, sizeof all));
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("v"), 1)).error, 0);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    store_healed(f->store, slice_of(all, sizeof all)); /* it was not reported yet */
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    fixture_expect(f, KEY_OF("k"), SLICE("v"));
    assert_int_equal(f->doubted, SLOTS);
    store_healed(f->store, slice_of(all, sizeof all));
    assert_int_equal(damaged_vnodes(f), 0);
}

/* Its header names a slot that there is not: bad input, and no broken invariant. */
static void a_record_of_no_slot_puts_all_in_doubt(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_HEADER] = {0};
    struct damage d = {0};
    bytes[8] = RECORD_HEADER;
    memset(bytes + 14, 0xff, 2);
    struct damage_finding f = damage_look(slice_of(bytes, sizeof bytes));
    assert_int_equal(f.size, 0);
    damage_mark(&d, &f);
    assert_true(damage_in(&d, SLOTS - 1, SLOTS));
}

/* When the bytes do not even say what they were, every vnode is in doubt; all that can be read is
 * there. */
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

/* Damage in the segment that was written to last: the next put goes to another, and it is carried
 * out too. */
static void damage_in_the_last_segment_is_carried_out(void **state)
{
    struct fixture *f = *state;
    make(f);
    f->options.segment_bytes = 0;
    fixture_open(f);
    for (unsigned i = 0; i < 3; i++) {
        char key[32];
        assert_int_equal(
            fixture_put(f, value_record(numbered(key, "late", i), SLICE("rots"), 1000 + i)).error,
            0);
    }
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    assert_int_equal(
        fixture_shell(f, "f=$(ls seg-*.log | tail -n 1) && at=$(grep -abo late-1 $f | head -n 1 | "
                         "cut -d: -f1) && "
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
    fixture_until_compacted(f, 1); /* else each start would find it anew */
    fixture_close(f);
    f->report[0] = 0;
    fixture_open(f);
    assert_string_equal(f->report, "");
}

static void expect_state(struct fixture *f, struct slice name, struct slice wanted)
{
    struct slice value;
    uint64_t serial;
    assert_true(store_state(f->store, name, &value, &serial));
    assert_true(slice_eq(value, wanted));
}

/* A damaged state record is harmless only when a later one is there. Else the older one counts, the
 * node can ask which state went back, and all slots are in doubt. */
static void a_lost_state_puts_all_in_doubt(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_put(f, state_record(SLICE("promise"), SLICE("one"), 1));
    fixture_put(f, state_record(SLICE("promise"), SLICE("two"), 2));
    fixture_put(f, value_record(KEY_OF("k"), SLICE("v"), 3));
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    assert_int_equal(fixture_shell(f, "cp seg-00000001.log ../whole"), 0);
    flip(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + RECORD_HEADER + 8, 1);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
    assert_false(log_state_lost(f->store, SLICE("promise")));
    fixture_close(f);
    assert_int_equal(fixture_shell(f, "rm * && cp ../whole seg-00000001.log"), 0);
    off_t second = SEGMENT_HEADER + RECORD_HEADER + 10 + MARK_BYTES;
    flip(fixture_path(f, SEGMENT_1), second + RECORD_HEADER + 8, 1);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    assert_true(log_state_lost(f->store, SLICE("promise")));
    assert_non_null(strstr(f->report, "\"promise\""));
    expect_state(f, SLICE("promise"), SLICE("one"));
    fixture_expect(f, KEY_OF("k"), SLICE("v"));
}

/* ---- Whole files ---- */

enum { MANY = 150 };

/* A log of several segments, with states that were put once: the first of all, and in the last
 * segment. Returns how many there are. */
static unsigned make_many(struct fixture *f)
{
    char key[32];
    struct log_stats stats;
    f->options.segment_bytes = SEGMENT;
    f->options.dead_percent = 101; /* what goes, goes because it is damaged */
    fixture_open(f);
    fixture_put(f, state_record(SLICE("promise"), SLICE("one"), 1));
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(
            fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i + 1)).error, 0);
    fixture_until_rested(f);
    fixture_put(f, state_record(SLICE("late"), SLICE("two"), 1));
    log_stats(f->store, &stats);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    assert_in_range(stats.segments, 4, 99);
    return (unsigned)stats.segments;
}

static unsigned keys_there(struct fixture *f)
{
    char key[32];
    unsigned n = 0;
    for (unsigned i = 0; i < MANY; i++)
        n += fixture_get(f, numbered(key, "key", i), GET_VALUE).record.kind == RECORD_VALUE;
    return n;
}

static void ignore(void *arg, const char *line)
{
    (void)arg, (void)line;
}

/* Opens the log, finds everything in doubt, and so again; then all is said to be fetched, and the
 * next opening finds a log without damage. */
static void expect_doubt_until_healed(struct fixture *f, unsigned keys, bool aside)
{
    uint8_t all[SLOTS / 8];
    struct store_result none;
    assert_int_equal(check_directory(f->dir, ignore, NULL), CHECK_DAMAGED);
    memset(all, 0xff, sizeof all);
    for (int again = 0; again < 2; again++) {
        fixture_open(f);
        assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
        assert_int_equal(keys_there(f), keys);
        expect_state(f, SLICE("promise"), SLICE("one"));
        if (aside && again == 0)
            fixture_until_compacted(f, 1);
        fixture_close(f);
        assert_int_equal(check_directory(f->dir, ignore, NULL), CHECK_CLEAN);
    }
    fixture_open(f);
    assert_false(fixture_poll(f, &none)); /* it is reported */
    assert_int_equal(f->doubted, SLOTS);
    store_healed(f->store, slice_of(all, sizeof all));
    /* what was said before may be on its way: the healing goes with a later commit */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(fixture_put(f, state_record(SLICE("other"), SLICE("x"), i + 1)).error, 0);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    f->report[0] = 0;
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
    assert_int_equal(keys_there(f), keys);
    assert_string_equal(f->report, "");
    fixture_close(f);
    nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *segment_path(struct fixture *f, unsigned number)
{
    char name[SEGMENT_NAME];
    segment_name(number, name);
    return fixture_path(f, name);
}

/* A bit of any field of a header: the file is set aside, and what can be read of it is there. */
static void a_rotten_header_puts_all_in_doubt(void **state)
{
    struct fixture *f = *state;
    static const off_t field[] = {0, 8, 12, 16, 24, 28, 32, 40, 56};
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        unsigned n = make_many(f), at = i % 3 == 0 ? 1 : i % 3 == 1 ? n / 2 : n;
        flip(segment_path(f, at), field[i], 1);
        expect_doubt_until_healed(f, MANY, true);
    }
}

/* The only file that there is: nothing is lost of it but its header. */
static void the_rotten_header_of_the_only_segment(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_put(f, state_record(SLICE("promise"), SLICE("one"), 1));
    for (unsigned i = 0; i < MANY; i++) {
        char key[32];
        assert_int_equal(
            fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i + 1)).error, 0);
    }
    uint64_t position = store_position(f->store);
    fixture_close(f);
    flip(fixture_path(f, SEGMENT_1), 20, 1);
    fixture_open(f);
    assert_in_range(store_position(f->store), position, UINT32_MAX);
    fixture_close(f);
    flip(fixture_path(f, SEGMENT_1), 20, 1);
    flip(fixture_path(f, SEGMENT_1), 60, 2);
    expect_doubt_until_healed(f, MANY, true);
}

static void lose(struct fixture *f, unsigned number, unsigned how)
{
    struct stat st;
    const char *path = segment_path(f, number);
    assert_int_equal(stat(path, &st), 0);
    if (how == 0)
        assert_int_equal(unlink(path), 0);
    else
        assert_int_equal(truncate(path, how == 1 ? 0 : 30), 0);
    if (how == 3)
        assert_int_equal(truncate(path, st.st_size), 0);
    if (how == 3)
        flip(path, 0, 30);
}

/* A segment is missing, empty, shorter than a header, or overwritten: what is not there was in it,
 * and no state of the node was, for each segment begins with them. */
static void a_lost_segment_puts_all_in_doubt(void **state)
{
    struct fixture *f = *state;
    for (unsigned how = 0; how < 4; how++) {
        for (unsigned which = 0; which < 3; which++) {
            unsigned n = make_many(f), at = which == 0 ? 1 : which == 1 ? n / 2 : n - 1;
            fixture_open(f);
            fixture_close(f);
            lose(f, at, how);
            fixture_open(f);
            unsigned keys = keys_there(f);
            assert_in_range(keys, MANY / 3, MANY - 1);
            expect_state(f, SLICE("late"), SLICE("two"));
            fixture_close(f);
            nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
            make_many(f);
            lose(f, at, how);
            expect_doubt_until_healed(f, keys, how > 0);
        }
    }
}

/* With the last segment goes what was put there alone: older states count. That all slots are in
 * doubt says so. */
static void states_of_the_last_segment_go_back(void **state)
{
    struct fixture *f = *state;
    unsigned n = make_many(f);
    struct slice value;
    uint64_t serial;
    lose(f, n, 1);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    expect_state(f, SLICE("promise"), SLICE("one"));
    assert_false(store_state(f->store, SLICE("late"), &value, &serial));
}

/* A snapshot that is whole is no reason to believe that a segment is. */
static void a_snapshot_does_not_hide_a_lost_segment(void **state)
{
    struct fixture *f = *state;
    f->options.snapshot_bytes = 1000;
    make_many(f);
    assert_int_equal(access(fixture_path(f, "snapshot"), F_OK), 0);
    lose(f, 1, 0);
    fixture_open(f);
    unsigned keys = keys_there(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    assert_in_range(keys, MANY / 3, MANY - 1);
}

/* The last segment has no successor that would tell of it; a snapshot does. Its number is not used
 * again. */
static void a_snapshot_tells_of_the_last_segment(void **state)
{
    struct fixture *f = *state;
    char name[64], key[32];
    struct log_stats stats;
    f->options.snapshot_bytes = 1000;
    unsigned n = make_many(f);
    f->options.segment_bytes = 0; /* the last one grows, until a snapshot was taken */
    fixture_open(f);
    for (unsigned i = 0; log_stats(f->store, &stats), stats.snapshots == 0; i++) {
        assert_int_equal(
            fixture_put(f, value_record(numbered(key, "late", i % 10), SLICE("value"), i + 1))
                .error,
            0);
        fixture_until_rested(f);
    }
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    lose(f, n, 0);
    assert_int_equal(check_directory(f->dir, ignore, NULL), CHECK_DAMAGED);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), VNODES_DEFAULT);
    snprintf(name, sizeof name, "seg-%08u.log is missing", n);
    assert_non_null(strstr(f->report, name));
    fixture_close(f);
    assert_int_equal(access(segment_path(f, n), F_OK), -1);
    assert_int_equal(check_directory(f->dir, ignore, NULL), CHECK_CLEAN);
}

/* A file under another's name is refused, and both that the sentence offers lead to a log that
 * opens. */
static void a_misnamed_segment_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    for (int way = 0; way < 2; way++) {
        make_many(f);
        assert_int_equal(fixture_shell(f, "mv seg-00000002.log seg-00000099.log"), 0);
        assert_int_equal(log_open(&f->options, &f->store, f->why, sizeof f->why), ERR_REFUSED);
        f->store = NULL;
        assert_non_null(strstr(
            f->why, "seg-00000099.log is log file 2 under another name: give it back the name "
                    "seg-00000002.log, or move it away"));
        assert_int_equal(fixture_shell(f, way ? "mv seg-00000099.log ../"
                                              : "mv seg-00000099.log seg-00000002.log"),
                         0);
        fixture_open(f);
        assert_int_equal(damaged_vnodes(f), way ? VNODES_DEFAULT : 0);
        if (!way)
            assert_int_equal(keys_there(f), MANY);
        fixture_close(f);
        nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* A file that cannot be one of ours is refused; when it is moved away nothing is missing. */
static void a_file_larger_than_any_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    unsigned n = make_many(f);
    char command[128];
    snprintf(command, sizeof command, "truncate -s 5G seg-%08u.log", n + 1);
    assert_int_equal(fixture_shell(f, command), 0);
    assert_int_equal(log_open(&f->options, &f->store, f->why, sizeof f->why), ERR_CORRUPT);
    f->store = NULL;
    assert_non_null(strstr(f->why, "is larger than any log file: move it away"));
    snprintf(command, sizeof command, "mv seg-%08u.log ..", n + 1);
    assert_int_equal(fixture_shell(f, command), 0);
    fixture_open(f);
    assert_int_equal(damaged_vnodes(f), 0);
    assert_int_equal(keys_there(f), MANY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_rotten_record_puts_its_vnode_in_doubt),
        TEST(a_read_that_meets_damage_puts_its_slot_in_doubt),
        TEST(compaction_puts_what_it_cannot_read_in_doubt),
        TEST(a_rotten_state_is_written_anew),
        TEST(a_doubt_of_the_owner_lasts_until_it_is_healed),
        TEST(a_record_of_no_slot_puts_all_in_doubt),
        TEST(a_bad_sector_puts_all_in_doubt),
        TEST(damage_in_the_last_segment_is_carried_out),
        TEST(a_missing_end_puts_all_in_doubt),
        TEST(a_lost_state_puts_all_in_doubt),
        TEST(a_rotten_header_puts_all_in_doubt),
        TEST(the_rotten_header_of_the_only_segment),
        TEST(a_lost_segment_puts_all_in_doubt),
        TEST(states_of_the_last_segment_go_back),
        TEST(a_snapshot_does_not_hide_a_lost_segment),
        TEST(a_snapshot_tells_of_the_last_segment),
        TEST(a_misnamed_segment_says_what_to_do),
        TEST(a_file_larger_than_any_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
