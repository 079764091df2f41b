/* swim_table.h: the members: lists, look-ups, the timer heap, and the only place where a state
 * changes. Inside SWIM only. */
#ifndef COVEY_CORE_SWIM_TABLE_H
#define COVEY_CORE_SWIM_TABLE_H

#include "core/swim/swim.h"

/* An empty table but for the node itself, alive at the given incarnation. 0 or ERR_NO_MEMORY. */
int swim_table_init(struct swim *s, const struct swim_options *o);
void swim_table_close(struct swim *s);

/* The member with that id; NULL when there is none. */
struct swim_member *swim_member(const struct swim *s, uint64_t id);

/* A new member: alive, unverified, a sketch without address. When the table is full the least
 * useful member is forgotten for it. NULL: no memory, or none can be forgotten. */
struct swim_member *swim_member_add(struct swim *s, uint64_t id, uint64_t incarnation);

/* Forgets a member. Its texts stay readable until time moves on. */
void swim_member_drop(struct swim *s, struct swim_member *m);

/* Moves a member to (incarnation, state), which must not be less than what it has. A change of
 * state clears its accusers and its timer; if it is gone then, its timer is set for forgetting
 * it. */
void swim_member_move(struct swim *s, struct swim_member *m, enum member_state state,
                      uint64_t incarnation);

/* The member has answered: it is verified. */
void swim_member_trust(struct swim *s, struct swim_member *m);

/* Whether the member is in the layout: then it is shown, and never forgotten. */
void swim_member_pin(struct swim *s, struct swim_member *m, bool pinned);

/* Replaces name and metadata. False when memory is out: nothing changed. */
bool swim_member_describe(struct swim *s, struct swim_member *m, struct slice name,
                          struct slice meta);

/* Gives a member the name that it claims, if that is free: no member has it, or its holder left, or
 * died SWIM_RECLAIM_MS ago. */
void swim_member_claim(struct swim *s, struct swim_member *m);

/* Up to `want` distinct random live members that answered, other than `except`; alive_only: none
 * that is suspect. */
unsigned swim_pick(struct swim *s, unsigned want, uint64_t except, bool alive_only,
                   struct swim_member **out);

/* The next of a list, round robin, shuffled anew each round; NULL when it is empty. */
struct swim_member *swim_list_next(struct swim *s, struct swim_list *l);

/* The member's one timer. */
void swim_timer_set(struct swim *s, struct swim_member *m, uint64_t at_ms);
void swim_timer_clear(struct swim *s, struct swim_member *m);

/* Intrusive first-in, first-out queues. */
void swim_queue_push(struct swim_queue *q, enum swim_link_kind kind, struct swim_member *m);
void swim_queue_remove(struct swim_queue *q, enum swim_link_kind kind, struct swim_member *m);

/* s->hash, computed from scratch: for the checks. */
uint64_t swim_table_hash(const struct swim *s);

/* Frees what was discarded before now. */
void swim_table_sweep(struct swim *s);

static inline bool swim_gone(const struct swim_member *m)
{
    return m->state >= MEMBER_DEAD;
}

/* Shown to the rest of the node, and announced. */
static inline bool swim_shown(const struct swim_member *m)
{
    return m->verified || m->pinned;
}

static inline struct slice swim_name(const struct swim_member *m)
{
    return m->text ? slice_of(m->text->bytes, m->text->name_n) : (struct slice){0};
}

static inline struct slice swim_meta(const struct swim_member *m)
{
    return m->text ? slice_of(m->text->bytes + m->text->name_n, m->text->meta_n)
                   : (struct slice){0};
}

/* Live members and the node itself: the N of the formulas. */
static inline uint32_t swim_n(const struct swim *s)
{
    return s->live.n + 1;
}

/* swim_check.c: every invariant; aborts when one is broken. Small tables are checked completely, of
 * large ones a moving window. */
void swim_check(const struct swim *s);

#endif
