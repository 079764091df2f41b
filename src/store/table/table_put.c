/* table_put.c: a put's way through the table: into a group, settled, published, answered.
 *
 *     table_put --> gathering --table_settle--> settled --table_publish--> merged, answered 0
 *         |                         |                \----table_fail-----> answered with the error
 *      refused                   decided: adds nothing, answered
 *
 * Settling does all that can fail: it looks up the key, takes memory for its entry, and remembers
 * where the entry is (pending.spot). So publishing cannot fail, which happens when the record is
 * already durable. In between the entry may move, or be erased. index.moves shows that, and then
 * publishing looks the key up once more. If the entry is gone, and there is no memory for another,
 * the put is answered ERR_NO_MEMORY, though its record turns up at the next opening.
 *
 * A group is written as it is: a decided put in it is written too, and counts as dead at once.
 *
 * Invariants: a put is answered exactly once; one of the store's own never. table.unsettled counts
 * the puts of the ring, in whatever group, that settling has not come to. */
#include "store/table/table_inner.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

/* ---- Answers ---- */

static struct answer *answer(struct table *t, uint64_t token, int error, const struct version *held)
{
    struct answer *a = queue_push(&t->answers);
    *a = (struct answer){.token = token, .error = error};
    if (held)
        a->held = *held;
    return a;
}

void table_answer_put(struct table *t, uint64_t token, int error, const struct version *held)
{
    answer(t, token, error, held);
}

void table_refuse(struct table *t, uint64_t token, int error)
{
    table_answer_put(t, token, error, NULL);
}

/* Answers a put that adds nothing to what is visible: it needs no write. */
static void answer_held(struct table *t, uint64_t token, const struct version *put,
                        const struct version *held)
{
    table_answer_put(t, token, version_cmp(put, held) < 0 ? ERR_SUPERSEDED : 0, held);
}

void table_answer_idle(struct table *t, uint64_t token, uint64_t hash, const struct index_item *put,
                       const struct index_item *held)
{
    const struct version *v = &put->version;
    bool value_held = put->kind == RECORD_VALUE && version_value_cmp(v, &held->version) == 0;
    bool taken =
        value_held || version_cmp(v, &held->version) >= 0 || recent_took(&t->recent, hash, v);
    if (taken)
        table_answer_put(t, token, 0, &held->version);
    else
        table_answer_refused(t, token, ERR_SUPERSEDED, hash, v, &held->version);
}

void table_answer_refused(struct table *t, uint64_t token, int error, uint64_t hash,
                          const struct version *put, const struct version *held)
{
    answer(t, token, error, held)->never = recent_never_took(&t->recent, hash, put);
}

bool table_answer(struct table *t, struct store_result *out)
{
    const struct answer *a = queue_peek(&t->answers);
    if (!a)
        return false;
    *out = (struct store_result){.kind = STORE_PUT_DONE,
                                 .token = a->token,
                                 .error = a->error,
                                 .never_took = a->never,
                                 .held = a->held};
    queue_pop(&t->answers);
    return true;
}

/* ---- Into a group ---- */

static int put_ring(struct table *t, struct group *g, uint64_t token, const struct record *r,
                    struct put_origin origin)
{
    struct index_key k = index_key(&t->index, slot_of_key(r->key), r->key);
    if (table_erase_refuses(t, token, &k, r, origin))
        return 0;
    struct pending p = {.token = token,
                        .hash = k.hash,
                        .slot = k.slot,
                        .item = table_item(r, (uint32_t)r->value.n)};
    int error = group_add(g, &p, r);
    t->unsettled += error == 0;
    return error;
}

static int add_state(struct group *g, struct pending *p, const struct record *r)
{
    p->state = state_new(r);
    int error = p->state ? group_add(g, p, r) : ERR_NO_MEMORY;
    if (error)
        free(p->state);
    return error;
}

static int put_state(struct table *t, struct group *g, uint64_t token, const struct record *r)
{
    const struct state *held = state_find(t->states, r->key);
    if (held && version_cmp(&r->version, &held->version) <= 0) {
        answer_held(t, token, &r->version, &held->version);
        return 0;
    }
    return add_state(g, &(struct pending){.token = token}, r);
}

/* A flush is held in a state, together with all others. It changes nothing where all of its area
 * was flushed up to its stamp, or further. */
