/* table_erase.c: erasing, as the table sees it (floors.h says what an erasure is).
 *
 * An erasure is a compare-and-erase. It is submitted for just the version that is visible, waits in
 * its group like any put, and when it is durable the entry goes, if it is still that version. What
 * is written meanwhile and is newer stays; what is older cannot come: from the submission on puts
 * at or below the coming floor are looked up before they get into a group, and one that would
 * create the key, or adds nothing to it, is answered without being written. That is why no segment
 * that is made after an erasure holds what it covers: compaction relies on it (compact_judge.c),
 * and replay needs it to come to the same end.
 *
 * Lapsing. What cannot be erased, because an owner is away, need not keep its bytes: a value whose
 * expiry passed before the time that the question for erasable records names *lapses*. Its entry is
 * a tombstone from then on, under the version and with the expiry of the value: a deletion of just
 * that, greater than the value itself, and lesser than the value with any later expiry. So it may
 * travel to any owner, and merge with whatever is there. It is said in the index only; when the
 * record is copied the copy says so too (compact_jobs.c), and a restart before that finds the value
 * again. Never does an entry go for its expiry alone: it keeps out older values that an owner may
 * bring.
 *
 * At replay an erasure is an entry in the index like a deletion, greater than the version that it
 * names and lesser than all newer ones, the same value with a later expiry among them; when all is
 * read these entries are weeded out. */
#include <stdio.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/table/table_inner.h"
#include "wire/bytes.h"

enum { ERASABLE_WALK = 20000 }; /* records seen for one answer: a millisecond */

static struct index_item held_item(const struct table *t, const struct index_key *k,
                                   struct index_spot *spot)
{
    return index_find(&t->index, k, spot) ? table_held_at(t, k, spot) : (struct index_item){0};
}

/* Whether what is held is just what is to be erased. */
static bool same(const struct index_item *held, const struct version *v, uint64_t expiry_ms)
{
    return held->kind != RECORD_NONE && version_cmp(&held->version, v) == 0 &&
           held->expiry_ms == expiry_ms;
}

/* An arc may have been packed: walks on their way through it, of a flush (burial.h) or a doubt,
 * begin with it anew. */
static void arc_packed(struct table *t, uint32_t vnode)
{
    if (burial_under_way(&t->burial) && t->burial.arc == vnode)
        t->burial.bucket = 0;
    if (t->walk.arc == vnode)
        t->walk.bucket = 0;
}

/* ---- Puts ---- */

/* Whether a put at or below the coming floor may create its key. A tombstone that an owner brings
 * is refused for having been erased here, so the floor must be one that we can vouch for: a coming
 * one may never become durable. */
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
    if (stamp > t->floors.coming[vnode])
        return false;
    struct index_spot spot;
    struct index_item held = held_item(t, k, &spot), come = table_item(r, (uint32_t)r->value.n);
    struct version floor = {.stamp = t->floors.coming[vnode]};
    if (held.kind == RECORD_NONE) {
        bool may = may_create(r, origin.from, t->floors.durable[vnode]);
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
    struct index_item held = held_item(t, &k, &spot);
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
    struct index_item held = held_item(t, k, &spot), none = {0};
    uint32_t vnode = table_vnode(t, k->slot);
    bool erased = same(&held, &p->item.version, p->item.expiry_ms);
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
        if (t->floors.unweeded[v])
            index_weed(&t->index, v, weed, t);
        t->floors.unweeded[v] = 0;
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

static bool lapse_one(void *arg, struct slice key, const struct index_item *item)
{
    struct lapse *l = arg;
    struct table *t = l->table;
    if (!lapses(l, item))
        return false;
    struct index_key k = index_key(&t->index, slot_of_key(key), key);
    struct index_spot spot;
    struct index_item now = *item;
    now.kind = RECORD_TOMBSTONE;
    now.value_n = 0;
#ifdef CANARY_EXPIRY_BY_COMPACTION
    tally_dead(&t->tallies, item->segment, tally_weight(key.n, item->value_n));
    forest_change(&t->forest, table_vnode(t, k.slot), table_key_hash(t, &k), item,
                  &(struct index_item){0});
    return true;
#endif
    CHECK(index_find(&t->index, &k, &spot));
    table_change(t, &k, &spot, item, &now);
    return false;
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
        index_weed(&t->index, vnode, lapse_one, &(struct lapse){t, q->wall_ms});
        arc_packed(t, vnode);
        out->error =
            forest_erasable(&t->forest, &t->index, vnode, q->wall_ms, from, &t->answer_bytes);
        if (t->answer_bytes.n > 0)
            break;
    }
    out->told = buf_view(&t->answer_bytes);
}

static enum held held_of(const struct table *t, const struct listing_entry *e)
{
    struct index_spot spot;
    struct index_key k = index_key(&t->index, slot_of_key(e->key), e->key);
    struct index_item held = held_item(t, &k, &spot);
    if (same(&held, &e->version, e->expiry_ms))
        return HELD_SAME;
    bool gone =
        held.kind == RECORD_NONE && t->floors.durable[table_vnode(t, k.slot)] >= e->version.stamp;
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
    out->told = buf_view(&t->answer_bytes);
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
