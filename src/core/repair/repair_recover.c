/* repair_recover.c: recovering: a node that may have lost records it had acknowledged (design
 * section 4, "Recovering").
 *
 * The problem. A write was acknowledged by W owners. One of them loses its disk and comes back; a
 * third never had the write. If the two now answered a read "not found", the write would be lost,
 * though one owner still holds it.
 *
 * So an owner that lost something is *recovering* in the vnodes concerned: it takes writes, and
 * counts for them, but in no read: it answers ERR_RECOVERING. It is through with a vnode when it
 * has merged what N-W+1 other owners held that are not recovering themselves, in comparisons that
 * began after it knew: every acknowledged write is at W owners, of which W-1 are others, and among
 * N-1 others W-1 and N-W+1 meet. In these comparisons young versions are not left alone: they may
 * be what was lost.
 *
 * What it has erased it does not know any more either, nor up to which floor: it takes the floors
 * of those that it compares with, for old records are on their way to it too. A floor that is
 * higher than it was refuses more, and is never wrong.
 *
 * What it holds too much. A disk that is set back holds values again whose deletions were erased:
 * nobody has anything of their keys any more, only floors, and once it is sound again what it
 * brings is believed (repair.c). So what it offers while recovering is offered without a ticket,
 * and what N-W+1 sound owners refuse as too old is erased, as compare-and-erase, before the vnode
 * is through. For had it been acknowledged, one of these would have held it; that one has nothing
 * of the key now, and entries go only by erasing, when every owner has confirmed a deletion. It was
 * deleted, then, or it was never acknowledged and may be lost: a write that is still under way is
 * newer than all floors, which lag behind by the age of erasing. What one of them takes, or has,
 * stays: a floor is of the whole vnode, and a live value that one owner missed is refused by that
 * one too. Once the first of them is compared with, its floor keeps out what another who was set
 * back, or a late hint, might still bring. What an owner refuses that is recovering itself says
 * nothing: it may have lost the value. So who is through because it has met all others (below)
 * keeps what fewer sound ones refused: better a deletion undone than the last copy lost.
 *
 * The table of what was refused is bounded (refused.h). A comparison with entries that did not fit
 * does not count; those that did are erased when enough refuse them, and there is room for the next
 * at the comparison after. Comparing with an owner anew forgets what it refused before, and that it
 * was a source: it may have taken it from another owner meanwhile.
 *
 *     refused by one --(by N-W+1)--> leaving (ACT_STORE_PUT of an erasure) --(stored)--> gone
 *          ^                            |
 *          '----(not stored: later)-----'
 *
 * Where so many others are not to be had it stays recovering: then it is not known whether
 * something is lost. But when it has merged what *all* other owners hold, recovering or not, it has
 * all that there is: what is missing then is lost for good, and to wait would help nobody. So
 * owners that lost power together under interval durability do not wait for each other for ever,
 * and one that is alone (N is 1) does not wait at all.
 *
 * What puts vnodes in doubt: damaged records, which the store tells (by slot); and a log that ends
 * below what was announced of it, or a lost disk, which node.c finds out: then all of them. The
 * store remembers a doubt over restarts, so a vnode that is through is told it.
 *
 *     sound --(a doubt)--> recovering, no sources --(synced with a sound owner)--> ... --(with N-W+1)--> sound
 *                              ^                            |
 *                              '------- (another doubt) ----'
 *
 * Invariants: recovering_n counts the vnodes marked in recovering[], all of them owned; a source is
 * counted once, by its place; a marked vnode has a slot in doubt; only marked vnodes have entries
 * in `refused`; no exchange is under way while erasures are. */
#include "core/repair/repair_inner.h"

#include "base/bits.h"
#include "base/check.h"
#include "wire/bytes.h"

static bool in_doubt(const struct repair *r, uint16_t vnode)
{
    unsigned each = SLOTS / r->now->layout->vnodes;
    for (unsigned slot = vnode * each; slot < (vnode + 1u) * each; slot++)
        if (bit_at(r->doubt, slot))
            return true;
    return false;
}

/* Nothing of a vnode is in doubt any more: because it is synced, was never ours, or is nobody
 * else's. */
static void heal(struct repair *r, uint16_t vnode)
{
    unsigned each = SLOTS / r->now->layout->vnodes;
    for (unsigned slot = vnode * each; slot < (vnode + 1u) * each; slot++) {
        bit_clear(r->doubt, slot);
        bit_set(r->healed, slot);
    }
    r->any_healed = true;
}

static void mark(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->now->layout;
    r->recovering_n += !r->recovering[vnode];
    r->recovering[vnode] = true;
    r->sources[vnode] = r->met[vnode] = 0;
    refused_drop(&r->refused, vnode);
    r->doubts++;
    for (unsigned i = 0; i < l->n; i++)
        r->peer[l->owner[(size_t)vnode * l->n + i]].due_ms = r->now->ms;
}

void repair_remark(struct repair *r)
{
    for (uint16_t v = 0; v < r->now->layout->vnodes; v++) {
        if (!in_doubt(r, v))
            continue;
        if (layout_owns(r->now->layout, v, r->self) && r->now->layout->n > 1)
            mark(r, v);
        else
            heal(r, v);
    }
    repair_plan(r);
}

/* Marks the vnodes of the slots that were just found, and leaves those that are half way through
 * others alone. */
