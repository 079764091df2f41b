/* layout.c: the layout's bytes. */
#include "wire/layout.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

enum {
    LAYOUT_FORMAT = 1,
    LAYOUT_HEAD = 1 + 8 + 8 + 2 + 4 + 2, /* format, epoch, generation, vnodes, n_wanted n w r, member_n */
    LAYOUT_MEMBER = 8 + 8 + 8 + 2 + 1,   /* and the zone's bytes */
    LAYOUT_HASH_PIECE = 1024,            /* bytes of owners hashed at a time */
    LAYOUT_WEIGHT_MAX = 1000,
};

void layout_init(struct layout *l)
{
    *l = (struct layout){0};
}

void layout_close(struct layout *l)
{
    free(l->member);
    free(l->owner);
    layout_init(l);
}

static size_t owner_count(const struct layout *l)
{
    return (size_t)l->vnodes * l->n;
}

/* The tables for what the head says, which was checked before. On failure the layout is left empty. */
static int layout_allocate(struct layout *l)
{
    l->member = calloc(l->member_n, sizeof *l->member);
    l->owner = calloc(owner_count(l), sizeof *l->owner);
    if ((l->member || !l->member_n) && (l->owner || !owner_count(l)))
        return 0;
    layout_close(l);
    return ERR_NO_MEMORY;
}

int layout_copy(struct layout *to, const struct layout *from)
{
    CHECK(!to->member && !to->owner);
    *to = *from;
    int error = layout_allocate(to);
    if (error)
        return error;
    if (from->member_n)
        memcpy(to->member, from->member, from->member_n * sizeof *to->member);
    if (owner_count(from))
        memcpy(to->owner, from->owner, owner_count(from) * sizeof *to->owner);
    return 0;
}

/* ---- Writing, in three parts that the hash shares ---- */

static uint8_t *head_put(uint8_t *p, const struct layout *l)
{
    p = put_u8(p, LAYOUT_FORMAT);
    p = put_u64(p, l->epoch);
    p = put_u64(p, l->generation);
    p = put_u16(p, l->vnodes);
    p = put_u8(p, l->n_wanted);
    p = put_u8(p, l->n);
    p = put_u8(p, l->w);
    p = put_u8(p, l->r);
    return put_u16(p, l->member_n);
}

static uint8_t *member_put(uint8_t *p, const struct layout_member *m)
{
    CHECK(m->zone_n <= ZONE_MAX);
    p = put_u64(p, m->id);
    p = put_u64(p, m->since);
    p = put_u64(p, m->disk);
    p = put_u16(p, m->weight);
    p = put_u8(p, m->zone_n);
    return put_bytes(p, m->zone, m->zone_n);
}

static uint8_t *owners_put(uint8_t *p, const uint16_t *owner, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p = put_u16(p, owner[i]);
    return p;
}

int layout_encode(struct buf *out, const struct layout *l)
{
    size_t size = LAYOUT_HEAD + owner_count(l) * sizeof *l->owner;
    for (uint16_t i = 0; i < l->member_n; i++)
        size += LAYOUT_MEMBER + l->member[i].zone_n;
    int error = buf_reserve(out, size);
    if (error)
        return error;
    uint8_t *p = head_put(out->p + out->n, l);
    for (uint16_t i = 0; i < l->member_n; i++)
        p = member_put(p, &l->member[i]);
    p = owners_put(p, l->owner, owner_count(l));
    CHECK(p == out->p + out->n + size);
    out->n += size;
    return 0;
}

uint64_t layout_hash(const struct layout *l)
{
    uint8_t piece[LAYOUT_HASH_PIECE];
    uint64_t hash = hash_bytes(slice_of(piece, (size_t)(head_put(piece, l) - piece)));
    for (uint16_t i = 0; i < l->member_n; i++)
        hash = hash_seeded(slice_of(piece, (size_t)(member_put(piece, &l->member[i]) - piece)), hash);
    size_t most = sizeof piece / sizeof *l->owner;
    for (size_t at = 0, n; at < owner_count(l); at += n) {
        n = owner_count(l) - at < most ? owner_count(l) - at : most;
        hash = hash_seeded(slice_of(piece, (size_t)(owners_put(piece, l->owner + at, n) - piece)), hash);
    }
    return hash;
}

/* ---- Reading ---- */

