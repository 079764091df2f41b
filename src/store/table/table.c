/* table.c: what is held of each key, and how what comes is merged with it.
 *
 * A put that became durable, a record found at an opening and a flush all go through the merge
 * (table.h says what it is). A change is made three times over (table_change): in the entry, in the
 * Merkle tree of its vnode, and in the tallies of the segments. A flush never shows half done:
 * until the burial has come to an entry, it is read through table_flushed.
 *
 * The other files of the table: table_put.c is a put's way to the merge, table_read.c answers
 * questions, table_erase.c erases, and table_location.c is what compaction asks. */
#include "store/table/table_inner.h"

#include <stdlib.h>

#include "base/error.h"

enum {
    /* bytes of all questions that wait: a thousand of the longest keys */
    QUESTION_KEYS_MAX = 64 * 1024 * 1024,
    /* bytes of an answer: the leaves of 64 of the largest trees */
    ANSWER_MAX = 2 * 1024 * 1024,
};

int table_init(struct table *t, uint64_t seed)
{
    *t = (struct table){0};
    queue_init(&t->answers, sizeof(struct answer));
    queue_init(&t->questions, sizeof(struct question));
    buf_init(&t->keys, QUESTION_KEYS_MAX);
    buf_init(&t->answer_bytes, ANSWER_MAX);
    buf_init(&t->answer_floors, ANSWER_MAX);
    buf_init(&t->answer_flushed, ANSWER_MAX);
    burial_init(&t->burial);
    int error = index_init(&t->index, VNODES_DEFAULT, seed);
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
    t->walk.bucket = 0; /* arcs of another cut have other buckets */
    if (burial_under_way(&t->burial))
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
    buf_close(&t->answer_bytes);
    buf_close(&t->answer_floors);
    buf_close(&t->answer_flushed);
    flushed_close(&t->flushed);
    floors_close(&t->floors);
    free(t->live);
    burial_close(&t->burial);
    forest_close(&t->forest);
    recent_close(&t->recent);
    free(t->tallies.of);
    *t = (struct table){0};
}

/* ---- The order ---- */

static struct record record_of(const struct index_item *item)
{
    return (struct record){
        .kind = item->kind, .version = item->version, .expiry_ms = item->expiry_ms};
}

bool table_adds(const struct index_item *held, const struct index_item *come)
{
    struct record is = record_of(held), may_be = record_of(come);
    return record_cmp(&may_be, &is) > 0;
}

/* ---- What is visible ---- */

struct index_item table_flushed(const struct table *t, const struct index_key *k,
                                const struct index_item *item)
{
    struct index_item now = *item;
    if (item->kind == RECORD_FLOOR || !table_covers(t, k, &item->version))
        return now;
    now.kind = RECORD_TOMBSTONE;
    now.version = flushed_version(flushed_at(&t->flushed, k->key, k->slot));
    now.expiry_ms = 0;
    now.value_n = 0;
    return now;
}

struct index_item table_find(const struct table *t, const struct index_key *k,
                             struct index_spot *spot)
{
    struct index_item item = {0};
    if (index_find(&t->index, k, spot))
        item = index_get(&t->index, spot);
    return item.kind == RECORD_NONE ? item : table_flushed(t, k, &item);
}

struct index_item table_visible(const struct table *t, const struct index_key *k,
                                struct index_spot *spot)
{
    struct index_item item = table_find(t, k, spot);
    uint64_t flush = item.kind == RECORD_NONE ? flushed_at(&t->flushed, k->key, k->slot) : 0;
    if (flush != 0)
        item = (struct index_item){.kind = RECORD_TOMBSTONE, .version = flushed_version(flush)};
    return item;
}

struct index_item table_look(const struct table *t, struct slice key)
{
    struct index_key k = index_key(&t->index, slot_of_key(key), key);
    struct index_spot spot;
    return table_visible(t, &k, &spot);
}

/* ---- What becomes visible ---- */

