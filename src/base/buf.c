/* buf.c: see buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

enum {
    /* bytes of the first allocation: most replies and messages fit, so few ever grow twice */
    BUF_FIRST = 256,
    /* bytes of a formatted piece with its NUL: formats build lines, not documents */
    BUF_PRINTED = 1024,
};

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_close(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

/* Doubled until `need` fits, but never beyond max (need <= max). */
static size_t grown(const struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    return cap < b->max ? cap : b->max;
}

int buf_reserve(struct buf *b, size_t more)
{
    CHECK(b->n <= b->cap && b->cap <= b->max);
    if (more <= b->cap - b->n)
        return 0;
    if (more > b->max - b->n)
        return ERR_TOO_BIG;
    size_t cap = grown(b, b->n + more);
    uint8_t *p = realloc(b->p, cap);
    if (!p)
        return ERR_NO_MEMORY;
    b->p = p;
    b->cap = cap;
    return 0;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    int error = buf_reserve(b, n);
    if (error)
        return error;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->n);
    b->n -= n;
    if (n && b->n)
        memmove(b->p, b->p + n, b->n);
}

int buf_printf(struct buf *b, const char *format, ...)
{
    char text[BUF_PRINTED];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(n >= 0);
    return buf_append(b, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}
