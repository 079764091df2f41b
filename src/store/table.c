#include "store/table_inner.h"

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

enum {
    QUESTION_KEYS_MAX = 64 * 1024 * 1024, /* bytes of keys that wait to be read: a thousand of the longest */
    TOLD_MAX = 2 * 1024 * 1024,           /* bytes of an answer about trees: the leaves of 64 of the largest */
};

struct answer {
    uint64_t token;
    int error;
    uint32_t reach_ms;
    struct version held;
};

int table_init(struct table *t, uint64_t seed)
{
    *t = (struct table){0};
    queue_init(&t->answers, sizeof(struct answer));
    queue_init(&t->questions, sizeof(struct question));
    buf_init(&t->keys, QUESTION_KEYS_MAX);
    buf_init(&t->told, TOLD_MAX);
    buf_init(&t->told_floors, TOLD_MAX);
    burial_init(&t->burial);
    int error = index_init(&t->index, VNODES_DEFAULT, seed);
    if (!error && nodes_number(&t->index.nodes, FLUSHED_NODE) < 0)
        error = ERR_NO_MEMORY; /* so that a flush can be applied without fail */
    if (!error)
        error = forest_init(&t->forest, VNODES_DEFAULT);
    if (!error)
        error = recent_init(&t->recent);
    if (!error)
        error = floors_init(&t->floors, VNODES_DEFAULT);
    return error ? error : tally_room(&t->tallies, 0);
}

int table_cut(struct table *t, uint16_t vnodes)
{
    int error = index_cut(&t->index, vnodes);
    if (!error && nodes_number(&t->index.nodes, FLUSHED_NODE) < 0)
        error = ERR_NO_MEMORY;
    if (t->burial.under_way)
        burial_begin(&t->burial);
    if (!error)
        error = floors_cut(&t->floors, vnodes);
    return error ? error : forest_cut(&t->forest, vnodes);
}

void table_close(struct table *t)
{
    index_close(&t->index);
    state_free_all(&t->states);
    queue_close(&t->answers);
    queue_close(&t->questions);
    buf_close(&t->keys);
    buf_close(&t->told);
    buf_close(&t->told_floors);
    floors_close(&t->floors);
    free(t->live);
    burial_close(&t->burial);
    forest_close(&t->forest);
    recent_close(&t->recent);
    free(t->tallies.of);
}

/* ---- Puts ---- */

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

static int item_expiry_cmp(const struct index_item *a, const struct index_item *b)
{
    return expiry_cmp(a->version.expiry_stamp, a->expiry_ms, b->version.expiry_stamp, b->expiry_ms);
}

/* Of two records of one value with one expiry: whether the second says that it is erased. */
static bool erases(const struct index_item *held, const struct index_item *come)
{
    return come->kind == RECORD_FLOOR && held->kind != RECORD_FLOOR && item_expiry_cmp(come, held) >= 0;
}

/* What two records of one key say together: see table.h. */
static struct index_item joined(const struct index_item *held, const struct index_item *come)
{
    int order = version_value_cmp(&come->version, &held->version);
    if (order != 0)
        return order > 0 ? *come : *held;
    if (erases(held, come))
        return *come;
    const struct index_item *later = item_expiry_cmp(come, held) > 0 ? come : held;
    const struct index_item *other = later == come ? held : come;
    struct index_item both = *later;
    if (later->kind == RECORD_EXPIRY && other->kind != RECORD_FLOOR)
        both = *other; /* the place of an expiry holds no value: keep the other's, should that one have it */
    both.version.expiry_stamp = later->version.expiry_stamp;
    both.expiry_ms = later->expiry_ms;
    return both;
}

/* Whether the join with `come` would change what is held. */
bool table_adds(const struct index_item *held, const struct index_item *come)
{
    int order = version_value_cmp(&come->version, &held->version);
    if (order != 0)
        return order > 0;
    if (erases(held, come))
        return true;
    return item_expiry_cmp(come, held) > 0 || (held->kind == RECORD_EXPIRY && come->kind != RECORD_EXPIRY);
}