void repair_doubt(struct repair *r, const struct moment *now, struct slice slots)
{
    r->now = now;
    uint8_t before[sizeof r->doubt];
    CHECK(slots.n == sizeof r->doubt);
    run_end(r, false); /* it began before this was known */
    memcpy(before, r->doubt, sizeof before);
    memcpy(r->doubt, slots.p, sizeof r->doubt);
    if (r->now->layout)
        repair_remark(r);
    for (size_t i = 0; i < sizeof before; i++)
        r->doubt[i] |= before[i];
}

void repair_doubt_all(struct repair *r, const struct moment *now)
{
    uint8_t all[sizeof r->doubt];
    memset(all, 0xff, sizeof all);
    repair_doubt(r, now, slice_of(all, sizeof all));
}

bool repair_healed(struct repair *r, struct slice *slots)
{
    if (!r->any_healed)
        return false;
    memcpy(r->said_healed, r->healed, sizeof r->healed);
    memset(r->healed, 0, sizeof r->healed);
    r->any_healed = false;
    *slots = slice_of(r->said_healed, sizeof r->said_healed);
    return true;
}

static unsigned rank_of_peer(const struct repair *r, uint16_t vnode)
{
    return (unsigned)layout_rank(r->now->layout, vnode, r->run.peer);
}

/* Ends the vnode's recovering, if there is nothing left to do. */
static void end_if_through(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->now->layout;
    if (!r->recovering[vnode] ||
        (bits_count(r->sources[vnode]) < l->r && bits_count(r->met[vnode]) < l->n - 1u))
        return;
    if (refused_any(&r->refused, vnode, l->r))
        return;
    refused_drop(&r->refused, vnode);
    r->recovering[vnode] = false;
    r->recovering_n--;
    heal(r, vnode);
}

void repair_anew(struct repair *r, uint16_t vnode)
{
    if (!r->recovering[vnode])
        return;
    unsigned place = rank_of_peer(r, vnode);
    r->met[vnode] &= (uint8_t) ~(1u << place);
    r->sources[vnode] &= (uint8_t) ~(1u << place);
    refused_forget(&r->refused, vnode, place);
}

void repair_source(struct repair *r, uint16_t vnode, bool sound)
{
    if (!r->recovering[vnode])
        return;
    unsigned place = rank_of_peer(r, vnode);
    r->met[vnode] |= (uint8_t)(1u << place);
    r->sources[vnode] |= (uint8_t)(sound << place);
    end_if_through(r, vnode);
}

/* ---- What the sources would not take ---- */

bool repair_refused(struct repair *r, uint16_t vnode, const struct record *record)
{
    if (!r->recovering[vnode] || r->run.unsound)
        return true; /* nothing follows from it */
#ifdef CANARY_SET_BACK_REVIVES
    return true;
#endif
    r->sweep_ms = r->now->ms;
    return refused_add(&r->refused, vnode, rank_of_peer(r, vnode), record) == 0;
}

bool repair_sweep(struct repair *r, struct out *out)
{
    if (r->sweep_n > 0 || r->now->ms < r->sweep_ms)
        return r->sweep_n > 0;
    r->sweep_ms = UINT64_MAX;
    r->sweep_number = run_number(r, REPAIR_WINDOW);
    r->sweep_failed = false;
    for (unsigned i = 0; i < r->refused.n && r->sweep_n < REPAIR_WINDOW; i++) {
        struct refused_entry *e = &r->refused.entry[i];
        if (!refused_by(e, r->now->layout->r))
            continue;
        e->leaving = true;
        r->sweep_n++;
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = TOKEN(TOKEN_REPAIR, r->sweep_number);
        a->put.record = refused_record(&r->refused, e);
        a->put.record.kind = RECORD_FLOOR;
    }
    return r->sweep_n > 0;
}

void repair_swept(struct repair *r, int error)
{
    /* something newer is there since: that one was refused by nobody */
    r->sweep_failed |= error && error != ERR_SUPERSEDED;
    if (--r->sweep_n > 0)
        return;
    refused_left(&r->refused, r->sweep_failed);
    r->sweep_ms = r->now->ms + (r->sweep_failed ? REPAIR_RETRY_MS : 0);
    for (uint16_t v = 0; v < r->now->layout->vnodes; v++)
        end_if_through(r, v);
    repair_plan(r);
}

/* ---- Floors ---- */

static uint64_t u64_at(const struct buf *b, unsigned i)
{
    return b->n >= 8 * (size_t)i + 8 ? get_u64(b->p + 8 * (size_t)i) : 0;
}

/* "floor.17" */
static struct slice floor_name(uint8_t name[16], uint16_t vnode)
{
    uint8_t digits[5];
    unsigned n = 0, at = 6;
    memcpy(name, "floor.", at);
    do
        digits[n++] = (uint8_t)('0' + vnode % 10);
    while ((vnode = (uint16_t)(vnode / 10)) > 0);
    while (n > 0)
        name[at++] = digits[--n];
    return slice_of(name, at);
}

void repair_floors(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    for (unsigned i = 0; i < run->question_n; i++) {
        uint16_t vnode = get_u16(run->question + 2 * i);
        uint64_t theirs = u64_at(&run->theirs.floors, i);
        if (!r->recovering[vnode] || theirs <= u64_at(&run->own.floors, i))
            continue;
        struct repair_floor *f = &run->floor[i];
        put_u32(put_u32(f->value, vnode), r->now->layout->vnodes);
        out_state(out, TOKEN(TOKEN_REPAIR, 0), floor_name(f->name, vnode), theirs,
                  slice_of(f->value, sizeof f->value));
    }
}
