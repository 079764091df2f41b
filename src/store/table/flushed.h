/* flushed.h: up to which stamp everything was flushed (FLUSHALL, design section 4).
 *
 * A flush is a stamp. A plain record at or below it is absent, also one that comes later; it reads as a deletion of that
 * stamp, so that a quorum that meets the flush at one owner and an old value at another takes the flush for the newer.
 * Flushes merge by the greater stamp, so the order in which they and the records come, or are replayed, does not matter.
 *
 * An ordered record (struct version) is greater than that deletion, whatever its stamp, and so it is not covered: a flush covers
 * just what is less than what it leaves, or merging would depend on the order after all. Where a key is ordered its owners
 * agree on its deletion too, which is an ordered record like any other. With it goes the order: a plain key again is one whose
 * ordered deletion was erased.
 *
 * What is covered is a deletion in the index too (burial.h: how it gets there), not only to readers: so owners of which
 * only some know the flush differ in their Merkle trees, and those that do not know it are brought the deletions. A record
 * that comes later and is covered leaves a deletion behind for the same reason: its sender may not know the flush.
 *
 * On disk a flush is one of the node's own states, FLUSHED_NAME, with the stamp as its serial: the greatest wins, snapshots
 * carry it and compaction keeps it, like the others. */
#ifndef COVEY_STORE_FLUSHED_H
#define COVEY_STORE_FLUSHED_H

#include "wire/record.h"

#define FLUSHED_NAME SLICE("flushed")

enum { FLUSHED_NODE = 0 }; /* whose deletions those of a flush are */

/* The version as which a flushed record reads; all zero where nothing was flushed. */
static inline struct version flushed_version(uint64_t flushed)
{
    return (struct version){.stamp = flushed, .deleted = flushed != 0};
}

/* Whether a record of that version is gone. */
static inline bool flushed_covers(uint64_t flushed, const struct version *v)
{
    struct version flush = flushed_version(flushed);
    return flushed != 0 && version_cmp(v, &flush) < 0;
}

#endif
