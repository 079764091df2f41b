/* layout.c: the layout's bytes. */
#include "wire/layout.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

enum {
    LAYOUT_FORMAT = 2,
    LAYOUT_HASH_PIECE = 1024, /* bytes of tables hashed at a time; a head or a member is shorter */
    LAYOUT_WEIGHT_MAX = 1000,
    RUNS = 5,
};

_Static_assert(LAYOUT_BYTES_MAX <= MESSAGE_MAX / 2,
               "a layout goes in one message, with room for what goes along");

void layout_init(struct layout *l)
{
    *l = (struct layout){0};
}

void layout_close(struct layout *l)
{
    free(l->member);
    free(l->owner);
    free(l->since);
    free(l->changed);
    free(l->next.owner);
    free(l->next.since);
    layout_init(l);
}

/* ---- Tables ---- */

/* A run of u16 or u64: the byte form has five of them behind the members. */
struct run {
    void *p;
    size_t n;
    unsigned size; /* of one: 2 or 8 */
};

static void runs_of(const struct layout *l, struct run run[RUNS])
{
    size_t now = (size_t)l->vnodes * l->n, next = (size_t)l->vnodes * l->next.n;
    run[0] = (struct run){l->changed, l->vnodes, sizeof *l->changed};
    run[1] = (struct run){l->owner, now, sizeof *l->owner};
    run[2] = (struct run){l->since, now, sizeof *l->since};
    run[3] = (struct run){l->next.owner, next, sizeof *l->next.owner};
    run[4] = (struct run){l->next.since, next, sizeof *l->next.since};
}

static size_t runs_size(const struct layout *l)
{
    return l->vnodes * (LAYOUT_CHANGED + ((size_t)l->n + l->next.n) * LAYOUT_PLACE);
}

static void *zeros(size_t n, size_t size, bool *failed)
{
    void *p = n ? calloc(n, size) : NULL;
    *failed = *failed || (n && !p);
    return p;
}

int layout_allocate(struct layout *l)
{
    size_t now = (size_t)l->vnodes * l->n, next = (size_t)l->vnodes * l->next.n;
    bool failed = false;
    l->member = zeros(l->member_n, sizeof *l->member, &failed);
    l->changed = zeros(l->vnodes, sizeof *l->changed, &failed);
    l->owner = zeros(now, sizeof *l->owner, &failed);
    l->since = zeros(now, sizeof *l->since, &failed);
    l->next.owner = zeros(next, sizeof *l->next.owner, &failed);
    l->next.since = zeros(next, sizeof *l->next.since, &failed);
    if (!failed)
        return 0;
    layout_close(l);
    return ERR_NO_MEMORY;
}

int layout_copy(struct layout *to, const struct layout *from)
{
    struct run here[RUNS], there[RUNS];
    CHECK(!to->member && !to->owner);
    *to = *from;
    int error = layout_allocate(to);
    if (error)
        return error;
    if (from->member_n)
        memcpy(to->member, from->member, from->member_n * sizeof *to->member);
    runs_of(to, here);
    runs_of(from, there);
    for (unsigned i = 0; i < RUNS; i++)
        if (here[i].n)
            memcpy(here[i].p, there[i].p, here[i].n * here[i].size);
    return 0;
}

/* ---- Writing, in parts that the hash shares ---- */

static uint8_t *quorums_put(uint8_t *p, uint8_t n, uint8_t w, uint8_t r)
{
    p = put_u8(p, n);
    p = put_u8(p, w);
    return put_u8(p, r);
}

static uint8_t *head_put(uint8_t *p, const struct layout *l)
{
    p = put_u8(p, LAYOUT_FORMAT);
    p = put_u64(p, l->epoch);
    p = put_u32(p, l->generation);
    p = put_u64(p, l->generation_id);
    p = put_bytes(p, l->secret.b, sizeof l->secret.b);
    p = put_u16(p, l->vnodes);
    p = put_u8(p, l->n_wanted);
    p = put_u8(p, l->stage);
    p = quorums_put(p, l->n, l->w, l->r);
    p = quorums_put(p, l->next.n, l->next.w, l->next.r);
    return put_u16(p, l->member_n);
}

static uint8_t *member_put(uint8_t *p, const struct layout_member *m)
{
    CHECK(m->zone_n <= ZONE_MAX);
    p = put_u64(p, m->id);
    p = put_u64(p, m->disk);
    p = put_u16(p, m->weight);
    p = put_u8(p, m->zone_n);
    return put_bytes(p, m->zone, m->zone_n);
}

