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
 * Invariants: at most one group is out. The writing end of the active segment belongs to the committer while a group is out,
 * else to the loop. Only the loop touches the table and the slots of the segments.
 *
 * **Errors.** A group that cannot be written is tried once more in a fresh segment, and the old one ends at its last good sync
 * (segment.c says why). What interval mode had written behind that and not synced is in the index and, mostly, in the page
 * cache: that segment is compacted first, which writes it anew. When the fresh segment fails too, puts are refused until the
 * upkeep could make another. A full disk is the reserve's matter (reserve.h). Reads always go on.
 *
 * **A stalled disk** must not stall the loop, which also gossips. Nothing here waits for the disk except a write of interval
 * mode, into the page cache; and such a write goes to the committer when its last sync is under way for long, or when the last
 * write took long. */
#include "store/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/error.h"
#include "store/backup.h"
#include "store/cache.h"
#include "base/hash.h"
#include "store/commit.h"
#include "store/dir.h"
#include "store/doubt.h"
#include "store/log_io.h"
#include "store/reader.h"
#include "store/replay.h"
#include "store/segments.h"
#include "store/table.h"
#include "store/upkeep.h"

enum {
    SLOW_WRITE_US = 5000,  /* a write into the page cache takes 10 us; one that takes this long was made to wait */
    SLOW_FOR_US = 1000000, /* the kernel holds writers back for as long as it has pages to write */
};

struct log {
    struct store head;
    struct table table;
    struct cache cache; /* of values read */
    struct group group[2];
    struct group *gather; /* being filled */
    struct group *out;    /* with the committer; NULL: none */
    bool flushed;         /* the gathering group may go */
    int failed;           /* every put is refused with it until there is a fresh segment; 0: none */
    struct segments segments;
    struct reserve reserve;
    struct upkeep upkeep;
    struct backup backup;
    uint64_t slow_until_us;   /* a write of the loop took long: until then the committer writes */
    uint64_t list_serial;     /* of the list of segments that is on its way; 0: none */
    struct buf record, value; /* the value last read: as stored, and uncompressed */
    struct committer committer;
    struct reader reader;
    struct dir dir;
    struct log_options options; /* dir is not kept */
    const struct log_io *io;
    uint64_t torn_bytes, replayed_bytes;
    struct doubt doubt;
};

static struct log *log_of(struct store *s)
{
    return (struct log *)s;
}

static struct segment *active(const struct log *l)
{
    return l->segments.active;
}

static void report(const struct log *l, const char *sentence)
{
    if (l->options.report)
        l->options.report(l->options.report_arg, sentence);
}

/* ---- Writing ---- */

/* Neither the active segment nor a fresh one took a group. */
static void fail(struct log *l, int error)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence, "the log refuses writes until the disk takes them again: %s (seg-%08u.log)",
             error_sentence(error), (unsigned)active(l)->number);
    if (!l->failed)
        report(l, sentence);
    l->failed = error;
    l->upkeep.heal = true;
}

/* On a full disk only what frees room, and the node's own state, is taken. */
static bool admitted(const struct log *l, const struct record *r)
{
    return reserve_held(&l->reserve) || r->kind == RECORD_TOMBSTONE || r->kind == RECORD_FLOOR || r->kind == RECORD_STATE;
}

static void log_put(struct store *s, uint64_t token, const struct record *r, enum put_from from)
{
    struct log *l = log_of(s);
    CHECK(r->kind != RECORD_STATE || r->key.n < 4 || memcmp(r->key.p, "log.", 4) != 0); /* those are the log's own */
    if (l->failed)
        table_refuse(&l->table, token, l->failed);
    else if (!admitted(l, r))
        table_refuse(&l->table, token, ERR_NO_SPACE);
    else
        table_put(&l->table, l->gather, token, r, from);
}

