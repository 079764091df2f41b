/* hint.c: hinted handoff: the replay.
 *
 * The problem. A write is acknowledged at W of N owners (Dynamo, DeCandia et al. 2007, section
 * 4.6). An owner that was dead, cut off or slow misses it, and until somebody notices there is one
 * copy less than there should be. So the coordinator keeps the record for that owner, durably, and
 * brings it when the owner is back. A hint is not a replica: it counts toward no quorum and answers
 * no read.
 *
 * The log. Hints of one target form a queue, and a queue must not be a table in which served
 * entries are deleted: tombstones pile up at the very place where the next read looks (Cassandra
 * moved its hints from such a table into flat files for that reason). So the world keeps an
 * append-only log per target, which is read at its head and dropped at its head.
 *
 * The replay. A target that is alive is sent one batch at a time, HINT_BATCH records at most, as
 * ordinary PUTs:
 *
 *     IDLE ---(due, and reachable)---> READING ---(a batch is read)---> SENDING
 *      ^                                  |                                |
 *      '---(nothing is there; an error)---'---(all answered; a back-off)---'
 *
 * When all records are answered, the acknowledged ones from the head on are dropped, and only
 * those. A record behind one that was refused is sent again with it, which is harmless, for a
 * record carries its version. The target's own pace is the throttle: after a batch we pause for as
 * long as it took. So a target that is busy, serving or catching up after its start, has half of
 * its time for that, and at most HINT_REPLAYS targets are served at once. A refusal, a broken
 * stream, another layout or silence ends the batch with a back-off. Nothing of that batch is
 * remembered: it is still in the log.
 *
 * Orphans. When the ring has changed and the target no longer owns a record's key, the hint goes to
 * all present owners and is settled when W of them hold it: then it is as safe as an acknowledged
 * write. So nothing is lost with a member that was removed.
 *
 * Age. A hint older than age_max_ms is dropped, not sent: by then the owners may have erased a
 * tombstone that the hint would contradict, and comparing trees is the better repair.
 *
 * Invariants: a hint is dropped only after the durable ack of its owner (or W of the present ones),
 * or for its age; at most HINT_REPLAYS targets are not idle; a target has a batch in HINT_SENDING
 * alone. */
#include "core/hint/hint.h"

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/phase.h"

#include <stdlib.h>

/* A token's number is a batch's number and, in these low bits, the index of a hint in it. */
enum { INDEX_BITS = 8 };
_Static_assert(HINT_BATCH <= 1 << INDEX_BITS, "an index of the batch does not fit the number");

static const uint32_t phases[] = {
    [HINT_IDLE] = PHASE(HINT_READING),
    [HINT_READING] = PHASE(HINT_SENDING) | PHASE(HINT_IDLE),
    [HINT_SENDING] = PHASE(HINT_IDLE),
};

void hint_init(struct hint *h, const struct hint_options *o)
{
    CHECK(o->self != 0);
    *h = (struct hint){.self = o->self,
                       .age_max_ms = o->age_max_ms ? o->age_max_ms : HINT_AGE_DEFAULT_MS};
}

static void on_close(void *p)
{
    struct hint *h = p;
    free(h->target);
    free(h->info);
    *h = (struct hint){0};
}

/* ---- Members and targets ---- */

static struct hint_target *target_find(const struct hint *h, uint64_t id)
{
    for (uint32_t i = 0; i < h->target_n; i++)
        if (h->target[i].info.target == id)
            return &h->target[i];
    return NULL;
}

