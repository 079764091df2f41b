/* erase.c: erasing.
 *
 * The problem. A deletion is a record, a tombstone, and so is a value whose time is over: what was
 * there before may be held by somebody who was away, and whoever forgets the tombstone would take
 * it back. To drop tombstones after some days, as is usual, makes ghosts of whatever an owner
 * brings that was away for longer (Cassandra's gc_grace_seconds; its zombies fill a chapter of
 * every guide). To keep them for ever is no answer either.
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
 * An ERASE is a compare-and-erase: who has got something newer since keeps it. Nobody acknowledges
 * it. An owner that it did not reach still holds the tombstone, is offered to nobody any more
 * ("erased", repair_move.c), and asks itself when its turn comes: the others then have nothing, and
 * a floor. That is why all owners do this, the first in place soonest, the i-th a few quarters of
 * the age later.
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
 * Invariants: one batch at a time; `held` is set only for what the own store listed and every owner
 * that answered holds; a step appends ERASE_OUT_MAX actions at most. */
#include "core/erase/erase.h"

#include "base/check.h"
#include "base/hash.h"
#include "wire/bytes.h"

#include <stdlib.h>

void erase_init(struct erase *e, const struct erase_options *o)
{
    *e = (struct erase){.self = o->self, .age_ms = o->age_ms, .next_ms = UINT64_MAX};
    buf_init(&e->entries, MESSAGE_MAX);
    buf_init(&e->confirmed, MESSAGE_MAX);
}

static void on_close(void *p)
{
    struct erase *e = p;
    free(e->vnodes);
    buf_close(&e->entries);
    buf_close(&e->confirmed);
    e->vnodes = NULL;
}

static uint64_t pass_ms(const struct erase *e)
{
    uint64_t ms = e->age_ms / ERASE_PASSES;
    return ms < ERASE_PASS_MIN_MS   ? ERASE_PASS_MIN_MS
           : ms > ERASE_PASS_MAX_MS ? ERASE_PASS_MAX_MS
                                    : ms;
}

/* The pass is over, or is given up. */
static void rest(struct erase *e)
{
    e->phase = ERASE_REST;
    e->number++;
    e->rank = 0;
    e->vnode_n = e->at = 0;
    e->next_ms = e->now->layout ? e->now->ms + pass_ms(e) : UINT64_MAX;
}

/* Nothing may be erased now. */
static bool rests(const struct moment *now)
{
    return now->fenced || moment_recovering(now);
}

static void on_barred(void *p, const struct moment *now)
{
    struct erase *e = p;
    e->now = now;
    if (rests(now))
        rest(e);
}

/* What was under way ends. */
static int on_layout(void *p, const struct moment *now)
{
    struct erase *e = p;
    uint8_t *vnodes = realloc(e->vnodes, (size_t)now->layout->vnodes * 2);
    if (!vnodes)
        return ERR_NO_MEMORY;
    e->vnodes = vnodes;
    e->now = now;
    rest(e);
    return 0;
}

/* ---- A pass ---- */

static uint16_t vnode_at(const struct erase *e)
{
    return get_u16(e->vnodes + 2 * e->at);
}

static uint64_t owner(const struct erase *e, uint16_t vnode, unsigned place)
{
    return layout_owner(e->now->layout, vnode, place)->id;
}

/* The place of a member among the owners of the batch's vnode; -1: it has none, or there is no
 * batch. */
static int place_of(const struct erase *e, uint64_t id)
{
    return e->phase == ERASE_ASK ? layout_rank(e->now->layout, vnode_at(e), id) : -1;
}

static struct message *send(const struct erase *e, uint64_t to, enum message_kind kind,
                            struct out *out)
{
    return out_send(out, to, cast_addr(e->now->cast, to), kind);
}

