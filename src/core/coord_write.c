/* coord_write.c: a write: stamped, sent to all owners, acknowledged by W of them.
 *
 * The second stamp. A replica that holds a greater version says so, and that is no ack: its answer proves that some
 * write W' was stamped above ours, and W' may have been acknowledged before ours began, by a coordinator whose clock
 * runs ahead. To lose against it would break "a write that begins after another was acknowledged wins". So once a
 * majority has answered and somebody was greater, we stamp once more, above the greatest seen, and send again. Any
 * write acknowledged before ours began is held by a member of that majority, so the second stamp beats it. Whoever is
 * greater still was stamped after ours began: concurrent, and as good as ours to have won. So in the second round a
 * greater version counts as an ack: ours is durable in the sense that matters, superseded by a concurrent write.
 *
 * Outcomes. ok: W owners done. Failed: every owner that was sent the record refused it (a fence, a stale epoch, a full
 * queue), or nobody was sent it. Anything else is unknown, and says so. Late acks of the first stamp are told from
 * those of the second by the version that they carry.
 *
 * Hints. At W acks the client has its answer and the write lingers: an owner that is still asked may answer, one that was
 * lost and is back is asked again. When every other owner holds it the write is over; an owner that is gone, refused for
 * good, or silent until the deadline gets a hint, which brings it the record later (core/hint.c). A write of unknown outcome
 * leaves hints for the same reason: one owner may hold it, and then all should. An owner that answered with a greater
 * version needs none. Hints do not count toward W. */
#include "base/check.h"
#include "base/hash.h"
#include "core/coord_op.h"

/* The stamp that this write needs: of the value, or of the expiry where it is one. */
static uint64_t *own_stamp(struct op *op)
{
    struct version *v = &op->record.version;
    return op->record.kind == RECORD_EXPIRY ? &v->expiry_stamp : &v->stamp;
}

/* Stamps the record, now or, while the clock's ceiling is in the way, when it is driven again. An end that is written
 * with the value has its stamp. */
static bool stamped(struct coord *c, struct op *op)
{
    uint64_t *stamp = own_stamp(op);
    if (*stamp == 0)
        *stamp = op_stamp(c, op->above);
    if (op->record.kind == RECORD_VALUE && op->record.expiry_ms && op->record.version.expiry_stamp == 0)
        op->record.version.expiry_stamp = *stamp;
    return *stamp > 0;
}

void write_begin(struct coord *c, struct op *op, struct out *out)
{
    bool deletion = op->kind == OP_DEL;
    bool kept = op->keep_expiry && op_live(c, op);
    op->need = op_write_need(c, op->level);
    unsigned reachable = op_reachable_n(c, op);
    if (reachable < op->need) {
        op_finish(c, op, ERR_NO_QUORUM, reachable, out);
        return;
    }
    if (c->ahead) {
        op_finish(c, op, ERR_CLOCK, reachable, out);
        return;
    }
    op->above = op->record.version.stamp; /* of what was read, if anything was: spares the second round */
    op->phase = PHASE_WRITE;
    c->writes++;
    op_reset(op);
    op->expiry_ms = kept ? op->record.expiry_ms : op->expiry_ms;
    op->data.n = op->key_n + op->put_n; /* reading for KEEPTTL brought no value, so ours is still there */
    op->have_value = !deletion;
    op->size = op->put_n;
    op->record = (struct record){
        .kind = deletion ? RECORD_TOMBSTONE : RECORD_VALUE,
        .version = {.node = c->self, .digest = deletion ? 0 : hash_bytes(op_value(op)), .deleted = deletion},
        .expiry_ms = op->expiry_ms,
    };
    write_drive(c, op, false, out);
}

static bool holds(const struct op_owner *o)
{
    return o->state == OWNER_DONE || o->state == OWNER_NEWER;
}

void write_end(struct coord *c, struct op *op, struct out *out)
{
    for (unsigned i = 0; i < op->owner_n; i++) {
        if (holds(&op->owner[i]) || op->owner[i].id == c->self || *own_stamp(op) == 0)
            continue; /* the own store answers sooner or later; when its disk fails there is nowhere to keep a hint either */
        struct action *a = out_add(out, ACT_HINT_PUT);
        a->hint.target = op->owner[i].id;
        a->hint.record = op_record(op);
    }
    op_end(c, op);
}

/* Ends an answered write unless some owner may still say that it holds it. */
static void settle(struct coord *c, struct op *op, struct out *out)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (!holds(&op->owner[i]) && op->owner[i].state < OWNER_FAILED && op_reachable(c, op, i))
            return;
    write_end(c, op, out);
}

