/* log.h: the store on disk: an append-only log of records with its index in memory. This is the
 * shape of Bitcask (Sheehy and Smith 2010, "Bitcask: a log-structured hash table for fast key/value
 * data") and of Aerospike (Srinivasan et al. 2016, "Aerospike: architecture of a real-time
 * operational DBMS").
 *
 * src/store/README.md describes the design and the data directory, segment.c the files of the log,
 * log.c how the parts work together. A helper thread writes and syncs groups, and wakes the loop
 * through `wake`. Values are read with preadv2(RWF_NOWAIT) on the loop, and on a second helper when
 * they are not in the page cache. */
#ifndef COVEY_STORE_LOG_H
#define COVEY_STORE_LOG_H

#include "store/store.h"

struct log_options {
    const char *dir; /* exists or is created */
    enum durability durability;
    size_t segment_bytes; /* 0: 64 MiB */
    /* bytes written to the log between snapshots of the index, at least; 0: 64 MiB */
    uint64_t snapshot_bytes;
    uint32_t dead_percent; /* a segment is compacted when so much is dead; 0: 40; over 100: never */
    /* How long compaction leaves a segment alone that ended lately: its records may all be
     * overwritten meanwhile. */
    uint32_t patience_ms;
    /* called on a helper thread when results may be waiting; NULL: the owner polls */
    void (*wake)(void *arg);
    void *wake_arg;
    /* called with what an operator should know, a torn tail or a failed write; may be NULL */
    void (*report)(void *arg, const char *sentence);
    void *report_arg;
};

/* Opens or creates the directory and replays it. *out is the store. 0, or ERR_LOCKED, ERR_IO,
 * ERR_NO_SPACE, ERR_CORRUPT, ERR_BAD_FORMAT, ERR_REFUSED, ERR_NO_MEMORY; then `why` (size why_n)
 * holds a sentence that names the file and the remedy. */
int log_open(const struct log_options *options, struct store **out, char *why, size_t why_n);

/* The same over other system calls (store/log_io.h); io must outlive the store. For tests. */
struct log_io;
int log_open_io(const struct log_options *options, const struct log_io *io, struct store **out,
                char *why, size_t why_n);

/* Whether the opening found the newest record of a state damaged: then store_state gives an older
 * one. */
bool log_state_lost(const struct store *s, struct slice name);

/* For a clean stop: blocks until every group that was committed is durable, and ends the log with a
 * mark that vouches for all of it. Reap after it. 0, ERR_IO or ERR_NO_SPACE. */
int log_drain(struct store *s);

/* For INFO and tests. */
struct log_stats {
    bool resting; /* neither compaction nor a snapshot is under way or due */
    uint64_t records;
    uint64_t index_bytes; /* of memory, keys included */
    uint64_t key_bytes;   /* of memory, for keys alone */
    uint64_t segments;
    uint64_t disk_bytes; /* of all segments */
    uint64_t syncs;
    uint64_t torn_bytes;     /* cut off at the opening */
    uint64_t replayed_bytes; /* read at the opening: all of the log, or the tail of a snapshot */
    uint64_t snapshots;      /* taken since the opening */
    uint64_t snapshot_bytes; /* size of the last one */
    uint64_t copied_bytes;   /* by compaction */
    uint64_t removed;        /* segments, by compaction */
};
void log_stats(const struct store *s, struct log_stats *out);

#endif
