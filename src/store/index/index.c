/* index.c: linear hashing over packed arenas.
 *
 * Problem: millions of small keys, at most 40 bytes each besides the key, no insert that stalls, a
 * look-up that touches few cache lines.
 *
 * A table that doubles is out of the question. While it moves, the old one and the new one are both
 * in memory; and since keys spread evenly, the tables of all arcs would double at the same time. So
 * we use linear hashing with chains (Litwin 1980; in memory: Larson, "Dynamic hash tables", CACM
 * 1988). There are bucket_n buckets, 2^(k-1) <= bucket_n < 2^k. A key's bucket is its hash mod 2^k,
 * or mod 2^(k-1) where that bucket does not exist yet. An insert that brings the load to 2 keys a
 * bucket splits exactly one bucket, the next in line. So only a few entries ever move at a time,
 * and there is never a second table.
 *
 * Where the bytes of a key go, besides the key:
 *
 *     33    struct entry: next 4, stamp 8, digest 8, offset 4, segment 2, node 2, size 3,
 *           flags 1, key length 1
 *    ~2     heads of buckets: 4 bytes for 2 keys, in blocks
 *    ~3     ends of chunks into which no entry fitted, the open chunk, malloc's 8 bytes for each
 *           chunk and block
 *    +16    expiry, only in entries that have or had one
 *    +4     length of the key, only of keys of 255 bytes and more
 *
 * Measured with a thousand arcs: 42 bytes a key at 200,000 keys, 38.5 at a million, 37.3 at four
 * million.
 *
 * Entries lie packed and unaligned in the chunks of their arc (index_arena.c). An entry is
 * overwritten in place: the key stays, and all else is of fixed size. There is one exception. An
 * entry without room for an expiry that gets its first one is made anew. Its old bytes are dead,
 * like those of entries that are removed (index_remove.c).
 *
 * This file finds, makes and overwrites single entries; index_walk.c goes through whole arcs.
 *
 * Invariants (index_check): an entry is in the chain of the bucket of its hash. arc.live counts the
 * entries of kind VALUE that no count has found expired. index.records counts all entries. */
#include "store/index/index_inner.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/fetch.h"
#include "base/hash.h"
#include "base/limits.h"

int index_init(struct index *ix, uint32_t arcs, uint64_t seed)
{
    CHECK(power_of_two(arcs) && arcs <= VNODES_MAX);
    *ix = (struct index){.arc_n = arcs, .seed = seed};
    ix->arc = index_take(ix, arcs * sizeof(struct index_arc *));
    int error = ix->arc ? nodes_init(&ix->nodes) : ERR_NO_MEMORY;
    if (error) {
        free(ix->arc);
        *ix = (struct index){0};
    }
    return error;
}

void index_close(struct index *ix)
{
    for (uint32_t i = 0; i < ix->arc_n; i++)
        index_arc_free(ix->arc[i]);
    free(ix->arc);
    nodes_close(&ix->nodes);
    *ix = (struct index){0};
}

/* ---- Linear hashing ---- */

int index_add_bucket(struct index *ix, struct index_arc *a)
{
    if (a->bucket_n == a->block_n * HEADS) {
        void *heads = index_array_room(ix, a->heads, a->block_n);
        if (!heads)
            return ERR_NO_MEMORY;
        a->heads = heads;
        uint32_t *block = index_take(ix, HEADS * sizeof *block);
        if (!block)
            return ERR_NO_MEMORY;
        a->heads[a->block_n++] = block;
    }
    a->bucket_n++;
    return 0;
}

/* Splits the next bucket in line. To be out of memory is no error: the chains just stay longer. */
static void split(struct index *ix, struct index_arc *a)
{
    if (a->bucket_n >= 1U << 30 || index_add_bucket(ix, a) != 0)
        return;
    uint32_t fresh = a->bucket_n - 1;
    uint32_t old = fresh - floor_power(fresh);
    uint32_t ref = *head_at(a, old);
    *head_at(a, old) = 0;
    while (ref != 0) {
        struct entry *e = entry_at(a, ref);
        uint32_t next = e->next;
        uint32_t *head = head_at(a, bucket_of(a, hash_seeded(entry_key(e), ix->seed)));
        e->next = *head;
        *head = ref;
        ref = next;
    }
}

static struct index_arc *arc_make(struct index *ix, uint16_t slot)
{
    struct index_arc **at = arc_at(ix, slot);
    if (*at)
        return *at;
    uint64_t before = ix->bytes;
    struct index_arc *a = index_take(ix, sizeof *a);
    if (!a)
        return NULL;
    if (index_add_bucket(ix, a) != 0) {
        index_arc_free(a);
        ix->bytes = before;
        return NULL;
    }
    return *at = a;
}

