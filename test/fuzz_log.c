/* Any bytes as a data directory: one segment, and perhaps a snapshot of its index. All checksums
 * are put right first, else nothing behind the first would ever be reached; the formats stay as
 * they are, for refusing one is a path too. What opens is a whole index, and opens again as the
 * same; and whatever it is, it can be looked through. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/archive/check.h"
#include "store/log/replay.h"
#include "store/log/snapshot.h"
#include "wire/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[64], path[96], segment[128], snapshot[128];

/* ---- Sums ---- */

static void set_sum(uint8_t *at, const uint8_t *p, size_t n)
{
    put_u64(at, hash_bytes(slice_of(p, n)));
}

/* The slots and sums of records, as far as their lengths go: no record with a sum that fits lies
 * about its slot. */
static void mend_records(uint8_t *p, size_t size)
{
    for (size_t n; size >= RECORD_HEADER; p += n, size -= n) {
        n = get_u32(p + 8);
        size_t key_n = get_u32(p + 56);
        if (n < RECORD_HEADER || n > size || key_n > n - RECORD_HEADER)
            return;
        struct record r = {.kind = p[12], .key = slice_of(p + RECORD_HEADER, key_n)};
        put_u16(p + 14, record_slot(&r));
        if (get_u64(p) != 0) /* a sum of 0 stays wrong: a damaged one among good ones */
            set_sum(p, p + 8, n - 8);
    }
}

/* A header that begins with 0xff stays damaged: the file is a wreck. */
static void mend_segment(uint8_t *p, size_t size)
{
    if (size < SEGMENT_HEADER)
        return;
    mend_records(p + SEGMENT_HEADER, size - SEGMENT_HEADER);
    if (p[0] == 0xff)
        return;
    memcpy(p, "COVEYSEG", 8);
    put_u32(p + 12, 1);
    set_sum(p + 56, p, 56);
}

/* The sums of the images that the footer says are there. */
static void mend_images(uint8_t *p, size_t size, uint8_t *footer, size_t footer_n)
{
    size_t arcs = get_u32(p + 24);
    for (size_t i = 0; i < arcs && 24 * (i + 1) <= footer_n; i++) {
        uint8_t *arc = footer + 24 * i;
        uint64_t at = get_u64(arc), n = get_u64(arc + 16);
        if (at <= size && n <= size - at)
            set_sum(arc + 8, p + at, n);
    }
}

static void mend_snapshot(uint8_t *p, size_t size)
{
    if (size < SNAPSHOT_HEADER + SNAPSHOT_TRAILER)
        return;
    uint8_t *trailer = p + size - SNAPSHOT_TRAILER;
    uint64_t at = get_u64(trailer);
    if (at > size - SNAPSHOT_TRAILER)
        return;
    size_t n = size - SNAPSHOT_TRAILER - at;
    memcpy(p, "COVEYIDX", 8);
    put_u32(p + 12, (uint32_t)index_entry_bytes());
    mend_images(p, size, p + at, n);
    set_sum(p + 56, p, 56);
    put_u64(trailer + 8, n);
    set_sum(trailer + 16, p + at, n);
    memcpy(trailer + 24, "COVEYEND", 8);
}

/* ---- The directory ---- */

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void remove_root(void)
{
    (void)unlink(segment);
    (void)unlink(snapshot);
    (void)rmdir(path);
    (void)rmdir(root);
}

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/covey-fuzz-XXXXXX");
    CHECK(mkdtemp(root));
    snprintf(path, sizeof path, "%s/data", root);
    snprintf(segment, sizeof segment, "%s/seg-00000001.log", path);
    snprintf(snapshot, sizeof snapshot, "%s/" SNAPSHOT_NAME, path);
    CHECK(mkdir(path, 0700) == 0);
    atexit(remove_root);
}

static void write_file(const char *name, const uint8_t *p, size_t n)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static void say(void *arg, const char *line)
{
    (void)arg;
    CHECK(strlen(line) > 0);
}

/* What an opening found. */
struct found {
    uint64_t records;
    uint32_t damaged;
};

/* Opens the log as a start does, and closes it. */
static int open_once(struct found *found)
{
    struct log_io io = log_io_os;
    struct table table;
    struct segments all;
    char why[1024] = "";
    io.fdatasync = io.fsync = no_sync;
    struct replay r = {
        .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .path = path,
        .io = &io,
        .table = &table,
        .segments = &all,
        .report = say,
        .why = why,
        .why_n = sizeof why,
    };
    CHECK(r.dir >= 0 && table_init(&table, 0) == 0);
    segments_init(&all);
    int error = replay_run(&r);
    CHECK(error == 0 || why[0]);
    if (!error) {
        table_opened(&table);
        /* an image with sums that fit is believed where its keys belong: only we put those right */
        if (r.snapshot_bytes == 0)
            index_check(&table.index);
        *found = (struct found){table.index.records, r.damaged};
    }
    table_close(&table);
    segments_close(&all);
    buf_close(&r.lost_states);
    close(r.dir);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct found first, again;
    if (!root[0])
        make_root();
    if (size < 4)
        return 0;
    size_t n = get_u32(data) < size - 4 ? get_u32(data) : size - 4, rest = size - 4 - n;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    mend_segment(copy + 4, n);
    mend_snapshot(copy + 4 + n, rest);
    write_file(segment, copy + 4, n);
    (void)unlink(snapshot);
    if (rest > 0)
        write_file(snapshot, copy + 4 + n, rest);
    free(copy);
    (void)check_directory(path, say, NULL);
    if (open_once(&first) != 0)
        return 0;
    /* Where there was damage, the next segment's header would say where this one ends; the mark
     * that did may have been cut. */
    CHECK(open_once(&again) == 0 && (first.damaged > 0 || again.records == first.records));
    return 0;
}
