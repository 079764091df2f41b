/* log_write.c: how a put gets to the disk: into a group, the group into the active segment, and
 * what happens when that fails.
 *
 * A put goes into the gathering group. At store_commit that group goes to the committer, if it is
 * idle; else when it is back. In interval mode the loop writes the group itself, for a write into
 * the page cache is cheaper than a hand-over; only when the group holds a state record (which must
 * be synced) or the segment is full does the committer take it. When a group is back its records
 * become visible, all at once.
 *
 *     gathering --flush--> (waits while another is out) --> out: written, synced --> published --> reaped
 *
 * Invariants: at most one group is out. The writing end of the active segment belongs to the
 * committer while a group is out, else to the loop.
 *
 * **Errors.** A group that cannot be written is tried once more in a fresh segment, and the old one
 * ends at its last good sync (segment.c says why). What interval mode had written behind that and
 * not synced is in the index and, mostly, in the page cache: that segment is compacted first, which
 * writes it anew. When the fresh segment fails too, puts are refused until the upkeep could make
 * another (log_tend.c). A full disk is the reserve's matter (reserve.h). Reads always go on.
 *
 * **A stalled disk** must not stall the loop, which also gossips. Nothing here waits for the disk
 * except a write of interval mode, into the page cache; and such a write goes to the committer when
 * its last sync is under way for long, or when the last write took long. */
#include "store/log/log_inner.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"

enum {
    /* a write into the page cache takes 10 us; one that takes this long was made to wait */
    SLOW_WRITE_US = 5000,
    SLOW_FOR_US = 1000000, /* the kernel holds writers back for as long as it has pages to write */
};

/* Neither the active segment nor a fresh one took a group. */
static void fail(struct log *l, int error)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "the log refuses writes until the disk takes them again: %s (seg-%08u.log)",
             error_sentence(error), (unsigned)log_active(l)->number);
    if (!l->failed)
        log_report(l, sentence);
    l->failed = error;
    l->upkeep.heal = true;
}

/* On a full disk only what frees room, and the node's own state, is taken. */
static bool admitted(const struct log *l, const struct record *r)
{
    return reserve_held(&l->reserve) || r->kind == RECORD_TOMBSTONE || r->kind == RECORD_FLOOR ||
           r->kind == RECORD_STATE;
}

void log_put(struct store *s, uint64_t token, const struct record *r, struct put_origin origin)
{
    struct log *l = log_of(s);
    /* those are the log's own */
    CHECK(r->kind != RECORD_STATE || r->key.n < 4 || memcmp(r->key.p, "log.", 4) != 0);
    if (l->failed)
        table_refuse(&l->table, token, l->failed);
    else if (!admitted(l, r))
        table_refuse(&l->table, token, ERR_NO_SPACE);
    else
        table_put(&l->table, l->gather, token, r, origin);
}

static void hand_over(struct log *l)
{
    struct commit_job job = {
        .bytes = buf_view(&l->gather->bytes),
        .active = log_active(l),
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
    const struct segment *s = log_active(l);
    return l->options.durability == DURABILITY_INTERVAL && l->gather->states == 0 && !s->ended &&
           s->end + l->gather->bytes.n <= l->options.segment_bytes && !commit_stalls(&l->committer);
}

/* Writes the gathered group on the loop. False when it should go to the committer instead. */
static bool write_here(struct log *l)
{
    uint32_t base;
    struct segment *s = log_active(l);
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

void log_commit(struct store *s)
{
    struct log *l = log_of(s);
    doubt_put(&l->doubt, &l->table, l->gather);
    if (!table_settle(&l->table, l->gather))
        return;
    l->flushed = true;
    advance(l);
}

void log_retire(struct log *l, struct segment *fresh)
{
    struct segment *old = log_active(l);
    old->ended = true;
    old->ended_us = keeper_clock_us();
    old->ended_written = l->table.tallies.written;
    /* what was visible and not synced must be written again */
    old->first |= old->published > old->end;
    segments_add(&l->segments, fresh); /* hand_over, or heal, has made room */
    l->segments.active = fresh;
    log_owe_states(l);
}

static void report_cut(const struct log *l, int error)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "a write failed (%s): seg-%08u.log ends at its last good sync, offset %u, and another "
             "goes on",
             error_sentence(error), (unsigned)log_active(l)->number, (unsigned)log_active(l)->end);
    log_report(l, sentence);
}

static void finish(struct log *l, const struct commit_job *job)
{
    int error = job->error;
    if (job->failed)
        report_cut(l, job->failed);
    if (job->fresh)
        log_retire(l, job->fresh);
    if (!error)
        error = tally_room(&l->table.tallies, log_active(l)->slot);
    if (error) {
        if (error != ERR_NO_SPACE)
            fail(l, error);
        table_fail(&l->table, l->out, error);
    } else {
        table_publish(&l->table, l->out, log_active(l)->slot, job->base);
        log_active(l)->published = log_active(l)->end;
    }
    l->out = NULL;
    log_look_for_states(l);
    l->flushed |= log_renew_states(l);
}

/* A second of interval mode could not be synced: the segment has ended, and nobody may write for a
 * long time. */
static void sync_failed(struct log *l, int error)
{
    report_cut(l, error);
    if (!l->failed && l->list_serial == 0)
        log_put_list(l);
}

void log_collect(struct log *l)
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
    log_look_for_list(l);
    doubt_look(&l->doubt, &l->table, !l->out && !l->flushed);
}

void log_settle(struct log *l)
{
    do {
        commit_wait(&l->committer);
        log_collect(l);
    } while (l->out || l->flushed);
    commit_wait(&l->committer);
}