/* ---- Finding ---- */

struct index_key index_key(const struct index *ix, uint16_t slot, struct slice key)
{
    return (struct index_key){.key = key, .hash = hash_seeded(key, ix->seed), .slot = slot};
}

bool index_find(const struct index *ix, const struct index_key *k, struct index_spot *spot)
{
    *spot = (struct index_spot){0};
    struct index_arc *a = *arc_at(ix, k->slot);
    if (!a)
        return false;
    for (uint32_t ref = *head_at(a, bucket_of(a, k->hash)); ref != 0;) {
        struct entry *e = entry_at(a, ref);
        if (slice_eq(entry_key(e), k->key)) {
            *spot = (struct index_spot){a, (uint8_t *)e};
            return true;
        }
        ref = e->next;
    }
    return false;
}

/* Entries are not aligned, and the key stands behind the entry: so two cache lines. */
static void fetch_entry(const struct entry *e)
{
    fetch_line(e);
    fetch_line((const uint8_t *)e + sizeof *e);
}

/* Goes one entry further along each chain whose key is not found yet. Returns how many chains go
 * on. */
static unsigned fetch_next(const struct index_arc *const *arc, const struct index_key *k,
                           uint32_t *ref, unsigned n)
{
    unsigned left = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct entry *e = ref[i] ? entry_at(arc[i], ref[i]) : NULL;
        ref[i] = e && !slice_eq(entry_key(e), k[i].key) ? e->next : 0;
        if (ref[i] == 0)
            continue;
        fetch_entry(entry_at(arc[i], ref[i]));
        left++;
    }
    return left;
}

