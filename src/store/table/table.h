/* table.h: what a store holds and how puts merge into it: all of a store but the device.
 *
 * Both stores are this table over their own device, so the simulator runs the code that the disk
 * relies on. The life of a put:
 *
 *     table_put ---> a group ---> table_settle ---> the device writes and syncs it ---> table_publish ---> table_answer
 *         \-- refused ------------------\-- already decided: no write -----------------------------------/
 *
 * Look-ups are made for many keys at once (table_settle, and the questions): each is a chain of
 * cache misses, and those of different keys overlap when they are asked for together (group
 * prefetching: Chen, Ailamaki, Gibbons, Mowry 2004).
 *
 * A put merges by version at the moment it is published, not when it is submitted: so the order in
 * which pending puts of one key were submitted, grouped or replayed never matters.
 *
 * A record says all of its key by itself, so to merge is to keep the greater of two (record_cmp): a
 * total order, and the order of the log does not matter. */
#ifndef COVEY_STORE_TABLE_H
#define COVEY_STORE_TABLE_H

#include "store/table/burial.h"
#include "store/table/floors.h"
#include "store/table/flushed.h"
#include "store/table/forest.h"
#include "store/table/group.h"
#include "store/index/index.h"
#include "store/queue.h"
#include "store/table/recent.h"
#include "store/table/state.h"
#include "store/store.h"
#include "store/index/tally.h"

/* A read that was submitted. */
struct question {
    uint64_t token;
    enum store_result_kind kind; /* any but STORE_PUT_DONE */
    enum get_wants wants;
    bool leaves;    /* TREE */
    uint16_t vnode; /* LIST */
    size_t key_at;  /* of the key, a TREE's vnodes or a LIST's ranges, in table.keys */
    uint64_t hash;  /* of the key, for the index */
    uint32_t key_n;
    uint16_t slot;
    int error;        /* refused: no memory for the key */
    uint64_t wall_ms; /* COUNT, ERASABLE */
    uint64_t from;    /* ERASABLE: key_hash in the first vnode */
};

/* A record's place: a slot and an offset. */
struct location {
    uint32_t offset;
    uint16_t segment;
};

/* Where a walk over the index in slices is: one that packs the arc sets it back to the arc's first
 * bucket. */
struct table_walk {
    uint32_t arc, bucket;
};

struct table {
    struct index index;
    struct flushed flushed;
    struct burial burial;
    struct table_walk walk; /* of table_forget */
    struct floors floors;
    struct state *states;
    struct tallies tallies;
    struct queue answers;   /* struct answer: of puts */
    struct queue questions; /* struct question */
    struct buf keys;        /* of the questions */
    uint32_t fetched;       /* questions at the head whose entries were asked for */
    uint64_t unsettled;     /* puts that the index does not know of yet */
    uint32_t *live;         /* the last count */
    struct recent recent;
    struct forest forest;
    struct buf answer_bytes; /* the last TREE's hashes, LIST's entries, and so on */
    struct buf answer_floors;
    struct buf answer_flushed;
};

/* 0 or ERR_NO_MEMORY. seed: of the index's hash. */
int table_init(struct table *t, uint64_t seed);

/* Cuts the ring anew. 0 or ERR_NO_MEMORY. */
int table_cut(struct table *t, uint16_t vnodes);
void table_close(struct table *t);

/* ---- Puts ---- */

/* Submits a put: adds it to the group, or, where that is not allowed, queues its answer at once:
 * ERR_REFUSED (a kind that this release cannot merge), ERR_BUSY, ERR_TOO_BIG, ERR_NO_MEMORY; or
 * what is held says that it need not, or may not, be written. */
void table_put(struct table *t, struct group *g, uint64_t token, const struct record *r,
               struct put_origin origin);

/* Looks up what was put since the last call and reserves memory for it. Puts that need no write are
 * answered: 0 or ERR_SUPERSEDED by what is visible already, or ERR_NO_MEMORY. To be called before
 * the group is written; false when nothing of it is left to write: then the group is empty
 * again. */
bool table_settle(struct table *t, struct group *g);

/* Keys held, those of puts under way included. */
static inline uint64_t table_records(const struct table *t)
{
    return t->index.records + t->unsettled;
}

/* The group is durable and begins at `base` of `segment`: its records become visible, its answers
 * ready. Empties the group. */
void table_publish(struct table *t, struct group *g, uint16_t segment, uint32_t base);

