/* record.c: the order of versions, and the disk form of a record. */
#include "wire/record.h"

#include <lz4.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"
#include "wire/flush.h"

/* The flags on disk: of the value, then of its version (version_marks). */
enum {
    RECORD_FLAG_LZ4 = 1,
    RECORD_MARKS = 1,
    RECORD_FLAGS = RECORD_FLAG_LZ4 | (VERSION_DELETED | VERSION_ORDERED) << RECORD_MARKS
};

static inline int u64_cmp(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int version_value_cmp(const struct version *a, const struct version *b)
{
#ifdef CANARY_EXPIRY_FIRST
    if (a->expiry_stamp != b->expiry_stamp)
        return u64_cmp(a->expiry_stamp, b->expiry_stamp);
#endif
    int c = u64_cmp(a->ordered, b->ordered);
    if (!c)
        c = u64_cmp(a->stamp, b->stamp);
    if (!c)
        c = u64_cmp(a->deleted, b->deleted);
    if (!c)
        c = u64_cmp(a->node, b->node);
    return c ? c : u64_cmp(a->digest, b->digest);
}

int version_cmp(const struct version *a, const struct version *b)
{
    int c = version_value_cmp(a, b);
    return c ? c : u64_cmp(a->expiry_stamp, b->expiry_stamp);
}

int record_cmp(const struct record *a, const struct record *b)
{
    int c = version_cmp(&a->version, &b->version);
    if (!c)
        c = u64_cmp(a->expiry_ms, b->expiry_ms);
    return c ? c : u64_cmp(a->kind, b->kind);
}

/* Whether a record is marked as its kind demands, and empty of what its kind has no use for. A
 * value without an end cannot have lapsed. An erasure has the marks of what it erased. A flush is
 * plain (store/table/flushed.h), and so are the states, which are outside the order. */
static inline bool marks_valid(const struct record *r)
{
    struct flush_area area;
    switch (r->kind) {
    case RECORD_TOMBSTONE:
        return (r->version.deleted == 1 || r->expiry_ms > 0) && r->value.n == 0;
    case RECORD_VALUE:
        return r->version.deleted == 0;
    case RECORD_ROW:
        return r->version.deleted == 0 && r->version.ordered == 1;
    case RECORD_FLUSH:
        return r->version.deleted == 1 && r->version.ordered == 0 && r->key.n == 0 &&
               flush_area_read(r->value, &area);
    case RECORD_FLOOR:
        return r->version.deleted <= 1 && r->version.stamp > 0 && r->value.n == 0;
    case RECORD_STATE:
        return r->version.deleted == 0 && r->version.ordered == 0;
    default:
        return r->kind == RECORD_NONE;
    }
}

bool version_valid(const struct version *v)
{
    return v->stamp <= STAMP_MAX && v->expiry_stamp <= STAMP_MAX;
}

/* A flush and an erasure cover other keys too: their stamps have a lower bound (base/hlc.h). */
static bool stamps_valid(const struct record *r)
{
    bool wide = r->kind == RECORD_FLUSH || r->kind == RECORD_FLOOR;
    return version_valid(&r->version) && (!wide || r->version.stamp <= STAMP_WIDE_MAX);
}

/* RECORD_NONE answers a read: its key is that of the question, or is left out. */
static bool key_fits(const struct record *r)
{
    bool keyless = r->kind == RECORD_STATE || r->kind == RECORD_FLUSH ||
                   (r->kind == RECORD_NONE && r->key.n == 0);
    return keyless ? r->key.n <= KEY_FULL_MAX : key_valid(r->key);
}

bool record_marks_valid(const struct record *r)
{
    return r->kind <= RECORD_STATE && r->value.n <= RECORD_VALUE_MAX && marks_valid(r) &&
           stamps_valid(r);
}

bool record_valid(const struct record *r)
{
    return record_marks_valid(r) && key_fits(r);
}

/* ---- Disk form ---- */

/* Writes the value at p as it will rest: its bytes there. Compressed only when an eighth is saved,
 * so that reading never pays for nothing. */
static size_t value_put(uint8_t *p, struct slice value, bool *lz4)
{
    *lz4 = false;
    if (value.n >= RECORD_LZ4_MIN) {
        int n = LZ4_compress_default((const char *)value.p, (char *)p, (int)value.n,
                                     (int)(value.n - value.n / 8));
        if (n > 0) {
            *lz4 = true;
            return (size_t)n;
        }
    }
    put_bytes(p, value.p, value.n);
    return value.n;
}

int record_encode_slot(struct buf *out, const struct record *r, uint16_t slot)
{
    CHECK(r->kind != RECORD_NONE && r->kind <= RECORD_STATE);
    CHECK(marks_valid(r));
    if (r->key.n > KEY_FULL_MAX || r->value.n > RECORD_VALUE_MAX)
        return ERR_TOO_BIG;
    int error = buf_reserve(out, RECORD_HEADER + r->key.n + r->value.n);
    if (error)
        return error;
    uint8_t *start = out->p + out->n;
    bool lz4;
    put_bytes(start + RECORD_HEADER, r->key.p, r->key.n);
    size_t size =
        RECORD_HEADER + r->key.n + value_put(start + RECORD_HEADER + r->key.n, r->value, &lz4);
    uint8_t *p = put_u32(start + 8, (uint32_t)size);
    p = put_u8(p, r->kind);
    p = put_u8(p,
               (uint8_t)((lz4 ? RECORD_FLAG_LZ4 : 0) | version_marks(&r->version) << RECORD_MARKS));
    p = put_u16(p, slot);
    p = put_u64(p, r->version.stamp);
    p = put_u64(p, r->version.node);
    p = put_u64(p, r->version.digest);
    p = put_u64(p, r->version.expiry_stamp);
    p = put_u64(p, r->expiry_ms);
    p = put_u32(p, (uint32_t)r->key.n);
    p = put_u32(p, (uint32_t)r->value.n);
    CHECK(p == start + RECORD_HEADER);
    put_u64(start, hash_bytes(slice_of(start + 8, size - 8)));
    out->n += size;
    return 0;
}

int record_encode(struct buf *out, const struct record *r)
{
    return record_encode_slot(out, r, record_slot(r));
}

/* The lengths must agree before any of them is believed: so most damage to the size is seen without
 * reading that far. */
static bool view_lengths(struct record_view *v, size_t key_n)
{
    if (v->size < RECORD_HEADER || key_n > KEY_FULL_MAX || v->value_size > RECORD_VALUE_MAX ||
        v->size - RECORD_HEADER < key_n)
        return false;
    size_t stored = v->size - RECORD_HEADER - key_n;
    if (!v->lz4)
        return stored == v->value_size;
    return v->value_size >= RECORD_LZ4_MIN && stored > 0 &&
           stored <= v->value_size - v->value_size / 8;
}

/* Reads what the header says of lengths. False when that cannot be. */
static bool lengths(const uint8_t *p, struct record_view *out, size_t *key_n)
{
    uint8_t flags = p[13];
    *key_n = get_u32(p + 56);
    out->size = get_u32(p + 8);
    out->value_size = get_u32(p + 60);
    out->lz4 = flags & RECORD_FLAG_LZ4;
    return !(flags & ~RECORD_FLAGS) && view_lengths(out, *key_n);
}

bool record_lengths_agree(struct slice bytes)
{
    struct record_view v;
    size_t key_n;
    return bytes.n >= RECORD_HEADER && lengths(bytes.p, &v, &key_n);
}

int record_decode(struct slice bytes, struct record_view *out)
{
    size_t key_n;
    if (bytes.n < RECORD_HEADER)
        return ERR_INCOMPLETE;
    const uint8_t *p = bytes.p;
    if (!lengths(p, out, &key_n))
        return ERR_CORRUPT;
    out->slot = get_u16(p + 14);
    if (bytes.n < out->size)
        return ERR_INCOMPLETE;
    if (get_u64(p) != hash_bytes(slice_of(p + 8, out->size - 8)))
        return ERR_CORRUPT;
    struct record *r = &out->record;
    r->kind = p[12];
    r->version.stamp = get_u64(p + 16);
    r->version.node = get_u64(p + 24);
    r->version.digest = get_u64(p + 32);
    r->version.expiry_stamp = get_u64(p + 40);
    (void)version_set_marks(&r->version, p[13] >> RECORD_MARKS); /* no others: lengths has looked */
    r->expiry_ms = get_u64(p + 48);
    r->key = slice_of(p + RECORD_HEADER, key_n);
    r->value = slice_of(p + RECORD_HEADER + key_n, out->size - RECORD_HEADER - key_n);
    if (r->kind == RECORD_NONE || !record_valid(r) || out->slot >= SLOTS)
        return ERR_CORRUPT;
    return (int)out->size;
}

int record_value(const struct record_view *v, struct buf *scratch, struct slice *value)
{
    if (!v->lz4) {
        *value = v->record.value;
        return 0;
    }
    scratch->n = 0;
    int error = buf_reserve(scratch, v->value_size);
    if (error)
        return error;
    struct slice from = v->record.value;
    int n = LZ4_decompress_safe((const char *)from.p, (char *)scratch->p, (int)from.n,
                                (int)v->value_size);
    if (n < 0 || (uint32_t)n != v->value_size)
        return ERR_CORRUPT;
    scratch->n = v->value_size;
    *value = buf_view(scratch);
    return 0;
}
