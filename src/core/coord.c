/* coord.c: the coordinator: an operation from its request to its one answer.
 *
 * The problem. A client asks any member; the record lives at N owners, of which some are slow, dead, cut off, behind,
 * or of another opinion about the layout. The client must get one answer before its deadline, and that answer must be
 * true: `ok` only when W owners hold the write durably (Dynamo, DeCandia et al. 2007, section 4.5), a read at R that
 * sees every acknowledged write (W + R > N), and an error that says whether anything may have been stored.
 *
 * An operation is a slot in a bounded slab; its handle travels in the messages and comes back in the answers, so that a
 * late answer to a finished operation finds nothing. Its phases stand in coord.h; each phase knows for every owner
 * whether it is idle, asked, done, newer or failed. Whatever happens (an answer, a lost stream, a dead member, a new
 * layout, a tick), the same function drives the phase: it asks whoever has to be asked now. That makes fail-over,
 * resending and layout changes one mechanism, not three.
 *
 * Losing messages. A stream that breaks may have lost what was sent on it. Each peer has a link generation; an owner
 * that was asked under an earlier one counts as not asked. Asking twice is harmless: writes carry their version, reads
 * change nothing.
 *
 * Time. All operations live for the same time and are looked at again at the same interval, so two queues in order of
 * arrival replace a timer heap. Work that grows with the number of operations (a member died under ten thousand of
 * them) is a sweep over the slab, cut into slices: coord_deadline_ms says "now" until it is through.
 *
 * Lingering. A write is answered at W acks, but it is not over: it stays in its slot until every owner acknowledged it, or
 * its deadline came, or the missing owners are known to be gone; then whoever may lack it gets a hint (ACT_HINT_PUT; the
 * replay is core/hint.c). What lingers is bounded apart from what clients wait for, so that a slow owner never takes the
 * room of new requests: beyond the bound the oldest ends early, with hints.
 *
 * Invariants: an operation is in both queues or free, and in by_answer if it lingers; need <= owners; `writes` counts the
 * operations in PHASE_WRITE; one ACT_REPLY per request, never more. */
#include "core/coord.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/coord_op.h"
#include "core/ring.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t NONE = UINT32_MAX;
static const uint32_t INDEX_MASK = (1u << SLAB_INDEX_BITS) - 1;

/* How many can linger: the last to come may be over the bound before another goes. */
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
        .by_deadline = {NONE, NONE},
        .by_tick = {NONE, NONE},
        .by_answer = {NONE, NONE},
        .ops_max = o->ops_max ? o->ops_max : OPS_MAX_DEFAULT,
        .linger_bytes_max = o->linger_bytes_max ? o->linger_bytes_max : LINGER_BYTES_DEFAULT,
        .by_hedge = {NONE, NONE},
    };
    slab_init(&c->ops, sizeof(struct op), c->ops_max + linger_max(c));
    return 0;
}

void coord_close(struct coord *c)
{
    struct op *slots = (struct op *)(void *)c->ops.slots;
    for (uint32_t i = 0; i < c->ops.cap; i++)
        buf_close(&slots[i].data); /* free slots keep theirs too */
    slab_close(&c->ops);
    census_close(&c->census);
    flush_close(&c->flush);
    free(c->peer);
    c->peer = NULL;
}

/* ---- The queues ---- */

static struct op *op_at(const struct coord *c, uint32_t index)
{
    uint64_t handle;
    struct op *op = slab_at(&c->ops, index, &handle);
    CHECK(op);
    return op;
}

static struct op_queue_link *queue_link(const struct coord *c, const struct op_queue *q, uint32_t index)
{
    struct op *op = op_at(c, index);
    return q == &c->by_deadline ? &op->by_deadline
           : q == &c->by_tick   ? &op->by_tick
           : q == &c->by_answer ? &op->by_answer
                                : &op->by_hedge;
}

static void queue_push(struct coord *c, struct op_queue *q, uint32_t index)
{
    *queue_link(c, q, index) = (struct op_queue_link){q->tail, NONE};
    if (q->tail == NONE)
        q->head = index;
    else
        queue_link(c, q, q->tail)->next = index;
    q->tail = index;
}

