/* index.h: what a store knows of each key in memory: version, expiry, size, and the location of the
 * record on disk.
 *
 * There is a hash table for each arc of the ring (a vnode), so that a vnode can be counted and
 * walked alone. Each grows one bucket at a time (linear hashing), so no insert ever stalls. A key
 * takes 40 bytes or fewer besides its own; index.c says where they go.
 *
 * An entry is made in two steps. index_reserve, when a put is settled, does all that can fail: it
 * takes memory for the entry, and a number for the node id. index_set, when the put is durable,
 * cannot fail. In between the entry is *reserved*: it is counted, and readers see nothing of it. */
#ifndef COVEY_STORE_INDEX_H
#define COVEY_STORE_INDEX_H

#include "base/slice.h"
#include "base/buf.h"
#include "store/index/nodes.h"
#include "store/index/tally.h"
#include "wire/record.h"

/* What is known of a key's record without reading it. */
struct index_item {
    struct version version;
    uint64_t expiry_ms;
    uint32_t value_n; /* bytes of the value, uncompressed; below 16 MiB */
    uint32_t offset;  /* of the record in its segment */
    uint16_t segment; /* the ordinal of that segment */
    uint8_t kind;     /* enum record_kind; RECORD_NONE of an entry that is reserved */
};

/* A key with its hashes, computed once for all calls about it. */
struct index_key {
    struct slice key;
    uint64_t hash;
    uint64_t key_hash; /* its hash in the Merkle tree (forest.h); 0: not computed */
    uint16_t slot;
};

struct index_arc;

/* An entry that was found or reserved. Good as long as index.moves does not change. */
struct index_spot {
    struct index_arc *arc;
    uint8_t *entry;
};

struct index {
    struct index_arc **arc; /* by arc; NULL until the arc gets a key */
    struct nodes nodes;
    uint64_t seed;      /* of the hash, so that nobody can choose keys that collide */
    uint64_t records;   /* entries, reserved ones included */
    uint64_t key_bytes; /* bytes of the keys of all entries */
    uint64_t greatest;  /* the greatest stamp that was ever set, also where the entry is gone */
    bool spared;        /* a record was ever set that no flush covers (store/table/flushed.h) */
    uint64_t bytes;     /* memory in use, with the keys and the allocator's overhead */
    uint32_t arc_n;
    uint32_t count_from; /* the arc with which the next count begins */
    uint32_t moves;      /* grows when an entry moves or goes, which makes earlier spots void */
};

/* arcs: a power of two, 1 .. VNODES_MAX. 0 or ERR_NO_MEMORY. */
int index_init(struct index *ix, uint32_t arcs, uint64_t seed);
void index_close(struct index *ix);

/* Cuts the ring anew. Cheap while the index is empty, else every entry moves. 0 or ERR_NO_MEMORY
 * (then nothing has changed). */
int index_cut(struct index *ix, uint32_t arcs);

struct index_key index_key(const struct index *ix, uint16_t slot, struct slice key);

/* Finds the entry of a key, also one that is reserved. When there is none spot->entry is NULL. */
bool index_find(const struct index *ix, const struct index_key *k, struct index_spot *spot);

/* keys of one index_fetch: about as many as a processor's core has cache misses under way */
enum { INDEX_FETCH = 16 };

/* Brings what index_find will touch for these keys (INDEX_FETCH at most) into the processor's
 * cache. The misses of different keys overlap. */
void index_fetch(const struct index *ix, const struct index_key *k, unsigned n);

/* The same for what index_set will touch. */
void index_fetch_spot(const struct index_spot *spot);

/* After index_find: makes the entry if there is none, and room in it for all that `coming` says. 0
 * or ERR_NO_MEMORY. */
int index_reserve(struct index *ix, const struct index_key *k, const struct index_item *coming,
                  struct index_spot *spot);

struct index_item index_get(const struct index *ix, const struct index_spot *spot);

