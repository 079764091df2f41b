/* log_tend.c: what a log does beside reads and writes, once a turn: a step of the backup, slices of
 * the burial, of forgetting lost records and of the upkeep, and what these need of the log itself.
 *
 * **The list.** A segment of which no record counts may go only when a list of the segments without
 * it is durable: so a start can tell a segment that went from one that was lost. The list is a
 * state record of the log's own. It is put like any other record, so that it is ordered with them.
 * One list at most is on its way:
 *
 *     the upkeep wants a list --> it is put (list_serial) -+-> held at that serial: it is durable
 *                                                          '-> no group is out, and it is not held:
 *                                                              it was not written, and is put again
 *
 * **A fresh segment.** When puts are refused (log_write.c), or a full disk needs the active segment
 * ended, the upkeep makes another. The log moves to it when nothing is under way in the old one: no
 * group is out, and no sync of it is due. */
#include "store/log/log_inner.h"

#include "base/check.h"
#include "base/hash.h"

uint64_t log_gather_own(struct log *l, struct slice name, struct slice value)
{
    struct slice held;
    uint64_t serial = 0;
    table_state(&l->table, name, &held, &serial);
    struct record r = {
        .kind = RECORD_STATE, .version = {.stamp = serial + 1}, .key = name, .value = value};
    r.version.digest = hash_bytes(value);
    return table_put_own(l->gather, &r) ? 0 : serial + 1;
}

/* The floors go with the list: the last erasure that raised one may stand in a segment that
 * goes. */
void log_put_list(struct log *l)
{
    struct buf list, floors;
    CHECK(l->list_serial == 0);
    buf_init(&list, RECORD_VALUE_MAX);
    buf_init(&floors, RECORD_VALUE_MAX);
    upkeep_listing(&l->upkeep);
    bool made =
        floors_append(&l->table.floors, &floors) == 0 && segments_list(&l->segments, &list) == 0;
    if (made && l->table.floors.greatest > 0)
        log_gather_own(l, FLOORS_NAME, buf_view(&floors)); /* in one group: both are durable */
    l->list_serial = made ? log_gather_own(l, LIST_NAME, buf_view(&list)) : 0;
    if (l->list_serial)
        log_commit(&l->head);
    else
        upkeep_listed(&l->upkeep, false);
    buf_close(&list);
    buf_close(&floors);
}

void log_look_for_list(struct log *l)
{
    struct slice value;
    uint64_t serial = 0;
    if (l->list_serial == 0)
        return;
    bool durable = table_state(&l->table, LIST_NAME, &value, &serial) && serial >= l->list_serial;
    if (!durable && !log_idle(l))
        return;
    l->list_serial = 0;
    upkeep_listed(&l->upkeep, durable);
}

/* Moves to the segment that the upkeep has made, when nothing of the active one is on its way. */
static void heal(struct log *l)
{
    /* while it is being made `fresh` is the keeper's */
    struct segment *fresh = l->upkeep.phase == UPKEEP_HEAL ? NULL : l->upkeep.fresh;
    if (!fresh || l->out || commit_owes(&l->committer) || !segments_reserve(&l->segments) ||
        tally_room(&l->table.tallies, (uint16_t)l->segments.ordinal_n) != 0)
        return;
    CHECK(fresh->end == SEGMENT_HEADER && fresh->phase == SEGMENT_USED);
    l->upkeep.fresh = NULL;
    l->upkeep.heal = false;
    if (fresh->number < log_active(l)->number) {
        /* the log has moved on by itself meanwhile: an empty segment, which compaction removes */
        segments_add(&l->segments, fresh);
        fresh->ended = true;
        return;
    }
    log_retire(l, fresh);
    if (l->failed)
        log_report(l, "the disk takes writes again");
    l->failed = 0;
}

void log_keep_up(struct log *l)
{
    backup_step(&l->backup);
    /* also true when the slice below is the last one: then its outcome is to be reaped */
    bool more = burial_under_way(&l->table.burial) || doubt_forgetting(&l->doubt);
    burial_step(&l->table, BURIAL_SLICE);
    doubt_step(&l->doubt, &l->table, BURIAL_SLICE);
    more |= upkeep_step(&l->upkeep);
    heal(l);
    log_look_for_states(l);
    if (log_renew_states(l))
        log_commit(&l->head);
    if (l->doubt.changed && !l->failed)
        log_commit(&l->head); /* which puts what is in doubt */
    if (!l->failed && l->list_serial == 0 && upkeep_wants_list(&l->upkeep))
        log_put_list(l);
    if (more && l->options.wake)
        l->options.wake(l->options.wake_arg);
}
