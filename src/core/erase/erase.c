/* erase.c: erasing.
 *
 * The problem. A deletion is a record, a tombstone, and so is a value whose time is over: what was there before may be held by
 * somebody who was away, and whoever forgets the tombstone would take it back. To drop tombstones after some days, as is
 * usual, makes ghosts of whatever an owner brings that was away for longer (Cassandra's gc_grace_seconds; its zombies fill a
 * chapter of every guide). To keep them for ever is no answer either.
 *
 * The way here. A tombstone goes when nothing older can come any more, and that is asked, not
 * guessed: *every* owner, in the layout in force, has confirmed that it holds just this tombstone
 * (with just this expiry, where it is a value that is over), or that it has nothing and its floor
 * keeps older records out (store/table/floors.h). So no owner holds an older record, and none takes
 * one: not from a client, whose coordinator stamps anew, not from a hint, which is dropped, not
 * from a read's repair. What one owner brings another by comparing trees is taken at or below the
 * floor too, for the floor is of the whole vnode and the other record may be a live one; but not
 * when anything was erased in the vnode since the record was found missing (tickets: repair.c). Age
 * is not part of the argument. It only keeps us from asking while writes and hints are on their
 * way: a tombstone younger than a hint may live is left alone.
 *
 *     own store: what may go? --> ERASE_ASK to all other owners --> all of them hold it, or nothing --> ERASE to all, and here
 *
 * An ERASE is a compare-and-erase: who has got something newer since keeps it. Nobody acknowledges it. An owner that it did not
 * reach still holds the tombstone, is offered to nobody any more ("erased", repair_move.c), and asks itself when its turn
 * comes: the others then have nothing, and a floor. That is why all owners do this, the first in place soonest, the i-th
 * a few quarters of the age later.
 *
 * Never while a layout is being agreed, never by an owner that is recovering, for it cannot know
 * what it holds, and never when one of the owners is dead: he does not answer. A vnode with such an
 * owner keeps its tombstones as long as that lasts, and of its values that are over all but their
 * bytes.
 *
 * Ends. A value is over when its expiry has passed by the believed time (core/wall/wall.h) of the
 * one who asks, for as long as the age; and those who are asked must hold it for over too. An
 * EXPIRE that came in time is held by W owners, which do not confirm.
 *
 * Invariants: one batch at a time; `held` is set only for what the own store listed and every owner that answered holds; a
 * step appends ERASE_OUT_MAX actions at most. */
#include "core/erase/erase.h"

#include "base/check.h"
#include "base/hash.h"
#include "wire/bytes.h"

#include <stdlib.h>

_Static_assert(REPLICAS_MAX <= 8, "a bit for each owner");

void erase_init(struct erase *e, const struct erase_options *o)
{
    *e = (struct erase){.self = o->self, .age_ms = o->age_ms, .next_ms = UINT64_MAX};
    buf_init(&e->entries, MESSAGE_MAX);
    buf_init(&e->confirmed, MESSAGE_MAX);
}

void erase_close(struct erase *e)
{
    free(e->peer);
    free(e->vnodes);
    buf_close(&e->entries);
    buf_close(&e->confirmed);
    e->peer = NULL;
    e->vnodes = NULL;
}

static uint64_t pass_ms(const struct erase *e)
{
    uint64_t ms = e->age_ms / ERASE_PASSES;
    return ms < ERASE_PASS_MIN_MS ? ERASE_PASS_MIN_MS : ms > ERASE_PASS_MAX_MS ? ERASE_PASS_MAX_MS : ms;
}

/* The pass is over, or is given up. */
static void rest(struct erase *e)
{
    e->phase = ERASE_REST;
    e->number++;
    e->rank = 0;
    e->vnode_n = e->at = 0;
    e->next_ms = e->layout ? e->now_ms + pass_ms(e) : UINT64_MAX;
}

void erase_time(struct erase *e, uint64_t now_ms, uint64_t wall_ms, bool rests)
{
    e->now_ms = now_ms;
    e->wall_ms = wall_ms;
    if (rests && !e->rests)
        rest(e);
    e->rests = rests;
}

int erase_layout(struct erase *e, const struct layout *layout)
{
    struct erase_peer *peer = calloc(layout->member_n, sizeof *peer);
    uint8_t *vnodes = realloc(e->vnodes, (size_t)layout->vnodes * 2);
    if (vnodes)
        e->vnodes = vnodes;
    if (!peer || !vnodes) {
        free(peer);
        return ERR_NO_MEMORY;
    }
    for (unsigned m = 0; m < layout->member_n; m++)
        peer[m].id = layout->member[m].id;
    free(e->peer);
    e->peer = peer;
    e->layout = layout;
    rest(e);
    return 0;
}

void erase_peer(struct erase *e, uint64_t id, struct addr addr, bool alive)
{
    int m = e->layout ? layout_find(e->layout, id) : -1;
    if (m < 0)
        return;
    e->peer[m].addr = addr;
    e->peer[m].alive = alive;
}

