/* buf.h: a growable run of bytes with a cap.
 *
 * Grows by doubling and never beyond max, so that no peer and no client can make us allocate
 * without bound. The bytes belong to the buffer; pointers into it die at the next call that may
 * grow it. */
#ifndef COVEY_BASE_BUF_H
#define COVEY_BASE_BUF_H

#include "base/slice.h"

struct buf {
    uint8_t *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes it may ever hold */
};

/* An empty buffer that allocates nothing yet and will hold at most max bytes. */
void buf_init(struct buf *b, size_t max);

/* Frees the bytes and leaves an empty buffer with the same max. */
void buf_close(struct buf *b);

/* Makes room for `more` bytes after n, so that they can be written at b->p + b->n.
 * 0, ERR_TOO_BIG beyond max, or ERR_NO_MEMORY; on error the buffer is as it was. */
int buf_reserve(struct buf *b, size_t more);

/* Appends n bytes from p. Errors as buf_reserve. */
int buf_append(struct buf *b, const void *p, size_t n);

/* Appends a slice. Errors as buf_reserve. */
static inline int buf_slice(struct buf *b, struct slice s)
{
    return buf_append(b, s.p, s.n);
}

/* Drops the first n bytes (n <= b->n) and moves the rest to the front. */
void buf_consume(struct buf *b, size_t n);

/* Appends text made by a printf format (at most 1,023 bytes of it; the rest is cut). Errors as
 * buf_reserve. Not for floating point: covey prints none. */
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct slice buf_view(const struct buf *b)
{
    return (struct slice){b->p, b->n};
}

#endif
