/* keys.h: bytes of a terminal as the wide characters that libedit works with, and back again,
 * without loss in every locale.
 *
 * Bytes that are well-formed UTF-8 become the character they encode. Any other byte from 128 on
 * becomes a lone surrogate, U+DC80 to U+DCFF, which UTF-8 never gives (as in Python's PEP 383). So
 * the line is sent with the very bytes that were typed, also from a Latin-1 terminal. */
#ifndef COVEY_CONSOLE_KEYS_H
#define COVEY_CONSOLE_KEYS_H

#include "base/buf.h"

#include <wchar.h>

enum { KEYS_MAX = 4 }; /* bytes of the longest character */

/* Bytes that came and are no complete character yet. Zeroed: none. */
struct keys {
    uint8_t byte[KEYS_MAX];
    unsigned n;
};

/* Adds a byte. keys_next must have returned false since the last one. */
void keys_add(struct keys *k, uint8_t byte);

/* Takes the next character; false when it needs another byte. */
bool keys_next(struct keys *k, wchar_t *out);

/* Appends the bytes of `n` characters that keys_next gave. Errors as buf_reserve. */
int keys_bytes(struct buf *out, const wchar_t *text, size_t n);

#endif
