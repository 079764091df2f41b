/* flushed.h: the stamps of flushes (FLUSHALL): one for each client space of each part of the ring.
 *
 * A flush is a stamp for an area (wire/flush.h). It *covers* each plain record in the area whose
 * stamp is at or below its own, whether the record comes before the flush or after it. A covered
 * record reads as a deletion with the flush's stamp. So a quorum that meets the flush at one owner
 * and an old value at another takes the flush for the newer. Of two stamps the greater counts:
 * hence the order in which flushes and records come, or are replayed, does not matter.
 *
 * An ordered record (struct version) is greater than that deletion, whatever its stamp, and so no
 * flush covers it. A flush may cover only what is less than the deletion that it leaves, or the
 * order would matter after all. The owners of an ordered key agree on its deletion too, which is an
 * ordered record like any other. A key becomes plain again when its ordered deletion is erased. The
 * system's spaces are never flushed.
 *
 * A covered record becomes a deletion in the index too (burial.h), and not only for readers. So
 * owners of which only some know the flush differ in their Merkle trees, and anti-entropy brings
 * the deletions to those that do not know it. A covered record that comes later leaves a deletion
 * behind for the same reason: its sender may not know the flush.
 *
 * In memory there is nothing until something is flushed. Then there is a stamp for each space of
 * each of n parts of the ring. n is the least number of parts that keeps apart what was flushed
 * apart: 1 after any number of FLUSHALLs. So it does not depend on how the ring is cut into vnodes,
 * which is not known yet during a replay.
 *
 * On disk all stamps are one of the node's own states, FLUSHED_NAME, as runs (wire/flush.h). Each
 * time the state is written it has every flush that was submitted before, durable or not
 * (`coming`), so the last one has everything. A flush whose write failed goes with the next: it
 * ends like any put of unknown outcome. Snapshots carry the state and compaction keeps it, like all
 * states. */
#ifndef COVEY_STORE_FLUSHED_H
#define COVEY_STORE_FLUSHED_H

#include "wire/flush.h"
#include "wire/record.h"

#define FLUSHED_NAME SLICE("flushed")

struct flushed {
    uint64_t *durable; /* the durable stamps, by space and part; NULL: nothing was flushed */
    uint64_t *coming;  /* the submitted stamps, at or above the durable ones */
    uint32_t n;        /* parts of the ring, a power of two */
    uint64_t greatest; /* the greatest durable stamp */
    uint64_t states;   /* the serial of the last state */
};

void flushed_close(struct flushed *f);

/* The stamp up to which a key was flushed; 0: it was not. A single load where nothing was. */
static inline uint64_t flushed_at(const struct flushed *f, struct slice key, uint16_t slot)
{
    if (!f->durable || key_space(key) >= SPACES_CLIENTS)
        return 0;
    return f->durable[(size_t)key_space(key) * f->n + (uint32_t)slot * f->n / SLOTS];
}

/* The least durable stamp of an area. */
uint64_t flushed_least(const struct flushed *f, const struct flush_area *a);

/* A flush is submitted: appends all submitted stamps as runs, that flush among them. 0 or an error
 * of buf_reserve. */
int flushed_announce(struct flushed *f, const struct flush_run *run, struct buf *out);

/* Makes room for the parts that runs name. 0, ERR_CORRUPT (they are no runs) or ERR_NO_MEMORY. */
int flushed_reserve(struct flushed *f, struct slice runs);

/* Takes over runs that are durable and have room. Whether they raise any stamp. */
bool flushed_take(struct flushed *f, struct slice runs);

/* The version that a covered record reads as; all zero where nothing was flushed. Its node is 0,
 * which has a number in every index (nodes.h): so applying a flush cannot fail. */
static inline struct version flushed_version(uint64_t stamp)
{
    return (struct version){.stamp = stamp, .deleted = stamp != 0};
}

/* Whether a flush of that stamp covers a record of that version. */
static inline bool flushed_covers(uint64_t stamp, const struct version *v)
{
    struct version flush = flushed_version(stamp);
    return stamp != 0 && version_cmp(v, &flush) < 0;
}

#endif
