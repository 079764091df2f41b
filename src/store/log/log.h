/* log.h: the store on disk: an append-only log of records with its index in memory (Bitcask's and
 * Aerospike's shape; design section 6).
 *
 * DIR/lock (flock: one process a directory), DIR/seg-00000001.log, ... A segment begins with a
 * header (magic, format version, number, a random id). segment.c describes the files, log.c how the
 * parts play together. A helper thread of its own writes and syncs groups; the loop is told through
 * `wake`. Values are read with preadv2(RWF_NOWAIT) on the loop, and on a second helper when they
 * are not in the page cache. */
#ifndef COVEY_STORE_LOG_H
#define COVEY_STORE_LOG_H

#include "store/store.h"

struct log_options {
    const char *dir; /* exists or is created */
    enum durability durability;
    size_t segment_bytes; /* 0: 64 MiB */
    /* written to the log between snapshots of the index, at least; 0: 64 MiB */
    uint64_t snapshot_bytes;
    uint32_t dead_percent; /* of a segment, before it is compacted; 0: 40; above 100: never */
    /* how long compaction leaves a segment alone that ended lately, while it may die by itself */
    uint32_t patience_ms;
    /* called on a helper thread when results may be waiting; NULL: the owner polls */
    void (*wake)(void *arg);
    void *wake_arg;
    void (*report)(
        void *arg,
        /* what an operator should know: a torn tail found at opening, a failed write; may be
         * NULL */
        const char *sentence);
    void *report_arg;
};

/* Opens or creates the directory and replays it. *out is the store. 0, or ERR_LOCKED, ERR_IO,
 * ERR_NO_SPACE, ERR_CORRUPT, ERR_BAD_FORMAT, ERR_NO_MEMORY; then `why` (size why_n) holds a
 * sentence that names the file and the remedy. */
int log_open(const struct log_options *options, struct store **out, char *why, size_t why_n);

/* The same over other system calls (store/log_io.h); io must outlive the store. For tests. */
struct log_io;
int log_open_io(const struct log_options *options, const struct log_io *io, struct store **out,
                char *why, size_t why_n);

/* Whether the opening found the newest record of a state damaged: what store_state says of it is
 * older. */
bool log_state_lost(const struct store *s, struct slice name);

/* Blocks until everything flushed is durable (at a clean stop; then reap), and ends the log with a
 * mark that vouches for all of it. 0, ERR_IO or ERR_NO_SPACE. */
int log_drain(struct store *s);

/* For INFO and tests: bytes of memory the index takes (keys included and apart), segments, bytes on
 * disk. */
struct log_stats {
    bool resting; /* neither compaction nor a snapshot is under way or due */
    uint64_t records, index_bytes, key_bytes, segments, disk_bytes, syncs, torn_bytes;
    uint64_t snapshots, snapshot_bytes; /* taken since the opening; size of the last */
    /* of the log, at the opening: its tail where there was a snapshot */
    uint64_t replayed_bytes;
    uint64_t copied_bytes, removed; /* by compaction: bytes, segments */
};
void log_stats(const struct store *s, struct log_stats *out);

#endif