/* The group could not be written: every answer is `error`, nothing becomes visible. Empties the
 * group. */
void table_fail(struct table *t, struct group *g, int error);

/* Queues the answer of a put that was not even tried. */
void table_refuse(struct table *t, uint64_t token, int error);

/* Takes a record that was found on the device. 0, ERR_BAD_FORMAT (a kind that this release cannot
 * merge), ERR_CORRUPT or ERR_NO_MEMORY. */
int table_replay(struct table *t, const struct record_view *v, uint16_t segment, uint32_t offset);

/* All that was on the device is replayed. */
void table_opened(struct table *t);

/* A put of the store's own: no answer comes out for it. 0, ERR_BUSY, ERR_TOO_BIG or
 * ERR_NO_MEMORY. */
int table_put_own(struct group *g, const struct record *r);

/* ---- Places (table_location.c; for compaction). n is INDEX_FETCH at most. ---- */

/* What a record found at a place is to the table: dead (another is held for its key); live (it is
 * what is held); an erasure, with nothing newer held; or of a kind that says something about other
 * records, which none replaces. */
enum standing { STANDING_DEAD, STANDING_LIVE, STANDING_ERASED, STANDING_PINNED };

/* The standing of n records, INDEX_FETCH at most, and for records of the ring that are live what is
 * held. The node's own state is dead: it stands in no segment that is compacted. */
void table_standing(const struct table *t, const struct record_view *v, const struct location *at,
                    unsigned n, enum standing *out, struct index_item *held);

/* Whether a key is held at this version or a greater one. */
bool table_holds(const struct table *t, struct slice key, const struct version *version);

/* The records have been copied: those that are still live at `from` are now at `to`. */
void table_move(struct table *t, const struct record_view *v, const struct location *from,
                const struct location *to, unsigned n);

/* Whether the newest record of a state stands in a segment. */
bool table_state_stands(const struct table *t, uint16_t segment);

/* The entries whose places are lost, as `lost` says of each, are as if nothing had been put there:
 * in a slice of the arc t->walk.arc, of so many buckets at most, from t->walk.bucket on, which goes
 * on as index_visit's does. Returns how many it went through. */
uint32_t table_forget(struct table *t, uint32_t buckets,
                      bool (*lost)(void *arg, const struct location *at), void *arg);

/* ---- Reads ---- */

/* What readers see of a key, at once: its entry, or, where there is none, the flush; kind
 * RECORD_NONE for nothing. */
struct index_item table_look(const struct table *t, struct slice key);

void table_get(struct table *t, uint64_t token, struct slice key, enum get_wants wants);
void table_count(struct table *t, uint64_t token, uint64_t wall_ms);
void table_tree(struct table *t, uint64_t token, struct slice vnodes, bool leaves);
void table_list(struct table *t, uint64_t token, uint16_t vnode, struct slice ranges);
bool table_state(const struct table *t, struct slice name, struct slice *value, uint64_t *serial);
void table_erasable(struct table *t, uint64_t token, struct slice vnodes, uint64_t wall_ms,
                    uint64_t from);
void table_held(struct table *t, uint64_t token, struct slice entries);
void table_greatest(struct table *t, uint64_t token);

/* ---- Results ---- */

/* The next answer of a put; false when there is none. */
bool table_answer(struct table *t, struct store_result *out);

/* The versions of the values that the questions at the head ask for, INDEX_FETCH of them at most,
 * for whoever has something of them to bring into the processor's cache. 0 when there are few, or
 * those told last are not all answered. */
unsigned table_expect(struct table *t, struct version *v);

/* Answers the oldest question as far as memory goes: 1 when *out is complete, 0 when there is no
 * question, and 2 when the value must still be read from *place; then the caller reads it, or keeps
 * what it needs and answers later (out->record.key lives until the next question). */
int table_question(struct table *t, struct store_result *out, struct index_item *place);

/* Checks a record that was read for a key and points out->record.value at its value, which may lie
 * in scratch. 0, ERR_INCOMPLETE (bytes end before the record does), ERR_CORRUPT or
 * ERR_NO_MEMORY. */
int table_value(struct slice bytes, struct buf *scratch, struct store_result *out);

/* The most bytes that a record of this place may take on the device. */
static inline uint32_t table_record_max(const struct index_item *place, size_t key_n)
{
    return (uint32_t)(RECORD_HEADER + key_n + place->value_n);
}

#endif
