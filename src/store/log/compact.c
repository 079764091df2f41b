/* Compaction: what still counts leaves a segment, then the segment goes.
 *
 * Problem: every overwrite leaves a dead record behind. Space must stay within twice the live bytes
 * without the loop waiting for a disk, without a second copy of the data, and with a crash possible
 * after every single step.
 *
 * The victim (compact_choose.c) goes through in chunks:
 *
 *     REST --> READ (keeper) --> JUDGE (loop) --> COPY (keeper: append to the output, sync) --> MOVE (loop) --> READ ...
 *       ^                                                                                          |
 *       '--- UNLINK (keeper) <-- the list without it is durable <-- doomed <-- end of the victim --'
 *
 * Judging asks the index whether an entry names exactly this place; moving lets the entry name the
 * copy, if it still names the original: an overwrite in between wins (both in compact_judge.c,
 * which says what counts). What the keeper does stands in compact_jobs.c. This file is the machine
 * that leads from one to the next.
 *
 * **Crashes.** A copy is synced before any entry names it, the original stays until all of the
 * victim's are, so at every moment each record that counts is durable in a segment that is there. A
 * crash leaves at worst a record twice, and merging by version makes that one. The list of segments
 * (a state record) without the victim is durable before the file goes: so a start can tell a
 * segment that went from one that was lost.
 *
 * **Damage.** A segment in which opening, or a read, found damage is a victim at once. The
 * stretches that cannot be read are passed over and put their slots in doubt (doubt.h); the segment
 * goes only when no entry names them any more. It is renamed in the end and not unlinked, for the
 * operator to look at. The node's own state is never in a victim (log_states.c): one that cannot be
 * read there has been written anew from memory. */
#include "store/log/compact_inner.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

void compact_init(struct compact *c)
{
    buf_init(&c->chunk, RECORD_MAX);
    buf_init(&c->copy, RECORD_MAX);
}

void compact_close(struct compact *c)
{
    if (c->fresh)
        segment_close(c->fresh);
    buf_close(&c->chunk);
    buf_close(&c->copy);
    free(c->item);
}

/* ---- From one stage to the next ---- */

static void ask(struct compact *c, enum compact_stage stage,
                void (*run)(struct keeper *k, void *arg))
{
    c->stage = stage;
    keeper_ask(c->keeper, run, c);
}

/* The victim stays as it is; what was copied and moved is a good record in the output. */
static void give_up(struct compact *c)
{
    if (c->stage == COMPACT_COPY && c->output && c->error != ERR_NO_SPACE) {
        segment_cut(c->output);
        c->output = NULL;
    }
    c->victim = NULL;
    c->stage = COMPACT_REST;
}

/* What could not be read in the victim's chunk. False when memory is out. */
static bool note_damage(struct compact *c)
{
    char sentence[256];
    struct segment *s = c->victim;
    for (uint32_t i = 0; i < c->bad_n; i++) {
        const struct lost *l = &c->bad[i];
        if (s->doubted)
            continue; /* see name_the_rest */
        s->first = s->aside = true;
        snprintf(sentence, sizeof sentence, "damage at offset %u of seg-%08u.log, %u bytes: %s",
                 (unsigned)l->from, (unsigned)s->number, (unsigned)(l->to - l->from),
                 l->none ? "a state of this node that has been written anew since"
                         : "what it held is fetched again from the other owners");
        if (c->report)
            c->report(c->report_arg, sentence);
        if (!l->none && !doubt_found(c->doubt, l))
            return false;
    }
    return true;
}

/* Opening put in doubt what was damaged here, unless an entry came to name it from elsewhere: then
 * it still does, when all that can be read has left. False when memory is out. */
static bool name_the_rest(struct compact *c)
{
    struct segment *s = c->victim;
    struct lost rest = {
        .any = true, .segment = s->slot, .from = SEGMENT_HEADER, .to = s->published};
    if (!s->doubted || c->table->tallies.of[s->slot].live == 0 || doubt_names(c->doubt, s->slot))
        return true;
    s->doubted = false;
    return doubt_found(c->doubt, &rest);
}

