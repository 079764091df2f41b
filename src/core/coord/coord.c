/* coord.c: the coordinator: an operation from its request to its one answer.
 *
 * The problem. A client asks any member. The record is at N owners, of which some are slow, dead,
 * cut off, behind, or of another opinion about the layout. The client must get one answer before
 * its deadline, and that answer must be true: `ok` only when W owners hold the write durably
 * (Dynamo, DeCandia et al. 2007, section 4.5), a read at R owners that sees every acknowledged
 * write (W + R > N), and an error that says whether anything may have been stored.
 *
 * An operation is a cell in a bounded slab. Its handle travels in the messages and comes back in
 * the answers, so that a late answer to an operation that is over finds nothing. Its phases stand
 * in coord.h. Within a phase the operation knows of every owner whether it is idle, asked, done or
 * failed. Whatever happens (an answer, a lost stream, a dead member, a new layout, a tick), the
 * same function drives the phase: it asks the owners that have to be asked now. That makes
 * fail-over, resending and changes of layout one mechanism, not three.
 *
 * Losing messages. A stream that breaks may have lost what was sent on it. Each member has a link
 * generation; an owner that was asked under an earlier one counts as not asked. To ask twice is
 * harmless: writes have their version with them, reads change nothing.
 *
 * Lingering. A write is answered at W acks, but it is not over. It stays in its cell until every
 * owner has acknowledged it, or its deadline has come, or the missing owners are known to be gone.
 * Then every owner that may lack it gets a hint (ACT_HINT_PUT; core/hint/hint.c replays it). The
 * writes that linger have a bound of their own, apart from the operations that clients wait for, so
 * that a slow owner never takes the room of new requests. Beyond the bound the oldest write ends
 * early, with hints.
 *
 * Invariants: an operation is in the queues by deadline and by tick or is free, and in by_answer if
 * it lingers; need <= owners; `writes` counts the operations in PHASE_WRITE; one ACT_REPLY per
 * request, never more. on_check has all that can be checked. */
#include "core/coord/coord.h"

#include "base/check.h"
#include "base/fetch.h"
#include "base/hash.h"
#include "core/coord/coord_op.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* How many writes can linger: one more than fit, until the oldest ends. */
static uint32_t linger_max(const struct coord *c)
{
    return (uint32_t)(c->linger_bytes_max / sizeof(struct op)) + 2;
}

int coord_init(struct coord *c, const struct coord_options *o)
{
    *c = (struct coord){
        .self = o->self,
        .deadline_ms = o->deadline_ms ? o->deadline_ms : OP_DEADLINE_DEFAULT_MS,
        .ceiling_ms = UINT64_MAX,
        .by_deadline = {OP_NONE, OP_NONE},
        .by_tick = {OP_NONE, OP_NONE},
        .by_answer = {OP_NONE, OP_NONE},
        .ops_max = o->ops_max ? o->ops_max : OPS_MAX_DEFAULT,
        .linger_bytes_max = o->linger_bytes_max ? o->linger_bytes_max : LINGER_BYTES_DEFAULT,
        .by_hedge = {OP_NONE, OP_NONE},
    };
    slab_init(&c->ops, sizeof(struct op), c->ops_max + linger_max(c));
    return 0;
}

static void on_close(void *p)
{
    struct coord *c = p;
    struct op *cells = (struct op *)(void *)c->ops.cells;
    for (uint32_t i = 0; i < c->ops.cap; i++)
        buf_close(&cells[i].data); /* free cells have buffers too */
    slab_close(&c->ops);
    census_close(&c->census);
    free(c->due);
    c->due = NULL;
    c->due_n = 0;
}

/* ---- Beginning ---- */

static void reply_error(uint64_t token, enum op_kind kind, int error, struct out *out)
{
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){.token = token, .kind = kind, .error = error};
}

/* Frees the large buffers of the operations that ended in the step before: no action points into
 * them any more. */
static void begin(void *p)
{
    struct coord *c = p;
    struct op *cells = (struct op *)(void *)c->ops.cells;
    while (c->trim_n > 0)
        buf_close(&cells[c->trim[--c->trim_n]].data);
}

