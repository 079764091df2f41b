/* The index: linear hashing over packed arenas.
 *
 * Problem: millions of small keys, at most 40 bytes each besides the key, no insert that stalls, a look-up that touches few
 * cache lines.
 *
 * A doubling table is out: while it moves, old and new are both there, and since keys spread evenly the tables of all arcs would
 * double at the same time. We use linear hashing with chains (Litwin 1980; in memory: Larson, "Dynamic hash tables", CACM 1988):
 * there are bucket_n buckets; a key's is hash mod 2^k, or mod 2^(k-1) where that bucket does not exist yet; an insert that
 * brings the load to 2 keys a bucket splits exactly one bucket, the next in line. Never more than a few entries move, and never
 * is there a second table.
 *
 * Where the bytes of a key go, besides the key:
 *
 *     33    struct entry: next 4, stamp 8, digest 8, offset 4, segment 2, node 2, size 3, flags 1, key length 1
 *    ~2     bucket heads: 4 bytes per 2 keys, in blocks
 *    ~3     ends of chunks that no entry fitted, the open chunk, malloc's 8 bytes a chunk and a block
 *    (+16   expiry, only in entries that have or had one; +4 for keys of 255 bytes and more)
 *
 * Measured with a thousand arcs: 42 at 200,000 keys, 38.5 at a million, 37.3 at four millions.
 *
 * Entries lie packed and unaligned in chunks, a chunk being a 24th of its arc's arena, so that the open chunk wastes 2 % of it
 * on average. An entry is overwritten in place, because all but the key is of fixed size and the key stays. Only when an entry
 * without room for an expiry gets its first one is it made anew. Its old bytes are dead, like those of entries that are removed,
 * until they are a quarter of the arena: then the arc is packed, at 100 ns an entry; so a removal pays for three or four copies.
 *
 * Invariants (index_check): an entry is in the chain of the bucket that its hash names; arc.live counts the entries of kind
 * VALUE that no count has found expired; index.records all entries. */
#include "store/index_inner.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"

/* ---- Memory, with an honest count of it ---- */

/* What glibc really takes for n bytes: 8 more, in steps of 16, 32 at least. */
static size_t heap_bytes(size_t n)
{
    size_t total = (n + 8 + 15) & ~(size_t)15;
    return total < 32 ? 32 : total;
}

void *index_take(struct index *ix, size_t n)
{
    void *p = calloc(1, n);
    if (p)
        ix->bytes += heap_bytes(n);
    return p;
}

void *index_take_place(struct index *ix, void *array, uint32_t n)
{
    bool full = n == 0 || (n >= 4 && (n & (n - 1)) == 0);
    if (!full)
        return array;
    size_t room = n ? 2 * (size_t)n : 4;
    void *grown = realloc(array, room * sizeof(void *));
    if (grown)
        ix->bytes += heap_bytes(room * sizeof(void *)) - (n ? heap_bytes(n * sizeof(void *)) : 0);
    return grown;
}

void index_arc_free(struct index_arc *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; i < a->block_n; i++)
        free(a->heads[i]);
    for (uint32_t i = 0; i < a->chunk_n; i++)
        free(a->chunk[i]);
    free(a->heads);
    free(a->chunk);
    free(a);
}

/* ---- Entries ---- */

uint32_t index_chunk_size(uint64_t arena_bytes, size_t least)
{
    uint64_t n = ((arena_bytes / 24) & ~(uint64_t)15) + 8; /* with malloc's 8: a multiple of 16 */
    uint64_t usual = arena_bytes < CHUNK_USUAL ? arena_bytes + 8 : CHUNK_USUAL;
    if (n < usual)
        n = usual;
    if (n < CHUNK_LEAST)
        n = CHUNK_LEAST;
    if (n > CHUNK_MOST)
        n = CHUNK_MOST;
    return (uint32_t)(n < least ? least : n);
}

