/* hedge.c: see hedge.h. */
#include "core/coord/hedge.h"

#include "base/check.h"

/* Buckets: one for each ms below 16, then eight for each doubling. The last bucket is for all that
 * is slower (256 ms and more). */
enum { FINE = 16, PER_DOUBLING = 8 };

static unsigned bucket_of(uint64_t ms)
{
    if (ms < FINE)
        return (unsigned)ms;
    unsigned doubling = 0;
    while (ms >= 2 * FINE && doubling < 4) {
        ms /= 2;
        doubling++;
    }
    unsigned b =
        FINE + doubling * PER_DOUBLING + (unsigned)((ms < 2 * FINE ? ms : 2 * FINE - 1) - FINE) / 2;
    return b < HEDGE_BUCKETS ? b : HEDGE_BUCKETS - 1;
}

/* The first ms that is beyond a bucket. */
static uint64_t bucket_end(unsigned b)
{
    CHECK(b < HEDGE_BUCKETS);
    if (b < FINE)
        return b + 1;
    unsigned doubling = (b - FINE) / PER_DOUBLING, step = (b - FINE) % PER_DOUBLING;
    return (uint64_t)(FINE + 2 * (step + 1)) << doubling;
}

void hedge_note(struct hedge *h, uint64_t ms)
{
    CHECK(h->n < HEDGE_SAMPLES_MAX);
    h->count[bucket_of(ms)]++;
    if (++h->n < HEDGE_SAMPLES_MAX)
        return;
    h->n = 0;
    for (unsigned b = 0; b < HEDGE_BUCKETS; b++)
        h->n += h->count[b] /= 2;
}

uint64_t hedge_after_ms(const struct hedge *h)
{
    if (h->n < HEDGE_SAMPLES_MIN)
        return 0;
    uint32_t slower = h->n / 100; /* samples that may lie beyond */
    unsigned b = HEDGE_BUCKETS - 1;
    for (uint32_t beyond = 0; b > 0 && beyond + h->count[b] <= slower; b--)
        beyond += h->count[b];
    uint64_t ms = bucket_end(b);
    return ms < HEDGE_MIN_MS ? HEDGE_MIN_MS : ms;
}