/* Answers from what is visible already: a put that adds nothing needs no write. */
static void answer_held(struct table *t, uint64_t token, const struct version *put, const struct version *held)
{
    table_answer_put(t, token, version_cmp(put, held) < 0 ? ERR_SUPERSEDED : 0, held);
}

static int put_state(struct table *t, struct group *g, uint64_t token, const struct record *r)
{
    const struct state *held = state_find(t->states, r->key);
    if (held && version_cmp(&r->version, &held->version) <= 0) {
        answer_held(t, token, &r->version, &held->version);
        return 0;
    }
    struct pending p = {.token = token, .state = state_new(r)};
    if (!p.state)
        return ERR_NO_MEMORY;
    int error = group_add(g, &p, r);
    if (error)
        free(p.state);
    return error;
}

struct index_item table_flushed(const struct table *t, const struct index_item *item)
{
    struct index_item now = *item;
    if (item->kind == RECORD_FLOOR || !flushed_covers(t->flushed, &item->version))
        return now;
    now.kind = RECORD_TOMBSTONE;
    now.version = flushed_version(t->flushed);
    now.expiry_ms = 0;
    now.value_n = 0;
    return now;
}

struct index_item table_held_at(const struct table *t, const struct index_spot *spot)
{
    struct index_item item = index_get(&t->index, spot);
    return item.kind == RECORD_NONE ? item : table_flushed(t, &item);
}

/* What readers see of a key: its entry, or, where there is none, the flush. *spot is the entry's. */
static struct index_item visible(const struct table *t, const struct index_key *k, struct index_spot *spot)
{
    struct index_item item = {0};
    if (index_find(&t->index, k, spot))
        item = table_held_at(t, spot);
    if (item.kind == RECORD_NONE && t->flushed != 0)
        item = (struct index_item){.kind = RECORD_TOMBSTONE, .version = flushed_version(t->flushed)};
    return item;
}

struct index_item table_look(const struct table *t, struct slice key)
{
    struct index_key k = index_key(&t->index, slot_of_key(key), key);
    struct index_spot spot;
    return visible(t, &k, &spot);
}

/* An expiry for a value that is not visible here is refused before it can get into a group: a group is written whole,
 * and at replay the expiry would stand alone in front of an older value, which may be the newest acknowledged one. */
static bool lacks_value(struct table *t, uint64_t token, const struct index_key *k, const struct version *expiry)
{
    struct index_spot spot;
    struct index_item held = visible(t, k, &spot);
    int order = version_value_cmp(expiry, &held.version);
    if (order < 0 || (order == 0 && held.kind == RECORD_VALUE))
        return false;
    table_answer_put(t, token, ERR_LACKS_VALUE, &held.version);
    return true;
}

static int put_ring(struct table *t, struct group *g, uint64_t token, const struct record *r, enum put_from from)
{
    struct index_key k = index_key(&t->index, slot_of_key(r->key), r->key);
    if (erase_refuses(t, token, &k, r, from))
        return 0;
    if (r->kind == RECORD_EXPIRY && from == PUT_FROM_ANYBODY && lacks_value(t, token, &k, &r->version))
        return 0;
    struct pending p = {.token = token, .hash = k.hash, .slot = k.slot, .item = table_item(r, (uint32_t)r->value.n)};
    int error = group_add(g, &p, r);
    t->unsettled += error == 0;
    if (!error && r->kind == RECORD_EXPIRY)
        t->floors.expiring[table_vnode(t, k.slot)]++;
    return error;
}

void table_change(struct table *t, const struct index_key *k, const struct index_spot *spot, const struct index_item *held,
                  const struct index_item *now)
{
    if (held->kind != RECORD_NONE)
        tally_dead(&t->tallies, held->segment, tally_weight(k->key.n, held->value_n));
    tally_live(&t->tallies, now->segment, tally_weight(k->key.n, now->value_n));
    if (t->forest.planted > 0)
        forest_change(&t->forest, table_vnode(t, k->slot), k->key, held, now);
    index_set(&t->index, spot, now);
}

