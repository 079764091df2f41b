/* coord_tick.c: what time and a sweep ask of operations.
 *
 * Time. All operations live for the same time and are looked at again at the same interval, so two
 * queues in order of arrival do the work of a heap of timers. Work that grows with the number of
 * operations (a member died under ten thousand of them) is a sweep over the slab, some cells at
 * each tick: coord_deadline_ms is "now" until it is through. */
#include "base/check.h"
#include "core/coord/coord_op.h"

/* Drives one operation anew, under the present layout. */
static void op_drive(struct coord *c, struct op *op, bool late, struct out *out)
{
    CHECK(op->epoch <= c->now->layout->epoch);
    bool moved = op->epoch != c->now->layout->epoch;
    if (moved)
        op_own(c, op);
    if (op->phase == PHASE_WRITE) {
        op->need = op_write_need(c, op->level);
        write_drive(c, op, late, out);
    } else if (moved) {
        read_begin(c, op, out);
    } else {
        read_drive(c, op, late, out);
    }
}

static void op_expire(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->deadline_ms <= c->now->ms);
    if (op->phase == PHASE_WRITE)
        write_expire(c, op, out);
    else
        read_expire(c, op, out);
}

static bool room_for_one(const struct coord *c, const struct out *out, unsigned limit)
{
    return out->n + OP_OUT_MAX <= limit && c->trim_n + 2 < COORD_OUT_MAX;
}

static void tick_deadlines(struct coord *c, unsigned limit, struct out *out)
{
    while (c->by_deadline.head != OP_NONE && room_for_one(c, out, limit)) {
        struct op *op = op_at(c, c->by_deadline.head);
        if (op->deadline_ms > c->now->ms)
            break;
        op_expire(c, op, out);
    }
}

static void tick_late(struct coord *c, unsigned limit, struct out *out)
{
    while (c->by_tick.head != OP_NONE && room_for_one(c, out, limit)) {
        uint32_t index = c->by_tick.head;
        struct op *op = op_at(c, index);
        if (op->tick_ms > c->now->ms)
            break;
        op_queue_remove(c, &c->by_tick, index);
        op->tick_ms = c->now->ms + c->deadline_ms / OP_TICKS;
        op_queue_push(c, &c->by_tick, index);
        op_drive(c, op, true, out);
    }
}

static void tick_hedges(struct coord *c, unsigned limit, struct out *out)
{
    while (c->by_hedge.head != OP_NONE && room_for_one(c, out, limit)) {
        struct op *op = op_at(c, c->by_hedge.head);
        if (op->hedge_ms > c->now->ms)
            break;
        op_hedge_leave(c, op);
        if (op->epoch != c->now->layout->epoch)
            continue; /* the sweep drives it anew */
        if (op->phase == PHASE_READ)
            read_drive(c, op, true, out);
    }
}

static void tick_sweep(struct coord *c, unsigned limit, struct out *out)
{
    for (; c->sweep < c->ops.cap && room_for_one(c, out, limit); c->sweep++) {
        uint64_t handle;
        struct op *op = slab_at(&c->ops, c->sweep, &handle);
        if (op)
            op_drive(c, op, false, out);
    }
}

static void tick_linger(struct coord *c, unsigned limit, struct out *out)
{
    while (coord_linger_over(c) && room_for_one(c, out, limit))
        write_end(c, op_at(c, c->by_answer.head), out);
}

void coord_tick(void *p, const struct moment *now, struct out *out)
{
    struct coord *c = p;
    c->now = now;
    unsigned limit = out->n + COORD_OUT_MAX;
    CHECK(limit <= OUT_MAX);
    tick_linger(c, limit, out);
    tick_deadlines(c, limit, out);
    tick_hedges(c, limit, out);
    tick_late(c, limit, out);
    tick_sweep(c, limit, out);
    if (out->n + CENSUS_OUT_MAX <= limit)
        census_tick(c, out);
    if (out->n + FLUSH_OUT_MAX <= limit)
        flush_tick(c, out);
    if (c->sweep >= c->ops.cap)
        c->ceiling_error = 0; /* all writes that waited for it have ended: the next tries again */
    CHECK(out->n <= limit);
}

uint64_t coord_deadline_ms(const void *p, const struct moment *now)
{
    const struct coord *c = p;
    if ((c->sweep < c->ops.cap && c->ops.used > 0) || coord_linger_over(c))
        return now->ms;
    uint64_t at = census_deadline_ms(c, now), flush = flush_deadline_ms(c, now);
    at = flush < at ? flush : at;
    if (c->by_deadline.head != OP_NONE && op_at(c, c->by_deadline.head)->deadline_ms < at)
        at = op_at(c, c->by_deadline.head)->deadline_ms;
    if (c->by_tick.head != OP_NONE && op_at(c, c->by_tick.head)->tick_ms < at)
        at = op_at(c, c->by_tick.head)->tick_ms;
    if (c->by_hedge.head != OP_NONE && op_at(c, c->by_hedge.head)->hedge_ms < at)
        at = op_at(c, c->by_hedge.head)->hedge_ms;
    return at;
}

bool coord_drain(struct coord *c)
{
    c->draining = true;
    return c->linger_n == 0;
}
