/* flushed.h: up to which stamps what was flushed (FLUSHALL): one for each client space of each part
 * of the ring.
 *
 * A flush is a stamp for an area (wire/flush.h). A plain record in it, at or below the stamp, is
 * absent, also one that comes later; it reads as a deletion of that stamp, so that a quorum that
 * meets the flush at one owner and an old value at another takes the flush for the newer. Stamps
 * merge by the greater, so the order in which flushes and records come, or are replayed, does not
 * matter.
 *
 * An ordered record (struct version) is greater than that deletion, whatever its stamp, and so it
 * is not covered: a flush covers just what is less than what it leaves, or merging would depend on
 * the order after all. Where a key is ordered its owners agree on its deletion too, which is an
 * ordered record like any other. With it goes the order: a plain key again is one whose ordered
 * deletion was erased. The system's spaces are never flushed.
 *
 * What is covered is a deletion in the index too (burial.h: how it gets there), not only to
 * readers: so owners of which only some know the flush differ in their Merkle trees, and those that
 * do not know it are brought the deletions. A record that comes later and is covered leaves a
 * deletion behind for the same reason: its sender may not know the flush.
 *
 * In memory there is nothing until something is flushed, then a stamp for each space of each of n
 * parts of the ring, n being the least that tells apart what was flushed apart: 1 after any number
 * of FLUSHALLs. So it does not depend on how the ring is cut into vnodes, which a replay does not
 * know yet.
 *
 * On disk all of it is one of the node's own states, FLUSHED_NAME: runs (wire/flush.h). Each time
 * one is written it has all that was asked for before, durable yet or not (`coming`), so the last
 * one has everything; a flush whose write failed goes with the next, as after any put of unknown
 * outcome. Snapshots carry the state and compaction keeps it, like the others. */
#ifndef COVEY_STORE_FLUSHED_H
#define COVEY_STORE_FLUSHED_H

#include "wire/flush.h"
#include "wire/record.h"

#define FLUSHED_NAME SLICE("flushed")

enum { FLUSHED_NODE = 0 }; /* whose deletions those of a flush are */

struct flushed {
    uint64_t *durable; /* stamps, by space and part; NULL: nothing was flushed */
    uint64_t *coming;  /* at or above the durable ones */
    uint32_t n;        /* parts of the ring, a power of two */
    uint64_t greatest; /* of the durable ones */
    uint64_t states;   /* serial of the last state */
};

void flushed_close(struct flushed *f);

/* The stamp up to which a key was flushed; 0: it was not. One load where nothing was. */
static inline uint64_t flushed_at(const struct flushed *f, struct slice key, uint16_t slot)
{
    if (!f->durable || key_space(key) >= SPACES_CLIENTS)
        return 0;
    return f->durable[(size_t)key_space(key) * f->n + (uint32_t)slot * f->n / SLOTS];
}

/* The least durable stamp of an area. */
uint64_t flushed_least(const struct flushed *f, const struct flush_area *a);

/* A flush is submitted: appends all that is coming, that one included, as runs. 0 or an error of
 * buf_reserve. */
int flushed_announce(struct flushed *f, const struct flush_run *run, struct buf *out);

/* Makes room for what runs say. 0, ERR_CORRUPT (they are none) or ERR_NO_MEMORY. */
int flushed_reserve(struct flushed *f, struct slice runs);

/* Runs that are durable and have room are taken. Whether they raise anything. */
bool flushed_take(struct flushed *f, struct slice runs);

/* The version as which a flushed record reads; all zero where nothing was flushed. */
static inline struct version flushed_version(uint64_t stamp)
{
    return (struct version){.stamp = stamp, .deleted = stamp != 0};
}

/* Whether a record of that version, where that stamp is the flush's, is gone. */
static inline bool flushed_covers(uint64_t stamp, const struct version *v)
{
    struct version flush = flushed_version(stamp);
    return stamp != 0 && version_cmp(v, &flush) < 0;
}

#endif
