/* Compaction: what still counts leaves a segment, then the segment goes.
 *
 * **Problem.** Every overwrite leaves a dead record behind. Space must stay within 1.7 times the
 * live bytes, and 256 MiB. The loop must not wait for a disk, there is no room for a second copy of
 * the data, and a crash is possible after every single step. (Rosenblum and Ousterhout 1992, "The
 * design and implementation of a log-structured file system": their cleaner, with one victim at a
 * time.)
 *
 * **The way.** One segment at a time is the *victim* (compact_choose.c says which). It is read in
 * chunks of about a megabyte. The records of a chunk that count are copied to the *output*, a
 * segment to which no put ever goes and that stays open from one victim to the next.
 *
 *     phase    thread   what is done                                    next
 *     REST     loop     look for a victim; or for one that can go       READ; UNLINK; REST
 *     READ     keeper   read a chunk of the victim, list its records    JUDGE
 *     JUDGE    loop     ask the index which of the records count        COPY; where none does: (*)
 *     COPY     keeper   append these to the output, and sync it         MOVE
 *     MOVE     loop     let the index name the copies                   (*)
 *     FORGET   loop     wait until no entry names what is damaged       (*)
 *     UNLINK   keeper   unlink the file of a victim that may go         REST
 *
 *     (*) READ of the next chunk. After the last chunk: FORGET if entries still name what is
 *         damaged in the victim; else the victim is doomed, and the phase is REST
 *
 * A doomed segment leaves in two more steps. A list of segments without it is made durable
 * (log_tend.c). Then the segment is *unlisted*, and UNLINK removes its file.
 *
 * After a failure in any phase the phase is REST again, with the segment as it was, and it is tried
 * again. What was copied and moved by then is a good record in the output.
 *
 * A record counts if its key's entry in the index names exactly its location. A move changes an
 * entry only if it still names the original: an overwrite that came in between wins. Both are done
 * in compact_judge.c, which also says which records are copied though no entry names them. The
 * keeper's jobs stand in compact_jobs.c. This file is the machine that leads from one to the next.
 *
 * **Example.** Segment 1 holds a1 b1 c1, the first versions of three keys; segment 2 is the active
 * one. The victim is segment 1, for a was overwritten. While the copies are written c is
 * overwritten too. An entry is written as key:segment.
 *
 *     after               segment 1   2       3       entries      list    a crash here leaves
 *     JUDGE               a1 b1 c1    a2              a:2 b:1 c:1  1 2     nothing new
 *     COPY                a1 b1 c1    a2      b1 c1   a:2 b:1 c:1  1 2     b1 and c1 twice
 *     COPY, put of c2     a1 b1 c1    a2 c2   b1 c1   a:2 b:1 c:2  1 2     b1 and c1 twice
 *     MOVE                a1 b1 c1    a2 c2   b1 c1   a:2 b:3 c:2  1 2     b1 and c1 twice
 *     list is on its way  a1 b1 c1    a2 c2   b1 c1   a:2 b:3 c:2  1 2     either list, all files
 *     list is durable     a1 b1 c1    a2 c2   b1 c1   a:2 b:3 c:2  2 3     segment 1, not listed
 *     UNLINK                          a2 c2   b1 c1   a:2 b:3 c:2  2 3     segment 1, or not
 *
 * **Why no crash loses a record.**
 *
 * 1. A copy is synced before any entry names it, and the original stays until all copies of the
 *    victim are. So at every moment each record that counts is durable in a segment that is there.
 * 2. What a crash leaves twice does no harm: a start replays both, and a merge by version makes one
 *    of them. The copy keeps the version of its original.
 * 3. A segment that the newest list does not name does no harm either: what counts of it stands
 *    elsewhere at the same version or a greater one. Only an erased record would come back, and
 *    erasures are carried along for just that (compact_judge.c).
 * 4. The list of segments without the victim (a state record, log_tend.c) is durable before the
 *    file goes. So a start can tell a segment that went from one that was lost: of those that the
 *    newest list names none may be missing. Were the file unlinked first, a crash would leave a
 *    list that names it, and the start would put every slot in doubt.
 * 5. The ordinal of the victim is free when its file is gone, and not before. The file goes when no
 *    entry names it, no read of it is under way and no backup needs it (`reads`).
 *
 * **Damage.** A segment in which the opening, or a read, found damage is a victim at once.
 * Compaction passes over the stretches that cannot be read and puts their slots in doubt (doubt.h).
 * The segment goes only when no entry names these stretches any more. Its file is renamed in the
 * end and not unlinked, for the operator to look at. A segment in which the newest record of a
 * state of the node stands is no victim (log_states.c). So a record of a state that cannot be read
 * in a victim is not needed: the state has been written anew elsewhere. */