static void next_chunk(struct compact *c)
{
    c->at = c->chunk_end;
    if (c->at < c->victim->published) {
        ask(c, COMPACT_READ, compact_read_chunk);
        return;
    }
    if (!name_the_rest(c)) {
        give_up(c);
        return;
    }
    if (doubt_names(c->doubt, c->victim->slot)) {
        c->stage = COMPACT_FORGET;
        return;
    }
    segments_doom(c->segments, c->victim);
    c->victim = NULL;
    c->stage = COMPACT_REST;
    buf_slim(&c->chunk);
    buf_slim(&c->copy);
}

static bool anything_to_copy(const struct compact *c)
{
    for (uint32_t i = 0; i < c->item_n; i++)
        if (c->item[i].standing != STANDING_DEAD)
            return true;
    return false;
}

static void judged(struct compact *c)
{
    if (!anything_to_copy(c))
        next_chunk(c);
    else if (segments_reserve(c->segments))
        ask(c, COMPACT_COPY, compact_copy_chunk);
    else
        give_up(c);
}

/* Takes a fresh output in. False when memory is out; it stays fresh then. */
static bool adopt_fresh(struct compact *c)
{
    if (!c->fresh)
        return true;
    segments_add(c->segments, c->fresh);
    if (c->output)
        c->output->ended = true;
    c->output = c->fresh;
    c->fresh = NULL;
    return tally_room(&c->table->tallies, c->output->slot) == 0;
}

static void copied(struct compact *c)
{
    if (!adopt_fresh(c) || c->error) {
        give_up(c);
        return;
    }
    c->copied_bytes += c->copy.n;
    c->next = 0;
    c->stage = COMPACT_MOVE;
}

static void moved(struct compact *c)
{
    c->output->published = c->output->end;
    next_chunk(c);
}

static void unlinked(struct compact *c)
{
    struct segment *s = c->gone;
    c->gone = NULL;
    c->stage = COMPACT_REST;
    if (c->error)
        return; /* it stays, and is tried again */
    segments_remove(c->segments, s);
    c->removed++;
    c->table->tallies.of[s->slot] = (struct tally){0};
    segment_close(s);
}

/* What the keeper has finished. */
static void collect(struct compact *c)
{
    if (c->stage == COMPACT_READ && (c->error || !note_damage(c)))
        give_up(c);
    else if (c->stage == COMPACT_READ)
        c->stage = COMPACT_JUDGE;
    else if (c->stage == COMPACT_COPY)
        copied(c);
    else
        unlinked(c);
}

/* Begins with a victim. True when that was the end of it too. */
static bool begin(struct compact *c)
{
    struct segment *s = compact_victim(c);
    if (!s)
        return false;
    c->victim = s;
    c->at = SEGMENT_HEADER;
    c->chunk_end = c->at;
    c->worked_us = 0;
    bool unread = compact_lifeless(&c->table->tallies.of[s->slot], s);
    if (unread)
        c->chunk_end = s->published;
    next_chunk(c);
    return unread;
}

bool compact_step(struct compact *c)
{
    if (c->keeper->busy && !keeper_done(c->keeper))
        return false;
    if (c->stage == COMPACT_READ || c->stage == COMPACT_COPY || c->stage == COMPACT_UNLINK)
        collect(c);
    else if (c->stage == COMPACT_FORGET)
        next_chunk(c);
    bool over = c->stage == COMPACT_REST && !c->error && begin(c);
    if (c->stage == COMPACT_JUDGE) {
        compact_judge_slice(c);
        if (c->next == c->item_n)
            judged(c);
    } else if (c->stage == COMPACT_MOVE) {
        compact_move_slice(c);
        if (c->next == c->item_n)
            moved(c);
    }
    return over || c->stage == COMPACT_JUDGE || c->stage == COMPACT_MOVE;
}

/* ---- The end of a segment ---- */

struct segment *compact_parted(const struct compact *c)
{
    for (uint32_t i = 0; c->segments->leaving > 0 && i < c->segments->slot_n; i++) {
        struct segment *s = c->segments->slot[i];
        if (s && s->stage == SEGMENT_PARTED && s->reads == 0)
            return s;
    }
    return NULL;
}

void compact_unlink(struct compact *c, struct segment *s)
{
    CHECK(c->stage == COMPACT_REST && s->stage == SEGMENT_PARTED && s->reads == 0);
    c->gone = s;
    ask(c, COMPACT_UNLINK, compact_unlink_file);
}
