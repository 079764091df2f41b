/* histogram.c: see histogram.h.
 *
 * Values below 32 have a bucket each. Above, the value's highest bit chooses a row of 32 buckets
 * and the five bits after it the bucket, so each row is as exact, in proportion, as the one
 * before. */
#include "bench/histogram.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns >> HISTOGRAM_SUB_BITS == 0)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
    if (shift >= HISTOGRAM_POWERS)
        return HISTOGRAM_BUCKETS - 1;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) +
           (unsigned)((ns >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

static uint64_t bucket_end(unsigned bucket)
{
    unsigned row = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t sub = bucket & ((1u << HISTOGRAM_SUB_BITS) - 1);
    if (row == 0)
        return sub;
    return ((((uint64_t)1 << HISTOGRAM_SUB_BITS) + sub + 1) << (row - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns, uint64_t n)
{
    h->bucket[bucket_of(ns)] += n;
    h->total += n;
    if (ns > h->max_ns && n > 0)
        h->max_ns = ns;
}

uint64_t histogram_at(const struct histogram *h, unsigned per_mille)
{
    uint64_t wanted = (h->total * per_mille + 999) / 1000, seen = 0;
    if (h->total == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen >= wanted)
            return bucket_end(i) < h->max_ns ? bucket_end(i) : h->max_ns;
    }
    return h->max_ns;
}