/* NULL when memory is out. */
static struct hint_target *target_make(struct hint *h, uint64_t id)
{
    struct hint_target *t = target_find(h, id);
    if (t)
        return t;
    struct hint_target *grown = realloc(h->target, (h->target_n + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    h->target = grown;
    t = &grown[h->target_n++];
    *t = (struct hint_target){.info.target = id, .due_ms = h->now->ms, .trace_dropped = 1};
    return t;
}

static bool is_alive(const struct moment *now, uint64_t id)
{
    const struct member *m = cast_find(now->cast, id);
    return m && m->state == MEMBER_ALIVE;
}

/* Whether the layout in force names it. */
static bool is_named(const struct moment *now, uint64_t id)
{
    return layout_find(now->layout, id) >= 0;
}

/* Counts hint_owed anew: what is kept has changed, or who is alive. */
static void count_owed(struct hint *h)
{
    h->owed = 0;
    for (uint32_t i = 0; i < h->target_n && h->now->layout; i++) {
        const struct hint_target *t = &h->target[i];
        if (is_named(h->now, t->info.target) && is_alive(h->now, t->info.target))
            h->owed += t->info.waiting;
    }
}

/* Whether its hints can be sent: it is alive, or no member any more, and they go to others. */
static bool reachable(const struct moment *now, const struct hint_target *t)
{
    return now->layout && (!is_named(now, t->info.target) || is_alive(now, t->info.target));
}

/* A batch under way, if any, is over. */
static void enter(struct hint *h, struct hint_target *t, enum hint_phase phase)
{
    CHECK(!t->batch || t->phase == HINT_SENDING);
    if (t->batch)
        t->batch->number = 0;
    t->batch = NULL;
    phase_enter(&t->phase, phase, phases);
    t->since_ms = h->now->ms;
}

/* The batch did not go through: all of it is still in the log. */
static void back_off(struct hint *h, struct hint_target *t)
{
    t->backoff_ms = !t->backoff_ms ? HINT_BACKOFF_MS : 2 * t->backoff_ms;
    if (t->backoff_ms > HINT_BACKOFF_MAX_MS)
        t->backoff_ms = HINT_BACKOFF_MAX_MS;
    t->due_ms = h->now->ms + t->backoff_ms;
    enter(h, t, HINT_IDLE);
}

/* The member is back: its replay begins at once, whatever went wrong before. */
static void target_returned(struct hint *h, uint64_t id)
{
    struct hint_target *t = target_find(h, id);
    if (!t || t->phase != HINT_IDLE)
        return;
    t->backoff_ms = 0;
    t->due_ms = h->now->ms;
}

/* Which of the members that a hint went to this one is; -1: none. */
static int rank_of(const struct hint *h, const struct hint_target *t, const struct hint_sent *s,
                   uint64_t id)
{
    if (!s->orphan)
        return id == t->info.target ? 0 : -1;
    return layout_rank(h->now->layout, layout_vnode(h->now->layout, s->slot), id);
}

/* Whether a record of its batch may be lost on the way to that member, or the answer on the way
 * back. */
static bool batch_lost(const struct hint *h, struct hint_target *t, const struct member *m)
{
    bool lost = false;
    for (unsigned i = 0; t->batch && i < t->batch->n; i++) {
        struct hint_sent *s = &t->batch->sent[i];
        lost |= asked_lose(&s->asked, rank_of(h, t, s, m->id), m);
    }
    return lost;
}

/* The batches that are under way may have gone to members that are no owners any more. */
static int on_layout(void *p, const struct moment *now)
{
    struct hint *h = p;
    h->now = now;
    for (uint32_t i = 0; i < h->target_n; i++)
        if (h->target[i].batch)
            back_off(h, &h->target[i]);
    count_owed(h);
    return 0;
}

static void on_member(void *p, const struct moment *now, const struct member *m, unsigned change)
{
    struct hint *h = p;
    h->now = now;
    if (change & (CAST_ALIVE | CAST_UP))
        target_returned(h, m->id);
    for (uint32_t i = 0; i < h->target_n; i++)
        if (batch_lost(h, &h->target[i], m))
            back_off(h, &h->target[i]);
    if (change & (CAST_ALIVE | CAST_DOUBTED))
        count_owed(h);
}

/* ---- What is kept ---- */

static void note_dropped(struct hint_target *t, uint64_t n, int error, struct out *out)
{
    t->info.dropped += n;
    if (t->info.dropped < t->trace_dropped)
        return;
    t->trace_dropped = 2 * t->info.dropped; /* so that a million of them make twenty lines */
    struct slice why = error ? slice_str(error_sentence(error)) : SLICE("too old");
    out_trace(out, TRACE_HINTS_DROPPED, t->info.target, t->info.dropped, (uint64_t)error, why);
}

/* The target holds all that was kept for it. */
static void note_drained(struct hint *h, struct hint_target *t, struct out *out)
{
    CHECK(t->info.waiting == 0 && t->run_n > 0);
    out_trace(out, TRACE_HINTS_REPLAYED, t->info.target, t->run_n, h->now->ms - t->run_ms,
              slice_of(NULL, 0));
    t->run_n = 0;
}

int hint_kept(struct hint *h, const struct moment *now, const struct event *ev, struct out *out)
{
    h->now = now;
    struct hint_target *t = target_make(h, ev->hinted.target);
    if (!t)
        return ERR_NO_MEMORY;
    if (t->info.waiting == 0 && ev->hinted.waiting > 0)
        out_trace(out, TRACE_HINTS_KEPT, t->info.target, ev->hinted.waiting, 0, slice_of(NULL, 0));
    if (ev->hinted.kind == HINTS_KEPT)
        t->info.kept += ev->hinted.n;
    t->info.waiting = ev->hinted.waiting;
    t->info.bytes = ev->hinted.bytes;
    count_owed(h);
    if (ev->hinted.kind == HINTS_LOST && ev->hinted.n > 0)
        note_dropped(t, ev->hinted.n, ev->hinted.error, out);
    if (t->info.waiting == 0 && t->run_n > 0)
        note_drained(h, t, out);
    return 0;
}

/* ---- A batch ---- */

/* A free batch. There are as many as targets that are replayed to at once. */
static struct hint_batch *batch_begin(struct hint *h)
{
    struct hint_batch *b = h->batch;
    while (b < h->batch + HINT_REPLAYS && b->number)
        b++;
    CHECK(b < h->batch + HINT_REPLAYS);
    b->number = ++h->batches;
    b->n = 0;
    return b;
}

/* Sends the batch's last hint to one member, the one of that rank among those that it goes to;
 * nothing where that member is not alive. */
static void send_to(struct hint *h, struct hint_batch *b, unsigned rank, uint64_t to,
                    const struct record *r, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_HINT, b->number << INDEX_BITS | (b->n - 1u));
    const struct member *member = cast_find(h->now->cast, to);
    if (!member || (!member->self && member->state != MEMBER_ALIVE))
        return;
    asked_ask(&b->sent[b->n - 1].asked, (int)rank, member);
    if (member->self) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = token;
        a->put.record = *r;
        return;
    }
    struct message *m = out_send(out, to, member->addr, MSG_PUT);
    m->put = (struct msg_put){
        .op = token, .epoch = h->now->epoch, .record = *r, .position = h->now->own.position};
}

