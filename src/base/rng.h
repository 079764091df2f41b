/* rng.h: seeded pseudo-random numbers (xoshiro256**, Blackman and Vigna 2018; seeded through
 * splitmix64).
 *
 * Not for secrets: ids and keys come from libsodium, in the rooms that may call the OS. Same seed,
 * same numbers, on every machine. */
#ifndef COVEY_BASE_RNG_H
#define COVEY_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);

/* 64 uniform bits. */
uint64_t rng_next(struct rng *r);

/* Uniform in [0, n), n > 0, without bias. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif
