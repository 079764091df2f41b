#include "front/keyset.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

void keyset_close(struct keyset *k)
{
    free(k->bucket);
    *k = (struct keyset){0};
}

/* The bucket of a hash, or the empty one where it would go. */
static uint32_t bucket_of(const struct keyset *k, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (k->cap - 1);

    while (k->bucket[i] && k->bucket[i] != hash)
        i = (i + 1) & (k->cap - 1);
    return i;
}

int keyset_reserve(struct keyset *k, uint32_t n)
{
    struct keyset bigger = {.cap = 2 * n, .n = k->n};

    if (bigger.cap <= k->cap)
        return 0;
    bigger.bucket = calloc(bigger.cap, sizeof *bigger.bucket);
    if (!bigger.bucket)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < k->cap; i++) {
        if (k->bucket[i])
            bigger.bucket[bucket_of(&bigger, k->bucket[i])] = k->bucket[i];
    }
    free(k->bucket);
    *k = bigger;
    return 0;
}

bool keyset_has(const struct keyset *k, uint64_t hash)
{
    return k->n && k->bucket[bucket_of(k, hash)] == hash;
}

void keyset_add(struct keyset *k, uint64_t hash)
{
    CHECK(hash != 0 && 2 * k->n < k->cap);
    uint32_t i = bucket_of(k, hash);
    CHECK(!k->bucket[i]);
    k->bucket[i] = hash;
    k->n++;
}

void keyset_remove(struct keyset *k, uint64_t hash)
{
    CHECK(k->n > 0);
    uint32_t mask = k->cap - 1;
    uint32_t hole = bucket_of(k, hash);

    CHECK(k->bucket[hole] == hash);
    /* A hash behind the hole that belongs at or before it moves into it, and leaves the next
     * hole. The run of full buckets ends the search. */
    for (uint32_t i = (hole + 1) & mask; k->bucket[i]; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)k->bucket[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            k->bucket[hole] = k->bucket[i];
            hole = i;
        }
    }
    k->bucket[hole] = 0;
    k->n--;
}
