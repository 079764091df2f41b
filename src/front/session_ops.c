/* session_ops.c: operations under way, and replies in order.
 *
 * The problem: a client sends a hundred commands at once, the node answers them as owners answer,
 * and the client wants a hundred replies in the order of its commands. Some commands need many
 * operations (MGET), some need none (PING).
 *
 * Every operation takes the next number. The number modulo the ring's size is its index in the
 * ring, and the number's low bits end the token of its request. A command without an operation that
 * comes after unfinished ones takes a number too, already done, with its reply parked. An operation
 * is `done` when its result came and its part of the reply is written. The oldest operation's part
 * goes straight into s->out, which is the steady state of a pipeline; others are parked in buffers
 * of their own. Done operations retire from the head only.
 *
 *     issue -> [under way] -> result -> [done] -> everything before it retired -> retire
 *
 * For example, GET a, MGET b c and PING in one pipeline, and the results come as c, a, b:
 *
 *     number  operation  after c       after a           after b
 *     0       GET a      under way     retired: reply 1
 *     1       GET b      under way     under way         retired: first of two in s->gather
 *     2       GET c      done, parked  done, parked      retired: second, reply 2
 *     3       PING       done, parked  done, parked      retired: reply 3
 *
 * A command with many keys is that many operations in a row. As they retire, in order, their parts
 * are folded into s->gather or s->sum, and the last one writes the reply. Only the oldest command
 * retires, so one gather buffer serves the session, and 10,000 keys go through a ring of 1,024. The
 * first failure, in the order of the keys, becomes the reply of the whole command.
 *
 * Invariants: at most one operation under way has a given key hash, and s->busy has exactly those
 * hashes. Parked replies, s->gather and s->out are each within SESSION_OUT_MAX, whatever sizes
 * values have: a reply that does not fit is replaced by an error.
 *
 * A result is matched by its number. If no operation has that number, or the operation is done,
 * the result is a duplicate or belongs to an earlier connection with the same handle. Each
 * session starts at another number, so that those differ. */
#include "front/session_ops.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "front/failure.h"

enum {
    /* the first size of a ring: a usual pipeline; idle connections have no ring */
    OPS_FIRST = 16,
    /* a buffer of parked replies up to this size is kept for the next ones */
    REPLY_KEPT_BYTES = 4096,
    GATHER_KEPT_BYTES = 65536 /* the same for the gather buffer */
};

static struct session_op *op_at(const struct session *s, uint32_t number)
{
    return &s->op[number & (s->op_cap - 1)];
}

int session_ops_room(struct session *s)
{
    if (s->tail - s->head < s->op_cap)
        return 0;
    if (s->op_cap == SESSION_OPS_MAX)
        return ERR_BUSY;
    uint32_t cap = s->op_cap ? 2 * s->op_cap : OPS_FIRST;
    struct session_op *op = calloc(cap, sizeof *op);
    if (!op || keyset_reserve(&s->busy, cap)) {
        free(op);
        return ERR_NO_MEMORY;
    }
    /* The ring was full or new: it had exactly the numbers head .. tail-1. The other entries of
     * the new one are fresh. */
    for (uint32_t i = 0; i < cap; i++) {
        uint32_t number = s->head + i;
        if (number - s->head < s->tail - s->head)
            op[number & (cap - 1)] = *op_at(s, number);
        else
            buf_init(&op[number & (cap - 1)].reply, SESSION_OUT_MAX);
    }
    free(s->op);
    s->op = op;
    s->op_cap = cap;
    return 0;
}

void session_ops_close(struct session *s)
{
    for (uint32_t i = 0; i < s->op_cap; i++)
        buf_close(&s->op[i].reply);
    free(s->op);
    s->op = NULL;
    s->op_cap = 0;
    keyset_close(&s->busy);
    buf_close(&s->gather);
}

/* ---- From the ring to the client ---- */

/* Ends a reply that goes to s->out. A reply that does not fit becomes an error. When not even
 * that fits, the client left 64 MiB of replies unread and asks for more: it is disconnected. */
static void send_end(struct session *s, struct reply *r)
{
    int error = reply_end(r);

    if (!error)
        return;
    failure_here(r, error);
    if (reply_end(r))
        s->broken = true;
}

/* Writes the reply of a command that had several operations, or that is counted, when the last
 * of them retires. */