static void send_one(struct hint *h, struct hint_target *t, const struct located_record *hint,
                     struct out *out)
{
    const struct layout *l = h->now->layout;
    const struct record *r = &hint->record;
    CHECK(t->batch->n < HINT_BATCH);
    struct hint_sent *s = &t->batch->sent[t->batch->n++];
    bool late = version_ms(&r->version) + h->age_max_ms < h->now->believed_ms;
    s->location = hint->location;
    s->slot = slot_of_key(r->key);
    uint16_t vnode = layout_vnode(l, s->slot);
    s->orphan = r->kind != RECORD_FLUSH && !layout_owns(l, vnode, t->info.target);
    s->need = late ? 0 : s->orphan ? l->w : 1;
    asked_begin(&s->asked, s->peer, s->orphan ? l->n : 1);
    if (late)
        note_dropped(t, 1, 0, out);
    for (unsigned k = 0; !late && k < s->asked.n; k++)
        send_to(h, t->batch, k, s->orphan ? layout_owner(l, vnode, k)->id : t->info.target, r, out);
}

static bool settled(const struct hint_sent *s)
{
    return s->asked.done >= s->need;
}

/* Drops the hints from the head on up to the first that is not settled. True when that was all of
 * the batch. */
static bool drop_settled(struct hint_target *t, struct out *out)
{
    const struct hint_batch *b = t->batch;
    unsigned n = 0, unsent = 0;
    for (; n < b->n && settled(&b->sent[n]); n++)
        unsent += b->sent[n].need == 0;
    if (n == 0)
        return false;
    struct action *a = out_add(out, ACT_HINT_DROP);
    a->hint_drop.target = t->info.target;
    a->hint_drop.up_to = b->sent[n - 1].location;
    a->hint_drop.n = n;
    t->info.replayed += n - unsent;
    t->run_n += n - unsent;
    return n == b->n;
}

