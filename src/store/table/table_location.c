/* table_location.c: the table as compaction sees it: whether the record at a location is the one
 * that counts, and where it is from now on. */
#include "base/check.h"
#include "base/hash.h"
#include "store/table/table.h"

static bool is_at(const struct index_item *item, const struct location *at)
{
    return item->segment == at->segment && item->offset == at->offset;
}

static enum standing standing_ring(const struct table *t, const struct record_view *v,
                                   const struct index_key *k, const struct location *at,
                                   struct index_item *held)
{
    struct index_spot spot;
    bool plain = v->record.kind == RECORD_VALUE || v->record.kind == RECORD_TOMBSTONE;
    bool erasure = v->record.kind == RECORD_FLOOR;
    *held = (struct index_item){0};
    if (index_find(&t->index, k, &spot))
        *held = index_get(&t->index, &spot);
    if (held->kind != RECORD_NONE && is_at(held, at))
        return STANDING_LIVE;
    if (erasure)
        return held->kind != RECORD_NONE && version_cmp(&held->version, &v->record.version) > 0
                   ? STANDING_DEAD
                   : STANDING_ERASED;
    return plain ? STANDING_DEAD : STANDING_PINNED;
}

/* The index keys of some records; asks the processor's cache for their entries. */
static void fetch_views(const struct table *t, const struct record_view *v, unsigned n,
                        struct index_key *k)
{
    CHECK(n <= INDEX_FETCH);
    for (unsigned i = 0; i < n; i++)
        k[i] = index_key(&t->index, v[i].slot, v[i].record.key);
    index_fetch(&t->index, k, n);
}

void table_standing(const struct table *t, const struct record_view *v, const struct location *at,
                    unsigned n, enum standing *out, struct index_item *held)
{
    struct index_key k[INDEX_FETCH];
    fetch_views(t, v, n, k);
    for (unsigned i = 0; i < n; i++)
        out[i] = v[i].record.kind == RECORD_STATE
                     ? STANDING_DEAD
                     : standing_ring(t, &v[i], &k[i], &at[i], &held[i]);
}

static void move_ring(struct table *t, const struct index_key *k, const struct location *from,
                      const struct location *to)
{
    struct index_spot spot;
    if (!index_find(&t->index, k, &spot))
        return;
    struct index_item held = index_get(&t->index, &spot);
    if (held.kind == RECORD_NONE || !is_at(&held, from))
        return;
    uint64_t bytes = tally_weight(k->key.n, held.value_n);
    tally_dead(&t->tallies, from->segment, bytes);
    tally_live(&t->tallies, to->segment, bytes);
    held.segment = to->segment;
    held.offset = to->offset;
    index_set(&t->index, &spot, &held);
}

void table_move(struct table *t, const struct record_view *v, const struct location *from,
                const struct location *to, unsigned n)
{
    struct index_key k[INDEX_FETCH];
    fetch_views(t, v, n, k);
    for (unsigned i = 0; i < n; i++) {
        tally_written(&t->tallies, to[i].segment, tally_weight(v[i].record.key.n, v[i].value_size),
                      v[i].record.kind);
        move_ring(t, &k[i], &from[i], &to[i]);
    }
}

bool table_holds(const struct table *t, struct slice key, const struct version *version)
{
    struct index_key k = index_key(&t->index, slot_of_key(key), key);
    struct index_spot spot;
    if (!index_find(&t->index, &k, &spot))
        return false;
    struct index_item held = index_get(&t->index, &spot);
    return held.kind != RECORD_NONE && version_cmp(&held.version, version) >= 0;
}

struct forgetting {
    struct table *table;
    uint32_t arc;
    bool (*lost)(void *arg, const struct location *at);
    void *arg;
};

static void forget_one(void *arg, const struct index_spot *spot, struct slice key)
{
    static const struct index_item nothing = {0};
    const struct forgetting *f = arg;
    struct table *t = f->table;
    struct index_item held = index_get(&t->index, spot);
    if (held.kind == RECORD_NONE || !f->lost(f->arg, &(struct location){held.offset, held.segment}))
        return;
    tally_dead(&t->tallies, held.segment, tally_weight(key.n, held.value_n));
    forest_change(&t->forest, f->arc, forest_key_hash(&t->forest, key), &held, &nothing);
    index_forget(spot);
}

uint32_t table_forget(struct table *t, uint32_t buckets,
                      bool (*lost)(void *arg, const struct location *at), void *arg)
{
    struct forgetting f = {t, t->walk.arc, lost, arg};
    return index_visit(&t->index, t->walk.arc, &t->walk.bucket, buckets, forget_one, &f);
}

bool table_state_stands(const struct table *t, uint16_t segment)
{
    for (const struct state *s = t->states; s; s = s->next)
        if (s->segment == segment)
            return true;
    return false;
}
