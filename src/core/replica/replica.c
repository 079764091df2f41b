/* replica.c: see replica.h. */
#include "core/replica/replica.h"

#include "base/check.h"
#include "base/hash.h"
#include "wire/bytes.h"
#include "wire/merkle.h"

int replica_init(struct replica *r, uint32_t asks_max)
{
    *r = (struct replica){0};
    slab_init(&r->asks, sizeof(struct replica_ask), asks_max ? asks_max : REPLICA_MAX);
    return 0;
}

static void on_close(void *p)
{
    struct replica *r = p;
    slab_close(&r->asks);
}

/* ---- Answers ---- */

/* An answer of that kind, with its head filled in and nothing else. */
static struct message *answer(const struct replica_ask *a, const struct moment *now,
                              enum message_kind kind, int error, struct out *out)
{
    struct message *m = out_send(out, a->peer, cast_addr(now->cast, a->peer), kind);
    m->head = (struct msg_head){.op = a->op, .epoch = now->epoch, .error = (uint32_t)error};
    return m;
}

/* Whether a request of that kind stores something. */
static bool is_write(uint8_t kind)
{
    return kind == MSG_PUT || kind == MSG_FLUSH;
}

/* ---- Requests ---- */

/* Whether a PUT may bring a record of that kind: a value, a deletion; a flush, as a hint. */
static bool is_puttable(uint8_t kind)
{
    return kind == RECORD_VALUE || kind == RECORD_TOMBSTONE || kind == RECORD_FLUSH;
}

/* Whether the asker may read here while this node is recovering. Anti-entropy may: it wants what is
 * here, and concludes nothing from what is not. */
static bool may_ask_recovering(uint64_t op)
{
    return TOKEN_OWNER(op) == TOKEN_REPAIR;
}

/* Whether the question is about all that this node holds: a node that is recovering cannot answer
 * it. */
static bool asks_all(uint8_t kind)
{
    return kind == MSG_ERASE_ASK || kind == MSG_GREATEST_GET;
}

/* Why a request cannot be served now, or 0. */
static int objection(const struct replica_ask *a, const struct moment *now, const struct message *m)
{
    if (!now->layout)
        return ERR_LOADING;
    if (m->head.epoch != now->epoch)
        return ERR_STALE_EPOCH;
    if (m->kind == MSG_GET && a->recovering && !may_ask_recovering(a->op))
        return ERR_RECOVERING;
    if (asks_all(m->kind) && a->recovering)
        return ERR_RECOVERING;
    if ((is_write(m->kind) || m->kind == MSG_ERASE_ASK) && now->fenced)
        return ERR_FORMING;
    if (m->kind == MSG_PUT && !is_puttable(m->put.record.kind))
        return ERR_REFUSED;
    if (m->kind == MSG_FLUSH && m->flush.record.kind != RECORD_FLUSH)
        return ERR_REFUSED;
    return m->kind == MSG_ERASE_ASK ? listing_judge(m->erase_ask.entries, now->believed_ms) : 0;
}

/* In which of the vnodes of a question about trees this node is recovering: a bit for each. */
static uint32_t vnodes_recovering(const struct moment *now, struct slice vnodes)
{
    uint32_t bits = 0;
    for (unsigned i = 0; moment_recovering(now) && i < 8 * sizeof bits && 2 * i + 2 <= vnodes.n;
         i++) {
        uint16_t v = get_u16(vnodes.p + 2 * i);
        bits |= (uint32_t)(v < now->layout->vnodes && moment_recovers(now, v)) << i;
    }
    return bits;
}

/* The `recovering` of a request: see struct replica_ask. */
static uint32_t recovering_in(const struct moment *now, const struct message *m)
{
    if (m->kind == MSG_GET || m->kind == MSG_PUT)
        return moment_lacks(now, slot_of_key(m->kind == MSG_GET ? m->get.key : m->put.record.key));
    if (m->kind == MSG_TREE_GET)
        return vnodes_recovering(now, m->tree_get.vnodes);
    return asks_all(m->kind) && moment_recovering(now);
}