static void queue_remove(struct coord *c, struct op_queue *q, uint32_t index)
{
    struct op_queue_link l = *queue_link(c, q, index);
    if (l.prev == NONE)
        q->head = l.next;
    else
        queue_link(c, q, l.prev)->next = l.next;
    if (l.next == NONE)
        q->tail = l.prev;
    else
        queue_link(c, q, l.next)->prev = l.prev;
}

/* ---- What read and write share ---- */

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
        n += op->owner[i].state == state;
    return n;
}

void op_reset(struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].state != OWNER_FAILED)
            op->owner[i].state = OWNER_IDLE;
    op->value_from = REPLICAS_MAX;
}

struct coord_peer *op_peer(const struct coord *c, uint64_t id)
{
    for (unsigned low = 0, high = c->peer_n; low < high;) {
        unsigned mid = (low + high) / 2;
        if (c->peer[mid].id == id)
            return &c->peer[mid];
        if (c->peer[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool peer_reachable(const struct coord *c, const struct coord_peer *p)
{
    return p->state <= MEMBER_SUSPECT && p->addr.family != 0 && (p->linked || p->held_until_ms <= c->now_ms);
}

bool coord_reachable(const struct coord *c, uint64_t id)
{
    const struct coord_peer *p = op_peer(c, id);
    return id == c->self || (p && peer_reachable(c, p));
}

bool op_reachable(const struct coord *c, const struct op *op, unsigned i)
{
    return coord_reachable(c, op->owner[i].id);
}

unsigned op_reachable_n(const struct coord *c, const struct op *op)
{
    unsigned n = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        n += op_reachable(c, op, i);
    return n;
}

bool op_lost(const struct coord *c, const struct op *op, unsigned i)
{
    const struct op_owner *o = &op->owner[i];
    if (o->id == c->self)
        return false; /* the own store always answers */
    const struct coord_peer *p = op_peer(c, o->id);
    return !p || p->link != o->link;
}

/* Marks the owner as asked and returns its address. */
static struct addr owner_ask(struct coord *c, struct op *op, unsigned i)
{
    const struct coord_peer *p = op_peer(c, op->owner[i].id);
    CHECK(p);
    op->owner[i].state = OWNER_ASKED;
    op->owner[i].link = p->link;
    op->owner[i].asked_ms = c->now_ms;
    return p->addr;
}

void op_send_put(struct coord *c, struct op *op, unsigned i, struct out *out)
{
    struct addr addr = owner_ask(c, op, i);
    if (op->owner[i].id == c->self) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = TOKEN(TOKEN_COORD, op->handle);
        a->put.record = op_record(op);
        op->owner[i].recovering = c->lost && c->lost[op->vnode];
        return;
    }
    struct message *m = out_send(out, op->owner[i].id, addr, MSG_PUT);
    m->put = (struct msg_put){.op = op->handle, .epoch = op->epoch, .record = op_record(op)};
}

void op_send_get(struct coord *c, struct op *op, unsigned i, enum get_wants wants, struct out *out)
{
    struct addr addr = owner_ask(c, op, i);
    if (op->owner[i].id == c->self) {
        struct action *a = out_add(out, ACT_STORE_GET);
        a->get.token = TOKEN(TOKEN_COORD, op->handle);
        a->get.key = op_key(op);
        a->get.wants = wants;
        return;
    }
    struct message *m = out_send(out, op->owner[i].id, addr, MSG_GET);
    m->get = (struct msg_get){.op = op->handle, .epoch = op->epoch, .wants = (uint8_t)wants, .key = op_key(op)};
}

uint8_t op_read_need(const struct coord *c, enum consistency level)
{
    return level == LEVEL_ONE ? 1 : level == LEVEL_ALL ? c->layout->n : c->layout->r;
}

uint8_t op_write_need(const struct coord *c, enum consistency level)
{
    return level == LEVEL_ALL ? c->layout->n : c->layout->w;
}

/* ---- Beginning and end ---- */

static void reply_error(uint64_t token, enum op_kind kind, int error, struct out *out)
{
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){.token = token, .kind = kind, .error = error};
}

static void fill_where(struct coord *c, const struct op *op, struct result *r)
{
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        const struct coord_peer *p = op_peer(c, o->id);
        c->where[i] = (struct where_owner){
            .id = o->id,
            .addr = p ? p->addr : (struct addr){0},
            .state = p ? p->state : MEMBER_DEAD,
            .answered = o->read,
            .recovering = o->recovering,
            .record = {.kind = o->kind, .version = o->seen, .expiry_ms = o->expiry_ms},
        };
    }
    c->where_n = op->owner_n;
    r->where.owner = c->where;
    r->where.owner_n = op->owner_n;
    r->where.vnode = op->vnode;
    r->where.slot = op->slot;
}

void op_hedge(struct coord *c, struct op *op)
{
    uint64_t after_ms = hedge_after_ms(&c->hedge);
    if (op->hedge_ms || after_ms == 0 || after_ms >= c->deadline_ms / OP_TICKS)
        return; /* it does already, or the tick will */
    op->hedge_ms = c->now_ms + after_ms;
    queue_push(c, &c->by_hedge, (uint32_t)op->handle & INDEX_MASK);
}

/* A read is over: whoever was faster than the silent ones must not make them forgotten. */
static void hedge_note_silent(struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n && op->phase == PHASE_READ; i++)
        if (op->owner[i].state == OWNER_ASKED && op->owner[i].id != c->self)
            hedge_note(&c->hedge, c->now_ms - op->owner[i].asked_ms);
}

