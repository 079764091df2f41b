/* slab.h: a bounded pool of equal-sized slots with handles that die with their use.
 *
 * A handle is (generation << 24 | index): an answer that comes after its slot was freed and used
 * again is told apart. Grows by doubling up to its bound and never shrinks; free slots are reused
 * last in, first out, so that the warm ones are. */
#ifndef COVEY_CORE_SLAB_H
#define COVEY_CORE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLAB_INDEX_BITS = 24 };

struct slab {
    uint8_t *slots;
    struct slab_mark *marks; /* generation and free list, beside the slots */
    uint32_t size;           /* bytes of a slot */
    uint32_t used, cap, max;
    uint32_t free; /* index of the first free slot, or UINT32_MAX */
};

struct slab_mark {
    uint32_t generation; /* 0 .. 2^32-1; wraps after 4 billion uses of one slot */
    uint32_t next_free;  /* SLAB_TAKEN while in use */
};

/* A pool of at most max slots (below 2^24) of `size` bytes. Allocates nothing yet. */
void slab_init(struct slab *s, size_t size, uint32_t max);
void slab_close(struct slab *s);

/* Takes a slot: its handle, and its bytes (zeroed when the slot is new, as they were left when it
 * was used before) in *slot. 0 when the pool is full or memory is out: no handle is 0. Slots move
 * when the pool grows: keep handles, not pointers. */
uint64_t slab_take(struct slab *s, void **slot);

/* The slot of a handle, NULL when it is free or was freed since. */
void *slab_get(const struct slab *s, uint64_t handle);

/* Frees a slot. */
void slab_free(struct slab *s, uint64_t handle);

/* The slot at an index below cap, with its handle, or NULL when it is free: for walks. */
void *slab_at(const struct slab *s, uint32_t index, uint64_t *handle);

#endif
