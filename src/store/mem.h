/* mem.h: a store in memory with the crash semantics of a disk, for the simulator.
 *
 * The "disk" outlives the store: what store_flush submitted is in flight until mem_sync says that the device is done (the
 * simulator decides when); a crash loses what was not synced. */
#ifndef COVEY_STORE_MEM_H
#define COVEY_STORE_MEM_H

#include "store/table.h"

/* What survives a crash: an append-only list of encoded records. Zeroed or mem_disk_init is empty. */
struct mem_disk {
    struct buf synced;
};

void mem_disk_init(struct mem_disk *d);
void mem_disk_close(struct mem_disk *d);

struct mem_options {
    struct mem_disk *disk; /* borrowed; must outlive the store */
    bool lie_about_sync;   /* a fault: results come out before anything is durable */
};

/* Opens a store on what the disk holds, replaying it by version. NULL when memory is out. */
struct store *mem_open(const struct mem_options *options);

/* The device finished: everything flushed so far is durable, its results become reapable. Nothing happens when nothing was
 * flushed. */
void mem_sync(struct store *s);

/* True while something flushed waits for mem_sync. */
bool mem_syncing(const struct store *s);

/* What it holds, for those who judge a simulation. */
const struct table *mem_table(const struct store *s);

/* Power is lost: frees the store; what was not synced is gone. (store_close is the same, for a store that was synced.) */
void mem_crash(struct store *s);

#endif
