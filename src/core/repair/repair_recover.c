/* repair_recover.c: recovering: a node that may have lost records that it acknowledged.
 *
 * The problem. N = 3 and W = 2. A write w of a key is acknowledged by A and B, and C missed it.
 * Then A loses its disk:
 *
 *     step                               A holds    B holds    C holds
 *     PUT w, acknowledged by A and B     w          w          nothing
 *     A comes back with an empty disk    nothing    w          nothing
 *
 * If A and C now answered a read, the answer would be "not found": an acknowledged write would be
 * lost, though B holds it.
 *
 * So an owner that may lack something is *recovering* in the vnodes concerned. It answers no read:
 * ERR_RECOVERING. It takes writes, and its acks count for their durability. They do not count while
 * the order of a write is open (core/coord/coord_write.c): the version that the owner lost may have
 * been greater. The owner is sound again when it has merged what N-W+1 other owners hold that are
 * sound themselves, its *sources*, in comparisons that began after it knew of its loss. For every
 * acknowledged write is at W owners, of which at least W-1 are others; and among N-1 others, W-1
 * and N-W+1 always have one in common. (N-W+1 is also R, the read quorum: layout.r in the code.)
 * The example goes on, with N-W+1 = 2:
 *
 *     step                               A holds    sources of A    A is
 *     A compares with C                  nothing    C               recovering
 *     A compares with B                  w          C, B            sound
 *
 * Other exchanges leave young versions alone, which are on their way to the owners (repair.c). The
 * comparisons of a recovering owner do not: a young version may be what was lost.
 *
 * While it cannot merge so many sound owners, an owner stays recovering: it does not know whether
 * it lacks something. But when it has merged what *all* other owners hold, recovering or not, it
 * has all that there is. What is missing then is lost for good, and to wait would help nobody. So
 * owners that lost power together under `interval` do not wait for each other for ever, and an
 * owner that is alone (N is 1) does not wait at all.
 *
 * Floors. An owner that lost records may have lost its floors too (store/table/floors.h). Old
 * records may be on their way to it, so it takes over the floors of the owners that it compares
 * with. A floor that is higher than it need be refuses more, and is never wrong.
 *
 * What came back. A disk that is set back holds values again whose deletions were erased. The other
 * owners have nothing of their keys any more, only floors. As soon as the set-back owner is sound,
 * they take from it what they miss (repair.c), and the values would be back. So while it is
 * recovering it pushes records without a ticket, and an owner that lacks such a record, and has a
 * floor at or above it, refuses it as too old. What N-W+1 sound owners have refused is erased here
 * before the vnode is sound, by a compare-and-erase: only if it is still what the store holds.
 * Again N = 3, W = 2. v was deleted at 9, and its tombstone erased, after a copy of A's disk was
 * made:
 *
 *     step                                   A holds, floor   B holds, floor   C holds, floor
 *     A's disk is set back to the copy       v        0       nothing  9       nothing  9
 *     A compares with B, takes its floor     v        9       nothing  9       nothing  9
 *     A pushes v to B, which refuses it      v        9       nothing  9       nothing  9
 *     A pushes v to C, which refuses it      v        9       nothing  9       nothing  9
 *     A erases v, and is sound               nothing  9       nothing  9       nothing  9
 *
 * No acknowledged value is lost by that. If v was acknowledged, W owners held it, and one of the
 * N-W+1 sound owners that refused it is among them. That owner has nothing of the key now, and an
 * owner's entry goes only by an erasure, after every owner has confirmed a deletion. So v was
 * deleted. If v was never acknowledged it may be lost. And v is not a write that is still under
 * way: such a write is newer than all floors, which lag behind by the age of erasing.
 *
 * A value that one of the N-W+1 sources holds, or takes, is not erased. A floor is of a whole
 * vnode, so an owner that missed a live value may refuse it; but an owner that holds it does not. A
 * has the floor of its first source since it compared with that one. So it does not take v again,
 * from another owner that was set back, or as a late hint.
 *
 * A refusal by an owner that is itself recovering does not count: that owner may have lost the
 * value. So an owner that is sound because it has merged all others keeps a value that fewer than
 * N-W+1 sound owners refused. It is better that a deletion is undone than that the last copy of a
 * value is lost.
 *
 * The table of what was refused is bounded (refused.h). A comparison with entries that did not fit
 * does not count as merged. The entries that did fit are erased when enough owners refuse them, and
 * then there is room for the rest at the next comparison. When a comparison with an owner begins,
 * that owner is no source until the comparison ends, and what it refused before is forgotten: it
 * may have taken the record from another owner meanwhile.
 *
 *     an entry:  refused by one ---(by N-W+1)---> erasing ---(stored)---> gone
 *                   ^                                |
 *                   '---(not stored: later)----------'
 *
 * Slots come into doubt for three reasons. The store reports damaged records, by their slots
 * (store/store.h). core/log_end finds that the log ends too early, or core/node that the disk is
 * another one: then all slots are in doubt. A doubt is durable in the store, over restarts, until
 * this file reports the slots healed.
 *
 *     a vnode:   sound ---(a doubt)---> recovering ---(merged, and nothing to erase)---> sound
 *                                        ^        |
 *                                        '--------'(another doubt: no sources any more)
 *
 * Invariants: recovering_n counts the vnodes marked in recovering[]; this node owns each of them; a
 * source is counted once, by its rank, and is among the merged; a marked vnode has a slot in doubt;
 * only marked vnodes have entries in `refused`; no exchange is under way while erasures are. */