/* A flush is durable: what it covers is buried from now on. */
static void merge_flush(struct table *t, uint64_t stamp)
{
    t->flushed = stamp > t->flushed ? stamp : t->flushed;
    burial_begin(&t->burial);
}

/* A flush is kept as a state, but its answer always says what is the greatest here, be it older than the one that is held:
 * its sender must stamp above all that was acknowledged before. */
static int put_flush(struct table *t, struct group *g, uint64_t token, const struct record *r)
{
    struct record state = {.kind = RECORD_STATE, .version = {.stamp = r->version.stamp}, .key = FLUSHED_NAME};
    if (r->version.stamp > t->flushed)
        return put_state(t, g, token, &state);
    merge_flush(t, t->flushed);
    burial_answer_later(&t->burial, token, state.version.stamp);
    return 0;
}

static bool mergeable(uint8_t kind)
{
    return kind == RECORD_VALUE || kind == RECORD_TOMBSTONE || kind == RECORD_EXPIRY || kind == RECORD_FLUSH ||
           kind == RECORD_FLOOR || kind == RECORD_STATE;
}

void table_put(struct table *t, struct group *g, uint64_t token, const struct record *r, enum put_from from)
{
    int error = ERR_TOO_BIG;
    bool fits = r->key.n <= KEY_MAX && r->value.n <= RECORD_VALUE_MAX;
    if (!mergeable(r->kind) || r->version.stamp == 0 || (fits && !record_valid(r)))
        error = ERR_REFUSED;
    else if (fits)
        error = r->kind == RECORD_STATE   ? put_state(t, g, token, r)
                : r->kind == RECORD_FLUSH ? put_flush(t, g, token, r)
                : r->kind == RECORD_FLOOR ? erase_put(t, g, token, r)
                                          : put_ring(t, g, token, r, from);
    if (error)
        table_answer_put(t, token, error, NULL);
}

void table_put_own(struct group *g, const struct record *r)
{
    CHECK(r->kind == RECORD_STATE);
    struct pending p = {.own = true, .state = state_new(r)};
    if (p.state && group_add(g, &p, r) != 0)
        free(p.state);
}

void table_answer_idle(struct table *t, uint64_t token, uint64_t hash, const struct index_item *put,
                       const struct index_item *held)
{
    const struct version *v = &put->version;
    bool value_held = put->kind != RECORD_EXPIRY && version_value_cmp(v, &held->version) == 0;
    bool taken = value_held || version_cmp(v, &held->version) >= 0 || recent_took(&t->recent, hash, v);
    answer(t, token, taken ? 0 : ERR_SUPERSEDED, &held->version)->reach_ms = recent_reach_ms(&t->recent, t->now_ms);
}

static void settle_one(struct table *t, struct group *g, struct pending *p)
{
    t->unsettled--;
    if (p->item.kind == RECORD_FLOOR)
        return; /* it needs no entry */
    struct index_key k = group_key(g, p);
    struct index_spot spot;
    struct index_item held = index_find(&t->index, &k, &spot) ? table_held_at(t, &spot) : (struct index_item){0};
    p->decided = held.kind != RECORD_NONE && !table_adds(&held, &p->item);
    p->flushed = flushed_covers(t->flushed, &p->item.version);
    if (p->decided)
        table_answer_idle(t, p->token, p->hash, &p->item, &held);
    int error = p->decided ? 0 : index_reserve(&t->index, &k, &p->item, &spot);
    if (error) {
        table_answer_put(t, p->token, error, NULL);
        p->decided = true;
    }
    if (!p->decided && !p->flushed)
        recent_take(&t->recent, p->hash, &p->item.version, t->now_ms);
    p->spot = spot;
    p->moves = t->index.moves;
    g->decided += p->decided;
}

