/* resp_write.c: RESP as it is sent, in both protocol versions. */
#include "base/error.h"
#include "wire/resp.h"

enum { LINE_MAX_BYTES = 24 }; /* type, sign, 19 digits, CR LF */

/* Writes "<type>n\r\n" at p and returns its end. By hand: every reply has one, and snprintf costs
 * more than the rest of it. */
static uint8_t *number_line_put(uint8_t *p, uint8_t type, int64_t n)
{
    uint8_t digits[20];
    unsigned i = sizeof digits;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[--i] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    *p++ = type;
    if (n < 0)
        *p++ = '-';
    memcpy(p, digits + i, sizeof digits - i);
    p += sizeof digits - i;
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

static int number_line(struct buf *out, uint8_t type, int64_t n)
{
    int error = buf_reserve(out, LINE_MAX_BYTES);
    if (error)
        return error;
    out->n = (size_t)(number_line_put(out->p + out->n, type, n) - out->p);
    return 0;
}

/* A line of text; one with a line break in it would let whoever chose the text write replies of
 * their own. */
static int text_line(struct buf *out, uint8_t type, struct slice text)
{
    int error = buf_reserve(out, text.n + 3);
    if (error)
        return error;
    uint8_t *p = out->p + out->n;
    *p++ = type;
    for (size_t i = 0; i < text.n; i++)
        *p++ = text.p[i] == '\r' || text.p[i] == '\n' ? ' ' : text.p[i];
    *p++ = '\r';
    *p++ = '\n';
    out->n = (size_t)(p - out->p);
    return 0;
}

int resp_simple(struct buf *out, struct slice text)
{
    return text_line(out, '+', text);
}

int resp_error(struct buf *out, struct slice text)
{
    return text_line(out, '-', text);
}

int resp_integer(struct buf *out, int64_t n)
{
    return number_line(out, ':', n);
}

int resp_bulk(struct buf *out, struct slice bytes)
{
    if (bytes.n > RESP_BULK_MAX)
        return ERR_TOO_BIG;
    int error = buf_reserve(out, LINE_MAX_BYTES + bytes.n + 2);
    if (error)
        return error;
    uint8_t *p = number_line_put(out->p + out->n, '$', (int64_t)bytes.n);
    if (bytes.n)
        memcpy(p, bytes.p, bytes.n);
    p += bytes.n;
    *p++ = '\r';
    *p++ = '\n';
    out->n = (size_t)(p - out->p);
    return 0;
}

int resp_null(struct buf *out, int proto)
{
    return buf_slice(out, proto == 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
}

int resp_array(struct buf *out, uint32_t n)
{
    return number_line(out, '*', n);
}

int resp_map(struct buf *out, uint32_t pairs, int proto)
{
    return proto == 3 ? number_line(out, '%', pairs) : number_line(out, '*', 2 * (int64_t)pairs);
}

int resp_push(struct buf *out, uint32_t n, int proto)
{
    return number_line(out, proto == 3 ? '>' : '*', n);
}
