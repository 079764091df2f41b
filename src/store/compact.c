/* Compaction: what still counts leaves a segment, then the segment goes.
 *
 * Problem: every overwrite leaves a dead record behind. Space must stay within twice the live bytes without the loop waiting for
 * a disk, without a second copy of the data, and with a crash possible after every single step.
 *
 * The table knows for each segment what was written and what of it still counts (tally.h). The segment with the greatest dead
 * share is the victim once that share is DEAD_PERCENT: a copy then buys at least two thirds of what it costs (the cost-benefit
 * question of Rosenblum and Ousterhout, "The design and implementation of a log-structured file system", 1992). Age, their other
 * term, counts while writes are many: a segment that ended lately is left alone for a while, for under a load on few keys it dies
 * by itself, and a segment without anything alive goes unread. What that may cost is bounded in time and in bytes; an output is
 * not young, it holds what was old already. The victim goes through in chunks:
 *
 *     REST --> READ (keeper) --> JUDGE (loop) --> COPY (keeper: append to the output, sync) --> MOVE (loop) --> READ ...
 *       ^                                                                                          |
 *       '--- UNLINK (keeper) <-- the list without it is durable <-- doomed <-- end of the victim --'
 *
 * Judging asks the index whether an entry names exactly this place; moving lets the entry name the copy, if it still names the
 * original: an overwrite in between wins. Both go in slices of a turn. The keeper rests as long as it has worked.
 *
 * **Crashes.** A copy is synced before any entry names it, the original stays until all of the victim's are, so at every moment
 * each record that counts is durable in a segment that is there. A crash leaves at worst a record twice, and merging by version
 * makes that one. The list of segments (a state record) without the victim is durable before the file goes: so a start can tell
 * a segment that went from one that was lost.
 *
 * **Expiries.** No entry names the place of an expiry, but it counts as long as its value has it. Whichever of the two is copied
 * first, the copy is both (fold.h), so an expiry never moves: it brings its value along from where that stands, and goes with
 * its segment. The values that one chunk's expiries bring are bounded; the chunk ends early then.
 *
 * **Erasures.** What an erasure (floors.h) covers, a tombstone or values that are over, is dead and goes with its segment. The
 * erasure itself may not just go: an older record of its key, dead, may stand in any segment that existed then, and a replay
 * without the erasure would revive it. So it is copied, as kept, with the number `until` of the next segment at that time; it
 * is dropped when a later compaction finds that all segments below that number are gone (their directory entries durably so).
 * Segments made after the erasure hold no such record: none is put any more (table_erase.c), and a copy of one that was under
 * way had its output made before the erasure was judged. The floor that it raised outlives it: the list of segments without
 * the victim goes to the disk together with all floors. A restart forgets which were kept: they are then judged anew.
 *
 * **Pinned records.** A record that says something about others (a flush) is replaced by no record of its key, and
 * whether it still matters only the protocol knows. Compaction copies it as it is, always: that is never wrong, and small.
 *
 * **Damage.** A segment in which opening, or a read, found damage is a victim at once. The stretches that cannot be read are
 * passed over and put their slots in doubt (doubt.h); the segment goes only when no entry names them any more. It is renamed in
 * the end and not unlinked, for the operator to look at. But the newest record of one of the node's own states may not be passed
 * over: a start without it would be refused. Such a segment is left alone until the state has been written anew. */
#include "store/compact.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "store/fold.h"

enum {
    DEAD_PERCENT = 40,         /* of a segment, before it is worth a copy: keeps the log below 1.7 times the live bytes */
    CHUNK_BYTES = 1024 * 1024, /* read at once: a millisecond of disk, and 6,000 small records */
    SLICE = 512,               /* records judged or moved in a turn at most: a tenth of a millisecond */
    SLICE_LEAST = 32,          /* and at least, */
    PACE = 3,            /* for each byte written meanwhile so many of the victim: of 40 % dead, 2.5 are needed to keep up */
    URGENT_PERCENT = 10, /* DEAD_PERCENT of a full disk: less would be copied over and over for nothing */
    ACTIVE_SHARE = 64,   /* of a segment, dead, before the one in use is ended for it: a MiB */
    LOOK_BYTES = 4096,   /* for each segment, that must have died before victims are looked for again */
    YOUNG_SEGMENTS = 4,  /* written since a segment ended, and it is not young any more: 256 MiB of disk at most */
};

