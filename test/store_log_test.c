/* The log on disk: restart, torn tails, damage, kill -9, segments, durability modes, and every way
 * in which it refuses to open.
 */
#include "store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/log/segment.h"
#include "wire/bytes.h"

#define SEGMENT_1 "seg-00000001.log"
#define SEGMENT_2 "seg-00000002.log"

static struct slice read_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *p = test_malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    return slice_of(p, (size_t)st.st_size);
}

static void write_file(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    close(fd);
}

/* Flips a bit of a file. */
static void damage(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void assert_refused(struct fixture *f, int error, const char *word, const char *remedy)
{
    assert_int_equal(log_open(&f->options, &f->store, f->why, sizeof f->why), error);
    f->store = NULL;
    if (!strstr(f->why, word) || !strstr(f->why, remedy))
        fail_msg("\"%s\" says nothing of \"%s\" or \"%s\"", f->why, word, remedy);
}

static void restart_finds_everything(void **state)
{
    struct fixture *f = *state;
    char key[32], value[32];
    fixture_open(f);
    for (unsigned i = 1; i <= 200; i++)
        assert_int_equal(fixture_put(f, value_record(numbered(key, "key", i % 50),
                                                     numbered_text(value, "value", i), i))
                             .error,
                         0);
    fixture_put(f, tombstone_record(KEY_OF("key-3"), 500));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(log_drain(f->store), 0);
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(store_records(f->store), 50);
        for (unsigned i = 151; i <= 200; i++)
            if (i % 50 != 3)
                fixture_expect(f, numbered(key, "key", i % 50), numbered_text(value, "value", i));
        assert_int_equal(fixture_get(f, KEY_OF("key-3"), GET_VALUE).record.kind, RECORD_TOMBSTONE);
    }
    assert_string_equal(f->report, "");
}

/* Bytes from `at` to `n`, but none when they are all zero: such an end cannot be told from zeros
 * written ahead, and is no news.
 */
static size_t torn(struct slice whole, size_t at, size_t n)
{
    for (size_t i = at; i < n; i++)
        if (whole.p[i] != 0)
            return n - at;
    return 0;
}

/* The log, cut at every byte of its last record and of what stands before it, gives all records
 * that are complete, and reports what it cut. */
static void a_torn_tail_is_cut_at_every_byte(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats;
    fixture_open(f);
    fixture_put(f, value_record(KEY_OF("a"), SLICE("first"), 1));
    fixture_put(f, value_record(KEY_OF("b"), SLICE("second"), 2));
    fixture_close(f);
    struct slice whole = read_file(fixture_path(f, SEGMENT_1));
    size_t last = RECORD_HEADER + 1 + strlen("b") + strlen("second"),
           first_end = SEGMENT_HEADER + RECORD_HEADER + 1 + strlen("a") + strlen("first");
    assert_int_equal(whole.n, first_end + MARK_BYTES + last);
    for (size_t n = first_end; n < whole.n; n++) {
        write_file(fixture_path(f, SEGMENT_1), slice_of(whole.p, n));
        f->report[0] = 0;
        fixture_open(f);
        log_stats(f->store, &stats);
        size_t cut =
            torn(whole, n < first_end + MARK_BYTES ? first_end : first_end + MARK_BYTES, n);
        assert_int_equal(stats.torn_bytes, cut);
        assert_true((cut > 0) == (strstr(f->report, "torn tail") != NULL));
        fixture_expect(f, KEY_OF("a"), SLICE("first"));
        assert_int_equal(store_records(f->store), 1);
        /* it goes where the tail was */
        fixture_put(f, value_record(KEY_OF("c"), SLICE("after"), 3));
        fixture_close(f);
        fixture_open(f);
        fixture_expect(f, KEY_OF("a"), SLICE("first"));
        fixture_expect(f, KEY_OF("c"), SLICE("after"));
        fixture_close(f);
    }
    test_free((void *)(uintptr_t)whole.p);
}

/* A power cut may leave a later page of an unsynced group and not an earlier one: that is a torn
 * tail, though a good record follows. */
static void a_hole_in_the_last_group_is_a_torn_tail(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_put(f, value_record(KEY_OF("a"), SLICE("synced"), 1));
    struct record x = value_record(KEY_OF("x"), SLICE("torn"), 2),
                  y = value_record(KEY_OF("y"), SLICE("whole"), 3);
    store_put(f->store, 2, &x);
    store_put(f->store, 3, &y);
    store_commit(f->store);
    fixture_reap(f);
    fixture_reap(f);
    fixture_close(f);
    off_t x_at = SEGMENT_HEADER + (RECORD_HEADER + 2 + 6) + MARK_BYTES;
    damage(fixture_path(f, SEGMENT_1), x_at + RECORD_HEADER + 1);
    fixture_open(f);
    assert_non_null(strstr(f->report, "torn tail"));
    assert_int_equal(store_records(f->store), 1);
    fixture_expect(f, KEY_OF("a"), SLICE("synced"));
}

