/* group.h: puts that are written and synced together: their encoded records in one run of bytes,
 * and for each put what is to be done once the group is durable.
 *
 * While one group is on its way to the disk the next one gathers (group commit: Gawlick and Kinkade
 * 1985; DeWitt et al. 1984). */
#ifndef COVEY_STORE_GROUP_H
#define COVEY_STORE_GROUP_H

#include "base/buf.h"
#include "store/index/index.h"
#include "store/table/state.h"

enum {
    /* A put beyond is refused as busy. Seven of the largest values fit, or half a million small
     * ones. */
    GROUP_BYTES_MAX = 64 * 1024 * 1024,
    /* A buffer that grew beyond this for a large value is given back, so that an idle node is
     * small. */
    KEEP_BYTES_MAX = 1024 * 1024,
};

/* One put on its way. */
struct pending {
    uint64_t token;
    uint64_t hash;          /* the key's hash in the index */
    uint64_t key_hash;      /* the key's hash in its Merkle tree; set just before publishing */
    struct index_item item; /* its offset counts from the group's first byte */
    struct index_spot spot; /* set by settling: the entry, good while index.moves is `moves` */
    struct state *state;    /* the copy of a state record; NULL for a record of the ring */
    uint32_t moves;         /* index.moves when the put was settled */
    uint32_t key_n;         /* the key stands in the group's bytes, behind the record's header */
    uint16_t slot;
    bool decided; /* the put was answered when it was settled */
    bool flushed; /* a flush covered the record when the put was settled */
    bool own;     /* the put is the store's own: nobody waits for an answer */
};

struct group {
    struct buf bytes;
    struct pending *pending;
    uint32_t n, cap;
    uint32_t settled; /* puts that table_settle has come to */
    uint32_t decided; /* puts that were answered without a write */
    uint32_t states;  /* state records among the puts: they are synced whatever the durability */
};

void group_init(struct group *g);
void group_close(struct group *g);

/* Empties the group, states that nobody merged included, and keeps its memory unless it is
 * large. */
void group_reset(struct group *g);

/* Encodes a record at the end of the group; p->slot is the slot of its key. Sets p->item.offset and
 * p->key_n. 0, ERR_BUSY (the group is full), ERR_TOO_BIG (the record is) or ERR_NO_MEMORY. On error
 * the group is as it was, and p->state is still the caller's. */
int group_add(struct group *g, struct pending *p, const struct record *r);

/* The index key of a put. For a put of the group its key lives as long as the group's bytes. */
struct index_key group_key(const struct group *g, const struct pending *p);

/* Closes a scratch buffer that has grown beyond KEEP_BYTES_MAX. */
void buf_slim(struct buf *b);

#endif