static int put_flush(struct table *t, struct group *g, uint64_t token, const struct record *r)
{
    struct flush_run run = {.stamp = r->version.stamp};
    struct buf runs;
    CHECK(flush_area_read(r->value, &run.area));
    struct version held = flushed_version(flushed_least(&t->flushed, &run.area));
    if (version_cmp(&r->version, &held) <= 0) {
        answer_held(t, token, &r->version, &held);
        return 0;
    }
    buf_init(&runs, RECORD_VALUE_MAX);
    int error = flushed_announce(&t->flushed, &run, &runs);
    struct record state = {
        .kind = RECORD_STATE, .version = {.stamp = t->flushed.states + 1}, .key = FLUSHED_NAME};
    state.value = buf_view(&runs);
    struct pending p = {.token = token, .item.version = flushed_version(run.stamp)};
    if (!error)
        error = add_state(g, &p, &state);
    t->flushed.states += error == 0;
    buf_close(&runs);
    return error;
}

void table_put(struct table *t, struct group *g, uint64_t token, const struct record *r,
               struct put_origin origin)
{
    int error = ERR_TOO_BIG;
    bool fits = r->key.n <= KEY_FULL_MAX && r->value.n <= RECORD_VALUE_MAX;
    if (!table_mergeable(r->kind) || r->version.stamp == 0 || (fits && !record_valid(r)))
        error = ERR_REFUSED;
    else if (fits)
        error = r->kind == RECORD_STATE   ? put_state(t, g, token, r)
                : r->kind == RECORD_FLUSH ? put_flush(t, g, token, r)
                : r->kind == RECORD_FLOOR ? table_erase_put(t, g, token, r)
                                          : put_ring(t, g, token, r, origin);
    if (error)
        table_answer_put(t, token, error, NULL);
}

int table_put_own(struct group *g, const struct record *r)
{
    CHECK(r->kind == RECORD_STATE);
    return add_state(g, &(struct pending){.own = true}, r);
}

/* ---- Settling ---- */

static void settle_one(struct table *t, struct group *g, struct pending *p)
{
    t->unsettled--;
    if (p->item.kind == RECORD_FLOOR)
        return; /* an erasure needs no entry */
    struct index_key k = group_key(g, p);
    struct index_spot spot;
    struct index_item held = table_find(t, &k, &spot);
    p->decided = held.kind != RECORD_NONE && !table_adds(&held, &p->item);
    p->flushed = table_covers(t, &k, &p->item.version);
    if (p->decided)
        table_answer_idle(t, p->token, p->hash, &p->item, &held);
    int error = p->decided ? 0 : index_reserve(&t->index, &k, &p->item, &spot);
    if (error) {
        table_answer_put(t, p->token, error, NULL);
        p->decided = true;
    }
    if (!p->decided && !p->flushed)
        recent_take(&t->recent, p->hash, &p->item.version);
    p->spot = spot;
    p->moves = t->index.moves;
    g->decided += p->decided;
}

/* Asks the processor's cache for the entries of the puts from .. to-1 of the group, and for the
 * buckets in which they will be remembered. */
static void fetch_group(const struct table *t, const struct group *g, uint32_t from, uint32_t to)
{
    struct index_key k[INDEX_FETCH];
    unsigned n = 0;
    for (uint32_t i = from; i < to; i++)
        if (!g->pending[i].state)
            k[n++] = group_key(g, &g->pending[i]);
    if (n > 0)
        index_fetch(&t->index, k, n);
    for (uint32_t i = from; i < to; i++)
        recent_fetch(&t->recent, g->pending[i].hash, &g->pending[i].item.version);
}

static uint32_t batch_end(uint32_t from, uint32_t n)
{
    return n - from < INDEX_FETCH ? n : from + INDEX_FETCH;
}

bool table_settle(struct table *t, struct group *g)
{
    CHECK(g->settled <= g->n);
    uint32_t end = batch_end(g->settled, g->n);
    fetch_group(t, g, g->settled, end);
    while (g->settled < g->n) {
        uint32_t next = batch_end(end, g->n);
        fetch_group(t, g, end, next); /* a batch ahead: it takes a while to come */
        for (; g->settled < end; g->settled++)
            if (!g->pending[g->settled].state)
                settle_one(t, g, &g->pending[g->settled]);
        end = next;
    }
    if (g->decided < g->n)
        return true;
    group_reset(g);
    return false;
}