static void damage_among_synced_records_is_no_torn_tail(void **state)
{
    struct fixture *f = *state;
    char key[32];
    fixture_open(f);
    for (unsigned i = 1; i <= 5; i++)
        fixture_put(f, value_record(numbered(key, "key", i), SLICE("value"), i));
    fixture_close(f);
    damage(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + RECORD_HEADER + 3);
    fixture_open(f);
    assert_non_null(strstr(f->report, "damage aside"));
    assert_non_null(strstr(f->report, "at offset 64 of"));
    assert_non_null(strstr(f->report, SEGMENT_1));
    assert_int_equal(store_records(f->store), 4);
}

/* After a clean stop a last mark vouches for the last group too. */
static void damage_after_a_clean_stop_is_no_torn_tail(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_put(f, value_record(KEY_OF("a"), SLICE("only"), 1));
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    damage(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + RECORD_HEADER + 2);
    fixture_open(f);
    assert_non_null(strstr(f->report, "a damaged record"));
    assert_non_null(strstr(f->report, "at offset 64 of"));
}

/* A stored value may hold the bytes of another log, marks and all: they vouch for nothing here. */
static void marks_inside_values_vouch_for_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_put(f, value_record(KEY_OF("a"), SLICE("1"), 1));
    fixture_put(f, value_record(KEY_OF("a"), SLICE("2"), 2));
    fixture_put(f, value_record(KEY_OF("a"), SLICE("3"), 3));
    fixture_close(f);
    struct slice other = read_file(fixture_path(f, SEGMENT_1));
    unlink(fixture_path(f, SEGMENT_1));
    fixture_open(f);
    /* below the lz4 threshold: as it stands */
    fixture_put(f, value_record(KEY_OF("file"), slice_of(other.p, 250), 1));
    fixture_close(f);
    damage(fixture_path(f, SEGMENT_1), SEGMENT_HEADER + 20);
    fixture_open(f);
    assert_non_null(strstr(f->report, "torn tail"));
    assert_int_equal(store_records(f->store), 0);
    test_free((void *)(uintptr_t)other.p);
}

static void segments_follow_each_other(void **state)
{
    struct fixture *f = *state;
    struct log_stats stats;
    char key[32], value[32];
    f->options.segment_bytes = 1000;
    for (unsigned mode = 0; mode < 2; mode++) {
        f->options.durability = mode ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        fixture_open(f);
        for (unsigned i = 60 * mode; i < 60 * mode + 60; i++)
            assert_int_equal(fixture_put(f, value_record(numbered(key, "key", i),
                                                         numbered_text(value, "value", i), i + 1))
                                 .error,
                             0);
        for (unsigned i = 0; i < 60 * mode + 60; i++)
            fixture_expect(f, numbered(key, "key", i), numbered_text(value, "value", i));
        log_stats(f->store, &stats);
        assert_in_range(stats.segments, 6, 60);
        assert_int_equal(stats.records, 60 * mode + 60);
        fixture_close(f);
    }
    fixture_open(f);
    for (unsigned i = 0; i < 120; i++)
        fixture_expect(f, numbered(key, "key", i), numbered_text(value, "value", i));
    fixture_close(f);
    write_file(fixture_path(f, "seg-00000999.new"), SLICE("a crash cut its making short"));
    fixture_open(f);
    assert_int_equal(access(fixture_path(f, "seg-00000999.new"), F_OK), -1);
}

/* A child acknowledges puts over a pipe until it is killed; all that it acknowledged is there. */
static void child(struct fixture *f, int fd)
{
    char key[32], value[32];
    if (log_open(&f->options, &f->store, f->why, sizeof f->why) != 0)
        _exit(1);
    for (unsigned i = 1;; i++) {
        struct record r =
            value_record(numbered(key, "key", i), numbered_text(value, "value", i), i);
        store_put(f->store, i, &r);
        if (i % 3 != 0)
            continue;
        store_commit(f->store);
        for (int n = 0; n < 3; n++) {
            unsigned acked = (unsigned)fixture_reap(f).token;
            if (write(fd, &acked, sizeof acked) != sizeof acked)
                _exit(1);
        }
    }
}

static void kill_and_check(struct fixture *f, unsigned acks)
{
    int fds[2];
    char key[32], value[32];
    unsigned acked, greatest = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(f, fds[1]);
    }
    close(fds[1]);
    for (unsigned i = 0; i < acks; i++)
        assert_int_equal(read(fds[0], &acked, sizeof acked), sizeof acked);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    do {
        greatest = acked > greatest ? acked : greatest;
        /* what it said before it died counts too */
    } while (read(fds[0], &acked, sizeof acked) == sizeof acked);
    close(fds[0]);
    fixture_open(f);
    for (unsigned i = 1; i <= greatest; i++)
        fixture_expect(f, numbered(key, "key", i), numbered_text(value, "value", i));
    fixture_close(f);
}