static void fold_end(struct session *s, const struct session_op *op)
{
    struct reply r = reply_begin(&s->out, s->proto);

    if (s->gather_failed || op->ask->fold == FOLD_ARRAY) {
        if (!s->gather_failed)
            reply_array(&r, op->part_n);
        reply_raw(&r, buf_view(&s->gather));
    } else if (op->ask->fold == FOLD_SUM) {
        reply_integer(&r, s->sum);
    } else {
        reply_simple(&r, "OK");
    }
    send_end(s, &r);
    s->gather.n = 0;
    if (s->gather.cap > GATHER_KEPT_BYTES)
        buf_close(&s->gather);
    s->gather_failed = false;
    s->sum = 0;
}

static void gather_fail(struct session *s)
{
    s->gather_failed = true;
    s->gather.n = 0;
}

static void fold(struct session *s, struct session_op *op)
{
    s->sum += op->n;
    if (!s->gather_failed && op->reply.n) {
        if (op->failed)
            gather_fail(s);
        int error = buf_slice(&s->gather, buf_view(&op->reply));
        if (error) {
            gather_fail(s);
            struct reply r = reply_begin(&s->gather, s->proto);
            failure_here(&r, error);
            s->broken |= reply_end(&r) != 0;
        }
    }
    if (op->last)
        fold_end(s, op);
}

static void retire(struct session *s)
{
    while (s->head != s->tail && op_at(s, s->head)->done) {
        struct session_op *op = op_at(s, s->head++);
        CHECK(s->parked_bytes >= op->reply.n);
        s->parked_bytes -= op->reply.n;
        if (op->ask && op->ask->fold != FOLD_ONE) {
            fold(s, op);
        } else if (op->reply.n) {
            struct reply r = reply_begin(&s->out, s->proto);
            reply_raw(&r, buf_view(&op->reply));
            send_end(s, &r);
        }
        op->reply.n = 0;
        if (op->reply.cap > REPLY_KEPT_BYTES)
            buf_close(&op->reply);
    }
}

/* ---- Commands that are answered here ---- */

static struct buf *park(struct session *s, struct session_op *op)
{
    /* An error of some hundred bytes always fits; a value only while all parked replies together
     * are within the bound. */
    op->reply.max = REPLY_KEPT_BYTES +
                    (s->parked_bytes < SESSION_OUT_MAX ? SESSION_OUT_MAX - s->parked_bytes : 0);
    return &op->reply;
}

void session_reply_begin(struct session *s)
{
    s->reply = reply_begin(s->head == s->tail ? &s->out : park(s, op_at(s, s->tail)), s->proto);
}

void session_reply_end(struct session *s)
{
    send_end(s, &s->reply);
    if (s->head == s->tail)
        return;
    CHECK(s->tail - s->head < s->op_cap);
    struct session_op *op = op_at(s, s->tail++);
    *op = (struct session_op){.done = true, .last = true, .reply = op->reply};
    s->parked_bytes += op->reply.n;
}

/* ---- Commands that ask the node ---- */

static bool sizes_allowed(struct session *s, const struct session_ask *ask)
{
    for (uint32_t i = s->key_at; i && i <= s->key_last; i += s->key_step) {
        size_t key_bytes = s->request.arg[i].n;
        if (key_bytes > s->front->key_max) {
            reply_error(&s->reply, "ERR key is %zu bytes, the limit is %zu", key_bytes,
                        s->front->key_max);
            return false;
        }
        size_t value_bytes = ask->kind == OP_PUT ? s->request.arg[i + 1 + s->between].n : 0;
        if (value_bytes > s->front->value_max) {
            failure_value_too_big(&s->reply, value_bytes, s->front->value_max);
            return false;
        }
    }
    return true;
}

void session_ask(struct session *s, const struct session_ask *ask)
{
    session_ask_behind(s, ask, 0);
}

void session_ask_behind(struct session *s, const struct session_ask *ask, uint8_t between)
{
    struct command_keys keys = command_keys(s->command);

    s->key_at = keys.first;
    s->key_last = keys.many ? s->request.arg_n - 1 : keys.first;
    s->key_step = keys.step;
    s->part_n = 0;
    s->between = between;
    if (!sizes_allowed(s, ask))
        return;
    s->ask = ask;
    s->form = (struct request){.kind = ask->kind};
    s->alone = s->command->flags & COMMAND_ALONE;
}

/* Whether one more value is expected to fit beside those under way. Values are expected to be as
 * large as the largest of late; a wrong guess costs the client an error, and us no memory. A
 * read that is the only one may always go: nothing would end its wait. */
static bool read_fits(const struct session *s)
{
    if (s->reads == 0)
        return true;
    size_t waiting = s->out.n + s->gather.n + s->parked_bytes;
    return waiting + (size_t)(s->reads + 1) * s->read_bytes <= SESSION_OUT_MAX;
}

