/* compact_judge.c: what of a chunk counts, and, when it is copied, where it is from now on. Both in
 * slices of a turn, by batches of INDEX_FETCH look-ups.
 *
 * **Erasures.** What an erasure (floors.h) covers, a tombstone or values that are over, is dead and
 * goes with its segment. The erasure itself may not just go: an older record of its key, dead, may
 * stand in any segment that existed then, and a replay without the erasure would revive it. So it
 * is copied, as kept, with the number `until` of the next segment at that time; it is dropped when
 * a later compaction finds that all segments below that number are gone (their directory entries
 * durably so). Segments made after the erasure hold no such record: none is put any more
 * (table_erase.c), and a copy of one that was under way had its output made before the erasure was
 * judged. The floor that it raised outlives it: the list of segments without the victim goes to the
 * disk together with all floors. A restart forgets which were kept: they are then judged anew.
 *
 * **Pinned records.** A record that says something about others (a flush) is replaced by no record
 * of its key, and whether it still matters only the protocol knows. Compaction copies it as it is,
 * always: that is never wrong, and small. */
#include "store/log/compact_inner.h"

#include "base/array.h"

enum {
    SLICE = 512,      /* records judged or moved in a turn at most: a tenth of a millisecond */
    SLICE_LEAST = 32, /* and at least, */
    /* for each byte written meanwhile so many of the victim: of 40 % dead, 2.5 are needed to keep
     * up */
    PACE = 3,
};

/* ---- Slices ---- */

/* A turn that stored little gives little time: else compaction would take as much as the puts. */
static uint32_t slice_end(struct compact *c)
{
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

void compact_judge_slice(struct compact *c)
{
    bool may_go = compact_kept_may_go(c, c->victim);
    for (uint32_t end = slice_end(c); c->next < end;) {
        struct record_view view[INDEX_FETCH];
        struct location from[INDEX_FETCH];
        enum standing standing[INDEX_FETCH];
        struct index_item held[INDEX_FETCH];
        unsigned n = batch(c, end, view, from);
        table_standing(c->table, view, from, n, standing, held);
        for (unsigned i = 0; i < n; i++) {
            struct compact_item *item = &c->item[c->next++];
            bool over = standing[i] == STANDING_ERASED && may_go && is_kept(c->victim, item->at);
            item->standing = over ? STANDING_DEAD : standing[i];
            item->held = item->view.record.kind == RECORD_STATE ? (struct index_item){0} : held[i];
        }
    }
}

/* ---- Moving ---- */

/* An erasure now stands in the output. */
static void keep(struct compact *c, const struct compact_item *item)
{
    struct kept *k = &c->output->kept;
    uint32_t *at = array_room(k->at, k->n, &k->cap, sizeof *at);
    if (!at)
        return; /* it counts as met for the first time when the output is a victim */
    k->at = at;
    uint32_t first_kept =
        is_kept(c->victim, item->at) ? c->victim->kept.until : c->segments->numbers.next;
    k->at[k->n++] = item->to.offset;
    k->until = first_kept > k->until ? first_kept : k->until;
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
        item->to.segment = c->output->slot;
        if (item->standing == STANDING_ERASED)
            keep(c, item);
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
