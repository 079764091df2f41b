/* coord_op.c: an operation of the coordinator: the queues that it stands in, the owners that it
 * asks, how it ends, and how an answered write lingers. The essay is in coord.c. */
#include "core/coord/coord_op.h"

#include "base/check.h"
#include "base/phase.h"

/* ---- Its phase: the diagram is in coord.h ---- */

void op_enter(struct coord *c, struct op *op, enum op_phase phase)
{
    static const uint32_t next[] = {
        [PHASE_READ] =
            PHASE(PHASE_READ) | PHASE(PHASE_FETCH) | PHASE(PHASE_REPAIR) | PHASE(PHASE_WRITE),
        [PHASE_FETCH] =
            PHASE(PHASE_READ) | PHASE(PHASE_FETCH) | PHASE(PHASE_REPAIR) | PHASE(PHASE_WRITE),
        [PHASE_REPAIR] = PHASE(PHASE_READ) | PHASE(PHASE_WRITE),
        [PHASE_WRITE] = 0, /* a write is never undone: it ends */
    };
    CHECK(!op->answered);
    phase_enter(&op->phase, phase, next);
    c->writes += phase == PHASE_WRITE;
}

/* ---- The queues ---- */

struct op *op_at(const struct coord *c, uint32_t index)
{
    uint64_t handle;
    struct op *op = slab_at(&c->ops, index, &handle);
    CHECK(op);
    return op;
}

static struct op_queue_link *queue_link(const struct coord *c, const struct op_queue *q,
                                        uint32_t index)
{
    struct op *op = op_at(c, index);
    return q == &c->by_deadline ? &op->by_deadline
           : q == &c->by_tick   ? &op->by_tick
           : q == &c->by_answer ? &op->by_answer
                                : &op->by_hedge;
}

void op_queue_push(struct coord *c, struct op_queue *q, uint32_t index)
{
    CHECK(q->tail != index && (q->head == OP_NONE) == (q->tail == OP_NONE));
    *queue_link(c, q, index) = (struct op_queue_link){q->tail, OP_NONE};
    if (q->tail == OP_NONE)
        q->head = index;
    else
        queue_link(c, q, q->tail)->next = index;
    q->tail = index;
}

void op_queue_remove(struct coord *c, struct op_queue *q, uint32_t index)
{
    struct op_queue_link l = *queue_link(c, q, index);
    CHECK((l.prev == OP_NONE) == (q->head == index));
    CHECK((l.next == OP_NONE) == (q->tail == index));
    if (l.prev == OP_NONE)
        q->head = l.next;
    else
        queue_link(c, q, l.prev)->next = l.next;
    if (l.next == OP_NONE)
        q->tail = l.prev;
    else
        queue_link(c, q, l.next)->prev = l.prev;
}

/* ---- Whom it asks ---- */

struct record op_record(const struct op *op)
{
    struct record r = op->record;
    r.key = op_key(op);
    r.value = op->have_value ? op_value(op) : slice_of(NULL, 0);
    return r;
}

int op_owner_index(const struct op *op, uint64_t id)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].id == id)
            return (int)i;
    return -1;
}

unsigned op_count(const struct op *op, enum owner_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        n += op->owner[i].asked.state == state;
    return n;
}

void op_reset(struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].asked.state != OWNER_FAILED)
            op->owner[i].asked.state = OWNER_IDLE;
    op->value_from = OWNERS_MAX;
}

void op_reset_all(struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        op->owner[i].asked.state = OWNER_IDLE;
    op->value_from = OWNERS_MAX;
}

struct coord_due *coord_due(const struct coord *c, uint64_t id)
{
    int m = layout_find(c->now->layout, id);
    CHECK(c->due_n == c->now->layout->member_n);
    return m < 0 ? NULL : &c->due[m];
}

bool coord_silent(const struct coord *c, const struct member *m)
{
    const struct coord_due *due = m ? coord_due(c, m->id) : NULL;
    if (!due)
        return true;
    bool owes = due->since_ms && c->answered_ms >= due->since_ms + PEER_SILENT_MS;
    bool away = !m->self && (m->state != MEMBER_ALIVE || m->stream != STREAM_UP);
    return owes || away || m->recovering || due->failing;
}

bool op_silent(const struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (coord_silent(c, op_member(c, op, i)) ||
            (op->owner[i].id == c->self && moment_recovers(c->now, op->vnode)))
            return true;
    return false;
}

