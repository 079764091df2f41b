/* fetch.h: asks for memory before it is needed, so that several cache misses are waited for at the
 * same time. */
#ifndef COVEY_BASE_FETCH_H
#define COVEY_BASE_FETCH_H

/* Asks for the cache line of that address, which need not be a valid one. gcc leaves out the calls
 * of a function that only prefetches, since it seems to have no effect; the empty asm is one. */
static inline void fetch_line(const void *p)
{
    __builtin_prefetch(p);
    __asm__ volatile("" : : "r"(p));
}

#endif
