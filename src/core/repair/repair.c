/* repair.c: which owners compare what, and when.
 *
 * The problem. A write is acknowledged by W owners of N. The others may have missed it, and what is
 * never read is never repaired by reads. Disks lose records too. So owners must find out what each
 * of them is missing, at a cost in proportion to the differences and not to the data: anti-entropy
 * by hash trees (Merkle 1987; Demers et al. 1987; Dynamo, DeCandia et al. 2007, section 4.7).
 *
 * The way here: every store has, per vnode, an XOR tree of keyed hashes over what owners must agree
 * on, up to date at every merge (store/table/forest.h). An exchange is between two members, over
 * the vnodes that both own. The member that begins it does all the work:
 *
 *     the roots of up to 32 vnodes at once
 *       -> the leaves of a vnode whose root differs
 *            -> lists of (key, version) in the ranges that differ
 *                 -> the records
 *
 * Each record that one of the two is missing, or holds an older version of, travels once: by GET
 * from the peer into the own store, or from the own store by PUT to the peer. Both merge by
 * version, so whatever happens meanwhile the newest wins, and an exchange that ends half way has
 * done no harm. Versions younger than two seconds are left alone: they are on their way.
 *
 * When. Every member begins an exchange with every member that it shares vnodes with: a moment
 * after that one came (back), every ten minutes (so a pair meets every five), and when an operator
 * asks by REPAIR. There is one at a time, which together with the window on records and bytes is
 * the throttle. The first times are spread by a seeded draw.
 *
 * What was erased. A put at or below a vnode's floor that would create a key is refused
 * (store/table/floors.h), but not one that comes from an exchange: the record may be a live one
 * that the other owner missed. Yet it must not be one that lay in a stream while its key was
 * deleted and erased. Only the store that misses the record can tell: the record was missing when
 * its list was made, so either it was erased there since, or it never was there. Therefore a list
 * has a *ticket*, which the store changes with each erasure in the vnode. A record that is pushed
 * because of the peer's list bears the ticket of that list; one that is pulled is put with the
 * ticket of our own list. A put with an old ticket is refused as ERR_BUSY, which ends the exchange:
 * the next one has fresh lists. For example, k is deleted and erased while A brings v to B:
 *
 *     step                                A holds     B holds     the ticket of B
 *     B lists the vnode, without k        v           nothing     7
 *     A sends PUT v with ticket 7         v           nothing     7
 *     k is deleted, and erased at both    nothing     nothing     8
 *     the PUT comes: 7 is not 8           nothing     nothing     8: refused, ERR_BUSY
 *
 * A tombstone at or below the floor is no news: it was erased there, and the owner that still holds
 * it will ask for the same (core/erase/erase.c). Only an owner that is recovering takes that too.
 *
 * What is known. synced_ms[vnode][owner] is when the last comparison that left no difference began:
 * what was written two seconds before that is in both.
 *
 * Invariants: at most one exchange; only between members of the layout in force; none while a
 * formation fences writes (a formation wants no record stored, and would be refused for one). */
#include "core/repair/repair_inner.h"

#include <stdlib.h>

static void side_init(struct repair_side *s)
{
    buf_init(&s->answer, MESSAGE_MAX);
    buf_init(&s->floors, MESSAGE_MAX);
    buf_init(&s->flushed, REPAIR_FLUSHED_MAX);
    buf_init(&s->leaves, MESSAGE_MAX);
}

static void side_close(struct repair_side *s)
{
    buf_close(&s->answer);
    buf_close(&s->floors);
    buf_close(&s->flushed);
    buf_close(&s->leaves);
}

void repair_init(struct repair *r, uint64_t self, uint64_t seed)
{
    CHECK(self != 0);
    *r = (struct repair){
        .self = self, .next_ms = UINT64_MAX, .sweep_ms = UINT64_MAX, .only = REPAIR_ALL};
    refused_init(&r->refused);
    rng_init(&r->rng, seed);
    buf_init(&r->run.ranges, KEY_MAX);
    side_init(&r->run.own);
    side_init(&r->run.theirs);
}