/* Asks the cache for the entries of the group's puts from..to. */
static void fetch_group(const struct table *t, const struct group *g, uint32_t from, uint32_t to)
{
    struct index_key k[INDEX_FETCH];
    unsigned n = 0;
    for (uint32_t i = from; i < to; i++)
        if (!g->pending[i].state)
            k[n++] = group_key(g, &g->pending[i]);
    index_fetch(&t->index, k, n);
}

static uint32_t batch_end(uint32_t from, uint32_t n)
{
    return n - from < INDEX_FETCH ? n : from + INDEX_FETCH;
}

static void retire(struct table *t, const struct group *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        erase_retire(t, &g->pending[i]);
}

bool table_settle(struct table *t, struct group *g)
{
    if (t->recent.forgot_ms == 0)
        t->recent.forgot_ms = t->now_ms; /* the first since it was opened */
    while (g->settled < g->n) {
        uint32_t end = batch_end(g->settled, g->n);
        fetch_group(t, g, g->settled, end);
        for (; g->settled < end; g->settled++)
            if (!g->pending[g->settled].state)
                settle_one(t, g, &g->pending[g->settled]);
    }
    if (g->decided < g->n)
        return true;
    retire(t, g);
    group_reset(g);
    return false;
}

/* Merges an item that was written into an entry; returns the version held then. */
static struct version merge(struct table *t, const struct index_key *k, const struct index_spot *spot,
                            const struct index_item *item)
{
    struct index_item entry = index_get(&t->index, spot), held = table_held_at(t, spot);
    tally_written(&t->tallies, item->segment, tally_weight(k->key.n, item->value_n), item->kind);
    if (held.kind != RECORD_NONE && !table_adds(&held, item))
        return held.version;
    struct index_item both = held.kind == RECORD_NONE ? *item : joined(&held, item);
    both = table_flushed(t, &both);
    table_change(t, k, spot, &entry, &both);
    return both.version;
}

/* Links a written copy of a state record in and takes it; returns the version held then. */
static struct version merge_state(struct table *t, struct state *fresh)
{
    bool flush = slice_eq(FLUSHED_NAME, state_name(fresh));
    const struct state *held = state_find(t->states, state_name(fresh));
    uint64_t bytes = tally_weight(fresh->name_n, fresh->value_n);
    tally_written(&t->tallies, fresh->segment, bytes, RECORD_STATE);
    if (!held || version_cmp(&fresh->version, &held->version) > 0) {
        if (held)
            tally_dead(&t->tallies, held->segment, tally_weight(held->name_n, held->value_n));
        tally_live(&t->tallies, fresh->segment, bytes);
    }
    const struct state *merged = state_merge(&t->states, fresh);
    erase_state(t, merged);
    if (flush)
        merge_flush(t, merged->version.stamp);
    return merged->version;
}

/* The entry that was reserved for a put when it was settled. An erasure may have taken it away since; false when there is no
 * memory for another. */
static bool reserved_spot(struct table *t, const struct pending *p, const struct index_key *k, struct index_spot *spot)
{
    *spot = p->spot;
    return p->moves == t->index.moves || index_find(&t->index, k, spot) || index_reserve(&t->index, k, &p->item, spot) == 0;
}

/* Asks the cache for the entries that puts were settled to. */
static void fetch_spots(const struct group *g, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        __builtin_prefetch(g->pending[i].spot.entry);
}

/* Makes one put of a record of the ring visible. */
static void publish_ring(struct table *t, const struct group *g, struct pending *p, uint16_t segment, uint32_t base)
{
    struct index_key k = group_key(g, p); /* by its place in the group */
    struct index_spot spot;
    p->item.segment = segment;
    p->item.offset += base;
    if (p->item.kind == RECORD_FLOOR) {
        erase_publish(t, &k, p, segment);
    } else if (reserved_spot(t, p, &k, &spot)) {
        struct version held = merge(t, &k, &spot, &p->item);
        bool over = p->flushed && version_cmp(&p->item.version, &held) < 0;
        table_answer_put(t, p->token, over ? ERR_SUPERSEDED : 0, &held);
    } else { /* it turns up at the next opening */
        tally_written(&t->tallies, segment, tally_weight(k.key.n, p->item.value_n), p->item.kind);
        table_answer_put(t, p->token, ERR_NO_MEMORY, NULL);
    }
}

