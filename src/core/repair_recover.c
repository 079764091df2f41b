/* repair_recover.c: recovering: a node that may have lost records it had acknowledged (design section 4, "Recovering").
 *
 * The problem. A write was acknowledged by W owners. One of them loses its disk and comes back; a third never had the write.
 * If the two now answered a read "not found", the write would be lost, though one owner still holds it.
 *
 * So an owner that lost something is *recovering* in the vnodes concerned: it takes writes, and counts for them, but in no
 * read: it answers ERR_RECOVERING. It is through with a vnode when it has merged what N-W+1 other owners held that are not
 * recovering themselves, in comparisons that began after it knew: every acknowledged write is at W owners, of which W-1 are
 * others, and among N-1 others W-1 and N-W+1 meet. In these comparisons young versions are not left alone: they may be what
 * was lost.
 *
 * Where so many others are not to be had it stays recovering: then it is not known whether something is lost.
 *
 * Invariants: recovering_n counts the vnodes marked in recovering[], all of them owned; a source is counted once, by its
 * place. */
#include "core/repair.h"

#include "core/ring.h"

static void recover_vnode(struct repair *r, uint16_t vnode)
{
    if (!ring_owns(r->layout, vnode, r->self))
        return;
    r->recovering_n += !r->recovering[vnode];
    r->recovering[vnode] = true;
    r->sources[vnode] = 0;
}

void repair_recover(struct repair *r)
{
    run_end(r, false);
    for (uint16_t v = 0; v < r->layout->vnodes; v++)
        recover_vnode(r, v);
    for (unsigned m = 0; m < r->layout->member_n; m++)
        r->peer[m].due_ms = r->now_ms;
    repair_plan(r);
}

bool repair_recovering(const struct repair *r, uint16_t vnode)
{
    return r->layout && r->recovering[vnode];
}

void repair_source(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->layout;
    if (!r->recovering[vnode] || r->run.unsound)
        return;
    for (unsigned i = 0; i < l->n; i++)
        if (ring_owner(l, vnode, i)->id == r->run.peer)
            r->sources[vnode] |= (uint8_t)(1u << i);
    unsigned sources = 0;
    for (unsigned i = 0; i < l->n; i++)
        sources += r->sources[vnode] >> i & 1;
    if (sources < l->r)
        return;
    r->recovering[vnode] = false;
    r->recovering_n--;
}