/* Elements from .. from + n - 1. */
static uint8_t *run_put(uint8_t *p, const struct run *run, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++)
        p = run->size == 2 ? put_u16(p, ((const uint16_t *)run->p)[i])
                           : put_u64(p, ((const uint64_t *)run->p)[i]);
    return p;
}

int layout_encode(struct buf *out, const struct layout *l)
{
    struct run run[RUNS];
    size_t size = LAYOUT_HEAD + runs_size(l);
    for (uint16_t i = 0; i < l->member_n; i++)
        size += (size_t)LAYOUT_MEMBER + l->member[i].zone_n;
    int error = buf_reserve(out, size);
    if (error)
        return error;
    uint8_t *p = head_put(out->p + out->n, l);
    for (uint16_t i = 0; i < l->member_n; i++)
        p = member_put(p, &l->member[i]);
    runs_of(l, run);
    for (unsigned i = 0; i < RUNS; i++)
        p = run_put(p, &run[i], 0, run[i].n);
    CHECK(p == out->p + out->n + size);
    out->n += size;
    return 0;
}

static uint64_t run_hash(const struct run *run, uint64_t hash)
{
    uint8_t piece[LAYOUT_HASH_PIECE];
    size_t most = sizeof piece / run->size;
    for (size_t at = 0, n; at < run->n; at += n) {
        n = run->n - at < most ? run->n - at : most;
        hash = hash_seeded(slice_of(piece, (size_t)(run_put(piece, run, at, n) - piece)), hash);
    }
    return hash;
}

uint64_t layout_hash(const struct layout *l)
{
    struct run run[RUNS];
    uint8_t piece[LAYOUT_HASH_PIECE];
    uint64_t hash = hash_bytes(slice_of(piece, (size_t)(head_put(piece, l) - piece)));
    for (uint16_t i = 0; i < l->member_n; i++)
        hash =
            hash_seeded(slice_of(piece, (size_t)(member_put(piece, &l->member[i]) - piece)), hash);
    runs_of(l, run);
    for (unsigned i = 0; i < RUNS; i++)
        hash = run_hash(&run[i], hash);
    return hash;
}

/* ---- Reading ---- */

static bool quorums_valid(uint8_t n, uint8_t w, uint8_t r, uint16_t member_n)
{
    return n >= 1 && n <= REPLICAS_MAX && n <= member_n && w == n / 2 + 1 && r == n - w + 1;
}

static bool stage_valid(const struct layout *l)
{
    const struct layout_table *next = &l->next;
    if (l->stage == LAYOUT_SETTLED) {
        bool full = l->n == (l->n_wanted < l->member_n ? l->n_wanted : l->member_n);
        return full && next->n == 0 && next->w == 0 && next->r == 0;
    }
    return l->stage <= LAYOUT_STAGE_2 && next->n <= l->n_wanted &&
           quorums_valid(next->n, next->w, next->r, l->member_n);
}

static bool head_valid(const struct layout *l)
{
    if (l->epoch == 0 || l->epoch > LAYOUT_EPOCH_MAX || l->generation == 0)
        return false;
    if (l->member_n == 0 || l->member_n > LAYOUT_MEMBERS_MAX || l->n_wanted == 0 ||
        l->n_wanted > REPLICAS_MAX)
        return false;
    if (l->vnodes > VNODES_MAX || !power_of_two(l->vnodes))
        return false;
    return quorums_valid(l->n, l->w, l->r, l->member_n) && stage_valid(l);
}

static bool head_get(struct slice *in, struct layout *l)
{
    const uint8_t *p = in->p;
    if (in->n < LAYOUT_HEAD)
        return false;
    l->epoch = get_u64(p + 1);
    l->generation = get_u32(p + 9);
    l->generation_id = get_u64(p + 13);
    put_bytes(l->secret.b, p + 21, sizeof l->secret.b);
    l->vnodes = get_u16(p + 37);
    l->n_wanted = p[39];
    l->stage = p[40];
    l->n = p[41];
    l->w = p[42];
    l->r = p[43];
    l->next.n = p[44];
    l->next.w = p[45];
    l->next.r = p[46];
    l->member_n = get_u16(p + 47);
    *in = slice_of(p + LAYOUT_HEAD, in->n - LAYOUT_HEAD);
    /* What the tables need at least must be there before they are allocated. */
    return head_valid(l) && in->n >= (size_t)l->member_n * LAYOUT_MEMBER + runs_size(l);
}

