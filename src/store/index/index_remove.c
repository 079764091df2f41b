/* index_remove.c: the removal of entries, and the space that they leave.
 *
 * An entry that is removed is unlinked from its chain. Its bytes are dead, like those of an entry
 * that was made anew. When a quarter of the arena is dead the arc is packed: its entries are copied
 * into a new arc, at 100 ns each. So a removal pays for three or four copies. An arc without
 * entries is freed as a whole.
 *
 * index.moves changes whenever an entry moves or goes: spots from before are void. */
#include "store/index/index_inner.h"

#include "base/check.h"
#include "base/hash.h"

/* ---- Packing ---- */

/* Copies the entries of one bucket into a new arc. False when memory is out. */
static bool pack_chain(struct index *ix, struct index_arc *to, const struct index_arc *from,
                       uint32_t bucket)
{
    for (uint32_t ref = *head_at(from, bucket); ref != 0; ref = entry_at(from, ref)->next) {
        const struct entry *old = entry_at(from, ref);
        size_t n = entry_size(entry_key(old).n, old->flags & FLAG_EXPIRY);
        uint32_t fresh = index_arena_take(ix, to, n);
        if (fresh == 0)
            return false;
        struct entry *e = entry_at(to, fresh);
        memcpy(e, old, n);
        uint32_t *head = head_at(to, bucket_of(to, hash_seeded(entry_key(e), ix->seed)));
        e->next = *head;
        *head = fresh;
    }
    return true;
}

/* Copies an arc without its dead bytes. To be out of memory is no error: it stays as it is. */
static void pack(struct index *ix, struct index_arc **at)
{
    struct index_arc *old = *at;
    uint64_t before = ix->bytes;
    struct index_arc *a = old->records ? index_take(ix, sizeof *a) : NULL;
    bool done = a != NULL;
    for (uint32_t n = old->records / LOAD + 1; done && a->bucket_n < n;)
        done = index_add_bucket(ix, a) == 0;
    for (uint32_t b = 0; done && b < old->bucket_n; b++)
        done = pack_chain(ix, a, old, b);
    if (!done && old->records) {
        index_arc_free(a);
        ix->bytes = before;
        return;
    }
    if (a) {
        a->records = old->records;
        a->live = old->live;
        a->soonest_ms = old->soonest_ms;
    }
    ix->bytes -= index_arc_bytes(old);
    ix->moves++;
    index_arc_free(old);
    *at = a;
}

static void pack_if_due(struct index *ix, struct index_arc **at)
{
    const struct index_arc *a = *at;
    if (a->records == 0 || (a->dead_bytes > CHUNK_USUAL && a->dead_bytes > a->arena_bytes / 4))
        pack(ix, at);
}

/* ---- Removal ---- */

/* Unlinks the entry that `link`, a bucket's head or an entry's first field, refers to. */
static void unlink_entry(struct index *ix, struct index_arc *a, void *link, uint32_t ref)
{
    const struct entry *e = entry_at(a, ref);
    size_t key_n = entry_key(e).n, size = entry_size(key_n, e->flags & FLAG_EXPIRY);
    uint32_t next = e->next;
    a->live -= entry_live(e);
    a->dead_bytes += size;
    a->records--;
    ix->records--;
    ix->moves++;
    ix->key_bytes -= key_n;
    memcpy(link, &next, sizeof next); /* entries are not aligned */
}

void index_remove(struct index *ix, const struct index_key *k, const struct index_spot *spot)
{
    struct index_arc *a = spot->arc;
    void *link = head_at(a, bucket_of(a, k->hash));
    uint32_t ref;
    while (memcpy(&ref, link, sizeof ref), (uint8_t *)entry_at(a, ref) != spot->entry) {
        link = entry_at(a, ref);
        CHECK(((struct entry *)link)->next != 0);
    }
    unlink_entry(ix, a, link, ref);
    pack_if_due(ix, arc_at(ix, k->slot));
}

void index_weed(struct index *ix, uint32_t arc,
                bool (*doomed)(void *arg, struct slice key, const struct index_item *item),
                void *arg)
{
    struct index_arc *a = ix->arc[arc];
    for (uint32_t b = 0; a && b < a->bucket_n; b++) {
        void *link = head_at(a, b);
        uint32_t ref;
        while (memcpy(&ref, link, sizeof ref), ref != 0) {
            struct index_spot spot = {.entry = (uint8_t *)entry_at(a, ref)};
            struct index_item item = index_get(ix, &spot);
            if (doomed(arg, entry_key(entry_at(a, ref)), &item))
                unlink_entry(ix, a, link, ref);
            else
                link = spot.entry;
        }
    }
    if (a)
        pack_if_due(ix, &ix->arc[arc]);
}
