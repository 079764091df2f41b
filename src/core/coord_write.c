/* coord_write.c: a write: stamped, sent to all owners, acknowledged by W of them.
 *
 * The second stamp. An owner that holds a greater version may hold the write of a coordinator whose clock runs ahead, and
 * that write may have been acknowledged before ours began. To lose against it would break "a write that begins after another
 * was acknowledged wins", so such a write must be stamped once more, above it. But a write that was under way with ours may
 * have been greater too; and where readers saw ours before it, to stamp ours above it shows them ours, the other, ours: their
 * time goes back. So the owners tell the two apart (store/recent.h): 0 means that ours came when nothing greater was visible
 * there, whatever came since; ERR_SUPERSEDED that ours never was visible there, nor ever will be. Then, of N owners:
 *
 *   - W took it: it is acknowledged. A write acknowledged before ours began was visible at W owners by then, and one of these
 *     is among ours; being greater, it would have kept ours out.
 *   - More than N-W took it: a greater version elsewhere counts as an ack, for it cannot have been acknowledged.
 *   - N-R+1 refused it, or answer no reads because they are recovering: no read can have returned ours, for it would have
 *     seen to it that R owners took it first (coord_read.c). So it is stamped once more, above the greatest seen, and sent
 *     again. Whoever is greater still was stamped after ours began, and counts as an ack in this second round: for that,
 *     N-W+1 owners that lost nothing must have answered the first, so that the greatest seen is above all that was acknowledged.
 *   - Neither: some owner did not answer, or has forgotten. It is waited for; as long as a slow answer takes (hedge.h), if it
 *     may still come. Then a write younger than two ticks, with answers enough, is stamped again, which is a bet: that no reader
 *     saw it through just those owners whose answers did not come, and what superseded it as well, in so short a time. To lose
 *     against contention whenever an owner is down would be worse. An older one waits on, until nobody is left to answer: its
 *     outcome is unknown. So does one that met the greater version only after half a tick: by then ours had been read, and
 *     brought to the silent owner by that read's repair, where the bet was lost (the seed is kept).
 *
 * An owner's memory reaches back for a while, and no further than to its start: an older write may have been taken there.
 * An owner that is recovering has taken it, but may have lost what was greater: before the order is certain, its ack is none.
 *
 * A write that has read a quorum first (DEL, SET with KEEPTTL) knows all that was acknowledged before: its first stamp is
 * above it, and greater versions count as acks at once. Late acks of the first stamp are told from those of the second by the
 * version that they carry.
 *
 * Outcomes. ok: W owners done. Failed: every owner that was sent the record refused it (a fence, a stale epoch, a full
 * queue), or nobody was sent it. Anything else is unknown, and says so.
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
    op->round = deletion || op->keep_expiry; /* a quorum was read */
    c->writes++;
    op_reset_all(op);
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
    return o->state >= OWNER_DONE && o->state < OWNER_FAILED && !(o->state == OWNER_NEWER && o->aged);
}

static unsigned holders(const struct op *op)
{
    unsigned n = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        n += holds(&op->owner[i]);
    return n;
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

static void contest(struct coord *c, struct op *op, bool waited, struct out *out);

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
    else
        contest(c, op, late, out);
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

/* What becomes of an owner that has the record or a greater one. Its memory must reach back to where the write began. */
static enum owner_state state_of(const struct coord *c, const struct op *op, int error, uint32_t reach_ms)
{
    uint64_t began_ms = op->deadline_ms - c->deadline_ms;
#ifdef CANARY_ACK_SUPERSEDED
    return OWNER_DONE;
#endif
    if (error == 0 || op->round > 0)
        return OWNER_DONE;
    if (error == ERR_RECOVERING)
        return OWNER_RECOVERING;
    return reach_ms > c->now_ms - began_ms ? OWNER_NEWER : OWNER_UNSURE;
}

/* It has erased later stamps than ours in that vnode, so our clock is far behind: another stamp, above the floor, will do. But
 * not for an expiry, whose value is as old as it is, nor twice. */
static void take_age(struct op *op, struct op_owner *o, const struct version *floor)
{
    bool again = op->round == 0 && op->kind != OP_EXPIRE;
    if (o->open > 0)
        o->open--;
    op->refusal = ERR_TOO_OLD;
    if (o->state != OWNER_ASKED)
        return;
    o->state = again ? OWNER_NEWER : OWNER_FAILED;
    o->aged = true;
    o->seen = *floor;
}

static bool younger(const struct coord *c, const struct op *op, uint64_t ms)
{
    return op->deadline_ms + ms > c->now_ms + c->deadline_ms;
}

/* What an answer says about its owner. */
static void take_answer(struct coord *c, struct op *op, struct op_owner *o, int error, const struct version *held,
                        uint32_t reach_ms)
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
    if (error == ERR_TOO_OLD) {
        take_age(op, o, held);
        return;
    }
    if (error && error != ERR_SUPERSEDED && error != ERR_RECOVERING) {
        op->refusal = error;
        o->state = OWNER_FAILED;
        return;
    }
    hlc_see(&c->clock, held->stamp, c->wall_ms, CLOCK_SKEW_MAX_MS);
    if (*own_stamp(op) == 0)
        return; /* about the first stamp, or a repair before: this one is not sent yet */
    if (version_cmp(held, &op->record.version) < 0)
        return; /* about the first stamp, and we are in the second round */
    if (o->state == OWNER_DONE)
        return; /* it was asked twice, and may have forgotten since */
    o->state = (uint8_t)state_of(c, op, error, reach_ms);
    o->seen = *held;
    op->contested_late |= (o->state == OWNER_NEWER || o->state == OWNER_UNSURE) && !younger(c, op, c->deadline_ms / OP_TICKS / 2);
}

