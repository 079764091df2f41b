/* burial.h: what a flush covers becomes a deletion in the index: a walk over all of it, in slices.
 *
 * Problem: FLUSHALL is one record, but a million entries must learn of it: 0.2 us each, which is no
 * step of a loop that also gossips. So a flush only sets its stamp and begins a burial; the store's
 * owner goes on with it, a slice in each turn. The flush is answered at once: from then on nobody
 * sees what it covers.
 *
 * Nobody sees how far it is: a look-up applies the flush to the entry that it finds
 * (table_flushed), a merge to its result. Counts leave out what it has yet to come to: where the
 * flush is above all that was ever put, as it mostly is, that is all that lived when it came, and
 * was not written anew since. Else, and after an opening or a new cut of the ring, it is not known,
 * and counts wait for the end. The Merkle trees come to the flush piece by piece, and differ from
 * others' meanwhile: at worst a deletion is sent that the other has already.
 *
 * A flush that comes during a burial begins it anew. At an opening the stamp alone is read, and the
 * walk follows while the node serves, so that a start never waits for it.
 *
 * Puts go on meanwhile. A put merges under the flush itself; and the index may split buckets, but
 * only moves their entries to buckets behind the last, which the walk has yet to come to. */
#ifndef COVEY_STORE_BURIAL_H
#define COVEY_STORE_BURIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/queue.h"

enum { BURIAL_SLICE = 2048 }; /* buckets in a turn: some 4,000 entries, a millisecond */

struct burial {
    bool under_way;
    uint32_t arc, bucket; /* the next to walk through */
    /* in each arc, of what counts as live: what the flush covers and the walk has yet to come to;
     * NULL: not known, and */
    uint32_t *covered;
    struct queue counts; /* counts (struct question) are answered at the end */
};

struct table;

void burial_init(struct burial *b);
void burial_close(struct burial *b);

/* Begins to walk, from the start. To be called also when the ring was cut anew under way. */
void burial_begin(struct burial *b);

/* What was begun just now is for a flush that is above all that is here. */
void burial_covers_all(struct table *t);

/* A live entry of that arc, which the flush covers, is overwritten or buried. */
static inline void burial_overtaken(struct burial *b, uint32_t arc)
{
    if (b->covered && b->covered[arc] > 0)
        b->covered[arc]--;
}

/* Whether it is not known how much of what counts as live is covered. */
static inline bool burial_hides(const struct burial *b)
{
    return b->under_way && !b->covered;
}

/* Takes what it has yet to come to, where that is known, out of the counts of all n arcs. */
void burial_leave_out(const struct burial *b, uint32_t *live, uint32_t n);

/* Goes through up to so many buckets. True while there are more. */
bool burial_step(struct table *t, uint32_t buckets);

#endif
