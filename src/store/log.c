/* log.c: the store on disk, put together: the table (what is held), the segments (where), the committer and the reader (the
 * helpers).
 *
 * A put goes into the gathering group. At store_flush that group goes to the committer, if it is idle; else when it is back. In
 * interval mode the loop writes the group itself, for a write into the page cache is cheaper than a hand-over; only when the
 * group holds a state record (which must be synced) or the segment is full does the committer take it. When a group is back its
 * records become visible, all at once.
 *
 *     gathering --flush--> (waits while another is out) --> out: written, synced --> published --> reaped
 *
 * Invariants: at most one group is out. The writing end of the last segment belongs to the committer while a group is out, else
 * to the loop. Only the loop touches the table and the list of segments.
 *
 * After a failed write or sync the store refuses every put until it is opened again: what the file holds behind its last good
 * sync is unknown (a failed fsync may have dropped pages: Rebello et al. 2020), and opening finds out. Reads go on. */
#include "store/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/error.h"
#include "store/cache.h"
#include "store/commit.h"
#include "store/dir.h"
#include "store/log_io.h"
#include "store/reader.h"
#include "store/replay.h"
#include "store/segment.h"
#include "store/table.h"

struct log {
    struct store head;
    struct table table;
    struct cache cache; /* of values read */
    struct group group[2];
    struct group *gather; /* being filled */
    struct group *out;    /* with the committer; NULL: none */
    bool flushed;         /* the gathering group may go */
    int failed;           /* every put is refused with it; 0: none */
    struct segment **segment;
    uint32_t segment_n;
    struct buf record, value; /* the value last read: as stored, and uncompressed */
    struct committer committer;
    struct reader reader;
    struct dir dir;
    struct log_options options; /* dir is not kept */
    const struct log_io *io;
    uint64_t torn_bytes;
};

static struct log *log_of(struct store *s)
{
    return (struct log *)s;
}

static struct segment *active(const struct log *l)
{
    return l->segment[l->segment_n - 1];
}

/* ---- Writing ---- */

static void fail(struct log *l, int error)
{
    if (l->failed)
        return;
    l->failed = error;
    char sentence[256];
    snprintf(sentence, sizeof sentence, "the log refuses writes until the node is restarted: %s (seg-%08u.log)",
             error_sentence(error), (unsigned)active(l)->number);
    if (l->options.report)
        l->options.report(l->options.report_arg, sentence);
}

static void log_put(struct store *s, uint64_t token, const struct record *r)
{
    struct log *l = log_of(s);
    CHECK(r->kind != RECORD_STATE || !slice_eq(r->key, MARK_NAME));
    if (l->failed)
        table_refuse(&l->table, token, l->failed);
    else
        table_put(&l->table, l->gather, token, r);
}

static void write_here(struct log *l)
{
    uint32_t base;
    struct segment *s = active(l);
    int error = segment_append(s, l->io, buf_view(&l->gather->bytes), false, 0, &base);
    if (error) {
        fail(l, error);
        table_fail(&l->table, l->gather, error);
        return;
    }
    commit_dirty(&l->committer, s, s->end);
    table_publish(&l->table, l->gather, (uint16_t)(l->segment_n - 1), base);
}

/* Makes room in the list of segments for one more; false when there can be none. */
static bool segment_place(struct log *l)
{
    if (l->segment_n > UINT16_MAX)
        return false;
    struct segment **grown = realloc(l->segment, (l->segment_n + 1) * sizeof *grown);
    if (!grown)
        return false;
    l->segment = grown;
    return true;
}

static void hand_over(struct log *l)
{
    struct commit_job job = {
        .bytes = buf_view(&l->gather->bytes),
        .active = active(l),
        .ahead = l->options.durability == DURABILITY_FSYNC,
        .number_next = segment_place(l) ? active(l)->number + 1 : 0,
    };
    l->out = l->gather;
    l->gather = l->out == &l->group[0] ? &l->group[1] : &l->group[0];
    commit_submit(&l->committer, &job);
}

/* Sends the flushed group on its way, unless another is out. */
static void advance(struct log *l)
{
    if (!l->flushed || l->out)
        return;
    l->flushed = false;
    if (!table_settle(&l->table, l->gather))
        return;
    if (l->failed)
        table_fail(&l->table, l->gather, l->failed);
    else if (l->options.durability == DURABILITY_INTERVAL && l->gather->states == 0 &&
             active(l)->end + l->gather->bytes.n <= l->options.segment_bytes)
        write_here(l);
    else
        hand_over(l);
}

static void log_flush(struct store *s)
{
    struct log *l = log_of(s);
    if (!table_settle(&l->table, l->gather))
        return;
    l->flushed = true;
    advance(l);
}

