/* state.h: the node's own records (RECORD_STATE), one for each name, all held in memory.
 *
 * There are few (identity, incarnation, layout, ballots), so they are a list. A state is copied
 * when its put is submitted, and linked in when the put is durable. So the second step cannot
 * fail. */
#ifndef COVEY_STORE_STATE_H
#define COVEY_STORE_STATE_H

#include "base/slice.h"
#include "wire/record.h"

struct state {
    struct state *next;
    struct version version;
    uint32_t name_n, value_n;
    uint32_t offset;  /* of its record in its segment */
    uint16_t segment; /* the ordinal of that segment */
    uint8_t bytes[];  /* the name, the value */
};

/* A copy of a state record, in no list yet. NULL when memory is out. */
struct state *state_new(const struct record *r);

/* The state of a name, NULL when there is none. */
struct state *state_find(struct state *list, struct slice name);

/* Links a copy in, and takes it. It replaces the state of its name, unless that one is greater:
 * then the copy is freed. Returns the state of that name that is in the list now. */
const struct state *state_merge(struct state **list, struct state *fresh);

void state_free_all(struct state **list);

static inline struct slice state_name(const struct state *s)
{
    return slice_of(s->bytes, s->name_n);
}

static inline struct slice state_value(const struct state *s)
{
    return slice_of(s->bytes + s->name_n, s->value_n);
}

#endif
