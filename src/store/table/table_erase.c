/* table_erase.c: erasing, as the store of one owner does it: an entry goes for good, and nothing
 * older can come back. core/erase/erase.c decides what goes; floors.h explains floors.
 *
 * The problem. When the last owner has dropped a tombstone, nobody knows any more that the key was
 * ever deleted. An older record of the key that turned up would be taken for new, and the deletion
 * would be undone. Before a tombstone goes, every owner has confirmed that it holds just that
 * tombstone, or that it holds nothing and its floor keeps older records out (store_held). So no
 * owner *holds* an older record. But one may still be under way, or stand in a log. The store has
 * to keep these out without remembering the key.
 *
 * Compare-and-erase. An erasure (RECORD_FLOOR) names a key and the version that goes. It is
 * submitted only if just that version is visible, with just that expiry; else it is answered at
 * once. From its submission on the *coming floor* of the vnode is at or above the stamp of that
 * version. The erasure waits in its group like any put. When it is durable the *durable floor*
 * rises too, and the entry goes, if it is still that version. What was written meanwhile and is
 * newer stays.
 *
 * The ways by which an older record could come back, and what closes each:
 *
 *     way                         closed by
 *     a delayed put or hint, or   It would create an absent key at or below the coming floor:
 *     the repair of a read        ERR_TOO_OLD. (A coordinator then stamps a client's write anew.
 *                                 A hint is dropped.)
 *     a put that is in a group    Groups are published in order. It comes before the erasure, and
 *     already                     adds nothing to the tombstone.
 *     a record that an owner      its ticket: see below
 *     sends because trees differ
 *     a tombstone that an owner   It is at or below the durable floor, so it was erased here:
 *     sends likewise              ERR_TOO_OLD. (The coming floor does not count for this: that
 *                                 erasure may yet fail.)
 *     a replay of the log         There an erasure is an entry like a deletion, greater than the
 *                                 version that it names, and lesser than all newer ones, the same
 *                                 value with a later expiry among them. So the order of the
 *                                 records does not matter. When all are read these entries are
 *                                 weeded out.
 *     a replay after compaction   The erasure stays in the log as long as any segment that
 *                                 existed when it was made (compact_judge.c).
 *
 * The last line needs this rule: *no segment that is made after an erasure has a record that the
 * erasure covers.* That is why puts are refused by the coming floor already, and why a put at or
 * below it that adds nothing to what is held is answered without being written. A put at or below
 * the floor that is greater than what is held for its key is written: no erasure covers it. A
 * replay needs the rule too: there an erasure covers what stands behind it as well.
 *
 * Tickets. A floor is one for the whole vnode. A record below it may be of another key, which was
 * never erased, and which this owner has missed: anti-entropy must be able to bring it. So an owner
 * may bring, below the floor too, what it holds just now. It must not bring what it held a while
 * ago, and how long a record lay in a stream no clock can say. Therefore the list in which the
 * record was found missing bears a ticket, and each erasure in the vnode changes the ticket. A put
 * with an old ticket is answered ERR_BUSY, and the next exchange makes a new list. With the present
 * ticket nothing was erased here since the list. If this key was ever erased here, that was before
 * the list, and before that every owner had confirmed: so what the sender held when it saw the list
 * is not older than the tombstone.
 *
 * An owner that is recovering does not know what it erased, nor its floors. It takes everything
 * that its sources hold (PUT_FROM_SOURCE), with a ticket all the same; core/repair/repair_recover.c
 * has that argument.
 *
 * An example, N = 3. x5 is the value x with stamp 5, T9 a tombstone with stamp 9. F9t2 says that
 * the floor is 9 and the ticket 2; F0t1, where nothing is said.
 *
 *     what happens                                A        B        C        answer
 *     x5 is written while C is away               x5       x5       -
 *     C is back; its list lacks x5                x5       x5       -
 *     B sends x5 with ticket 1; it is delayed     x5       x5       -
 *     the key is deleted at all owners            T9       T9       T9
 *     A asks; B and C confirm T9                  T9       T9       T9
 *     A and C erase; the message to B is lost     - F9t2   T9       - F9t2
 *     x5 reaches C, with ticket 1                 - F9t2   T9       - F9t2   ERR_BUSY
 *     a late hint of x5 reaches A                 - F9t2   T9       - F9t2   ERR_TOO_OLD
 *     trees differ: B sends T9 to A               - F9t2   T9       - F9t2   ERR_TOO_OLD
 *     B sends y7 of another key to A, ticket 2    y7 F9t2  y7 T9    y7 F9t2  taken
 *     B asks; A and C confirm "nothing, floor 9"  y7 F9t2  y7 T9    y7 F9t2
 *     B erases                                    y7 F9t2  y7 F9t2  y7 F9t2
 *
 * Had C got a newer z11 before the erasure, C would have answered it ERR_SUPERSEDED and kept z11. A
 * and B take z11 when it comes: it is above their floors.
 *
 * Lapsing. What cannot be erased, because an owner is away, need not keep its bytes. A value whose
 * expiry passed before the time that the question for erasable records names *lapses*: its entry
 * becomes a tombstone, under the version and with the expiry of the value. That is a deletion of
 * just this value: greater than the value itself, and lesser than the value with any later expiry.
 * So it may travel to any owner, and merge with whatever is there. At first only the index has it.
 * When compaction copies the record, the copy is the tombstone (compact_jobs.c); a restart before
 * that finds the value again. No entry ever goes for its expiry alone: it keeps out older values
 * that an owner may bring. */
