/* bits.h: a bit for each of many things, in a run of bytes: thing i is bit i % 8 of byte i / 8. And
 * powers of two. */
#ifndef COVEY_BASE_BITS_H
#define COVEY_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bit_at(const uint8_t *bits, size_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static inline void bit_set(uint8_t *bits, size_t i)
{
    bits[i / 8] |= (uint8_t)(1 << i % 8);
}

static inline void bit_clear(uint8_t *bits, size_t i)
{
    bits[i / 8] &= (uint8_t) ~(1 << i % 8);
}

/* How many of eight things are in a set. */
static inline unsigned bits_count(uint8_t set)
{
    unsigned n = 0;
    for (; set; set &= (uint8_t)(set - 1))
        n++;
    return n;
}

/* Also thins out log lines of an event that repeats: it is logged at counts 1, 2, 4, 8 ... */
static inline bool power_of_two(uint64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

#endif
