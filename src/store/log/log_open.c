/* log_open.c: a log from its opening to its close.
 *
 * The order of an opening: the directory is locked, what is in it is replayed (replay.c), and the
 * helpers are started. Then what the replay found damaged is made durable as doubt (doubt.h). All
 * this is done before anything is served. When a step fails, log_close frees what there is: every
 * part can be closed that was never opened.
 *
 * A clean stop drains the log first. Then it ends the segments that were written to with a seal,
 * which vouches for all before it. */
#include "store/log/log_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/error.h"
#include "store/log/replay.h"

/* ---- Closing ---- */

void log_close(struct store *s)
{
    struct log *l = log_of(s);
    commit_stop(&l->committer);
    reader_stop(&l->reader);
    upkeep_stop(&l->upkeep);
    backup_stop(&l->backup);
    if (l->committer.phase == JOB_DONE)
        segment_close(l->committer.job.fresh);
    segments_close(&l->segments);
    doubt_close(&l->doubt);
    buf_close(&l->lost_states);
    table_close(&l->table);
    cache_close(&l->cache);
    group_close(&l->group[0]);
    group_close(&l->group[1]);
    buf_close(&l->record);
    buf_close(&l->value);
    dir_close(&l->dir);
    free(l);
}

int log_drain(struct store *s)
{
    struct log *l = log_of(s);
    log_settle(l);
    if (l->failed)
        return l->failed;
    CHECK(log_idle(l));
    int error = upkeep_seal(&l->upkeep);
    return error || log_active(l)->ended ? error : segment_seal(log_active(l), l->io);
}

/* ---- Opening ---- */

static int replay(struct log *l, const char *path, char *why, size_t why_n)
{
    struct replay r = {
        .seed = l->table.index.seed,
        .dir = l->dir.fd,
        .path = path,
        .io = l->io,
        .table = &l->table,
        .segments = &l->segments,
        .report = l->options.report,
        .report_arg = l->options.report_arg,
        .why = why,
        .why_n = why_n,
    };
    int error = replay_run(&r);
    CHECK(error || log_active(l)->base != SEGMENT_COPIES);
    if (!error)
        table_opened(&l->table);
    doubt_open(&l->doubt, &r.damage, &l->table);
    l->lost_states = r.lost_states;
    l->relist = r.missing > 0;
    l->torn_bytes = r.torn_bytes;
    l->replayed_bytes = r.replayed_bytes;
    l->upkeep.snapshot.last_bytes = r.snapshot_bytes;
    return error;
}

/* Makes durable what the replay has found. Where segments are missing, a list that does not name
 * them goes with the doubt: else each start would miss them anew. */
static int remember_damage(struct log *l, const char *path, char *why, size_t why_n)
{
    if (!l->doubt.changed)
        return 0;
    doubt_put(&l->doubt, &l->table, l->gather);
    if (l->relist)
        log_put_list(l);
    else
        log_commit(&l->head);
    log_settle(l);
    if (!l->doubt.changed)
        return 0;
    snprintf(why, why_n,
             "%s holds damaged records, and that cannot be noted in it: make room on the disk, or "
             "look at its state",
             path);
    return ERR_IO;
}

static int start_helpers(struct log *l, char *why, size_t why_n)
{
    l->committer.io = l->reader.io = l->io;
    l->committer.wake = l->reader.wake = l->options.wake;
    l->committer.wake_arg = l->reader.wake_arg = l->options.wake_arg;
    l->committer.dir = l->upkeep.dir = l->reserve.dir = l->dir.fd;
    l->committer.numbers = &l->segments.numbers;
    l->committer.reserve = l->upkeep.reserve = &l->reserve;
    l->committer.segment_bytes = l->upkeep.segment_bytes = (uint32_t)l->options.segment_bytes;
    l->upkeep.table = &l->table;
    l->upkeep.segments = &l->segments;
    l->upkeep.compact.doubt = &l->doubt;
    l->upkeep.compact.dead_percent = l->options.dead_percent;
    l->upkeep.compact.patience_ms = l->options.patience_ms;
    l->upkeep.snapshot.least_bytes = l->options.snapshot_bytes;
    l->upkeep.io = l->reserve.io = l->backup.io = l->io;
    l->backup.segments = &l->segments;
    l->backup.dir = l->dir.fd;
    l->backup.wake = l->options.wake;
    l->backup.wake_arg = l->options.wake_arg;
    l->upkeep.report = l->options.report;
    l->upkeep.report_arg = l->options.report_arg;
    l->reserve.bytes =
        l->options.segment_bytes < RESERVE_BYTES ? (off_t)l->options.segment_bytes : RESERVE_BYTES;
    CHECK(l->reserve.bytes > 0 && l->committer.segment_bytes <= SEGMENT_BYTES_MAX);
    reserve_take(&l->reserve); /* where it fails the disk is full, and the upkeep reports it */
    int error = commit_start(&l->committer);
    if (!error)
        error = reader_start(&l->reader);
    if (!error)
        error = upkeep_start(&l->upkeep, l->options.wake, l->options.wake_arg);
    if (error)
        snprintf(why, why_n,
                 "cannot start the threads of the store: %s; allow the node more threads or memory",
                 strerror(errno));
    return error;
}

static struct log *log_new(const struct log_options *options, const struct log_io *io)
{
    struct log *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->head.vtable = &log_vtable;
    l->head.table = &l->table;
    l->dir = (struct dir){-1, -1};
    l->io = io;
    l->options = *options;
    l->options.dir = NULL;
    if (l->options.segment_bytes == 0)
        l->options.segment_bytes = SEGMENT_BYTES_DEFAULT;
    if (l->options.segment_bytes > SEGMENT_BYTES_MAX)
        l->options.segment_bytes = SEGMENT_BYTES_MAX;
    cache_init(&l->cache);
    backup_init(&l->backup);
    segments_init(&l->segments);
    group_init(&l->group[0]);
    group_init(&l->group[1]);
    l->gather = &l->group[0];
    buf_init(&l->record, RECORD_MAX);
    buf_init(&l->value, RECORD_VALUE_MAX);
    return l;
}

int log_open_io(const struct log_options *options, const struct log_io *io, struct store **out,
                char *why, size_t why_n)
{
    uint64_t seed;
    struct log *l = log_new(options, io);
    int error = l && getrandom(&seed, sizeof seed, 0) == sizeof seed ? table_init(&l->table, seed)
                                                                     : ERR_NO_MEMORY;
    if (error)
        snprintf(why, why_n, "out of memory while opening the data directory %s", options->dir);
    if (!error)
        error = dir_open(&l->dir, options->dir, why, why_n);
    if (!error)
        error = replay(l, options->dir, why, why_n);
    if (!error)
        error = start_helpers(l, why, why_n);
    if (!error)
        log_look_at_states(l);
    if (!error)
        error = remember_damage(l, options->dir, why, why_n);
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