/* ---- Publishing ---- */

/* The entry that was reserved for a put when it was settled. Since then an erasure may have removed
 * it, and another put may have made one that has no room for an expiry. False when there is no
 * memory. */
static bool reserved_spot(struct table *t, const struct pending *p, const struct index_key *k,
                          struct index_spot *spot)
{
    *spot = p->spot;
    if (p->moves == t->index.moves)
        return true;
    index_find(&t->index, k, spot);
    return index_reserve(&t->index, k, &p->item, spot) == 0;
}

/* Asks the processor's cache for what publishing will change: the entries that were reserved, their
 * arcs, and their leaves. */
static void fetch_spots(const struct table *t, struct group *g, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct pending *p = &g->pending[i];
        if (p->state || p->decided || !p->spot.entry)
            continue;
        index_fetch_spot(&p->spot);
        if (t->forest.built > 0)
            p->key_hash = forest_fetch(&t->forest, table_vnode(t, p->slot), group_key(g, p).key);
    }
}

/* Makes one put of a record of the ring visible. */
static void publish_ring(struct table *t, const struct group *g, struct pending *p,
                         uint16_t segment, uint32_t base)
{
    struct index_key k = group_key(g, p); /* while item.offset still counts from the group */
    struct index_spot spot;
    p->item.segment = segment;
    p->item.offset += base;
    if (p->item.kind == RECORD_FLOOR) {
        table_erase_publish(t, &k, p, segment);
    } else if (reserved_spot(t, p, &k, &spot)) {
        struct version held = table_merge(t, &k, &spot, &p->item);
        if (p->flushed && version_cmp(&p->item.version, &held) < 0)
            table_answer_refused(t, p->token, ERR_SUPERSEDED, p->hash, &p->item.version, &held);
        else
            table_answer_put(t, p->token, 0, &held);
    } else { /* its record turns up at the next opening */
        tally_written(&t->tallies, segment, tally_weight(k.key.n, p->item.value_n), p->item.kind);
        table_answer_put(t, p->token, ERR_NO_MEMORY, NULL);
    }
}

static void publish_state(struct table *t, struct pending *p, uint16_t segment, uint32_t base)
{
    bool flush = slice_eq(FLUSHED_NAME, state_name(p->state));
    struct version held, put = flush ? p->item.version : p->state->version;
    uint64_t before = flushed_least(&t->flushed, &FLUSH_EVERYTHING);
    p->state->segment = segment;
    p->state->offset = p->item.offset + base;
    held = table_merge_state(t, p->state);
    p->state = NULL;
    if (p->own)
        return;
    if (flush) {
        uint64_t least = flushed_least(&t->flushed, &FLUSH_EVERYTHING);
        if (least > before && t->index.greatest <= least && !t->index.spared)
            burial_covers_all(t);
        held = put;
    }
    table_answer_put(t, p->token, version_cmp(&put, &held) < 0 ? ERR_SUPERSEDED : 0, &held);
}

static void publish_one(struct table *t, const struct group *g, struct pending *p, uint16_t segment,
                        uint32_t base)
{
    if (p->decided) /* it needed no write, and was written with its group all the same */
        tally_written(&t->tallies, segment, tally_weight(p->key_n, p->item.value_n), p->item.kind);
    else if (p->state)
        publish_state(t, p, segment, base);
    else
        publish_ring(t, g, p, segment, base);
}

void table_publish(struct table *t, struct group *g, uint16_t segment, uint32_t base)
{
    CHECK(g->settled == g->n);
    for (uint32_t i = 0; i < g->n;) {
        uint32_t end = batch_end(i, g->n);
        fetch_spots(t, g, i, end);
        for (; i < end; i++)
            publish_one(t, g, &g->pending[i], segment, base);
    }
    group_reset(g);
}

void table_fail(struct table *t, struct group *g, int error)
{
    recent_forget(&t->recent);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct pending *p = &g->pending[i];
        t->unsettled -= i >= g->settled && !p->state;
        if (!p->decided && !p->own)
            table_answer_put(t, p->token, error, NULL);
    }
    group_reset(g);
}