static void hand_over(struct log *l)
{
    struct commit_job job = {
        .bytes = buf_view(&l->gather->bytes),
        .active = active(l),
        .ahead = l->options.durability == DURABILITY_FSYNC,
        .may_grow = segments_reserve(&l->segments),
    };
    l->out = l->gather;
    l->gather = l->out == &l->group[0] ? &l->group[1] : &l->group[0];
    commit_submit(&l->committer, &job);
}

/* Whether a write of the loop would be safe and quick, as far as one can tell. */
static bool may_write_here(const struct log *l)
{
    const struct segment *s = active(l);
    return l->options.durability == DURABILITY_INTERVAL && l->gather->states == 0 && !s->ended &&
           s->end + l->gather->bytes.n <= l->options.segment_bytes && !commit_stalls(&l->committer);
}

/* Writes the gathered group on the loop. False when it should go to the committer instead. */
static bool write_here(struct log *l)
{
    uint32_t base;
    struct segment *s = active(l);
    uint64_t began_us = keeper_clock_us();
    if (began_us < l->slow_until_us || !may_write_here(l))
        return false;
    if (segment_append(s, l->io, buf_view(&l->gather->bytes), false, 0, &base) != 0)
        return false; /* the committer knows what to do about it */
    uint64_t now_us = keeper_clock_us();
    if (now_us - began_us > SLOW_WRITE_US)
        l->slow_until_us = now_us + SLOW_FOR_US;
    commit_dirty(&l->committer, s, s->end);
    table_publish(&l->table, l->gather, s->slot, base);
    s->published = s->end;
    return true;
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
    else if (!write_here(l))
        hand_over(l);
}

static void log_flush(struct store *s)
{
    struct log *l = log_of(s);
    l->table.now_ms = s->now_ms;
    doubt_put(&l->doubt, &l->table, l->gather);
    if (!table_settle(&l->table, l->gather))
        return;
    l->flushed = true;
    advance(l);
}

/* The segment that was active is written to no more. */
static void retire(struct log *l, struct segment *fresh)
{
    struct segment *old = active(l);
    old->ended = true;
    old->ended_us = keeper_clock_us();
    old->ended_written = l->table.tallies.written;
    old->first |= old->published > old->end; /* what was visible and not synced must be written again */
    segments_add(&l->segments, fresh);       /* hand_over, or heal, has made room */
    l->segments.active = fresh;
}

static void report_cut(const struct log *l, int error)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "a write failed (%s): seg-%08u.log ends at its last good sync, offset %u, and another goes on",
             error_sentence(error), (unsigned)active(l)->number, (unsigned)active(l)->end);
    report(l, sentence);
}

static void finish(struct log *l, const struct commit_job *job)
{
    int error = job->error;
    if (job->failed)
        report_cut(l, job->failed);
    if (job->fresh)
        retire(l, job->fresh);
    if (!error)
        error = tally_room(&l->table.tallies, active(l)->slot);
    if (error) {
        if (error != ERR_NO_SPACE)
            fail(l, error);
        table_fail(&l->table, l->out, error);
    } else {
        table_publish(&l->table, l->out, active(l)->slot, job->base);
        active(l)->published = active(l)->end;
    }
    l->out = NULL;
}

/* Adds a state record of the log's own to the gathering group. Returns its serial. */
static uint64_t gather_own(struct log *l, struct slice name, struct slice value)
{
    struct slice held;
    uint64_t serial = 0;
    table_state(&l->table, name, &held, &serial);
    struct record r = {.kind = RECORD_STATE, .version = {.stamp = serial + 1}, .key = name, .value = value};
    r.version.digest = hash_bytes(value);
    table_put_own(l->gather, &r);
    return serial + 1;
}

/* The same, and flushes. */
static uint64_t put_own(struct log *l, struct slice name, struct slice value)
{
    uint64_t serial = gather_own(l, name, value);
    log_flush(&l->head);
    return serial;
}