/* What is as large as the layout. */
static void free_tables(struct repair *r)
{
    free(r->peer);
    free(r->synced_ms);
    free(r->recovering);
    free(r->run.vnode);
}

static void on_close(void *p)
{
    struct repair *r = p;
    free_tables(r);
    refused_close(&r->refused);
    buf_close(&r->run.ranges);
    side_close(&r->run.own);
    side_close(&r->run.theirs);
    *r = (struct repair){0};
}

static uint64_t peer_id(const struct repair *r, unsigned m)
{
    CHECK(m < r->now->layout->member_n);
    return r->now->layout->member[m].id;
}

/* Whether it is another member, alive and not suspected. */
static bool is_up(const struct repair *r, unsigned m)
{
    const struct member *member = cast_find(r->now->cast, peer_id(r, m));
    return member && !member->self && member->state == MEMBER_ALIVE;
}

/* When the first exchange is due with a member that has just come. */
static uint64_t soon(struct repair *r)
{
    return r->now->ms + REPAIR_RETURN_MS + rng_below(&r->rng, REPAIR_RETURN_MS);
}

/* Whether exchanges with the member begin unasked. */
static bool by_itself(const struct repair *r, unsigned m)
{
    return r->peer[m].shared && is_up(r, m) && (!r->manual || r->recovering_n > 0);
}

void repair_plan(struct repair *r)
{
    r->next_ms = UINT64_MAX;
    for (unsigned m = 0; r->now->layout && m < r->now->layout->member_n; m++) {
        const struct repair_peer *p = &r->peer[m];
        if (p->asked)
            r->next_ms = 0;
        else if (p->due_ms < r->next_ms && by_itself(r, m))
            r->next_ms = p->due_ms;
    }
}

/* ---- The layout and the members ---- */

/* What is known of a member; NULL: the layout does not name it. */
static struct repair_peer *find(const struct repair *r, uint64_t id)
{
    int m = r->now->layout ? layout_find(r->now->layout, id) : -1;
    return m < 0 ? NULL : &r->peer[m];
}

static void on_barred(void *p, const struct moment *now)
{
    struct repair *r = p;
    r->now = now;
    if (now->fenced)
        run_end(r, false);
}

static void count_shared(struct repair *r)
{
    const struct layout *l = r->now->layout;
    for (uint16_t v = 0; v < l->vnodes; v++) {
        if (!layout_owns(l, v, r->self))
            continue;
        for (unsigned i = 0; i < l->n; i++) {
            unsigned m = l->owner[(size_t)v * l->n + i];
            r->peer[m].shared = (uint16_t)(r->peer[m].shared + (peer_id(r, m) != r->self));
        }
    }
}

/* The exchange under way is over. */
static void run_drop(struct repair *r, bool complete)
{
    struct repair_run *run = &r->run;
    run_enter(r, REPAIR_IDLE);
    run->number = 0;
    run->flight_n = 0;
    run->flight_bytes = 0;
    memset(run->flight, 0, sizeof run->flight);
    r->info.running = false;
    r->info.incomplete += !complete;
}

/* The exchange under way ends, for its peer may be no member any more; and what was synced is known
 * for the layout before alone. */
