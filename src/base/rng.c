/* rng.c: see rng.h. */
#include "base/rng.h"

#include "base/check.h"

/* One step of splitmix64 (Steele, Lea, Flood 2014): turns any seed, 0 too, into well mixed words,
 * as xoshiro's authors advise. */
static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    CHECK(n > 0);
    /* 2^64 mod n: so many low values would come once too often, so they are drawn again */
    uint64_t uneven = (0 - n) % n;
    uint64_t x = rng_next(r);
    while (x < uneven)
        x = rng_next(r);
    return x % n;
}
