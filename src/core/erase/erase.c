/* erase.c: erasing.
 *
 * The problem. A deletion is a record, a tombstone, and a value that is over is as good as one. An
 * owner that was away may hold what was there before, and an owner without the tombstone would take
 * that back. To drop tombstones after some days, as is usual, makes ghosts of whatever is brought
 * by an owner that was away for longer (Cassandra's gc_grace_seconds; its zombies fill a chapter of
 * every guide). To keep them for ever is no answer either.
 *
 * The way here. A tombstone goes when nothing older can come any more, and that is asked, not
 * guessed: *every* owner, in the layout in force, has confirmed that it holds just this tombstone
 * (with just this expiry, where it is a value that is over), or that it has nothing and its floor
 * keeps older records out (store/table/floors.h). So no owner holds an older record, and none takes
 * one:
 *
 *     an older record comes from     it is kept out, because
 *     a client                       its coordinator stamps it anew, above the floor
 *     a hint, or a read's repair     it lies at or below the floor, and is refused
 *     a comparison of trees          its ticket is old (core/repair/repair.c)
 *
 * The last one is needed since a floor is of a whole vnode. A record at or below it that one owner
 * missed and another holds may be a live one, so what comparing trees brings is taken there, but
 * not when anything was erased in the vnode since the record was found missing.
 *
 * Example: N = 3, key k. t is the tombstone of k, v the value before it.
 *
 *     A holds   B holds   C holds      A asks B and C about t                 then
 *     t         t         t            both confirm                           t goes everywhere
 *     t         t         v            C holds something else                 t stays
 *     t         t         nothing      C confirms if its floor is not below   t goes, or stays
 *     t         t         (C is dead)  it could not answer: nobody is asked   t stays
 *
 * Age is not part of the argument. It only keeps us from asking while writes and hints are on their
 * way: a tombstone younger than a hint may live is left alone.
 *
 *     REST ---(due)---> LOOK ---(the store lists what may go)---> ASK
 *      ^                 |                                         |
 *      '---(none left)---'--(all owners answered; silence; a broken stream; an error)
 *
 * The pass goes through the vnodes in which this node is the first owner, then through those in
 * which it is the second, and so on. LOOK asks the own store for the next batch, from where the
 * pass is; the store skips vnodes in which there is nothing. ASK puts the batch to the other owners
 * (ERASE_ASK). When all have answered, what all confirmed is erased here and announced to the other
 * owners (ERASE). Then, or when the batch is given up, the pass rests and goes on behind it.
 *
 * An ERASE is a compare-and-erase: an owner that has something newer by then keeps it. Nobody
 * acknowledges it. An owner that it did not reach still holds the tombstone, and brings it to
 * nobody: at the others it is refused as too old, which settles it (core/repair/repair_move.c). It
 * asks about the tombstone itself when its turn comes, and the others then have nothing, and a
 * floor. That is why all owners do this, each rank later by a part of the age.
 *
 * Nothing is erased while a layout is being agreed; nor by an owner that is recovering, for it does
 * not know what it should hold; nor while an owner of the vnode is dead, for it does not answer. A
 * vnode with such an owner keeps its tombstones as long as that lasts, and of its values that are
 * over all but their bytes.
 *
 * Ends. A value counts as over when its expiry has passed, by the believed time (core/wall/wall.h)
 * of the owner that asks, for as long as the age; and it must be over for the owners that are asked
 * too. An EXPIRE that came in time is held by W owners, and these do not confirm.
 *
 * Invariants: one batch at a time; an entry is confirmed only if the own store listed it and every
 * owner that answered confirmed it; a step appends ERASE_OUT_MAX actions at most. */
#include "core/erase/erase.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/phase.h"
#include "wire/bytes.h"

#include <stdlib.h>

static const uint32_t phases[] = {
    [ERASE_REST] = PHASE(ERASE_LOOK) | PHASE(ERASE_REST),
    [ERASE_LOOK] = PHASE(ERASE_LOOK) | PHASE(ERASE_ASK) | PHASE(ERASE_REST),
    [ERASE_ASK] = PHASE(ERASE_REST),
};

void erase_init(struct erase *e, const struct erase_options *o)
{
    CHECK(o->self != 0 && o->age_ms > 0);
    *e = (struct erase){.self = o->self, .age_ms = o->age_ms, .next_ms = UINT64_MAX};
    buf_init(&e->entries, MESSAGE_MAX);
    buf_init(&e->going, MESSAGE_MAX);
}

static void on_close(void *p)
{
    struct erase *e = p;
    free(e->vnodes);
    buf_close(&e->entries);
    buf_close(&e->going);
    e->vnodes = NULL;
}

static uint64_t pass_ms(const struct erase *e)
{
    uint64_t ms = e->age_ms / ERASE_PASSES;
    return ms < ERASE_PASS_MIN_MS   ? ERASE_PASS_MIN_MS
           : ms > ERASE_PASS_MAX_MS ? ERASE_PASS_MAX_MS
                                    : ms;
}