/* Puts the list of the segments in use, so that the others may go; after a failed sync too, for then a fresh segment must be
 * made though nobody writes. The floors go with it: the last erasure that raised one may stand in a segment that goes. */
static void put_list(struct log *l)
{
    struct buf list, floors;
    buf_init(&list, RECORD_VALUE_MAX);
    buf_init(&floors, RECORD_VALUE_MAX);
    upkeep_listing(&l->upkeep);
    bool made = floors_append(&l->table.floors, &floors) == 0 && segments_list(&l->segments, &list) == 0;
    if (made && l->table.floors.greatest > 0)
        gather_own(l, FLOORS_NAME, buf_view(&floors)); /* in one group: neither is durable without the other */
    if (made)
        l->list_serial = put_own(l, LIST_NAME, buf_view(&list));
    else
        upkeep_listed(&l->upkeep, false);
    buf_close(&list);
    buf_close(&floors);
}

/* Whether the list that is on its way has arrived, or is lost. */
static void look_for_list(struct log *l)
{
    struct slice value;
    uint64_t serial = 0;
    if (l->list_serial == 0)
        return;
    bool durable = table_state(&l->table, LIST_NAME, &value, &serial) && serial >= l->list_serial;
    if (!durable && (l->out || l->flushed))
        return;
    l->list_serial = 0;
    upkeep_listed(&l->upkeep, durable);
}

/* A second of interval mode could not be synced: the segment has ended, and nobody may write for a long time. */
static void sync_failed(struct log *l, int error)
{
    report_cut(l, error);
    if (!l->failed && l->list_serial == 0)
        put_list(l);
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
        sync_failed(l, sync_error);
    if (done || sync_error)
        advance(l);
    look_for_list(l);
    doubt_look(&l->doubt, &l->table, !l->out && !l->flushed);
}

/* The upkeep has made a segment that can be written. The one in use is left for it when nothing of it is on its way. */
static void heal(struct log *l)
{
    struct segment *fresh = l->upkeep.job == UPKEEP_HEAL ? NULL : l->upkeep.fresh; /* the keeper may be at it */
    if (!fresh || l->out || commit_owes(&l->committer) || !segments_reserve(&l->segments) ||
        tally_room(&l->table.tallies, (uint16_t)l->segments.slot_n) != 0)
        return;
    l->upkeep.fresh = NULL;
    l->upkeep.heal = false;
    retire(l, fresh);
    if (l->failed)
        report(l, "the disk takes writes again");
    l->failed = 0;
}

/* A slice of what is to be done beside reads and writes; the owner is woken when there is more. */
static void keep_up(struct log *l)
{
    backup_step(&l->backup);
    bool more = l->table.burial.under_way; /* also when this is the end of it: counts waited for that */
    burial_step(&l->table, BURIAL_SLICE);
    more |= upkeep_step(&l->upkeep);
    heal(l);
    if (l->doubt.changed && !l->failed)
        log_flush(&l->head); /* of what is in doubt */
    if (!l->failed && l->list_serial == 0 && upkeep_wants_list(&l->upkeep))
        put_list(l);
    if (more && l->options.wake)
        l->options.wake(l->options.wake_arg);
}

/* Blocks until no group is out or waiting. */
static void settle(struct log *l)
{
    do {
        commit_wait(&l->committer);
        collect(l);
    } while (l->out || l->flushed);
    commit_wait(&l->committer);
}

int log_drain(struct store *s)
{
    struct log *l = log_of(s);
    settle(l);
    if (l->failed)
        return l->failed;
    int error = upkeep_seal(&l->upkeep);
    return error || active(l)->ended ? error : segment_seal(active(l), l->io);
}

/* ---- Reading ---- */

static void log_get(struct store *s, uint64_t token, struct slice key, enum get_wants wants)
{
    table_get(&log_of(s)->table, token, key, wants);
}

static void log_count(struct store *s, uint64_t token, uint64_t wall_ms)
{
    table_count(&log_of(s)->table, token, wall_ms);
}

