/* index_arena.c: the memory of the index, with an honest count of it.
 *
 * An arc's entries lie one behind the other in chunks. A chunk is a 24th of the arena when it is
 * added, so that the open chunk wastes 2 % of the arena on average. The chunks of an arc with a few
 * keys are small, or a thousand arcs with a key each would take megabytes. A reference to an entry
 * is the number of a chunk and an offset in it: 4 bytes, which are good wherever the chunks lie, so
 * an arena can be written to disk as it is (index_image.c). The size of a chunk is not stored. It
 * follows from the arena's size before it and from its first entry.
 *
 * index.bytes counts what malloc really takes, since that is the figure that users see. */
#include "store/index/index_inner.h"

#include <stdlib.h>

#include "base/bits.h"

/* ---- Taking and giving back ---- */

/* What glibc really takes for n bytes: 8 more, in steps of 16, and 32 at least. */
static size_t heap_bytes(size_t n)
{
    size_t total = (n + 8 + 15) & ~(size_t)15;
    return total < 32 ? 32 : total;
}

void *index_take(struct index *ix, size_t n)
{
    void *p = calloc(1, n);
    if (p)
        ix->bytes += heap_bytes(n);
    return p;
}

void *index_array_room(struct index *ix, void *array, uint32_t n)
{
    bool full = n == 0 || (n >= 4 && power_of_two(n));
    if (!full)
        return array;
    size_t room = n ? 2 * (size_t)n : 4;
    void *grown = realloc(array, room * sizeof(void *));
    if (grown)
        ix->bytes += heap_bytes(room * sizeof(void *)) - (n ? heap_bytes(n * sizeof(void *)) : 0);
    return grown;
}

void index_arc_free(struct index_arc *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; i < a->block_n; i++)
        free(a->heads[i]);
    for (uint32_t i = 0; i < a->chunk_n; i++)
        free(a->chunk[i]);
    free(a->heads);
    free(a->chunk);
    free(a);
}

/* ---- Chunks ---- */

uint32_t index_chunk_size(uint64_t arena_bytes, size_t least)
{
    uint64_t n = ((arena_bytes / 24) & ~(uint64_t)15) + 8; /* with malloc's 8: a multiple of 16 */
    uint64_t usual = arena_bytes < CHUNK_USUAL ? arena_bytes + 8 : CHUNK_USUAL;
    if (n < usual)
        n = usual;
    if (n < CHUNK_LEAST)
        n = CHUNK_LEAST;
    if (n > CHUNK_MOST)
        n = CHUNK_MOST;
    return (uint32_t)(n < least ? least : n);
}

uint8_t *index_add_chunk(struct index *ix, struct index_arc *a, size_t n)
{
    if (a->chunk_n == CHUNKS_MAX)
        return NULL;
    void *chunks = index_array_room(ix, a->chunk, a->chunk_n);
    if (!chunks)
        return NULL;
    a->chunk = chunks;
    uint8_t *chunk = index_take(ix, n);
    if (chunk) {
        a->chunk[a->chunk_n++] = chunk;
        a->arena_bytes += n;
    }
    return chunk;
}

uint32_t index_arena_take(struct index *ix, struct index_arc *a, size_t n)
{
    if (a->open && a->open_size - a->open_used >= n) {
        uint32_t ref = a->open << OFFSET_BITS | a->open_used;
        a->open_used += (uint32_t)n;
        return ref;
    }
    uint32_t size = index_chunk_size(a->arena_bytes, n);
    if (!index_add_chunk(ix, a, size))
        return 0;
    if (size > n) { /* else a long key fills the chunk, and the open one stays open */
        a->open = a->chunk_n;
        a->open_used = (uint32_t)n;
        a->open_size = size;
    }
    return a->chunk_n << OFFSET_BITS;
}

size_t index_chunk_bytes(uint64_t arena_before, const uint8_t *chunk)
{
    const struct entry *first = (const struct entry *)chunk;
    return index_chunk_size(arena_before,
                            entry_size(entry_key(first).n, first->flags & FLAG_EXPIRY));
}

/* ---- The count ---- */

static size_t array_bytes(uint32_t n)
{
    uint32_t room = n <= 4 ? 4 : floor_power(n - 1) * 2;
    return n ? heap_bytes(room * sizeof(void *)) : 0;
}

size_t index_arc_bytes(const struct index_arc *a)
{
    size_t bytes = heap_bytes(sizeof *a) + array_bytes(a->block_n) + array_bytes(a->chunk_n);
    uint64_t before = 0;
    bytes += a->block_n * heap_bytes(HEADS * sizeof(uint32_t));
    for (uint32_t i = 0; i < a->chunk_n; i++) {
        size_t n = index_chunk_bytes(before, a->chunk[i]);
        bytes += heap_bytes(n);
        before += n;
    }
    return bytes;
}
