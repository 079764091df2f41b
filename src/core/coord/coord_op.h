/* coord_op.h: what the coordinator's files (coord.h lists them) share of an operation. Nothing
 * outside this folder includes it. */
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

/* The operation in a cell that is taken. */
struct op *op_at(const struct coord *c, uint32_t index);

/* Puts an operation at the end of one of the coordinator's queues; takes it out. */
void op_queue_push(struct coord *c, struct op_queue *q, uint32_t index);
void op_queue_remove(struct coord *c, struct op_queue *q, uint32_t index);

/* ---- Its phase ---- */

/* Every change of an operation's phase: aborts where the table in coord_op.c does not have it. */
void op_enter(struct coord *c, struct op *op, enum op_phase phase);

/* ---- Whom it asks ---- */

/* What an owner that was read answered that it holds, without its bytes. */
static inline struct record owner_record(const struct op_owner *o)
{
    return (struct record){.kind = o->kind, .version = o->seen, .expiry_ms = o->expiry_ms};
}

/* The record of an operation with its slices filled in, which point into op->data. */
struct record op_record(const struct op *op);

/* Fills in its owners under the layout in force, all idle. */
void op_own(struct coord *c, struct op *op);

/* The member of that id; NULL when it is not known. */
static inline const struct member *coord_member(const struct coord *c, uint64_t id)
{
    return cast_find(c->now->cast, id);
}

/* What this coordinator found out about a member; NULL when it is in no layout. */
struct coord_due *coord_due(const struct coord *c, uint64_t id);

/* Index of the owner of that id, or -1. */
int op_owner_index(const struct op *op, uint64_t id);

/* How many owners are in a state. */
unsigned op_count(const struct op *op, enum owner_state state);

/* A phase begins: all owners are idle, but those that refused for good. What they answered to the
 * read stays. */
void op_reset(struct op *op);

/* The same where a read is over and the write begins: an owner that cannot be read, because it is
 * recovering or its record is damaged, may be written to all the same. */
void op_reset_all(struct op *op);

/* The member that owner i is; NULL when it is not known. */
static inline const struct member *op_member(const struct coord *c, const struct op *op, unsigned i)
{
    return coord_member(c, op->owner[i].id);
}

/* Whether owner i may be asked now. */
static inline bool op_reachable(const struct coord *c, const struct op *op, unsigned i)
{
    return member_reachable(op_member(c, op, i), c->now->ms);
}

/* Whether what owner i was asked may have been lost. */
static inline bool op_lost(const struct coord *c, const struct op *op, unsigned i)
{
    return op->owner[i].id != c->self && asked_lost(&op->owner[i].asked, op_member(c, op, i));
}

/* Sends owner i, which is the member `to`, the operation's record, or a read of its key. Where that
 * is this node, the own store is asked. */
void op_send_put(struct coord *c, struct op *op, unsigned i, const struct member *to,
                 struct out *out);
void op_send_get(struct coord *c, struct op *op, unsigned i, const struct member *to,
                 enum get_wants wants, struct out *out);

/* How many owners must answer a read, or a write, at a level, under the layout in force. */
uint8_t op_read_need(const struct coord *c, enum consistency level);
uint8_t op_write_need(const struct coord *c, enum consistency level);

/* How many owners may be asked now. */
unsigned op_reachable_n(const struct coord *c, const struct op *op);

/* Whether a member (NULL: it is not known) is taken for silent: what needs its answer may have to
 * wait for long. This is a guess, which may rest on time. Nothing about the order of writes follows
 * from it: it decides only whether a quorum is asked before a write is stamped (coord_write.c), and
 * which owner a read asks last. */
bool coord_silent(const struct coord *c, const struct member *m);

/* Whether one of the operation's owners is taken for silent. */
bool op_silent(const struct coord *c, const struct op *op);

/* Whether the operation's record is a value that is not over. */
static inline bool op_live(const struct coord *c, const struct op *op)
{
    return op->record.kind == RECORD_VALUE &&
           !expiry_passed(op->record.expiry_ms, c->now->believed_ms);
}

/* Answers the client: once. `answered` is how many owners did, for the error's words. */
void op_reply(struct coord *c, struct op *op, int error, unsigned answered, struct out *out);

/* Frees an operation whose client was answered. */
void op_end(struct coord *c, struct op *op);

/* Both. */
void op_finish(struct coord *c, struct op *op, int error, unsigned answered, struct out *out);

/* A write was answered, and lingers until its owners hold it. It may be ended by this: where too
 * much lingers the oldest writes end, with hints. */
void op_linger(struct coord *c, struct op *op, struct out *out);
size_t op_linger_size(const struct op *op);

/* Whether the oldest write that lingers must end. */
bool coord_linger_over(const struct coord *c);

/* Has a read ask one more owner when its answers turn out slow (hedge.h), unless the tick comes
 * before that; and not any more. */
void op_hedge(struct coord *c, struct op *op);
void op_hedge_leave(struct coord *c, struct op *op);

/* The next stamp, above all that the clock has seen and above `above`. 0 when it must wait for the
 * clock's ceiling: then all operations are driven anew once that is stored. */
uint64_t op_stamp(struct coord *c, uint64_t above);

/* The hooks of coord_protocol that are in coord_tick.c. */
void coord_tick(void *p, const struct moment *now, struct out *out);
uint64_t coord_deadline_ms(const void *p, const struct moment *now);

/* ---- Writes (coord_write.c) ---- */

/* Begins the write of a PUT or DEL. */
void write_begin(struct coord *c, struct op *op, struct out *out);

/* Asks the owners that have to be asked now: called again after losses, layouts and ticks. late: a
 * tick passed without an answer. The same of read_drive. */
void write_drive(struct coord *c, struct op *op, bool late, struct out *out);

/* Owner i answered a put. */
void write_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a,
                  struct out *out);

/* The deadline passed. The same of read_expire. */
void write_expire(struct coord *c, struct op *op, struct out *out);

/* Ends a write whose client was answered, with a hint for every other owner that may lack it. */
void write_end(struct coord *c, struct op *op, struct out *out);

/* R owners hold the record that was read: what OP_EXPIRE makes of it. */
void expire_decide(struct coord *c, struct op *op, struct out *out);

/* ---- Reads (coord_read.c) ---- */

/* Begins a read, or begins it anew: reads change nothing. */
void read_begin(struct coord *c, struct op *op, struct out *out);
void read_drive(struct coord *c, struct op *op, bool late, struct out *out);

/* Owner i answered a read; it answered the put of a repair. */
void read_answer(struct coord *c, struct op *op, unsigned i, int error, const struct record *record,
                 uint32_t size, struct out *out);
void repair_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a,
                   struct out *out);
void read_expire(struct coord *c, struct op *op, struct out *out);

#endif