static void kill_9_loses_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    f->options.segment_bytes = 4000;
    for (unsigned round = 0; round < 8; round++) {
        f->options.durability = round % 2 ? DURABILITY_INTERVAL : DURABILITY_FSYNC;
        kill_and_check(f, 1 + 37 * round);
    }
}

static void opening_is_exclusive(void **state)
{
    struct fixture *f = *state;
    struct store *second;
    char pid[32];
    fixture_open(f);
    assert_int_equal(log_open(&f->options, &second, f->why, sizeof f->why), ERR_LOCKED);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(f->why, pid));
    assert_non_null(strstr(f->why, f->dir));
    fixture_close(f);
    fixture_open(f);
}

static void unusable_directories_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[160];
    write_file(f->dir, SLICE("a file"));
    assert_refused(f, ERR_IO, f->dir, "--data");
    snprintf(path, sizeof path, "%s/below", f->dir);
    f->options.dir = path;
    assert_refused(f, ERR_IO, "is a file", "--data");
    snprintf(path, sizeof path, "%s/no/parent", f->root);
    assert_refused(f, ERR_IO, "parent", "make it");
    f->options.dir = "/proc/self"; /* a directory in which nobody may write, root included */
    assert_refused(f, ERR_IO, "/proc/self", "data directory");
}

static void the_directory_is_private(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    fixture_open(f);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* A header of another version, with its checksum where ours has it, or elsewhere. */
static void unknown_formats_are_refused(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_close(f);
    struct slice whole = read_file(fixture_path(f, SEGMENT_1));
    uint8_t *header = (uint8_t *)(uintptr_t)whole.p;
    put_u32(header + 8, SEGMENT_FORMAT - 1); /* the former one */
    put_u64(header + 56, hash_bytes(slice_of(header, 56)));
    write_file(fixture_path(f, SEGMENT_1), whole);
    assert_refused(f, ERR_BAD_FORMAT,
                   "seg-00000001.log has format version 2; this release knows version 3",
                   "run the one that wrote it");
    put_u32(header + 8, 9);
    put_u64(header + 56, 0);
    write_file(fixture_path(f, SEGMENT_1), whole);
    assert_refused(f, ERR_BAD_FORMAT, "version 9", "run the one that wrote it");
    test_free(header);
}

/* A record of a kind that this release does not merge may not be dropped silently. */
static void records_of_later_kinds_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    struct record r = value_record(KEY_OF("k"), SLICE("v"), 1);
    r.kind = RECORD_ROW;
    r.version.ordered = 1;
    fixture_open(f);
    fixture_close(f);
    struct slice whole = read_file(fixture_path(f, SEGMENT_1));
    buf_init(&b, 1024);
    buf_slice(&b, whole);
    assert_int_equal(record_encode(&b, &r), 0);
    write_file(fixture_path(f, SEGMENT_1), buf_view(&b));
    assert_refused(f, ERR_BAD_FORMAT, "kind 4 at offset 64", "run the one that wrote it");
    buf_close(&b);
    test_free((void *)(uintptr_t)whole.p);
}

/* Many groups are asked for before one is reaped: what gathers behind the group that is out goes by
 * itself when it is back. */
static void groups_gather_while_one_is_out(void **state)
{
    struct fixture *f = *state;
    enum { PUTS = 300 };
    char key[32];
    struct log_stats stats;
    fixture_open(f);
    for (unsigned i = 1; i <= PUTS; i++) {
        struct record r = value_record(numbered(key, "key", i), SLICE("v"), i);
        store_put(f->store, i, &r);
        store_commit(f->store);
    }
    for (unsigned i = 1; i <= PUTS; i++) {
        struct store_result out = fixture_reap(f);
        assert_int_equal(out.token, i);
        assert_int_equal(out.error, 0);
    }
    log_stats(f->store, &stats);
    /* nothing was reaped in between, so only one group was out and one gathered */
    assert_in_range(stats.syncs, 1, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(restart_finds_everything),
        TEST(a_torn_tail_is_cut_at_every_byte),
        TEST(a_hole_in_the_last_group_is_a_torn_tail),
        TEST(damage_among_synced_records_is_no_torn_tail),
        TEST(damage_after_a_clean_stop_is_no_torn_tail),
        TEST(marks_inside_values_vouch_for_nothing),
        TEST(segments_follow_each_other),
        TEST(kill_9_loses_nothing_acknowledged),
        TEST(opening_is_exclusive),
        TEST(unusable_directories_are_refused),
        TEST(the_directory_is_private),
        TEST(unknown_formats_are_refused),
        TEST(records_of_later_kinds_are_refused),
        TEST(groups_gather_while_one_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