static void log_tree(struct store *s, uint64_t token, struct slice vnodes, bool leaves)
{
    table_tree(&log_of(s)->table, token, vnodes, leaves);
}

static void log_list(struct store *s, uint64_t token, uint16_t vnode, struct slice ranges)
{
    table_list(&log_of(s)->table, token, vnode, ranges);
}

/* A record could not be read: its slot is in doubt, and its segment is gone through for more, and carried out. */
static void note_damage(struct log *l, const struct store_result *out, struct segment *s, uint32_t at)
{
    struct lost lost = {.slot = slot_of_key(out->record.key), .segment = s->slot, .from = at, .to = at + 1};
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "a record of slot %u cannot be read at offset %u of seg-%08u.log (%s): it is fetched again from the other owners",
             lost.slot, (unsigned)at, (unsigned)s->number, error_sentence(out->error));
    report(l, sentence);
    if (doubt_found(&l->doubt, &lost))
        compact_first(&l->upkeep.compact, s);
}

static bool unreadable(int error)
{
    return error == ERR_CORRUPT || error == ERR_IO;
}

static void log_erasable(struct store *s, uint64_t token, struct slice vnodes, uint64_t wall_ms, uint64_t from)
{
    table_erasable(&log_of(s)->table, token, vnodes, wall_ms, from);
}

static void log_held(struct store *s, uint64_t token, struct slice entries)
{
    table_held(&log_of(s)->table, token, entries);
}

/* Reads a value that is in the page cache. False when it is not (or the file system cannot tell). */
static bool read_cached(struct log *l, struct segment *s, uint32_t at, uint32_t n, struct store_result *out)
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
    if (unreadable(error))
        note_damage(l, out, s, at);
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
        struct segment *s = l->segments.slot[place.segment];
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
    if (unreadable(out->error))
        note_damage(l, out, job->segment, job->at);
    return true;
}