static void publish_state(struct table *t, struct pending *p, uint16_t segment, uint32_t base)
{
    struct version held, put = p->state->version;
    bool flush = slice_eq(FLUSHED_NAME, state_name(p->state));
    p->state->segment = segment;
    p->state->offset = p->item.offset + base;
    held = merge_state(t, p->state);
    p->state = NULL;
    if (flush)
        burial_answer_later(&t->burial, p->token, put.stamp);
    else if (!p->own)
        table_answer_put(t, p->token, version_cmp(&put, &held) < 0 ? ERR_SUPERSEDED : 0, &held);
}

/* Makes one put of a durable group visible. */
static void publish_one(struct table *t, const struct group *g, struct pending *p, uint16_t segment, uint32_t base)
{
    if (p->state)
        publish_state(t, p, segment, base);
    else
        publish_ring(t, g, p, segment, base);
}

/* A put that needed no write was written along with its group all the same. */
static void publish_decided(struct table *t, const struct pending *p, uint16_t segment)
{
    tally_written(&t->tallies, segment, tally_weight(p->key_n, p->item.value_n), p->item.kind);
}

void table_publish(struct table *t, struct group *g, uint16_t segment, uint32_t base)
{
    CHECK(g->settled == g->n);
    for (uint32_t i = 0; i < g->n;) {
        uint32_t end = batch_end(i, g->n);
        fetch_spots(g, i, end);
        for (; i < end; i++)
            if (g->pending[i].decided)
                publish_decided(t, &g->pending[i], segment);
            else
                publish_one(t, g, &g->pending[i], segment, base);
    }
    retire(t, g);
    group_reset(g);
}

void table_fail(struct table *t, struct group *g, int error)
{
    recent_forget(&t->recent, t->now_ms);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct pending *p = &g->pending[i];
        t->unsettled -= i >= g->settled && !p->state;
        if (!p->decided && !p->own)
            table_answer_put(t, p->token, error, NULL);
    }
    retire(t, g);
    group_reset(g);
}

void table_refuse(struct table *t, uint64_t token, int error)
{
    table_answer_put(t, token, error, NULL);
}

static int replay_state(struct table *t, const struct record_view *v, uint16_t segment, uint32_t offset)
{
    struct buf scratch;
    buf_init(&scratch, RECORD_VALUE_MAX);
    struct record r = v->record;
    int error = record_value(v, &scratch, &r.value);
    struct state *s = error ? NULL : state_new(&r);
    if (s) {
        s->segment = segment;
        s->offset = offset;
        merge_state(t, s);
    } else if (!error) {
        error = ERR_NO_MEMORY;
    }
    buf_close(&scratch);
    return error;
}

int table_replay(struct table *t, const struct record_view *v, uint16_t segment, uint32_t offset)
{
    if (!mergeable(v->record.kind))
        return ERR_BAD_FORMAT;
    if (v->record.kind == RECORD_STATE)
        return replay_state(t, v, segment, offset);
    struct index_item item = table_item(&v->record, v->value_size);
    item.segment = segment;
    item.offset = offset;
    struct index_key k = index_key(&t->index, v->slot, v->record.key);
    struct index_spot spot;
    index_find(&t->index, &k, &spot);
    int error = index_reserve(&t->index, &k, &item, &spot);
    if (error)
        return error;
    if (item.kind == RECORD_FLOOR) {
        floors_raise(&t->floors, table_vnode(t, k.slot), item.version.stamp);
        t->floors.unweeded[table_vnode(t, k.slot)] = 1;
    }
#ifdef CANARY_REPLAY_BY_POSITION
    struct index_item held = index_get(&t->index, &spot);
    if (item.kind == RECORD_VALUE || item.kind == RECORD_TOMBSTONE) {
        tally_written(&t->tallies, segment, tally_weight(k.key.n, item.value_n), item.kind);
        table_change(t, &k, &spot, &held, &item);
        return 0;
    }
#endif
    merge(t, &k, &spot, &item);
    return 0;
}

