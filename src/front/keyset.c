#include "front/keyset.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

void keyset_close(struct keyset *k)
{
    free(k->slot);
    *k = (struct keyset){0};
}

/* The place of a hash, or the empty one where it would go. */
static uint32_t place_of(const struct keyset *k, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (k->cap - 1);

    while (k->slot[i] && k->slot[i] != hash)
        i = (i + 1) & (k->cap - 1);
    return i;
}

int keyset_reserve(struct keyset *k, uint32_t n)
{
    struct keyset bigger = {.cap = 2 * n, .n = k->n};

    if (bigger.cap <= k->cap)
        return 0;
    bigger.slot = calloc(bigger.cap, sizeof *bigger.slot);
    if (!bigger.slot)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < k->cap; i++) {
        if (k->slot[i])
            bigger.slot[place_of(&bigger, k->slot[i])] = k->slot[i];
    }
    free(k->slot);
    *k = bigger;
    return 0;
}

bool keyset_has(const struct keyset *k, uint64_t hash)
{
    return k->n && k->slot[place_of(k, hash)] == hash;
}

void keyset_add(struct keyset *k, uint64_t hash)
{
    CHECK(hash != 0 && 2 * k->n < k->cap);
    uint32_t i = place_of(k, hash);
    CHECK(!k->slot[i]);
    k->slot[i] = hash;
    k->n++;
}

void keyset_remove(struct keyset *k, uint64_t hash)
{
    CHECK(k->n > 0);
    uint32_t mask = k->cap - 1;
    uint32_t hole = place_of(k, hash);

    CHECK(k->slot[hole] == hash);
    /* Whoever follows the hole in this run of taken places and belongs at or before it moves into
     * it, and leaves the next hole. */
    for (uint32_t i = (hole + 1) & mask; k->slot[i]; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)k->slot[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            k->slot[hole] = k->slot[i];
            hole = i;
        }
    }
    k->slot[hole] = 0;
    k->n--;
}