void compact_init(struct compact *c)
{
    buf_init(&c->chunk, RECORD_MAX);
    buf_init(&c->copy, CHUNK_BYTES + 2 * (size_t)RECORD_MAX); /* a chunk, and the values that its expiries bring */
}

void compact_close(struct compact *c)
{
    if (c->fresh)
        segment_close(c->fresh);
    buf_close(&c->chunk);
    buf_close(&c->copy);
    free(c->item);
}

/* ---- Choosing ---- */

/* The least number of all segments but one. */
static uint32_t least_number(const struct segments *all, const struct segment *but)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < all->slot_n; i++)
        if (all->slot[i] && all->slot[i] != but && all->slot[i]->number < least)
            least = all->slot[i]->number;
    return least;
}

/* Whether the erasures that were kept in a segment may go. */
static bool kept_may_go(const struct compact *c, const struct segment *s)
{
    return least_number(c->segments, s) >= s->kept.until;
}

static uint64_t dead_bytes(const struct compact *c, const struct segment *s, const struct tally *t)
{
    uint64_t dead = t->all - t->live - s->pinned;
    return s->kept.n > 0 && !kept_may_go(c, s) ? dead - s->kept.bytes : dead;
}

/* Whether a segment has died enough for a copy. On a full disk the copy must fit what the reserve has for it: one that does not
 * would eat up the room for deletions and come to nothing. */
static bool worth(const struct compact *c, const struct tally *t, uint64_t dead)
{
    uint64_t percent = c->urgent ? URGENT_PERCENT : c->dead_percent ? c->dead_percent : DEAD_PERCENT;
    if (t->all == 0)
        return true;
    return dead * 100 >= t->all * percent && (!c->urgent || t->live <= reserve_for_copies(c->reserve));
}

static bool eligible(const struct compact *c, const struct segment *s)
{
    return s && s != c->segments->active && s != c->output && s->stage == SEGMENT_USED && !s->shunned;
}

/* Nothing in it can matter: it goes unread. */
static bool lifeless(const struct tally *t, const struct segment *s)
{
    return t->live == 0 && t->others == 0 && !s->aside;
}

/* When a segment stops being young, in keeper time; 0: it is not. */
static uint64_t young_until_us(const struct compact *c, const struct segment *s, uint64_t now_us)
{
    uint64_t until_us = s->ended_us + (uint64_t)c->patience_ms * 1000;
    bool few = c->table->tallies.written - s->ended_written < (uint64_t)YOUNG_SEGMENTS * c->segment_bytes;
    return !c->urgent && few && until_us > now_us ? until_us : 0;
}

/* The segment most worth compacting; NULL when none is. *again_us: when a young one that is worth it will be old; 0: there is
 * none. */
static struct segment *choose(const struct compact *c, uint64_t now_us, uint64_t *again_us)
{
    struct segment *best = NULL;
    uint64_t best_dead = 0, best_all = 1;
    *again_us = 0;
    for (uint32_t i = 0; i < c->segments->slot_n; i++) {
        struct segment *s = c->segments->slot[i];
        const struct tally *t = &c->table->tallies.of[i];
        if (!eligible(c, s))
            continue;
        if (s->first)
            return s;
        uint64_t dead = dead_bytes(c, s, t), all = t->all ? t->all : 1;
        if (!worth(c, t, dead) || (best && dead * best_all <= best_dead * all))
            continue;
        uint64_t young_us = lifeless(t, s) ? 0 : young_until_us(c, s, now_us);
        if (young_us) {
            *again_us = *again_us && *again_us < young_us ? *again_us : young_us;
            continue;
        }
        best = s;
        best_dead = dead;
        best_all = all;
    }
    return best;
}