/* A reference to n fresh bytes in the arc's arena; 0 when memory is out. */
static uint32_t arena_take(struct index *ix, struct index_arc *a, size_t n)
{
    if (a->open && a->open_size - a->open_used >= n) {
        uint32_t ref = a->open << OFFSET_BITS | a->open_used;
        a->open_used += (uint32_t)n;
        return ref;
    }
    if (a->chunk_n == CHUNKS_MAX)
        return 0;
    void *chunks = index_take_place(ix, a->chunk, a->chunk_n);
    if (!chunks)
        return 0;
    a->chunk = chunks;
    uint32_t size = index_chunk_size(a->arena_bytes, n);
    uint8_t *chunk = index_take(ix, size);
    if (!chunk)
        return 0;
    a->chunk[a->chunk_n++] = chunk;
    a->arena_bytes += size;
    if (size > n) { /* a long key has a chunk of its own, and the open one stays open */
        a->open = a->chunk_n;
        a->open_used = (uint32_t)n;
        a->open_size = size;
    }
    return a->chunk_n << OFFSET_BITS;
}

size_t index_chunk_bytes(uint64_t arena_before, const uint8_t *chunk)
{
    const struct entry *first = (const struct entry *)chunk;
    return index_chunk_size(arena_before, entry_size(entry_key(first).n, first->flags & FLAG_EXPIRY));
}

/* ---- Linear hashing ---- */

static uint32_t *head_at(const struct index_arc *a, uint32_t bucket)
{
    return &a->heads[bucket / HEADS][bucket % HEADS];
}

/* The greatest power of two that is at most n; n > 0. */
static uint32_t floor_power(uint32_t n)
{
    return 1U << (31 - __builtin_clz(n));
}

static uint32_t bucket_of(const struct index_arc *a, uint64_t hash)
{
    uint32_t half = floor_power(a->bucket_n);
    uint32_t bucket = (uint32_t)hash & (2 * half - 1);
    return bucket < a->bucket_n ? bucket : bucket - half;
}

