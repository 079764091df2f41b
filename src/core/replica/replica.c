#include "core/replica/replica.h"

#include "base/check.h"

int replica_init(struct replica *r, uint32_t asks_max)
{
    *r = (struct replica){0};
    slab_init(&r->asks, sizeof(struct replica_ask), asks_max ? asks_max : REPLICA_MAX);
    return 0;
}

void replica_close(struct replica *r)
{
    slab_close(&r->asks);
}

/* ---- Answers ---- */

static struct msg_put_ack *answer_put(const struct replica_ask *a, uint64_t epoch, int error, const struct version *held,
                                      struct out *out)
{
    struct message *m = out_send(out, a->peer, a->addr, MSG_PUT_ACK);
    m->put_ack = (struct msg_put_ack){.op = a->op, .epoch = epoch, .error = (uint32_t)error, .held = *held};
    return &m->put_ack;
}

static void answer_get(const struct replica_ask *a, uint64_t epoch, int error, const struct record *record, uint32_t size,
                       struct out *out)
{
    struct message *m = out_send(out, a->peer, a->addr, MSG_GOT);
    m->got = (struct msg_got){.op = a->op, .epoch = epoch, .error = (uint32_t)error, .size = size, .record = *record};
    m->got.record.key = slice_of(NULL, 0); /* the asker knows it */
}

static void answer_count(const struct replica_ask *a, uint64_t epoch, int error, struct slice counts, struct out *out)
{
    struct message *m = out_send(out, a->peer, a->addr, MSG_COUNTED);
    m->counted = (struct msg_counted){.op = a->op, .epoch = epoch, .error = (uint32_t)error, .counts = counts};
}

static void answer_flush(const struct replica_ask *a, uint64_t epoch, int error, uint64_t position, struct out *out)
{
    struct message *m = out_send(out, a->peer, a->addr, MSG_FLUSHED);
    m->flushed = (struct msg_flushed){.op = a->op, .epoch = epoch, .error = (uint32_t)error, .position = position};
}

/* What the store told of itself: trees, lists, what it holds, its greatest stamp. */
static void answer_told(const struct replica_ask *a, uint64_t epoch, uint64_t boot, int error, const struct event *ev,
                        struct out *out)
{
    uint32_t code = (uint32_t)error;
    struct slice told = ev ? ev->told.told : slice_of(NULL, 0), floors = ev ? ev->told.floors : told;
    if (a->kind == MSG_TREE_GET)
        out_send(out, a->peer, a->addr, MSG_TREE)->tree = (struct msg_tree){.op = a->op,
                                                                            .epoch = epoch,
                                                                            .error = code,
                                                                            .hashes = told,
                                                                            .recovering = a->recovering,
                                                                            .floors = floors,
                                                                            .flushed = ev ? ev->told.flushed : 0};
    else if (a->kind == MSG_LIST_GET)
        out_send(out, a->peer, a->addr, MSG_LIST)->list = (struct msg_list){.op = a->op,
                                                                            .epoch = epoch,
                                                                            .error = code,
                                                                            .upto = ev ? ev->told.upto : 0,
                                                                            .entries = told,
                                                                            .ticket = ev && !error ? ev->told.ticket + boot : 0};
    else if (a->kind == MSG_GREATEST_GET)
        out_send(out, a->peer, a->addr, MSG_GREATEST)->greatest =
            (struct msg_greatest){.op = a->op, .epoch = epoch, .error = code, .stamp = ev ? ev->told.greatest : 0};
    else
        out_send(out, a->peer, a->addr, MSG_ERASE_SAID)->erase_said =
            (struct msg_erase_said){.op = a->op, .epoch = epoch, .error = code, .held = told};
}

/* Whether it stores something. */
static bool is_write(uint8_t kind)
{
    return kind == MSG_PUT || kind == MSG_FLUSH;
}

static void refuse(const struct replica_ask *a, uint64_t epoch, int error, struct out *out)
{
    if (a->kind == MSG_PUT)
        answer_put(a, epoch, error, &(struct version){0}, out);
    else if (a->kind == MSG_FLUSH)
        answer_flush(a, epoch, error, 0, out);
    else if (a->kind == MSG_GET)
        answer_get(a, epoch, error, &(struct record){0}, 0, out);
    else if (a->kind == MSG_COUNT)
        answer_count(a, epoch, error, slice_of(NULL, 0), out);
    else
        answer_told(a, epoch, 0, error, NULL, out);
}

/* ---- Requests ---- */

/* What a PUT may bring: plain records; a flush, as a hint. */
static bool is_puttable(uint8_t kind)
{
    return kind == RECORD_VALUE || kind == RECORD_TOMBSTONE || kind == RECORD_EXPIRY || kind == RECORD_FLUSH;
}

/* Anti-entropy may ask: it wants what is there, and does not believe in what is not. */
static bool may_ask_recovering(uint64_t op)
{
    return TOKEN_OWNER(op) == TOKEN_REPAIR;
}

/* Whether it asks for all that this node holds: one that may lack something has no answer. */
static bool asks_all(uint8_t kind)
{
    return kind == MSG_ERASE_ASK || kind == MSG_GREATEST_GET;
}