static uint64_t greatest_seen(const struct op *op)
{
    uint64_t stamp = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        if ((op->owner[i].state == OWNER_NEWER || op->owner[i].state == OWNER_UNSURE) && op->owner[i].seen.stamp > stamp)
            stamp = op->owner[i].seen.stamp;
    return stamp;
}

/* Whether a stamp above the greatest seen is above all that was acknowledged before we began: some owner of each such write has
 * answered, and knows. */
static bool can_outbid(const struct coord *c, const struct op *op)
{
    return op_count(op, OWNER_DONE) + op_count(op, OWNER_NEWER) + c->layout->w > op->owner_n;
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

/* Whether somebody who has not answered yet may still do so. */
static bool awaited(const struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].state <= OWNER_ASKED && op_reachable(c, op, i))
            return true;
    return false;
}

/* Some owners hold a greater version, and those that answered do not settle what follows from it. `waited`: long enough. */
static void contest(struct coord *c, struct op *op, bool waited, struct out *out)
{
    unsigned newer = op_count(op, OWNER_NEWER), unsure = op_count(op, OWNER_UNSURE);
    bool open = awaited(c, op);
    bool young = younger(c, op, 2 * (c->deadline_ms / OP_TICKS)); /* unless much is known, it is a tick that waits long enough */
    if (op->round > 0 || newer + unsure == 0)
        return;
    if (open && !waited)
        op_hedge(c, op);
    else if (unsure == 0 && can_outbid(c, op) && young && !op->contested_late)
        second_round(c, op, out);
    else if (!open)
        give_up(c, op, out);
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

void write_answer(struct coord *c, struct op *op, unsigned i, int error, const struct version *held, uint32_t reach_ms,
                  struct out *out)
{
    take_answer(c, op, &op->owner[i], error, held, reach_ms);
    unsigned done = op_count(op, OWNER_DONE), newer = op_count(op, OWNER_NEWER), recovering = op_count(op, OWNER_RECOVERING);
    bool none_before = done + c->layout->w > op->owner_n; /* nothing greater was acknowledged before ours began */
    bool unseen = newer + recovering + c->layout->r > op->owner_n;
    if (op->answered)
        settle(c, op, out);
    else if ((none_before ? holders(op) : done) >= op->need)
        acknowledge(c, op, out);
    else if (op_count(op, OWNER_BEHIND) > 0)
        expire_again(c, op, out);
    else if (op->owner_n - op_count(op, OWNER_FAILED) < op->need)
        give_up(c, op, out);
    else if (op->round == 0 && newer > 0 && unseen && can_outbid(c, op))
        second_round(c, op, out);
    else
        contest(c, op, false, out);
}

void write_hedge(struct coord *c, struct op *op, struct out *out)
{
    if (!op->answered)
        contest(c, op, true, out);
}

void write_expire(struct coord *c, struct op *op, struct out *out)
{
    if (op->answered)
        write_end(c, op, out);
    else
        give_up(c, op, out);
}