static int on_layout(void *p, const struct moment *now)
{
    struct repair *r = p;
    const struct layout *l = now->layout;
    struct repair_peer *peer = calloc(l->member_n, sizeof *peer);
    uint64_t *synced = calloc((size_t)l->vnodes * l->n, sizeof *synced);
    uint8_t *marks = calloc(l->vnodes, 3);
    uint16_t *vnode = calloc(l->vnodes, sizeof *vnode);
    if (!peer || !synced || !marks || !vnode) {
        free(peer);
        free(synced);
        free(marks);
        free(vnode);
        return ERR_NO_MEMORY;
    }
    if (r->run.phase != REPAIR_IDLE)
        run_drop(r, false);
    free_tables(r);
    r->now = now;
    r->peer = peer;
    r->synced_ms = synced;
    r->run.vnode = vnode;
    r->only = REPAIR_ALL;
    for (unsigned m = 0; m < l->member_n; m++)
        peer[m].due_ms = is_up(r, m) ? soon(r) : now->ms + rng_below(&r->rng, REPAIR_EVERY_MS);
    count_shared(r);
    r->recovering = marks;
    r->sources = marks + l->vnodes;
    r->merged = marks + 2 * l->vnodes;
    recover_layout(r);
    repair_plan(r);
    return 0;
}

/* Whether something of the exchange under way may be lost: the open question, or records, which go
 * under the link that was noted last. */
static bool run_lost(struct repair *r, const struct member *peer)
{
    struct repair_run *run = &r->run;
    bool records = run->phase == REPAIR_MOVES && asked_lost(&run->asks[REPAIR_THEIRS], peer);
    return records || asked_lose(&run->asked, REPAIR_THEIRS, peer);
}

static void on_member(void *p, const struct moment *now, const struct member *m, unsigned change)
{
    struct repair *r = p;
    r->now = now;
    struct repair_peer *peer = find(r, m->id);
    if (!peer)
        return;
    if (r->run.phase != REPAIR_IDLE && r->run.peer == m->id &&
        (change & CAST_DOUBTED || run_lost(r, m)))
        run_end(r, false);
    if (change & CAST_ALIVE)
        peer->due_ms = soon(r);
    if (change & (CAST_ALIVE | CAST_DOUBTED))
        repair_plan(r);
}

/* ---- What is known ---- */

void repair_note_synced(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->now->layout;
    int rank = layout_rank(l, vnode, r->run.peer);
    CHECK(r->run.phase != REPAIR_IDLE && rank >= 0);
    uint64_t *at_ms = &r->synced_ms[(size_t)vnode * l->n + (unsigned)rank];
    CHECK(*at_ms <= r->run.began_ms);
    *at_ms = r->run.began_ms;
}

uint64_t repair_synced_ms(const struct repair *r, const struct moment *now, uint16_t vnode)
{
    const struct layout *l = now->layout;
    uint64_t oldest = UINT64_MAX;
    bool owner = false;
    for (unsigned i = 0; i < l->n; i++) {
        uint64_t at = r->synced_ms[(size_t)vnode * l->n + i];
        bool self = layout_owner(l, vnode, i)->id == r->self;
        owner |= self;
        if (!self && at < oldest)
            oldest = at;
    }
    /* an only owner agrees with itself */
    return !owner ? 0 : oldest == UINT64_MAX ? now->ms : oldest;
}

int repair_ask(struct repair *r, const struct moment *now, uint32_t vnode)
{
    r->now = now;
    const struct layout *l = now->layout;
    bool asked = false;
    if (!l ||
        (vnode != REPAIR_ALL && (vnode >= l->vnodes || !layout_owns(l, (uint16_t)vnode, r->self))))
        return ERR_REFUSED;
    for (unsigned m = 0; m < l->member_n; m++)
        asked |= r->peer[m].asked;
    if (!asked && !r->info.running) {
        r->info = (struct repair_info){.running = false};
        r->only = (uint16_t)vnode;
    } else if (r->only != vnode) {
        r->only = REPAIR_ALL;
    }
    for (unsigned m = 0; m < l->member_n; m++) {
        struct repair_peer *p = &r->peer[m];
        if (p->asked || !p->shared ||
            (vnode != REPAIR_ALL && !layout_owns(l, (uint16_t)vnode, peer_id(r, m))))
            continue;
        p->asked = true;
        r->info.vnodes += vnode == REPAIR_ALL ? p->shared : 1;
    }
    repair_plan(r);
    return 0;
}