/* Where a put comes from. With a ticket, the record was found missing in a list that this node gave
 * to an owner that holds it; the store knows by the ticket whether it may have been erased since.
 * (The boot nonce in it tells the tickets of another process apart, of which the store knows
 * nothing.) */
static struct put_origin origin_of(const struct moment *now, uint64_t from, const struct msg_put *m)
{
    uint16_t vnode = layout_vnode(now->layout, slot_of_key(m->record.key));
    if (m->ticket == 0 || !layout_owns(now->layout, vnode, from))
        return (struct put_origin){.from = PUT_FROM_ANYBODY};
    return (struct put_origin){
        .from = moment_recovers(now, vnode) ? PUT_FROM_SOURCE : PUT_FROM_OWNER,
        .ticket = m->ticket - now->boot,
    };
}

static void submit_put(uint64_t token, const struct record *record, struct put_origin origin,
                       struct out *out)
{
    struct action *a = out_add(out, ACT_STORE_PUT);
    a->put.token = token;
    a->put.record = *record;
    a->put.origin = origin;
}

static void submit(uint64_t token, const struct moment *now, uint64_t from, const struct message *m,
                   struct out *out)
{
    struct action *a;
    switch (m->kind) {
    case MSG_PUT:
        submit_put(token, &m->put.record, origin_of(now, from, &m->put), out);
        break;
    case MSG_FLUSH:
        submit_put(token, &m->flush.record, (struct put_origin){0}, out);
        break;
    case MSG_GET:
        a = out_add(out, ACT_STORE_GET);
        a->get.token = token;
        a->get.key = m->get.key;
        a->get.wants = m->get.wants == GET_VALUE ? GET_VALUE : GET_DIGEST;
        break;
    case MSG_COUNT:
        a = out_add(out, ACT_STORE_COUNT);
        a->count.token = token;
        a->count.wall_ms = now->believed_ms;
        break;
    case MSG_TREE_GET:
        a = out_add(out, ACT_STORE_TREE);
        a->tree.token = token;
        a->tree.vnodes = m->tree_get.vnodes;
        a->tree.leaves = m->tree_get.leaves;
        break;
    case MSG_LIST_GET:
        a = out_add(out, ACT_STORE_LIST);
        a->list.token = token;
        a->list.vnode = m->list_get.vnode;
        a->list.ranges = m->list_get.ranges;
        break;
    case MSG_ERASE_ASK:
        a = out_add(out, ACT_STORE_HELD);
        a->held.token = token;
        a->held.entries = m->erase_ask.entries;
        break;
    case MSG_GREATEST_GET:
        out_add(out, ACT_STORE_GREATEST)->greatest.token = token;
        break;
    default:
        check_failed(__FILE__, __LINE__, "a request that the replica serves");
    }
}

void replica_message(struct replica *r, const struct moment *now, uint64_t from,
                     const struct message *m, struct out *out)
{
    struct replica_ask ask = {.peer = from,
                              .op = m->head.op,
                              .kind = m->kind,
                              .recovering = recovering_in(now, m),
                              .doubts = now->own.doubts};
    void *cell;
    int error = objection(&ask, now, m);
    uint64_t handle = error ? 0 : slab_take(&r->asks, &cell);
    if (!handle) {
        answer(&ask, now, message_answer(m->kind), error ? error : ERR_BUSY, out);
        return;
    }
    *(struct replica_ask *)cell = ask;
    r->puts += is_write(m->kind);
    submit(TOKEN(TOKEN_REPLICA, handle), now, from, m, out);
#ifdef CANARY_ACK_BEFORE_STORED
    if (m->kind == MSG_PUT)
        answer(&ask, now, MSG_PUT_ACK, 0, out)->put_ack.held = m->put.record.version;
#endif
}

/* ---- The store's results ---- */