/* Ends the batch when no answer is awaited any more. */
static void judge(struct hint *h, struct hint_target *t, struct out *out)
{
    CHECK(t->phase == HINT_SENDING);
    for (unsigned i = 0; i < t->batch->n; i++)
        if (!settled(&t->batch->sent[i]) && t->batch->sent[i].asked.open > 0)
            return;
    uint64_t took_ms = h->now->ms - t->since_ms;
    if (!drop_settled(t, out)) {
        back_off(h, t);
        return;
    }
    t->backoff_ms = 0;
    t->due_ms = h->now->ms + took_ms;
    enter(h, t, HINT_IDLE);
}

void hint_found(struct hint *h, const struct moment *now, const struct event *ev, struct out *out)
{
    h->now = now;
    struct hint_target *t = target_find(h, ev->hints.target);
    if (!t || t->phase != HINT_READING)
        return; /* it backed off meanwhile */
    if (ev->hints.error || !reachable(h->now, t)) {
        back_off(h, t);
        return;
    }
    if (ev->hints.n == 0) {
        t->info.waiting = 0;
        count_owed(h);
        enter(h, t, HINT_IDLE);
        return;
    }
    enter(h, t, HINT_SENDING);
    t->batch = batch_begin(h);
    unsigned limit = out->n + HINT_BATCH;
    if (t->run_n == 0)
        t->run_ms = h->now->ms;
    for (uint32_t i = 0; i < ev->hints.n && t->batch->n < HINT_BATCH && out->n < limit; i++)
        send_one(h, t, &ev->hints.batch[i], out); /* those that do not fit are read again */
#ifdef CANARY_HINT_DROPPED_EARLY
    for (unsigned i = 0; i < t->batch->n; i++)
        t->batch->sent[i].need = 0;
#endif
    judge(h, t, out);
}

/* The target of the batch of that number; NULL: that batch is over. */
static struct hint_target *target_of_batch(const struct hint *h, uint64_t number)
{
    for (uint32_t i = 0; i < h->target_n; i++)
        if (h->target[i].batch && h->target[i].batch->number == number)
            return &h->target[i];
    return NULL;
}

/* A member answers to a hint that was put to it, or our own store does. */
static void answer(struct hint *h, uint64_t number, uint64_t from, int error, struct out *out)
{
    unsigned i = number & ((1u << INDEX_BITS) - 1);
    struct hint_target *t = target_of_batch(h, number >> INDEX_BITS);
    if (!t || i >= t->batch->n)
        return;
    struct hint_sent *s = &t->batch->sent[i];
    int rank = rank_of(h, t, s, from);
    if (!asked_answered(&s->asked, rank))
        return;
    /* the member holds it, or something newer, or has erased that */
    bool held = !error || error == ERR_SUPERSEDED || error == ERR_TOO_OLD;
    if (!held)
        asked_forget(&s->asked, rank);
    judge(h, t, out);
}

static void on_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                      struct out *out)
{
    struct hint *h = p;
    h->now = now;
    if (m->kind == MSG_PUT_ACK)
        answer(h, TOKEN_NUMBER(m->head.op), from, (int)m->head.error, out);
}

/* An orphan of which this node is an owner. */
static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct hint *h = p;
    h->now = now;
    answer(h, number, h->self, ev->stored.error, out);
}

/* ---- Time ---- */