#include "store/log/compact_inner.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"

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

/* ---- From one phase to the next ---- */

/* The phases after a chunk: READ of the next one, or after the last one the end of the victim. */
enum { ONWARD = PHASE(COMPACT_READ) | PHASE(COMPACT_FORGET) | PHASE(COMPACT_REST) };

static const uint32_t next_phase[] = {
    [COMPACT_REST] = PHASE(COMPACT_READ) | PHASE(COMPACT_UNLINK) | PHASE(COMPACT_REST),
    [COMPACT_READ] = PHASE(COMPACT_JUDGE) | PHASE(COMPACT_REST),
    [COMPACT_JUDGE] = PHASE(COMPACT_COPY) | ONWARD,
    [COMPACT_COPY] = PHASE(COMPACT_MOVE) | PHASE(COMPACT_REST),
    [COMPACT_MOVE] = ONWARD,
    [COMPACT_FORGET] = PHASE(COMPACT_FORGET) | PHASE(COMPACT_REST),
    [COMPACT_UNLINK] = PHASE(COMPACT_REST),
};

static void enter(struct compact *c, enum compact_phase phase)
{
    phase_enter(&c->phase, phase, next_phase);
}

static void ask(struct compact *c, enum compact_phase phase,
                void (*run)(struct keeper *k, void *arg))
{
    enter(c, phase);
    keeper_ask(c->keeper, run, c);
}

static void rest(struct compact *c)
{
    c->victim = NULL;
    enter(c, COMPACT_REST);
}

/* Gives up the victim, which stays as it is. An output that could not be written ends at its last
 * good sync. */
static void give_up(struct compact *c)
{
    if (c->phase == COMPACT_COPY && c->output && c->error != ERR_NO_SPACE) {
        segment_cut(c->output);
        c->output = NULL;
    }
    rest(c);
}

