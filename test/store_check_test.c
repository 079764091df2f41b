/* covey check: silent about what is clean, and not about a single flipped bit. */
#include "store_fixture.h"

#include <dirent.h>
#include <fcntl.h>

#include "store/archive/check.h"
#include "store/hints/hints_file.h"
#include "store/log/segment.h"
#include "store/log/snapshot.h"
#include "wire/bytes.h"

static char lines[16384];

static void collect(void *arg, const char *line)
{
    (void)arg;
    size_t n = strlen(lines);
    snprintf(lines + n, sizeof lines - n, "%s\n", line);
}

static enum check_result check(const char *path)
{
    lines[0] = 0;
    return check_directory(path, collect, NULL);
}

static off_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void flip(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x04;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Some segments, compacted ones among them, and a snapshot; stopped cleanly. */
static void make(struct fixture *f)
{
    char key[32];
    f->options.segment_bytes = 3000;
    f->options.snapshot_bytes = 10000;
    fixture_open(f);
    for (unsigned i = 1; i <= 400; i++)
        fixture_put(f, value_record(numbered(key, "key", i % 3 ? i % 20 : i), SLICE("value"), i));
    fixture_until_rested(f);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
}

static void a_clean_directory_is_clean(void **state)
{
    struct fixture *f = *state;
    make(f);
    assert_int_equal(access(fixture_path(f, SNAPSHOT_NAME), F_OK), 0);
    if (check(f->dir) != CHECK_CLEAN)
        fail_msg("%s", lines);
    assert_non_null(strstr(lines, " keys, deleted ones counted: clean"));
    fixture_open(f);
    assert_int_equal(check(f->dir), CHECK_UNREADABLE);
    assert_non_null(strstr(lines, "in use"));
}

/* size: of the header of such a file, of which the last 8 bytes are the checksum. */
static void set_format_of(const char *path, size_t size, uint32_t format)
{
    uint8_t header[64];
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, header, size, 0), size);
    put_u32(header + 8, format);
    put_u64(header + size - 8, hash_bytes(slice_of(header, size - 8)));
    assert_int_equal(pwrite(fd, header, size, 0), size);
    close(fd);
}

static void set_format(const char *path, uint32_t format)
{
    set_format_of(path, 64, format);
}

/* A snapshot of the former format is passed over, by a start too; a log of it is not. */
static void the_former_format_is_named(void **state)
{
    struct fixture *f = *state;
    make(f);
    set_format(fixture_path(f, SNAPSHOT_NAME), SNAPSHOT_FORMAT - 1);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(lines, "snapshot: format version 2; this release knows version 3"));
    fixture_open(f);
    assert_non_null(strstr(
        f->report,
        "snapshot has format version 2; this release knows version 3: the whole log is read"));
    fixture_close(f);
    DIR *d = opendir(f->dir);
    for (struct dirent *e; (e = readdir(d));)
        if (segment_number(e->d_name) > 0)
            set_format(fixture_path(f, e->d_name), SEGMENT_FORMAT - 1);
    closedir(d);
    (void)check(f->dir);
    assert_non_null(strstr(lines, ".log: format version 2; this release knows version 3: check it "
                                  "with the one that wrote it"));
}

static void make_hints(struct fixture *f, struct hints_file *file)
{
    struct buf mark;
    assert_int_equal(fixture_shell(f, "mkdir hints"), 0);
    int dir = open(fixture_path(f, "hints"), O_RDONLY | O_DIRECTORY);
    buf_init(&mark, 1000);
    assert_int_equal(hints_file_create(file, dir, &log_io_os), 0);
    assert_int_equal(hints_mark(&mark, file->target, 1), 0);
    assert_int_equal(hints_file_write(file, &log_io_os, buf_view(&mark), HINTS_HEADER), 0);
    buf_close(&mark);
    close(dir);
    close(file->fd);
}

/* What a start would refuse is a fault; what it would pass over is reported. */
static void hints_are_looked_at(void **state)
{
    struct fixture *f = *state;
    struct hints_file file = {.target = 7, .number = 1};
    char path[400];
    make(f);
    make_hints(f, &file);
    snprintf(path, sizeof path, "%s", fixture_path(f, "hints/0000000000000007-00000001.log"));
    assert_int_equal(check(f->dir), CHECK_CLEAN);
    assert_null(strstr(lines, "hints"));
    set_format_of(path, HINTS_HEADER, HINTS_FORMAT - 1);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(
        lines,
        "hints/0000000000000007-00000001.log: format version 1; this release knows version 2"));
    set_format_of(path, HINTS_HEADER, HINTS_FORMAT);
    flip(path, HINTS_HEADER);
    assert_int_equal(check(f->dir), CHECK_CLEAN);
    assert_non_null(strstr(
        lines, "hints/0000000000000007-00000001.log: offset 32: its end is torn or damaged"));
    assert_int_equal(truncate(path, 1), 0);
    assert_int_equal(check(f->dir), CHECK_CLEAN);
    assert_non_null(strstr(lines, "hints/0000000000000007-00000001.log: has no header"));
}