static void finish(struct log *l, const struct commit_job *job)
{
    if (job->fresh)
        l->segment[l->segment_n++] = job->fresh; /* hand_over made room */
    if (job->error) {
        fail(l, job->error);
        table_fail(&l->table, l->out, job->error);
    } else {
        table_publish(&l->table, l->out, (uint16_t)(l->segment_n - 1), job->base);
    }
    l->out = NULL;
}

/* Takes back what the committer has finished. */
static void collect(struct log *l)
{
    struct commit_job job;
    int sync_error;
    bool done = commit_poll(&l->committer, &job, &sync_error);
    if (done)
        finish(l, &job);
    if (sync_error)
        fail(l, sync_error);
    if (done || sync_error)
        advance(l);
}

int log_drain(struct store *s)
{
    struct log *l = log_of(s);
    for (;;) {
        commit_wait(&l->committer);
        collect(l);
        if (!l->out && !l->flushed)
            break;
    }
    commit_wait(&l->committer);
    if (l->failed)
        return l->failed;
    int error = segment_seal(active(l), l->io);
    if (error)
        fail(l, error);
    return error;
}

/* ---- Reading ---- */

static void log_get(struct store *s, uint64_t token, struct slice key, enum get_wants wants)
{
    table_get(&log_of(s)->table, token, key, wants);
}

static void log_count(struct store *s, uint64_t token)
{
    table_count(&log_of(s)->table, token);
}

static void log_tree(struct store *s, uint64_t token, struct slice vnodes, bool leaves)
{
    table_tree(&log_of(s)->table, token, vnodes, leaves);
}

static void log_list(struct store *s, uint64_t token, uint16_t vnode, struct slice ranges)
{
    table_list(&log_of(s)->table, token, vnode, ranges);
}

/* Reads a value that is in the page cache. False when it is not (or the file system cannot tell). */
static bool read_cached(struct log *l, const struct segment *s, uint32_t at, uint32_t n, struct store_result *out)
{
    l->record.n = 0;
    if (buf_reserve(&l->record, n) != 0) {
        out->error = ERR_NO_MEMORY;
        return true;
    }
    ssize_t got = segment_read(s, l->io, l->record.p, n, at, RWF_NOWAIT);
    if (got == -EAGAIN || got == -EOPNOTSUPP)
        return false;
    int error = got < 0 ? ERR_IO : table_value(slice_of(l->record.p, (size_t)got), &l->value, out);
    if (error == ERR_INCOMPLETE)
        return false; /* only its beginning is cached */
    out->error = error;
    if (!error)
        cache_keep(&l->cache, &out->record.version, out->record.value);
    return true;
}

/* Answers questions until one is complete; what must wait for the disk goes to the reader. */
static bool next_question(struct log *l, struct store_result *out)
{
    while (!reader_full(&l->reader)) {
        struct index_item place;
        int got = table_question(&l->table, out, &place);
        if (got != 2)
            return got == 1;
        if (cache_find(&l->cache, &out->record.version, out->size, &out->record.value))
            return true;
        const struct segment *s = l->segment[place.segment];
        uint32_t n = table_record_max(&place, out->record.key.n);
        if (read_cached(l, s, place.offset, n, out))
            return true;
        out->error = reader_ask(&l->reader, out, s, place.offset, n);
        if (out->error)
            return true;
    }
    return false;
}

static bool next_read(struct log *l, struct store_result *out)
{
    struct read_job *job = reader_take(&l->reader);
    if (!job)
        return false;
    *out = job->result;
    if (!out->error)
        out->error = table_value(buf_view(&job->bytes), &l->value, out);
    if (out->error == ERR_INCOMPLETE)
        out->error = ERR_CORRUPT; /* the file is shorter than it was */
    return true;
}

static bool log_reap(struct store *s, struct store_result *out)
{
    struct log *l = log_of(s);
    collect(l);
    buf_slim(&l->record);
    buf_slim(&l->value);
    return table_answer(&l->table, out) || next_read(l, out) || next_question(l, out);
}

static bool log_state(struct store *s, struct slice name, struct slice *value, uint64_t *serial)
{
    return table_state(&log_of(s)->table, name, value, serial);
}

static uint64_t log_records(const struct store *s)
{
    return table_records(&((const struct log *)s)->table);
}

static void log_set_vnodes(struct store *s, uint16_t vnodes)
{
    struct log *l = log_of(s);
    int error = table_cut(&l->table, vnodes);
    if (error)
        fail(l, error);
}

static void log_set_cluster(struct store *s, struct cluster_id cluster)
{
    struct merkle_key key = merkle_key_of(cluster);
    forest_set_key(&log_of(s)->table.forest, &key);
}