/* Looking costs a little for each segment, so it is done when enough has died to pay for that. */
static bool worth_a_look(const struct compact *c)
{
    uint64_t died = c->table->tallies.died - c->seen_died;
    return c->urgent || c->seen_n != c->segments->n || died > (uint64_t)c->segments->n * LOOK_BYTES ||
           (c->again_us && keeper_clock_us() >= c->again_us);
}

void compact_first(struct compact *c, struct segment *s)
{
    s->first = s->aside = true;
    c->seen_n = 0; /* let victims be looked for, though nothing has died */
}

bool compact_wants_active(const struct compact *c)
{
    const struct segment *s = c->segments->active;
    const struct tally *t = &c->table->tallies.of[s->slot];
    uint64_t dead = dead_bytes(c, s, t), again_us;
    return !s->ended && dead >= c->segment_bytes / ACTIVE_SHARE && worth(c, t, dead) && !choose(c, keeper_clock_us(), &again_us);
}

bool compact_due(const struct compact *c)
{
    uint64_t again_us;
    return worth_a_look(c) && choose(c, keeper_clock_us(), &again_us) != NULL;
}

/* ---- On the keeper's thread ---- */

/* Rests as long as the last chunk took of this thread, so that the disk and the processor are half others'. What it took of
 * the loop, and waited for it, does not count: a busy loop has more to compact, not less. */
static void rest(struct compact *c, struct keeper *k)
{
    if (!c->urgent)
        keeper_pause(k, c->worked_us);
    c->worked_us = 0;
}

static int item_add(struct compact *c, const struct record_view *v, uint32_t at)
{
    if (c->item_n == c->item_cap) {
        uint32_t cap = c->item_cap ? 2 * c->item_cap : 1024;
        struct compact_item *grown = realloc(c->item, cap * sizeof *grown);
        if (!grown)
            return ERR_NO_MEMORY;
        c->item = grown;
        c->item_cap = cap;
    }
    c->item[c->item_n++] = (struct compact_item){.view = *v, .at = at, .from = {at, c->victim->slot}};
    return 0;
}

/* Fills the chunk with n bytes at c->at, fewer at the end of the victim (of what was published: behind a cut there may be
 * more, which
 * was never acknowledged). */
static int chunk_fill(struct compact *c, uint32_t n)
{
    uint32_t left = c->victim->published - c->at;
    c->chunk.n = 0;
    int error = buf_reserve(&c->chunk, n < left ? n : left);
    if (error)
        return error;
    ssize_t got = segment_read(c->victim, c->io, c->chunk.p, n < left ? n : left, c->at, 0);
    if (got < 0)
        return ERR_IO;
    c->chunk.n = (size_t)got;
    return 0;
}

/* Takes note of damage at an offset of the chunk and passes over it; false when no more can be taken note of. */
static bool pass_over(struct compact *c, size_t *at)
{
    if (c->bad_n == COMPACT_BAD)
        return false;
    struct slice rest_of = slice_of(c->chunk.p + *at, c->chunk.n - *at);
    struct damage_finding f = damage_look(rest_of);
    size_t skip = f.size ? f.size : segment_resync(rest_of);
    uint32_t from = c->at + (uint32_t)*at;
    *at += skip ? skip : rest_of.n;
    c->bad[c->bad_n++] = (struct lost){.slot = f.slot,
                                       .any = f.size == 0,
                                       .none = f.state,
                                       .segment = c->victim->slot,
                                       .from = from,
                                       .to = c->at + (uint32_t)*at};
    return true;
}

/* Lists the whole records of the chunk, and what of it is none. ERR_INCOMPLETE when the first record is larger than the chunk,
 * and may be one. */
