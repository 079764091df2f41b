/* ring.c: layouts: computing the next one, reading one, checking one.
 *
 * The problem: cut the data among members of different weights and in different zones so that the
 * shares are right to within one vnode, copies never lie together, and a change of members moves no
 * more data than it must. Random tokens (Dynamo's first strategies, and Cassandra's) miss all
 * three. An explicit table, computed once for each change and agreed upon (chain.h), has none of
 * these troubles (Dynamo, SOSP 2007, section 6.2, strategy 3). The work is done in three steps:
 * ring_share.c decides how many places each member gets, ring_flow.c in which vnodes, ring_order.c
 * at which rank.
 *
 * An example: eight vnodes, N = 2, members a, b, c of equal weight, and d joins. 16 places among
 * four are four each. Before, a had six, b and c five each; they give up two, one and one, and d
 * gains four. Four places move, which is the least:
 *
 *     vnode    0    1    2    3    4    5    6    7
 *     before   b c  c a  c a  a b  a b  a b  b c  c a
 *     after    b c  c a  d a  a b  a b  b d  c d  d c
 *
 * In vnode 5 b comes to rank 0, and in vnode 6 c does, so each member is first in two vnodes. */
#include "core/ring/ring.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "core/ring/ring_work.h"

static int member_cmp(const void *a, const void *b)
{
    const struct layout_member *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static bool zone_eq(const struct layout_member *a, const struct layout_member *b)
{
    return a->zone_n == b->zone_n && memcmp(a->zone, b->zone, a->zone_n) == 0;
}

/* Numbers the zones as they appear and lists the members of each. */
static void work_zones(struct ring_work *w)
{
    const struct layout *l = w->next;
    uint16_t at = 0;

    for (uint16_t m = 0; m < l->member_n; m++) {
        uint16_t first = 0;
        while (!zone_eq(&l->member[first], &l->member[m]))
            first++;
        w->zone[m] = first < m ? w->zone[first] : w->zone_n++;
    }
    for (uint16_t z = 0; z < w->zone_n; z++) {
        w->zone_first[z] = at;
        for (uint16_t m = 0; m < l->member_n; m++)
            if (w->zone[m] == z)
                w->zone_member[at++] = m;
    }
    w->zone_first[w->zone_n] = at;
}

static void work_previous(struct ring_work *w)
{
    const struct layout *prev = w->prev;

    for (uint32_t v = 0; v < prev->vnodes; v++) {
        for (unsigned i = 0; i < prev->n; i++) {
            int m = layout_find(w->next, layout_owner(prev, (uint16_t)v, i)->id);
            if (m < 0)
                continue;
            w->had[(size_t)m * prev->vnodes + v] = 1;
            w->had_n[m]++;
        }
    }
}

void *ring_take(struct ring_work *w, size_t n, size_t size)
{
    struct ring_block *b = w->failed ? NULL : calloc(1, sizeof *b + n * size);

    w->failed = !b;
    if (!b)
        return NULL;
    b->next = w->blocks;
    w->blocks = b;
    return b->bytes;
}

int ring_work_init(struct ring_work *w, const struct layout *prev, struct layout *next)
{
    size_t member_n = next->member_n;

    *w = (struct ring_work){.prev = prev, .next = next};
    w->zone = ring_take(w, member_n, sizeof *w->zone);
    w->zone_first = ring_take(w, member_n + 1, sizeof *w->zone_first);
    w->zone_member = ring_take(w, member_n, sizeof *w->zone_member);
    w->had_n = ring_take(w, member_n, sizeof *w->had_n);
    w->share_min = ring_take(w, member_n, sizeof *w->share_min);
    w->share_max = ring_take(w, member_n, sizeof *w->share_max);
    w->share = ring_take(w, member_n, sizeof *w->share);
    w->had = ring_take(w, member_n, next->vnodes);
    w->has = ring_take(w, member_n, next->vnodes);
    if (w->failed)
        return ERR_NO_MEMORY;
    work_zones(w);
    if (prev)
        work_previous(w);
    return 0;
}

void ring_work_close(struct ring_work *w)
{
    while (w->blocks) {
        struct ring_block *b = w->blocks;
        w->blocks = b->next;
        free(b);
    }
}

static int change_valid(const struct ring_change *c)
{
    if (c->member_n < 1 || c->member_n > LAYOUT_MEMBERS_MAX)
        return ERR_TOO_BIG;
    if (!c->prev && (c->n_wanted < 1 || c->n_wanted > REPLICAS_MAX))
        return ERR_TOO_BIG;
    if (!c->prev && (c->vnodes > VNODES_MAX || (c->vnodes > 0 && !power_of_two(c->vnodes))))
        return ERR_TOO_BIG;
    for (uint16_t m = 0; m < c->member_n; m++)
        if (c->member[m].weight < 1 || c->member[m].weight > RING_WEIGHT_MAX ||
            c->member[m].zone_n > ZONE_MAX)
            return ERR_TOO_BIG;
    return 0;
}

/* All of the next layout but its owners and their epochs. */
static int layout_head(const struct ring_change *c, struct layout *l)
{
    const struct layout *prev = c->prev;

    l->epoch = prev ? prev->epoch + 1 : 1;
    l->generation = prev ? prev->generation : 1;
    l->generation_id = prev ? prev->generation_id : c->generation_id;
    l->secret = prev ? prev->secret : c->secret;
    l->vnodes = prev ? prev->vnodes : c->vnodes ? c->vnodes : VNODES_DEFAULT;
    l->n_wanted = prev ? prev->n_wanted : c->n_wanted;
    l->n = c->member_n < l->n_wanted ? (uint8_t)c->member_n : l->n_wanted;
    l->w = (uint8_t)(l->n / 2 + 1);
    l->r = (uint8_t)(l->n - l->w + 1);
    l->member_n = c->member_n;
    int error = layout_allocate(l);
    if (error)
        return error;
    memcpy(l->member, c->member, l->member_n * sizeof *l->member);
    qsort(l->member, l->member_n, sizeof *l->member, member_cmp);
    for (uint16_t m = 1; m < l->member_n; m++)
        CHECK(l->member[m - 1].id < l->member[m].id);
    return 0;
}

/* ---- Epochs: since when a member owns a vnode, and when a row last changed ---- */

static uint64_t place_since(const struct layout *prev, const struct layout *next, uint16_t vnode,
                            unsigned i)
{
    uint64_t id = layout_owner(next, vnode, i)->id;

    for (unsigned j = 0; prev && j < prev->n; j++)
        if (layout_owner(prev, vnode, j)->id == id)
            return prev->since[(size_t)vnode * prev->n + j];
    return next->epoch;
}

static uint64_t row_changed(const struct layout *prev, const struct layout *next, uint16_t vnode)
{
    if (!prev || prev->n != next->n)
        return next->epoch;
    for (unsigned i = 0; i < next->n; i++)
        if (layout_owner(prev, vnode, i)->id != layout_owner(next, vnode, i)->id)
            return next->epoch;
    return prev->changed[vnode];
}

static void date(const struct layout *prev, struct layout *next)
{
    for (uint32_t v = 0; v < next->vnodes; v++) {
        next->changed[v] = row_changed(prev, next, (uint16_t)v);
        for (unsigned i = 0; i < next->n; i++)
            next->since[v * next->n + i] = place_since(prev, next, (uint16_t)v, i);
    }
}

bool ring_dated(const struct layout *prev, const struct layout *next)
{
    for (uint32_t v = 0; v < next->vnodes; v++) {
        if (next->changed[v] != row_changed(prev, next, (uint16_t)v))
            return false;
        for (unsigned i = 0; i < next->n; i++)
            if (next->since[v * next->n + i] != place_since(prev, next, (uint16_t)v, i))
                return false;
    }
    return true;
}

/* ---- What every computed layout must be ---- */

static void check_head(const struct layout *l)
{
    CHECK(l->epoch >= 1);
    CHECK(l->vnodes <= VNODES_MAX && power_of_two(l->vnodes));
    CHECK(l->member_n >= 1 && l->member_n <= LAYOUT_MEMBERS_MAX);
    CHECK(l->n == (l->member_n < l->n_wanted ? l->member_n : l->n_wanted));
    CHECK(l->w == l->n / 2 + 1 && l->r == l->n - l->w + 1);
    CHECK(l->stage == LAYOUT_SETTLED && l->next.n == 0);
    for (uint16_t m = 1; m < l->member_n; m++)
        CHECK(l->member[m - 1].id < l->member[m].id);
}

static void check_vnode(const struct ring_work *w, uint16_t vnode)
{
    const struct layout *l = w->next;
    const uint16_t *row = l->owner + (size_t)vnode * l->n;
    unsigned zones = 0;

    for (unsigned i = 0; i < l->n; i++) {
        bool zone_seen = false;
        CHECK(row[i] < l->member_n);
        for (unsigned j = 0; j < i; j++) {
            CHECK(row[j] != row[i]);
            zone_seen = zone_seen || w->zone[row[j]] == w->zone[row[i]];
        }
        zones += !zone_seen;
    }
    CHECK(zones == (w->zone_n < l->n ? w->zone_n : l->n));
    CHECK(l->changed[vnode] <= l->epoch);
    for (unsigned i = 0; i < l->n; i++) {
        uint64_t since = l->since[(size_t)vnode * l->n + i];
        CHECK(since >= 1 && since <= l->changed[vnode]);
    }
}

static void check_layout(const struct ring_work *w)
{
    const struct layout *l = w->next;
    uint32_t places, firsts;

    check_head(l);
    for (uint32_t v = 0; v < l->vnodes; v++)
        check_vnode(w, (uint16_t)v);
    for (uint16_t m = 0; m < l->member_n; m++) {
        ring_places(l, m, &places, &firsts);
        CHECK(places == w->share[m]);
        CHECK(places >= w->share_min[m] && places <= w->share_max[m]);
        CHECK(firsts >= places / l->n && firsts <= (places + l->n - 1u) / l->n);
    }
}

/* ---- The computation ---- */

int ring_compute(const struct ring_change *change, struct layout *out)
{
    struct ring_work w;
    int error = change_valid(change);

    if (error)
        return error;
    error = layout_head(change, out);
    if (error)
        goto out_close_layout;
    error = ring_work_init(&w, change->prev, out);
    if (!error)
        error = ring_share(&w);
    if (!error)
        error = ring_flow(&w);
    if (!error)
        error = ring_order(&w);
    if (!error) {
        date(change->prev, out);
        check_layout(&w);
    }
    ring_work_close(&w);
    if (!error)
        return 0;
out_close_layout:
    layout_close(out);
    layout_init(out);
    return error;
}

void ring_places(const struct layout *l, uint16_t m, uint32_t *places, uint32_t *firsts)
{
    *places = *firsts = 0;
    for (uint32_t i = 0; i < (uint32_t)l->vnodes * l->n; i++) {
        *places += l->owner[i] == m;
        *firsts += l->owner[i] == m && i % l->n == 0;
    }
}
