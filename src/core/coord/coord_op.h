/* coord_op.h: inside the coordinator: what its files (coord.h lists them) share of an operation. */
#ifndef COVEY_CORE_COORD_OP_H
#define COVEY_CORE_COORD_OP_H

#include "core/coord/coord.h"

static inline struct slice op_key(const struct op *op)
{
    return slice_of(op->data.p, op->key_n);
}

static inline struct slice op_value(const struct op *op)
{
    return slice_of(op->data.p + op->key_n, op->data.n - op->key_n);
}

/* ---- The queues: links are slab indexes ---- */

static const uint32_t OP_NONE = UINT32_MAX;

static inline uint32_t op_index(const struct op *op)
{
    return (uint32_t)op->handle & ((1u << SLAB_INDEX_BITS) - 1);
}

/* The operation in a slot that is taken. */
struct op *op_at(const struct coord *c, uint32_t index);

/* To the end of one of the coordinator's queues; out of it. */
void op_queue_push(struct coord *c, struct op_queue *q, uint32_t index);
void op_queue_remove(struct coord *c, struct op_queue *q, uint32_t index);

/* ---- Whom it asks ---- */

/* What an owner that was read said it holds, without its bytes. */
static inline struct record owner_record(const struct op_owner *o)
{
    return (struct record){.kind = o->kind, .version = o->seen, .expiry_ms = o->expiry_ms};
}

/* The record of an operation with its slices filled in; they live as long as the operation's data
 * stays. */
struct record op_record(const struct op *op);

/* Its owners under the layout in force, all idle. */
void op_own(struct coord *c, struct op *op);

/* The member of that id, NULL when it is not known; and what this coordinator found out about it,
 * NULL when it is no member of the layout. */
static inline const struct member *coord_member(const struct coord *c, uint64_t id)
{
    return cast_find(c->now->cast, id);
}
struct coord_due *coord_due(const struct coord *c, uint64_t id);

/* Index of an owner by id, or -1. */
int op_owner_index(const struct op *op, uint64_t id);

/* Owners in a state. */
unsigned op_count(const struct op *op, enum owner_state state);

/* Forgets what this phase asked: all owners idle, but those that refused for good. What they
 * answered to the read stays. */
void op_reset(struct op *op);

/* The same, as a read is over and the write begins: who cannot be read, because it is recovering or
 * a record of its is damaged, may be written to all the same. */
void op_reset_all(struct op *op);

/* The member that owner i is, looked up: once, where several things are to be known of it. */
static inline const struct member *op_member(const struct coord *c, const struct op *op, unsigned i)
{
    return coord_member(c, op->owner[i].id);
}

/* Whether owner i may be asked now, and whether what it was asked may have been lost. */
static inline bool op_reachable(const struct coord *c, const struct op *op, unsigned i)
{
    return member_reachable(op_member(c, op, i), c->now->ms);
}
static inline bool op_lost(const struct coord *c, const struct op *op, unsigned i)
{
    return op->owner[i].id != c->self && asked_lost(&op->owner[i].asked, op_member(c, op, i));
}

/* Sends owner i, which is the member `to` (the own store, if it is this node), the operation's
 * record, or a read of its key. */
void op_send_put(struct coord *c, struct op *op, unsigned i, const struct member *to,
                 struct out *out);
void op_send_get(struct coord *c, struct op *op, unsigned i, const struct member *to,
                 enum get_wants wants, struct out *out);

/* The levels' numbers under the layout in force. */
uint8_t op_read_need(const struct coord *c, enum consistency level);
uint8_t op_write_need(const struct coord *c, enum consistency level);

/* Owners that can be asked now. */
unsigned op_reachable_n(const struct coord *c, const struct op *op);

/* Whether an owner (NULL: it is not known) is held for silent: a write that needs its answer may
 * have to wait for long. A guess, which may rest on time: nothing about order follows from it but
 * whether a quorum is asked before the write is stamped (coord_write.c). */
bool coord_silent(const struct coord *c, const struct member *m);
bool op_silent(const struct coord *c, const struct op *op);

/* Whether the operation's record is a value whose time has not come. */
static inline bool op_live(const struct coord *c, const struct op *op)
{
    return op->record.kind == RECORD_VALUE &&
           !expiry_passed(op->record.expiry_ms, c->now->believed_ms);
}

/* Answers the client. `answered` goes into the error's words. */
void op_reply(struct coord *c, struct op *op, int error, unsigned answered, struct out *out);

/* Frees an operation that was answered. */
void op_end(struct coord *c, struct op *op);

/* Both. */
void op_finish(struct coord *c, struct op *op, int error, unsigned answered, struct out *out);

/* A write was answered and stays until its owners hold it: the oldest that do so make room, with
 * hints. */
void op_linger(struct coord *c, struct op *op, struct out *out);
size_t op_linger_size(const struct op *op);

/* Whether the oldest that lingers must go. */
bool coord_linger_over(const struct coord *c);

/* Looks at an operation again when an answer would be slow (hedge.h), unless a tick comes first. */
void op_hedge(struct coord *c, struct op *op);
void op_hedge_leave(struct coord *c, struct op *op);

/* The next stamp above `above` (0: above all seen), or 0 when it must wait for the clock's ceiling:
 * then operations are driven anew once that is stored. */
uint64_t op_stamp(struct coord *c, uint64_t above);

/* The hooks of coord_protocol that are in coord_tick.c. */
void coord_tick(void *p, const struct moment *now, struct out *out);
uint64_t coord_deadline_ms(const void *p, const struct moment *now);

/* Begins the phase; drives it: asks whoever has to be asked now (called again after losses,
 * layouts, ticks); `late`: a tick passed without an answer. */
void write_begin(struct coord *c, struct op *op, struct out *out);
void write_drive(struct coord *c, struct op *op, bool late, struct out *out);
void write_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a,
                  struct out *out);
void write_expire(struct coord *c, struct op *op, struct out *out);

/* Ends a write whose client was answered: a hint for every other owner that may lack it. */
void write_end(struct coord *c, struct op *op, struct out *out);

/* R owners hold the record that was read: what OP_EXPIRE makes of it. */
void expire_decide(struct coord *c, struct op *op, struct out *out);

void read_begin(struct coord *c, struct op *op, struct out *out);
void read_drive(struct coord *c, struct op *op, bool late, struct out *out);
void read_answer(struct coord *c, struct op *op, unsigned i, int error, const struct record *record,
                 uint32_t size, struct out *out);
void repair_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a,
                   struct out *out);
void read_expire(struct coord *c, struct op *op, struct out *out);

#endif
