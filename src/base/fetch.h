/* fetch.h: asking for memory before it is needed, so that several misses of the cache pass side by
 * side. */
#ifndef COVEY_BASE_FETCH_H
#define COVEY_BASE_FETCH_H

/* Asks for the line of that address, which need not be a valid one. gcc takes a function that only
 * prefetches for one without effect and leaves its calls out; the empty statement is an effect. */
static inline void fetch_line(const void *p)
{
    __builtin_prefetch(p);
    __asm__ volatile("" : : "r"(p));
}

#endif
