#include "store/log/upkeep.h"

#include <stdio.h>

#include "base/check.h"
#include "base/error.h"

enum { RETRY_US = 1000000 }; /* between tries to get room, or a segment that can be written */

int upkeep_start(struct upkeep *u, void (*wake)(void *arg), void *wake_arg)
{
    u->compact.table = u->table;
    u->compact.segments = u->segments;
    u->compact.keeper = &u->keeper;
    u->compact.reserve = u->reserve;
    u->compact.io = u->io;
    u->compact.dir = u->dir;
    u->compact.segment_bytes = u->segment_bytes;
    u->compact.report = u->report;
    u->compact.report_arg = u->report_arg;
    compact_init(&u->compact);
    u->snapshot.table = u->table;
    u->snapshot.segments = u->segments;
    u->snapshot.keeper = &u->keeper;
    u->snapshot.io = u->io;
    u->snapshot.dir = u->dir;
    snapshot_init(&u->snapshot);
    u->keeper.wake = wake;
    u->keeper.wake_arg = wake_arg;
    return keeper_start(&u->keeper);
}

void upkeep_stop(struct upkeep *u)
{
    if (!u->keeper.running)
        return; /* nothing was begun */
    keeper_stop(&u->keeper);
    compact_close(&u->compact);
    snapshot_close(&u->snapshot);
    segment_close(u->fresh);
}

static void say(const struct upkeep *u, const char *sentence)
{
    if (u->report)
        u->report(u->report_arg, sentence);
}

/* ---- Room, and healing ---- */

static void take_reserve(struct keeper *k, void *arg)
{
    struct upkeep *u = arg;
    keeper_pause(k, u->error || u->tired ? RETRY_US : 0);
    u->error = reserve_held(u->reserve) ? 0 : reserve_take(u->reserve);
}

static void make_segment(struct keeper *k, void *arg)
{
    struct upkeep *u = arg;
    keeper_pause(k, RETRY_US);
    u->error = segments_create(&u->segments->numbers, u->dir, u->before, u->base, u->io, &u->fresh);
}

static void ask(struct upkeep *u, enum upkeep_job job, void (*run)(struct keeper *k, void *arg))
{
    u->job = job;
    keeper_ask(&u->keeper, run, u);
}

static void finish(struct upkeep *u)
{
    if (u->full && reserve_held(u->reserve)) {
        u->full = false;
        say(u, "there is room on the disk again: values are accepted");
    }
    u->job = UPKEEP_NONE;
    u->tired = false;
}

/* ---- Segments that go ---- */

/* Moves all segments of a stage to another. */
static void advance_all(struct upkeep *u, enum segment_stage from, enum segment_stage to)
{
    struct segments *all = u->segments;
    for (uint32_t i = 0; i < all->slot_n; i++)
        if (all->slot[i] && all->slot[i]->stage == from)
            all->slot[i]->stage = to;
}

bool upkeep_wants_list(const struct upkeep *u)
{
    bool doomed = false;
    const struct segments *all = u->segments;
    for (uint32_t i = 0; all->leaving > 0 && i < all->slot_n; i++) {
        if (all->slot[i] && all->slot[i]->stage == SEGMENT_PARTING)
            return false;
        doomed = doomed || (all->slot[i] && all->slot[i]->stage == SEGMENT_DOOMED);
    }
    return doomed;
}

void upkeep_listing(struct upkeep *u)
{
    advance_all(u, SEGMENT_DOOMED, SEGMENT_PARTING);
}

void upkeep_listed(struct upkeep *u, bool durable)
{
    advance_all(u, SEGMENT_PARTING, durable ? SEGMENT_PARTED : SEGMENT_DOOMED);
}

/* ---- One at a time ---- */

static void failed(struct upkeep *u, const char *what, int *error)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s cannot go on: %s; it is tried again later", what,
             error_sentence(*error));
    say(u, sentence);
    *error = 0;
    u->tired = true;
}

static bool compact_slice(struct upkeep *u)
{
    bool more = compact_step(&u->compact);
    if (!compact_busy(&u->compact) && u->compact.error)
        failed(u, "compaction", &u->compact.error);
    return more;
}

static void snapshot_slice(struct upkeep *u)
{
    snapshot_step(&u->snapshot);
    if (!snapshot_busy(&u->snapshot) && u->snapshot.error)
        failed(u, "the snapshot of the index", &u->snapshot.error);
}

/* Begins what is most needed; the keeper has nothing to do. True when there is more to do at
 * once. */
static bool begin(struct upkeep *u)
{
    struct segment *parted = compact_parted(&u->compact);
    bool more = false;
    u->compact.urgent = u->full;
    bool roll = u->full && !u->tired && compact_wants_active(&u->compact);
    if ((u->heal || roll) && !u->fresh) {
        const struct segment *active = u->segments->active;
        /* whose end is final only when it has failed */
        u->before = u->heal ? active : NULL;
        /* else beyond any end that it may have */
        u->base = u->heal ? segment_next_base(active) : active->base + UINT32_MAX;
        ask(u, UPKEEP_HEAL, make_segment);
    } else if (parted && !u->tired) {
        u->error = 0; /* there may be room when it is gone */
        compact_unlink(&u->compact, parted);
    } else if (!u->tired && !u->full && snapshot_due(&u->snapshot)) {
        snapshot_slice(u);
    } else if (!u->tired) {
        more = compact_slice(u);
    }
    if (!u->keeper.busy && !compact_busy(&u->compact) && !snapshot_busy(&u->snapshot) &&
        (u->tired || u->full))
        ask(u, UPKEEP_RESERVE, take_reserve);
    return more;
}

int upkeep_seal(struct upkeep *u)
{
    struct segment *output = u->compact.output;
    return output && !u->keeper.busy && !output->ended ? segment_seal(output, u->io) : 0;
}

bool upkeep_resting(const struct upkeep *u)
{
    return !u->keeper.busy && !compact_busy(&u->compact) && !snapshot_busy(&u->snapshot) &&
           u->segments->leaving == 0 && !compact_due(&u->compact) && !snapshot_due(&u->snapshot);
}

bool upkeep_step(struct upkeep *u)
{
    if (u->job != UPKEEP_NONE) {
        if (!keeper_done(&u->keeper))
            return false;
        finish(u);
    }
    if (!u->full && !reserve_held(u->reserve)) {
        u->full = true;
        say(u, "the disk is full: values are refused, deletions are taken, and space is made by "
               "compaction; free some space");
    }
    bool busy = compact_busy(&u->compact) || snapshot_busy(&u->snapshot), more = false;
    if (snapshot_busy(&u->snapshot))
        snapshot_slice(u);
    else if (compact_busy(&u->compact))
        more = compact_slice(u);
    else
        more = begin(u);
    bool ended = busy && !compact_busy(&u->compact) && !snapshot_busy(&u->snapshot);
    return more || ended; /* what comes next begins in a turn of its own */
}
