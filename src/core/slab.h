/* slab.h: a bounded pool of cells of one size, with handles that die with their use.
 *
 * A handle is (generation << 24 | index). A cell has another generation each time that it is taken,
 * so the handle in an answer that comes late, after its cell was freed and perhaps taken again,
 * finds nothing. A pool grows by doubling up to its bound and never shrinks. The cell that was
 * freed last is taken first, while the processor's caches still hold it. */
#ifndef COVEY_CORE_SLAB_H
#define COVEY_CORE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLAB_INDEX_BITS = 24 };

struct slab {
    uint8_t *cells;
    struct slab_mark *marks; /* of each cell: its generation, and the free list */
    uint32_t size;           /* bytes of a cell */
    uint32_t used, cap, max; /* cells that are taken, that there are, that there may be */
    uint32_t free;           /* index of the first free cell, or UINT32_MAX */
};

struct slab_mark {
    uint32_t generation; /* 0 .. 2^32-1; wraps after 4 billion uses of one cell */
    uint32_t next_free;  /* index of the next free cell; SLAB_TAKEN while this one is in use */
};

/* A pool of at most max cells (below 2^24) of `size` bytes. Allocates nothing yet. */
void slab_init(struct slab *s, size_t size, uint32_t max);
void slab_close(struct slab *s);

/* Takes a cell. Returns its handle, and in *cell its bytes: zeroed when the cell is new, as they
 * were left when it was used before. Returns 0 when the pool is full or memory is out: no handle is
 * 0. Cells move when the pool grows: keep handles, not pointers. */
uint64_t slab_take(struct slab *s, void **cell);

/* The cell of a handle, NULL when it is free or was freed since. */
void *slab_get(const struct slab *s, uint64_t handle);

/* Frees the cell of a handle that is in use. */
void slab_free(struct slab *s, uint64_t handle);

/* The cell at an index below cap, with its handle, or NULL when it is free: for walks. */
void *slab_at(const struct slab *s, uint32_t index, uint64_t *handle);

#endif