/* ---- A pass ---- */

static struct erase_peer *owner(const struct erase *e, uint16_t vnode, unsigned place)
{
    return &e->peer[e->layout->owner[(size_t)vnode * e->layout->n + place]];
}

/* The vnodes in which this node has that place among the owners. */
static void list_vnodes(struct erase *e)
{
    e->vnode_n = e->at = 0;
    e->from = 0;
    for (uint16_t v = 0; v < e->layout->vnodes; v++) {
        if (owner(e, v, e->rank)->id != e->self)
            continue;
        put_u16(e->vnodes + 2 * e->vnode_n++, v);
    }
}

static uint16_t vnode_at(const struct erase *e)
{
    return get_u16(e->vnodes + 2 * e->at);
}

/* What ended before may go, as far as we are concerned; 0: nothing. */
static uint64_t bound_ms(const struct erase *e)
{
    uint64_t age = e->age_ms + e->rank * (e->age_ms / ERASE_LATER);
    return e->wall_ms > age ? e->wall_ms - age : 0;
}

static void pass_over(struct erase *e, struct out *out)
{
    e->dead = e->pass_dead;
    if (e->pass_erased)
        out_trace(out, TRACE_ERASED, 0, e->pass_erased, e->dead, slice_of(NULL, 0));
    rest(e);
}

/* Asks the own store for the next batch. */
static void look(struct erase *e, struct out *out)
{
    while (e->at == e->vnode_n) {
        if (++e->rank == e->layout->n) {
            pass_over(e, out);
            return;
        }
        list_vnodes(e);
    }
    e->phase = ERASE_LOOK;
    e->next_ms = e->now_ms + ERASE_ANSWER_MS;
    struct action *a = out_add(out, ACT_STORE_ERASABLE);
    a->erasable.token = TOKEN(TOKEN_ERASE, ++e->number);
    a->erasable.vnodes = slice_of(e->vnodes + 2 * (size_t)e->at, 2 * (size_t)(e->vnode_n - e->at));
    a->erasable.wall_ms = bound_ms(e);
    a->erasable.from = e->from;
}

/* The batch is done with, whatever came of it: goes on behind it, after a pause. */
static void batch_over(struct erase *e)
{
    struct slice rest_of = buf_view(&e->entries);
    struct listing_entry last = {0};
    while (listing_next(&rest_of, &last) == 1) {}
    bool end = last.position == UINT64_MAX;
    e->from = end ? 0 : last.position + 1;
    e->at += end;
    uint64_t took_ms = e->now_ms - e->began_ms;
    e->phase = ERASE_REST;
    e->number++;
    e->next_ms = e->now_ms + (took_ms > ERASE_PAUSE_MS ? took_ms : ERASE_PAUSE_MS);
}

/* ---- A batch ---- */

static void erase_entry(const struct listing_entry *entry, struct out *out)
{
    struct action *a = out_add(out, ACT_STORE_PUT);
    a->put.token = TOKEN(TOKEN_ERASE, 0);
    a->put.record =
        (struct record){.kind = RECORD_FLOOR, .version = entry->version, .expiry_ms = entry->expiry_ms, .key = entry->key};
}

/* Every owner has answered: what all confirmed goes, here and there. */
static void decide(struct erase *e, struct out *out)
{
    struct slice rest_of = buf_view(&e->entries);
    struct listing_entry entry;
    uint16_t vnode = vnode_at(e);
    bool kept = true;
    e->confirmed.n = 0;
    for (unsigned i = 0; kept && listing_next(&rest_of, &entry) == 1; i++) {
        if (!e->held[i])
            continue;
        kept = listing_append(&e->confirmed, &entry) == 0;
        if (kept)
            erase_entry(&entry, out);
        e->pass_erased += kept;
    }
    for (unsigned i = 0; e->confirmed.n > 0 && i < e->layout->n; i++) {
        const struct erase_peer *p = owner(e, vnode, i);
        if (p->id == e->self)
            continue;
        out_send(out, p->id, p->addr, MSG_ERASE)->erase =
            (struct msg_erase){.epoch = e->layout->epoch, .vnode = vnode, .entries = buf_view(&e->confirmed)};
    }
    batch_over(e);
}

/* Whether all owners could be asked now. */
static bool all_alive(const struct erase *e, uint16_t vnode)
{
#ifdef CANARY_ERASE_BY_TIMER
    return true;
#endif
    for (unsigned i = 0; i < e->layout->n; i++)
        if (owner(e, vnode, i)->id != e->self && !owner(e, vnode, i)->alive)
            return false;
    return true;
}