static int op_fill(struct op *op, const struct request *r)
{
    struct slice value = slice_of(r->value.p, r->kind == OP_PUT ? r->value.n : 0);
    op->data.n = 0;
    op->data.max = KEY_FULL_MAX + (size_t)MESSAGE_MAX;
    op->key_n = (uint32_t)r->key.n + 1;
    int e = buf_reserve(&op->data, op->key_n + value.n);
    if (e)
        return e;
    op->data.n = key_write(op->data.p, r->space, r->key).n;
    CHECK(op->data.n == op->key_n && op->key_n <= KEY_FULL_MAX);
    e = buf_slice(&op->data, value); /* there is room */
    op->size = op->put_n = (uint32_t)value.n;
    op->have_value = r->kind == OP_PUT;
    op->keep_expiry = r->keep_expiry;
    op->when = r->when;
    return e;
}

/* A cell for the request, filled in; NULL when there is none to be had. */
static struct op *op_new(struct coord *c, const struct request *r)
{
    void *cell;
    uint32_t cap = c->ops.cap;
    CHECK(c->linger_n <= c->ops.used);
    uint64_t handle = c->ops.used - c->linger_n < c->ops_max ? slab_take(&c->ops, &cell) : 0;
    if (c->sweep >= cap)
        c->sweep = c->ops.cap; /* no walk is under way, and growth must not look like one */
    if (!handle)
        return NULL;
    struct op *op = cell;
    /* op_own fills in the owners: at N = 3 most of a cell is never touched */
    memset(op, 0, offsetof(struct op, data));
    op->handle = handle;
    op->token = r->token;
    op->kind = (uint8_t)r->kind;
    op->level = (uint8_t)r->level;
    if (op_fill(op, r)) {
        slab_free(&c->ops, handle);
        return NULL;
    }
    op->slot = slot_of_name(r->key);
    op->expiry_ms = r->expiry_relative ? c->now->believed_ms + r->expiry_ms : r->expiry_ms;
    op->deadline_ms = c->now->ms + c->deadline_ms;
    op->tick_ms = c->now->ms + c->deadline_ms / OP_TICKS;
    op_own(c, op);
    uint32_t index = op_index(op);
    op_queue_push(c, &c->by_deadline, index);
    op_queue_push(c, &c->by_tick, index);
    return op;
}

void coord_request(struct coord *c, const struct moment *now, const struct request *r,
                   struct out *out)
{
    c->now = now;
    CHECK(r->kind <= OP_COUNT);
    if (!now->layout) {
        reply_error(r->token, r->kind, ERR_LOADING, out);
        return;
    }
    if (r->kind == OP_COUNT) {
        census_request(c, r->token, out);
        return;
    }
    if (r->kind == OP_FLUSH) {
        flush_request(c, r->token, out);
        return;
    }
    struct op *op = op_new(c, r);
    if (!op) {
        reply_error(r->token, r->kind, ERR_BUSY, out);
    } else if (op->kind == OP_PUT && !op->keep_expiry && !op_silent(c, op)) {
        write_begin(c, op, out);
    } else {
        if (op->kind != OP_WHERE)
            op_hedge(c, op);
        read_begin(c, op, out);
    }
}

/* ---- Answers ---- */

/* The operation of that handle, NULL when it is over. By the time that an answer comes, the other
 * operations have driven this one out of the processor's cache. What the answer will touch, up to
 * the owners of N = 3, is fetched at once. */
static struct op *op_find(const struct coord *c, uint64_t handle)
{
    enum { LINE = 64, OWNERS = 3 };
    struct op *op = slab_get(&c->ops, handle);
    for (size_t at = 0; op && at < offsetof(struct op, owner[OWNERS]); at += LINE)
        fetch_line((const uint8_t *)op + at);
    return op;
}

/* A member answered a read, or (a) a write: it owes no answer any more, as far as is known. */
static void answered(struct coord *c, uint64_t id, const struct put_answer *a)
{
    struct coord_due *due = coord_due(c, id);
    if (!due)
        return;
    due->since_ms = 0;
    c->answered_ms = c->now->ms;
    if (!a)
        return;
    due->mute = false; /* an error is an answer too; the verdict has a reason of its own for it */
    due->failing = a->error == ERR_IO || a->error == ERR_NO_SPACE;
}

/* The operation of that handle, and the index in it of the owner that answers. NULL: the operation
 * is over, or the member that answers is no owner any more. NULL too for an operation that is still
 * to be driven anew under the layout in force: an answer to what it asked before does not count. */
static struct op *op_answered(const struct coord *c, uint64_t number, uint64_t from,
                              unsigned *owner)
{
    struct op *op = op_find(c, number);
    bool current = op && op->epoch == c->now->layout->epoch;
    int i = current ? op_owner_index(op, from) : -1;
    *owner = (unsigned)i;
    return i < 0 ? NULL : op;
}

