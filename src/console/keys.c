/* keys.c: see keys.h. */
#include "console/keys.h"

#include "base/check.h"
#include "console/text.h"

enum { STRAY = 0xdc00 }; /* added to a byte that belongs to no character */

void keys_add(struct keys *k, uint8_t byte)
{
    CHECK(k->n < KEYS_MAX);
    k->byte[k->n++] = byte;
}

/* How many bytes the character has that begins with this one; 1 when none begins with it. */
static unsigned length_of(uint8_t first)
{
    if (first < 0xc2 || first > 0xf4)
        return 1;
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

/* Whether another byte could still make a character of those that are there. */
static bool is_open(const struct keys *k)
{
    if (k->n >= length_of(k->byte[0]))
        return false;
    for (unsigned i = 1; i < k->n; i++) {
        if ((k->byte[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

static wchar_t code_point(const uint8_t *byte, size_t n)
{
    /* bits of the first byte, by the length of the character */
    static const uint8_t payload[KEYS_MAX + 1] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    wchar_t c = byte[0] & payload[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (byte[i] & 0x3f);
    return c;
}

bool keys_next(struct keys *k, wchar_t *out)
{
    if (k->n == 0 || is_open(k))
        return false;
    size_t used = text_utf8(slice_of(k->byte, k->n));
    *out = used > 0 ? code_point(k->byte, used) : STRAY + k->byte[0];
    used = used > 0 ? used : 1;
    k->n -= (unsigned)used;
    memmove(k->byte, k->byte + used, k->n);
    return true;
}

static int put_character(struct buf *out, uint32_t c)
{
    uint8_t byte[KEYS_MAX] = {(uint8_t)c};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t first[KEYS_MAX + 1] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; n > 1 && i > 0; i--) {
        byte[i] = (uint8_t)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    byte[0] = (uint8_t)(first[n] | c);
    return buf_append(out, byte, n);
}

int keys_bytes(struct buf *out, const wchar_t *text, size_t n)
{
    int error = 0;
    for (size_t i = 0; i < n && error == 0; i++) {
        uint32_t c = (uint32_t)text[i];
        uint8_t stray = (uint8_t)(c - STRAY);
        error = c >= STRAY + 0x80 && c <= STRAY + 0xff ? buf_append(out, &stray, 1)
                                                       : put_character(out, c);
    }
    return error;
}