/* Every file of the directory, a bit flipped here and there. */
static void every_flipped_bit_is_found(void **state)
{
    struct fixture *f = *state;
    make(f);
    DIR *d = opendir(f->dir);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        bool ours = strncmp(e->d_name, "seg-", 4) == 0 || strcmp(e->d_name, SNAPSHOT_NAME) == 0;
        char path[400];
        snprintf(path, sizeof path, "%s", fixture_path(f, e->d_name));
        for (off_t at = 0; ours && at < size_of(path); at += 53) {
            flip(path, at);
            enum check_result got = check(f->dir);
            /* nothing vouches for the last mark: damage in it reads as a torn tail */
            bool last_mark = at >= size_of(path) - MARK_BYTES && strstr(lines, "torn tail");
            if ((got != CHECK_DAMAGED && !last_mark) || !strstr(lines, e->d_name))
                fail_msg("offset %ld of %s: %s", (long)at, e->d_name, lines);
            flip(path, at);
        }
    }
    closedir(d);
    assert_int_equal(check(f->dir), CHECK_CLEAN);
}

/* The oldest segment is named by the list and followed by others: neither its absence nor a missing
 * end can pass. */
static void what_is_missing_is_told(void **state)
{
    struct fixture *f = *state;
    char oldest[64] = "seg-99999999.log", path[400], away[200];
    make(f);
    DIR *d = opendir(f->dir);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        if (strncmp(e->d_name, "seg-", 4) == 0 && strcmp(e->d_name, oldest) < 0)
            snprintf(oldest, sizeof oldest, "%.63s", e->d_name);
    closedir(d);
    snprintf(path, sizeof path, "%s", fixture_path(f, oldest));
    snprintf(away, sizeof away, "%s/away", f->root);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(lines, "is missing"));
    assert_non_null(strstr(lines, oldest));
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(truncate(path, size_of(path) - 100), 0);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(lines, "the end is missing"));
}

/* Also of the only segment: it is damage, and a start with it leads on. */
static void a_rotten_header_is_told(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_put(f, value_record(KEY_OF("k"), SLICE("v"), 1));
    fixture_close(f);
    flip(fixture_path(f, "seg-00000001.log"), 16);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(lines, "seg-00000001.log: the header is damaged"));
    assert_null(strstr(lines, "missing"));
    assert_non_null(strstr(lines, "start the node with it"));
    fixture_open(f);
    fixture_expect(f, KEY_OF("k"), SLICE("v"));
    fixture_until_compacted(f, 1);
    fixture_close(f);
    assert_int_equal(check(f->dir), CHECK_CLEAN);
}

/* A damaged snapshot: a start passes over it, as is said. */
static void a_damaged_snapshot_is_passed_over(void **state)
{
    struct fixture *f = *state;
    make(f);
    flip(fixture_path(f, SNAPSHOT_NAME), 0);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(lines, "a start passes over it and reads the whole log"));
    fixture_open(f);
    assert_false(store_damaged(f->store, 0));
    fixture_close(f);
    assert_int_equal(check(f->dir), CHECK_CLEAN);
}

/* A file under another's name is reported with the remedy; once applied, the directory is clean. */
static void a_misnamed_segment_is_told(void **state)
{
    struct fixture *f = *state;
    make(f);
    assert_int_equal(
        fixture_shell(
            f, "l=$(ls seg-*.log | head -n 1) && echo $l > ../name && mv $l seg-00009999.log"),
        0);
    assert_int_equal(check(f->dir), CHECK_DAMAGED);
    assert_non_null(strstr(lines, "seg-00009999.log: is log file"));
    assert_non_null(strstr(lines, "under another name: give it back the name seg-"));
    assert_int_equal(fixture_shell(f, "mv seg-00009999.log $(cat ../name)"), 0);
    assert_int_equal(check(f->dir), CHECK_CLEAN);
}

static void what_is_no_data_directory_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check("/no/such/directory"), CHECK_UNREADABLE);
    assert_int_equal(check(f->root), CHECK_UNREADABLE);
    assert_non_null(strstr(lines, "no data directory"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_clean_directory_is_clean), TEST(the_former_format_is_named),
        TEST(every_flipped_bit_is_found), TEST(what_is_missing_is_told),
        TEST(a_rotten_header_is_told),    TEST(a_damaged_snapshot_is_passed_over),
        TEST(a_misnamed_segment_is_told), TEST(what_is_no_data_directory_is_told),
        TEST(hints_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