/* ---- Time ---- */

/* The member to begin an exchange with: one that an operator asked for, else the one that is due
 * longest; -1 when none is due. */
static int next_peer(struct repair *r)
{
    int next = -1;
    for (unsigned m = 0; m < r->now->layout->member_n; m++) {
        struct repair_peer *p = &r->peer[m];
        if (p->asked && !is_up(r, m)) {
            p->asked = false;
            r->info.unreachable++;
            continue;
        }
        if (p->asked)
            return (int)m;
        if (p->due_ms <= r->now->ms && by_itself(r, m) &&
            (next < 0 || p->due_ms < r->peer[next].due_ms))
            next = (int)m;
    }
    return next;
}

static void on_tick(void *p, const struct moment *now, struct out *out)
{
    struct repair *r = p;
    r->now = now;
    if (r->run.phase != REPAIR_IDLE) {
        if (r->now->ms >= r->run.deadline_ms)
            run_end(r, false);
        return;
    }
    if (!r->now->layout || r->now->fenced || recover_sweep(r, out))
        return;
    int m = next_peer(r);
    if (m >= 0)
        run_begin(r, (unsigned)m,
                  r->peer[m].asked  ? r->only
                  : r->recovering_n ? REPAIR_RECOVERING
                                    : REPAIR_ALL,
                  out);
    repair_plan(r);
}

void run_end(struct repair *r, bool complete)
{
    struct repair_run *run = &r->run;
    if (run->phase == REPAIR_IDLE)
        return;
    struct repair_peer *p = find(r, run->peer);
    CHECK(p);
    complete &= run->complete;
    run_drop(r, complete);
    bool single = p->asked && r->only != REPAIR_ALL;
    if (complete && run->all_shared)
        p->done_ms = run->began_ms;
    p->asked = false;
    if (!single)
        p->due_ms = r->now->ms + (complete && !r->recovering_n ? REPAIR_EVERY_MS : REPAIR_RETRY_MS);
    repair_plan(r);
}

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    const struct repair *r = p;
    if (r->run.phase != REPAIR_IDLE)
        return r->run.deadline_ms;
    if (now->fenced || r->sweep_n > 0)
        return UINT64_MAX;
    return r->sweep_ms < r->next_ms ? r->sweep_ms : r->next_ms;
}

static void on_check(const void *p, const struct moment *now)
{
    const struct repair *r = p;
    const struct repair_run *run = &r->run;
    unsigned n = 0;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < REPAIR_WINDOW; i++) {
        n += run->flight[i].number != 0;
        bytes += run->flight[i].size;
    }
    CHECK(n == run->flight_n && bytes == run->flight_bytes);
    asked_check(&run->asked);
    uint32_t recovering = 0;
    for (uint16_t v = 0; now->layout && v < now->layout->vnodes; v++) {
        recovering += r->recovering[v];
        CHECK((r->sources[v] & ~r->merged[v]) == 0);
    }
    CHECK(recovering == r->recovering_n);
    refused_check(&r->refused);
    for (unsigned i = 0; i < r->refused.n; i++)
        CHECK(r->recovering[r->refused.entry[i].vnode]);
    CHECK(r->sweep_n == 0 || run->phase == REPAIR_IDLE);
    CHECK(n == 0 || run->phase == REPAIR_MOVES);
    CHECK(run->phase == REPAIR_IDLE ||
          (now->layout && !now->fenced && layout_find(now->layout, run->peer) >= 0));
    CHECK(run->vnode_at <= run->vnode_n && run->differ_at <= run->differ_n &&
          run->differ_n <= REPAIR_ROOTS);
}

const struct protocol repair_protocol = {
    .layout = on_layout,
    .barred = on_barred,
    .member = on_member,
    .answer = run_answer,
    .stored = run_stored,
    .tick = on_tick,
    .deadline_ms = on_deadline_ms,
    .check = on_check,
    .close = on_close,
};