static int chunk_list(struct compact *c)
{
    bool more = c->at + c->chunk.n < c->victim->published;
    size_t at = 0;
    while (at < c->chunk.n) {
        struct record_view v;
        int n = record_decode(slice_of(c->chunk.p + at, c->chunk.n - at), &v);
        if (n == ERR_INCOMPLETE && more && at > 0)
            break;
        if (n == ERR_INCOMPLETE && more && c->chunk.n < RECORD_MAX)
            return n;
        if (n < 0 && pass_over(c, &at))
            continue;
        if (n < 0)
            break;
        bool mark = v.record.kind == RECORD_STATE && slice_eq(v.record.key, MARK_NAME);
        int error = mark ? 0 : item_add(c, &v, c->at + (uint32_t)at);
        if (error)
            return error;
        at += (size_t)n;
    }
    c->chunk_end = c->at + (uint32_t)at;
    return 0;
}

static void read_chunk(struct keeper *k, void *arg)
{
    struct compact *c = arg;
    rest(c, k);
    uint64_t began_us = keeper_clock_us();
    c->item_n = c->next = c->bad_n = 0;
    c->fold_bytes = 0;
    c->error = chunk_fill(c, CHUNK_BYTES);
    if (!c->error)
        c->error = chunk_list(c);
    if (c->error == ERR_INCOMPLETE) {
        c->error = chunk_fill(c, RECORD_MAX);
        if (!c->error)
            c->error = chunk_list(c);
    }
    c->worked_us = keeper_clock_us() - began_us;
}

static int gather_one(struct compact *c, struct compact_item *item)
{
    struct slice bytes = slice_of(c->chunk.p + (item->at - c->at), item->view.size);
    size_t before = c->copy.n;
    item->to.offset = (uint32_t)before;
    if (item->standing != STANDING_EXPIRY)
        return item->standing == STANDING_LIVE && item->held.kind != RECORD_NONE
                   ? fold_record(&c->copy, bytes, &item->view, &item->held)
                   : buf_slice(&c->copy, bytes);
    int error = fold_expiry(&c->copy, item->value, c->io, item->view.record.key, &item->held);
    if (c->copy.n == before)
        item->standing = STANDING_DEAD;
    return error;
}

/* Gathers the records to copy; their places count from the first byte. */
static int gather_copies(struct compact *c)
{
    c->copy.n = 0;
    for (uint32_t i = 0; i < c->item_n; i++) {
        int error = c->item[i].standing == STANDING_DEAD ? 0 : gather_one(c, &c->item[i]);
        if (error)
            return error;
    }
    return 0;
}

/* The segment that the copies go to: the output, or a fresh one where that is full. */
static struct segment *place(struct compact *c)
{
    struct segment *s = c->fresh ? c->fresh : c->output;
    if (s && (s->end == SEGMENT_HEADER || s->end + c->copy.n <= c->segment_bytes))
        return s;
    c->error = s ? segment_seal(s, c->io) : 0;
    if (!c->error)
        c->error = segments_create(&c->segments->numbers, c->dir, s, SEGMENT_COPIES, c->io, &c->fresh);
    return c->error ? NULL : c->fresh;
}

static uint32_t try_copy(struct compact *c)
{
    uint32_t base = 0;
    struct segment *s = place(c);
    if (s)
        c->error = segment_append(s, c->io, buf_view(&c->copy), false, 0, &base);
    if (!c->error)
        c->error = segment_sync(s, c->io, s->end);
    return base;
}

static void copy_gathered(struct compact *c)
{
    uint32_t base = try_copy(c);
    if (c->error == ERR_NO_SPACE && reserve_release(c->reserve))
        base = try_copy(c);
    for (uint32_t i = 0; i < c->item_n; i++)
        c->item[i].to.offset += base;
}

static void copy_chunk(struct keeper *k, void *arg)
{
    struct compact *c = arg;
    uint64_t began_us = keeper_clock_us();
    (void)k;
    c->error = gather_copies(c);
    if (!c->error && c->copy.n > 0)
        copy_gathered(c);
    c->worked_us += keeper_clock_us() - began_us;
}