/* Takes out the request that waited for this answer. The store answers every token once, so there
 * is one. */
static struct replica_ask ask_done(struct replica *r, uint64_t number)
{
    struct replica_ask *cell = slab_get(&r->asks, number);
    CHECK(cell && r->puts >= is_write(cell->kind));
    struct replica_ask ask = *cell;
    r->puts -= is_write(ask.kind);
    slab_free(&r->asks, number);
    return ask;
}

/* Whether a coordinator must know that this node may have lost a greater version, which was
 * acknowledged (core/coord/coord_write.c). */
static bool unsound(const struct replica_ask *a, const struct moment *now)
{
    return (a->recovering || a->doubts != now->own.doubts) && TOKEN_OWNER(a->op) == TOKEN_COORD;
}

static void answer_write(const struct replica_ask *a, const struct moment *now,
                         const struct event *ev, struct out *out)
{
    struct message *m = answer(a, now, message_answer(a->kind), ev->stored.error, out);
    if (a->kind == MSG_FLUSH) {
        m->flushed.position = now->own.position;
        return;
    }
    m->put_ack.held = ev->stored.held;
    m->put_ack.never_took = ev->stored.never_took;
    m->put_ack.unsound = unsound(a, now);
    m->put_ack.position = now->own.position;
}

static void answer_read(const struct replica_ask *a, const struct moment *now,
                        const struct event *ev, struct out *out)
{
    bool refused =
        moment_lacks(now, slot_of_key(ev->read.record.key)) && !may_ask_recovering(a->op);
    struct message *m = answer(a, now, MSG_GOT, refused ? ERR_RECOVERING : ev->read.error, out);
    m->got.size = ev->read.size;
    m->got.record = ev->read.record;
}

/* The store answers a question about itself: trees, lists, what it holds, its greatest stamp. */
static void answer_question(const struct replica_ask *a, const struct moment *now,
                            const struct event *ev, struct out *out)
{
    uint32_t recovering = a->doubts != now->own.doubts ? UINT32_MAX : a->recovering;
    int error = asks_all(a->kind) && recovering ? ERR_RECOVERING : ev->answered.error;
    struct message *m = answer(a, now, message_answer(a->kind), error, out);
    switch (m->kind) {
    case MSG_TREE:
        m->tree.hashes = ev->answered.bytes;
        m->tree.recovering = recovering;
        m->tree.floors = ev->answered.floors;
        m->tree.flushed = ev->answered.flushed;
        break;
    case MSG_LIST:
        m->list.upto = ev->answered.upto;
        m->list.entries = ev->answered.bytes;
        m->list.ticket = error ? 0 : ev->answered.ticket + now->boot;
        break;
    case MSG_ERASE_HELD:
        m->erase_held.held = ev->answered.bytes;
        break;
    case MSG_GREATEST:
        m->greatest.stamp = ev->answered.greatest;
        break;
    default:
        check_failed(__FILE__, __LINE__, "a question about the store");
    }
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct replica_ask ask = ask_done(p, number);
    if (ev->kind == EV_STORED)
        answer_write(&ask, now, ev, out);
    else if (ev->kind == EV_READ)
        answer_read(&ask, now, ev, out);
    else if (ev->kind == EV_COUNTED)
        answer(&ask, now, MSG_COUNTED, 0, out)->counted.counts = event_counts(ev);
    else
        answer_question(&ask, now, ev, out);
}

static void on_check(const void *p, const struct moment *now)
{
    const struct replica *r = p;
    uint32_t puts = 0, used = 0;
    (void)now;
    for (uint32_t i = 0; i < r->asks.cap; i++) {
        uint64_t handle;
        const struct replica_ask *a = slab_at(&r->asks, i, &handle);
        used += a != NULL;
        puts += a && is_write(a->kind);
    }
    CHECK(puts == r->puts && used == r->asks.used);
}

const struct protocol replica_protocol = {
    .stored = on_stored, .check = on_check, .close = on_close};
