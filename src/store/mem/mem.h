/* mem.h: a store in memory with the crash semantics of a disk, for the simulator.
 *
 * The "disk" outlives the store: what store_commit submitted is in flight until mem_sync says that
 * the device is done (the simulator decides when); a crash loses what was not synced. */
#ifndef COVEY_STORE_MEM_H
#define COVEY_STORE_MEM_H

#include "store/log/damage.h"
#include "store/table/table.h"

/* What is wrong with a disk; zero is nothing. Whoever owns the disk changes it at any time. (Not
 * for a disk that lies.) */
struct mem_faults {
    bool sync_fails; /* puts under way end in ERR_IO */
    /* and their bytes are on the disk all the same: nothing tells, until the next replay finds
     * them */
    bool failed_stays;
    bool full; /* puts end in ERR_NO_SPACE before anything is written */
    /* syncs say that they are done; what they wrote is not there when the disk is opened next, */
    bool loses;
    /* not 0: and lands over other bytes; this seed says where */
    uint64_t misdirects;
};

/* Bytes that were said to be synced and are not on the disk: they are read from memory as long as
 * the power is on. */
struct mem_hole {
    size_t from, n;
};

enum { MEM_HOLES = 16 }; /* at a time; further writes are not lost */

/* What survives a crash: an append-only list of encoded records. Zeroed or mem_disk_init is
 * empty. */
struct mem_disk {
    struct buf synced;
    /* of these bytes, the last so many were never synced (mem_tear); the next replay cuts them
     * where they end */
    size_t torn_n;
    uint64_t excised; /* bytes of damaged records that were taken out */
    struct mem_faults faults;
    struct mem_hole hole[MEM_HOLES];
    unsigned hole_n;
    /* a hole was at the end when the disk was opened: the log ends before it now, and nothing in it
     * tells */
    bool shortened;
};

/* Empties a disk that is zeroed or closed; its faults stay. */
void mem_disk_init(struct mem_disk *d);

/* Makes *to, which is closed, hold what another disk holds. */
void mem_disk_copy(struct mem_disk *to, const struct mem_disk *from);
void mem_disk_close(struct mem_disk *d);

/* The log's position (store.h) as the disk has it. */
uint64_t mem_disk_position(const struct mem_disk *d);

/* Whether the last write is one that the disk lost: the log will end at this position when it is
 * opened. And makes it be there. */
bool mem_disk_lost_end(const struct mem_disk *d, uint64_t *position);
void mem_disk_spare_end(struct mem_disk *d);

struct mem_options {
    struct mem_disk *disk; /* borrowed; must outlive the store */
    bool lie_about_sync;   /* a fault: results come out before anything is durable */
};

/* Opens a store on what the disk holds, replaying it by version. NULL when memory is out. */
struct store *mem_open(const struct mem_options *options);

/* The device is done: all that was committed so far is durable, and its results can be reaped.
 * Nothing happens when nothing was committed. */
void mem_sync(struct store *s);

/* True while something that was committed waits for mem_sync. */
bool mem_syncing(const struct store *s);

/* What it holds, for those who judge a simulation. */
const struct table *mem_table(const struct store *s);

/* The same for one key, as the device has it: nothing is asked of the store, so nothing is found
 * out by it. *out points into the device, the key or scratch (cleared; let its max be
 * RECORD_VALUE_MAX). Of kind RECORD_NONE when absent; ERR_CORRUPT when its record cannot be
 * read. */
int mem_peek(const struct store *s, struct slice key, struct buf *scratch, struct record *out);

/* Power is about to be lost in the middle of a sync: part of what is in flight reaches the disk, as
 * the seed says; either its first bytes, up to anywhere in a record, or each of its sectors or not.
 * mem_crash must come next. */
void mem_tear(struct store *s, uint64_t seed);

/* A bit rots in one synced record of the ring, which one and where the seed says; a store may be
 * open on the disk. It is met when the record is next read, or replayed. *finding: what the store
 * will then know of it. False when there is no record. (The node's own state is spared: the real
 * store refuses to open on damage there.) */
bool mem_damage(struct mem_disk *d, uint64_t seed, struct damage_finding *finding);

/* What mem_tear does, for any run of bytes: what of the flight reaches the disk. */
void mem_tear_bytes(struct buf *disk, struct slice flight, uint64_t seed);

/* Power is lost: frees the store; what was not synced is gone. (store_close is the same, for a
 * store that was synced.) */
void mem_crash(struct store *s);

#endif