static void take_put(struct coord *c, uint64_t number, uint64_t from, struct put_answer a,
                     struct out *out)
{
    unsigned i;
    answered(c, from, &a);
    struct op *op = op_answered(c, number, from, &i);
    if (op && from == c->self && op->phase == PHASE_WRITE)
        a.unsound = op->owner[i].recovering || moment_recovers(c->now, op->vnode);
    if (op && op->phase == PHASE_WRITE)
        write_answer(c, op, i, &a, out);
    else if (op)
        repair_answer(c, op, i, &a, out);
}

static void take_read(struct coord *c, uint64_t number, uint64_t from, int error,
                      const struct record *record, uint32_t size, struct out *out)
{
    unsigned i;
    answered(c, from, NULL);
    struct op *op = op_answered(c, number, from, &i);
    if (op && from == c->self && moment_lacks(c->now, op->slot))
        error = ERR_RECOVERING;
    if (op)
        read_answer(c, op, i, error, record, size, out);
}

static void on_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                      struct out *out)
{
    struct coord *c = p;
    c->now = now;
    uint64_t number = TOKEN_NUMBER(m->head.op);
    int error = (int)m->head.error;
    if (!now->layout)
        return; /* a node without a layout has asked nobody */
    if (m->kind == MSG_PUT_ACK) {
        struct put_answer a = {.error = error,
                               .held = m->put_ack.held,
                               .never_took = m->put_ack.never_took != 0,
                               .unsound = m->put_ack.unsound != 0};
        take_put(c, number, from, a, out);
    } else if (m->kind == MSG_GOT) {
        take_read(c, number, from, error, &m->got.record, m->got.size, out);
    } else if (m->kind == MSG_COUNTED) {
        census_answer(c, number, from, error, m->counted.counts, out);
    }
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct coord *c = p;
    c->now = now;
    if (ev->kind == EV_STORED) {
        struct put_answer a = {.error = ev->stored.error,
                               .held = ev->stored.held,
                               .never_took = ev->stored.never_took};
        take_put(c, number, c->self, a, out);
    } else if (ev->kind == EV_READ) {
        take_read(c, number, c->self, ev->read.error, &ev->read.record, ev->read.size, out);
    } else if (ev->kind == EV_COUNTED) {
        census_answer(c, number, c->self, 0, event_counts(ev), out);
    }
}

/* ---- The layout and the members ---- */

static void sweep_start(struct coord *c)
{
    flush_look(c);
    c->sweep = 0; /* a walk under way begins anew: to drive an operation twice is harmless */
}

/* What was found out about a member stays for as long as it is in the layout. */
static int on_layout(void *p, const struct moment *now)
{
    struct coord *c = p;
    const struct layout *l = now->layout;
    struct coord_due *due = calloc(l->member_n, sizeof *due);
    if (!due)
        return ERR_NO_MEMORY;
    for (unsigned m = 0, old = 0; m < l->member_n; m++) {
        while (old < c->due_n && c->due[old].id < l->member[m].id)
            old++;
        bool stays = old < c->due_n && c->due[old].id == l->member[m].id;
        due[m] = stays ? c->due[old] : (struct coord_due){.id = l->member[m].id};
    }
    free(c->due);
    c->due = due;
    c->due_n = l->member_n;
    c->now = now;
    census_restart(c);
    flush_restart(c);
    sweep_start(c);
    return 0;
}

void coord_ceiling(struct coord *c, const struct moment *now, uint64_t ms)
{
    c->now = now;
    c->ceiling_ms = ms;
    c->ceiling_wanted = false;
    c->ceiling_error = 0;
    if (c->stamps_wait)
        sweep_start(c);
    c->stamps_wait = false;
}

void coord_ceiling_failed(struct coord *c, const struct moment *now, int error)
{
    c->now = now;
    if (c->ops.used == 0 && c->flush.waiting_n == 0)
        return; /* no write waits for it: the next one tries again */
    c->ceiling_error = error;
    sweep_start(c);
}

/* Where the fence has gone, the writes that waited for that go on. */
static void on_barred(void *p, const struct moment *now)
{
    struct coord *c = p;
    c->now = now;
    if (!now->fenced)
        sweep_start(c);
}

static void on_member(void *p, const struct moment *now, const struct member *m, unsigned change)
{
    struct coord *c = p;
    c->now = now;
    struct coord_due *due = now->layout ? coord_due(c, m->id) : NULL;
    if (!due)
        return;
    census_member(c, m);
    if (change & (CAST_DOWN | CAST_PROCESS))
        due->since_ms = 0; /* what it was asked is lost: it will not answer that */
    if (change & (CAST_DOWN | CAST_PROCESS | CAST_ABSENT))
        due->mute = false;
    if (change & (CAST_PRESENT | CAST_ABSENT | CAST_UP | CAST_DOWN))
        sweep_start(c);
}