#include <stdio.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/table/table_inner.h"
#include "wire/bytes.h"

enum { ERASABLE_WALK = 20000 }; /* records that are walked through for one answer: a millisecond */

/* Whether what is held is just what is to be erased. */
static bool same(const struct index_item *held, const struct version *v, uint64_t expiry_ms)
{
    return held->kind != RECORD_NONE && version_cmp(&held->version, v) == 0 &&
           held->expiry_ms == expiry_ms;
}

/* An arc may have been packed: a burial, or a walk that forgets lost records, that is in the arc
 * begins anew with it. */
static void arc_packed(struct table *t, uint32_t vnode)
{
    if (burial_under_way(&t->burial) && t->burial.arc == vnode)
        t->burial.bucket = 0;
    if (t->walk.arc == vnode)
        t->walk.bucket = 0;
}

/* ---- Puts ---- */

/* Whether a put at or below the coming floor may create its key, its ticket apart. A tombstone is
 * refused by the durable floor: the coming one may never become durable. */
static bool may_create(const struct record *r, enum put_from from, uint64_t durable)
{
    bool erased = r->kind == RECORD_TOMBSTONE && r->version.stamp <= durable;
    return from == PUT_FROM_SOURCE || (from == PUT_FROM_OWNER && !erased);
}

bool table_erase_refuses(struct table *t, uint64_t token, const struct index_key *k,
                         const struct record *r, struct put_origin origin)
{
    uint64_t stamp = r->version.stamp;
    if (stamp > t->floors.greatest)
        return false;
    uint32_t vnode = table_vnode(t, k->slot);
    if (stamp > t->floors.of[vnode].coming)
        return false;
    struct index_spot spot;
    struct index_item held = table_find(t, k, &spot), come = table_item(r, (uint32_t)r->value.n);
    struct version floor = {.stamp = t->floors.of[vnode].coming};
    if (held.kind == RECORD_NONE) {
        bool may = may_create(r, origin.from, t->floors.of[vnode].durable);
        if (may && origin.ticket == floors_ticket(&t->floors, vnode))
            return false;
        if (may)
            table_answer_put(t, token, ERR_BUSY, &floor);
        else
            table_answer_refused(t, token, ERR_TOO_OLD, k->hash, &r->version, &floor);
    } else if (!table_adds(&held, &come)) {
        table_answer_idle(t, token, k->hash, &come, &held);
    } else {
        return false;
    }
    return true;
}

int table_erase_put(struct table *t, struct group *g, uint64_t token, const struct record *r)
{
    struct index_key k = index_key(&t->index, slot_of_key(r->key), r->key);
    struct index_spot spot;
    struct index_item held = table_find(t, &k, &spot);
    uint32_t vnode = table_vnode(t, k.slot);
    if (!same(&held, &r->version, r->expiry_ms)) {
        table_answer_put(t, token, held.kind == RECORD_NONE ? 0 : ERR_SUPERSEDED, &held.version);
        return 0;
    }
    struct pending p = {.token = token, .hash = k.hash, .slot = k.slot, .item = table_item(r, 0)};
    int error = group_add(g, &p, r);
    t->unsettled += error == 0;
    if (!error)
        floors_erase(&t->floors, vnode, r->version.stamp);
    return error;
}

void table_erase_publish(struct table *t, const struct index_key *k, const struct pending *p,
                         uint16_t segment)
{
    struct index_spot spot;
    struct index_item held = table_find(t, k, &spot), none = {0};
    uint32_t vnode = table_vnode(t, k->slot);
    bool erased = same(&held, &p->item.version, p->item.expiry_ms);
    CHECK(p->item.kind == RECORD_FLOOR);
    tally_written(&t->tallies, segment, tally_weight(k->key.n, 0), RECORD_FLOOR);
    floors_raise(&t->floors, vnode, p->item.version.stamp);
    table_answer_put(t, p->token, erased || held.kind == RECORD_NONE ? 0 : ERR_SUPERSEDED,
                     &held.version);
    if (!erased)
        return;
    struct index_item entry = index_get(&t->index, &spot); /* a flush may not have come to it yet */
    tally_dead(&t->tallies, entry.segment, tally_weight(k->key.n, entry.value_n));
    if (t->forest.built > 0)
        forest_change(&t->forest, vnode, table_key_hash(t, k), &entry, &none);
    index_remove(&t->index, k, &spot);
    arc_packed(t, vnode);
}

/* ---- Opening ---- */

