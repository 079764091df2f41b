/* store.h: where a node's records are. Calls are submitted, committed at the end of the turn, and
 * their results reaped (struct store_result). README.md of this folder says what a store promises.
 *
 * Two implementations: log.c on disk, mem.c for the simulator; each is the same table (table.h)
 * over a device of its own. A store holds one record a key: puts merge by version (record.h), in
 * whatever order they come, also when a log is replayed. A put becomes visible to reads, and its
 * result comes out of store_reap, only when it is as durable as the store was opened for. One
 * thread calls all of this; an implementation may have helper threads inside.
 *
 * A key comes with its space (base/key.h); a put whose key has none is refused.
 *
 * A put is answered by what is visible when it is submitted:
 *
 *     visible then         the store remembers (recent.h)      the answer
 *     nothing greater      -                                   0, also if it is overtaken later
 *     a greater record     that it took this put before        0
 *     a greater record     no such put                         ERR_SUPERSEDED
 *
 * A store knows no time: a record whose expiry has passed is held and read like any other.
 *
 * A record of kind RECORD_FLUSH merges with the other flushes alone: flushed.h says what it does to
 * the records of clients. Its result is ERR_SUPERSEDED when greater flushes are held all over its
 * area; `held` has the least of their stamps then.
 *
 * A record of kind RECORD_FLOOR erases (floors.h). If the entry of its key is of just that version,
 * with just that expiry, the entry goes, and the vnode's floor is raised. If another record is
 * held, that stays, and the result is ERR_SUPERSEDED; it is 0 if none is. Other puts that would
 * create a key at or below the floor are answered ERR_TOO_OLD; `held` has the floor as its stamp
 * then.
 *
 * Records of kind RECORD_STATE are the node's own: outside the ring, one per name, and the greatest
 * serial (version.stamp) wins. Their result always comes after a sync, whatever the durability. */
#ifndef COVEY_STORE_STORE_H
#define COVEY_STORE_STORE_H

#include "base/slice.h"
#include "wire/answer.h"
#include "wire/layout.h"
#include "wire/record.h"

enum durability {
    /* A put's result comes after an fdatasync. */
    DURABILITY_FSYNC = 0,
    /* A put's result comes after the write to the system; an fdatasync follows within a second. */
    DURABILITY_INTERVAL,
};

struct store;
struct table;

/* What depends on the device. All else a store answers from its table (store.c). */
struct store_vtable {
    void (*put)(struct store *s, uint64_t token, const struct record *r, struct put_origin origin);
    void (*backup)(struct store *s, uint64_t token, const struct backup_ask *ask);
    void (*commit)(struct store *s);
    bool (*reap)(struct store *s, struct store_result *out);
    void (*set_vnodes)(struct store *s, uint16_t vnodes);
    uint64_t (*position)(const struct store *s);
    int (*refuses)(const struct store *s);
    bool (*damaged)(const struct store *s, uint32_t vnode);
    void (*doubt)(struct store *s, struct slice slots);
    void (*healed)(struct store *s, struct slice slots);
    void (*close)(struct store *s);
};

/* The head of every implementation. */
struct store {
    const struct store_vtable *vtable;
    struct table *table; /* a part of the implementation */
};

/* Submits a put. The record is copied. Its STORE_PUT_DONE comes once, after a commit. A record
 * equal to the one that is held is a success, and `held` is its version. */
static inline void store_put(struct store *s, uint64_t token, const struct record *r)
{
    s->vtable->put(s, token, r, (struct put_origin){0});
}

/* The same for a record that another owner holds just now. `origin` has the ticket of the list
 * (store_list) in which the record was found missing. ERR_BUSY: records of the vnode were erased
 * since that list was made, and this may be one of them. A fresh list is needed then. */
static inline void store_bring(struct store *s, uint64_t token, const struct record *r,
                               struct put_origin origin)
{
    s->vtable->put(s, token, r, origin);
}

/* Submits a read of what is visible. The key is copied. */
void store_get(struct store *s, uint64_t token, struct slice key, enum get_wants wants);

/* Submits a count of live keys (values whose expiry has not passed at wall_ms) per vnode. */
void store_count(struct store *s, uint64_t token, uint64_t wall_ms);

/* Submits a question for Merkle trees (wire/merkle.h): the root of each of some vnodes (a run of
 * u16, little-endian, at most KEY_MAX bytes; copied), or all the leaves of each, one tree after the
 * other. A tree is built when it is first asked for, so a question for many vnodes may take long:
 * 0.2 us for each of their records. */
void store_tree(struct store *s, uint64_t token, struct slice vnodes, bool leaves);

/* Submits a listing of a vnode's records in some ranges of key hashes (wire/merkle.h; at most
 * KEY_MAX bytes; copied). A listing is bounded: its result says up to which key hash it goes. */
void store_list(struct store *s, uint64_t token, uint16_t vnode, struct slice ranges);