static void read_seen(struct session *s, size_t bytes)
{
    if (bytes >= s->read_bytes)
        s->read_bytes = bytes;
    else
        s->read_bytes -= (s->read_bytes - bytes) / 8;
}

static enum consistency level_of(const struct session *s, enum op_kind kind)
{
    return kind == OP_PUT || kind == OP_DEL || kind == OP_EXPIRE ? s->write_level : s->read_level;
}

bool session_ops_issue(struct session *s, struct request *request)
{
    CHECK(s->ask && s->tail - s->head < s->op_cap);
    const struct session_ask *ask = s->ask;
    struct slice key = {0};
    uint64_t hash = 0;

    if (s->key_at) {
        key = s->request.arg[s->key_at];
        hash = hash_bytes(key);
        hash += hash == 0; /* 0 means "no key" */
        if (keyset_has(&s->busy, hash))
            return false;
    }
    if (ask->kind == OP_GET && !read_fits(s))
        return false;
    *request = s->form;
    request->token = REQUEST_TOKEN(ASKER_CLIENT, s->handle, s->tail);
    request->key = key;
    request->level = level_of(s, ask->kind);
    request->vnode = s->vnode;
    if (ask->kind == OP_PUT)
        request->value = s->request.arg[s->key_at + 1 + s->between];
    if (ask->kind == OP_BACKUP)
        request->value = s->request.arg[1];
    if (hash)
        keyset_add(&s->busy, hash);
    s->reads += ask->kind == OP_GET;

    bool last = !s->key_at || s->key_at + s->key_step > s->key_last;
    struct session_op *op = op_at(s, s->tail++);
    *op = (struct session_op){
        .ask = ask, .key_hash = hash, .part_n = ++s->part_n, .last = last, .reply = op->reply};
    s->key_at += s->key_step;
    if (last)
        s->ask = NULL;
    return true;
}

/* Where an operation's part of the reply goes: straight to its destination when its turn has
 * come. */
static struct buf *answer_buffer(struct session *s, struct session_op *op, bool at_head)
{
    if (at_head && op->ask->fold == FOLD_ONE)
        return &s->out;
    if (at_head && op->ask->fold == FOLD_ARRAY && !s->gather_failed)
        return &s->gather;
    return park(s, op);
}

static void answer(struct session *s, struct session_op *op, const struct result *result,
                   bool at_head)
{
    struct reply r = reply_begin(answer_buffer(s, op, at_head), s->proto);
    int error = result->error;

    if (!error) {
        if (op->ask->answer)
            op->ask->answer(&r, op, result);
        error = reply_end(&r);
    }
    if (!error)
        return;
    op->failed = true;
    r = reply_begin(at_head && op->ask->fold == FOLD_ONE ? &s->out : park(s, op), s->proto);
    if (result->error)
        failure_of_result(&r, result, op->part_n > 1 || !op->last);
    else
        failure_here(&r, error);
    if (reply_end(&r))
        s->broken = true;
}

void session_result(struct session *s, const struct result *result, uint64_t now_ms)
{
    uint32_t number = s->head + ((REQUEST_NUMBER(result->token) - s->head) & REQUEST_NUMBERS);

    if (number - s->head >= s->tail - s->head || op_at(s, number)->done)
        return;
    struct session_op *op = op_at(s, number);
    s->now_ms = now_ms;
    op->done = true;
    if (op->key_hash)
        keyset_remove(&s->busy, op->key_hash);
    if (op->ask->kind == OP_GET) {
        CHECK(s->reads > 0);
        s->reads--;
        read_seen(s, result->record.value.n);
    }
    answer(s, op, result, number == s->head);
    s->parked_bytes += op->reply.n;
    retire(s);
}

void session_check(const struct session *s)
{
    uint32_t keys = 0, reads = 0;
    size_t parked = 0;

    CHECK(s->tail - s->head <= s->op_cap && s->op_cap <= SESSION_OPS_MAX);
    CHECK(s->head == s->tail || !op_at(s, s->head)->done);
    for (uint32_t i = s->head; i != s->tail; i++) {
        const struct session_op *op = op_at(s, i);
        CHECK(op->done || op->ask);
        CHECK(op->done || op->reply.n == 0);
        CHECK(op->done || !op->key_hash || keyset_has(&s->busy, op->key_hash));
        keys += !op->done && op->key_hash;
        reads += !op->done && op->ask->kind == OP_GET;
        parked += op->reply.n;
    }
    CHECK(keys == s->busy.n && reads == s->reads && parked == s->parked_bytes);
    CHECK(s->in_at + s->command_bytes <= s->in.n);
    CHECK(!s->ask || s->command_bytes);
}