static void unlink_one(struct keeper *k, void *arg)
{
    struct compact *c = arg;
    char name[SEGMENT_NAME], aside[SEGMENT_NAME];
    (void)k;
    segment_name(c->gone->number, name);
    snprintf(aside, sizeof aside, "damaged-%08u.log", (unsigned)c->gone->number);
    int failed = c->gone->aside ? c->io->renameat(c->dir, name, c->dir, aside) : c->io->unlinkat(c->dir, name, 0);
    c->error = failed || c->io->fsync(c->dir) != 0 ? ERR_IO : 0;
    if (!c->error)
        segment_close_file(c->gone); /* gives back its pages and blocks, which the loop must not wait for */
}

/* ---- On the loop ---- */

static void ask(struct compact *c, enum compact_stage stage, void (*run)(struct keeper *k, void *arg))
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

static bool is_kept(const struct segment *s, uint32_t at)
{
    uint32_t low = 0, high = s->kept.n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->kept.at[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->kept.n && s->kept.at[low] == at;
}

/* A turn that stored little gives little time: else compaction would take as much as the puts. */
static uint32_t slice_end(struct compact *c)
{
    uint64_t written = c->table->tallies.written - c->seen_written, each = c->chunk.n / (c->item_n + 1) + 1;
    uint64_t n = written == 0 || c->urgent ? SLICE : PACE * written / each;
    n = n > SLICE ? SLICE : n < SLICE_LEAST ? SLICE_LEAST : n;
    c->seen_written += written;
    return c->item_n - c->next < n ? c->item_n : c->next + (uint32_t)n;
}

/* Collects up to INDEX_FETCH items from c->next on. */
static unsigned batch(const struct compact *c, uint32_t end, struct record_view *view, struct place *from)
{
    unsigned n = 0;
    for (uint32_t i = c->next; i < end && n < INDEX_FETCH; i++, n++) {
        view[n] = c->item[i].view;
        from[n] = c->item[i].from;
    }
    return n;
}

/* An expiry that counts brings its value, unless that stands in the victim too and is copied anyway, with the expiry. False
 * when the values of this chunk are enough: the expiry then begins the next one. */
static bool judge_expiry(struct compact *c, struct compact_item *item)
{
    uint64_t bytes = table_record_max(&item->held, item->view.record.key.n);
    if (item->held.segment == c->victim->slot) {
        item->standing = STANDING_DEAD;
        return true;
    }
    if (c->fold_bytes > 0 && c->fold_bytes + bytes > CHUNK_BYTES)
        return false;
    c->fold_bytes += bytes;
    item->value = c->segments->slot[item->held.segment];
    item->from = (struct place){item->held.offset, item->held.segment};
    return true;
}

/* Ends the chunk before an item. */
static void chunk_cut(struct compact *c, uint32_t item)
{
    c->chunk_end = c->item[item].at;
    c->item_n = item;
}

static void judge_slice(struct compact *c)
{
    bool may_go = kept_may_go(c, c->victim);
    for (uint32_t end = slice_end(c); c->next < end && c->next < c->item_n;) {
        struct record_view view[INDEX_FETCH];
        struct place from[INDEX_FETCH];
        enum standing standing[INDEX_FETCH];
        struct index_item held[INDEX_FETCH];
        unsigned n = batch(c, end, view, from);
        table_standing(c->table, view, from, n, standing, held);
        for (unsigned i = 0; i < n && c->next < c->item_n; i++) {
            struct compact_item *item = &c->item[c->next];
            bool over = standing[i] == STANDING_ERASED && may_go && is_kept(c->victim, item->at);
            item->standing = over ? STANDING_DEAD : standing[i];
            item->held = item->view.record.kind == RECORD_STATE ? (struct index_item){0} : held[i];
            if (item->standing == STANDING_EXPIRY && !judge_expiry(c, item))
                chunk_cut(c, c->next);
            else
                c->next++;
        }
    }
}

/* An erasure now stands in the output. */
static void keep(struct compact *c, const struct compact_item *item)
{
    struct kept *k = &c->output->kept;
    if (k->n == k->cap) {
        uint32_t cap = k->cap ? 2 * k->cap : 16;
        uint32_t *grown = realloc(k->at, cap * sizeof *grown);
        if (!grown)
            return; /* it counts as met for the first time when the output is a victim */
        k->at = grown;
        k->cap = cap;
    }
    uint32_t first_kept = is_kept(c->victim, item->at) ? c->victim->kept.until : c->segments->numbers.next;
    k->at[k->n++] = item->to.offset;
    k->until = first_kept > k->until ? first_kept : k->until;
    k->bytes += tally_weight(item->view.record.key.n, 0);
}

static void move_slice(struct compact *c)
{
    struct record_view view[INDEX_FETCH];
    struct place from[INDEX_FETCH], to[INDEX_FETCH];
    unsigned n = 0;
    for (uint32_t end = slice_end(c); c->next < end; c->next++) {
        struct compact_item *item = &c->item[c->next];
        if (item->standing == STANDING_DEAD)
            continue;
        item->to.segment = c->output->slot;
        if (item->standing == STANDING_ERASED)
            keep(c, item);
        if (item->standing == STANDING_PINNED)
            c->output->pinned += tally_weight(item->view.record.key.n, item->view.value_size);
        view[n] = item->view;
        if (item->held.kind != RECORD_NONE && item->standing != STANDING_PINNED && item->standing != STANDING_ERASED) {
            view[n].record.kind = item->held.kind; /* an expiry brought its value, a flushed value is a deletion */
            view[n].value_size = item->held.value_n;
        }
        from[n] = item->from;
        to[n++] = item->to;
        if (n == INDEX_FETCH) {
            table_move(c->table, view, from, to, n);
            n = 0;
        }
    }
    table_move(c->table, view, from, to, n);
}

/* What could not be read in the victim's chunk. False when the victim must be left alone. */
static bool note_damage(struct compact *c)
{
    char sentence[256];
    struct segment *s = c->victim;
    for (uint32_t i = 0; i < c->bad_n; i++) {
        const struct lost *l = &c->bad[i];
        if (s->doubted && !doubt_matters(l, c->table))
            continue;
        s->shunned = table_state_stands(c->table, &(struct place){l->from, l->segment}, l->to);
        s->first = s->aside = true;
        snprintf(sentence, sizeof sentence, "damage at offset %u of seg-%08u.log, %u bytes: %s", (unsigned)l->from,
                 (unsigned)s->number, (unsigned)(l->to - l->from),
                 s->shunned ? "a state of this node; the file is kept until that is written anew"
                 : l->none  ? "a state of this node that has been written anew since"
                            : "what it held is fetched again from the other owners");
        if (c->report)
            c->report(c->report_arg, sentence);
        if (s->shunned || (!l->none && !doubt_found(c->doubt, l)))
            return false;
    }
    return true;
}

static void next_chunk(struct compact *c)
{
    c->at = c->chunk_end;
    if (c->at < c->victim->published) {
        ask(c, COMPACT_READ, read_chunk);
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
        ask(c, COMPACT_COPY, copy_chunk);
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
    if (c->copy.n == 0) { /* the expiries were all in their values already */
        next_chunk(c);
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
    if (!worth_a_look(c))
        return false;
    c->seen_n = c->segments->n;
    c->seen_died = c->table->tallies.died;
    struct segment *s = choose(c, keeper_clock_us(), &c->again_us);
    if (!s)
        return false;
    c->seen_n = 0; /* there may be another */
    c->victim = s;
    c->at = SEGMENT_HEADER;
    c->chunk_end = c->at;
    c->worked_us = 0;
    bool unread = lifeless(&c->table->tallies.of[s->slot], s);
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
        judge_slice(c);
        if (c->next == c->item_n)
            judged(c);
    } else if (c->stage == COMPACT_MOVE) {
        move_slice(c);
        if (c->next == c->item_n)
            moved(c);
    }
    return over || c->stage == COMPACT_JUDGE || c->stage == COMPACT_MOVE;
}

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
    ask(c, COMPACT_UNLINK, unlink_one);
}
