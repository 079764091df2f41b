/* reserve.h: a file that holds room on the disk, so that a full disk still takes what makes room
 * again.
 *
 * DIR/reserve is preallocated when the log is opened. When a write meets a full disk the file is
 * removed and the write tried again. From then on values are refused and only deletions, state
 * records and compaction go on, until the file can be made again: that it stands is what "there is
 * room" means, so that a disk at its edge does not make the log flutter. */
#ifndef COVEY_STORE_RESERVE_H
#define COVEY_STORE_RESERVE_H

#include <stdatomic.h>

#include <stdbool.h>
#include <stdint.h>

#include "store/log_io.h"

/* The live part of any segment that is worth compacting (60 % of 64 MiB), and a sixth on top, which
 * is kept for deletions: fifty thousand of them. So however full the disk is, deleting 40 % of what
 * a segment holds makes room again. */
enum { RESERVE_BYTES = 48 * 1024 * 1024 };

struct reserve {
    const struct log_io *io;
    int dir;
    off_t bytes;
    _Atomic bool held;
};

/* Makes the file, or finds it. 0, ERR_NO_SPACE or ERR_IO. */
int reserve_take(struct reserve *r);

/* Gives the room away; false when it was given away before. Any thread. */
bool reserve_release(struct reserve *r);

/* What a copy may take of the room; the rest is for deletions. */
static inline uint64_t reserve_for_copies(const struct reserve *r)
{
    return (uint64_t)(r->bytes - r->bytes / 6);
}

static inline bool reserve_held(const struct reserve *r)
{
    return atomic_load(&((struct reserve *)(uintptr_t)r)->held);
}

#endif
