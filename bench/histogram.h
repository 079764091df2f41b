/* histogram.h: latencies counted in integer buckets, after Tene's HDR histogram: 32 buckets a power
 * of two, so that a percentile is within 3 % of the truth from a nanosecond to an hour, in fixed
 * memory and without a division a sample. */
#ifndef COVEY_BENCH_HISTOGRAM_H
#define COVEY_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 5,
    HISTOGRAM_POWERS = 37, /* 2^42 ns is over an hour; a longer latency counts as that */
    HISTOGRAM_BUCKETS = (HISTOGRAM_POWERS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t total;
    uint64_t max_ns;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* Counts n samples of one value. A zeroed histogram is empty. */
void histogram_add(struct histogram *h, uint64_t ns, uint64_t n);

/* The least value, in ns, that at least per_mille thousandths of the samples do not exceed: the
 * upper end of its bucket, at most max_ns. 0 without samples. */
uint64_t histogram_at(const struct histogram *h, unsigned per_mille);

#endif