static void hedge_leave(struct coord *c, struct op *op)
{
    if (op->hedge_ms)
        queue_remove(c, &c->by_hedge, (uint32_t)op->handle & INDEX_MASK);
    op->hedge_ms = 0;
}

void op_reply(struct coord *c, struct op *op, int error, unsigned answered, struct out *out)
{
    CHECK(!op->answered);
    if (error && op->whole)
        error = ERR_UNKNOWN_OUTCOME; /* the first attempt may have been stored somewhere */
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
        .wall_ms = c->believed_ms,
    };
    if (!error && (op->kind == OP_GET || op->kind == OP_HEAD) && op_live(c, op))
        a->reply.record = op_record(op);
    if (op->kind == OP_WHERE)
        fill_where(c, op, &a->reply);
}

static size_t linger_size(const struct op *op)
{
    return sizeof *op + op->data.n;
}

void op_end(struct coord *c, struct op *op)
{
    c->writes -= op->phase == PHASE_WRITE;
    uint32_t index = (uint32_t)op->handle & INDEX_MASK;
    queue_remove(c, &c->by_deadline, index);
    queue_remove(c, &c->by_tick, index);
    if (op->answered) {
        queue_remove(c, &c->by_answer, index);
        c->linger_n--;
        c->linger_bytes -= linger_size(op);
    }
    hedge_leave(c, op);
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

static bool linger_over(const struct coord *c)
{
    return c->linger_bytes > c->linger_bytes_max || (c->draining && c->linger_n > 0);
}

/* Bytes behind a slot's actions stay until the next step, because no request takes a slot in the step that frees one. */
void op_linger(struct coord *c, struct op *op, struct out *out)
{
    op->answered = true;
    queue_push(c, &c->by_answer, (uint32_t)op->handle & INDEX_MASK);
    c->linger_n++;
    c->linger_bytes += linger_size(op);
    if (linger_over(c))
        write_end(c, op_at(c, c->by_answer.head), out); /* one came, one goes; a large one's room is made at the ticks */
}

/* Gives back the large buffers of the operations answered in the step before: nobody points into them any more. */
static void trim(struct coord *c)
{
    struct op *slots = (struct op *)(void *)c->ops.slots;
    while (c->trim_n > 0)
        buf_close(&slots[c->trim[--c->trim_n]].data);
}

void coord_time(struct coord *c, uint64_t now_ms, uint64_t wall_ms)
{
    c->now_ms = now_ms;
    c->wall_ms = c->believed_ms = wall_ms;
    c->where_n = 0;
    trim(c);
}

/* The owners under the layout in force, all idle. */
static void op_own(struct coord *c, struct op *op)
{
    op->epoch = c->layout->epoch;
    op->vnode = layout_vnode(c->layout, op->slot);
    op->owner_n = c->layout->n;
    for (unsigned i = 0; i < op->owner_n; i++)
        op->owner[i] = (struct op_owner){.id = ring_owner(c->layout, op->vnode, i)->id};
    op->value_from = REPLICAS_MAX;
}

static int op_fill(struct op *op, const struct request *r)
{
    op->data.n = 0;
    op->data.max = KEY_MAX + (size_t)MESSAGE_MAX;
    int e = buf_slice(&op->data, r->key);
    if (!e && r->kind == OP_PUT)
        e = buf_slice(&op->data, r->value);
    op->key_n = (uint32_t)r->key.n;
    op->size = op->put_n = r->kind == OP_PUT ? (uint32_t)r->value.n : 0;
    op->have_value = r->kind == OP_PUT;
    op->keep_expiry = r->keep_expiry;
    op->when = r->when;
    return e;
}

/* A slot for the request, filled in; NULL when there is none to be had. */
static struct op *op_new(struct coord *c, const struct request *r)
{
    void *slot;
    uint32_t cap = c->ops.cap;
    uint64_t handle = c->ops.used - c->linger_n < c->ops_max ? slab_take(&c->ops, &slot) : 0;
    if (c->sweep >= cap)
        c->sweep = c->ops.cap; /* no walk is under way, and growth must not look like one */
    if (!handle)
        return NULL;
    struct op *op = slot;
    memset(op, 0, offsetof(struct op, owner)); /* the owners are op_own's: at N = 3 most of a slot is never touched */
    op->handle = handle;
    op->token = r->token;
    op->kind = (uint8_t)r->kind;
    op->level = (uint8_t)r->level;
    if (op_fill(op, r)) {
        slab_free(&c->ops, handle);
        return NULL;
    }
    op->slot = slot_of_key(r->key);
    op->expiry_ms = r->expiry_relative ? c->believed_ms + r->expiry_ms : r->expiry_ms;
    op->deadline_ms = c->now_ms + c->deadline_ms;
    op->tick_ms = c->now_ms + c->deadline_ms / OP_TICKS;
    op_own(c, op);
    uint32_t index = (uint32_t)handle & INDEX_MASK;
    queue_push(c, &c->by_deadline, index);
    queue_push(c, &c->by_tick, index);
    bool reads = op->kind != OP_WHERE && (op->kind != OP_PUT || op->keep_expiry);
    if (reads)
        op_hedge(c, op); /* it will ask one more owner when the p99 of the answers has passed */
    return op;
}

void coord_request(struct coord *c, const struct request *r, struct out *out)
{
    if (!c->layout) {
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
    if (!op)
        reply_error(r->token, r->kind, ERR_BUSY, out);
    else if (op->kind == OP_PUT && !op->keep_expiry)
        write_begin(c, op, out);
    else
        read_begin(c, op, out);
}

/* ---- Answers ---- */

bool coord_message(struct coord *c, uint64_t from, const struct message *m, struct out *out)
{
    if (m->kind == MSG_COUNTED) {
        census_answer(c, m->counted.op, from, (int)m->counted.error, m->counted.counts, out);
        return true;
    }
    if (m->kind == MSG_FLUSHED) {
        flush_answer(c, m->flushed.op, from, (int)m->flushed.error, m->flushed.greatest, out);
        return true;
    }
    if (m->kind != MSG_PUT_ACK && m->kind != MSG_GOT)
        return false;
    struct op *op = slab_get(&c->ops, m->kind == MSG_GOT ? m->got.op : m->put_ack.op);
    int i = op ? op_owner_index(op, from) : -1;
    if (i < 0)
        return true; /* answered already, or no owner any more */
    if (m->kind == MSG_GOT) {
        read_answer(c, op, (unsigned)i, (int)m->got.error, &m->got.record, m->got.size, out);
    } else if (op->phase == PHASE_WRITE) {
        write_answer(c, op, (unsigned)i, (int)m->put_ack.error, &m->put_ack.held, m->put_ack.reach_ms, out);
    } else {
        repair_answer(c, op, (unsigned)i, (int)m->put_ack.error, &m->put_ack.held, out);
    }
    return true;
}

void coord_stored(struct coord *c, uint64_t number, int error, const struct version *held, uint32_t reach_ms, struct out *out)
{
    struct op *op = slab_get(&c->ops, number);
    int i = op ? op_owner_index(op, c->self) : -1;
    if (i < 0)
        return;
    if (op->phase != PHASE_WRITE)
        repair_answer(c, op, (unsigned)i, error, held, out);
    else
        write_answer(c, op, (unsigned)i, !error && op->owner[i].recovering ? ERR_RECOVERING : error, held, reach_ms, out);
}

void coord_flushed(struct coord *c, uint64_t number, int error, const struct version *held, struct out *out)
{
    flush_answer(c, number, c->self, error, held->stamp, out);
}

void coord_read(struct coord *c, uint64_t number, int error, const struct record *record, uint32_t size, struct out *out)
{
    struct op *op = slab_get(&c->ops, number);
    int i = op ? op_owner_index(op, c->self) : -1;
    if (i >= 0)
        read_answer(c, op, (unsigned)i, error, record, size, out);
}

void coord_counted(struct coord *c, uint64_t number, struct slice counts, struct out *out)
{
    census_answer(c, number, c->self, 0, counts, out);
}

/* ---- The layout and the members ---- */

static void sweep_start(struct coord *c)
{
    flush_look(c);
    c->sweep = 0; /* a walk under way starts anew: driving an operation twice is harmless */
}

int coord_layout(struct coord *c, const struct layout *layout)
{
    struct coord_peer *peer = calloc(layout->member_n, sizeof *peer);
    if (!peer)
        return ERR_NO_MEMORY;
    for (unsigned m = 0; m < layout->member_n; m++) {
        uint64_t id = layout->member[m].id;
        const struct coord_peer *old = op_peer(c, id);
        peer[m] = old ? *old : (struct coord_peer){.id = id, .state = MEMBER_DEAD};
    }
    free(c->peer);
    c->peer = peer;
    c->peer_n = layout->member_n;
    c->layout = layout;
    c->lost = NULL;
    census_restart(c);
    flush_restart(c);
    sweep_start(c);
    return 0;
}

void coord_lost(struct coord *c, const uint8_t *lost)
{
    c->lost = lost;
}

void coord_clock(struct coord *c, uint64_t believed_ms, bool ahead)
{
    c->believed_ms = believed_ms;
    c->ahead = ahead;
}

void coord_ceiling(struct coord *c, uint64_t ms)
{
    c->ceiling_ms = ms;
    c->ceiling_wanted = false;
    if (c->stamps_wait)
        sweep_start(c);
    c->stamps_wait = false;
}

void coord_fence(struct coord *c, bool fenced)
{
    if (c->fenced && !fenced)
        sweep_start(c);
    c->fenced = fenced;
}

void coord_peer(struct coord *c, uint64_t id, struct addr addr, enum member_state state)
{
    struct coord_peer *p = op_peer(c, id);
    if (!p)
        return;
    bool was = p->state <= MEMBER_SUSPECT;
    bool is = state <= MEMBER_SUSPECT;
    p->addr = addr;
    p->state = (uint8_t)state;
    if (state == MEMBER_ALIVE)
        p->held_until_ms = 0; /* news of it: worth another try */
    if (was == is)
        return;
    p->link += !is; /* do not wait for the dead */
    sweep_start(c);
}

void coord_link(struct coord *c, uint64_t id, bool up)
{
    struct coord_peer *p = op_peer(c, id);
    if (!p)
        return;
    p->linked = up;
    p->held_until_ms = up ? 0 : c->now_ms + PEER_HOLD_MS;
    p->link += !up;
    sweep_start(c);
}

/* ---- Time ---- */

/* Drives one operation anew, under the present layout. */
static void op_drive(struct coord *c, struct op *op, bool late, struct out *out)
{
    bool moved = op->epoch != c->layout->epoch;
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
    if (op->phase == PHASE_WRITE)
        write_expire(c, op, out);
    else
        read_expire(c, op, out);
}

static bool room_for_one(const struct coord *c, const struct out *out, unsigned limit)
{
    return out->n + REPLICAS_MAX + 2 <= limit && c->trim_n + 1 < COORD_OUT_MAX;
}

static void tick_deadlines(struct coord *c, unsigned limit, struct out *out)
{
    while (c->by_deadline.head != NONE && room_for_one(c, out, limit)) {
        struct op *op = op_at(c, c->by_deadline.head);
        if (op->deadline_ms > c->now_ms)
            break;
        op_expire(c, op, out);
    }
}

static void tick_late(struct coord *c, unsigned limit, struct out *out)
{
    while (c->by_tick.head != NONE && room_for_one(c, out, limit)) {
        uint32_t index = c->by_tick.head;
        struct op *op = op_at(c, index);
        if (op->tick_ms > c->now_ms)
            break;
        queue_remove(c, &c->by_tick, index);
        op->tick_ms = c->now_ms + c->deadline_ms / OP_TICKS;
        queue_push(c, &c->by_tick, index);
        op_drive(c, op, true, out);
    }
}

static void tick_hedges(struct coord *c, unsigned limit, struct out *out)
{
    while (c->by_hedge.head != NONE && room_for_one(c, out, limit)) {
        struct op *op = op_at(c, c->by_hedge.head);
        if (op->hedge_ms > c->now_ms)
            break;
        hedge_leave(c, op);
        if (op->epoch != c->layout->epoch)
            continue; /* the sweep drives it anew */
        if (op->phase == PHASE_READ)
            read_drive(c, op, true, out);
        else if (op->phase == PHASE_WRITE)
            write_hedge(c, op, out);
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
    while (linger_over(c) && room_for_one(c, out, limit))
        write_end(c, op_at(c, c->by_answer.head), out);
}

void coord_tick(struct coord *c, struct out *out)
{
    unsigned limit = out->n + COORD_OUT_MAX;
    CHECK(limit <= OUT_MAX);
    tick_linger(c, limit, out);
    tick_deadlines(c, limit, out);
    tick_hedges(c, limit, out);
    tick_late(c, limit, out);
    tick_sweep(c, limit, out);
    if (out->n + CENSUS_SLICE + 2 <= limit)
        census_tick(c, out);
    if (out->n + FLUSH_OUT_MAX <= limit)
        flush_tick(c, out);
}

uint64_t coord_deadline_ms(const struct coord *c)
{
    if ((c->sweep < c->ops.cap && c->ops.used > 0) || linger_over(c))
        return c->now_ms;
    uint64_t at = census_deadline_ms(c), flush = flush_deadline_ms(c);
    at = flush < at ? flush : at;
    if (c->by_deadline.head != NONE && op_at(c, c->by_deadline.head)->deadline_ms < at)
        at = op_at(c, c->by_deadline.head)->deadline_ms;
    if (c->by_tick.head != NONE && op_at(c, c->by_tick.head)->tick_ms < at)
        at = op_at(c, c->by_tick.head)->tick_ms;
    if (c->by_hedge.head != NONE && op_at(c, c->by_hedge.head)->hedge_ms < at)
        at = op_at(c, c->by_hedge.head)->hedge_ms;
    return at;
}

bool coord_drain(struct coord *c)
{
    c->draining = true;
    return c->linger_n == 0;
}

uint32_t coord_in_flight(const struct coord *c)
{
    return c->ops.used - c->linger_n + c->census.waiting_n + c->flush.waiting_n;
}

static void check_op(const struct coord *c, const struct op *op)
{
    CHECK(op->owner_n <= REPLICAS_MAX && op->key_n <= op->data.n);
    CHECK(op->need >= 1 && op->need <= REPLICAS_MAX);
    CHECK(op->phase <= PHASE_WRITE && op->round <= 1);
    bool stamped = op->record.version.stamp > 0;
    CHECK(op->phase != PHASE_WRITE || stamped || op_count(op, OWNER_IDLE) + op_count(op, OWNER_FAILED) == op->owner_n);
    CHECK(op->phase != PHASE_WRITE || op->answered || op_count(op, OWNER_DONE) < op->need);
    CHECK(!op->answered || op->phase == PHASE_WRITE);
    CHECK(op->deadline_ms <= c->now_ms + c->deadline_ms);
}

void coord_check(const struct coord *c)
{
    uint32_t used = 0, writes = 0, linger_n = 0;
    uint64_t linger_bytes = 0;
    for (uint32_t i = 0; i < c->ops.cap; i++) {
        uint64_t handle;
        const struct op *op = slab_at(&c->ops, i, &handle);
        if (!op)
            continue;
        CHECK(op->handle == handle);
        check_op(c, op);
        used++;
        writes += op->phase == PHASE_WRITE;
        linger_n += op->answered;
        linger_bytes += op->answered ? linger_size(op) : 0;
    }
    CHECK(used == c->ops.used && writes == c->writes);
    CHECK(linger_n == c->linger_n && linger_bytes == c->linger_bytes);
    CHECK(linger_n <= linger_max(c) && used - linger_n <= c->ops_max);
    CHECK(c->flush.served <= c->flush.waiting_n && c->flush.waiting_n <= FLUSH_WAITERS);
    CHECK(c->census.served <= c->census.waiting_n && c->census.waiting_n <= CENSUS_WAITERS);
}