unsigned op_reachable_n(const struct coord *c, const struct op *op)
{
    unsigned n = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        n += op_reachable(c, op, i);
    return n;
}

static void owner_ask(struct coord *c, struct op_owner *o, const struct member *m)
{
    struct coord_due *due = coord_due(c, o->id);
    CHECK(m && m->id == o->id && due);
    if (!due->since_ms)
        due->since_ms = c->now->ms;
    o->asked.state = OWNER_ASKED;
    asked_note(&o->asked, m);
    o->asked_ms = c->now->ms;
}

void op_send_put(struct coord *c, struct op *op, unsigned i, const struct member *to,
                 struct out *out)
{
    CHECK(i < op->owner_n && op->phase >= PHASE_REPAIR);
    owner_ask(c, &op->owner[i], to);
    uint8_t *puts = op->phase == PHASE_WRITE ? &op->owner[i].open : &op->owner[i].repairs;
    *puts = (uint8_t)(*puts + (*puts < UINT8_MAX));
    CHECK(op->record.kind != RECORD_VALUE || op->have_value);
    if (to->self) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = TOKEN(TOKEN_COORD, op->handle);
        a->put.record = op_record(op);
        op->owner[i].recovering = moment_recovers(c->now, op->vnode);
        return;
    }
    struct message *m = out_send(out, to->id, to->addr, MSG_PUT);
    m->put = (struct msg_put){.op = TOKEN(TOKEN_COORD, op->handle),
                              .epoch = op->epoch,
                              .record = op_record(op),
                              .position = c->now->own.position};
}

void op_send_get(struct coord *c, struct op *op, unsigned i, const struct member *to,
                 enum get_wants wants, struct out *out)
{
    CHECK(i < op->owner_n && op->phase <= PHASE_FETCH);
    owner_ask(c, &op->owner[i], to);
    if (to->self) {
        struct action *a = out_add(out, ACT_STORE_GET);
        a->get.token = TOKEN(TOKEN_COORD, op->handle);
        a->get.key = op_key(op);
        a->get.wants = wants;
        return;
    }
    struct message *m = out_send(out, to->id, to->addr, MSG_GET);
    m->get = (struct msg_get){.op = TOKEN(TOKEN_COORD, op->handle),
                              .epoch = op->epoch,
                              .wants = (uint8_t)wants,
                              .key = op_key(op)};
}

uint8_t op_read_need(const struct coord *c, enum consistency level)
{
    return level == LEVEL_ONE ? 1 : level == LEVEL_ALL ? c->now->layout->n : c->now->layout->r;
}

uint8_t op_write_need(const struct coord *c, enum consistency level)
{
    return level == LEVEL_ALL ? c->now->layout->n : c->now->layout->w;
}

void op_own(struct coord *c, struct op *op)
{
    for (unsigned i = 0; i < op->owner_n && op->phase == PHASE_WRITE; i++)
        op->sent_before |= op->owner[i].open > 0;
    op->epoch = c->now->layout->epoch;
    op->vnode = layout_vnode(c->now->layout, op->slot);
    op->owner_n = c->now->layout->n;
    CHECK(op->owner_n > 0 && op->owner_n <= OWNERS_MAX);
    for (unsigned i = 0; i < op->owner_n; i++)
        op->owner[i] = (struct op_owner){.id = layout_owner(c->now->layout, op->vnode, i)->id,
                                         .torn = op->phase == PHASE_WRITE};
    op->value_from = OWNERS_MAX;
}

/* ---- The end ---- */

static void fill_where(struct coord *c, const struct op *op, struct result *r)
{
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        const struct member *p = coord_member(c, o->id);
        c->where[i] = (struct where_owner){
            .id = o->id,
            .name = p ? member_name(p) : slice_of(NULL, 0),
            .addr = p ? p->addr : (struct addr){0},
            .state = p ? p->state : MEMBER_DEAD,
            .answered = o->read,
            .recovering = o->recovering,
            .record = owner_record(o),
        };
    }
    r->where.owner = c->where;
    r->where.owner_n = op->owner_n;
    r->where.vnode = op->vnode;
    r->where.slot = op->slot;
}

void op_hedge(struct coord *c, struct op *op)
{
    uint64_t after_ms = hedge_after_ms(&c->hedge);
    CHECK(op->phase == PHASE_READ && op->hedge_ms == 0);
    if (after_ms == 0 || after_ms >= c->deadline_ms / OP_TICKS)
        return; /* too little is known, or the tick comes first */
    op->hedge_ms = c->now->ms + after_ms;
    op_queue_push(c, &c->by_hedge, op_index(op));
}

