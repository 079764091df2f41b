/* index.h: where every key's record is, in memory: key -> version, expiry, size, place.
 *
 * One table per arc of the ring (a vnode), so that a vnode can be counted, walked and dropped
 * alone. Each grows one bucket at a time (linear hashing), so no insert ever stalls. 40 bytes a key
 * or fewer besides the key's own; index.c says where they go.
 *
 * An entry is made in two moves. index_reserve, when a put is submitted, does all that can fail:
 * memory for the entry and a number for the node id. index_set, when the put has become durable,
 * cannot fail. Until then the entry is reserved: it is counted, but found by no reader. */
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
    uint32_t value_n; /* bytes uncompressed; below 16 MiB */
    uint32_t offset;  /* of the record in its segment */
    uint16_t segment; /* the store's number for it */
    uint8_t kind;     /* enum record_kind; RECORD_NONE while only reserved */
};

/* A key with its hashes, computed once for all calls about it. */
struct index_key {
    struct slice key;
    uint64_t hash;
    uint64_t key_hash; /* in its Merkle tree (forest.h); 0: it was not asked for */
    uint16_t slot;
};

struct index_arc;

/* A found or reserved entry; good as long as index.moves stays what it was. */
struct index_spot {
    struct index_arc *arc;
    uint8_t *entry;
};

struct index {
    struct index_arc **arc; /* NULL until a key falls there */
    struct nodes nodes;
    uint64_t seed;      /* of the hash, so that nobody can choose keys that collide */
    uint64_t records;   /* entries, reserved ones included */
    uint64_t key_bytes; /* of these */
    uint64_t greatest;  /* stamp ever set; it stays when its entry goes */
    /* a record was ever set that a flush spares, whatever its stamp (store/table/flushed.h) */
    bool spared;
    uint64_t bytes; /* of memory, the keys and the allocator's overhead included */
    uint32_t arc_n;
    uint32_t count_from; /* the arc with which a count begins */
    uint32_t moves;      /* grows whenever an entry moves or goes: spots from before are void */
};

/* arcs: a power of two, 1 .. VNODES_MAX. 0 or ERR_NO_MEMORY. */
int index_init(struct index *ix, uint32_t arcs, uint64_t seed);
void index_close(struct index *ix);

/* Cuts the ring anew; cheap while the index is empty, else every entry moves. 0 or ERR_NO_MEMORY
 * (then nothing changed). */
int index_cut(struct index *ix, uint32_t arcs);

struct index_key index_key(const struct index *ix, uint16_t slot, struct slice key);

/* Finds the entry of a key, also one that is only reserved. When there is none, spot->entry is
 * NULL. */
bool index_find(const struct index *ix, const struct index_key *k, struct index_spot *spot);

/* keys of one index_fetch: about as many misses as a core keeps under way */
enum { INDEX_FETCH = 16 };

/* Brings what index_find will touch for these keys (INDEX_FETCH at most) into the cache, the misses
 * of different keys side by side. */
void index_fetch(const struct index *ix, const struct index_key *k, unsigned n);

/* The same for what index_set will touch. */
void index_fetch_spot(const struct index_spot *spot);

/* Makes the entry that index_find found, or did not find, ready for what `coming` will say of the
 * key. 0 or ERR_NO_MEMORY. */
int index_reserve(struct index *ix, const struct index_key *k, const struct index_item *coming,
                  struct index_spot *spot);

struct index_item index_get(const struct index *ix, const struct index_spot *spot);

/* Overwrites an entry that index_reserve has made room in for this item. */
void index_set(struct index *ix, const struct index_spot *spot, const struct index_item *item);

/* Takes over what `part`, of which this index is made, knows of all that was ever set there. */
static inline void index_inherit(struct index *ix, const struct index *part)
{
    ix->greatest = part->greatest > ix->greatest ? part->greatest : ix->greatest;
    ix->spared |= part->spared;
}

/* Lets an entry be one that is only reserved: its record is lost. */
void index_forget(const struct index_spot *spot);

/* Takes an entry out that was found or reserved. Its memory comes back when enough of the arc is
 * such. */
void index_remove(struct index *ix, const struct index_key *k, const struct index_spot *spot);

/* Takes out every entry of one arc that `doomed` says of. */
void index_weed(struct index *ix, uint32_t arc,
                bool (*doomed)(void *arg, struct slice key, const struct index_item *item),
                void *arg);

/* The entries of one arc that are no live keys, and whether any of the others ends before wall_ms:
 * O(1). */
uint32_t index_arc_dead(const struct index *ix, uint32_t arc);
bool index_arc_ends(const struct index *ix, uint32_t arc, uint64_t wall_ms);

/* Live keys per arc: values whose expiry has not passed at wall_ms; live has arc_n places. An arc
 * in which an expiry has passed since its last walk is walked through; in a large index one count
 * leaves some of these for the next, and the expired in them still count. */
void index_count(struct index *ix, uint64_t wall_ms, uint32_t *live);

/* The entries of one arc, reserved ones included. */
uint32_t index_arc_records(const struct index *ix, uint32_t arc);

/* Shows every record of one arc to `each`, in no order. Nothing may be put meanwhile. */
void index_walk(const struct index *ix, uint32_t arc,
                void (*each)(void *arg, struct slice key, const struct index_item *item),
                void *arg);

/* The same for slices of an arc: its entries in at most so many buckets from *bucket on, which goes
 * on, and is 0 after the last. Returns how many it went through. Between slices anything may be
 * put: an entry that was there at the beginning and stays is shown, perhaps twice. */
uint32_t index_visit(const struct index *ix, uint32_t arc, uint32_t *bucket, uint32_t buckets,
                     void (*each)(void *arg, const struct index_spot *spot, struct slice key),
                     void *arg);

/* ---- Images (index_image.c): an arc as bytes, for snapshots. Only the same build on the same kind
 * of machine reads them. ---- */

/* Bytes of an arc's image; 0 when the arc is empty. */
size_t index_image_bytes(const struct index *ix, uint32_t arc);

/* Appends an arc's image. 0, ERR_TOO_BIG or ERR_NO_MEMORY. */
int index_image_write(const struct index *ix, uint32_t arc, struct buf *out);

/* What a reader of images knows of the segments, and learns of them. */
struct index_image_segments {
    /* by slot: an entry elsewhere is left reserved, as if it had never been published */
    const bool *known;
    struct tally *tally; /* by slot: live bytes are added */
    uint32_t n;
};

/* Makes an arc of its image, every reference in it checked. ERR_CORRUPT, ERR_NO_MEMORY or 0.
 * Different arcs may be read by different threads, each with a copy of the index of its own whose
 * counts are added up afterwards. */
int index_image_read(struct index *ix, uint32_t arc, struct slice bytes,
                     const struct index_image_segments *segments);

/* The size of an entry without key and expiry: images of another are not ours. */
size_t index_entry_bytes(void);

/* Aborts unless every entry is where its hash says and all counts agree. For tests and the
 * simulator: reads everything. */
void index_check(const struct index *ix);

#endif
