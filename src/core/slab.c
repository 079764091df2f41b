/* slab.c: see slab.h. */
#include "core/slab.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { SLAB_FIRST = 64 }; /* cells of the first allocation: an idle node stays small */

static const uint32_t SLAB_NONE = UINT32_MAX;      /* the end of the free list */
static const uint32_t SLAB_TAKEN = UINT32_MAX - 1; /* in next_free of a cell in use */
static const uint32_t INDEX_MASK = (1u << SLAB_INDEX_BITS) - 1;

void slab_init(struct slab *s, size_t size, uint32_t max)
{
    CHECK(size > 0 && size <= UINT32_MAX && max > 0 && max < INDEX_MASK);
    *s = (struct slab){.size = (uint32_t)size, .max = max, .free = SLAB_NONE};
}

void slab_close(struct slab *s)
{
    free(s->cells);
    free(s->marks);
    /* closed, it is as slab_init left it */
    *s = (struct slab){.size = s->size, .max = s->max, .free = SLAB_NONE};
}

static bool slab_grow(struct slab *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : SLAB_FIRST;
    if (cap > s->max)
        cap = s->max;
    if (cap == s->cap)
        return false;
    uint8_t *cells = realloc(s->cells, (size_t)cap * s->size);
    if (!cells)
        return false;
    s->cells = cells;
    struct slab_mark *marks = realloc(s->marks, cap * sizeof *marks);
    if (!marks)
        return false;
    s->marks = marks;
    memset(cells + (size_t)s->cap * s->size, 0, (size_t)(cap - s->cap) * s->size);
    for (uint32_t i = cap; i-- > s->cap;) {
        marks[i] = (struct slab_mark){.generation = 1, .next_free = s->free};
        s->free = i;
    }
    s->cap = cap;
    return true;
}

uint64_t slab_take(struct slab *s, void **cell)
{
    if (s->free == SLAB_NONE && !slab_grow(s))
        return 0;
    uint32_t i = s->free;
    s->free = s->marks[i].next_free;
    s->marks[i].next_free = SLAB_TAKEN;
    s->used++;
    *cell = s->cells + (size_t)i * s->size;
    return (uint64_t)s->marks[i].generation << SLAB_INDEX_BITS | i;
}

void *slab_get(const struct slab *s, uint64_t handle)
{
    uint32_t i = (uint32_t)handle & INDEX_MASK;
    if (i >= s->cap || s->marks[i].next_free != SLAB_TAKEN ||
        s->marks[i].generation != handle >> SLAB_INDEX_BITS)
        return NULL;
    return s->cells + (size_t)i * s->size;
}

void slab_free(struct slab *s, uint64_t handle)
{
    CHECK(slab_get(s, handle));
    uint32_t i = (uint32_t)handle & INDEX_MASK;
    /* never 0: no handle is 0 */
    s->marks[i].generation += s->marks[i].generation == UINT32_MAX ? 2 : 1;
    s->marks[i].next_free = s->free;
    s->free = i;
    s->used--;
}

void *slab_at(const struct slab *s, uint32_t index, uint64_t *handle)
{
    CHECK(index < s->cap);
    if (s->marks[index].next_free != SLAB_TAKEN)
        return NULL;
    *handle = (uint64_t)s->marks[index].generation << SLAB_INDEX_BITS | index;
    return s->cells + (size_t)index * s->size;
}
