/* repair.c: which owners compare what, and when.
 *
 * The problem. A write is acknowledged by W owners of N; the others may have missed it, and what is
 * never read is never repaired by reads. Disks lose records too. So owners must find out what one
 * of them is missing, at a cost in proportion to the differences and not to the data: anti-entropy
 * by hash trees (Merkle 1987; Demers et al. 1987; Dynamo, DeCandia et al. 2007, section 4.7).
 *
 * The way here: every store keeps, per vnode, an XOR tree of keyed hashes over what owners must
 * agree on, up to date at every merge (store/table/forest.h). An exchange is between two members,
 * over the vnodes that both own; whoever begins it does all the work:
 *
 *     roots (32 vnodes at once) -> leaves of a vnode that differs -> (key, version) lists of its differing ranges -> the records
 *
 * and each record that one of the two is missing, or holds an older version of, travels once: by
 * GET from the peer into the own store, or from the own store by PUT to the peer. Both merge by
 * version, so whatever happens meanwhile the newest wins, and an exchange that ends half way has
 * done no harm. Versions younger than two seconds are left alone: they are on their way.
 *
 * When. Every member begins an exchange with every member it shares vnodes with: a moment after
 * that one came (back), every ten minutes (so a pair meets every five), and when an operator says
 * REPAIR. One at a time, which together with the window on records and bytes is the throttle. The
 * first times are spread by a seeded draw.
 *
 * What was erased. A put at or below a vnode's floor that would create a key is refused
 * (store/table/floors.h), but not one that comes from here: the record may be a live one that the
 * other missed. It must not be one that lay in a stream while its key was deleted and erased,
 * though. Whether that can be is known to the store that misses the record: it was missing when its
 * list was made, and so it was erased there since, or never was there. So a list has a ticket,
 * which the store changes with each erasure in the vnode; what is pushed because of the list
 * carries the ticket back, what is pulled is put with the own list's, and a put with an old ticket
 * is refused as ERR_BUSY, which ends the exchange: the next one has fresh lists. A tombstone at or
 * below the floor is no news: it was erased there, and who still has it will ask for the same
 * (erase.c). Only who is recovering takes that too.
 *
 * What it says. synced_ms[vnode][owner] is when the last comparison that left no difference began:
 * all that was written two seconds before is in both.
 *
 * Invariants: at most one exchange; only between members of the layout in force, never while a
 * formation fences writes (a formation wants no record stored, and would be refused by one). */
#include "core/repair/repair_inner.h"

#include "base/check.h"

#include <stdlib.h>

void repair_init(struct repair *r, uint64_t self, uint64_t seed)
{
    *r = (struct repair){
        .self = self, .next_ms = UINT64_MAX, .sweep_ms = UINT64_MAX, .only = REPAIR_ALL};
    refused_init(&r->refused);
    rng_init(&r->rng, seed);
    struct repair_side *side[2] = {&r->run.own, &r->run.theirs};
    buf_init(&r->run.ranges, KEY_MAX);
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&side[i]->told, MESSAGE_MAX);
        buf_init(&side[i]->floors, MESSAGE_MAX);
        buf_init(&side[i]->flushed, REPAIR_FLUSHED_MAX);
        buf_init(&side[i]->leaves, MESSAGE_MAX);
    }
}

static void on_close(void *p)
{
    struct repair *r = p;
    free(r->peer);
    free(r->synced_ms);
    free(r->recovering);
    free(r->sources);
    free(r->met);
    free(r->run.vnode);
    refused_close(&r->refused);
    struct repair_side *side[2] = {&r->run.own, &r->run.theirs};
    buf_close(&r->run.ranges);
    for (unsigned i = 0; i < 2; i++) {
        buf_close(&side[i]->told);
        buf_close(&side[i]->floors);
        buf_close(&side[i]->flushed);
        buf_close(&side[i]->leaves);
    }
    r->peer = NULL;
    r->synced_ms = NULL;
    r->recovering = r->sources = r->met = NULL;
    r->run.vnode = NULL;
}

/* The id of peer m; and whether it is there beyond suspicion. */
static uint64_t peer_id(const struct repair *r, unsigned m)
{
    return r->now->layout->member[m].id;
}

static bool is_up(const struct repair *r, unsigned m)
{
    const struct member *who = cast_find(r->now->cast, peer_id(r, m));
    return who && !who->self && who->state == MEMBER_ALIVE;
}

/* When the first exchange is due with one who has just turned up. */
static uint64_t soon(struct repair *r)
{
    return r->now->ms + REPAIR_RETURN_MS + rng_below(&r->rng, REPAIR_RETURN_MS);
}

/* Whether exchanges with it begin unasked. */
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