/* Reports what could not be read in the chunk, and puts it in doubt. False when memory is out. */
static bool note_damage(struct compact *c)
{
    char sentence[256];
    struct segment *s = c->victim;
    for (uint32_t i = 0; i < c->bad_n; i++) {
        const struct lost *l = &c->bad[i];
        CHECK(c->at <= l->from && l->from < l->to);
        if (s->doubted)
            continue; /* its slots are in doubt since the opening; see doubt_the_rest */
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

static uint64_t live_bytes(const struct compact *c, const struct segment *s)
{
    CHECK(s->ordinal < c->table->tallies.n);
    return c->table->tallies.of[s->ordinal].live;
}

/* All that can be read of the victim has moved. An entry that still names the victim names a record
 * that could be read once, and rotted since. What can be read of its bytes does not say which
 * record it is: another one may stand there now, or none. So all of the segment is put in doubt,
 * once. False when memory is out. */
static bool doubt_the_rest(struct compact *c)
{
    struct segment *s = c->victim;
    struct lost all = {
        .any = true, .segment = s->ordinal, .from = SEGMENT_HEADER, .to = s->published};
    if (c->rest_doubted || live_bytes(c, s) == 0 || doubt_names(c->doubt, s->ordinal))
        return true;
    c->rest_doubted = s->aside = true;
    return doubt_found(c->doubt, &all);
}

/* All of the victim has gone through. */
static void end_victim(struct compact *c)
{
    if (!doubt_the_rest(c)) {
        give_up(c);
    } else if (doubt_names(c->doubt, c->victim->ordinal)) {
        enter(c, COMPACT_FORGET);
    } else {
        CHECK(live_bytes(c, c->victim) == 0);
        segments_doom(c->segments, c->victim);
        rest(c);
        buf_slim(&c->chunk);
        buf_slim(&c->copy);
    }
}

static void next_chunk(struct compact *c)
{
    CHECK(c->at <= c->chunk_end && c->chunk_end <= c->victim->published);
    c->at = c->chunk_end;
    if (c->at < c->victim->published)
        ask(c, COMPACT_READ, compact_read_chunk);
    else
        end_victim(c);
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
    CHECK(c->next == c->item_n);
    if (!anything_to_copy(c))
        next_chunk(c);
    else if (segments_reserve(c->segments))
        ask(c, COMPACT_COPY, compact_copy_chunk);
    else
        give_up(c);
}

/* Takes in the output that the keeper has made. False when memory is out. */
static bool adopt_fresh(struct compact *c)
{
    if (!c->fresh)
        return true;
    CHECK(c->fresh->base == SEGMENT_COPIES);
    /* no free ordinal is above this one */
    if (tally_room(&c->table->tallies, (uint16_t)c->segments->ordinal_n) != 0)
        return false; /* it stays the fresh one: the next copies go on in it */
    segments_add(c->segments, c->fresh);
    if (c->output)
        c->output->ended = true;
    c->output = c->fresh;
    c->fresh = NULL;
    return true;
}

static void copied(struct compact *c)
{
    if (!adopt_fresh(c) || c->error) {
        give_up(c);
        return;
    }
    /* no entry may name what a crash would take away */
    CHECK(c->output && atomic_load(&c->output->synced) == c->output->end);
    c->copied_bytes += c->copy.n;
    c->next = 0;
    enter(c, COMPACT_MOVE);
}

static void moved(struct compact *c)
{
    CHECK(c->next == c->item_n && c->output->published <= c->output->end);
    c->output->published = c->output->end;
    next_chunk(c);
}

static void unlinked(struct compact *c)
{
    struct segment *s = c->gone;
    c->gone = NULL;
    enter(c, COMPACT_REST);
    if (c->error)
        return; /* the file stays, and is tried again */
    CHECK(live_bytes(c, s) == 0);
    segments_remove(c->segments, s);
    c->removed++;
    c->table->tallies.of[s->ordinal] = (struct tally){0};
    segment_close(s);
}

/* Takes up what the keeper has finished. */
static void collect(struct compact *c)
{
    if (c->phase == COMPACT_READ && (c->error || !note_damage(c)))
        give_up(c);
    else if (c->phase == COMPACT_READ)
        enter(c, COMPACT_JUDGE);
    else if (c->phase == COMPACT_COPY)
        copied(c);
    else
        unlinked(c);
}

/* Begins with a victim, if there is one. A victim of which nothing counts is not read, and ends at
 * once. True when there was such a victim: there may be another. */
static bool begin(struct compact *c)
{
    struct segment *s = compact_victim(c);
    if (!s)
        return false;
    CHECK(!c->victim && s != c->output && s->phase == SEGMENT_USED);
    c->victim = s;
    c->at = SEGMENT_HEADER;
    c->chunk_end = c->at;
    c->worked_us = 0;
    c->rest_doubted = false;
    bool unread = compact_lifeless(&c->table->tallies.of[s->ordinal], s);
    if (unread)
        c->chunk_end = s->published;
    next_chunk(c);
    return unread;
}

bool compact_step(struct compact *c)
{
    if (c->keeper->busy && !keeper_done(c->keeper))
        return false;
    if (c->phase == COMPACT_READ || c->phase == COMPACT_COPY || c->phase == COMPACT_UNLINK)
        collect(c);
    else if (c->phase == COMPACT_FORGET)
        end_victim(c);
    bool over = c->phase == COMPACT_REST && !c->error && begin(c);
    if (c->phase == COMPACT_JUDGE) {
        compact_judge_slice(c);
        if (c->next == c->item_n)
            judged(c);
    } else if (c->phase == COMPACT_MOVE) {
        compact_move_slice(c);
        if (c->next == c->item_n)
            moved(c);
    }
    return over || c->phase == COMPACT_JUDGE || c->phase == COMPACT_MOVE;
}

/* ---- The end of a segment ---- */

struct segment *compact_unlisted(const struct compact *c)
{
    struct segment *s = NULL;
    for (uint32_t i = 0; c->segments->leaving > 0 && (s = segments_next(c->segments, &i)) != NULL;)
        if (s->phase == SEGMENT_UNLISTED && s->reads == 0)
            break;
    return s;
}

void compact_unlink(struct compact *c, struct segment *s)
{
    CHECK(s->phase == SEGMENT_UNLISTED && s->reads == 0);
    c->gone = s;
    ask(c, COMPACT_UNLINK, compact_unlink_file);
}
