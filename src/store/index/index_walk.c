/* index_walk.c: all that goes through whole arcs: counts, walks, a new cut of the ring, the check.
 *
 * A count of live keys is asked for often, so it must not be a walk. Each change of an entry keeps
 * arc.live right. Only the passing of an expiry changes nothing in an entry. So each arc knows a
 * time before which none of its live values expires (soonest_ms), and a count walks through the arc
 * only when that time has passed. The walk marks the values that are over; they are not counted any
 * more, and never looked at again. One count walks through some COUNT_WALK entries at most. The
 * next count begins with the arcs that were left out. */
#include "store/index/index_inner.h"

#include "base/check.h"
#include "base/hash.h"

/* ---- Counts ---- */

/* Marks the values that are over by now, and counts them no more. */
static void expire_arc(struct index_arc *a, uint64_t wall_ms)
{
    a->soonest_ms = 0;
    for (uint32_t b = 0; b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct entry *e = entry_at(a, ref);
            if (!entry_live(e))
                continue;
            if (expiry_passed(entry_expiry_ms(e), wall_ms)) {
                e->flags |= FLAG_EXPIRED;
                a->live--;
            } else {
                arc_note_expiry(a, entry_expiry_ms(e));
            }
        }
    }
}

void index_count(struct index *ix, uint64_t wall_ms, uint32_t *live)
{
    uint32_t from = ix->count_from, left = COUNT_WALK;
    bool skipped = false;
    for (uint32_t i = 0; i < ix->arc_n; i++) {
        uint32_t arc = (from + i) % ix->arc_n;
        struct index_arc *a = ix->arc[arc];
        bool due = a && expiry_passed(a->soonest_ms, wall_ms);
        if (due && left > 0) {
            expire_arc(a, wall_ms);
            left -= a->records < left ? a->records : left;
        } else if (due && !skipped) {
            skipped = true;
            ix->count_from = arc; /* the next count begins here */
        }
        live[arc] = a ? a->live : 0;
    }
}

uint32_t index_arc_dead(const struct index *ix, uint32_t arc)
{
    return ix->arc[arc] ? ix->arc[arc]->records - ix->arc[arc]->live : 0;
}

bool index_arc_ends(const struct index *ix, uint32_t arc, uint64_t wall_ms)
{
    return ix->arc[arc] && expiry_passed(ix->arc[arc]->soonest_ms, wall_ms);
}

uint32_t index_arc_records(const struct index *ix, uint32_t arc)
{
    return ix->arc[arc] ? ix->arc[arc]->records : 0;
}

/* ---- Walks ---- */

void index_walk(const struct index *ix, uint32_t arc,
                void (*each)(void *arg, struct slice key, const struct index_item *item), void *arg)
{
    const struct index_arc *a = ix->arc[arc];
    for (uint32_t b = 0; a && b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct index_spot spot = {.entry = (uint8_t *)entry_at(a, ref)};
            struct index_item item = index_get(ix, &spot);
            if (item.kind != RECORD_NONE)
                each(arg, entry_key(entry_at(a, ref)), &item);
        }
    }
}

uint32_t index_visit(const struct index *ix, uint32_t arc, uint32_t *bucket, uint32_t buckets,
                     void (*each)(void *arg, const struct index_spot *spot, struct slice key),
                     void *arg)
{
    struct index_arc *a = ix->arc[arc];
    CHECK(!a || *bucket < a->bucket_n);
    uint32_t first = *bucket, end = !a                              ? 0
                                    : a->bucket_n - first < buckets ? a->bucket_n
                                                                    : first + buckets;
    for (uint32_t b = first; b < end; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct index_spot spot = {a, (uint8_t *)entry_at(a, ref)};
            each(arg, &spot, entry_key(entry_at(a, ref)));
        }
    }
    *bucket = a && end < a->bucket_n ? end : 0;
    return a ? end - first : 0;
}

/* ---- The ring cut anew ---- */

/* Copies every entry of one arc into another index. */
static int copy_arc(struct index *to, const struct index *from, const struct index_arc *a)
{
    for (uint32_t b = 0; b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            struct index_spot old = {.entry = (uint8_t *)entry_at(a, ref)}, spot = {0};
            struct slice key = entry_key(entry_at(a, ref));
            struct index_item item = index_get(from, &old);
            struct index_key k = index_key(to, slot_of_key(key), key);
            int error = index_reserve(to, &k, &item, &spot);
            if (error)
                return error;
            if (item.kind != RECORD_NONE)
                index_set(to, &spot, &item);
        }
    }
    return 0;
}

int index_cut(struct index *ix, uint32_t arcs)
{
    if (arcs == ix->arc_n)
        return 0;
    struct index fresh;
    int error = index_init(&fresh, arcs, ix->seed);
    for (uint32_t i = 0; !error && i < ix->arc_n; i++)
        if (ix->arc[i])
            error = copy_arc(&fresh, ix, ix->arc[i]);
    if (error) {
        index_close(&fresh);
        return error;
    }
    fresh.moves = ix->moves + 1;
    index_inherit(&fresh, ix);
    index_close(ix);
    *ix = fresh;
    return 0;
}

/* ---- The check ---- */

static uint32_t check_arc(const struct index *ix, uint32_t number)
{
    const struct index_arc *a = ix->arc[number];
    uint32_t records = 0, live = 0;
    for (uint32_t b = 0; a && b < a->bucket_n; b++) {
        for (uint32_t ref = *head_at(a, b); ref != 0; ref = entry_at(a, ref)->next) {
            const struct entry *e = entry_at(a, ref);
            CHECK((uint32_t)slot_of_key(entry_key(e)) * ix->arc_n / SLOTS == number);
            CHECK(bucket_of(a, hash_seeded(entry_key(e), ix->seed)) == b);
            CHECK(e->node < ix->nodes.n);
            records++;
            live += entry_live(e);
            CHECK(!entry_live(e) || entry_expiry_ms(e) == 0 ||
                  (a->soonest_ms != 0 && a->soonest_ms <= entry_expiry_ms(e)));
        }
    }
    CHECK(!a || (a->records == records && a->live == live));
    return records;
}

void index_check(const struct index *ix)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < ix->arc_n; i++)
        records += check_arc(ix, i);
    CHECK(records == ix->records);
}