static void ask(struct erase *e, struct out *out)
{
    uint16_t vnode = vnode_at(e);
    e->phase = ERASE_ASK;
    e->began_ms = e->now_ms;
    e->next_ms = e->now_ms + ERASE_ANSWER_MS;
    e->number++;
    e->silent = 0;
    memset(e->held, true, sizeof e->held);
    for (unsigned i = 0; i < e->layout->n; i++) {
        const struct erase_peer *p = owner(e, vnode, i);
        if (p->id == e->self)
            continue;
        e->silent |= (uint8_t)(1u << i);
        out_send(out, p->id, p->addr, MSG_ERASE_ASK)->erase_ask = (struct msg_erase_ask){
            .op = TOKEN(TOKEN_ERASE, e->number), .epoch = e->layout->epoch, .vnode = vnode, .entries = buf_view(&e->entries)};
    }
#ifdef CANARY_ERASE_BY_TIMER
    e->silent = 0;
#endif
    if (e->silent == 0)
        decide(e, out);
}

/* Nothing of this vnode can go now. (Its values have lapsed when they were listed: table_erase.c.) */
static void skip(struct erase *e, struct out *out)
{
    e->at++;
    e->from = 0;
    look(e, out);
}

void erase_told(struct erase *e, uint64_t number, int error, struct slice told, uint64_t upto, uint64_t dead, struct out *out)
{
    struct listing_entry entry;
    if (e->phase != ERASE_LOOK || number != e->number)
        return;
    if (error) {
        rest(e);
        return;
    }
    CHECK(upto <= e->vnode_n - e->at);
    e->pass_dead += dead;
    e->from = upto > 0 ? 0 : e->from;
    e->at += (uint32_t)upto;
    e->entries.n = e->entry_n = 0;
    if (told.n == 0) {
        look(e, out);
    } else if (buf_slice(&e->entries, told)) {
        rest(e);
    } else {
        while (listing_next(&told, &entry) == 1)
            e->entry_n++;
        CHECK(told.n == 0 && e->entry_n <= ERASABLE_MAX);
        if (all_alive(e, vnode_at(e)))
            ask(e, out);
        else
            skip(e, out);
    }
}

static void said(struct erase *e, uint64_t from, const struct msg_erase_said *m, struct out *out)
{
    if (e->phase != ERASE_ASK || TOKEN_NUMBER(m->op) != e->number)
        return;
    uint16_t vnode = vnode_at(e);
    for (unsigned i = 0; i < e->layout->n; i++)
        if (owner(e, vnode, i)->id == from)
            e->silent &= (uint8_t) ~(1u << i);
    if (m->error || m->held.n != e->entry_n) {
        batch_over(e);
        return;
    }
    for (unsigned i = 0; i < e->entry_n; i++)
        e->held[i] &= m->held.p[i] != HELD_OTHER;
    if (e->silent == 0)
        decide(e, out);
}

void erase_message(struct erase *e, uint64_t from, const struct message *m, struct out *out)
{
    if (m->kind == MSG_ERASE_SAID)
        said(e, from, &m->erase_said, out);
}

/* ---- Being asked, and told ---- */

int erase_judge(struct slice entries, uint64_t wall_ms)
{
    struct listing_entry e;
    int got;
    for (unsigned n = 0; (got = listing_next(&entries, &e)) == 1; n++) {
        if (n == ERASABLE_MAX)
            return ERR_BAD_MESSAGE;
        if (e.kind != RECORD_TOMBSTONE && !expiry_passed(e.expiry_ms, wall_ms))
            return ERR_CLOCK;
    }
    return got;
}

/* All owners confirmed; only owners say so. */
void erase_obey(struct erase *e, uint64_t from, const struct msg_erase *m, bool recovering, struct out *out)
{
    struct slice rest_of = m->entries;
    struct listing_entry entry;
    const struct layout *l = e->layout;
    if (recovering || e->rests || !l || m->epoch != l->epoch || m->vnode >= l->vnodes || !layout_owns(l, m->vnode, from))
        return;
    if (erase_judge(m->entries, e->wall_ms) != 0)
        return;
    while (listing_next(&rest_of, &entry) == 1)
        if (layout_vnode(l, slot_of_key(entry.key)) == m->vnode)
            erase_entry(&entry, out);
}

void erase_stored(struct erase *e, int error)
{
    e->erased += error == 0;
}

/* ---- Time ---- */

static void begin(struct erase *e, struct out *out)
{
    e->rank = 0;
    e->pass_dead = e->pass_erased = 0;
    list_vnodes(e);
    look(e, out);
}

void erase_tick(struct erase *e, struct out *out)
{
    if (e->rests || e->now_ms < e->next_ms)
        return;
    if (e->phase == ERASE_ASK)
        batch_over(e);
    else if (e->phase == ERASE_LOOK)
        rest(e);
    else if (e->vnode_n == 0 && e->rank == 0)
        begin(e, out);
    else
        look(e, out);
}

uint64_t erase_deadline_ms(const struct erase *e)
{
    return e->rests ? UINT64_MAX : e->next_ms;
}

void erase_check(const struct erase *e)
{
    CHECK(e->at <= e->vnode_n && e->entry_n <= ERASABLE_MAX);
    CHECK(e->phase == ERASE_REST || (e->layout && !e->rests));
    CHECK(e->phase != ERASE_ASK || (e->silent != 0 && e->at < e->vnode_n && e->entries.n > 0));
}