static bool head_valid(const struct layout *l)
{
    if (l->epoch == 0 || l->epoch > LAYOUT_EPOCH_MAX || l->member_n == 0 || l->member_n > LAYOUT_MEMBERS_MAX)
        return false;
    if (l->vnodes > VNODES_MAX || !power_of_two(l->vnodes))
        return false;
    if (l->n_wanted == 0 || l->n_wanted > REPLICAS_MAX)
        return false;
    uint8_t n = l->n_wanted < l->member_n ? l->n_wanted : (uint8_t)l->member_n;
    return l->n == n && l->w == n / 2 + 1 && l->r == n - l->w + 1;
}

static bool head_get(struct slice *in, struct layout *l)
{
    const uint8_t *p = in->p;
    if (in->n < LAYOUT_HEAD)
        return false;
    l->epoch = get_u64(p + 1);
    l->generation = get_u64(p + 9);
    l->vnodes = get_u16(p + 17);
    l->n_wanted = p[19];
    l->n = p[20];
    l->w = p[21];
    l->r = p[22];
    l->member_n = get_u16(p + 23);
    *in = slice_of(p + LAYOUT_HEAD, in->n - LAYOUT_HEAD);
    /* What the tables need at least must be there before they are allocated. */
    return head_valid(l) && in->n >= (size_t)l->member_n * LAYOUT_MEMBER + owner_count(l) * sizeof *l->owner;
}

static bool member_get(struct slice *in, struct layout_member *m)
{
    if (in->n < LAYOUT_MEMBER)
        return false;
    m->id = get_u64(in->p);
    m->since = get_u64(in->p + 8);
    m->disk = get_u64(in->p + 16);
    m->weight = get_u16(in->p + 24);
    m->zone_n = in->p[26];
    if (m->zone_n > ZONE_MAX || in->n < (size_t)LAYOUT_MEMBER + m->zone_n)
        return false;
    put_bytes(m->zone, in->p + LAYOUT_MEMBER, m->zone_n);
    *in = slice_of(in->p + LAYOUT_MEMBER + m->zone_n, in->n - LAYOUT_MEMBER - m->zone_n);
    return m->id != 0 && m->weight >= 1 && m->weight <= LAYOUT_WEIGHT_MAX;
}

static bool members_get(struct slice *in, struct layout *l)
{
    for (uint16_t i = 0; i < l->member_n; i++) {
        struct layout_member *m = &l->member[i];
        if (!member_get(in, m) || m->since > l->epoch || (i && m->id <= l->member[i - 1].id))
            return false;
    }
    return true;
}

static bool owners_distinct(const uint16_t *owner, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (owner[i] == owner[j])
                return false;
        }
    }
    return true;
}

/* The owners are the rest of the bytes, no more and no less. */
static bool owners_get(struct slice in, struct layout *l)
{
    if (in.n != owner_count(l) * sizeof *l->owner)
        return false;
    for (size_t i = 0; i < owner_count(l); i++) {
        l->owner[i] = get_u16(in.p + i * sizeof *l->owner);
        if (l->owner[i] >= l->member_n)
            return false;
    }
    for (size_t v = 0; v < l->vnodes; v++) {
        if (!owners_distinct(l->owner + v * l->n, l->n))
            return false;
    }
    return true;
}

int layout_decode(struct slice bytes, struct layout *out)
{
    CHECK(!out->member && !out->owner);
    if (bytes.n && bytes.p[0] != LAYOUT_FORMAT)
        return ERR_BAD_FORMAT;
    if (!head_get(&bytes, out)) {
        layout_init(out);
        return ERR_BAD_MESSAGE;
    }
    int error = layout_allocate(out);
    if (error)
        return error;
    if (members_get(&bytes, out) && owners_get(bytes, out))
        return 0;
    layout_close(out);
    return ERR_BAD_MESSAGE;
}

int layout_find(const struct layout *l, uint64_t id)
{
    int low = 0, high = (int)l->member_n - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        uint64_t at = l->member[middle].id;
        if (at == id)
            return middle;
        if (at < id)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

bool layout_owns(const struct layout *l, uint16_t vnode, uint64_t id)
{
    for (unsigned i = 0; i < l->n; i++)
        if (layout_owner(l, vnode, i)->id == id)
            return true;
    return false;
}
