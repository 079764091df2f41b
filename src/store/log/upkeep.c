#include "store/log/upkeep.h"

#include <stdio.h>

#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"

enum { RETRY_US = 1000000 }; /* between tries to get room, or a segment that can be written */

static const uint32_t next_phase[] = {
    [UPKEEP_REST] = PHASE(UPKEEP_RESERVE) | PHASE(UPKEEP_HEAL),
    [UPKEEP_RESERVE] = PHASE(UPKEEP_REST),
    [UPKEEP_HEAL] = PHASE(UPKEEP_REST),
};

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

static void report(const struct upkeep *u, const char *sentence)
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
    CHECK(!u->fresh);
    keeper_pause(k, RETRY_US);
    u->error = segments_create(&u->segments->numbers, u->dir, u->before, u->base, u->io, &u->fresh);
}

static void ask(struct upkeep *u, enum upkeep_phase phase, void (*run)(struct keeper *k, void *arg))
{
    phase_enter(&u->phase, phase, next_phase);
    keeper_ask(&u->keeper, run, u);
}

static void finish(struct upkeep *u)
{
    if (u->full && reserve_held(u->reserve)) {
        u->full = false;
        report(u, "there is room on the disk again: values are accepted");
    }
    phase_enter(&u->phase, UPKEEP_REST, next_phase);
    u->tired = false;
}

/* ---- Segments that go ---- */

bool upkeep_wants_list(const struct upkeep *u)
{
    bool doomed = false;
    uint32_t i = 0;
    for (const struct segment *s;
         u->segments->leaving > 0 && (s = segments_next(u->segments, &i)) != NULL;) {
        if (s->phase == SEGMENT_UNLISTING)
            return false;
        doomed = doomed || s->phase == SEGMENT_DOOMED;
    }
    return doomed;
}

void upkeep_listing(struct upkeep *u)
{
    segments_advance(u->segments, SEGMENT_DOOMED, SEGMENT_UNLISTING);
}

void upkeep_listed(struct upkeep *u, bool durable)
{
    segments_advance(u->segments, SEGMENT_UNLISTING, durable ? SEGMENT_UNLISTED : SEGMENT_DOOMED);
}

/* ---- One at a time ---- */

static void failed(struct upkeep *u, const char *what, int *error)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s cannot go on: %s; it is tried again later", what,
             error_sentence(*error));
    report(u, sentence);
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

/* Makes the segment that is to follow the active one. Where the active one has failed its end is
 * final, so the header of `fresh` says it. Where it is still written to, the header says nothing,
 * and the base of `fresh` lies beyond any end that the active one may have. */
static void ask_for_segment(struct upkeep *u)
{
    const struct segment *active = u->segments->active;
    CHECK(!u->fresh);
    u->before = u->heal ? active : NULL;
    u->base = u->heal ? segment_next_base(active) : active->base + UINT32_MAX;
    ask(u, UPKEEP_HEAL, make_segment);
}

/* Begins what is most needed; the keeper has nothing to do. True when there is more to do at
 * once. */
static bool begin(struct upkeep *u)
{
    CHECK(u->phase == UPKEEP_REST && !u->keeper.busy);
    struct segment *unlisted = compact_unlisted(&u->compact);
    bool more = false;
    u->compact.urgent = u->full;
    bool roll = u->full && !u->tired && compact_wants_active(&u->compact);
    if ((u->heal || roll) && !u->fresh) {
        ask_for_segment(u);
    } else if (unlisted && !u->tired) {
        u->error = 0; /* there may be room when it is gone */
        compact_unlink(&u->compact, unlisted);
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
    CHECK(!output || (output->base == SEGMENT_COPIES && output->phase == SEGMENT_USED));
    return output && !u->keeper.busy && !output->ended ? segment_seal(output, u->io) : 0;
}

bool upkeep_resting(const struct upkeep *u)
{
    return !u->keeper.busy && !compact_busy(&u->compact) && !snapshot_busy(&u->snapshot) &&
           u->segments->leaving == 0 && !compact_due(&u->compact) && !snapshot_due(&u->snapshot);
}

bool upkeep_step(struct upkeep *u)
{
    CHECK(!compact_busy(&u->compact) || !snapshot_busy(&u->snapshot));
    if (u->phase != UPKEEP_REST) {
        if (!keeper_done(&u->keeper))
            return false;
        finish(u);
    }
    if (!u->full && !reserve_held(u->reserve)) {
        u->full = true;
        report(u, "the disk is full: values are refused, deletions are taken, and space is made by "
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
    return more || ended; /* what is next begins in a turn of its own */
}
