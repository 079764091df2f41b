/* compact_judge.c: which records of a chunk count, and where they are once they are copied. Both
 * questions go to the index in slices of a turn, by batches of INDEX_FETCH look-ups.
 *
 * **Erasures.** A record that an erasure (floors.h) covers, a tombstone or a value that is over, is
 * dead and goes with its segment. The erasure itself may not just go. An older record of its key,
 * dead, may stand in any segment that exists at that time, and a replay without the erasure would
 * revive it. So compaction carries the erasure along, with the number `until` of the next segment
 * that will be made:
 *
 *     segment 1        segment 2         segment 3 (output)      what a replay makes of the key k
 *     k1               k1 erased         -                       nothing
 *     k1               (compacted)       k1 erased, until 4      nothing
 *     (compacted)                        k1 erased, until 4      nothing: no segment below 4 but 3
 *                                        (compacted: dropped)    nothing: k1 is nowhere
 *
 * A later compaction drops the erasure when it finds that all other segments below `until` are gone
 * (their names are durably out of the directory). Segments made after that judgement hold no record
 * that the erasure covers: none is put any more (table_erase.c), and what was being copied at the
 * time had its output made before. The floor that the erasure raised outlives it: the list of
 * segments without the victim goes to the disk in one group with all floors. A restart forgets
 * which erasures were carried: each is then judged as if it were met for the first time.
 *
 * **Pinned records.** A record that says something about others (a flush) is replaced by no record
 * of its key, and only the protocol knows whether it still matters. Compaction always copies it as
 * it is: that is never wrong, and little. */
#include "store/log/compact_inner.h"

#include "base/array.h"
#include "base/check.h"

enum {
    SLICE = 512,      /* most records judged or moved in a turn: a tenth of a millisecond */
    SLICE_LEAST = 32, /* least records judged or moved in a turn */
    /* Bytes of the victim that are judged for each byte that puts wrote meanwhile: with 40 % dead,
     * 2.5 are needed to keep up. */
    PACE = 3,
};

/* ---- Slices ---- */

/* Where the slice ends. A turn in which little was put gives compaction little time: else it would
 * take as much as the puts do. */
static uint32_t slice_end(struct compact *c)
{
    CHECK(c->next <= c->item_n);
    uint64_t written = c->table->tallies.written - c->seen_written,
             each = c->chunk.n / (c->item_n + 1) + 1;
    uint64_t n = written == 0 || c->urgent ? SLICE : PACE * written / each;
    n = n > SLICE ? SLICE : n < SLICE_LEAST ? SLICE_LEAST : n;
    c->seen_written += written;
    return c->item_n - c->next < n ? c->item_n : c->next + (uint32_t)n;
}

/* Collects up to INDEX_FETCH items from c->next on. */
static unsigned batch(const struct compact *c, uint32_t end, struct record_view *view,
                      struct location *from)
{
    unsigned n = 0;
    for (uint32_t i = c->next; i < end && n < INDEX_FETCH; i++, n++) {
        view[n] = c->item[i].view;
        from[n] = c->item[i].from;
    }
    return n;
}

/* ---- Judging ---- */

/* Whether the erasure at an offset was carried to the segment. */
static bool was_carried(const struct segment *s, uint32_t at)
{
    uint32_t low = 0, high = s->carried.n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->carried.at[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->carried.n && s->carried.at[low] == at;
}

void compact_judge_slice(struct compact *c)
{
    bool may_go = compact_carried_may_go(c, c->victim);
    for (uint32_t end = slice_end(c); c->next < end;) {
        struct record_view view[INDEX_FETCH];
        struct location from[INDEX_FETCH];
        enum standing standing[INDEX_FETCH];
        struct index_item held[INDEX_FETCH];
        unsigned n = batch(c, end, view, from);
        table_standing(c->table, view, from, n, standing, held);
        for (unsigned i = 0; i < n; i++) {
            struct compact_item *item = &c->item[c->next++];
            bool over =
                standing[i] == STANDING_ERASED && may_go && was_carried(c->victim, item->at);
            item->standing = over ? STANDING_DEAD : standing[i];
            item->held = item->view.record.kind == RECORD_STATE ? (struct index_item){0} : held[i];
        }
    }
}

/* ---- Moving ---- */

/* Notes an erasure that now stands in the output. */
static void carry(struct compact *c, const struct compact_item *item)
{
    struct carried *k = &c->output->carried;
    uint32_t *at = array_room(k->at, k->n, &k->cap, sizeof *at);
    if (!at)
        return; /* it counts as met for the first time when the output is a victim */
    CHECK(k->n == 0 || at[k->n - 1] < item->to.offset);
    k->at = at;
    uint32_t until =
        was_carried(c->victim, item->at) ? c->victim->carried.until : c->segments->numbers.next;
    CHECK(until > 0 && until <= c->segments->numbers.next);
    k->at[k->n++] = item->to.offset;
    k->until = until > k->until ? until : k->until;
    k->bytes += tally_weight(item->view.record.key.n, 0);
}

void compact_move_slice(struct compact *c)
{
    struct record_view view[INDEX_FETCH];
    struct location from[INDEX_FETCH], to[INDEX_FETCH];
    unsigned n = 0;
    for (uint32_t end = slice_end(c); c->next < end; c->next++) {
        struct compact_item *item = &c->item[c->next];
        if (item->standing == STANDING_DEAD)
            continue;
        CHECK(item->to.offset >= SEGMENT_HEADER && item->to.offset < c->output->end);
        item->to.segment = c->output->ordinal;
        if (item->standing == STANDING_ERASED)
            carry(c, item);
        if (item->standing == STANDING_PINNED)
            c->output->pinned += tally_weight(item->view.record.key.n, item->view.value_size);
        view[n] = item->view;
        if (item->held.kind != RECORD_NONE && item->standing != STANDING_PINNED &&
            item->standing != STANDING_ERASED) {
            /* a value that was flushed, or has lapsed, is a tombstone */
            view[n].record.kind = item->held.kind;
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
