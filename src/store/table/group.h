/* group.h: puts that will be written and synced together: their encoded records in one run of
 * bytes, and what to do once they are durable.
 *
 * While one group is on its way to the disk the next one gathers (group commit: Gawlick and Kinkade
 * 1985; DeWitt et al. 1984). */
#ifndef COVEY_STORE_GROUP_H
#define COVEY_STORE_GROUP_H

#include "base/buf.h"
#include "store/index/index.h"
#include "store/table/state.h"

enum {
    GROUP_BYTES_MAX =
        /* a put beyond is refused as busy: seven of the largest values, or half a million small
         * ones */
    64 * 1024 * 1024,
    /* a buffer that one large value blew up is given back, so that an idle node is small */
    KEEP_BYTES_MAX = 1024 * 1024,
};

/* One put on its way. */
struct pending {
    uint64_t token;
    uint64_t hash;          /* of the key, for the index */
    uint64_t key_hash;      /* of the key, in its Merkle tree: once it is about to be published */
    struct index_item item; /* its offset counts from the group's first byte */
    struct index_spot spot; /* once it is settled: the entry, unless the index has moved since */
    struct state *state;    /* the copy of a state record; NULL for a record of the ring */
    uint32_t moves;         /* the index's when it was settled */
    uint32_t key_n;         /* the key itself stands in bytes, behind the record's header */
    uint16_t slot;
    bool decided; /* answered already: what is visible is as new */
    bool flushed; /* a flush covered it when it came */
    bool own;     /* the store's own put: nobody waits for an answer */
};

struct group {
    struct buf bytes;
    struct pending *pending;
    uint32_t n, cap;
    uint32_t settled; /* of these, looked up in the index (table_settle) */
    uint32_t decided; /* of these, answered without a write */
    uint32_t states;  /* of these, state records: they are synced whatever the durability */
};

void group_init(struct group *g);
void group_close(struct group *g);

/* Empties the group, states that nobody merged included, and keeps its memory unless it is
 * large. */
void group_reset(struct group *g);

/* Encodes a record at the end of the group; p->slot is that of its key. Sets p->item.offset and
 * p->key_n. 0, ERR_BUSY (the group is full), ERR_TOO_BIG (the record is) or ERR_NO_MEMORY; on error
 * the group is as it was and p->state still the caller's. */
int group_add(struct group *g, struct pending *p, const struct record *r);

/* The key of a put in the group, as an index key. */
struct index_key group_key(const struct group *g, const struct pending *p);

/* Closes a scratch buffer that has grown beyond KEEP_BYTES_MAX. */
void buf_slim(struct buf *b);

#endif