static bool log_trees_hold(const struct store *s)
{
    const struct table *t = &((const struct log *)s)->table;
    return forest_holds(&t->forest, &t->index);
}

void log_stats(const struct store *s, struct log_stats *out)
{
    struct log *l = log_of((struct store *)(uintptr_t)s); /* counting syncs takes a lock */
    const struct index *ix = &l->table.index;
    *out = (struct log_stats){
        .records = ix->records,
        .index_bytes = ix->bytes + nodes_bytes(&ix->nodes),
        .key_bytes = ix->key_bytes,
        .segments = l->segment_n,
        .syncs = commit_syncs(&l->committer),
        .torn_bytes = l->torn_bytes,
    };
    for (uint32_t i = 0; i + 1 < l->segment_n; i++)
        out->disk_bytes += l->segment[i]->end;
    out->disk_bytes += atomic_load(&active(l)->synced); /* its end may be the committer's just now */
}

/* ---- Opening and closing ---- */

static void log_close(struct store *s)
{
    struct log *l = log_of(s);
    commit_stop(&l->committer);
    reader_stop(&l->reader);
    if (l->committer.stage == JOB_DONE && l->committer.job.fresh)
        segment_close(l->committer.job.fresh);
    for (uint32_t i = 0; i < l->segment_n; i++)
        segment_close(l->segment[i]);
    free(l->segment);
    table_close(&l->table);
    cache_close(&l->cache);
    group_close(&l->group[0]);
    group_close(&l->group[1]);
    buf_close(&l->record);
    buf_close(&l->value);
    dir_close(&l->dir);
    free(l);
}

static int replay(struct log *l, const char *path, char *why, size_t why_n)
{
    struct replay r = {
        .dir = l->dir.fd,
        .path = path,
        .io = l->io,
        .table = &l->table,
        .report = l->options.report,
        .report_arg = l->options.report_arg,
        .why = why,
        .why_n = why_n,
    };
    int error = replay_run(&r);
    l->segment = r.segment;
    l->segment_n = r.segment_n;
    l->torn_bytes = r.torn_bytes;
    return error;
}

static int start_helpers(struct log *l, char *why, size_t why_n)
{
    l->committer.io = l->reader.io = l->io;
    l->committer.wake = l->reader.wake = l->options.wake;
    l->committer.wake_arg = l->reader.wake_arg = l->options.wake_arg;
    l->committer.dir = l->dir.fd;
    l->committer.segment_bytes = (uint32_t)l->options.segment_bytes;
    int error = commit_start(&l->committer);
    if (!error)
        error = reader_start(&l->reader);
    if (error)
        snprintf(why, why_n, "cannot start the threads of the store: %s; allow the node more threads or memory", strerror(errno));
    return error;
}

static struct log *log_new(const struct log_options *options, const struct log_io *io)
{
    static const struct store_vtable vtable = {
        log_put,   log_get,     log_count,      log_tree,        log_list,       log_flush, log_reap,
        log_state, log_records, log_set_vnodes, log_set_cluster, log_trees_hold, log_close,
    };
    struct log *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->head.vtable = &vtable;
    l->dir = (struct dir){-1, -1};
    l->io = io;
    l->options = *options;
    l->options.dir = NULL;
    if (l->options.segment_bytes == 0)
        l->options.segment_bytes = SEGMENT_BYTES_DEFAULT;
    if (l->options.segment_bytes > SEGMENT_BYTES_MAX)
        l->options.segment_bytes = SEGMENT_BYTES_MAX;
    cache_init(&l->cache);
    group_init(&l->group[0]);
    group_init(&l->group[1]);
    l->gather = &l->group[0];
    buf_init(&l->record, RECORD_MAX);
    buf_init(&l->value, RECORD_VALUE_MAX);
    return l;
}

int log_open_io(const struct log_options *options, const struct log_io *io, struct store **out, char *why, size_t why_n)
{
    uint64_t seed;
    struct log *l = log_new(options, io);
    int error = l && getrandom(&seed, sizeof seed, 0) == sizeof seed ? table_init(&l->table, seed) : ERR_NO_MEMORY;
    if (error)
        snprintf(why, why_n, "out of memory while opening the data directory %s", options->dir);
    if (!error)
        error = dir_open(&l->dir, options->dir, why, why_n);
    if (!error)
        error = replay(l, options->dir, why, why_n);
    if (!error)
        error = start_helpers(l, why, why_n);
    if (!error)
        *out = &l->head;
    else if (l)
        log_close(&l->head);
    return error;
}

int log_open(const struct log_options *options, struct store **out, char *why, size_t why_n)
{
    return log_open_io(options, &log_io_os, out, why, why_n);
}
