/* reserve.h: a file that holds room on the disk, so that a full disk still takes what makes room again.
 *
 * DIR/reserve is preallocated when the log is opened. When a write meets a full disk the file is removed and the write tried
 * again. From then on values are refused and only deletions, state records and compaction go on, until the file can be made
 * again: that it stands is what "there is room" means, so that a disk at its edge does not make the log flutter. */
#ifndef COVEY_STORE_RESERVE_H
#define COVEY_STORE_RESERVE_H

#include <stdatomic.h>

#include "store/log_io.h"

enum { RESERVE_BYTES = 16 * 1024 * 1024 }; /* a hundred thousand deletions, or the live part of a segment worth compacting */

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

static inline bool reserve_held(const struct reserve *r)
{
    return atomic_load(&((struct reserve *)(uintptr_t)r)->held);
}

#endif