static bool log_reap(struct store *s, struct store_result *out)
{
    struct log *l = log_of(s);
    collect(l);
    buf_slim(&l->record);
    buf_slim(&l->value);
    if (table_answer(&l->table, out) || doubt_result(&l->doubt, out) || next_read(l, out) || next_question(l, out))
        return true;
    keep_up(l);
    return table_answer(&l->table, out); /* of a group that the list went with */
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
        report(l, "out of memory while cutting the index anew: counts are by the old number of vnodes");
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

/* ---- Backups ---- */

int log_backup(struct store *s, const struct log_backup *o)
{
    struct log *l = log_of(s);
    struct manifest about = {
        .cluster = o->cluster,
        .member = o->member,
        .taken_ms = o->taken_ms,
        .whole = o->whole && !damage_any(&l->doubt.all),
        .keys = l->table.index.records,
    };
    return backup_begin(&l->backup, &about, o->path);
}

void log_backup_state(const struct store *s, struct log_backup_state *out)
{
    const struct backup *b = &((const struct log *)s)->backup;
    *out = (struct log_backup_state){
        .running = b->running,
        .files = b->about.file_n,
        .files_done = b->files_done,
        .bytes = b->bytes,
        .bytes_done = b->bytes_done,
        .taken_ms = b->about.taken_ms,
        .error = b->running ? 0 : b->error,
        .path = b->path,
        .why = b->running ? "" : b->why,
    };
}

void log_stats(const struct store *s, struct log_stats *out)
{
    struct log *l = log_of((struct store *)(uintptr_t)s); /* counting syncs takes a lock */
    const struct index *ix = &l->table.index;
    *out = (struct log_stats){
        .resting = upkeep_resting(&l->upkeep),
        .records = ix->records,
        .index_bytes = ix->bytes + nodes_bytes(&ix->nodes),
        .key_bytes = ix->key_bytes,
        .segments = l->segments.n,
        .syncs = commit_syncs(&l->committer),
        .torn_bytes = l->torn_bytes,
        .copied_bytes = l->upkeep.compact.copied_bytes,
        .removed = l->upkeep.compact.removed,
        .snapshots = l->upkeep.snapshot.taken,
        .snapshot_bytes = l->upkeep.snapshot.last_bytes,
        .replayed_bytes = l->replayed_bytes,
    };
    for (uint32_t i = 0; i < l->segments.slot_n; i++) {
        struct segment *one = l->segments.slot[i];
        if (one) /* the end of one that is written to may be a helper's just now */
            out->disk_bytes += one->ended ? one->end : atomic_load(&one->synced);
    }
}

/* ---- Opening and closing ---- */

static void log_close(struct store *s)
{
    struct log *l = log_of(s);
    commit_stop(&l->committer);
    reader_stop(&l->reader);
    upkeep_stop(&l->upkeep);
    backup_stop(&l->backup);
    if (l->committer.stage == JOB_DONE)
        segment_close(l->committer.job.fresh);
    segments_close(&l->segments);
    doubt_close(&l->doubt);
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
        .seed = l->table.index.seed,
        .set_aside = l->options.set_aside,
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
    if (!error)
        table_opened(&l->table);
    doubt_open(&l->doubt, &r.damage, &l->table);
    l->torn_bytes = r.torn_bytes;
    l->replayed_bytes = r.replayed_bytes;
    l->upkeep.snapshot.last_bytes = r.snapshot_bytes;
    return error;
}

/* ---- Doubt ---- */

/* Makes what replay has found durable before anything is served. */
static int remember_damage(struct log *l, const char *path, char *why, size_t why_n)
{
    if (!l->doubt.changed)
        return 0;
    log_flush(&l->head);
    settle(l);
    if (!l->doubt.changed)
        return 0;
    snprintf(why, why_n, "%s holds damaged records, and that cannot be noted in it: make room on the disk, or look at its state",
             path);
    return ERR_IO;
}

static uint64_t log_position(const struct store *s)
{
    const struct segment *a = active((const struct log *)s);
    return a->base + a->published;
}

static bool log_damaged(const struct store *s, uint32_t vnode)
{
    const struct log *l = (const struct log *)s;
    return damage_in(&l->doubt.all, vnode, l->table.index.arc_n);
}

static void log_doubt(struct store *s, struct slice slots)
{
    struct log *l = log_of(s);
    doubt_raise(&l->doubt, slots);
    doubt_put(&l->doubt, &l->table, l->gather);
}

static void log_healed(struct store *s, struct slice slots)
{
    doubt_clear(&log_of(s)->doubt, slots);
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
    l->reserve.bytes = l->options.segment_bytes < RESERVE_BYTES ? (off_t)l->options.segment_bytes : RESERVE_BYTES;
    reserve_take(&l->reserve); /* where it fails the disk is full, and the upkeep says so */
    int error = commit_start(&l->committer);
    if (!error)
        error = reader_start(&l->reader);
    if (!error)
        error = upkeep_start(&l->upkeep, l->options.wake, l->options.wake_arg);
    if (error)
        snprintf(why, why_n, "cannot start the threads of the store: %s; allow the node more threads or memory", strerror(errno));
    return error;
}

static struct log *log_new(const struct log_options *options, const struct log_io *io)
{
    static const struct store_vtable vtable = {
        .put = log_put,
        .get = log_get,
        .count = log_count,
        .tree = log_tree,
        .list = log_list,
        .erasable = log_erasable,
        .held = log_held,
        .flush = log_flush,
        .reap = log_reap,
        .state = log_state,
        .records = log_records,
        .set_vnodes = log_set_vnodes,
        .set_cluster = log_set_cluster,
        .trees_hold = log_trees_hold,
        .position = log_position,
        .damaged = log_damaged,
        .doubt = log_doubt,
        .healed = log_healed,
        .close = log_close,
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
    backup_init(&l->backup);
    segments_init(&l->segments);
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