/* One more bucket, empty. 0 or ERR_NO_MEMORY. */
static int add_bucket(struct index *ix, struct index_arc *a)
{
    if (a->bucket_n == a->block_n * HEADS) {
        void *heads = index_take_place(ix, a->heads, a->block_n);
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

/* Splits the next bucket in line. Out of memory is no error: the chains just stay longer. */
static void split(struct index *ix, struct index_arc *a)
{
    if (a->bucket_n >= 1U << 30 || add_bucket(ix, a) != 0)
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

static struct index_arc **arc_place(const struct index *ix, uint16_t slot)
{
    return &ix->arc[(uint32_t)slot * ix->arc_n / SLOTS];
}

static struct index_arc *arc_make(struct index *ix, uint16_t slot)
{
    struct index_arc **place = arc_place(ix, slot);
    if (*place)
        return *place;
    struct index_arc *a = index_take(ix, sizeof *a);
    if (!a)
        return NULL;
    if (add_bucket(ix, a) != 0) {
        index_arc_free(a);
        ix->bytes -= heap_bytes(sizeof *a);
        return NULL;
    }
    return *place = a;
}

/* ---- The door ---- */

static bool is_power(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

int index_init(struct index *ix, uint32_t arcs, uint64_t seed)
{
    CHECK(is_power(arcs) && arcs <= VNODES_MAX);
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

struct index_key index_key(const struct index *ix, uint16_t slot, struct slice key)
{
    return (struct index_key){.key = key, .hash = hash_seeded(key, ix->seed), .slot = slot};
}

bool index_find(const struct index *ix, const struct index_key *k, struct index_spot *spot)
{
    *spot = (struct index_spot){0};
    struct index_arc *a = *arc_place(ix, k->slot);
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

/* Stage by stage over all keys: each stage reads what the one before asked for. */
void index_fetch(const struct index *ix, const struct index_key *k, unsigned n)
{
    const struct index_arc *arc[INDEX_FETCH];
    uint32_t bucket[INDEX_FETCH], ref[INDEX_FETCH];
    if (n < 2)
        return; /* nothing to overlap with */
    for (unsigned i = 0; i < n; i++) {
        arc[i] = *arc_place(ix, k[i].slot);
        __builtin_prefetch(arc[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        bucket[i] = arc[i] ? bucket_of(arc[i], k[i].hash) : 0;
        if (arc[i])
            __builtin_prefetch(&arc[i]->heads[bucket[i] / HEADS]);
    }
    for (unsigned i = 0; i < n; i++)
        if (arc[i])
            __builtin_prefetch(head_at(arc[i], bucket[i]));
    for (unsigned i = 0; i < n; i++) {
        ref[i] = arc[i] ? *head_at(arc[i], bucket[i]) : 0;
        if (ref[i])
            __builtin_prefetch(&arc[i]->chunk[(ref[i] >> OFFSET_BITS) - 1]);
    }
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *entry = ref[i] ? (const uint8_t *)entry_at(arc[i], ref[i]) : NULL;
        if (entry) {
            __builtin_prefetch(entry);
            __builtin_prefetch(entry + sizeof(struct entry)); /* it is not aligned, and the key stands behind it */
        }
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t next = ref[i] ? entry_at(arc[i], ref[i])->next : 0;
        if (next)
            __builtin_prefetch(entry_at(arc[i], next));
    }
}

/* A fresh entry, reserved, in no chain yet. 0 when memory is out. */
static uint32_t entry_new(struct index *ix, struct index_arc *a, struct slice key, bool expiry)
{
    uint32_t ref = arena_take(ix, a, entry_size(key.n, expiry));
    if (ref == 0)
        return 0;
    struct entry *e = entry_at(a, ref);
    *e = (struct entry){.flags = expiry ? FLAG_EXPIRY : 0, .key_n = (uint8_t)(key.n < LONG_KEY ? key.n : LONG_KEY)};
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

/* Gives an entry room for an expiry: a larger one takes its place in the chain. */
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

int index_reserve(struct index *ix, const struct index_key *k, const struct index_item *coming, struct index_spot *spot)
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

struct index_item index_get(const struct index *ix, const struct index_spot *spot)
{
    const struct entry *e = (const struct entry *)spot->entry;
    struct index_item item = {
        .version = {.stamp = e->stamp,
                    .node = ix->nodes.id[e->node],
                    .digest = e->digest,
                    .deleted = (e->flags & FLAG_DELETED) != 0},
        .value_n = (uint32_t)e->value_n[0] | (uint32_t)e->value_n[1] << 8 | (uint32_t)e->value_n[2] << 16,
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
    CHECK(number >= 0 && item->value_n <= VALUE_N_MAX && item->kind != RECORD_NONE && item->kind <= FLAG_KIND);
    CHECK(!expiry || (e->flags & FLAG_EXPIRY));
    spot->arc->live -= entry_live(e);
    e->stamp = item->version.stamp;
    e->digest = item->version.digest;
    e->offset = item->offset;
    e->segment = item->segment;
    e->node = (uint16_t)number;
    for (int i = 0; i < 3; i++)
        e->value_n[i] = (uint8_t)(item->value_n >> (8 * i));
    e->flags = (uint8_t)((e->flags & FLAG_EXPIRY) | item->kind | (item->version.deleted ? FLAG_DELETED : 0));
    if (e->flags & FLAG_EXPIRY) {
        memcpy(entry_expiry(e), &item->version.expiry_stamp, sizeof(uint64_t));
        memcpy(entry_expiry(e) + sizeof(uint64_t), &item->expiry_ms, sizeof(uint64_t));
    }
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

/* ---- Removal ---- */

static size_t array_bytes(uint32_t n)
{
    uint32_t room = n <= 4 ? 4 : floor_power(n - 1) * 2;
    return n ? heap_bytes(room * sizeof(void *)) : 0;
}

/* What index_take has counted for an arc. */
static size_t arc_bytes(const struct index_arc *a)
{
    size_t bytes = heap_bytes(sizeof *a) + array_bytes(a->block_n) + array_bytes(a->chunk_n);
    uint64_t before = 0;
    bytes += a->block_n * heap_bytes(HEADS * sizeof(uint32_t));
    for (uint32_t i = 0; i < a->chunk_n; i++) {
        size_t n = index_chunk_bytes(before, a->chunk[i]);
        bytes += heap_bytes(n);
        before += n;
    }
    return bytes;
}

/* Copies the entries in one bucket's chain into a fresh arc. False when memory is out. */
static bool pack_chain(struct index *ix, struct index_arc *to, const struct index_arc *from, uint32_t bucket)
{
    for (uint32_t ref = *head_at(from, bucket); ref != 0; ref = entry_at(from, ref)->next) {
        const struct entry *old = entry_at(from, ref);
        size_t n = entry_size(entry_key(old).n, old->flags & FLAG_EXPIRY);
        uint32_t fresh = arena_take(ix, to, n);
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

/* Makes an arc anew without its dead bytes. Out of memory is no error: it stays as it is. */
static void pack(struct index *ix, struct index_arc **place)
{
    struct index_arc *old = *place;
    uint64_t before = ix->bytes;
    struct index_arc *a = old->records ? index_take(ix, sizeof *a) : NULL;
    bool done = a != NULL;
    for (uint32_t n = old->records / LOAD + 1; done && a->bucket_n < n;)
        done = add_bucket(ix, a) == 0;
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
    ix->bytes -= arc_bytes(old);
    ix->moves++;
    index_arc_free(old);
    *place = a;
}

static void pack_if_due(struct index *ix, struct index_arc **place)
{
    const struct index_arc *a = *place;
    if (a->records == 0 || (a->dead_bytes > CHUNK_USUAL && a->dead_bytes > a->arena_bytes / 4))
        pack(ix, place);
}

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
    while (memcpy(&ref, link, sizeof ref), (uint8_t *)entry_at(a, ref) != spot->entry)
        link = entry_at(a, ref);
    unlink_entry(ix, a, link, ref);
    pack_if_due(ix, arc_place(ix, k->slot));
}

void index_weed(struct index *ix, uint32_t arc, bool (*doomed)(void *arg, struct slice key, const struct index_item *item),
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

/* Copies every entry of one arc into another index. */
static int copy_arc(struct index *to, const struct index *from, const struct index_arc *a)
{
    for (uint32_t b = 0; b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct index_spot old = {.entry = (uint8_t *)entry_at(a, ref)}, spot = {0};
            struct slice key = entry_key(entry_at(a, ref));
            struct index_item item = index_get(from, &old);
            struct index_key k = index_key(to, slot_of_key(key), key);
            int error = index_reserve(to, &k, &item, &spot);
            if (error)
                return error;
            if (item.kind != RECORD_NONE)
                index_set(to, &spot, &item);
        }
    }
    return 0;
}

int index_cut(struct index *ix, uint32_t arcs)
{
    if (arcs == ix->arc_n)
        return 0;
    struct index fresh;
    int error = index_init(&fresh, arcs, ix->seed);
    for (uint32_t i = 0; !error && i < ix->arc_n; i++)
        if (ix->arc[i])
            error = copy_arc(&fresh, ix, ix->arc[i]);
    if (error) {
        index_close(&fresh);
        return error;
    }
    fresh.moves = ix->moves + 1;
    index_close(ix);
    *ix = fresh;
    return 0;
}

/* Marks what has expired by now, so that it is counted out once and not looked at again. */
static void expire_arc(struct index_arc *a, uint64_t wall_ms)
{
    a->soonest_ms = 0;
    for (uint32_t b = 0; b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct entry *e = entry_at(a, ref);
            if (!entry_live(e))
                continue;
            if (expiry_passed(entry_expiry_ms(e), wall_ms)) {
                e->flags |= FLAG_EXPIRED;
                a->live--;
            } else {
                arc_note_expiry(a, entry_expiry_ms(e));
            }
        }
    }
}

void index_count(struct index *ix, uint64_t wall_ms, uint32_t *live)
{
    uint32_t from = ix->count_from, left = COUNT_WALK;
    bool skipped = false;
    for (uint32_t i = 0; i < ix->arc_n; i++) {
        uint32_t arc = (from + i) % ix->arc_n;
        struct index_arc *a = ix->arc[arc];
        bool due = a && expiry_passed(a->soonest_ms, wall_ms);
        if (due && left > 0) {
            expire_arc(a, wall_ms);
            left -= a->records < left ? a->records : left;
        } else if (due && !skipped) {
            skipped = true;
            ix->count_from = arc; /* the next count begins here */
        }
        live[arc] = a ? a->live : 0;
    }
}

uint32_t index_arc_dead(const struct index *ix, uint32_t arc)
{
    return ix->arc[arc] ? ix->arc[arc]->records - ix->arc[arc]->live : 0;
}

bool index_arc_ends(const struct index *ix, uint32_t arc, uint64_t wall_ms)
{
    return ix->arc[arc] && expiry_passed(ix->arc[arc]->soonest_ms, wall_ms);
}

uint32_t index_arc_records(const struct index *ix, uint32_t arc)
{
    return ix->arc[arc] ? ix->arc[arc]->records : 0;
}

void index_walk(const struct index *ix, uint32_t arc, void (*each)(void *arg, struct slice key, const struct index_item *item),
                void *arg)
{
    const struct index_arc *a = ix->arc[arc];
    for (uint32_t b = 0; a && b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct index_spot spot = {.entry = (uint8_t *)entry_at(a, ref)};
            struct index_item item = index_get(ix, &spot);
            if (item.kind != RECORD_NONE)
                each(arg, entry_key(entry_at(a, ref)), &item);
        }
    }
}

uint32_t index_visit(const struct index *ix, uint32_t arc, uint32_t *bucket, uint32_t buckets,
                     void (*each)(void *arg, const struct index_spot *spot, struct slice key), void *arg)
{
    struct index_arc *a = ix->arc[arc];
    uint32_t first = *bucket, end = !a ? 0 : a->bucket_n - first < buckets ? a->bucket_n : first + buckets;
    for (uint32_t b = first; b < end; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct index_spot spot = {a, (uint8_t *)entry_at(a, ref)};
            each(arg, &spot, entry_key(entry_at(a, ref)));
        }
    }
    *bucket = a && end < a->bucket_n ? end : 0;
    return a ? end - first : 0;
}

static uint32_t check_arc(const struct index *ix, uint32_t number)
{
    const struct index_arc *a = ix->arc[number];
    uint32_t records = 0, live = 0;
    for (uint32_t b = 0; a && b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            const struct entry *e = entry_at(a, ref);
            CHECK((uint32_t)slot_of_key(entry_key(e)) * ix->arc_n / SLOTS == number);
            CHECK(bucket_of(a, hash_seeded(entry_key(e), ix->seed)) == b);
            CHECK(e->node < ix->nodes.n);
            records++;
            live += entry_live(e);
            CHECK(!entry_live(e) || entry_expiry_ms(e) == 0 || (a->soonest_ms != 0 && a->soonest_ms <= entry_expiry_ms(e)));
        }
    }
    CHECK(!a || (a->records == records && a->live == live));
    return records;
}

void index_check(const struct index *ix)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < ix->arc_n; i++)
        records += check_arc(ix, i);
    CHECK(records == ix->records);
}
