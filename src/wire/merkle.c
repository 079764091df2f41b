/* merkle.c: see merkle.h. The hashes are SipHash-2-4 (Aumasson and Bernstein 2012), which is made
 * for keys that an adversary chooses: some 20 ns for a short key. */
#include "wire/merkle.h"

#include "base/error.h"
#include "wire/bytes.h"

#include <sodium.h>

_Static_assert(sizeof(struct merkle_key) == crypto_shorthash_KEYBYTES, "SipHash's key");

struct merkle_key merkle_key_of(const struct layout_secret *secret)
{
    static const uint8_t purpose[] = "covey Merkle key";
    struct merkle_key k;
    crypto_generichash(k.b, sizeof k.b, secret->b, sizeof secret->b, purpose, sizeof purpose - 1);
    return k;
}

static uint64_t sip(const struct merkle_key *k, const uint8_t *p, size_t n)
{
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, p, n, k->b);
    return get_u64(hash);
}

uint64_t merkle_key_hash(const struct merkle_key *k, struct slice key)
{
    return sip(k, key.p, key.n);
}

uint64_t merkle_print(const struct merkle_key *k, uint64_t key_hash, uint8_t kind,
                      const struct version *v, uint64_t expiry_ms)
{
    uint8_t bytes[50], *p = bytes;
    p = put_u64(p, key_hash);
    p = put_u64(p, v->stamp);
    p = put_u64(p, v->node);
    p = put_u64(p, v->digest);
    p = put_u64(p, v->expiry_stamp);
    p = put_u64(p, expiry_ms);
    p = put_u8(p, version_marks(v));
    p = put_u8(p, kind);
    return sip(k, bytes, (size_t)(p - bytes));
}

int range_append(struct buf *out, uint64_t first, uint64_t last)
{
    uint8_t bytes[RANGE_BYTES];
    put_u64(put_u64(bytes, first), last);
    return buf_append(out, bytes, sizeof bytes);
}

bool ranges_have(struct slice ranges, uint64_t key_hash)
{
    /* The ranges before `low` begin at or before the key hash, those from `high` on behind it. */
    size_t low = 0, high = ranges.n / RANGE_BYTES;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (get_u64(ranges.p + middle * RANGE_BYTES) <= key_hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && key_hash <= get_u64(ranges.p + (low - 1) * RANGE_BYTES + 8);
}

int listing_append(struct buf *out, const struct listing_entry *e)
{
    int error = buf_reserve(out, LISTING_HEAD + e->key.n);
    if (error)
        return error;
    uint8_t *p = out->p + out->n;
    p = put_u64(p, e->key_hash);
    p = put_u64(p, e->version.stamp);
    p = put_u64(p, e->version.node);
    p = put_u64(p, e->version.digest);
    p = put_u64(p, e->version.expiry_stamp);
    p = put_u64(p, e->expiry_ms);
    p = put_u8(p, version_marks(&e->version));
    p = put_u8(p, e->kind);
    p = put_u32(p, e->size);
    p = put_u32(p, (uint32_t)e->key.n);
    p = put_bytes(p, e->key.p, e->key.n);
    out->n = (size_t)(p - out->p);
    return 0;
}

int listing_next(struct slice *rest, struct listing_entry *e)
{
    const uint8_t *p = rest->p;
    if (rest->n == 0)
        return 0;
    if (rest->n < LISTING_HEAD)
        return ERR_BAD_MESSAGE;
    *e = (struct listing_entry){
        .key_hash = get_u64(p),
        .version = {.stamp = get_u64(p + 8),
                    .node = get_u64(p + 16),
                    .digest = get_u64(p + 24),
                    .expiry_stamp = get_u64(p + 32)},
        .expiry_ms = get_u64(p + 40),
        .kind = p[49],
        .size = get_u32(p + 50),
    };
    bool marks = version_set_marks(&e->version, p[48]);
    uint32_t key_n = get_u32(p + 54);
    bool known = e->version.deleted
                     ? e->kind == RECORD_TOMBSTONE
                     : e->kind == RECORD_VALUE || (e->kind == RECORD_TOMBSTONE && e->expiry_ms > 0);
    if (!marks || !known || key_n > rest->n - LISTING_HEAD || e->size > RECORD_VALUE_MAX ||
        e->version.stamp == 0 || !version_valid(&e->version))
        return ERR_BAD_MESSAGE;
    e->key = slice_of(p + LISTING_HEAD, key_n);
    if (!key_valid(e->key))
        return ERR_BAD_MESSAGE;
    *rest = slice_of(e->key.p + key_n, rest->n - LISTING_HEAD - key_n);
    return 1;
}

int listing_judge(struct slice rest, uint64_t wall_ms)
{
    struct listing_entry e;
    int got;
    for (unsigned n = 0; (got = listing_next(&rest, &e)) == 1; n++) {
        if (n == ERASABLE_MAX)
            return ERR_BAD_MESSAGE;
        if (!e.version.deleted && !expiry_passed(e.expiry_ms, wall_ms))
            return ERR_CLOCK;
    }
    return got;
}

int listing_cmp(const struct listing_entry *a, const struct listing_entry *b)
{
    if (a->key_hash != b->key_hash)
        return a->key_hash < b->key_hash ? -1 : 1;
    return slice_cmp(a->key, b->key);
}
