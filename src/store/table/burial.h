/* burial.h: a walk that turns what a flush covers into deletions in the index, in slices.
 *
 * Problem: FLUSHALL is one record, but a million entries must change for it. At 0.2 us each that is
 * no single step for a loop that also gossips. So a flush only sets its stamp and begins a burial.
 * The store's owner goes on with the burial, a slice in each turn. The flush is answered at once:
 * from then on no reader sees what it covers.
 *
 * Nothing shows how far a burial is. A look-up applies the flush to the entry that it finds
 * (table_flushed), and a merge to its result. Counts leave out the entries that are covered and not
 * buried yet. Their number is known when the flush is above all stamps that were ever put, as it
 * mostly is: then it is all that was live when the flush came, less what was written anew since.
 * Else, and after an opening or a new cut of the ring, it is not known, and counts wait for the end
 * of the burial. The Merkle trees change as the burial goes on, and differ from those of other
 * owners meanwhile: at worst a deletion is sent to an owner that has it already.
 *
 *     phase    the walk    left to bury   comes next
 *     REST     -           nothing        BLIND: a flush came
 *     BLIND    under way   not known      COUNTED: the flush is above all that was ever put
 *                                         BLIND: another flush came, or the ring was cut anew
 *                                         REST: the walk is through
 *     COUNTED  under way   `covered`      BLIND and REST: as above
 *
 * A flush that comes during a burial begins it anew. At an opening only the stamps are read, and
 * the burial follows while the node serves, so that a start never waits for it.
 *
 * Puts go on meanwhile. A put applies the flush itself when it merges. The index may split buckets
 * meanwhile, but it only moves entries to buckets behind the last one, which the walk has yet to
 * come to. */
#ifndef COVEY_STORE_BURIAL_H
#define COVEY_STORE_BURIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/queue.h"

enum { BURIAL_SLICE = 2048 }; /* buckets in a turn: some 4,000 entries, a millisecond */

enum burial_phase { BURIAL_REST, BURIAL_BLIND, BURIAL_COUNTED };

struct burial {
    uint8_t phase;        /* enum burial_phase */
    uint32_t arc, bucket; /* the walk goes on here */
    uint32_t *covered;    /* COUNTED: by arc, entries that count as live and are yet to be buried */
    struct queue counts;  /* struct question: the counts that wait for the end of the burial */
};

struct table;

void burial_init(struct burial *b);
void burial_close(struct burial *b);

/* Begins a burial, or begins it anew: after a flush, or when the ring was cut during a burial. */
void burial_begin(struct burial *b);

/* The burial that has just begun is for a flush that covers every record here. */
void burial_covers_all(struct table *t);

static inline bool burial_under_way(const struct burial *b)
{
    return b->phase != BURIAL_REST;
}

/* A live entry of that arc, which the flush covers, is overwritten or buried. */
static inline void burial_overtaken(struct burial *b, uint32_t arc)
{
    if (b->phase == BURIAL_COUNTED && b->covered[arc] > 0)
        b->covered[arc]--;
}

/* Takes what is yet to be buried, where that is known, out of the live counts of all n arcs. */
void burial_leave_out(const struct burial *b, uint32_t *live, uint32_t n);

/* Walks through so many buckets at most. True while the burial is under way. */
bool burial_step(struct table *t, uint32_t buckets);

#endif
