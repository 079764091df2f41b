/* hints.h: where hints are kept: records that an owner missed, in a log of their own until the
 * owner has them (hinted handoff: Dynamo, DeCandia et al. 2007, section 4.6). Submit, commit, reap,
 * as with store.h. core/hint/hint.h says what hints are for.
 *
 * Two implementations: hints_log.c on disk, hints_mem.c for the simulator. Each target, which is a
 * member that missed records, has one log with a head and an end. Hints are appended at the end and
 * dropped at the head, and nowhere else. A read gives the hints at the head, a batch at a time. A
 * log is not a table that is used as a queue: to drop costs nothing and leaves nothing behind, and
 * when the head meets the end the files are removed.
 *
 * Every hint that is kept (HINTS_KEPT) is synced, whatever the durability of the store. The head is
 * not synced. After a crash it may have gone back: then hints are replayed that the target holds
 * already, which does no harm. */
#ifndef COVEY_STORE_HINTS_H
#define COVEY_STORE_HINTS_H

#include "base/slice.h"
#include "wire/answer.h"
#include "wire/record.h"

enum {
    HINTS_BATCH = 64, /* records of one read at most */
    /* bytes of the values of one read at most, unless its first record has more */
    HINTS_BATCH_BYTES = 256 * 1024,
    /* bytes of a target's hints that wait for an append; more are refused as busy */
    HINTS_GATHER_MAX = 16 * 1024 * 1024,
    /* bytes of a target's log: a longer one costs more to replay than a comparison by trees */
    HINTS_TARGET_BYTES_DEFAULT = 256 * 1024 * 1024,
    /* bytes of all logs: hints must not fill the disk of a member that lives */
    HINTS_BYTES_DEFAULT = 1024 * 1024 * 1024,
};

struct hints;

struct hints_vtable {
    void (*put)(struct hints *h, uint64_t target, const struct record *r);
    void (*read)(struct hints *h, uint64_t target);
    void (*drop)(struct hints *h, uint64_t target, uint64_t up_to, uint32_t n);
    void (*expire)(struct hints *h, uint64_t before_ms);
    void (*commit)(struct hints *h);
    bool (*reap)(struct hints *h, struct hints_result *out);
    void (*close)(struct hints *h);
};

/* The head of every implementation. After opening, hints_reap gives a HINTS_KEPT for each target
 * that hints are kept for. */
struct hints {
    const struct hints_vtable *vtable;
};

/* Submits a hint; the record is copied. */
static inline void hints_put(struct hints *h, uint64_t target, const struct record *r)
{
    h->vtable->put(h, target, r);
}

/* Asks for the batch at the head of the target's log. There is one answer to each question; ask
 * again only after it. */
static inline void hints_read(struct hints *h, uint64_t target)
{
    h->vtable->read(h, target);
}

/* Drops the first n records of the batch that was read last; `up_to` is the location of the last of
 * them. */
static inline void hints_drop(struct hints *h, uint64_t target, uint64_t up_to, uint32_t n)
{
    h->vtable->drop(h, target, up_to, n);
}

/* Lets hints of all targets go that are stamped before that wall time: whole files of them do. */
static inline void hints_expire(struct hints *h, uint64_t before_ms)
{
    h->vtable->expire(h, before_ms);
}

/* The turn is over: write and sync what was submitted. Does not wait. */
static inline void hints_commit(struct hints *h)
{
    h->vtable->commit(h);
}

/* The next result; false when there is none now. */
static inline bool hints_reap(struct hints *h, struct hints_result *out)
{
    return h->vtable->reap(h, out);
}

/* Frees all. What is not synced is lost. */
static inline void hints_close(struct hints *h)
{
    h->vtable->close(h);
}

#endif