/* A read is over. The owners that it did not wait for count as well, as if they answered now: else
 * the histogram would know of the fast ones alone. */
static void hedge_note_silent(struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n && op->phase == PHASE_READ; i++)
        if (op->owner[i].asked.state == OWNER_ASKED && op->owner[i].id != c->self)
            hedge_note(&c->hedge, c->now->ms - op->owner[i].asked_ms);
}

void op_hedge_leave(struct coord *c, struct op *op)
{
    if (op->hedge_ms)
        op_queue_remove(c, &c->by_hedge, op_index(op));
    op->hedge_ms = 0;
}

/* The row of the tally that owner i belongs to; NULL: it did not answer. */
static uint8_t *tally_row(const struct coord *c, const struct op *op, unsigned i,
                          struct owner_tally *t)
{
    const struct op_owner *o = &op->owner[i];
    if (o->asked.state == OWNER_FAILED)
        return o->error == ERR_NO_SPACE     ? &t->full
               : o->error == ERR_IO         ? &t->failed
               : o->error == ERR_RECOVERING ? &t->recovering
                                            : &t->refused;
    if (o->asked.state >= OWNER_DONE)
        return &t->answered;
    return op_reachable(c, op, i) ? NULL : &t->away;
}

static struct owner_tally tally_of(const struct coord *c, const struct op *op)
{
    struct owner_tally t = {.n = op->owner_n};
    for (unsigned i = 0; i < op->owner_n; i++) {
        uint8_t *row = tally_row(c, op, i, &t);
        if (row)
            ++*row;
    }
    return t;
}

void op_reply(struct coord *c, struct op *op, int error, unsigned answered, struct out *out)
{
    CHECK(!op->answered && answered <= op->owner_n);
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){
        .token = op->token,
        .kind = op->kind,
        .error = error,
        .cause = op->refusal == ERR_NO_SPACE ? ERR_NO_SPACE : 0,
        .answered = (uint8_t)answered,
        .needed = op->need,
        .existed = op->existed,
        .size = op->size,
        .wall_ms = c->now->believed_ms,
    };
    if (error) {
        a->reply.tally = tally_of(c, op);
        a->reply.unstamped = op->unstamped;
    }
    if (!error && (op->kind == OP_GET || op->kind == OP_HEAD) && op_live(c, op))
        a->reply.record = op_record(op);
    if (op->kind == OP_WHERE)
        fill_where(c, op, &a->reply);
}

size_t op_linger_size(const struct op *op)
{
    return sizeof *op + op->data.n;
}

void op_end(struct coord *c, struct op *op)
{
    uint32_t index = op_index(op);
    c->writes -= op->phase == PHASE_WRITE;
    op_queue_remove(c, &c->by_deadline, index);
    op_queue_remove(c, &c->by_tick, index);
    if (op->answered) {
        CHECK(c->linger_n > 0 && c->linger_bytes >= op_linger_size(op));
        op_queue_remove(c, &c->by_answer, index);
        c->linger_n--;
        c->linger_bytes -= op_linger_size(op);
    }
    op_hedge_leave(c, op);
    hedge_note_silent(c, op);
    if (op->data.cap > OP_DATA_KEPT) {
        CHECK(c->trim_n < COORD_OUT_MAX);
        c->trim[c->trim_n++] = index; /* a reply or a hint may still point into it */
    }
    slab_free(&c->ops, op->handle);
}

void op_finish(struct coord *c, struct op *op, int error, unsigned answered, struct out *out)
{
    op_reply(c, op, error, answered, out);
    op_end(c, op);
}

/* ---- Lingering ---- */

bool coord_linger_over(const struct coord *c)
{
    return c->linger_bytes > c->linger_bytes_max || (c->draining && c->linger_n > 0);
}

/* This may end an operation whose bytes an action of this step points to. They stay until the next
 * step, because no request takes a cell in the step that frees one. */
void op_linger(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->phase == PHASE_WRITE && !op->answered);
    op->answered = true;
    op_queue_push(c, &c->by_answer, op_index(op));
    c->linger_n++;
    c->linger_bytes += op_linger_size(op);
    if (coord_linger_over(c))
        /* one came, one goes; a large one's room is made at the ticks */
        write_end(c, op_at(c, c->by_answer.head), out);
}