/* The vnodes in which this node has that place among the owners. */
static void list_vnodes(struct erase *e)
{
    e->vnode_n = e->at = 0;
    e->from = 0;
    for (uint16_t v = 0; v < e->now->layout->vnodes; v++) {
        if (owner(e, v, e->rank) != e->self)
            continue;
        put_u16(e->vnodes + 2 * e->vnode_n++, v);
    }
}

/* What ended before may go, as far as we are concerned; 0: nothing. */
static uint64_t bound_ms(const struct erase *e)
{
    uint64_t age = e->age_ms + e->rank * (e->age_ms / ERASE_LATER);
    return e->now->believed_ms > age ? e->now->believed_ms - age : 0;
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
        if (++e->rank == e->now->layout->n) {
            pass_over(e, out);
            return;
        }
        list_vnodes(e);
    }
    e->phase = ERASE_LOOK;
    e->next_ms = e->now->ms + ERASE_ANSWER_MS;
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
    bool end = last.key_hash == UINT64_MAX;
    e->from = end ? 0 : last.key_hash + 1;
    e->at += end;
    uint64_t took_ms = e->now->ms - e->began_ms;
    e->phase = ERASE_REST;
    e->number++;
    e->next_ms = e->now->ms + (took_ms > ERASE_PAUSE_MS ? took_ms : ERASE_PAUSE_MS);
}

/* ---- A batch ---- */

static void erase_entry(const struct listing_entry *entry, struct out *out)
{
    struct action *a = out_add(out, ACT_STORE_PUT);
    a->put.token = TOKEN(TOKEN_ERASE, 0);
    a->put.record = (struct record){.kind = RECORD_FLOOR,
                                    .version = entry->version,
                                    .expiry_ms = entry->expiry_ms,
                                    .key = entry->key};
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
    for (unsigned i = 0; e->confirmed.n > 0 && i < e->now->layout->n; i++) {
        uint64_t id = owner(e, vnode, i);
        if (id == e->self)
            continue;
        send(e, id, MSG_ERASE, out)->erase = (struct msg_erase){
            .epoch = e->now->layout->epoch, .vnode = vnode, .entries = buf_view(&e->confirmed)};
    }
    batch_over(e);
}

/* Whether all owners could be asked now. */
static bool all_alive(const struct erase *e, uint16_t vnode)
{
#ifdef CANARY_ERASE_BY_TIMER
    return true;
#endif
    for (unsigned i = 0; i < e->now->layout->n; i++) {
        const struct member *m = cast_find(e->now->cast, owner(e, vnode, i));
        if (!m || (!m->self && m->state != MEMBER_ALIVE))
            return false;
    }
    return true;
}

static void ask(struct erase *e, struct out *out)
{
    uint16_t vnode = vnode_at(e);
    e->phase = ERASE_ASK;
    e->began_ms = e->now->ms;
    e->next_ms = e->now->ms + ERASE_ANSWER_MS;
    e->number++;
    asked_begin(&e->asked, e->owner, e->now->layout->n);
    memset(e->held, true, sizeof e->held);
    for (unsigned i = 0; i < e->now->layout->n; i++) {
        uint64_t id = owner(e, vnode, i);
        if (id == e->self)
            continue;
        asked_ask(&e->asked, (int)i, cast_find(e->now->cast, id));
        send(e, id, MSG_ERASE_ASK, out)->erase_ask =
            (struct msg_erase_ask){.op = TOKEN(TOKEN_ERASE, e->number),
                                   .epoch = e->now->layout->epoch,
                                   .vnode = vnode,
                                   .entries = buf_view(&e->entries)};
    }
    bool all = e->asked.open == 0;
#ifdef CANARY_ERASE_BY_TIMER
    all = true;
#endif
    if (all)
        decide(e, out);
}

/* Nothing of this vnode can go now. (Its values have lapsed when they were listed:
 * table_erase.c.) */
static void skip(struct erase *e, struct out *out)
{
    e->at++;
    e->from = 0;
    look(e, out);
}