/* Why it cannot be served now, or 0. */
static int objection(const struct replica_view *view, const struct message *m)
{
    if (view->epoch == 0)
        return ERR_LOADING;
    if (m->head.epoch != view->epoch)
        return ERR_STALE_EPOCH;
    if (m->kind == MSG_GET && view->recovering && !may_ask_recovering(m->head.op))
        return ERR_RECOVERING;
    if (asks_all(m->kind) && view->recovering)
        return ERR_RECOVERING;
    if ((is_write(m->kind) || m->kind == MSG_ERASE_ASK) && view->fenced)
        return ERR_FORMING;
    if (m->kind == MSG_ERASE_ASK && view->refusal)
        return view->refusal;
    if (m->kind == MSG_PUT && !is_puttable(m->put.record.kind))
        return ERR_REFUSED;
    if (m->kind == MSG_FLUSH && m->flush.record.kind != RECORD_FLUSH)
        return ERR_REFUSED; /* the other kinds belong to protocols that are not built yet */
    return 0;
}

static void submit(uint64_t handle, const struct replica_view *view, const struct message *m, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_REPLICA, handle);
    if (is_write(m->kind)) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = token;
        a->put.record = m->kind == MSG_PUT ? m->put.record : m->flush.record;
        a->put.origin = view->origin;
    } else if (m->kind == MSG_GET) {
        struct action *a = out_add(out, ACT_STORE_GET);
        a->get.token = token;
        a->get.key = m->get.key;
        a->get.wants = m->get.wants == GET_VALUE ? GET_VALUE : GET_DIGEST;
    } else if (m->kind == MSG_COUNT) {
        struct action *a = out_add(out, ACT_STORE_COUNT);
        a->count.token = token;
        a->count.wall_ms = view->wall_ms;
    } else if (m->kind == MSG_TREE_GET) {
        struct action *a = out_add(out, ACT_STORE_TREE);
        a->tree.token = token;
        a->tree.vnodes = m->tree_get.vnodes;
        a->tree.leaves = m->tree_get.leaves;
    } else if (m->kind == MSG_GREATEST_GET) {
        out_add(out, ACT_STORE_GREATEST)->greatest.token = token;
    } else if (m->kind == MSG_ERASE_ASK) {
        struct action *a = out_add(out, ACT_STORE_HELD);
        a->held.token = token;
        a->held.entries = m->erase_ask.entries;
    } else {
        struct action *a = out_add(out, ACT_STORE_LIST);
        a->list.token = token;
        a->list.vnode = m->list_get.vnode;
        a->list.ranges = m->list_get.ranges;
    }
}

void replica_message(struct replica *r, const struct replica_view *view, const struct message *m, struct out *out)
{
    struct replica_ask ask = {
        .peer = view->peer,
        .addr = view->addr,
        .op = m->head.op,
        .kind = m->kind,
        .recovering = view->recovering,
        .doubts = view->doubts,
    };
    int error = objection(view, m);
    if (error) {
        refuse(&ask, view->epoch, error, out);
        return;
    }
    void *slot;
    uint64_t handle = slab_take(&r->asks, &slot);
    if (!handle) {
        refuse(&ask, view->epoch, ERR_BUSY, out);
        return;
    }
    *(struct replica_ask *)slot = ask;
    r->puts += is_write(m->kind);
    submit(handle, view, m, out);
#ifdef CANARY_ACK_BEFORE_STORED
    if (m->kind == MSG_PUT)
        answer_put(&ask, view->epoch, 0, &m->put.record.version, out);
#endif
}

/* ---- The store's results ---- */

/* The request that waited for this, which is thereby over. Every token is answered once, so there is one. */
static struct replica_ask ask_done(struct replica *r, uint64_t number)
{
    struct replica_ask *slot = slab_get(&r->asks, number);
    CHECK(slot);
    struct replica_ask ask = *slot;
    r->puts -= is_write(ask.kind);
    slab_free(&r->asks, number);
    return ask;
}

/* Whether a coordinator must be told that we may have lost a greater version, which was acknowledged. */
static bool unsound(const struct replica_ask *a, uint32_t doubts)
{
    return a->kind == MSG_PUT && (a->recovering || a->doubts != doubts) && TOKEN_OWNER(a->op) == TOKEN_COORD;
}

void replica_stored(struct replica *r, const struct replica_now *now, uint64_t number, const struct event *ev, struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    if (ask.kind == MSG_FLUSH) {
        answer_flush(&ask, now->epoch, ev->stored.error, now->position, out);
        return;
    }
    struct msg_put_ack *ack = answer_put(&ask, now->epoch, ev->stored.error, &ev->stored.held, out);
    ack->never_took = ev->stored.never_took;
    ack->unsound = unsound(&ask, now->doubts);
    ack->position = now->position;
}

void replica_read(struct replica *r, const struct replica_now *now, uint64_t number, const struct event *ev, struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    bool refused = now->recovering && !may_ask_recovering(ask.op);
    answer_get(&ask, now->epoch, refused ? ERR_RECOVERING : ev->read.error, &ev->read.record, ev->read.size, out);
}

void replica_counted(struct replica *r, const struct replica_now *now, uint64_t number, struct slice counts, struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    answer_count(&ask, now->epoch, 0, counts, out);
}

void replica_told(struct replica *r, const struct replica_now *now, uint64_t number, const struct event *ev, struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    if (ask.doubts != now->doubts)
        ask.recovering = UINT32_MAX;
    bool doubtful = asks_all(ask.kind) && ask.recovering;
    answer_told(&ask, now->epoch, now->boot, doubtful ? ERR_RECOVERING : ev->told.error, ev, out);
}

void replica_check(const struct replica *r)
{
    uint32_t puts = 0;
    for (uint32_t i = 0; i < r->asks.cap; i++) {
        uint64_t handle;
        const struct replica_ask *a = slab_at(&r->asks, i, &handle);
        puts += a && is_write(a->kind);
    }
    CHECK(puts == r->puts);
}