static bool wants(const struct moment *now, const struct hint_target *t)
{
    return t->phase == HINT_IDLE && t->info.waiting > 0 && reachable(now, t);
}

static unsigned replays(const struct hint *h)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < h->target_n; i++)
        n += h->target[i].phase != HINT_IDLE;
    return n;
}

static void expire(struct hint *h, struct out *out)
{
    h->expire_at_ms = h->now->ms + HINT_EXPIRE_MS;
    if (h->now->believed_ms > h->age_max_ms)
        out_add(out, ACT_HINT_EXPIRE)->hint_expire_ms = h->now->believed_ms - h->age_max_ms;
}

static void on_tick(void *p, const struct moment *now, struct out *out)
{
    struct hint *h = p;
    h->now = now;
    unsigned n = replays(h);
    for (uint32_t i = 0; i < h->target_n; i++) {
        struct hint_target *t = &h->target[i];
        if (t->phase != HINT_IDLE && h->now->ms >= t->since_ms + HINT_ANSWER_MS) {
            back_off(h, t);
            n--;
        }
        if (n == HINT_REPLAYS || !wants(now, t) || t->due_ms > h->now->ms)
            continue;
        out_add(out, ACT_HINT_READ)->hint_read = t->info.target;
        enter(h, t, HINT_READING);
        n++;
    }
    if (hint_waiting(h) > 0 && h->expire_at_ms <= h->now->ms)
        expire(h, out);
}

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    const struct hint *h = p;
    uint64_t at = UINT64_MAX;
    bool room = replays(h) < HINT_REPLAYS;
    for (uint32_t i = 0; i < h->target_n; i++) {
        const struct hint_target *t = &h->target[i];
        uint64_t own = UINT64_MAX;
        if (t->phase != HINT_IDLE)
            own = t->since_ms + HINT_ANSWER_MS;
        else if (room && wants(now, t))
            own = t->due_ms;
        at = own < at ? own : at;
        if (t->info.waiting > 0 && h->expire_at_ms < at)
            at = h->expire_at_ms;
    }
    return at;
}

/* ---- Reports ---- */

uint64_t hint_waiting(const struct hint *h)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < h->target_n; i++)
        n += h->target[i].info.waiting;
    return n;
}

bool hint_waits(const struct hint *h, uint64_t target)
{
    const struct hint_target *t = target_find(h, target);
    return t && t->info.waiting > 0;
}

int hint_report(struct hint *h, struct hint_info **info, uint32_t *n)
{
    struct hint_info *grown = realloc(h->info, (h->target_n + 1) * sizeof *grown);
    if (!grown)
        return ERR_NO_MEMORY;
    h->info = grown;
    for (uint32_t i = 0; i < h->target_n; i++) {
        grown[i] = h->target[i].info;
        grown[i].replaying = h->target[i].phase != HINT_IDLE;
    }
    *info = grown;
    *n = h->target_n;
    return 0;
}

static void on_check(const void *p, const struct moment *now)
{
    const struct hint *h = p;
    (void)now;
    unsigned batches = 0;
    for (unsigned i = 0; i < HINT_REPLAYS; i++)
        batches += h->batch[i].number != 0;
    CHECK(replays(h) <= HINT_REPLAYS && batches <= replays(h));
    for (uint32_t i = 0; i < h->target_n; i++) {
        const struct hint_target *t = &h->target[i];
        CHECK(t->info.target != h->self);
        CHECK((t->phase == HINT_SENDING) == (t->batch && t->batch->n > 0));
        CHECK(t->backoff_ms <= HINT_BACKOFF_MAX_MS);
        for (unsigned k = 0; t->batch && k < t->batch->n; k++)
            asked_check(&t->batch->sent[k].asked);
    }
}

const struct protocol hint_protocol = {
    .layout = on_layout,
    .member = on_member,
    .answer = on_answer,
    .stored = on_stored,
    .tick = on_tick,
    .deadline_ms = on_deadline_ms,
    .check = on_check,
    .close = on_close,
};
