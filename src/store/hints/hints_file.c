/* hints_file.c: see hints_file.h. */
#include "store/hints/hints_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/phase.h"
#include "store/hints/hints_batch.h"
#include "wire/bytes.h"

static const char MAGIC[8] = "COVEYHNT";
#define MARK_NAME SLICE("hints.head")

/* bytes of one file: more than HINTS_FILE_MAX and the largest append together */
enum { SCAN_MAX = 64 * 1024 * 1024 };

void hints_file_enter(struct hints_file *f, enum hints_file_phase phase)
{
    static const uint32_t next[] = {
        [HINTS_FILE_OPEN] = PHASE(HINTS_FILE_CLOSED) | PHASE(HINTS_FILE_REMOVED),
        [HINTS_FILE_CLOSED] = PHASE(HINTS_FILE_CLOSED) | PHASE(HINTS_FILE_REMOVED),
        [HINTS_FILE_REMOVED] = 0,
    };
    phase_enter(&f->phase, phase, next);
}

void hints_file_name(uint64_t target, uint32_t number, char out[HINTS_FILE_NAME])
{
    snprintf(out, HINTS_FILE_NAME, "%016" PRIx64 "-%08" PRIu32 ".log", target, number);
}

bool hints_file_parse(const char *name, uint64_t *target, uint32_t *number)
{
    char again[HINTS_FILE_NAME];
    if (sscanf(name, "%16" SCNx64 "-%8" SCNu32 ".log", target, number) != 2)
        return false;
    hints_file_name(*target, *number, again);
    return strcmp(name, again) == 0;
}

int hints_mark(struct buf *out, uint64_t target, uint64_t head)
{
    struct record r = {
        .kind = RECORD_STATE, .version = {.stamp = head, .node = target}, .key = MARK_NAME};
    return record_encode(out, &r);
}

/* ---- Writing ---- */

int hints_file_write(const struct hints_file *f, const struct log_io *io, struct slice bytes,
                     uint32_t at)
{
    struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
    return log_io_write(io, f->fd, &iov, 1, at);
}

int hints_file_create(struct hints_file *f, int dir, const struct log_io *io)
{
    char name[HINTS_FILE_NAME];
    uint8_t header[HINTS_HEADER];
    memcpy(header, MAGIC, sizeof MAGIC);
    uint8_t *p = put_u32(header + 8, HINTS_FORMAT);
    p = put_u32(p, f->number);
    p = put_u64(p, f->target);
    put_u64(p, hash_bytes(slice_of(header, 24)));
    hints_file_name(f->target, f->number, name);
    f->fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->fd < 0)
        return log_io_error(errno);
    int error = hints_file_write(f, io, slice_of(header, sizeof header), 0);
    if (!error && fsync(dir) != 0)
        error = log_io_error(errno);
    return error;
}

/* ---- Reading ---- */

/* Reads n bytes more into out, or up to the end of the file. */
static int read_more(const struct hints_file *f, const struct log_io *io, uint32_t at, size_t n,
                     struct buf *out)
{
    int error = buf_reserve(out, n);
    while (!error && n > 0) {
        struct iovec iov = {out->p + out->n, n};
        ssize_t got = io->preadv2(f->fd, &iov, 1, (off_t)at + (off_t)out->n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            return 0;
        out->n += (size_t)got;
        n -= (size_t)got;
    }
    return error;
}

int hints_file_read(const struct hints_file *f, const struct log_io *io, uint32_t at, uint32_t n,
                    struct buf *out)
{
    out->n = 0;
    int error = read_more(f, io, at, n, out);
    if (error || out->n < RECORD_HEADER)
        return error;
    uint32_t size = get_u32(out->p + 8);
    if (size > RECORD_MAX || size <= out->n)
        return 0;
    return read_more(f, io, at, size - out->n, out);
}

/* 0, ERR_CORRUPT (it is damaged, or the header of another file) or ERR_BAD_FORMAT. */
static int look_at_header(struct hints_file *f, uint8_t header[HINTS_HEADER])
{
    f->format = get_u32(header + 8);
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0)
        return ERR_CORRUPT;
    put_u32(header + 8, HINTS_FORMAT);
    bool sum_holds = get_u64(header + 24) == hash_bytes(slice_of(header, 24));
    /* Another version may keep its checksum elsewhere. Where it holds with our version in place of
     * the one that is there, that field alone is damaged. */
    if (f->format != HINTS_FORMAT)
        return sum_holds ? ERR_CORRUPT : ERR_BAD_FORMAT;
    return sum_holds && get_u64(header + 16) == f->target && get_u32(header + 12) == f->number
               ? 0
               : ERR_CORRUPT;
}

int hints_file_open(struct hints_file *f, int dir, const struct log_io *io)
{
    char name[HINTS_FILE_NAME];
    struct buf header;
    hints_file_name(f->target, f->number, name);
    f->fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return ERR_IO;
    buf_init(&header, HINTS_HEADER);
    int error = read_more(f, io, 0, HINTS_HEADER, &header);
    if (!error)
        error = header.n < HINTS_HEADER ? ERR_CORRUPT : look_at_header(f, header.p);
    buf_close(&header);
    if (error)
        close(f->fd);
    return error;
}

static void scan_record(const struct hints_file *f, const struct record *r, uint64_t location,
                        uint64_t head, struct hints_scan *scan)
{
    if (hints_is_hint(r)) {
        scan->hints += location > head;
        if (version_ms(&r->version) > scan->newest_ms)
            scan->newest_ms = version_ms(&r->version);
    } else if (r->version.node == f->target && slice_eq(r->key, MARK_NAME) &&
               r->version.stamp > scan->head) {
        scan->head = r->version.stamp;
    }
}

int hints_file_scan(const struct hints_file *f, const struct log_io *io, uint64_t head,
                    struct hints_scan *scan)
{
    struct buf all;
    *scan = (struct hints_scan){.end = HINTS_HEADER};
    buf_init(&all, SCAN_MAX);
    off_t size = lseek(f->fd, 0, SEEK_END);
    int error = size < 0          ? ERR_IO
                : size > SCAN_MAX ? ERR_TOO_BIG
                                  : read_more(f, io, 0, (size_t)size, &all);
    for (int n = 0; !error && scan->end < all.n; scan->end += (uint32_t)n) {
        struct record_view v;
        n = record_decode(slice_of(all.p + scan->end, all.n - scan->end), &v);
        if (n <= 0)
            break;
        scan_record(f, &v.record, hints_location(f->number, scan->end + (uint32_t)n), head, scan);
    }
    scan->cut = error ? 0 : (uint32_t)all.n - scan->end;
    buf_close(&all);
    return error;
}
