/* burial.h: what a flush covers becomes a deletion in the index: a walk over all of it, in slices.
 *
 * Problem: FLUSHALL is one record, but a million entries must learn of it: 0.2 us each, which is no step of a loop that also
 * gossips. So a flush only sets its stamp and begins a burial; the store's owner goes on with it, a slice in each turn. The flush
 * is answered at once: from then on nobody sees what it covers.
 *
 * Nobody sees how far it is: a look-up applies the flush to the entry that it finds (table_flushed), a merge to its result.
 * Counts wait for its end. The Merkle trees come to the flush piece by piece, and differ from others' meanwhile: at worst
 * a deletion is sent that the other has already.
 *
 * A flush that comes during a burial begins it anew. At an opening the
 * stamp alone is read, and the walk follows while the node serves, so that a start never waits for it.
 *
 * Puts go on meanwhile. A put merges under the flush itself; and the index may split buckets, but only moves their entries
 * to buckets behind the last, which the walk has yet to come to. */
#ifndef COVEY_STORE_BURIAL_H
#define COVEY_STORE_BURIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/queue.h"

enum { BURIAL_SLICE = 2048 }; /* buckets in a turn: some 4,000 entries, a millisecond */

struct burial {
    bool under_way;
    uint32_t arc, bucket; /* the next to walk through */
    struct queue counts;  /* struct question: to be answered at the end */
};

struct table;

void burial_init(struct burial *b);
void burial_close(struct burial *b);

/* Begins to walk, from the start. To be called also when the ring was cut anew under way. */
void burial_begin(struct burial *b);

/* Goes through up to so many buckets. True while there are more. */
bool burial_step(struct table *t, uint32_t buckets);

#endif