void table_change(struct table *t, const struct index_key *k, const struct index_spot *spot,
                  const struct index_item *held, const struct index_item *now)
{
    if (held->kind != RECORD_NONE)
        tally_dead(&t->tallies, held->segment, tally_weight(k->key.n, held->value_n));
    if (burial_under_way(&t->burial) && held->kind == RECORD_VALUE &&
        table_covers(t, k, &held->version))
        burial_overtaken(&t->burial, table_vnode(t, k->slot));
    tally_live(&t->tallies, now->segment, tally_weight(k->key.n, now->value_n));
    if (t->forest.built > 0)
        forest_change(&t->forest, table_vnode(t, k->slot), table_key_hash(t, k), held, now);
    index_set(&t->index, spot, now);
}

struct version table_merge(struct table *t, const struct index_key *k,
                           const struct index_spot *spot, const struct index_item *item)
{
    struct index_item entry = index_get(&t->index, spot), held = entry;
    if (entry.kind != RECORD_NONE)
        held = table_flushed(t, k, &entry);
    tally_written(&t->tallies, item->segment, tally_weight(k->key.n, item->value_n), item->kind);
    if (held.kind != RECORD_NONE && !table_adds(&held, item))
        return held.version;
    struct index_item now = table_flushed(t, k, item);
    table_change(t, k, spot, &entry, &now);
    return now.version;
}

/* A state with flushes is durable: what they cover is buried from now on. */
static void merge_flushes(struct table *t, const struct state *s)
{
    t->flushed.states = s->version.stamp > t->flushed.states ? s->version.stamp : t->flushed.states;
    if (flushed_take(&t->flushed, state_value(s)))
        burial_begin(&t->burial);
}

struct version table_merge_state(struct table *t, struct state *fresh)
{
    if (slice_eq(FLUSHED_NAME, state_name(fresh)))
        merge_flushes(t, fresh); /* also an older state: a backup is merged of several nodes' */
    const struct state *held = state_find(t->states, state_name(fresh));
    uint64_t bytes = tally_weight(fresh->name_n, fresh->value_n);
    tally_written(&t->tallies, fresh->segment, bytes, RECORD_STATE);
    if (!held || version_cmp(&fresh->version, &held->version) >= 0) {
        if (held)
            tally_dead(&t->tallies, held->segment, tally_weight(held->name_n, held->value_n));
        tally_live(&t->tallies, fresh->segment, bytes);
    }
    const struct state *merged = state_merge(&t->states, fresh);
    table_erase_state(t, merged);
    return merged->version;
}

/* ---- At an opening ---- */

static int replay_state(struct table *t, const struct record_view *v, uint16_t segment,
                        uint32_t offset)
{
    struct buf scratch;
    buf_init(&scratch, RECORD_VALUE_MAX);
    struct record r = v->record;
    int error = record_value(v, &scratch, &r.value);
    if (!error && slice_eq(FLUSHED_NAME, r.key))
        error = flushed_reserve(&t->flushed, r.value);
    struct state *s = error ? NULL : state_new(&r);
    if (s) {
        s->segment = segment;
        s->offset = offset;
        table_merge_state(t, s);
    } else if (!error) {
        error = ERR_NO_MEMORY;
    }
    buf_close(&scratch);
    return error;
}

int table_replay(struct table *t, const struct record_view *v, uint16_t segment, uint32_t offset)
{
    if (!table_mergeable(v->record.kind))
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
        t->floors.of[table_vnode(t, k.slot)].unweeded = 1;
    }
#ifdef CANARY_REPLAY_BY_POSITION
    struct index_item held = index_get(&t->index, &spot);
    if (item.kind == RECORD_VALUE || item.kind == RECORD_TOMBSTONE) {
        tally_written(&t->tallies, segment, tally_weight(k.key.n, item.value_n), item.kind);
        table_change(t, &k, &spot, &held, &item);
        return 0;
    }
#endif
    table_merge(t, &k, &spot, &item);
    return 0;
}
