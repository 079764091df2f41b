/* log_write.c: how a put gets to the disk: into a group, the group into the active segment, and
 * what happens when that fails.
 *
 * A put goes into the gathering group. At store_commit that group goes to the committer, as soon as
 * the committer has no other. When the group is back its records become visible, all at once:
 *
 *     gathering --commit--> waiting, while another is out --> out: written, synced
 *                                                               --> published --> reaped
 *
 * In interval mode the loop writes the group itself, for a write into the page cache is cheaper
 * than to hand the group over. The committer takes it only when it holds a state record, which must
 * be synced, or when the segment is full.
 *
 * Invariants: at most one group is out. The writing end of the active segment belongs to the
 * committer while a group is out, else to the loop.
 *
 * **Errors.** A group that cannot be written is tried once more in a fresh segment, and the old one
 * ends at its last good sync (segment.c says why). What interval mode had written behind that sync
 * is in the index and, mostly, in the page cache: so compaction takes that segment next, and writes
 * those records anew. When the fresh segment fails too, puts are refused until the upkeep could
 * make another (log_tend.c). On a full disk the reserve decides what is taken (reserve.h). Reads
 * always go on.
 *
 * **A stalled disk** must not stall the loop, which also runs the failure detector. The loop waits
 * for the disk nowhere but in a write of interval mode, into the page cache. Such a write goes to
 * the committer when a sync has been under way for long, or when the last write took long. */
#include "store/log/log_inner.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"

enum {
    /* A write into the page cache takes 10 us; one that takes this long was made to wait. */
    SLOW_WRITE_US = 5000,
    /* The kernel holds writers back for as long as it has pages to write. */
    SLOW_FOR_US = 1000000,
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

/* On a full disk only what makes room, and the node's own state, is taken. */
static bool admitted(const struct log *l, const struct record *r)
{
    return reserve_held(&l->reserve) || r->kind == RECORD_TOMBSTONE || r->kind == RECORD_FLOOR ||
           r->kind == RECORD_STATE;
}

void log_put(struct store *s, uint64_t token, const struct record *r, struct put_origin origin)
{
    struct log *l = log_of(s);
    /* states of these names are put by the log alone */
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
    CHECK(!l->out && job.bytes.n > 0);
    l->out = l->gather;
    l->gather = l->out == &l->group[0] ? &l->group[1] : &l->group[0];
    CHECK(l->gather->bytes.n == 0);
    commit_submit(&l->committer, &job);
}

/* All of the active segment is in the index now. */
static void publish_to_end(struct segment *s)
{
    CHECK(!s->ended && s->published <= s->end);
    s->published = s->end;
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
    CHECK(!l->out);
    if (segment_append(s, l->io, buf_view(&l->gather->bytes), false, 0, &base) != 0)
        return false; /* the committer meets the error again, and handles it */
    uint64_t now_us = keeper_clock_us();
    if (now_us - began_us > SLOW_WRITE_US)
        l->slow_until_us = now_us + SLOW_FOR_US;
    commit_dirty(&l->committer, s, s->end);
    table_publish(&l->table, l->gather, s->ordinal, base);
    publish_to_end(s);
    return true;
}

/* Sends the group on its way that is to be committed, unless another is out. */
static void advance(struct log *l)
{
    if (!l->committing || l->out)
        return;
    l->committing = false;
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
    l->committing = true;
    advance(l);
}

void log_retire(struct log *l, struct segment *fresh)
{
    struct segment *old = log_active(l);
    CHECK(fresh->base >= segment_next_base(old) && fresh->base != SEGMENT_COPIES);
    old->ended = true;
    old->ended_us = keeper_clock_us();
    old->ended_written = l->table.tallies.written;
    /* what is visible and could not be synced must be written again */
    old->first |= old->published > old->end;
    segments_add(&l->segments, fresh); /* hand_over, or heal, has made sure of an ordinal */
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
    CHECK(l->out);
    if (job->failed)
        report_cut(l, job->failed);
    if (job->fresh)
        log_retire(l, job->fresh);
    if (!error)
        error = tally_room(&l->table.tallies, log_active(l)->ordinal);
    if (error) {
        if (error != ERR_NO_SPACE)
            fail(l, error);
        table_fail(&l->table, l->out, error);
    } else {
        table_publish(&l->table, l->out, log_active(l)->ordinal, job->base);
        publish_to_end(log_active(l));
    }
    CHECK(l->out->bytes.n == 0);
    l->out = NULL;
    log_look_for_states(l);
    l->committing |= log_renew_states(l);
}

/* What interval mode wrote could not be synced: the segment has ended. The list is put to have a
 * fresh segment made, though nobody may put anything for a long time. */
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
    doubt_look(&l->doubt, &l->table, log_idle(l));
}

void log_settle(struct log *l)
{
    do {
        commit_wait(&l->committer);
        log_collect(l);
    } while (!log_idle(l));
    commit_wait(&l->committer);
    CHECK(!commit_owes(&l->committer) || l->options.durability == DURABILITY_INTERVAL);
}
