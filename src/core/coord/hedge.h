/* hedge.h: after how long a read asks one more owner: the p99 of the latest answers.
 *
 * Dean and Barroso, "The tail at scale" (CACM 2013): a second request, sent when the first has
 * taken longer than 99 % of its kind, costs 1 % more requests and cuts the tail to that of the
 * better of two. The p99 comes from a histogram of milliseconds, which is fine where answers are
 * fast and coarse where they are slow. All counts are halved now and then, so that it forgets. */
#ifndef COVEY_CORE_HEDGE_H
#define COVEY_CORE_HEDGE_H

#include <stdint.h>

enum {
    HEDGE_BUCKETS = 48,
    HEDGE_SAMPLES_MIN = 200,  /* fewer say nothing about one in a hundred */
    HEDGE_SAMPLES_MAX = 4096, /* then all counts are halved */
    /* A read never asks one more owner sooner: every sync of a disk would make it do so. */
    HEDGE_MIN_MS = 4,
};

struct hedge {
    uint32_t count[HEDGE_BUCKETS];
    uint32_t n;
};

/* An owner answered a read after so many ms; or has not yet, and the read is over. */
void hedge_note(struct hedge *h, uint64_t ms);

/* How many ms after its first question a read asks one more owner; 0 while too little is known. */
uint64_t hedge_after_ms(const struct hedge *h);

#endif