/* Goes over all keys stage by stage. Each stage reads what the one before asked the cache for. */
void index_fetch(const struct index *ix, const struct index_key *k, unsigned n)
{
    const struct index_arc *arc[INDEX_FETCH];
    uint32_t bucket[INDEX_FETCH], ref[INDEX_FETCH];
    if (n < 2)
        return; /* nothing to overlap with */
    for (unsigned i = 0; i < n; i++) {
        arc[i] = *arc_at(ix, k[i].slot);
        fetch_line(arc[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        bucket[i] = arc[i] ? bucket_of(arc[i], k[i].hash) : 0;
        if (arc[i])
            fetch_line(&arc[i]->heads[bucket[i] / HEADS]);
    }
    for (unsigned i = 0; i < n; i++)
        if (arc[i])
            fetch_line(head_at(arc[i], bucket[i]));
    for (unsigned i = 0; i < n; i++) {
        ref[i] = arc[i] ? *head_at(arc[i], bucket[i]) : 0;
        if (ref[i])
            fetch_line(&arc[i]->chunk[(ref[i] >> OFFSET_BITS) - 1]);
    }
    for (unsigned i = 0; i < n; i++)
        if (ref[i])
            fetch_entry(entry_at(arc[i], ref[i]));
    for (unsigned left = n; left > 0;)
        left = fetch_next(arc, k, ref, n);
}

void index_fetch_spot(const struct index_spot *spot)
{
    fetch_line(spot->entry);
    fetch_line(&spot->arc->live);
}

/* ---- Making ---- */

/* A new entry: reserved, and in no chain yet. 0 when memory is out. */
static uint32_t entry_new(struct index *ix, struct index_arc *a, struct slice key, bool expiry)
{
    uint32_t ref = index_arena_take(ix, a, entry_size(key.n, expiry));
    if (ref == 0)
        return 0;
    struct entry *e = entry_at(a, ref);
    *e = (struct entry){.flags = expiry ? FLAG_EXPIRY : 0,
                        .key_n = (uint8_t)(key.n < LONG_KEY ? key.n : LONG_KEY)};
    if (e->key_n == LONG_KEY) {
        uint32_t n = (uint32_t)key.n;
        memcpy((uint8_t *)e + sizeof *e, &n, sizeof n);
    }
    if (expiry)
        memset(entry_expiry(e), 0, 2 * sizeof(uint64_t));
    if (key.n)
        memcpy((uint8_t *)(uintptr_t)entry_key(e).p, key.p, key.n);
    return ref;
}

static int insert(struct index *ix, const struct index_key *k, bool expiry, struct index_spot *spot)
{
    struct index_arc *a = arc_make(ix, k->slot);
    uint32_t ref = a ? entry_new(ix, a, k->key, expiry) : 0;
    if (ref == 0)
        return ERR_NO_MEMORY;
    a->records++;
    ix->records++;
    ix->key_bytes += k->key.n;
    if (a->records / LOAD >= a->bucket_n)
        split(ix, a);
    struct entry *e = entry_at(a, ref);
    uint32_t *head = head_at(a, bucket_of(a, k->hash));
    e->next = *head;
    *head = ref;
    *spot = (struct index_spot){a, (uint8_t *)e};
    return 0;
}

/* Gives an entry room for an expiry: a larger entry replaces it in the chain. */
static int widen(struct index *ix, const struct index_key *k, struct index_spot *spot)
{
    struct index_arc *a = spot->arc;
    uint32_t ref = entry_new(ix, a, k->key, true);
    if (ref == 0)
        return ERR_NO_MEMORY;
    struct entry *old = (struct entry *)spot->entry, *e = entry_at(a, ref);
    uint8_t flags = (uint8_t)(old->flags | FLAG_EXPIRY);
    *e = *old;
    e->flags = flags;
    uint32_t *head = head_at(a, bucket_of(a, k->hash));
    if (entry_at(a, *head) == old) {
        *head = ref;
    } else {
        struct entry *before = entry_at(a, *head);
        while (entry_at(a, before->next) != old)
            before = entry_at(a, before->next);
        before->next = ref;
    }
    spot->entry = (uint8_t *)e;
    ix->moves++;
    a->dead_bytes += entry_size(k->key.n, false);
    return 0;
}

int index_reserve(struct index *ix, const struct index_key *k, const struct index_item *coming,
                  struct index_spot *spot)
{
    bool expiry = coming->version.expiry_stamp != 0 || coming->expiry_ms != 0;
    int number = nodes_number(&ix->nodes, coming->version.node);
    if (number < 0)
        return number;
    if (!spot->entry)
        return insert(ix, k, expiry, spot);
    if (expiry && !(((struct entry *)spot->entry)->flags & FLAG_EXPIRY))
        return widen(ix, k, spot);
    return 0;
}

/* ---- What an entry says ---- */

struct index_item index_get(const struct index *ix, const struct index_spot *spot)
{
    const struct entry *e = (const struct entry *)spot->entry;
    struct index_item item = {
        .version = {.stamp = e->stamp,
                    .node = ix->nodes.id[e->node],
                    .digest = e->digest,
                    .deleted = (e->flags & FLAG_DELETED) != 0,
                    .ordered = (e->flags & FLAG_ORDERED) != 0},
        .value_n = entry_value_n(e),
        .offset = e->offset,
        .segment = e->segment,
        .kind = e->flags & FLAG_KIND,
    };
    if (e->flags & FLAG_EXPIRY) {
        memcpy(&item.version.expiry_stamp, entry_expiry(e), sizeof(uint64_t));
        memcpy(&item.expiry_ms, entry_expiry(e) + sizeof(uint64_t), sizeof(uint64_t));
    }
    return item;
}

void index_set(struct index *ix, const struct index_spot *spot, const struct index_item *item)
{
    struct entry *e = (struct entry *)spot->entry;
    bool expiry = item->version.expiry_stamp != 0 || item->expiry_ms != 0;
    int number = nodes_number(&ix->nodes, item->version.node);
    CHECK(number >= 0 && item->value_n <= VALUE_N_MAX && item->kind != RECORD_NONE &&
          item->kind <= FLAG_KIND);
    CHECK(!expiry || (e->flags & FLAG_EXPIRY));
    spot->arc->live -= entry_live(e);
    e->stamp = item->version.stamp;
    e->digest = item->version.digest;
    e->offset = item->offset;
    e->segment = item->segment;
    e->node = (uint16_t)number;
    for (int i = 0; i < 3; i++)
        e->value_n[i] = (uint8_t)(item->value_n >> (8 * i));
    e->flags = (uint8_t)((e->flags & FLAG_EXPIRY) | item->kind |
                         (item->version.deleted ? FLAG_DELETED : 0) |
                         (item->version.ordered ? FLAG_ORDERED : 0));
    if (e->flags & FLAG_EXPIRY) {
        memcpy(entry_expiry(e), &item->version.expiry_stamp, sizeof(uint64_t));
        memcpy(entry_expiry(e) + sizeof(uint64_t), &item->expiry_ms, sizeof(uint64_t));
    }
    index_note(ix, e);
    spot->arc->live += entry_live(e);
    if (entry_live(e))
        arc_note_expiry(spot->arc, item->expiry_ms);
}

void index_forget(const struct index_spot *spot)
{
    struct entry *e = (struct entry *)spot->entry;
    spot->arc->live -= entry_live(e);
    e->flags &= FLAG_EXPIRY;
}
