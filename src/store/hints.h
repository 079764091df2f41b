/* hints.h: where hints rest: records that an owner missed, kept for it in a log of its own until it
 * has them (design section 5, "Hinted handoff"). Submit, flush, reap, as with store.h;
 * core/hint/hint.h says what they are for.
 *
 * Two implementations: hints_log.c on disk, hints_mem.c for the simulator. Per target (the member
 * that missed them) there is one log with a head and an end. Hints are appended at the end and
 * dropped at the head, nowhere else: what is read is what stands at the head, a batch at a time.
 * Never a table used as a queue: deleting costs nothing and leaves nothing behind, and when the
 * head meets the end the files go.
 *
 * Every hint that was promised (HINTS_KEPT without an error) is synced, whatever the durability of
 * the store beside. The head is not synced: after a crash it may have gone back, and hints are
 * replayed that the target holds already, which does no harm. */
#ifndef COVEY_STORE_HINTS_H
#define COVEY_STORE_HINTS_H

#include "base/slice.h"
#include "wire/answer.h"
#include "wire/record.h"

enum {
    HINTS_BATCH = 64, /* records of one read at most, */
    /* and about as many bytes, one record at least */
    HINTS_BATCH_BYTES = 256 * 1024,
    /* bytes of a target's hints on their way to the disk; more are refused as busy */
    HINTS_GATHER_MAX = 16 * 1024 * 1024,
    /* a log that is longer costs more to replay than a comparison by trees */
    HINTS_TARGET_BYTES_DEFAULT = 256 * 1024 * 1024,
    /* of all targets: hints must not fill the disk of those who still live */
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

/* The head of every implementation. After opening, hints_reap tells of each target that something
 * is kept for. */
struct hints {
    const struct hints_vtable *vtable;
};

/* Submits a hint; the record is copied. */
static inline void hints_put(struct hints *h, uint64_t target, const struct record *r)
{
    h->vtable->put(h, target, r);
}

/* Asks for the batch at the head of the target's log. One answer a question; the next question
 * waits for it. */
static inline void hints_read(struct hints *h, uint64_t target)
{
    h->vtable->read(h, target);
}

/* The first n records of the batch read last, the last of which stands at `up_to`, are done
 * with. */
static inline void hints_drop(struct hints *h, uint64_t target, uint64_t up_to, uint32_t n)
{
    h->vtable->drop(h, target, up_to, n);
}

/* Hints stamped before that wall time may go, of every target: whole files of them do. */
static inline void hints_expire(struct hints *h, uint64_t before_ms)
{
    h->vtable->expire(h, before_ms);
}

/* The turn is over: write and sync what was submitted. Does not wait. */
static inline void hints_commit(struct hints *h)
{
    h->vtable->commit(h);
}

/* The next news, false when there are none now. */
static inline bool hints_reap(struct hints *h, struct hints_result *out)
{
    return h->vtable->reap(h, out);
}

/* Frees all; what was not flushed and synced is gone. */
static inline void hints_close(struct hints *h)
{
    h->vtable->close(h);
}

#endif
