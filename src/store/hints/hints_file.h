/* hints_file.h: one file of a target's hints. Inside store/ and its tests only.
 *
 *     DIR/hints/<target, 16 hex digits>-<number, 8 digits>.log
 *         "COVEYHNT" | u32 format (2) | u32 number | u64 target | u64 XXH3-64 of the 24 before, little-endian
 *         records (wire/record.h), back to back: hints, and among them head marks
 *
 * A place is (number << 32 | offset behind the record). A head mark is a state record of the name
 * "hints.head" whose stamp is the place up to which hints are dropped; the greatest one holds. A
 * file is appended to only by the process that made it: what a crash tore at its end is cut by not
 * looking behind the last good record, and the next hints go into a new file. Damage in the middle
 * costs the rest of that file (anti-entropy repairs what hints do not). */
#ifndef COVEY_STORE_HINTS_FILE_H
#define COVEY_STORE_HINTS_FILE_H

#include "base/buf.h"
#include "store/log_io.h"
#include "wire/record.h"

enum {
    HINTS_HEADER = 32,
    HINTS_FORMAT = 2,
    HINTS_FILE_NAME = 32,
    HINTS_FILE_MAX =
        /* bytes before the next file is begun: what is replayed goes in such pieces, and ages in
         * them */
    4 * 1024 * 1024,
};

struct hints_file {
    uint64_t target;
    uint32_t number;
    /* the helper's once the hints are open; -1: to be made by the first append */
    int fd;
    uint32_t end;       /* good up to here */
    uint32_t hints;     /* in it and not dropped */
    uint64_t newest_ms; /* the wall time of the newest stamp in it */
    bool closed;        /* nothing more is appended */
    bool removed;       /* its removal is under way */
    uint32_t says;      /* with ERR_BAD_FORMAT of an opening: the format that it names */
};

/* What a file was found to hold at opening. */
struct hints_scan {
    uint32_t end, hints;
    uint64_t newest_ms;
    uint64_t head; /* the greatest head mark in it, 0 for none */
    uint32_t cut;  /* bytes behind the last good record: a torn tail, or damage */
};

static inline uint64_t hints_location(uint32_t number, uint32_t offset)
{
    return (uint64_t)number << 32 | offset;
}

void hints_file_name(uint64_t target, uint32_t number, char out[HINTS_FILE_NAME]);

/* The target and number in a file's name; false when it is no such name. */
bool hints_file_parse(const char *name, uint64_t *target, uint32_t *number);

/* Makes the file with its header, in the directory and durably so. 0, ERR_IO or ERR_NO_SPACE. */
int hints_file_create(struct hints_file *f, int dir, const struct log_io *io);

/* Writes bytes at `at`, all of them. 0, ERR_IO or ERR_NO_SPACE. */
int hints_file_write(const struct hints_file *f, const struct log_io *io, struct slice bytes,
                     uint32_t at);

/* Reads up to n bytes at `at` into out (cleared first), and as many more as the first record there
 * needs. 0, ERR_IO or ERR_NO_MEMORY. */
int hints_file_read(const struct hints_file *f, const struct log_io *io, uint32_t at, uint32_t n,
                    struct buf *out);

/* Opens the file for reading and looks through all of it; hints at places up to `head` are not
 * counted. 0, ERR_BAD_FORMAT, ERR_CORRUPT (no header of ours), ERR_IO, ERR_NO_MEMORY. The
 * descriptor is in f->fd unless there was an error. */
int hints_file_open(struct hints_file *f, int dir, const struct log_io *io);
int hints_file_scan(const struct hints_file *f, const struct log_io *io, uint64_t head,
                    struct hints_scan *scan);

/* Appends a head mark. Errors as buf_reserve. */
int hints_mark(struct buf *out, uint64_t target, uint64_t head);

#endif