struct repair_peer *repair_find(const struct repair *r, uint64_t id)
{
    int m = r->now->layout ? layout_find(r->now->layout, id) : -1;
    return m < 0 ? NULL : &r->peer[m];
}

/* No exchange while writes are fenced. */
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

/* The exchange under way is over, as far as it is itself concerned. */
static void run_drop(struct repair *r)
{
    struct repair_run *run = &r->run;
    run->phase = REPAIR_IDLE;
    run->number = 0;
    run->flight_n = 0;
    run->flight_bytes = 0;
    memset(run->flight, 0, sizeof run->flight);
    r->info.running = false;
}

/* The exchange under way ends: its peer may be no member any more. */
static int on_layout(void *p, const struct moment *now)
{
    struct repair *r = p;
    const struct layout *layout = now->layout;
    struct repair_peer *peer = calloc(layout->member_n, sizeof *peer);
    uint64_t *synced = calloc((size_t)layout->vnodes * layout->n, sizeof *synced);
    uint8_t *recovering = calloc(layout->vnodes, 1), *sources = calloc(layout->vnodes, 1),
            *met = calloc(layout->vnodes, 1);
    uint16_t *vnode = realloc(r->run.vnode, layout->vnodes * sizeof *vnode);
    if (vnode)
        r->run.vnode = vnode;
    if (!peer || !synced || !recovering || !sources || !met || !vnode) {
        free(peer);
        free(synced);
        free(recovering);
        free(sources);
        free(met);
        return ERR_NO_MEMORY;
    }
    r->info.incomplete += r->run.phase != REPAIR_IDLE;
    run_drop(r);
    r->now = now;
    for (unsigned m = 0; m < layout->member_n; m++)
        peer[m].due_ms = is_up(r, m) ? soon(r) : now->ms + rng_below(&r->rng, REPAIR_EVERY_MS);
    free(r->peer);
    free(r->synced_ms);
    free(r->recovering);
    free(r->sources);
    free(r->met);
    r->recovering = recovering;
    r->sources = sources;
    r->met = met;
    r->recovering_n = 0;
    refused_close(&r->refused);
    refused_init(&r->refused);
    r->sweep_n = 0;
    r->sweep_number = 0;
    r->peer = peer;
    r->synced_ms = synced;
    r->only = REPAIR_ALL;
    count_shared(r);
    repair_remark(r); /* what was synced is known for the layout before only */
    return 0;
}

/* Whether something of the exchange under way may be lost: the question that is open, or records,
 * which go under the link that was noted last. */
static bool run_lost(struct repair *r, const struct member *peer)
{
    struct repair_run *run = &r->run;
    bool records = run->phase == REPAIR_MOVES && asked_lost(&run->asks[REPAIR_THEIRS], peer);
    return records || asked_lose(&run->asked, REPAIR_THEIRS, peer);
}

static void on_member(void *p, const struct moment *now, const struct member *who, unsigned change)
{
    struct repair *r = p;
    r->now = now;
    struct repair_peer *peer = repair_find(r, who->id);
    if (!peer)
        return;
    if (r->run.phase != REPAIR_IDLE && r->run.peer == who->id &&
        (change & CAST_DOUBTED || run_lost(r, who)))
        run_end(r, false);
    if (change & CAST_ALIVE)
        peer->due_ms = soon(r);
    if (change & (CAST_ALIVE | CAST_DOUBTED))
        repair_plan(r);
}

/* ---- What is known ---- */

void repair_mark(struct repair *r, uint16_t vnode)
{
    const struct layout *l = r->now->layout;
    int place = layout_rank(l, vnode, r->run.peer);
    if (place >= 0)
        r->synced_ms[(size_t)vnode * l->n + (unsigned)place] = r->run.began_ms;
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
    /* who owns it alone agrees with himself */
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

/* Whom to begin with: asked ones first, then who waits longest; -1 when nobody is due. */
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
    if (!r->now->layout || r->now->fenced || repair_sweep(r, out))
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
    struct repair_peer *p = repair_find(r, run->peer);
    complete &= run->all;
    run_drop(r);
    r->info.incomplete += !complete;
    bool single = p->asked && r->only != REPAIR_ALL;
    if (complete && run->whole)
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
    for (unsigned i = 0; i < REPAIR_WINDOW; i++)
        n += run->flight[i].number != 0;
    CHECK(n == run->flight_n);
    asked_check(&run->asked);
    uint32_t recovering = 0;
    for (uint16_t v = 0; now->layout && v < now->layout->vnodes; v++)
        recovering += r->recovering[v];
    CHECK(recovering == r->recovering_n);
    refused_check(&r->refused);
    for (unsigned i = 0; i < r->refused.n; i++)
        CHECK(r->recovering[r->refused.entry[i].vnode]);
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