/* The phase ends, and with it the question: an answer that comes later finds another number. */
static void enter(struct erase *e, enum erase_phase phase, uint64_t next_ms)
{
    phase_enter(&e->phase, phase, phases);
    e->number++;
    e->next_ms = next_ms;
}

/* The pass has ended, or is given up. */
static void pass_end(struct erase *e)
{
    e->rank = 0;
    e->vnode_n = e->at = 0;
    enter(e, ERASE_REST, e->now->layout ? e->now->ms + pass_ms(e) : UINT64_MAX);
}

/* Whether nothing may be erased now. */
static bool is_barred(const struct moment *now)
{
    return now->fenced || moment_recovering(now);
}

static void on_barred(void *p, const struct moment *now)
{
    struct erase *e = p;
    e->now = now;
    if (is_barred(now))
        pass_end(e);
}

/* The pass was under another layout. */
static int on_layout(void *p, const struct moment *now)
{
    struct erase *e = p;
    uint8_t *vnodes = realloc(e->vnodes, (size_t)now->layout->vnodes * 2);
    if (!vnodes)
        return ERR_NO_MEMORY;
    e->vnodes = vnodes;
    e->now = now;
    pass_end(e);
    return 0;
}

/* ---- A pass ---- */

static uint16_t vnode_at(const struct erase *e)
{
    CHECK(e->at < e->vnode_n);
    return get_u16(e->vnodes + 2 * e->at);
}

static uint64_t owner(const struct erase *e, uint16_t vnode, unsigned rank)
{
    return layout_owner(e->now->layout, vnode, rank)->id;
}

/* The rank of a member among the owners of the batch's vnode; -1: it is none of them, or there is
 * no batch. */
static int rank_of(const struct erase *e, uint64_t id)
{
    return e->phase == ERASE_ASK ? layout_rank(e->now->layout, vnode_at(e), id) : -1;
}

static struct message *send(const struct erase *e, uint64_t to, enum message_kind kind,
                            struct out *out)
{
    return out_send(out, to, cast_addr(e->now->cast, to), kind);
}

/* The vnodes in which this node has the pass's rank. */
static void list_vnodes(struct erase *e)
{
    CHECK(e->rank < e->now->layout->n);
    e->vnode_n = e->at = 0;
    e->from = 0;
    for (uint16_t v = 0; v < e->now->layout->vnodes; v++) {
        if (owner(e, v, e->rank) != e->self)
            continue;
        put_u16(e->vnodes + 2 * e->vnode_n++, v);
    }
}

/* What ended before that time may go, at our rank; 0: nothing may. */
static uint64_t bound_ms(const struct erase *e)
{
    uint64_t age = e->age_ms + e->rank * (e->age_ms / ERASE_LATER);
    return e->now->believed_ms > age ? e->now->believed_ms - age : 0;
}

static void pass_done(struct erase *e, struct out *out)
{
    e->found = e->pass_found;
    if (e->pass_erased)
        out_trace(out, TRACE_ERASED, 0, e->pass_erased, e->found, slice_of(NULL, 0));
    pass_end(e);
}

/* Asks the own store for the next batch. */
static void look(struct erase *e, struct out *out)
{
    while (e->at == e->vnode_n) {
        if (++e->rank == e->now->layout->n) {
            pass_done(e, out);
            return;
        }
        list_vnodes(e);
    }
    enter(e, ERASE_LOOK, e->now->ms + ERASE_ANSWER_MS);
    struct action *a = out_add(out, ACT_STORE_ERASABLE);
    a->erasable.token = TOKEN(TOKEN_ERASE, e->number);
    a->erasable.vnodes = slice_of(e->vnodes + 2 * (size_t)e->at, 2 * (size_t)(e->vnode_n - e->at));
    a->erasable.wall_ms = bound_ms(e);
    a->erasable.from = e->from;
}

