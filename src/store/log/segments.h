/* segments.h: the segments that a log has, by slot, and the numbers of those to come.
 *
 * An index entry names its segment by a slot (2 bytes), a file by a number that is never used
 * again. A slot is free again once its segment is gone, and a segment goes only when no entry names
 * its slot. The slots belong to the loop's thread; numbers are drawn by the helpers, which make the
 * files. */
#ifndef COVEY_STORE_SEGMENTS_H
#define COVEY_STORE_SEGMENTS_H

#include <pthread.h>

#include "base/buf.h"
#include "store/log/segment.h"

enum { SLOTS_MAX = UINT16_MAX }; /* segments at once: 4 TiB of the default size */

/* The name among the state records of the list of segments: what it lists must be there at the next
 * start. */
#define LIST_NAME SLICE("log.segments")

/* The name of the last of the node's own records that a segment begins with (log_states.c). */
#define STATES_NAME SLICE("log.states")

/* The next number. It is drawn and the file made under one lock, so that numbers have no gaps
 * though making a file may fail. */
struct numbers {
    pthread_mutex_t lock;
    _Atomic uint32_t next; /* read without the lock by who only asks */
};

struct segments {
    struct segment **slot; /* NULL: free */
    uint32_t slot_n;       /* slots ever used: all used ones are below */
    uint32_t n;            /* segments there are */
    uint32_t leaving;      /* of these, not in use any more */
    struct segment *active;
    struct numbers numbers;
};

void segments_init(struct segments *all);

/* Closes every segment. */
void segments_close(struct segments *all);

/* Makes sure that two calls of segments_add find a place: one for the committer, one for
 * compaction. False when there can be none. */
bool segments_reserve(struct segments *all);

/* Takes a segment in and gives it a slot. */
void segments_add(struct segments *all, struct segment *s);

/* The same into a given slot, at opening. 0 or ERR_NO_MEMORY. */
int segments_add_at(struct segments *all, struct segment *s, uint16_t slot);

/* The one of a number among segments that are sorted by it; NULL: there is none. */
struct segment *segments_numbered(struct segment *const *sorted, uint32_t n, uint32_t number);

/* Nothing needs the segment any more. */
void segments_doom(struct segments *all, struct segment *s);

/* Frees the slot of a segment that has gone; the caller closes it. */
void segments_remove(struct segments *all, struct segment *s);

/* Makes the file of the next number, to follow `before` (NULL: none), at that base. 0, ERR_IO,
 * ERR_NO_SPACE, ERR_NO_MEMORY. Any thread. */
int segments_create(struct numbers *numbers, int dir, const struct segment *before, uint64_t base,
                    const struct log_io *io, struct segment **out);

/* ---- The list: u32 next number, then u32 number and u32 end of each; the end is 0 while it is
 * written to. ---- */

/* Appends the list of all segments that are in use. 0 or ERR_NO_MEMORY. */
int segments_list(const struct segments *all, struct buf *out);

/* The next number as a list has it; 1, the first of all, for bytes that are none. */
uint32_t segments_list_next(struct slice list);

/* Item i of a list; false behind the last. */
bool segments_listed(struct slice list, uint32_t i, uint32_t *number, uint32_t *end);

#endif
