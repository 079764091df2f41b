/* keys.h: the bytes that a terminal sends as the wide characters that libedit works with, and back
 * again, without loss and whatever the locale.
 *
 * Bytes that are well-formed UTF-8 become the character they mean. Any other byte from 128 on
 * becomes a lone surrogate, U+DC80 to U+DCFF, which UTF-8 never yields (the way of Python's PEP
 * 383): so the line is sent with the very bytes that were typed, also from a Latin-1 terminal. */
#ifndef COVEY_CONSOLE_KEYS_H
#define COVEY_CONSOLE_KEYS_H

#include "base/buf.h"

#include <wchar.h>

enum { KEYS_MAX = 4 }; /* bytes of the longest character */

/* Bytes that came, but are no whole character yet. Zero: none. */
struct keys {
    uint8_t byte[KEYS_MAX];
    unsigned n;
};

/* Takes one byte. keys_next must have returned false since the last one. */
void keys_add(struct keys *k, uint8_t byte);

/* The next character; false when there is none without another byte. */
bool keys_next(struct keys *k, wchar_t *out);

/* Appends the bytes of `n` characters that keys_next gave. Errors as buf_reserve. */
int keys_bytes(struct buf *out, const wchar_t *text, size_t n);

#endif
