/* resp_line.h: the lines that both RESP parsers read: a type byte, a number, CR LF. Private to
 * wire/resp_*.c. */
#ifndef COVEY_WIRE_RESP_LINE_H
#define COVEY_WIRE_RESP_LINE_H

#include "base/error.h"
#include "wire/resp.h"

/* Why in, which does not begin with a whole number line, does not. */
static inline int resp_number_fault(struct slice in)
{
    size_t most = in.n < RESP_NUMBER_MAX ? in.n : RESP_NUMBER_MAX;
    const uint8_t *cr = memchr(in.p, '\r', most);
    if (!cr)
        return in.n < RESP_NUMBER_MAX ? ERR_INCOMPLETE : ERR_TOO_BIG;
    return cr + 1 == in.p + in.n ? ERR_INCOMPLETE : ERR_BAD_MESSAGE;
}

/* The number line at the start of in (n > 0), whose first byte, the type, is not looked at. Its
 * bytes, ERR_INCOMPLETE, ERR_TOO_BIG (no line end within RESP_NUMBER_MAX) or ERR_BAD_MESSAGE. As
 * Redis reads numbers: no '+', no leading zeros, "-0" is none. */
static inline int resp_number(struct slice in, int64_t *number)
{
    const uint8_t *end = in.p + in.n;
    const uint8_t *p = in.p + 1;
    bool negative = p < end && *p == '-';
    p += negative;
    const uint8_t *first = p;
    uint64_t n = 0;
    for (; p < end && p - first < 19 && (uint8_t)(*p - '0') <= 9; p++)
        n = n * 10 + (uint64_t)(*p - '0'); /* 19 digits fit 64 bits */
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n' || p == first)
        return resp_number_fault(in);
    if ((*first == '0' && (negative || p - first > 1)) || n > (uint64_t)INT64_MAX + negative)
        return ERR_BAD_MESSAGE;
    *number = (int64_t)(negative ? 0 - n : n);
    return (int)(p + 2 - in.p);
}

#endif
