/* slice.h: bytes that somebody else owns.
 *
 * Everything in base, wire and core passes bytes as pointer and length; nothing is NUL-terminated.
 * A slice is borrowed: whoever hands it over says for how long it lives (a call's arguments live
 * for the call). */
#ifndef COVEY_BASE_SLICE_H
#define COVEY_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *p; /* may be NULL when n is 0 */
    size_t n;
};

/* The slice of a string literal, without its NUL. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){p, n};
}

/* The slice of a NUL-terminated string; for the rooms that talk to the OS. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Whether there is nothing in it but zeros. */
static inline bool slice_zero(struct slice a)
{
    return a.n == 0 || (a.p[0] == 0 && memcmp(a.p, a.p + 1, a.n - 1) == 0);
}

/* Bytewise order, the shorter first among equals: <0, 0 or >0. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

#endif