void write_drive(struct coord *c, struct op *op, bool late, struct out *out)
{
    if (c->fenced)
        return; /* the next layout, or the deadline, comes first */
    if (!stamped(c, op))
        return;
    bool again = late && !op->answered; /* nobody waits for it any more: a hint is cheaper than asking twice */
    for (unsigned i = 0; i < op->owner_n; i++) {
        struct op_owner *o = &op->owner[i];
        bool waiting = o->state == OWNER_ASKED && !op_lost(c, op, i) && !(again && o->id != c->self);
        if (o->state > OWNER_ASKED || waiting || !op_reachable(c, op, i))
            continue;
        op_send_put(c, op, i, out);
        if (o->open < UINT8_MAX)
            o->open++;
    }
    if (op->answered)
        settle(c, op, out);
}

/* Refused for now, with nothing stored: worth another try within the deadline. */
static bool refused_for_now(int error)
{
    return error == ERR_FORMING || error == ERR_STALE_EPOCH || error == ERR_LOADING || error == ERR_BUSY;
}

/* It does not hold the value that the expiry is for. (A late answer, when the whole record was sent since, says nothing.) */
static void take_lack(struct op *op, struct op_owner *o)
{
    if (o->open > 0)
        o->open--;
    if (o->state == OWNER_ASKED && !op->whole)
        o->state = OWNER_BEHIND;
}

/* What an answer says about its owner. */
static void take_answer(struct coord *c, struct op *op, struct op_owner *o, int error, const struct version *held)
{
    if (error == ERR_LACKS_VALUE) {
        take_lack(op, o);
        return;
    }
    if (refused_for_now(error) || error == ERR_NO_SPACE) {
        if (o->open > 0)
            o->open--;
        op->refusal = error;
        if (o->state == OWNER_ASKED)
            o->state = error == ERR_NO_SPACE ? OWNER_FAILED : OWNER_IDLE;
        return;
    }
    if (error && error != ERR_SUPERSEDED) {
        op->refusal = error;
        o->state = OWNER_FAILED;
        return;
    }
    hlc_see(&c->clock, held->stamp, c->wall_ms, CLOCK_SKEW_MAX_MS);
    if (*own_stamp(op) == 0)
        return; /* about the first stamp, or a repair before: this one is not sent yet */
    int greater = version_cmp(held, &op->record.version);
    if (greater < 0)
        return; /* about the first stamp, and we are in the second round */
    bool ack = greater == 0 || op->round > 0;
#ifdef CANARY_ACK_SUPERSEDED
    ack = true;
#endif
    o->state = ack ? OWNER_DONE : OWNER_NEWER;
    o->seen = *held;
}

static uint64_t greatest_seen(const struct op *op)
{
    uint64_t stamp = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].state == OWNER_NEWER && op->owner[i].seen.stamp > stamp)
            stamp = op->owner[i].seen.stamp;
    return stamp;
}

static void second_round(struct coord *c, struct op *op, struct out *out)
{
    op->above = greatest_seen(op);
    op_reset(op);
    op->round = 1;
    op->record.version.stamp = op->record.version.expiry_stamp = 0;
    write_drive(c, op, false, out);
}

/* Ends a write that did not reach its quorum: refused everywhere, or unknown. */
static void give_up(struct coord *c, struct op *op, struct out *out)
{
    bool open = false;
    for (unsigned i = 0; i < op->owner_n; i++)
        open |= op->owner[i].open > 0;
    unsigned done = op_count(op, OWNER_DONE);
    if (open) {
        op_reply(c, op, ERR_UNKNOWN_OUTCOME, done, out);
        write_end(c, op, out);
    } else {
        op_finish(c, op, op->refusal ? op->refusal : c->fenced ? ERR_FORMING : ERR_NO_QUORUM, op_reachable_n(c, op), out);
    }
}

/* W owners hold it: the client is answered; the others have until the deadline. */
static void acknowledge(struct coord *c, struct op *op, struct out *out)
{
    op_reply(c, op, 0, op_count(op, OWNER_DONE), out);
    uint64_t handle = op->handle;
    op_linger(c, op, out);
    if (slab_get(&c->ops, handle)) /* it may have been the one to make room */
        settle(c, op, out);
}

void write_answer(struct coord *c, struct op *op, unsigned i, int error, const struct version *held, struct out *out)
{
    take_answer(c, op, &op->owner[i], error, held);
    unsigned done = op_count(op, OWNER_DONE), newer = op_count(op, OWNER_NEWER);
    if (op->answered)
        settle(c, op, out);
    else if (done >= op->need)
        acknowledge(c, op, out);
    else if (op_count(op, OWNER_BEHIND) > 0)
        expire_again(c, op, out);
    else if (op->owner_n - op_count(op, OWNER_FAILED) < op->need)
        give_up(c, op, out);
    else if (newer > 0 && done + newer >= c->layout->w)
        second_round(c, op, out);
}

void write_expire(struct coord *c, struct op *op, struct out *out)
{
    if (op->answered)
        write_end(c, op, out);
    else
        give_up(c, op, out);
}
