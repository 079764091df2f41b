/* segment.h: one file of the log: a header, then records, appended. segment.c describes the format.
 *
 * One thread at a time owns the writing end of a segment; reads of what is published may go on
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
    /* with a whole group on top, offsets still fit 32 bits */
    SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,
    MARK_BYTES = RECORD_HEADER + 10,
};

#define SEGMENT_COPIES UINT64_MAX

/* The reserved name of the sync marks among the state records. */
#define MARK_NAME SLICE("log.synced")

struct segment {
    int fd;
    uint32_t number;         /* in its name, from 1 */
    uint64_t id;             /* random: marks carry it */
    uint32_t end;            /* bytes written, header included */
    uint32_t filled;         /* bytes up to which the file has zeros written ahead; >= end or 0 */
    uint32_t marked;         /* the bytes that the last mark vouches for */
    uint32_t mark_end;       /* where the last mark ends */
    _Atomic uint32_t synced; /* bytes known durable: at first the header */
    _Atomic bool broken;     /* a sync failed: no later one would tell the truth */
    uint32_t before;         /* the segment that was written before this one, 0: none ... */
    uint32_t before_end;     /* ... and where it ends */
    /* the log's position at its first byte; SEGMENT_COPIES: it holds copies, and puts are never
     * added */
    uint64_t base;
    uint32_t demanded; /* where its successor says that it ends; 0: nothing says */
    /* the loop's */
    uint16_t slot; /* its place in segments.h, and its name in the index */
    bool ended;    /* nothing is appended any more: sealed, or cut after a failure */
    /* its header is damaged: nothing says what it held, and all that is a record in it counts */
    bool wreck;
    bool first; /* a victim of compaction at once, whatever its share */
    bool aside; /* holds damage: when compacted it is renamed and not unlinked */
    /* opening found that damage: what was there and no entry names is in doubt already */
    bool doubted;
    /* when it ended, and what the log had written by then; 0 where that was another process's */
    uint64_t ended_us, ended_written;
    enum segment_stage {
        SEGMENT_USED,
        SEGMENT_DOOMED,  /* nothing needs it: it goes once a list without it ... */
        SEGMENT_PARTING, /* ... which is on its way ... */
        SEGMENT_PARTED,  /* ... is durable */
    } stage;
    uint32_t published;       /* all records before here are in the index */
    struct covered {          /* by the snapshot under way, or the one that was loaded: */
        uint32_t from, reach; /* it has all records before `from`, and names some before `reach` */
        uint64_t all, others; /* the tally of those before `from` */
    } covered;
    /* asked of the reader and not yet taken back; and backups that it is being held for */
    uint32_t reads;
    uint64_t pinned; /* bytes of records that compaction copied because nothing replaces them */
    struct kept {
        /* offsets of erased tombstones, rising (compact_judge.c says why they are here) ... */
        uint32_t *at;
        uint32_t n, cap;
        uint32_t until; /* ... which stay until every segment of a lower number is gone */
        uint64_t bytes;
    } kept;
};

/* "seg-00000001.log". */
void segment_name(uint32_t number, char out[SEGMENT_NAME]);

/* The number in the name of a segment; 0 when it is not one. */
uint32_t segment_number(const char *name);

/* Where the log's position stands when the segment that is written to ends as it is: the base of
 * the next. What was published counts, also where a failed sync made the segment end before it. */
uint64_t segment_next_base(const struct segment *s);

/* Makes an empty segment, durable with its name. before: the one that ended, NULL for none; base:
 * see the field. 0, ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY. */
int segment_create(int dir, uint32_t number, const struct segment *before, uint64_t base,
                   const struct log_io *io, struct segment **out);

/* Looks at a header: 0; ERR_CORRUPT (damaged); ERR_REFUSED (whole, but of another segment, and
 * *says is the number of that one); ERR_BAD_FORMAT (*says is its version, which is none that we
 * know). */
int segment_header(const uint8_t header[SEGMENT_HEADER], uint32_t number, uint32_t *says);

/* Opens a file and reads its header; `end` is then the header's end. 0, ERR_IO, ERR_NO_MEMORY, or
 * as segment_header: ERR_CORRUPT also of a file that is too short for one. */
int segment_open(int dir, uint32_t number, struct segment **out, uint32_t *says);

/* Opens a file whose header is damaged, as one that is to be carried out and set aside. 0, ERR_IO
 * or ERR_NO_MEMORY. */
int segment_open_wreck(int dir, uint32_t number, struct segment **out);

/* Closes the file, if it is open, and frees the rest; zeros written ahead are cut off first. */
void segment_close(struct segment *s);

/* Closes the file alone. Where its name is gone that takes long (64 MiB: 40 ms, and 300 while the
 * disk is busy). */
void segment_close_file(struct segment *s);

/* Appends bytes, behind a mark when more is synced than the last mark says. *base is where they
 * begin. `ahead` keeps zeros written ahead up to `limit`. 0, ERR_IO (also when a sync has failed)
 * or ERR_NO_SPACE: the end stays where it was and what lies behind it is garbage. */
int segment_append(struct segment *s, const struct log_io *io, struct slice bytes, bool ahead,
                   uint32_t limit, uint32_t *base);

/* Makes everything up to `end` durable. May run beside segment_append of another thread when `end`
 * was taken before. 0, ERR_IO, ERR_NO_SPACE. */
int segment_sync(struct segment *s, const struct log_io *io, uint32_t end);

/* Syncs, and ends the segment with a mark that vouches for all of it; does nothing when it ends
 * with one already. */
int segment_seal(struct segment *s, const struct log_io *io);

/* After a failed write or sync: the segment ends with what is known to be durable. What lies behind
 * is garbage; its successor's header, and the list, say where the end is. */
void segment_cut(struct segment *s);

/* Reads up to n bytes at `at`, with the flags of preadv2. Bytes read (fewer only at the end of the
 * file, or of what is cached), or -errno. */
ssize_t segment_read(const struct segment *s, const struct log_io *io, void *p, size_t n,
                     uint32_t at, int flags);

/* The offset of the first whole record behind a damaged one at the start of bytes; 0 when there is
 * none. */
size_t segment_resync(struct slice bytes);

/* True for a sync mark of this segment; *vouched is then what it vouches for. */
bool segment_is_mark(const struct segment *s, const struct record *r, uint32_t *vouched);

#endif