static void told(struct erase *e, uint64_t number, int error, struct slice list, uint64_t upto,
                 uint64_t dead, struct out *out)
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
    if (list.n == 0) {
        look(e, out);
    } else if (buf_slice(&e->entries, list)) {
        rest(e);
    } else {
        while (listing_next(&list, &entry) == 1)
            e->entry_n++;
        CHECK(list.n == 0 && e->entry_n <= ERASABLE_MAX);
        if (all_alive(e, vnode_at(e)))
            ask(e, out);
        else
            skip(e, out);
    }
}

static void said(struct erase *e, uint64_t from, const struct msg_erase_said *m, struct out *out)
{
    if (TOKEN_NUMBER(m->op) != e->number || !asked_answered(&e->asked, place_of(e, from)))
        return;
    if (m->error || m->held.n != e->entry_n) {
        batch_over(e);
        return;
    }
    for (unsigned i = 0; i < e->entry_n; i++)
        e->held[i] &= m->held.p[i] != HELD_OTHER;
    if (e->asked.open == 0)
        decide(e, out);
}

/* An owner whose stream broke confirms nothing, so the batch is over. */
static void on_member(void *p, const struct moment *now, const struct member *who, unsigned change)
{
    struct erase *e = p;
    (void)change;
    e->now = now;
    if (asked_lose(&e->asked, place_of(e, who->id), who))
        batch_over(e);
}

static void on_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                      struct out *out)
{
    struct erase *e = p;
    e->now = now;
    if (m->kind == MSG_ERASE_SAID)
        said(e, from, &m->erase_said, out);
}

/* ---- Being asked, and told ---- */

/* All owners confirmed; only owners say so. */
void erase_obey(struct erase *e, const struct moment *now, uint64_t from, const struct msg_erase *m,
                struct out *out)
{
    e->now = now;
    struct slice rest_of = m->entries;
    struct listing_entry entry;
    const struct layout *l = now->layout;
    if (!l || rests(now) || m->epoch != l->epoch || m->vnode >= l->vnodes ||
        !layout_owns(l, m->vnode, from))
        return;
    if (listing_judge(m->entries, now->believed_ms) != 0)
        return;
    while (listing_next(&rest_of, &entry) == 1)
        if (layout_vnode(l, slot_of_key(entry.key)) == m->vnode)
            erase_entry(&entry, out);
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct erase *e = p;
    e->now = now;
    if (ev->kind == EV_TOLD)
        told(e, number, ev->told.error, ev->told.told, ev->told.upto, ev->told.dead, out);
    else if (ev->kind == EV_STORED)
        e->erased += ev->stored.error == 0;
}

/* ---- Time ---- */

static void begin(struct erase *e, struct out *out)
{
    e->rank = 0;
    e->pass_dead = e->pass_erased = 0;
    list_vnodes(e);
    look(e, out);
}

static void on_tick(void *p, const struct moment *now, struct out *out)
{
    struct erase *e = p;
    e->now = now;
    if (rests(now) || now->ms < e->next_ms)
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

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    const struct erase *e = p;
    return rests(now) ? UINT64_MAX : e->next_ms;
}

static void on_check(const void *p, const struct moment *now)
{
    const struct erase *e = p;
    CHECK(e->at <= e->vnode_n && e->entry_n <= ERASABLE_MAX);
    asked_check(&e->asked);
    CHECK(e->phase == ERASE_REST || (now->layout && !rests(now)));
    CHECK(e->phase != ERASE_ASK || (e->asked.open > 0 && e->at < e->vnode_n && e->entries.n > 0));
}

const struct protocol erase_protocol = {
    .layout = on_layout,
    .barred = on_barred,
    .member = on_member,
    .answer = on_answer,
    .stored = on_stored,
    .tick = on_tick,
    .deadline_ms = on_deadline_ms,
    .check = on_check,
    .close = on_close,
};
