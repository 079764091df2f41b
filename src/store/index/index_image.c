/* index_image.c: an arc of the index as bytes, so that a start reads it instead of making it anew.
 *
 *     u32 buckets | u32 chunks | u32 open chunk | u32 used of it | u32 size of it
 *     u32 records | u32 live | u32 zero | u64 bytes of the arena
 *     heads, 4 bytes a bucket | chunks
 *
 * An arc refers to its entries by chunk and offset, not by address, so its arena means the same
 * wherever it lies. To write it is to copy it: 100 us for 10,000 keys, and the only part that the
 * loop must do. To read it is to copy it back and to check it. No key is hashed again, so the seed
 * of the hash belongs to the snapshot.
 *
 * The sizes of the chunks are not stored: index_arena.c says what they follow from.
 *
 * A checksum says that the bytes are what was written, not that what was written was right. So a
 * reader believes no reference. The entries of a chunk lie back to back: one walk over the chunk
 * marks where they start, and a chain may lead nowhere else. So no two entries overlap, and no key
 * runs over the end of its chunk. */
#include "store/index/index_inner.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "wire/bytes.h"

enum { IMAGE_HEAD = 40 };

size_t index_entry_bytes(void)
{
    return sizeof(struct entry);
}

/* ---- Writing ---- */

size_t index_image_bytes(const struct index *ix, uint32_t arc)
{
    const struct index_arc *a = ix->arc[arc];
    return a && a->records > 0 ? IMAGE_HEAD + (size_t)a->bucket_n * 4 + a->arena_bytes : 0;
}

int index_image_write(const struct index *ix, uint32_t arc, struct buf *out)
{
    const struct index_arc *a = ix->arc[arc];
    int error = buf_reserve(out, index_image_bytes(ix, arc));
    if (error)
        return error;
    uint8_t *p = out->p + out->n;
    const uint32_t numbers[] = {a->bucket_n,  a->chunk_n, a->open, a->open_used,
                                a->open_size, a->records, a->live, 0};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        p = put_u32(p, numbers[i]);
    p = put_u64(p, a->arena_bytes);
    for (uint32_t b = 0; b < a->bucket_n; b += HEADS) {
        size_t n = (a->bucket_n - b < HEADS ? a->bucket_n - b : HEADS) * 4;
        memcpy(p, a->heads[b / HEADS], n);
        p += n;
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < a->chunk_n; i++) {
        size_t n = index_chunk_bytes(before, a->chunk[i]);
        memcpy(p, a->chunk[i], n);
        p += n;
        before += n;
    }
    out->n = (size_t)(p - out->p);
    CHECK(before == a->arena_bytes);
    return 0;
}

/* ---- Reading ---- */

static int read_heads(struct index *ix, struct index_arc *a, const uint8_t *p, uint32_t bucket_n)
{
    for (uint32_t b = 0; b < bucket_n; b++) {
        int error = index_add_bucket(ix, a);
        if (error)
            return error;
        memcpy(head_at(a, b), p + (size_t)b * 4, 4);
    }
    return 0;
}

/* The size of the entry at p; 0 when there can be none in what is left. */
static size_t entry_length(const uint8_t *p, size_t left)
{
    const struct entry *e = (const struct entry *)p;
    if (left < sizeof *e || (e->key_n == LONG_KEY && left < sizeof *e + sizeof(uint32_t)))
        return 0;
    uint32_t key_n = e->key_n;
    if (key_n == LONG_KEY)
        memcpy(&key_n, p + sizeof *e, sizeof key_n);
    if (key_n > KEY_FULL_MAX || (key_n < LONG_KEY && e->key_n == LONG_KEY))
        return 0;
    size_t n = entry_size(key_n, e->flags & FLAG_EXPIRY);
    return n <= left ? n : 0;
}

/* The size of the chunk at p, before which the arena has so many bytes; 0 when there can be none in
 * what is left. */
static size_t chunk_length(const uint8_t *p, size_t left, uint64_t before)
{
    size_t first = entry_length(p, left), n = first ? index_chunk_size(before, first) : 0;
    return n <= left ? n : 0;
}

struct starts {
    uint64_t *base; /* by chunk, where it begins in the arena */
    uint8_t *bit;   /* a bit for each byte of the arena: whether an entry begins there */
};

static int read_chunks(struct index *ix, struct index_arc *a, struct slice bytes, uint32_t chunk_n,
                       struct starts *starts)
{
    size_t at = 0;
    for (uint32_t i = 0; i < chunk_n; i++) {
        size_t n = chunk_length(bytes.p + at, bytes.n - at, at);
        if (n == 0)
            return ERR_CORRUPT;
        uint8_t *chunk = index_add_chunk(ix, a, n);
        if (!chunk)
            return ERR_NO_MEMORY;
        memcpy(chunk, bytes.p + at, n);
        starts->base[i] = at;
        at += n;
    }
    starts->base[chunk_n] = at;
    return at == bytes.n ? 0 : ERR_CORRUPT;
}

