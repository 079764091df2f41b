/* table_inner.h: what the files of the table share, burial.c among them. table.c says what each
 * file is for. */
#ifndef COVEY_STORE_TABLE_INNER_H
#define COVEY_STORE_TABLE_INNER_H

#include "base/hash.h"
#include "store/table/table.h"

/* The answer of a put, in table.answers. */
struct answer {
    uint64_t token;
    int error;
    bool never; /* the put was certainly never taken (recent.h) */
    struct version held;
};

/* Whether this release can merge records of a kind. */
static inline bool table_mergeable(uint8_t kind)
{
    return kind == RECORD_VALUE || kind == RECORD_TOMBSTONE || kind == RECORD_FLUSH ||
           kind == RECORD_FLOOR || kind == RECORD_STATE;
}

/* What the index says of a record. */
static inline struct index_item table_item(const struct record *r, uint32_t value_n)
{
    return (struct index_item){
        .version = r->version, .expiry_ms = r->expiry_ms, .value_n = value_n, .kind = r->kind};
}

static inline uint32_t table_vnode(const struct table *t, uint16_t slot)
{
    return (uint32_t)slot * t->index.arc_n / SLOTS;
}

/* The hash of a key in its Merkle tree (forest_key_hash). */
static inline uint64_t table_key_hash(const struct table *t, const struct index_key *k)
{
    return k->key_hash ? k->key_hash : forest_key_hash(&t->forest, k->key);
}

/* ---- table_put.c ---- */

/* Queues the answer of a put; held may be NULL. */
void table_answer_put(struct table *t, uint64_t token, int error, const struct version *held);

/* The same for a put that is refused as superseded or too old: the answer says too whether it was
 * ever taken. */
void table_answer_refused(struct table *t, uint64_t token, int error, uint64_t hash,
                          const struct version *put, const struct version *held);

/* Answers a put that adds nothing to what is held. A later expiry of its value does not supersede
 * the value. */
void table_answer_idle(struct table *t, uint64_t token, uint64_t hash, const struct index_item *put,
                       const struct index_item *held);

/* ---- table_read.c ---- */

/* Queues a question with its bytes, a key or others: KEY_FULL_MAX at most, for a HELD as many as
 * one entry of a listing has at most. */
struct question *table_ask(struct table *t, enum store_result_kind kind, uint64_t token,
                           struct slice key);

/* ---- table.c ---- */

/* Whether `come` is the greater of the two. */
bool table_adds(const struct index_item *held, const struct index_item *come);

/* What is held of a key: its entry, with the flush applied that may not have come to it yet
 * (burial.h); kind RECORD_NONE for nothing. *spot is the entry's. */
struct index_item table_find(const struct table *t, const struct index_key *k,
                             struct index_spot *spot);

/* An item with the flush applied: a covered one is a deletion. */
struct index_item table_flushed(const struct table *t, const struct index_key *k,
                                const struct index_item *item);

/* Changes an entry from *held to *now: in the index, in the tree of its vnode, and in the tallies
 * of the segments. */
void table_change(struct table *t, const struct index_key *k, const struct index_spot *spot,
                  const struct index_item *held, const struct index_item *now);

/* Whether a flush covers a version of a key. */
static inline bool table_covers(const struct table *t, const struct index_key *k,
                                const struct version *v)
{
    return flushed_covers(flushed_at(&t->flushed, k->key, k->slot), v);
}

/* What readers see of a key: its entry, or the deletion that a flush leaves. *spot is the
 * entry's. */
struct index_item table_visible(const struct table *t, const struct index_key *k,
                                struct index_spot *spot);

/* Merges an item, whose record is written, into an entry. Returns the version held then. */
struct version table_merge(struct table *t, const struct index_key *k,
                           const struct index_spot *spot, const struct index_item *item);

/* Links in, and takes, the copy of a state record that is written. Returns the version held
 * then. */
struct version table_merge_state(struct table *t, struct state *fresh);

/* ---- table_erase.c ---- */

/* Answers a put at or below the coming floor that must not be written: it would bring an erased key
 * back, or adds nothing. True when it was answered. */
bool table_erase_refuses(struct table *t, uint64_t token, const struct index_key *k,
                         const struct record *r, struct put_origin origin);

/* Adds an erasure to the group, or answers it at once. 0, or an error of group_add. */
int table_erase_put(struct table *t, struct group *g, uint64_t token, const struct record *r);

/* An erasure has become durable. */
void table_erase_publish(struct table *t, const struct index_key *k, const struct pending *p,
                         uint16_t segment);

/* A state has been merged: it may be that of all floors, or have the floor of a vnode. */
void table_erase_state(struct table *t, const struct state *s);

/* Answers an ERASABLE or a HELD. */
void table_erase_answer(struct table *t, const struct question *q, struct slice asked,
                        struct store_result *out);

#endif
