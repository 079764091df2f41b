/* hints_file.h: one file of a target's hints. Inside store/ and its tests only.
 *
 *     DIR/hints/<target, 16 hex digits>-<number, 8 digits>.log
 *         "COVEYHNT" | u32 format (2) | u32 number | u64 target | u64 XXH3-64 of the 24 before
 *         records (wire/record.h), back to back: hints, and among them head marks
 *
 * All numbers are little-endian.
 *
 * The location of a record is (number of the file << 32 | offset behind the record). A head mark is
 * a state record of the name "hints.head". Its stamp is the location up to which hints are dropped.
 * The greatest of a target's head marks counts.
 *
 * Only the process that made a file appends to it. What a crash tore at the end of a file is cut
 * off: nobody reads beyond the last good record, and the next hints go into a new file. Damage in
 * the middle costs the rest of that file: anti-entropy repairs what hints do not.
 *
 *     phase    appended to   comes next
 *     OPEN     yes           CLOSED: it is full or damaged, an append failed, or a start found it
 *                            REMOVED: all its hints are dropped, or too old
 *     CLOSED   no            REMOVED: likewise (CLOSED: a second reason)
 *     REMOVED  no            - (the helper deletes it) */
#ifndef COVEY_STORE_HINTS_FILE_H
#define COVEY_STORE_HINTS_FILE_H

#include "base/buf.h"
#include "store/log_io.h"
#include "wire/record.h"

enum {
    HINTS_HEADER = 32,
    HINTS_FORMAT = 2,
    HINTS_FILE_NAME = 32,
    /* bytes in a file before the next is begun: hints that were replayed, or are too old, go by
     * whole files */
    HINTS_FILE_MAX = 4 * 1024 * 1024,
};

enum hints_file_phase { HINTS_FILE_OPEN, HINTS_FILE_CLOSED, HINTS_FILE_REMOVED };

struct hints_file {
    uint64_t target;
    uint32_t number;
    int fd;         /* the helper's once the hints are open; -1: the first append makes the file */
    uint32_t end;   /* all before this offset is durable and good */
    uint32_t hints; /* hints in the file that are not dropped */
    uint64_t newest_ms; /* the wall time of the newest stamp in the file */
    uint8_t phase;      /* enum hints_file_phase */
    uint32_t format;    /* after hints_file_open: the format that the header names */
};

/* What a scan found in a file. */
struct hints_scan {
    uint32_t end;       /* the offset behind the last good record */
    uint32_t hints;     /* hints behind the head that was asked for */
    uint64_t newest_ms; /* the wall time of the newest stamp */
    uint64_t head;      /* the greatest head mark; 0: there is none */
    uint32_t cut;       /* bytes behind the last good record: a torn tail, or damage */
};

/* Enters a phase that the table above allows. */
void hints_file_enter(struct hints_file *f, enum hints_file_phase phase);

/* The bytes of a file as they count against the caps: none before the first append is durable. */
static inline uint32_t hints_file_bytes(const struct hints_file *f)
{
    return f->end > HINTS_HEADER ? f->end : 0;
}

static inline uint64_t hints_location(uint32_t number, uint32_t offset)
{
    return (uint64_t)number << 32 | offset;
}

void hints_file_name(uint64_t target, uint32_t number, char out[HINTS_FILE_NAME]);

/* The target and the number in the name of a file; false when it is no such name. */
bool hints_file_parse(const char *name, uint64_t *target, uint32_t *number);

/* Makes the file with its header; its name in the directory is durable. 0, ERR_IO or
 * ERR_NO_SPACE. */
int hints_file_create(struct hints_file *f, int dir, const struct log_io *io);

/* Writes bytes at `at`, all of them. 0, ERR_IO or ERR_NO_SPACE. */
int hints_file_write(const struct hints_file *f, const struct log_io *io, struct slice bytes,
                     uint32_t at);

/* Reads up to n bytes at `at` into out, which is cleared first, and the rest of the first record if
 * it is longer. 0, ERR_IO or ERR_NO_MEMORY. */
int hints_file_read(const struct hints_file *f, const struct log_io *io, uint32_t at, uint32_t n,
                    struct buf *out);

/* Opens the file for reading and looks at its header; f->fd is the descriptor. 0, ERR_BAD_FORMAT,
 * ERR_CORRUPT (it is no header of ours), ERR_IO or ERR_NO_MEMORY; then it is closed again. */
int hints_file_open(struct hints_file *f, int dir, const struct log_io *io);

/* Looks through all records of an open file. Hints at locations up to `head` are not counted. 0,
 * ERR_IO, ERR_TOO_BIG or ERR_NO_MEMORY. */
int hints_file_scan(const struct hints_file *f, const struct log_io *io, uint64_t head,
                    struct hints_scan *scan);

/* Appends a head mark. Errors as buf_reserve. */
int hints_mark(struct buf *out, uint64_t target, uint64_t head);

#endif
