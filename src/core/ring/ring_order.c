/* ring_order.c: at which rank each owner of a vnode stands. Moves no data; decides which owner is
 * asked first.
 *
 * It goes rank by rank. Of the owners of a vnode that have no rank yet, one gets rank i. Let member
 * m be among these in `left[m]` vnodes; n - i ranks remain. If every vnode chose each of its n - i
 * candidates in equal parts, m would get left[m] / (n - i) vnodes: a fractional choice in which all
 * ranks are balanced. So one in whole vnodes exists too, where each member gets that number rounded
 * down or up. We start from the previous order, and shift what is too much along shortest paths "a
 * has rank i in v, but b could have it": first until no member is above its upper bound, then until
 * none is below its lower one. */
#include "core/ring/ring_work.h"

#include "base/error.h"

enum { NOWHERE = 0xffffffff };

struct order {
    struct ring_work *w;
    uint8_t rank;    /* that is being given */
    uint32_t *count; /* by member: vnodes where it has the rank */
    uint32_t *low;   /* by member: the least that count may end at */
    uint32_t *high;  /* by member: the most */
    uint32_t *head;  /* by member: the first vnode where it has the rank */
    uint32_t *after; /* by vnode: the next one of the same member */
    uint32_t *via;   /* by member: the vnode through which the search came; NOWHERE: not reached */
    uint16_t *queue;
};

static uint16_t *order_row(const struct order *o, uint32_t vnode)
{
    return o->w->next->owner + (size_t)vnode * o->w->next->n;
}

static void order_list(struct order *o, uint16_t m, uint32_t vnode)
{
    o->after[vnode] = o->head[m];
    o->head[m] = vnode;
    o->count[m]++;
}

static void order_unlist(struct order *o, uint16_t m, uint32_t vnode)
{
    uint32_t *link = &o->head[m];

    while (*link != vnode)
        link = &o->after[*link];
    *link = o->after[vnode];
    o->count[m]--;
}

/* Gives the rank to m, an owner of a later rank, and m's rank to the owner that had it; returns
 * that owner. */
static uint16_t order_swap(struct order *o, uint32_t vnode, uint16_t m)
{
    uint16_t *row = order_row(o, vnode), was = row[o->rank];
    unsigned i = o->rank;

    while (row[i] != m)
        i++;
    row[i] = was;
    row[o->rank] = m;
    order_unlist(o, was, vnode);
    order_list(o, m, vnode);
    return was;
}

/* From each vnode where m has the rank the search goes on to the owners of later ranks. Returns one
 * that is below its limit, or member_n. */
static uint16_t order_look(struct order *o, uint16_t m, const uint32_t *limit, uint16_t *tail)
{
    const struct layout *l = o->w->next;

    for (uint32_t v = o->head[m]; v != NOWHERE; v = o->after[v]) {
        const uint16_t *row = order_row(o, v);
        for (unsigned i = o->rank + 1u; i < l->n; i++) {
            if (o->via[row[i]] != NOWHERE || o->count[row[i]] > limit[row[i]])
                continue;
            o->via[row[i]] = v;
            if (o->count[row[i]] < limit[row[i]])
                return row[i];
            o->queue[(*tail)++] = row[i];
        }
    }
    return l->member_n;
}

/* Shifts one vnode's worth from a member above its limit to one below, along a shortest path. False
 * when there is none. */
static bool order_shift(struct order *o, const uint32_t *limit)
{
    uint16_t member_n = o->w->next->member_n, head = 0, tail = 0, found = member_n;

    for (uint16_t m = 0; m < member_n; m++) {
        o->via[m] = NOWHERE;
        if (o->count[m] > limit[m])
            o->queue[tail++] = m;
    }
    while (head < tail && found == member_n)
        found = order_look(o, o->queue[head++], limit, &tail);
    if (found == member_n)
        return false;
    while (o->via[found] != NOWHERE)
        found = order_swap(o, o->via[found], found);
    return true;
}

static void order_rank(struct order *o)
{
    const struct layout *l = o->w->next;
    uint32_t remaining = (uint32_t)(l->n - o->rank);

    for (uint16_t m = 0; m < l->member_n; m++) {
        o->count[m] = o->low[m] = 0;
        o->head[m] = NOWHERE;
    }
    for (uint32_t v = 0; v < l->vnodes; v++) {
        order_list(o, order_row(o, v)[o->rank], v);
        for (unsigned i = o->rank; i < l->n; i++)
            o->low[order_row(o, v)[i]]++;
    }
    for (uint16_t m = 0; m < l->member_n; m++) {
        o->high[m] = (o->low[m] + remaining - 1) / remaining;
        o->low[m] /= remaining;
    }
    while (order_shift(o, o->high))
        ;
    while (order_shift(o, o->low))
        ;
}

/* Owners in the order of the layout before; behind them those that are new to the vnode, begun at a
 * different member from vnode to vnode so that little is left to shift. */
static void order_start(const struct ring_work *w)
{
    const struct layout *prev = w->prev, *l = w->next;

    for (uint32_t v = 0; v < l->vnodes; v++) {
        uint16_t *row = l->owner + (size_t)v * l->n;
        unsigned n = 0;
        for (unsigned i = 0; prev && i < prev->n; i++) {
            int m = layout_find(l, layout_owner(prev, (uint16_t)v, i)->id);
            if (m >= 0 && w->has[(size_t)m * l->vnodes + v])
                row[n++] = (uint16_t)m;
        }
        for (uint32_t i = 0, m = v % l->member_n; i < l->member_n; i++, m = (m + 1) % l->member_n)
            if (w->has[(size_t)m * l->vnodes + v] && !w->had[(size_t)m * l->vnodes + v])
                row[n++] = (uint16_t)m;
    }
}

int ring_order(struct ring_work *w)
{
    size_t member_n = w->next->member_n;
    struct order o = {.w = w};

    o.count = ring_take(w, member_n, sizeof *o.count);
    o.low = ring_take(w, member_n, sizeof *o.low);
    o.high = ring_take(w, member_n, sizeof *o.high);
    o.head = ring_take(w, member_n, sizeof *o.head);
    o.via = ring_take(w, member_n, sizeof *o.via);
    o.queue = ring_take(w, member_n, sizeof *o.queue);
    o.after = ring_take(w, w->next->vnodes, sizeof *o.after);
    if (w->failed)
        return ERR_NO_MEMORY;
    order_start(w);
    for (; o.rank + 1 < w->next->n; o.rank++)
        order_rank(&o);
    return 0;
}