bool coord_mute(const struct coord *c, uint64_t id)
{
    const struct coord_due *due = c->due_n > 0 ? coord_due(c, id) : NULL;
    return due && due->mute;
}

/* ---- Being asked ---- */

uint32_t coord_in_flight(const struct coord *c)
{
    return c->ops.used - c->linger_n + c->census.waiting_n + c->flush.waiting_n;
}

static void check_owner(const struct op *op, const struct op_owner *o)
{
    uint8_t state = o->asked.state;
    bool writes = op->phase == PHASE_WRITE, refused = state == OWNER_NEVER || state == OWNER_UNSURE;
    CHECK(writes || state <= OWNER_DONE || state == OWNER_FAILED);
    CHECK(writes || (o->open == 0 && !o->hinted));
    CHECK(state != OWNER_RECOVERING || !op->ordered);
    CHECK(!refused || !op->ordered || o->aged);
    CHECK(!o->hinted || op->answered);
}

static void check_op(const struct coord *c, const struct moment *now, const struct op *op)
{
    uint32_t index = op_index(op);
    const struct version *v = &op->record.version;
    uint64_t stamp = op->kind == OP_EXPIRE ? v->expiry_stamp : v->stamp;
    CHECK(op->owner_n <= OWNERS_MAX && op->need >= 1 && op->need <= op->owner_n);
    CHECK(op->value_from < op->owner_n || op->value_from == OWNERS_MAX);
    CHECK(op->key_n >= 1 && op->key_n <= op->data.n);
    CHECK(!op->have_value || op->data.n == (size_t)op->key_n + op->size);
    CHECK(op->phase != PHASE_WRITE || stamp > 0 ||
          op_count(op, OWNER_IDLE) + op_count(op, OWNER_FAILED) == op->owner_n);
    CHECK(op->phase != PHASE_WRITE || op->answered || op_count(op, OWNER_DONE) < op->need);
    CHECK(!op->answered || op->phase == PHASE_WRITE);
    CHECK(stamp == 0 || op->phase != PHASE_WRITE || stamp > op->above || op->above >= STAMP_MAX);
    CHECK(!op->answered || (op->by_answer.prev == OP_NONE) == (c->by_answer.head == index));
    CHECK((op->by_deadline.prev == OP_NONE) == (c->by_deadline.head == index));
    CHECK((op->by_tick.prev == OP_NONE) == (c->by_tick.head == index));
    CHECK(op->deadline_ms <= now->ms + c->deadline_ms);
    CHECK(op->tick_ms <= now->ms + c->deadline_ms / OP_TICKS);
    for (unsigned i = 0; i < op->owner_n; i++)
        check_owner(op, &op->owner[i]);
}

static void on_check(const void *p, const struct moment *now)
{
    const struct coord *c = p;
    uint32_t used = 0, writes = 0, linger_n = 0;
    uint64_t linger_bytes = 0;
    for (uint32_t i = 0; i < c->ops.cap; i++) {
        uint64_t handle;
        const struct op *op = slab_at(&c->ops, i, &handle);
        if (!op)
            continue;
        CHECK(op->handle == handle);
        check_op(c, now, op);
        used++;
        writes += op->phase == PHASE_WRITE;
        linger_n += op->answered;
        linger_bytes += op->answered ? op_linger_size(op) : 0;
    }
    CHECK(used == c->ops.used && writes == c->writes);
    CHECK(linger_n == c->linger_n && linger_bytes == c->linger_bytes);
    CHECK(linger_n <= linger_max(c) && used - linger_n <= c->ops_max);
    CHECK((used == 0) == (c->by_deadline.head == OP_NONE && c->by_tick.head == OP_NONE));
    CHECK((linger_n == 0) == (c->by_answer.head == OP_NONE));
    CHECK(!now->layout || c->due_n == now->layout->member_n);
    flush_check(c, now);
    census_check(c);
}

const struct protocol coord_protocol = {
    .begin = begin,
    .layout = on_layout,
    .barred = on_barred,
    .member = on_member,
    .answer = on_answer,
    .stored = on_stored,
    .tick = coord_tick,
    .deadline_ms = coord_deadline_ms,
    .check = on_check,
    .close = on_close,
};