/* ---- Reads ---- */

struct question *table_ask(struct table *t, enum store_result_kind kind, uint64_t token, struct slice key)
{
    if (!queue_peek(&t->questions)) { /* the last result's key dies with this call */
        t->keys.n = 0;
        buf_slim(&t->keys);
    }
    struct question *q = queue_push(&t->questions);
    *q = (struct question){.token = token, .kind = kind, .key_at = t->keys.n, .key_n = (uint32_t)key.n};
    q->error = key.n > (kind == STORE_HELD_DONE ? KEY_MAX + LISTING_HEAD : KEY_MAX) ? ERR_TOO_BIG : buf_slice(&t->keys, key);
    if (q->error)
        q->key_n = 0;
    return q;
}

void table_get(struct table *t, uint64_t token, struct slice key, enum get_wants wants)
{
    struct question *q = table_ask(t, STORE_GET_DONE, token, key);
    struct index_key k = index_key(&t->index, slot_of_key(key), key);
    q->wants = wants;
    q->hash = k.hash;
    q->slot = k.slot;
}

void table_tree(struct table *t, uint64_t token, struct slice vnodes, bool leaves)
{
    table_ask(t, STORE_TREE_DONE, token, vnodes)->leaves = leaves;
}

void table_list(struct table *t, uint64_t token, uint16_t vnode, struct slice ranges)
{
    table_ask(t, STORE_LIST_DONE, token, ranges)->vnode = vnode;
}

void table_count(struct table *t, uint64_t token, uint64_t wall_ms)
{
    struct question *q = queue_push(&t->questions);
    *q = (struct question){.token = token, .kind = STORE_COUNT_DONE, .wall_ms = wall_ms};
}

bool table_state(const struct table *t, struct slice name, struct slice *value, uint64_t *serial)
{
    const struct state *s = state_find(t->states, name);
    if (!s)
        return false;
    *value = state_value(s);
    *serial = s->version.stamp;
    return true;
}

/* ---- Results ---- */

bool table_answer(struct table *t, struct store_result *out)
{
    const struct answer *a = queue_peek(&t->answers);
    if (!a)
        return false;
    *out = (struct store_result){
        .kind = STORE_PUT_DONE, .token = a->token, .error = a->error, .reach_ms = a->reach_ms, .held = a->held};
    queue_pop(&t->answers);
    return true;
}

static void answer_count(struct table *t, uint64_t wall_ms, struct store_result *out)
{
    free(t->live);
    t->live = calloc(t->index.arc_n, sizeof *t->live);
    if (!t->live) {
        out->error = ERR_NO_MEMORY;
        return;
    }
    index_count(&t->index, wall_ms, t->live);
    out->live = t->live;
    out->vnode_n = t->index.arc_n;
}

static void append_u64(struct buf *to, uint64_t value, struct store_result *out)
{
    uint8_t bytes[8];
    put_u64(bytes, value);
    if (!out->error)
        out->error = buf_append(to, bytes, sizeof bytes);
}

/* The roots of some vnodes, or all their leaves. */
static void answer_tree(struct table *t, const struct question *q, struct store_result *out)
{
    const uint8_t *p = t->keys.p + q->key_at;
    t->told.n = t->told_floors.n = 0;
    for (uint32_t i = 0; !out->error && i + 2 <= q->key_n; i += 2) {
        const struct tree *tree = NULL;
        uint16_t vnode = get_u16(p + i);
        out->error = vnode < t->forest.tree_n ? forest_tree(&t->forest, &t->index, vnode, &tree) : ERR_BAD_MESSAGE;
        for (uint32_t leaf = 0; !out->error && q->leaves && leaf < tree->leaf_n; leaf++)
            append_u64(&t->told, tree->leaf[leaf], out);
        if (!out->error && !q->leaves) {
            append_u64(&t->told, tree->root, out);
            append_u64(&t->told_floors, t->floors.durable[vnode], out);
        }
    }
    out->floors = buf_view(&t->told_floors);
    out->flushed = t->flushed;
    out->told = buf_view(&t->told);
}

