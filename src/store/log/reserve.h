/* reserve.h: a file that holds room on the disk, so that a full disk still takes what makes room
 * again.
 *
 * DIR/reserve is preallocated when the log is opened. When a write meets a full disk the file is
 * removed, and the write is tried again. From then on values are refused; only deletions, state
 * records and compaction go on, until the file can be made again. "There is room" means that this
 * file exists: so a disk that is nearly full does not make the log go back and forth. */
#ifndef COVEY_STORE_RESERVE_H
#define COVEY_STORE_RESERVE_H

#include <stdatomic.h>

#include <stdbool.h>
#include <stdint.h>

#include "store/log_io.h"

/* The live part of any segment that is worth compacting is 60 % of 64 MiB, and fits the 40 MiB that
 * are for copies. The other 8 MiB take fifty thousand deletions. So however full the disk is,
 * deleting 40 % of what a segment holds makes room again. */
enum { RESERVE_BYTES = 48 * 1024 * 1024 };

struct reserve {
    const struct log_io *io;
    int dir;
    off_t bytes;       /* of the file */
    _Atomic bool held; /* the file is there */
};

/* Makes the file, or finds that it is there. 0, ERR_NO_SPACE or ERR_IO. */
int reserve_take(struct reserve *r);

/* Removes the file, which gives its room to others. False when that was done before. Any thread. */
bool reserve_release(struct reserve *r);

/* Bytes of the room that a copy may take; the rest is for deletions. */
static inline uint64_t reserve_for_copies(const struct reserve *r)
{
    return (uint64_t)(r->bytes - r->bytes / 6);
}

static inline bool reserve_held(const struct reserve *r)
{
    return atomic_load(&((struct reserve *)(uintptr_t)r)->held);
}

#endif