#include "core/repair/repair_inner.h"

#include "base/bits.h"
#include "wire/bytes.h"

#include <stdio.h>

/* Whether one of those slots (a bit each) is of the vnode. */
static bool has_slot(const struct repair *r, const uint8_t *slots, uint16_t vnode)
{
    unsigned each = SLOTS / r->now->layout->vnodes;
    for (unsigned slot = vnode * each; slot < (vnode + 1u) * each; slot++)
        if (bit_at(slots, slot))
            return true;
    return false;
}

/* Ends the doubt about a vnode: this node has recovered in it, or does not own it, or is its only
 * owner. */
static void heal(struct repair *r, uint16_t vnode)
{
    unsigned each = SLOTS / r->now->layout->vnodes;
    for (unsigned slot = vnode * each; slot < (vnode + 1u) * each; slot++) {
        bit_clear(r->doubt, slot);
        bit_set(r->healed, slot);
    }
    r->any_healed = true;
}

/* This node is recovering in the vnode, from the beginning; each other owner is due for an exchange
 * now. */
static void mark(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->now->layout;
    r->recovering_n += !r->recovering[vnode];
    r->recovering[vnode] = true;
    r->sources[vnode] = r->merged[vnode] = 0;
    refused_drop(&r->refused, vnode);
    r->doubts++;
    for (unsigned i = 0; i < l->n; i++)
        r->peer[l->owner[(size_t)vnode * l->n + i]].due_ms = r->now->ms;
    CHECK(r->recovering_n <= l->vnodes);
}

/* Marks the vnodes of slots that are in doubt. */
static void mark_slots(struct repair *r, const uint8_t *slots)
{
    for (uint16_t v = 0; v < r->now->layout->vnodes; v++) {
        if (!has_slot(r, slots, v))
            continue;
        if (layout_owns(r->now->layout, v, r->self) && r->now->layout->n > 1)
            mark(r, v);
        else
            heal(r, v);
    }
}

void recover_layout(struct repair *r)
{
    r->recovering_n = 0;
    refused_close(&r->refused);
    refused_init(&r->refused);
    r->sweep_n = 0;
    r->sweep_number = 0;
    mark_slots(r, r->doubt);
}

/* Only vnodes of the new slots are marked: one that is recovering already, for other slots, keeps
 * its sources. */
void repair_doubt(struct repair *r, const struct moment *now, struct slice slots)
{
    r->now = now;
    CHECK(slots.n == sizeof r->doubt);
    run_end(r, false); /* it began before this was known */
    for (size_t i = 0; i < sizeof r->doubt; i++)
        r->doubt[i] |= slots.p[i];
    if (!now->layout)
        return;
    mark_slots(r, slots.p);
    repair_plan(r);
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
    memcpy(r->healed_out, r->healed, sizeof r->healed);
    memset(r->healed, 0, sizeof r->healed);
    r->any_healed = false;
    *slots = slice_of(r->healed_out, sizeof r->healed_out);
    return true;
}

