/* segment.h: one file of the log: a header, then records, appended. segment.c describes the format.
 *
 * One thread at a time owns the writing end of a segment. Reads of what is published may go on
 * beside it. */
#ifndef COVEY_STORE_SEGMENT_H
#define COVEY_STORE_SEGMENT_H

#include <stdatomic.h>

#include "base/slice.h"
#include "store/log_io.h"
#include "wire/record.h"

enum {
    SEGMENT_HEADER = 64,
    SEGMENT_FORMAT = 3,
    /* bytes of "seg-00000001.log" with its NUL, and of the name it has while it is made */
    SEGMENT_NAME = 24,
    SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024,
    /* offsets still fit 32 bits when a group goes on top */
    SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,
    MARK_BYTES = RECORD_HEADER + 10,
};

/* The base of a segment that compaction writes to. */
#define SEGMENT_COPIES UINT64_MAX

/* The reserved name of the sync marks among the state records. */
#define MARK_NAME SLICE("log.synced")

/* The end of a segment's life; segments.h has the diagram. */
enum segment_phase {
    SEGMENT_USED,
    SEGMENT_DOOMED,    /* nothing needs it: it goes once a list without it is durable */
    SEGMENT_UNLISTING, /* such a list is on its way */
    SEGMENT_UNLISTED,  /* such a list is durable */
};

struct segment {
    /* ---- Of the file. While a group is out (log_write.c), or compaction copies, these belong to
     * the helper that writes. ---- */

    int fd;
    uint32_t number;         /* in its name, from 1 */
    uint64_t id;             /* random: the segment's own sync marks carry it */
    uint32_t end;            /* bytes written, header included */
    uint32_t filled;         /* where the zeros written ahead end: at or above `end`, or 0 */
    uint32_t marked;         /* bytes that the last mark vouches for */
    uint32_t mark_end;       /* where the last mark ends */
    _Atomic uint32_t synced; /* bytes known to be durable: at first the header */
    _Atomic bool broken;     /* a sync failed: no later one would tell the truth */
    uint32_t before;         /* the number of the segment written before this one; 0: none */
    uint32_t before_end;     /* where that segment ends, as this one's header says */
    uint32_t demanded;       /* where its successor's header says that this one ends; 0: unknown */
    /* The log's position at the first byte of the file. SEGMENT_COPIES: compaction writes to it,
     * and puts never do. */
    uint64_t base;

    /* ---- The loop's ---- */

    uint16_t ordinal; /* its number in the index (segments.h) */
    uint8_t phase;    /* enum segment_phase, changed by segments.c alone */
    /* nothing is appended any more: it is sealed, or was cut after a failure */
    bool ended;
    bool wreck; /* the header is damaged: whatever is a record in the file counts */
    bool first; /* compaction takes it next, however little of it is dead */
    /* it holds damage: compaction renames the file and does not unlink it */
    bool aside;
    /* the damage was found at the opening: its slots are in doubt already */
    bool doubted;
    uint32_t published;     /* all records before this offset are in the index */
    uint32_t reads;         /* reads under way, and backups that need the file: it stays until 0 */
    uint64_t ended_us;      /* when it ended; 0: in an earlier process */
    uint64_t ended_written; /* bytes that the log had written when the segment ended */
    uint64_t pinned;        /* bytes of records that are copied always (compact_judge.c) */

    /* What the snapshot has of the segment: the one under way, or the one that was loaded. */
    struct covered {
        uint32_t complete_to; /* the snapshot has all records before this offset */
        uint32_t named_to;    /* no entry of the snapshot names a record at or behind this offset */
        uint64_t all, others; /* the segment's tally up to complete_to */
    } covered;

    /* Erasures that compaction brought along, though they are dead (compact_judge.c). */
    struct carried {
        uint32_t *at; /* their offsets, rising */
        uint32_t n, cap;
        uint32_t until; /* they stay until every segment with a number below this is gone */
        uint64_t bytes; /* what they weigh in the tally */
    } carried;
};

/* "seg-00000001.log". */
void segment_name(uint32_t number, char out[SEGMENT_NAME]);

/* The number in the name of a segment; 0 when it is not one. */
uint32_t segment_number(const char *name);

/* The base of the segment that follows s, when s ends as it is. What was published counts, also
 * where a failed sync made the segment end before it. */
uint64_t segment_next_base(const struct segment *s);

/* Makes an empty segment, durable with its name. before: the one that ended, NULL for none; base:
 * see the field. 0, ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY. */
int segment_create(int dir, uint32_t number, const struct segment *before, uint64_t base,
                   const struct log_io *io, struct segment **out);

/* Looks at a header: 0; ERR_CORRUPT (it is damaged); ERR_REFUSED (it is sound, but of another
 * segment: *says is the number of that one); ERR_BAD_FORMAT (*says is its version, which this
 * release does not know). */
int segment_header(const uint8_t header[SEGMENT_HEADER], uint32_t number, uint32_t *says);

/* Opens a file and reads its header; `end` is then the header's end. 0, ERR_IO, ERR_NO_MEMORY, or
 * as segment_header: ERR_CORRUPT also of a file that is too short for one. */
int segment_open(int dir, uint32_t number, struct segment **out, uint32_t *says);

/* Opens a file whose header is damaged, as one that compaction is to empty and set aside. 0, ERR_IO
 * or ERR_NO_MEMORY. */
int segment_open_wreck(int dir, uint32_t number, struct segment **out);

/* Closes the file, if it is open, and frees the rest; zeros written ahead are cut off first. */
void segment_close(struct segment *s);

/* Closes the file alone. Where its name is gone that takes long: 40 ms for 64 MiB, and 300 ms while
 * the disk is busy. */
void segment_close_file(struct segment *s);

/* Appends bytes; a mark goes before them when more is synced than the last mark says. *base: where
 * the bytes begin. ahead: keep zeros written ahead, up to the offset `limit`. 0, ERR_IO (also when
 * a sync has failed) or ERR_NO_SPACE; after an error the end stays where it was, and what lies
 * behind it is garbage. */
int segment_append(struct segment *s, const struct log_io *io, struct slice bytes, bool ahead,
                   uint32_t limit, uint32_t *base);

/* Makes everything before the offset `end` durable. It may run beside a segment_append or a
 * segment_sync of another thread, if `end` was read before. 0 or ERR_IO. */
int segment_sync(struct segment *s, const struct log_io *io, uint32_t end);

/* Syncs, and ends the segment with a mark that vouches for all of it. Does nothing to one that is
 * empty or ends with such a mark. 0, ERR_IO or ERR_NO_SPACE. */
int segment_seal(struct segment *s, const struct log_io *io);

/* After a failed write or sync: the segment ends with what is known to be durable. What lies behind
 * that end is garbage. The header of its successor, and the list, say where the end is. A segment
 * that has ended stays as it is. */
void segment_cut(struct segment *s);

/* Reads up to n bytes at `at`, with the flags of preadv2. Bytes read (fewer only at the end of the
 * file, or of what is cached), or -errno. */
ssize_t segment_read(const struct segment *s, const struct log_io *io, void *p, size_t n,
                     uint32_t at, int flags);

/* Where the first good record begins behind a damaged one that stands at the start of bytes; 0 when
 * there is none. */
size_t segment_resync(struct slice bytes);

/* True for a sync mark of this segment; *vouched: the bytes that it vouches for. */
bool segment_is_mark(const struct segment *s, const struct record *r, uint32_t *vouched);

#endif
