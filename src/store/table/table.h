/* table.h: what a store holds and how puts merge into it: all of a store but the device.
 *
 * Both stores, log.c and mem.c, are this table over a device of their own. So the simulator runs
 * the code that the disk relies on. The life of a put:
 *
 *     table_put ----> its group ----> table_settle ----> the device writes ----> table_publish
 *         |                                |               and syncs it               |
 *      refused                        adds nothing              |                  visible
 *         |                                |                table_fail                |
 *         v                                v                    v                     v
 *     table_answer gives each put's answer, in the order in which these are known
 *
 * Look-ups are made for many keys at once, by table_settle and for the questions. Each look-up is a
 * chain of cache misses, and those of different keys overlap when they are asked for together
 * (group prefetching: Chen, Ailamaki, Gibbons, Mowry 2004).
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
    enum get_wants wants;        /* GET */
    bool leaves;                 /* TREE: all leaves are asked for, not the roots */
    uint16_t vnode;              /* LIST */
    size_t key_at;  /* where its bytes are in table.keys: the key, the vnodes, ranges or entries */
    uint32_t key_n; /* how many bytes these are */
    uint64_t hash;  /* GET: the key's hash in the index */
    uint16_t slot;  /* GET: the key's slot */
    int error;      /* the question is refused: there was no memory for its bytes */
    uint64_t wall_ms; /* COUNT, ERASABLE */
    uint64_t from;    /* ERASABLE: the first key hash that is asked for in the first vnode */
};

/* The location of a record on disk. */
struct location {
    uint32_t offset;
    uint16_t segment; /* ordinal */
};

/* Where a walk over the index in slices goes on. Whatever packs the arc sets the walk back to the
 * arc's first bucket. */
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
    struct queue answers;   /* struct answer: the answers of puts */
    struct queue questions; /* struct question */
    struct buf keys;        /* the bytes of the questions */
    uint32_t fetched;   /* questions at the head whose entries are on their way into the cache */
    uint64_t unsettled; /* puts of the ring that no table_settle has come to */
    uint32_t *live;     /* the last answer of a count */
    struct recent recent;
    struct forest forest;
    struct buf
        answer_bytes; /* the last TREE's hashes, LIST's or ERASABLE's entries, HELD's bytes */
    struct buf answer_floors;  /* the last TREE's floors */
    struct buf answer_flushed; /* the last TREE's flushes */
};

/* seed: of the index's hash. 0 or ERR_NO_MEMORY. */
int table_init(struct table *t, uint64_t seed);

/* Cuts the ring anew. 0 or ERR_NO_MEMORY. */
int table_cut(struct table *t, uint16_t vnodes);
void table_close(struct table *t);

/* ---- Puts ---- */

/* Submits a put: adds it to the group, or queues its answer at once. It is answered at once with
 * ERR_REFUSED (a kind that this release cannot merge), ERR_BUSY, ERR_TOO_BIG or ERR_NO_MEMORY; or
 * because what is held shows that it need not, or may not, be written. */
void table_put(struct table *t, struct group *g, uint64_t token, const struct record *r,
               struct put_origin origin);

/* Looks up the puts of the group that the last call has not come to, and reserves memory for them.
 * Puts that need no write are answered: 0 or ERR_SUPERSEDED, by what is visible already, or
 * ERR_NO_MEMORY. To be called before the group is written. False when no put is left to write: then
 * the group is empty again. */
bool table_settle(struct table *t, struct group *g);

/* Keys held, those of puts on their way included. */
static inline uint64_t table_records(const struct table *t)
{
    return t->index.records + t->unsettled;
}

/* The group is durable, and begins at the offset `base` of that segment: its records become
 * visible, and its puts are answered. Empties the group. */
void table_publish(struct table *t, struct group *g, uint16_t segment, uint32_t base);

/* The group could not be written: its puts are answered with `error`, and nothing becomes visible.
 * Empties the group. */
void table_fail(struct table *t, struct group *g, int error);

/* Queues the answer of a put that was not submitted to the table. */
void table_refuse(struct table *t, uint64_t token, int error);

/* Merges a record that was found on the device at an opening. 0, ERR_BAD_FORMAT (a kind that this
 * release cannot merge), ERR_CORRUPT or ERR_NO_MEMORY. */
int table_replay(struct table *t, const struct record_view *v, uint16_t segment, uint32_t offset);

/* All that was on the device has been replayed. */
void table_opened(struct table *t);

/* A put of a state by the store itself, for which no answer comes out. 0, ERR_BUSY, ERR_TOO_BIG or
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

/* Whether a key is held in this version or a greater one. */
bool table_holds(const struct table *t, struct slice key, const struct version *version);

/* The records have been copied: those that are still live at `from` are at `to` from now on. */
void table_move(struct table *t, const struct record_view *v, const struct location *from,
                const struct location *to, unsigned n);

/* Whether the newest record of any state is in that segment. */
bool table_state_stands(const struct table *t, uint16_t segment);

/* Makes the entries whose records are lost as if they had never been published; `lost` says of a
 * location whether its record is. Goes through so many buckets at most of the arc t->walk.arc, from
 * t->walk.bucket on, which moves on as index_visit's does. Returns how many it went through. */
uint32_t table_forget(struct table *t, uint32_t buckets,
                      bool (*lost)(void *arg, const struct location *at), void *arg);

/* ---- Reads ---- */

/* What readers see of a key, without a question: its entry, or the deletion that a flush leaves;
 * kind RECORD_NONE for nothing. */
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

/* The versions of the values that the next questions ask for, INDEX_FETCH of them at most: a caller
 * that has these values in memory brings them into the processor's cache. 0 when there are few
 * questions, or those of the last call are not all answered. */
unsigned table_expect(struct table *t, struct version *v);

/* Answers the oldest question from memory. 1: *out is complete. 0: there is no question. 2: the
 * value must still be read from the location in *item. The caller reads it, or keeps what it needs
 * and answers later; out->record.key lives until the next question. */
int table_question(struct table *t, struct store_result *out, struct index_item *item);

/* Checks that the bytes read are the record that out->record names, and points out->record.value at
 * its value, which may lie in scratch. 0, ERR_INCOMPLETE (the bytes end before the record does),
 * ERR_CORRUPT or ERR_NO_MEMORY. */
int table_value(struct slice bytes, struct buf *scratch, struct store_result *out);

/* The bytes that the record of an item takes on the device at most. */
static inline uint32_t table_record_max(const struct index_item *item, size_t key_n)
{
    return (uint32_t)(RECORD_HEADER + key_n + item->value_n);
}

#endif