static void answer_list(struct table *t, const struct question *q, struct store_result *out)
{
    struct slice ranges = slice_of(t->keys.p + q->key_at, q->key_n);
    t->told.n = 0;
    if (out->error)
        return;
    out->error = q->vnode < t->forest.tree_n ? forest_list(&t->forest, &t->index, q->vnode, ranges, &t->told, &out->upto)
                                             : ERR_BAD_MESSAGE;
    out->told = buf_view(&t->told);
}

static struct index_key question_key(const struct table *t, const struct question *q)
{
    return (struct index_key){.key = slice_of(t->keys.p + q->key_at, q->key_n), .hash = q->hash, .slot = q->slot};
}

/* Asks the cache for the entries of the questions at the head. */
static void fetch_questions(struct table *t)
{
    struct index_key k[INDEX_FETCH];
    uint32_t waiting = t->questions.n - t->questions.head, n = waiting < INDEX_FETCH ? waiting : INDEX_FETCH;
    for (uint32_t i = 0; i < n; i++)
        k[i] = question_key(t, queue_at(&t->questions, i));
    index_fetch(&t->index, k, n);
    t->fetched = n;
}

/* Fills what the index knows of a key; true when the value must still be read. */
static bool answer_get(struct table *t, const struct question *q, struct store_result *out, struct index_item *place)
{
    struct index_key k = question_key(t, q);
    struct index_spot spot;
    out->record.key = k.key;
    struct index_item item = visible(t, &k, &spot);
    if (item.kind == RECORD_NONE)
        return false;
    out->record.kind = item.kind;
    out->record.version = item.version;
    out->record.expiry_ms = item.expiry_ms;
    out->size = item.value_n;
    *place = item;
    return q->wants == GET_VALUE && item.value_n > 0;
}

/* Takes the oldest question. A count waits for a burial, or it would count the dead. */
static bool next_question(struct table *t, struct question *q)
{
    for (const struct question *next; (next = queue_peek(&t->questions));) {
        if (t->fetched == 0)
            fetch_questions(t);
        *q = *next;
        queue_pop(&t->questions);
        t->fetched--;
        if (q->kind != STORE_COUNT_DONE || !t->burial.under_way)
            return true;
        *(struct question *)queue_push(&t->burial.counts) = *q;
    }
    return false;
}

int table_question(struct table *t, struct store_result *out, struct index_item *place)
{
    struct question q;
    if (!next_question(t, &q))
        return 0;
    *out = (struct store_result){.kind = q.kind, .token = q.token, .error = q.error};
    if (q.kind == STORE_COUNT_DONE)
        answer_count(t, q.wall_ms, out);
    else if (q.kind == STORE_TREE_DONE)
        answer_tree(t, &q, out);
    else if (q.kind == STORE_LIST_DONE)
        answer_list(t, &q, out);
    else if (q.kind == STORE_ERASABLE_DONE || q.kind == STORE_HELD_DONE)
        erase_answer(t, &q, slice_of(t->keys.p + q.key_at, q.key_n), out);
    else if (!q.error && answer_get(t, &q, out, place))
        return 2;
    return 1;
}

int table_value(struct slice bytes, struct buf *scratch, struct store_result *out)
{
    struct record_view v;
    int n = record_decode(bytes, &v);
    if (n < 0)
        return n;
    if (!slice_eq(v.record.key, out->record.key) || version_value_cmp(&v.record.version, &out->record.version) != 0)
        return ERR_CORRUPT; /* an expiry that came later stands elsewhere */
    return record_value(&v, scratch, &out->record.value);
}
