/* key.h: a key as every room below front knows it: a space byte, then the bytes that the client
 * gave, its *name*.
 *
 * One name in two spaces is two keys. Spaces 0 to 15 are the clients' databases, of which only 0 is
 * used for now. 128 and above are the system's: no client can name them. 16 to 127 are not valid,
 * so that most bytes that are no key are found not to be one. The space is not part of the slot
 * (base/hash.h): a name has the same owners in every space. KEY_MAX counts the name alone.
 *
 * The node's own states (RECORD_STATE) have names and no space: they are outside the ring. */
#ifndef COVEY_BASE_KEY_H
#define COVEY_BASE_KEY_H

#include "base/limits.h"
#include "base/slice.h"

enum {
    KEY_FULL_MAX = KEY_MAX + 1, /* bytes of a key with its space */
    SPACES_CLIENTS = 16,        /* spaces below are the clients' */
    SPACE_SYSTEM = 128,         /* from here on they are the system's */
};

/* A full key of a name that is a literal, in the clients' first space. */
#define KEY_OF(literal) SLICE("\0" literal)

static inline bool space_valid(uint8_t space)
{
    return space < SPACES_CLIENTS || space >= SPACE_SYSTEM;
}

/* Whether bytes from outside are a full key. */
static inline bool key_valid(struct slice key)
{
    return key.n >= 1 && key.n <= KEY_FULL_MAX && space_valid(key.p[0]);
}

static inline uint8_t key_space(struct slice key)
{
    return key.p[0];
}

/* The key without its space; an empty slice of an empty one. */
static inline struct slice key_name(struct slice key)
{
    return key.n > 0 ? slice_of(key.p + 1, key.n - 1) : key;
}

/* Writes a full key at p, which has room for it. */
static inline struct slice key_write(uint8_t *p, uint8_t space, struct slice name)
{
    p[0] = space;
    if (name.n > 0)
        memcpy(p + 1, name.p, name.n);
    return slice_of(p, name.n + 1);
}

#endif
