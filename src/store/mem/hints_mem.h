/* hints_mem.h: hints in memory with the crash semantics of a disk, for the simulator. As in mem.h,
 * the "disk" outlives the hints, what was committed is in flight until the device is done, and a
 * crash loses what was not synced. */
#ifndef COVEY_STORE_HINTS_MEM_H
#define COVEY_STORE_HINTS_MEM_H

#include "base/buf.h"
#include "store/hints.h"
#include "store/mem/mem.h"

struct hints_mem_log {
    uint64_t target;
    /* what survives a crash */
    struct buf synced; /* encoded records, back to back */
    size_t head_synced;
    uint64_t base; /* the location of synced's first byte */
    /* what lies behind was synced by a disk that lost it: the next opening cuts it off */
    size_t sound;
    /* of syncs that failed and reached the disk for all that: nothing tells until the next
     * opening */
    struct buf ghosts;
    /* what does not */
    struct buf gather, flight; /* submitted; committed, and not synced */
    uint32_t gather_n, flight_n;
    size_t head;
    uint64_t waiting;
    bool asked;
};

/* What survives a crash; all zero is empty. */
struct hints_disk {
    struct hints_mem_log *log;
    uint32_t n;
    /* of the disk, which the store beside has too; NULL: none ever */
    const struct mem_faults *faults;
};

void hints_disk_close(struct hints_disk *d);

/* Makes *to, which is closed, hold what another disk has synced. */
void hints_disk_copy(struct hints_disk *to, const struct hints_disk *from);

/* Opens hints on what the disk holds. The disk is borrowed and must outlive them. NULL when memory
 * is out. */
struct hints *hints_mem_open(struct hints_disk *disk);

/* The device is done: all that was committed so far is durable. */
void hints_mem_sync(struct hints *h);

/* True while something that was committed waits for hints_mem_sync. */
bool hints_mem_syncing(const struct hints *h);

/* Power is about to be lost in the middle of a sync, as in mem_tear. */
void hints_mem_tear(struct hints *h, uint64_t seed);

/* A bit of a hint that is kept, if any is, rots; which one and where the seed says: its log is
 * given up from there on when it is read. */
void hints_disk_rot(struct hints_disk *d, uint64_t seed);

/* Hints kept for a target as the device has them now: what is left after a crash. */
uint64_t hints_disk_waiting(const struct hints_disk *d, uint64_t target);

/* Tells of each hint that the device has behind the head that a crash would leave. */
void hints_disk_each(const struct hints_disk *d,
                     void (*tell)(void *arg, uint64_t target, const struct record *r), void *arg);

/* Tells of each hint that a crash now would lose. */
void hints_mem_unsynced(const struct hints *h,
                        void (*tell)(void *arg, uint64_t target, const struct record *r),
                        void *arg);

#endif
