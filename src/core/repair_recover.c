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
 * What it has erased it does not know any more either, nor up to which floor: it takes the floors of those that it compares
 * with, for old records are on their way to it too. A floor that is higher than it was refuses more, and is never wrong.
 *
 * Where so many others are not to be had it stays recovering: then it is not known whether something is lost. But when it has
 * merged what *all* other owners hold, recovering or not, it has all that there is: what is missing then is lost for good,
 * and to wait would help nobody. So owners that lost power together under interval durability do not wait for each other for
 * ever, and one that is alone (N is 1) does not wait at all.
 *
 * What puts vnodes in doubt: damaged records, which the store tells (by slot); and a log that ends below what was announced of
 * it, or a lost disk, which node.c finds out: then all of them. The store remembers a doubt over restarts, so a vnode that is
 * through is told it.
 *
 *     sound --(a doubt)--> recovering, no sources --(synced with a sound owner)--> ... --(N-W+1 of them)--> sound
 *                              ^                            |
 *                              '------- (another doubt) ----'
 *
 * Invariants: recovering_n counts the vnodes marked in recovering[], all of them owned; a source is counted once, by its
 * place; a marked vnode has a slot in doubt. */
#include "core/repair.h"

#include "base/check.h"
#include "core/ring.h"

static bool in_doubt(const struct repair *r, uint16_t vnode)
{
    unsigned each = SLOTS / r->layout->vnodes;
    for (unsigned slot = vnode * each; slot < (vnode + 1u) * each; slot++)
        if (r->doubt[slot / 8] & 1u << slot % 8)
            return true;
    return false;
}

/* Nothing of a vnode is in doubt any more: because it is synced, was never ours, or is nobody else's. */
static void heal(struct repair *r, uint16_t vnode)
{
    unsigned each = SLOTS / r->layout->vnodes;
    for (unsigned slot = vnode * each; slot < (vnode + 1u) * each; slot++) {
        r->doubt[slot / 8] &= (uint8_t) ~(1u << slot % 8);
        r->healed[slot / 8] |= (uint8_t)(1u << slot % 8);
    }
    r->any_healed = true;
}

static void mark(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->layout;
    r->recovering_n += !r->recovering[vnode];
    r->recovering[vnode] = true;
    r->sources[vnode] = r->met[vnode] = 0;
    r->doubts++;
    for (unsigned i = 0; i < l->n; i++)
        r->peer[l->owner[(size_t)vnode * l->n + i]].due_ms = r->now_ms;
}

void repair_remark(struct repair *r)
{
    for (uint16_t v = 0; v < r->layout->vnodes; v++) {
        if (!in_doubt(r, v))
            continue;
        if (ring_owns(r->layout, v, r->self) && r->layout->n > 1)
            mark(r, v);
        else
            heal(r, v);
    }
    repair_plan(r);
}

/* Marks the vnodes of the slots that were just found, and leaves those that are half way through others alone. */
void repair_doubt(struct repair *r, struct slice slots)
{
    uint8_t before[sizeof r->doubt];
    CHECK(slots.n == sizeof r->doubt);
    run_end(r, false); /* it began before this was known */
    memcpy(before, r->doubt, sizeof before);
    memcpy(r->doubt, slots.p, sizeof r->doubt);
    if (r->layout)
        repair_remark(r);
    for (size_t i = 0; i < sizeof before; i++)
        r->doubt[i] |= before[i];
}

void repair_doubt_all(struct repair *r)
{
    uint8_t all[sizeof r->doubt];
    memset(all, 0xff, sizeof all);
    repair_doubt(r, slice_of(all, sizeof all));
}

bool repair_recovering(const struct repair *r, uint16_t vnode)
{
    return r->layout && r->recovering[vnode];
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

static unsigned bits(uint8_t set)
{
    unsigned n = 0;
    for (; set; set &= (uint8_t)(set - 1))
        n++;
    return n;
}

void repair_source(struct repair *r, uint16_t vnode, bool sound)
{
    const struct layout *l = r->layout;
    if (!r->recovering[vnode])
        return;
    for (unsigned i = 0; i < l->n; i++) {
        if (ring_owner(l, vnode, i)->id != r->run.peer)
            continue;
        r->met[vnode] |= (uint8_t)(1u << i);
        r->sources[vnode] |= (uint8_t)(sound << i);
    }
    if (bits(r->sources[vnode]) < l->r && bits(r->met[vnode]) < l->n - 1u)
        return;
    r->recovering[vnode] = false;
    r->recovering_n--;
    heal(r, vnode);
}

static uint64_t u64_at(const struct buf *b, unsigned i)
{
    uint64_t value = 0;
    for (unsigned k = 8; k-- > 0 && b->n >= 8 * (size_t)i + 8;)
        value = value << 8 | b->p[8 * i + k];
    return value;
}

static void put_u32_at(uint8_t *p, uint32_t value)
{
    for (unsigned k = 0; k < 4; k++)
        p[k] = (uint8_t)(value >> (8 * k));
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
        uint16_t vnode = (uint16_t)(run->question[2 * i] | run->question[2 * i + 1] << 8);
        uint64_t theirs = u64_at(&run->theirs.floors, i);
        if (!r->recovering[vnode] || theirs <= u64_at(&run->own.floors, i))
            continue;
        struct repair_floor *f = &run->floor[i];
        put_u32_at(f->value, vnode);
        put_u32_at(f->value + 4, r->layout->vnodes);
        out_state(out, TOKEN(TOKEN_REPAIR, 0), floor_name(f->name, vnode), theirs, slice_of(f->value, sizeof f->value));
    }
}