static bool member_get(struct slice *in, struct layout_member *m)
{
    if (in->n < LAYOUT_MEMBER)
        return false;
    m->id = get_u64(in->p);
    m->disk = get_u64(in->p + 8);
    m->weight = get_u16(in->p + 16);
    m->zone_n = in->p[18];
    if (m->zone_n > ZONE_MAX || in->n < (size_t)LAYOUT_MEMBER + m->zone_n)
        return false;
    put_bytes(m->zone, in->p + LAYOUT_MEMBER, m->zone_n);
    *in = slice_of(in->p + LAYOUT_MEMBER + m->zone_n, in->n - LAYOUT_MEMBER - m->zone_n);
    return m->id != 0 && m->weight >= 1 && m->weight <= LAYOUT_WEIGHT_MAX;
}

static bool members_get(struct slice *in, struct layout *l)
{
    for (uint16_t i = 0; i < l->member_n; i++) {
        if (!member_get(in, &l->member[i]) || (i && l->member[i].id <= l->member[i - 1].id))
            return false;
    }
    return true;
}

static const uint8_t *run_get(const uint8_t *p, const struct run *run)
{
    for (size_t i = 0; i < run->n; i++, p += run->size) {
        if (run->size == 2)
            ((uint16_t *)run->p)[i] = get_u16(p);
        else
            ((uint64_t *)run->p)[i] = get_u64(p);
    }
    return p;
}

static bool runs_get(struct slice in, struct layout *l)
{
    struct run run[RUNS];
    if (in.n != runs_size(l))
        return false;
    runs_of(l, run);
    for (unsigned i = 0; i < RUNS; i++)
        in.p = run_get(in.p, &run[i]);
    return true;
}

/* Whether a row names members, each once, none of which joined the row after its last change. */
static bool row_valid(const struct layout *l, const uint16_t *owner, const uint64_t *since,
                      unsigned n, uint64_t changed)
{
    for (unsigned i = 0; i < n; i++) {
        if (owner[i] >= l->member_n || since[i] == 0 || since[i] > changed)
            return false;
        for (unsigned j = 0; j < i; j++)
            if (owner[i] == owner[j])
                return false;
    }
    return true;
}

/* Whether a member that owns the vnode in both tables has the same `since` in both. */
static bool rows_agree(const struct layout *l, size_t vnode)
{
    size_t now = vnode * l->n, next = vnode * l->next.n;
    for (unsigned i = 0; i < l->n; i++)
        for (unsigned j = 0; j < l->next.n; j++)
            if (l->owner[now + i] == l->next.owner[next + j] &&
                l->since[now + i] != l->next.since[next + j])
                return false;
    return true;
}

static bool rows_valid(const struct layout *l)
{
    for (size_t v = 0; v < l->vnodes; v++) {
        size_t now = v * l->n, next = v * l->next.n;
        if (l->changed[v] > l->epoch ||
            !row_valid(l, l->owner + now, l->since + now, l->n, l->changed[v]))
            return false;
        if (!l->next.n)
            continue;
        if (!row_valid(l, l->next.owner + next, l->next.since + next, l->next.n, l->changed[v]) ||
            !rows_agree(l, v))
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
    if (members_get(&bytes, out) && runs_get(bytes, out) && rows_valid(out))
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

int layout_rank(const struct layout *l, uint16_t vnode, uint64_t id)
{
    for (unsigned i = 0; i < l->n; i++)
        if (layout_owner(l, vnode, i)->id == id)
            return (int)i;
    return -1;
}

bool layout_owns(const struct layout *l, uint16_t vnode, uint64_t id)
{
    return layout_rank(l, vnode, id) >= 0;
}

unsigned layout_writers(const struct layout *l, uint16_t vnode, uint16_t out[OWNERS_MAX])
{
    unsigned n = l->n;
    memcpy(out, l->owner + (size_t)vnode * l->n, n * sizeof *out);
    for (unsigned i = 0; i < l->next.n; i++) {
        uint16_t m = l->next.owner[(size_t)vnode * l->next.n + i];
        if (!layout_owns(l, vnode, l->member[m].id))
            out[n++] = m;
    }
    return n;
}

bool layout_newcomer(const struct layout *l, uint16_t m)
{
    bool owns = false;
    for (size_t i = 0; i < (size_t)l->vnodes * l->n; i++) {
        if (l->owner[i] != m)
            continue;
        if (l->since[i] < l->epoch)
            return false;
        owns = true;
    }
    return owns;
}