/* Submits a question for what may be erased. The store goes through some vnodes (a run of u16, at
 * most KEY_MAX bytes; copied), through the first of them from the key hash `from` on. It stops at
 * the first vnode that has tombstones, or values that are over, from before wall_ms, and lists up
 * to ERASABLE_MAX of these. Values that are listed lapse (table_erase.c). The store may stop early,
 * with an empty list, when it has seen many records. */
void store_erasable(struct store *s, uint64_t token, struct slice vnodes, uint64_t wall_ms,
                    uint64_t from);

/* Submits a question about the entries of such a list (copied): which are held. The answer has a
 * byte for each, enum held. */
void store_held(struct store *s, uint64_t token, struct slice entries);

/* Submits a question for the greatest stamp that was ever visible here, of a plain record or a
 * flush. Records that are gone by now count; records that are not visible when the answer is given
 * do not. */
void store_greatest(struct store *s, uint64_t token);

/* Submits a request to begin a backup (store/archive/backup.h), or a question how the last one
 * goes; the path is copied. A backup is of what is visible when its STORE_BACKUP_BEGUN is given. A
 * request that was refused leaves no trace in later answers. */
static inline void store_backup(struct store *s, uint64_t token, const struct backup_ask *ask)
{
    s->vtable->backup(s, token, ask);
}

/* The turn is over: write and sync what was submitted. Does not wait. */
static inline void store_commit(struct store *s)
{
    s->vtable->commit(s);
}

/* The next finished result; false when there is none now. To be called in each turn until it
 * returns false. Before it does, the store looks after itself: a slice of a burial, of removing
 * entries of lost records, of compaction. */
static inline bool store_reap(struct store *s, struct store_result *out)
{
    return s->vtable->reap(s, out);
}

/* A state record as it is durable. *value lives until the next call on the store. False when there
 * is none of that name. */
bool store_state(struct store *s, struct slice name, struct slice *value, uint64_t *serial);

/* How many keys are held, tombstones included and state records not. A put counts as soon as it is
 * submitted. */
uint64_t store_records(const struct store *s);

/* Into how many vnodes the cluster's ring is cut (a power of two). To be called when the first
 * layout is known; VNODES_DEFAULT until then. Cheap while nothing is held, as when a first layout
 * comes. */
static inline void store_set_vnodes(struct store *s, uint16_t vnodes)
{
    s->vtable->set_vnodes(s, vnodes);
}

/* The layout's secret, from which the key of the trees is derived. To be called when the first
 * layout is known. */
void store_set_secret(struct store *s, const struct layout_secret *secret);

/* Whether every tree equals one built from scratch. For tests and the simulator: it walks through
 * everything. */
bool store_trees_hold(const struct store *s);

/* Where the log ends: a number that grows with all that is put, and covers every put whose result
 * was given out. After an opening it is less than before only if acknowledged records are missing:
 * the files are an older copy, or the disk lost some of them. Under DURABILITY_INTERVAL it also
 * covers what is not synced yet: a kill loses nothing of that, a loss of power may. */
static inline uint64_t store_position(const struct store *s)
{
    return s->vtable->position(s);
}

/* Why the store refuses values at present: ERR_NO_SPACE (its disk is full) or ERR_IO (it fails). 0:
 * it takes them. */
static inline int store_refuses(const struct store *s)
{
    return s->vtable->refuses(s);
}

/* ---- Doubt: records that may have been lost ----
 *
 * A record that cannot be read puts its slot in doubt, or all slots where not even its key can be
 * believed. The doubt is durable: it lasts over restarts, until the node says that a slot is
 * healed. What is left of such a slot can be read; but that a key is absent means nothing.
 *
 * STORE_DAMAGED reports slots in doubt. After the opening it reports all of them, before the first
 * read is answered; later, those of a record in which a read or compaction met damage. A read of
 * that record is ERR_CORRUPT at first. When STORE_DAMAGED is given the record is absent, so that a
 * comparison with other owners brings it back. The essay of log/doubt.h says why in this order. */

/* Whether a slot of the vnode (as set_vnodes cuts the ring) is in doubt. */
static inline bool store_damaged(const struct store *s, uint32_t vnode)
{
    return s->vtable->damaged(s, vnode);
}

/* The node has found out that records of these slots may be missing here. slots: SLOTS / 8 bytes, a
 * bit each; copied. Durable with the next commit, no later than what is put after this call.
 * STORE_DAMAGED reports it after the next opening only. */
static inline void store_doubt(struct store *s, struct slice slots)
{
    s->vtable->doubt(s, slots);
}

/* All that these slots may have lost was fetched again. Durable some time after the next commit.
 * The store forgets which puts it took before (recent.h says why). So a put that comes again is
 * ERR_SUPERSEDED where a greater record is visible, and never_took is false. */
static inline void store_healed(struct store *s, struct slice slots)
{
    s->vtable->healed(s, slots);
}

/* Frees all, and syncs nothing: the caller has committed and reaped before. */
static inline void store_close(struct store *s)
{
    s->vtable->close(s);
}

#endif
