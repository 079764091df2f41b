/* tally.h: what was written to each segment and what of it still counts.
 *
 * In bytes, values taken at their uncompressed size, for that is what the index knows of a record
 * when it is overwritten: so a share of dead bytes is right, and a sum is an upper bound. */
#ifndef COVEY_STORE_TALLY_H
#define COVEY_STORE_TALLY_H

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/record.h"

struct tally {
    uint64_t all, live;
    uint64_t others; /* of all: of neither values nor the node's state, dead or not */
};

struct tallies {
    struct tally *of; /* by slot */
    uint32_t n;
    uint64_t died;    /* bytes that ceased to count, ever: so that whoever cares notices */
    uint64_t written; /* bytes, ever */
};

/* What a record weighs. */
static inline uint64_t tally_weight(size_t key_n, size_t value_n)
{
    return RECORD_HEADER + key_n + value_n;
}

/* Makes room for a slot; before anything is counted there. 0 or ERR_NO_MEMORY. */
static inline int tally_room(struct tallies *t, uint16_t segment)
{
    if (segment < t->n)
        return 0;
    uint32_t n = t->n ? t->n : 16;
    while (n <= segment)
        n *= 2;
    struct tally *grown = realloc(t->of, n * sizeof *grown);
    if (!grown)
        return ERR_NO_MEMORY;
    memset(grown + t->n, 0, (n - t->n) * sizeof *grown);
    t->of = grown;
    t->n = n;
    return 0;
}

static inline void tally_written(struct tallies *t, uint16_t segment, uint64_t bytes, uint8_t kind)
{
    t->written += bytes;
    t->of[segment].all += bytes;
    t->of[segment].others += kind == RECORD_VALUE || kind == RECORD_STATE ? 0 : bytes;
}

static inline void tally_live(struct tallies *t, uint16_t segment, uint64_t bytes)
{
    t->of[segment].live += bytes;
}

static inline void tally_dead(struct tallies *t, uint16_t segment, uint64_t bytes)
{
    t->of[segment].live -= bytes;
    t->died += bytes;
}

#endif
