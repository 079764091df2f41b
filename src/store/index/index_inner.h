/* index_inner.h: how the index lies in memory, for the files of the index alone. index.c says why
 * it lies like that. */
#ifndef COVEY_STORE_INDEX_INNER_H
#define COVEY_STORE_INDEX_INNER_H

#include "base/hash.h"
#include "store/index/index.h"

enum {
    HEADS = 64, /* heads in a block: 256 bytes, so that an arc with one key stays small */
    /* entries for each bucket: a look-up that finds its key touches two of them on average, and so
     * does one that does not */
    LOAD = 2,
    /* A reference is the number of a chunk, from 1, and an offset of so many bits; 0 is none. */
    OFFSET_BITS = 14,
    CHUNK_MOST = 1 << OFFSET_BITS,
    /* The first chunk of an arc: 128 bytes with malloc's header, for a key or two. The next ones
     * double up to CHUNK_USUAL, of which 3 % is lost at the end. */
    CHUNK_LEAST = 120,
    CHUNK_USUAL = 1016,
    CHUNKS_MAX = (1 << (32 - OFFSET_BITS)) - 2, /* 4 GiB of entries in one arc */
    LONG_KEY = 255,                             /* in key_n: the length follows as a u32 */
    COUNT_WALK = 32 * 1024,                     /* entries that one count walks through: 2 ms */
    VALUE_N_MAX = (1 << 24) - 1,
};

enum {
    FLAG_KIND = RECORD_KINDS - 1,
    FLAG_DELETED = 16,
    FLAG_EXPIRY = 32,  /* the entry has room for an expiry */
    FLAG_EXPIRED = 64, /* a count has found that the expiry has passed */
    FLAG_ORDERED = 128,
};

struct entry {
    uint32_t next; /* the first field, so that a pointer to an entry is one to its link */
    uint64_t stamp;
    uint64_t digest;
    uint32_t offset;
    uint16_t segment;
    uint16_t node;
    uint8_t value_n[3];
    uint8_t flags;
    uint8_t key_n;
    /* Then u32 length of the key, if key_n is LONG_KEY; u64 expiry stamp and u64 expiry in ms, if
     * FLAG_EXPIRY is set; and the key. */
} __attribute__((packed));

struct index_arc {
    uint32_t **heads;
    uint8_t **chunk;
    uint64_t arena_bytes; /* bytes of all chunks */
    uint64_t dead_bytes;  /* of arena_bytes: entries that were removed or made anew */
    uint32_t bucket_n;
    uint32_t block_n; /* of heads */
    uint32_t chunk_n;
    uint32_t open; /* the chunk that is being filled, numbered from 1; 0: none */
    uint32_t open_used, open_size;
    uint32_t records;
    uint32_t live;
    /* No value that counts as live expires before this time; 0: none of them expires. */
    uint64_t soonest_ms;
};

static inline struct entry *entry_at(const struct index_arc *a, uint32_t ref)
{
    return (struct entry *)(a->chunk[(ref >> OFFSET_BITS) - 1] + (ref & (CHUNK_MOST - 1)));
}

static inline size_t entry_size(size_t key_n, bool expiry)
{
    return sizeof(struct entry) + (key_n >= LONG_KEY ? sizeof(uint32_t) : 0) +
           (expiry ? 2 * sizeof(uint64_t) : 0) + key_n;
}

static inline uint8_t *entry_expiry(const struct entry *e)
{
    return (uint8_t *)e + sizeof *e + (e->key_n == LONG_KEY ? sizeof(uint32_t) : 0);
}

static inline uint32_t entry_value_n(const struct entry *e)
{
    return (uint32_t)e->value_n[0] | (uint32_t)e->value_n[1] << 8 | (uint32_t)e->value_n[2] << 16;
}

/* When the entry expires; 0: never. */
static inline uint64_t entry_expiry_ms(const struct entry *e)
{
    uint64_t ms = 0;
    if (e->flags & FLAG_EXPIRY)
        memcpy(&ms, entry_expiry(e) + sizeof(uint64_t), sizeof ms);
    return ms;
}

static inline bool entry_live(const struct entry *e)
{
    return (e->flags & FLAG_KIND) == RECORD_VALUE && !(e->flags & FLAG_EXPIRED);
}

/* A live entry of the arc expires at that time. */
static inline void arc_note_expiry(struct index_arc *a, uint64_t ms)
{
    if (ms != 0 && (a->soonest_ms == 0 || ms < a->soonest_ms))
        a->soonest_ms = ms;
}

static inline struct slice entry_key(const struct entry *e)
{
    uint32_t n = e->key_n;
    if (n == LONG_KEY)
        memcpy(&n, (const uint8_t *)e + sizeof *e, sizeof n);
    const uint8_t *p = entry_expiry(e) + (e->flags & FLAG_EXPIRY ? 2 * sizeof(uint64_t) : 0);
    return slice_of(p, n);
}

/* What the index remembers of every record that was ever set. */
static inline void index_note(struct index *ix, const struct entry *e)
{
    if (e->stamp > ix->greatest)
        ix->greatest = e->stamp;
    ix->spared |= (e->flags & FLAG_ORDERED) != 0 || key_space(entry_key(e)) >= SPACES_CLIENTS;
}

/* ---- Linear hashing ---- */

static inline uint32_t *head_at(const struct index_arc *a, uint32_t bucket)
{
    return &a->heads[bucket / HEADS][bucket % HEADS];
}

/* The greatest power of two that is at most n; n > 0. */
static inline uint32_t floor_power(uint32_t n)
{
    return 1U << (31 - __builtin_clz(n));
}

static inline uint32_t bucket_of(const struct index_arc *a, uint64_t hash)
{
    uint32_t half = floor_power(a->bucket_n);
    uint32_t bucket = (uint32_t)hash & (2 * half - 1);
    return bucket < a->bucket_n ? bucket : bucket - half;
}

static inline struct index_arc **arc_at(const struct index *ix, uint16_t slot)
{
    return &ix->arc[(uint32_t)slot * ix->arc_n / SLOTS];
}

/* Adds an empty bucket (index.c). 0 or ERR_NO_MEMORY. */
int index_add_bucket(struct index *ix, struct index_arc *a);

/* ---- index_arena.c ---- */

/* n zeroed bytes, counted as the index's; NULL when memory is out. */
void *index_take(struct index *ix, size_t n);

/* Makes room for item n in an array of pointers, which has room for 4 items, then for the next
 * power of two. The array, which may have moved; NULL when memory is out. */
void *index_array_room(struct index *ix, void *array, uint32_t n);

/* The size of the next chunk of an arc whose arena has so many bytes; `least` must fit. */
uint32_t index_chunk_size(uint64_t arena_bytes, size_t least);

/* The size of a chunk that was added when the arena had so many bytes. */
size_t index_chunk_bytes(uint64_t arena_before, const uint8_t *chunk);

/* Adds a chunk of n zeroed bytes to an arc. NULL when memory is out, or the arc is full. */
uint8_t *index_add_chunk(struct index *ix, struct index_arc *a, size_t n);

/* A reference to n fresh bytes in the arc's arena; 0 when memory is out. */
uint32_t index_arena_take(struct index *ix, struct index_arc *a, size_t n);

/* The memory of an arc, as index_take counts it. */
size_t index_arc_bytes(const struct index_arc *a);

/* Frees an arc, or NULL. The caller corrects index.bytes. */
void index_arc_free(struct index_arc *a);

#endif