void table_erase_state(struct table *t, const struct state *s)
{
    struct slice name = state_name(s), value = state_value(s);
    size_t prefix = sizeof FLOOR_PREFIX - 1;
    if (slice_eq(name, FLOORS_NAME)) {
        floors_take(&t->floors, value);
    } else if (name.n > prefix && memcmp(name.p, FLOOR_PREFIX, prefix) == 0 && value.n == 8) {
        uint32_t vnode = get_u32(value.p), n = get_u32(value.p + 4);
        if (n > 0 && n <= VNODES_MAX && vnode < n)
            floors_raise_arc(&t->floors, vnode, n, s->version.stamp);
    }
}

static bool weed(void *arg, struct slice key, const struct index_item *item)
{
    struct table *t = arg;
    if (item->kind != RECORD_FLOOR)
        return false;
    tally_dead(&t->tallies, item->segment, tally_weight(key.n, 0));
    return true;
}

void table_opened(struct table *t)
{
    for (uint32_t v = 0; v < t->floors.n; v++) {
        if (t->floors.of[v].unweeded)
            index_weed(&t->index, v, weed, t);
        t->floors.of[v].unweeded = 0;
    }
}

/* ---- Lapsing ---- */

struct lapse {
    struct table *table;
    uint64_t wall_ms;
};

static bool lapses(const struct lapse *l, const struct index_item *item)
{
    return item->kind == RECORD_VALUE && expiry_passed(item->expiry_ms, l->wall_ms) &&
           version_ms(&item->version) <= l->wall_ms;
}

static void lapse_one(void *arg, const struct index_spot *spot, struct slice key)
{
    const struct lapse *l = arg;
    struct table *t = l->table;
    struct index_item held = index_get(&t->index, spot), now = held;
    if (!lapses(l, &held))
        return;
    struct index_key k = {.key = key, .slot = slot_of_key(key)};
    now.kind = RECORD_TOMBSTONE;
    now.value_n = 0;
#ifdef CANARY_EXPIRY_BY_COMPACTION
    tally_dead(&t->tallies, held.segment, tally_weight(key.n, held.value_n));
    forest_change(&t->forest, table_vnode(t, k.slot), table_key_hash(t, &k), &held,
                  &(struct index_item){0});
    index_forget(spot);
    return;
#endif
    table_change(t, &k, spot, &held, &now);
}

/* ---- Questions ---- */

static void answer_erasable(struct table *t, const struct question *q, struct slice vnodes,
                            struct store_result *out)
{
    uint64_t from = q->from, walked = 0;
    t->answer_bytes.n = 0;
    for (out->upto = 0; !out->error && 2 * out->upto + 2 <= vnodes.n && walked < ERASABLE_WALK;
         out->upto++, from = 0) {
        uint16_t vnode = get_u16(vnodes.p + 2 * out->upto);
        if (vnode >= t->floors.n) {
            out->error = ERR_BAD_MESSAGE;
            return;
        }
        uint32_t dead = index_arc_dead(&t->index, vnode);
        out->dead += from == 0 ? dead : 0; /* else it was counted when the vnode was begun */
        if (dead == 0 && !index_arc_ends(&t->index, vnode, q->wall_ms))
            continue;
        walked += index_arc_records(&t->index, vnode);
        uint32_t bucket = 0;
        index_visit(&t->index, vnode, &bucket, UINT32_MAX, lapse_one,
                    &(struct lapse){t, q->wall_ms});
        out->error =
            forest_erasable(&t->forest, &t->index, vnode, q->wall_ms, from, &t->answer_bytes);
        if (t->answer_bytes.n > 0)
            break;
    }
    out->bytes = buf_view(&t->answer_bytes);
}

static enum held held_of(const struct table *t, const struct listing_entry *e)
{
    struct index_spot spot;
    struct index_key k = index_key(&t->index, slot_of_key(e->key), e->key);
    struct index_item held = table_find(t, &k, &spot);
    if (same(&held, &e->version, e->expiry_ms))
        return HELD_SAME;
    bool gone = held.kind == RECORD_NONE &&
                t->floors.of[table_vnode(t, k.slot)].durable >= e->version.stamp;
    return gone ? HELD_GONE : HELD_OTHER;
}

static void answer_held(struct table *t, struct slice entries, struct store_result *out)
{
    struct listing_entry e;
    int got = 0;
    t->answer_bytes.n = 0;
    while (!out->error && (got = listing_next(&entries, &e)) == 1) {
        uint8_t held = (uint8_t)held_of(t, &e);
        out->error = buf_append(&t->answer_bytes, &held, 1);
    }
    if (!out->error && got < 0)
        out->error = got;
    out->bytes = buf_view(&t->answer_bytes);
}

void table_erase_answer(struct table *t, const struct question *q, struct slice asked,
                        struct store_result *out)
{
    if (q->kind == STORE_ERASABLE_DONE)
        answer_erasable(t, q, asked, out);
    else
        answer_held(t, asked, out);
}

void table_erasable(struct table *t, uint64_t token, struct slice vnodes, uint64_t wall_ms,
                    uint64_t from)
{
    struct question *q = table_ask(t, STORE_ERASABLE_DONE, token, vnodes);
    q->wall_ms = wall_ms;
    q->from = from;
}

void table_held(struct table *t, uint64_t token, struct slice entries)
{
    (void)table_ask(t, STORE_HELD_DONE, token, entries);
}