static unsigned rank_of_peer(const struct repair *r, uint16_t vnode)
{
    int rank = layout_rank(r->now->layout, vnode, r->run.peer);
    CHECK(rank >= 0);
    return (unsigned)rank;
}

/* The vnode is sound if enough is merged and nothing is to be erased. */
static void end_if_through(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->now->layout;
    if (!r->recovering[vnode] ||
        (bits_count(r->sources[vnode]) < l->r && bits_count(r->merged[vnode]) < l->n - 1u))
        return;
    if (refused_any(&r->refused, vnode, l->r))
        return;
    CHECK(r->recovering_n > 0 && has_slot(r, r->doubt, vnode));
    refused_drop(&r->refused, vnode);
    r->recovering[vnode] = false;
    r->recovering_n--;
    heal(r, vnode);
}

void recover_comparing(struct repair *r, uint16_t vnode)
{
    if (!r->recovering[vnode])
        return;
    unsigned rank = rank_of_peer(r, vnode);
    bit_clear(&r->merged[vnode], rank);
    bit_clear(&r->sources[vnode], rank);
    refused_forget(&r->refused, vnode, rank);
}

void recover_merged(struct repair *r, uint16_t vnode, bool sound)
{
    if (!r->recovering[vnode])
        return;
    unsigned rank = rank_of_peer(r, vnode);
    bit_set(&r->merged[vnode], rank);
    if (sound)
        bit_set(&r->sources[vnode], rank);
    end_if_through(r, vnode);
}

/* ---- What the sources refused ---- */

bool recover_refused(struct repair *r, uint16_t vnode, const struct record *record)
{
    if (!r->recovering[vnode] || r->run.unsound)
        return true; /* the refusal does not count, so there is nothing to note */
#ifdef CANARY_SET_BACK_REVIVES
    return true;
#endif
    r->sweep_ms = r->now->ms;
    return refused_add(&r->refused, vnode, rank_of_peer(r, vnode), record) == 0;
}

bool recover_sweep(struct repair *r, struct out *out)
{
    CHECK(r->run.phase == REPAIR_IDLE);
    if (r->sweep_n > 0 || r->now->ms < r->sweep_ms)
        return r->sweep_n > 0;
    r->sweep_ms = UINT64_MAX;
    r->sweep_number = run_number(r, REPAIR_WINDOW);
    r->sweep_failed = false;
    for (unsigned i = 0; i < r->refused.n && r->sweep_n < REPAIR_WINDOW; i++) {
        struct refused_entry *e = &r->refused.entry[i];
        if (!refused_by(e, r->now->layout->r))
            continue;
        e->erasing = true;
        r->sweep_n++;
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = TOKEN(TOKEN_REPAIR, r->sweep_number);
        a->put.record = refused_record(&r->refused, e);
        a->put.record.kind = RECORD_FLOOR;
    }
    return r->sweep_n > 0;
}

void recover_swept(struct repair *r, int error)
{
    CHECK(r->sweep_n > 0);
    /* SUPERSEDED: something newer came meanwhile, so the value is gone already */
    r->sweep_failed |= error && error != ERR_SUPERSEDED;
    if (--r->sweep_n > 0)
        return;
    refused_erased(&r->refused, r->sweep_failed);
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

void recover_floors(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    for (unsigned i = 0; i < run->question_n; i++) {
        uint16_t vnode = get_u16(run->question + 2 * i);
        uint64_t theirs = u64_at(&run->theirs.floors, i);
        if (!r->recovering[vnode] || theirs <= u64_at(&run->own.floors, i))
            continue;
        struct repair_floor *f = &run->floor[i];
        put_u32(put_u32(f->value, vnode), r->now->layout->vnodes);
        int n = snprintf(f->name, sizeof f->name, "floor.%u", vnode);
        out_state(out, TOKEN(TOKEN_REPAIR, 0), slice_of(f->name, (size_t)n), theirs,
                  slice_of(f->value, sizeof f->value));
    }
}