/* Overwrites an entry in which index_reserve has made room for this item. */
void index_set(struct index *ix, const struct index_spot *spot, const struct index_item *item);

/* Takes over what another index, whose entries come into this one, knows of all that was ever
 * set. */
static inline void index_inherit(struct index *ix, const struct index *part)
{
    ix->greatest = part->greatest > ix->greatest ? part->greatest : ix->greatest;
    ix->spared |= part->spared;
}

/* The record of an entry is lost: from now on the entry is only reserved. */
void index_forget(const struct index_spot *spot);

/* Removes an entry that was found or reserved. Its memory comes back when enough of the arc's
 * entries have gone. */
void index_remove(struct index *ix, const struct index_key *k, const struct index_spot *spot);

/* Removes every entry of one arc for which `doomed` is true. */
void index_weed(struct index *ix, uint32_t arc,
                bool (*doomed)(void *arg, struct slice key, const struct index_item *item),
                void *arg);

/* The number of entries of one arc that are no live keys; and whether the expiry of a live one has
 * passed at wall_ms. No walk. */
uint32_t index_arc_dead(const struct index *ix, uint32_t arc);
bool index_arc_ends(const struct index *ix, uint32_t arc, uint64_t wall_ms);

/* Counts the live keys of each arc into live[arc_n]: values whose expiry has not passed at wall_ms.
 * An arc in which an expiry has passed since its last walk is walked through. In a large index a
 * count leaves some of these arcs for the next one, and counts the expired values in them. */
void index_count(struct index *ix, uint64_t wall_ms, uint32_t *live);

/* The entries of one arc, reserved ones included. */
uint32_t index_arc_records(const struct index *ix, uint32_t arc);

/* Shows every record of one arc to `each`, in no order. Nothing may be put meanwhile. */
void index_walk(const struct index *ix, uint32_t arc,
                void (*each)(void *arg, struct slice key, const struct index_item *item),
                void *arg);

/* The same for a slice of an arc: shows the entries, reserved ones too, in so many buckets at most
 * from *bucket on. *bucket becomes the next one, 0 after the last. Returns how many buckets it went
 * through. Between slices anything may be put: an entry that was there at the beginning and stays
 * is shown, perhaps twice. */
uint32_t index_visit(const struct index *ix, uint32_t arc, uint32_t *bucket, uint32_t buckets,
                     void (*each)(void *arg, const struct index_spot *spot, struct slice key),
                     void *arg);

/* ---- Images (index_image.c) ----
 *
 * An arc as bytes, for snapshots. Only the same build on the same kind of machine reads them. */

/* Bytes of an arc's image; 0 when the arc is empty. */
size_t index_image_bytes(const struct index *ix, uint32_t arc);

/* Appends an arc's image. 0, ERR_TOO_BIG or ERR_NO_MEMORY. */
int index_image_write(const struct index *ix, uint32_t arc, struct buf *out);

/* What a reader of images knows of the segments, and learns of them. */
struct index_image_segments {
    /* by ordinal, whether there is such a segment. An entry whose record is in none is left
     * reserved, as if it had never been published. */
    const bool *known;
    struct tally *tally; /* by ordinal; the live bytes of the entries are added */
    uint32_t n;          /* ordinals in both arrays */
};

/* Makes an arc of its image, and checks every reference in it. 0, ERR_CORRUPT or ERR_NO_MEMORY.
 * Threads may read different arcs at the same time, each with its own copy of the index; their
 * counts are added up afterwards. */
int index_image_read(struct index *ix, uint32_t arc, struct slice bytes,
                     const struct index_image_segments *segments);

/* The size of an entry without key and expiry. An image with another size is not of this build. */
size_t index_entry_bytes(void);

/* Aborts unless every entry is in the bucket of its hash, and all counts agree. For tests and the
 * simulator: reads everything. */
void index_check(const struct index *ix);

#endif
