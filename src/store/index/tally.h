/* tally.h: how many bytes were written to each segment, and how many of them still count.
 *
 * Values are counted at their uncompressed size, because that is all that the index knows of a
 * record that is overwritten. So the fraction of dead bytes is right, and a sum is an upper
 * bound. */
#ifndef COVEY_STORE_TALLY_H
#define COVEY_STORE_TALLY_H

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/record.h"

struct tally {
    uint64_t all, live; /* bytes written; bytes of these that still count */
    uint64_t others;    /* of all, dead or not: records of neither values nor the node's state */
};

struct tallies {
    struct tally *of; /* by ordinal */
    uint32_t n;
    uint64_t died;    /* bytes that ever ceased to count: compaction sees that it has grown */
    uint64_t written; /* bytes that were ever written */
};

/* The bytes that a record is counted as. */
static inline uint64_t tally_weight(size_t key_n, size_t value_n)
{
    return RECORD_HEADER + key_n + value_n;
}

/* Makes room for a segment, before anything is counted there. 0 or ERR_NO_MEMORY. */
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
