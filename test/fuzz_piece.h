/* fuzz_piece.h: a fuzzer's input as a run of pieces, for what takes several. */
#ifndef COVEY_TEST_FUZZ_PIECE_H
#define COVEY_TEST_FUZZ_PIECE_H

#include "wire/bytes.h"

/* The next piece: u16 length, and as many bytes, or as many as there are. */
static inline struct slice fuzz_piece(struct slice *in)
{
    size_t n = in->n >= 2 ? get_u16(in->p) : 0, head = in->n >= 2 ? 2 : in->n;
    n = n > in->n - head ? in->n - head : n;
    struct slice got = slice_of(in->p + head, n);
    *in = slice_of(in->p + head + n, in->n - head - n);
    return got;
}

#endif