/* The batch is done with, whatever came of it: the pass goes on behind it, after a pause. */
static void batch_end(struct erase *e)
{
    struct slice rest = buf_view(&e->entries);
    struct listing_entry last = {0};
    CHECK(e->phase == ERASE_ASK);
    while (listing_next(&rest, &last) == 1) {}
    bool vnode_done = last.key_hash == UINT64_MAX;
    e->from = vnode_done ? 0 : last.key_hash + 1;
    e->at += vnode_done;
    uint64_t took_ms = e->now->ms - e->began_ms;
    enter(e, ERASE_REST, e->now->ms + (took_ms > ERASE_PAUSE_MS ? took_ms : ERASE_PAUSE_MS));
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

/* Every owner has answered: what all confirmed goes, here and at the others. */
static void decide(struct erase *e, struct out *out)
{
    struct slice rest = buf_view(&e->entries);
    struct listing_entry entry;
    uint16_t vnode = vnode_at(e);
    e->going.n = 0;
    for (unsigned i = 0; listing_next(&rest, &entry) == 1; i++) {
        if (!e->confirmed[i])
            continue;
        if (listing_append(&e->going, &entry))
            break; /* without memory the rest goes another time */
        erase_entry(&entry, out);
        e->pass_erased++;
    }
    for (unsigned i = 0; e->going.n > 0 && i < e->now->layout->n; i++) {
        uint64_t id = owner(e, vnode, i);
        if (id == e->self)
            continue;
        send(e, id, MSG_ERASE, out)->erase = (struct msg_erase){
            .epoch = e->now->layout->epoch, .vnode = vnode, .entries = buf_view(&e->going)};
    }
    batch_end(e);
}

/* Whether every owner can be asked now. */
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
    e->began_ms = e->now->ms;
    enter(e, ERASE_ASK, e->now->ms + ERASE_ANSWER_MS);
    asked_begin(&e->asked, e->owner, e->now->layout->n);
    memset(e->confirmed, true, sizeof e->confirmed);
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

/* Nothing of this vnode can go now. (Its values that are over have lapsed when they were listed:
 * store/table/table_erase.c.) */
static void skip(struct erase *e, struct out *out)
{
    e->at++;
    e->from = 0;
    look(e, out);
}

/* The own store's list is that of the batch. False when memory is out. */
static bool take_list(struct erase *e, struct slice list)
{
    struct listing_entry entry;
    e->entries.n = e->entry_n = 0;
    if (buf_slice(&e->entries, list))
        return false;
    while (listing_next(&list, &entry) == 1)
        e->entry_n++;
    CHECK(list.n == 0 && e->entry_n <= ERASABLE_MAX);
    return true;
}

/* The own store has listed what may go in the vnode that is `upto` further on. */
static void listed(struct erase *e, uint64_t number, const struct event *ev, struct out *out)
{
    if (e->phase != ERASE_LOOK || number != e->number)
        return;
    if (ev->answered.error || !take_list(e, ev->answered.bytes)) {
        pass_end(e);
        return;
    }
    CHECK(ev->answered.upto <= e->vnode_n - e->at);
    e->pass_found += ev->answered.dead;
    e->from = ev->answered.upto > 0 ? 0 : e->from;
    e->at += (uint32_t)ev->answered.upto;
    if (e->entry_n == 0)
        look(e, out);
    else if (all_alive(e, vnode_at(e)))
        ask(e, out);
    else
        skip(e, out);
}

static void answered(struct erase *e, uint64_t from, const struct msg_erase_held *m,
                     struct out *out)
{
    if (TOKEN_NUMBER(m->op) != e->number || !asked_answered(&e->asked, rank_of(e, from)))
        return;
    if (m->error || m->held.n != e->entry_n) {
        batch_end(e);
        return;
    }
    for (unsigned i = 0; i < e->entry_n; i++)
        e->confirmed[i] &= m->held.p[i] != HELD_OTHER;
    if (e->asked.open == 0)
        decide(e, out);
}

/* An owner whose stream broke confirms nothing, so the batch ends. */
static void on_member(void *p, const struct moment *now, const struct member *m, unsigned change)
{
    struct erase *e = p;
    (void)change;
    e->now = now;
    if (asked_lose(&e->asked, rank_of(e, m->id), m))
        batch_end(e);
}

static void on_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                      struct out *out)
{
    struct erase *e = p;
    e->now = now;
    if (m->kind == MSG_ERASE_HELD)
        answered(e, from, &m->erase_held, out);
}

/* ---- What another owner announces ---- */

void erase_obey(struct erase *e, const struct moment *now, uint64_t from, const struct msg_erase *m,
                struct out *out)
{
    e->now = now;
    struct slice rest = m->entries;
    struct listing_entry entry;
    const struct layout *l = now->layout;
    if (!l || is_barred(now) || m->epoch != l->epoch || m->vnode >= l->vnodes ||
        !layout_owns(l, m->vnode, from))
        return;
    if (listing_judge(m->entries, now->believed_ms) != 0)
        return;
    while (listing_next(&rest, &entry) == 1)
        if (layout_vnode(l, slot_of_key(entry.key)) == m->vnode)
            erase_entry(&entry, out);
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct erase *e = p;
    e->now = now;
    if (ev->kind == EV_ANSWERED)
        listed(e, number, ev, out);
    else if (ev->kind == EV_STORED)
        e->erased += ev->stored.error == 0;
}

/* ---- Time ---- */

static void begin(struct erase *e, struct out *out)
{
    e->rank = 0;
    e->pass_found = e->pass_erased = 0;
    list_vnodes(e);
    look(e, out);
}

static void on_tick(void *p, const struct moment *now, struct out *out)
{
    struct erase *e = p;
    e->now = now;
    if (is_barred(now) || now->ms < e->next_ms)
        return;
    if (e->phase == ERASE_ASK)
        batch_end(e);
    else if (e->phase == ERASE_LOOK)
        pass_end(e);
    else if (e->vnode_n == 0 && e->rank == 0)
        begin(e, out);
    else
        look(e, out);
}

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    const struct erase *e = p;
    return is_barred(now) ? UINT64_MAX : e->next_ms;
}

static void on_check(const void *p, const struct moment *now)
{
    const struct erase *e = p;
    CHECK(e->at <= e->vnode_n && e->entry_n <= ERASABLE_MAX);
    asked_check(&e->asked);
    CHECK(e->phase == ERASE_REST || (now->layout && !is_barred(now)));
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
