#include "core/replica.h"

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

static void answer_put(const struct replica_ask *a, uint64_t epoch, int error, const struct version *held, struct out *out)
{
    struct message *m = out_send(out, a->peer, a->addr, MSG_PUT_ACK);
    m->put_ack = (struct msg_put_ack){.op = a->op, .epoch = epoch, .error = (uint32_t)error, .held = *held};
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

static void refuse(const struct replica_ask *a, uint64_t epoch, int error, struct out *out)
{
    if (a->kind == MSG_PUT)
        answer_put(a, epoch, error, &(struct version){0}, out);
    else if (a->kind == MSG_GET)
        answer_get(a, epoch, error, &(struct record){0}, 0, out);
    else
        answer_count(a, epoch, error, slice_of(NULL, 0), out);
}

/* ---- Requests ---- */

static struct replica_ask ask_of(const struct replica_view *view, const struct message *m)
{
    struct replica_ask a = {.peer = view->peer, .addr = view->addr, .kind = m->kind};
    a.op = m->kind == MSG_PUT ? m->put.op : m->kind == MSG_GET ? m->get.op : m->count.op;
    return a;
}

static uint64_t epoch_of(const struct message *m)
{
    return m->kind == MSG_PUT ? m->put.epoch : m->kind == MSG_GET ? m->get.epoch : m->count.epoch;
}

/* Why it cannot be served now, or 0. */
static int objection(const struct replica_view *view, const struct message *m)
{
    if (view->epoch == 0)
        return ERR_LOADING;
    if (epoch_of(m) != view->epoch)
        return ERR_STALE_EPOCH;
    if (m->kind == MSG_PUT && view->fenced)
        return ERR_FORMING;
    if (m->kind == MSG_PUT && m->put.record.kind != RECORD_VALUE && m->put.record.kind != RECORD_TOMBSTONE)
        return ERR_REFUSED; /* the other kinds belong to protocols that are not built yet */
    return 0;
}

static void submit(uint64_t handle, const struct message *m, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_REPLICA, handle);
    if (m->kind == MSG_PUT) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = token;
        a->put.record = m->put.record;
    } else if (m->kind == MSG_GET) {
        struct action *a = out_add(out, ACT_STORE_GET);
        a->get.token = token;
        a->get.key = m->get.key;
        a->get.wants = m->get.wants == GET_VALUE ? GET_VALUE : GET_DIGEST;
    } else {
        out_add(out, ACT_STORE_COUNT)->count.token = token;
    }
}

bool replica_message(struct replica *r, const struct replica_view *view, const struct message *m, struct out *out)
{
    if (m->kind != MSG_PUT && m->kind != MSG_GET && m->kind != MSG_COUNT)
        return false;
    struct replica_ask ask = ask_of(view, m);
    int error = objection(view, m);
    if (error) {
        refuse(&ask, view->epoch, error, out);
        return true;
    }
    void *slot;
    uint64_t handle = slab_take(&r->asks, &slot);
    if (!handle) {
        refuse(&ask, view->epoch, ERR_BUSY, out);
        return true;
    }
    *(struct replica_ask *)slot = ask;
    r->puts += m->kind == MSG_PUT;
    submit(handle, m, out);
#ifdef CANARY_ACK_BEFORE_STORED
    if (m->kind == MSG_PUT)
        answer_put(&ask, view->epoch, 0, &m->put.record.version, out);
#endif
    return true;
}

/* ---- The store's results ---- */

/* The request that waited for this, which is thereby over. Every token is answered once, so there is one. */
static struct replica_ask ask_done(struct replica *r, uint64_t number)
{
    struct replica_ask *slot = slab_get(&r->asks, number);
    CHECK(slot);
    struct replica_ask ask = *slot;
    r->puts -= ask.kind == MSG_PUT;
    slab_free(&r->asks, number);
    return ask;
}

void replica_stored(struct replica *r, uint64_t epoch, uint64_t number, int error, const struct version *held, struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    answer_put(&ask, epoch, error, held, out);
}

void replica_read(struct replica *r, uint64_t epoch, uint64_t number, int error, const struct record *record, uint32_t size,
                  struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    answer_get(&ask, epoch, error, record, size, out);
}

void replica_counted(struct replica *r, uint64_t epoch, uint64_t number, struct slice counts, struct out *out)
{
    struct replica_ask ask = ask_done(r, number);
    answer_count(&ask, epoch, 0, counts, out);
}

void replica_check(const struct replica *r)
{
    uint32_t puts = 0;
    for (uint32_t i = 0; i < r->asks.cap; i++) {
        uint64_t handle;
        const struct replica_ask *a = slab_at(&r->asks, i, &handle);
        puts += a && a->kind == MSG_PUT;
    }
    CHECK(puts == r->puts);
}