static void mark_starts(const struct index_arc *a, struct starts *starts)
{
    for (uint32_t i = 0; i < a->chunk_n; i++) {
        size_t size = starts->base[i + 1] - starts->base[i];
        for (size_t at = 0, n; (n = entry_length(a->chunk[i] + at, size - at)) > 0; at += n) {
            uint64_t start = starts->base[i] + at;
            bit_set(starts->bit, start);
        }
    }
}

/* Whether a reference leads to the start of an entry. */
static bool is_start(const struct index_arc *a, const struct starts *starts, uint32_t ref)
{
    uint32_t chunk = ref >> OFFSET_BITS;
    if (chunk == 0 || chunk > a->chunk_n)
        return false;
    uint64_t start = starts->base[chunk - 1] + (ref & (CHUNK_MOST - 1));
    return start < starts->base[chunk] && bit_at(starts->bit, start);
}

static bool entry_taken(struct index *ix, struct index_arc *a, struct entry *e,
                        const struct index_image_segments *segments)
{
    struct slice key = entry_key(e);
    if (e->node >= ix->nodes.n || !key_valid(key))
        return false;
    if ((e->flags & FLAG_KIND) == RECORD_NONE || e->segment >= segments->n ||
        !segments->known[e->segment])
        e->flags &= (uint8_t)~FLAG_KIND;
    else
        segments->tally[e->segment].live += tally_weight(key.n, entry_value_n(e));
    index_note(ix, e);
    a->records++;
    e->flags &= (uint8_t)~FLAG_EXPIRED; /* the next count sets it again */
    a->live += entry_live(e);
    if (entry_live(e))
        arc_note_expiry(a, entry_expiry_ms(e));
    ix->key_bytes += key.n;
    return true;
}

/* Follows every chain, which gives the arc its counts too. A chain that comes back to itself has
 * too many records. */
static int check_chains(struct index *ix, struct index_arc *a, const struct starts *starts,
                        uint32_t records, const struct index_image_segments *segments)
{
    for (uint32_t b = 0; b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next)
            if (a->records == records || !is_start(a, starts, ref) ||
                !entry_taken(ix, a, entry_at(a, ref), segments))
                return ERR_CORRUPT;
    }
    return a->records == records ? 0 : ERR_CORRUPT;
}

static bool open_chunk_fits(const struct index_arc *a, const struct starts *starts)
{
    return a->open == 0 || (a->open <= a->chunk_n && a->open_used <= a->open_size &&
                            a->open_size == starts->base[a->open] - starts->base[a->open - 1]);
}

/* Reads what stands behind the numbers of the head. */
static int read_body(struct index *ix, struct index_arc *a, struct slice bytes,
                     struct starts *starts, const struct index_image_segments *segments)
{
    uint32_t bucket_n = get_u32(bytes.p), chunk_n = get_u32(bytes.p + 4);
    size_t heads = IMAGE_HEAD + (size_t)bucket_n * 4;
    int error = read_heads(ix, a, bytes.p + IMAGE_HEAD, bucket_n);
    if (!error)
        error = read_chunks(ix, a, slice_of(bytes.p + heads, bytes.n - heads), chunk_n, starts);
    if (error)
        return error;
    a->open = get_u32(bytes.p + 8);
    a->open_used = get_u32(bytes.p + 12);
    a->open_size = get_u32(bytes.p + 16);
    if (!open_chunk_fits(a, starts))
        return ERR_CORRUPT;
    mark_starts(a, starts);
    return check_chains(ix, a, starts, get_u32(bytes.p + 20), segments);
}

static int read_arc(struct index *ix, struct index_arc *a, struct slice bytes,
                    const struct index_image_segments *segments)
{
    if (bytes.n < IMAGE_HEAD)
        return ERR_CORRUPT;
    uint32_t bucket_n = get_u32(bytes.p), chunk_n = get_u32(bytes.p + 4),
             records = get_u32(bytes.p + 20);
    size_t rest = bytes.n - IMAGE_HEAD;
    if (bucket_n == 0 || bucket_n > rest / 4)
        return ERR_CORRUPT;
    size_t entries = (rest - (size_t)bucket_n * 4) / sizeof(struct entry); /* at most */
    if (chunk_n > CHUNKS_MAX || chunk_n > entries || records > entries)
        return ERR_CORRUPT;
    struct starts starts = {calloc(chunk_n + 1, sizeof(uint64_t)), calloc(rest / 8 + 1, 1)};
    int error =
        starts.base && starts.bit ? read_body(ix, a, bytes, &starts, segments) : ERR_NO_MEMORY;
    free(starts.base);
    free(starts.bit);
    return error;
}

int index_image_read(struct index *ix, uint32_t arc, struct slice bytes,
                     const struct index_image_segments *segments)
{
    CHECK(ix->arc[arc] == NULL);
    struct index_arc *a = index_take(ix, sizeof *a);
    int error = a ? read_arc(ix, a, bytes, segments) : ERR_NO_MEMORY;
    if (error) {
        index_arc_free(a);
        return error;
    }
    ix->records += a->records;
    ix->arc[arc] = a;
    return 0;
}
