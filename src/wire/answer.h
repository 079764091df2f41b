/* answer.h: the results of a store and of its hints, and the request for a backup.
 *
 * A store returns them (store/store.h, store/hints.h) and events carry them into core
 * (core/event.h). Neither of the two may include the other: so they are declared here, below
 * both. */
#ifndef COVEY_WIRE_ANSWER_H
#define COVEY_WIRE_ANSWER_H

#include "base/id.h"
#include "wire/record.h"

/* A request for a backup: what of it the node knows and the store does not. */
struct backup_ask {
    bool status; /* begins no backup, only asks how the last one goes */
    /* where the backup is to be: an absolute path that does not exist, in a directory that does */
    struct slice path;
    struct cluster_id cluster;
    uint64_t member;
    uint64_t taken_ms; /* wall time */
    bool complete;     /* the node lacks no records, as far as it knows */
};

/* The backup under way, or the last that ended since the store was opened. When a backup is
 * refused, `why` is the sentence of that refusal, in the answer to that request alone. */
struct backup_info {
    bool running;
    int error; /* how the last one ended; `why` is a sentence when it is not 0 */
    struct slice path, why;
    uint64_t taken_ms; /* wall time; 0: there was none */
    uint32_t files, files_done;
    uint64_t bytes, bytes_done; /* read, and their checksums made */
};

enum store_result_kind {
    STORE_PUT_DONE,
    STORE_GET_DONE,
    STORE_COUNT_DONE,
    STORE_TREE_DONE,
    STORE_LIST_DONE,
    STORE_ERASABLE_DONE,
    STORE_HELD_DONE,
    STORE_GREATEST_DONE,
    STORE_BACKUP_BEGUN,
    STORE_BACKUP_TOLD,
    STORE_BACKUP_ENDED, /* unasked: the backup that was begun has ended, well or not */
    /* unasked: records of some slots may have been lost (store.h, "Doubt") */
    STORE_DAMAGED,
};

/* What store_reap gives; slices and counts live until the next call on the store. */
struct store_result {
    enum store_result_kind kind;
    uint64_t token;
    /* PUT: 0, ERR_SUPERSEDED, ERR_TOO_OLD, ERR_IO, ERR_NO_SPACE, ERR_BUSY. GET: 0 (absent too),
     * ERR_IO, ERR_CORRUPT. TREE, LIST: 0, ERR_LOADING (the cluster is not known yet),
     * ERR_BAD_MESSAGE (no such vnode). BACKUP_BEGUN: 0, ERR_BUSY (one is under way); ERR_REFUSED,
     * ERR_NO_MEMORY (with a sentence). Any: ERR_NO_MEMORY, ERR_TOO_BIG; PUT: ERR_REFUSED (a kind
     * that this release cannot merge). After ERR_IO or ERR_NO_SPACE the record may yet turn up at
     * the next opening */
    int error;
    /* PUT that was SUPERSEDED or TOO_OLD: the store has certainly not taken that version since it
     * was opened; false: it may have */
    bool never_took;
    struct version held; /* PUT: what is held for the key now */
    /* GET: kind RECORD_NONE when absent; value empty for GET_DIGEST */
    struct record record;
    uint32_t size;        /* GET: of the value */
    const uint32_t *live; /* COUNT: live keys per vnode */
    uint32_t vnode_n;
    /* TREE: hashes, u64 little-endian; LIST, ERASABLE: entries (wire/merkle.h); HELD: a byte for
     * each (enum held); DAMAGED: SLOTS / 8 bytes, a bit a slot */
    struct slice bytes;
    struct slice floors; /* TREE of roots: the vnodes' floors, u64 each */
    /* TREE of roots: the runs of all flushes that cover a part of the vnodes (wire/flush.h) */
    struct slice flushed;
    /* LIST: see struct put_origin; good until something is erased in the vnode, or the store is
     * closed */
    uint64_t ticket;
    /* LIST: nothing is left out up to this key hash. ERASABLE: how many vnodes are through */
    uint64_t upto;
    /* ERASABLE: deletions, and values known to be over, in the vnodes that were begun */
    uint64_t dead;
    uint64_t greatest;                /* GREATEST */
    const struct backup_info *backup; /* BACKUP_BEGUN, TOLD, ENDED */
};

/* ---- Hints ---- */

enum hints_result_kind {
    /* n hints of the target became durable; 0: something else changed in what is kept for it */
    HINTS_KEPT,
    HINTS_LOST, /* n hints are not kept, or no longer: `error` says why */
    HINTS_READ, /* the batch at the head */
};

/* What hints_reap gives; `batch` lives until the next hints_reap. */
struct hints_result {
    enum hints_result_kind kind;
    uint64_t target;
    /* LOST: ERR_TOO_BIG (a cap), ERR_BUSY, ERR_NO_SPACE, ERR_IO, ERR_NO_MEMORY, ERR_CORRUPT (damage
     * was found), or 0: they were too old. READ: 0 or ERR_IO, ERR_NO_MEMORY */
    int error;
    uint32_t n;       /* READ: records in batch, 0 when nothing is kept */
    uint64_t waiting; /* durable and not dropped, of this target */
    uint64_t bytes;   /* of its log */
    const struct located_record *batch;
};

#endif
