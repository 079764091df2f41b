/* log_states.c: each segment begins with all of the node's own records, so that no lost file takes
 * one along.
 *
 * **Problem.** The node's own records (RECORD_STATE: its identity, what it promised) are few and
 * rarely written: left where they were put first, the identity of a node would stand in one file of
 * hundreds, and with that file it would be gone.
 *
 * **The way.** When puts go to a fresh segment, the newest record of each state is put there once
 * more as it is, all in one group, and behind them an *end*: the state "log.states". Say that the
 * newest end stands in segment M. Then every state's newest record stands in M or in a segment
 * written after it:
 *
 * - What was put before the group was gathered is in that group, or in an earlier one that went to
 *   M as well: the group is gathered while no other group is out.
 * - What is put later goes to M or to a segment after it.
 *
 * So a lost file costs no more than this:
 *
 *     lost segment     the states are
 *     below M          all there, at their newest records
 *     M, or after it   each as it was when that segment began, or newer
 *
 * Compaction never takes a segment in which a state stands, so records of a state stand nowhere but
 * in segments that puts went to. The cost is a few kilobytes in 64 MiB, and no sync of its own
 * where others write. */
#include "store/log/log_inner.h"

#include "base/check.h"

void log_owe_states(struct log *l)
{
    l->owes_states = l->table.states != NULL;
}

/* The first of all segments has all states without an end: none was put before it was there. */
void log_look_at_states(struct log *l)
{
    const struct state *end = state_find(l->table.states, STATES_NAME);
    const struct segment *active = log_active(l);
    bool here = end ? end->segment == active->ordinal : active->number == 1;
    l->owes_states = l->table.states != NULL && !here;
}

/* Adds every state as it is held. False when the group has no room for one, or memory is out. */
static bool gather_all(struct log *l)
{
    for (const struct state *s = l->table.states; s; s = s->next) {
        struct record r = {.kind = RECORD_STATE,
                           .version = s->version,
                           .key = state_name(s),
                           .value = state_value(s)};
        if (!slice_eq(r.key, STATES_NAME) && table_put_own(l->gather, &r) != 0)
            return false;
    }
    return true;
}

bool log_renew_states(struct log *l)
{
    if (!l->owes_states || l->out || l->failed || l->states_serial != 0 || !gather_all(l))
        return false;
    l->states_serial = log_gather_own(l, STATES_NAME, slice_of(NULL, 0));
    l->owes_states = l->states_serial == 0;
    return true;
}

void log_look_for_states(struct log *l)
{
    if (l->states_serial == 0)
        return;
    const struct state *end = state_find(l->table.states, STATES_NAME);
    bool durable = end && end->version.stamp >= l->states_serial;
    if (!durable && !log_idle(l))
        return;
    CHECK(!durable || end->segment < l->segments.ordinal_n);
    l->states_serial = 0;
    l->owes_states |= !durable;
    if (durable && end->segment == log_active(l)->ordinal)
        l->owes_states = false; /* the group that they were in went to a fresh segment itself */
}
