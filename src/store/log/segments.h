/* segments.h: the segments that a log has, by ordinal, and the numbers of those to come.
 *
 * A segment has two names. Its *number* names its file and is never used again. Its *ordinal* is
 * the small number by which entries of the index name it (2 bytes). An ordinal is free again once
 * its segment is gone, and a segment goes only when no entry names its ordinal.
 *
 * The ordinals belong to the loop's thread. Numbers are drawn by the helpers, which make the files.
 *
 * The last part of a segment's life, which begins when compaction has emptied it:
 *
 *     USED ---> DOOMED ---> UNLISTING ---> UNLISTED ---> unlinked, its ordinal free
 *                 ^             |
 *                 '-------------'  the list of segments without it was not written
 *
 * log_tend.c says why a segment waits for a list without it. */
#ifndef COVEY_STORE_SEGMENTS_H
#define COVEY_STORE_SEGMENTS_H

#include <pthread.h>

#include "base/buf.h"
#include "store/log/segment.h"

enum { SEGMENTS_MAX = UINT16_MAX }; /* segments at once: 4 TiB of the default size */

/* The name among the state records of the list of segments: what it lists must be there at the next
 * start. */
#define LIST_NAME SLICE("log.segments")

/* The name of the last of the node's own records that a segment begins with (log_states.c). */
#define STATES_NAME SLICE("log.states")

/* The next number. It is drawn and the file made under one lock, so that numbers have no gaps
 * though making a file may fail. */
struct numbers {
    pthread_mutex_t lock;
    _Atomic uint32_t next; /* may be read without the lock, where nothing is drawn */
};

struct segments {
    struct segment **of; /* by ordinal; NULL: the ordinal is free */
    uint32_t ordinal_n;  /* entries of `of`: all ordinals in use are below */
    uint32_t n;          /* segments there are */
    uint32_t leaving;    /* segments that are DOOMED, UNLISTING or UNLISTED */
    struct segment *active;
    struct numbers numbers;
};

void segments_init(struct segments *all);

/* Closes every segment. */
void segments_close(struct segments *all);

/* Makes sure that two calls of segments_add find an ordinal: one for the committer, one for
 * compaction. False when memory is out, or there are SEGMENTS_MAX segments. */
bool segments_reserve(struct segments *all);

/* Takes a segment in and gives it an ordinal. */
void segments_add(struct segments *all, struct segment *s);

/* Takes a segment in under an ordinal that is free, at opening. 0 or ERR_NO_MEMORY. */
int segments_add_at(struct segments *all, struct segment *s, uint16_t ordinal);

/* Whether the segment was taken in. */
static inline bool segments_have(const struct segments *all, const struct segment *s)
{
    return s->ordinal < all->ordinal_n && all->of[s->ordinal] == s;
}

/* The segments by rising ordinal: the next one from *i on, which is 0 at first; NULL: no more. */
static inline struct segment *segments_next(const struct segments *all, uint32_t *i)
{
    while (*i < all->ordinal_n && !all->of[*i])
        ++*i;
    return *i < all->ordinal_n ? all->of[(*i)++] : NULL;
}

/* The one of a number among segments that are sorted by it; NULL: there is none. */
struct segment *segments_numbered(struct segment *const *sorted, uint32_t n, uint32_t number);

/* Nothing needs the segment any more: USED to DOOMED. */
void segments_doom(struct segments *all, struct segment *s);

/* Moves all segments of one phase of leaving to another. */
void segments_advance(struct segments *all, enum segment_phase from, enum segment_phase to);

/* Frees the ordinal of an UNLISTED segment whose file is gone; the caller closes it. */
void segments_remove(struct segments *all, struct segment *s);

/* Makes the file of the next number, to follow `before` (NULL: none), at that base. 0, ERR_IO,
 * ERR_NO_SPACE, ERR_NO_MEMORY. Any thread. */
int segments_create(struct numbers *numbers, int dir, const struct segment *before, uint64_t base,
                    const struct log_io *io, struct segment **out);

/* ---- The list: u32 next number, then u32 number and u32 end of each; the end is 0 while the
 * segment is written to. ---- */

/* Appends the list of all segments that are in use. 0 or ERR_NO_MEMORY. */
int segments_list(const struct segments *all, struct buf *out);

/* The next number as a list has it; 1, the first of all, for bytes that are no list. */
uint32_t segments_list_next(struct slice list);

/* Item i of a list; false behind the last. */
bool segments_listed(struct slice list, uint32_t i, uint32_t *number, uint32_t *end);

#endif
