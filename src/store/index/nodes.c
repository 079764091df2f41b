#include "store/index/nodes.h"

#include <stdlib.h>

#include "base/error.h"

enum { NODES_LEAST = 16 };

/* Node ids are uniformly random, so their own low bits are the hash. */
static uint16_t *find(const struct nodes *t, uint64_t id)
{
    uint32_t i = (uint32_t)id & (t->cap - 1);
    while (t->bucket[i] != 0 && t->id[t->bucket[i]] != id)
        i = (i + 1) & (t->cap - 1);
    return &t->bucket[i];
}

static int grow(struct nodes *t, uint32_t cap)
{
    uint64_t *id = realloc(t->id, cap / 2 * sizeof *id);
    if (!id)
        return ERR_NO_MEMORY;
    t->id = id;
    uint16_t *bucket = calloc(cap, sizeof *bucket);
    if (!bucket)
        return ERR_NO_MEMORY;
    free(t->bucket);
    t->bucket = bucket;
    t->cap = cap;
    for (uint32_t i = 1; i < t->n; i++)
        *find(t, t->id[i]) = (uint16_t)i;
    return 0;
}

int nodes_init(struct nodes *t)
{
    *t = (struct nodes){0};
    int error = grow(t, NODES_LEAST);
    if (error) {
        nodes_close(t);
        return error;
    }
    t->id[0] = 0;
    t->n = 1;
    return 0;
}

void nodes_close(struct nodes *t)
{
    free(t->id);
    free(t->bucket);
    *t = (struct nodes){0};
}

int nodes_number(struct nodes *t, uint64_t id)
{
    if (id == 0)
        return 0;
    uint16_t *bucket = find(t, id);
    if (*bucket != 0)
        return *bucket;
    if (t->n > NODES_MAX)
        return ERR_NO_MEMORY;
    if (t->n == t->cap / 2) {
        int error = grow(t, t->cap * 2);
        if (error)
            return error;
        bucket = find(t, id);
    }
    t->id[t->n] = id;
    *bucket = (uint16_t)t->n;
    return (int)t->n++;
}

uint64_t nodes_bytes(const struct nodes *t)
{
    return t->cap / 2 * sizeof *t->id + t->cap * sizeof *t->bucket;
}
