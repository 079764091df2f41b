/* coord_write.c: a write: stamped, sent to all owners, acknowledged by W of them.
 *
 * Order. An owner that holds a greater version may hold the write of a coordinator whose clock runs
 * ahead, and that write may have been acknowledged before ours began. To lose against it would
 * break "a write that begins after another was acknowledged wins", so ours must be stamped once
 * more, above it. But a write that was under way beside ours may have been greater too; and where
 * readers saw ours before it, to stamp ours above it shows them ours, the other, ours: their time
 * goes back. So the owners tell the two apart (store/table/recent.h): 0 means that ours came when
 * nothing greater was visible there, whatever came since; ERR_SUPERSEDED that it did not, and
 * `never_took` that it is certain never to have been visible there. Then, of N owners:
 *
 *   - W took it: it is acknowledged. A write acknowledged before ours began was visible at W owners
 *     by then, and one of these
 *     is among ours; being greater, it would have kept ours out.
 *   - More than N-W took it: a greater version elsewhere counts as an ack, for it cannot have been
 *     acknowledged before.
 *   - N-R+1 never took it: no read can have returned ours, for it would have seen to it that R
 *     owners took it first
 *     (coord_read.c), nor can one return it later, for the same owners refuse it from a read. If N-W+1 owners have answered that
 *     are not recovering, the greatest version seen is above all that was acknowledged before. Both together: it is stamped once
 *     more, above the greatest seen, and sent again. Whoever is greater still was stamped after ours began, and counts as an ack
 *     of this second stamp.
 *   - Anything else: the missing answers are waited for, until the deadline, or until nobody is
 *     left to give one: unknown.
 *
 * No age, tick or percentile takes part in that: a silent owner may be serving readers all the
 * while (a lost segment alone silences it for 200 ms), and a clock may stand still. A worked
 * example, N = 3, W = R = 2, of what goes wrong where silence is taken for an answer. Ours is
 * stamped 5, another write 7; C is slow to answer us:
 *
 *     A        B        C            we hear                a reader asks
 *     5        7        5 (late)     A: took, B: refused    A and C: 5, and returns it
 *     7        7        7            (7 is acknowledged)    A and B: 7, and returns it
 *     9        9        9            (we stamp 9)           5 again, for ever
 *
 * With C's answer, two took it, and nothing is stamped again.
 *
 * Asking first. To wait for a missing answer ends in UNKNOWN where the owner is dead. So while an
 * owner of the key is held for silent (op_silent), R owners are asked for their versions first, as
 * DEL and SET with KEEPTTL do anyway, and the one stamp is above the greatest of them: above all
 * that was acknowledged before. Then a greater version was stamped later, and counts as an ack;
 * such a write is never ambiguous, and is OK whenever W owners answer. To hold an owner for silent
 * is a guess, and costs a round trip where it is wrong, or an UNKNOWN where silence comes after the
 * write began; it never decides about order.
 *
 * Whose word counts. That an owner never took ours is known to the process that answers, for its
 * own life. So it counts only when the owner's stream has stood since the write began; else a
 * process before it may have taken ours, and been read. An owner that is recovering may have lost a
 * greater version that was acknowledged: before the order is certain, its ack is none, and what it
 * holds is not all that must be outbid. It does not count as one that never took ours either: it
 * did, and may be read when it has recovered. Nor does it remember then what it took meanwhile,
 * beside less than was acknowledged: a write that is sent again is judged by what it holds since.
 *
 * Late acks of the first stamp are told from those of the second by the version that they carry.
 *
 * Outcomes. ok: W owners done. Failed: every owner that was sent the record refused it (a fence, a
 * stale epoch, a full queue), or nobody was sent it. Anything else is unknown, and says so.
 *
 * Hints. At W acks the client has its answer and the write lingers: an owner that is still asked
 * may answer, one that was lost and is back is asked again. When every other owner holds it the
 * write is over; an owner that is gone, refused for good, or silent until the deadline gets a hint,
 * which brings it the record later (core/hint/hint.c). A write of unknown outcome leaves hints for
 * the same reason: one owner may hold it, and then all should. An owner that answered with a
 * greater version needs none. Hints do not count toward W.
 *
 * The own store needs no hint: it answers, sooner or later, and the write stays for that long, past
 * its deadline if its disk is stalled. When its disk fails there is nowhere to keep a hint
 * either. */
#include "base/check.h"
#include "base/hash.h"
#include "core/coord/coord_op.h"

/* The stamp that this write needs: of the value, or of the expiry where it changes that alone. */
static uint64_t *own_stamp(struct op *op)
{
    struct version *v = &op->record.version;
    return op->kind == OP_EXPIRE ? &v->expiry_stamp : &v->stamp;
}

/* Stamps the record, now or, while the clock's ceiling is in the way, when it is driven again. An
 * end that is written with the value has its stamp. */
static bool stamped(struct coord *c, struct op *op)
{
    uint64_t *stamp = own_stamp(op);
    if (*stamp == 0)
        *stamp = op_stamp(c, op->above);
    if (op->record.kind == RECORD_VALUE && op->record.expiry_ms &&
        op->record.version.expiry_stamp == 0)
        op->record.version.expiry_stamp = *stamp;
    return *stamp > 0;
}

/* From here on a stream that breaks is noticed (asked_lost), whether it was used yet or not.
 * Returns how many owners can be asked now. */
static unsigned note_links(const struct coord *c, struct op *op)
{
    unsigned reachable = 0;
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct member *m = op_member(c, op, i);
        op->owner[i].torn = !m || (!m->self && m->stream != STREAM_UP);
        asked_note(&op->owner[i].asked, m);
        reachable += member_reachable(m, c->now->ms);
    }
    return reachable;
}

void write_begin(struct coord *c, struct op *op, struct out *out)
{
    bool deletion = op->kind == OP_DEL;
    bool kept = op->keep_expiry && op_live(c, op);
    op->need = op_write_need(c, op->level);
    unsigned reachable = note_links(c, op);
    if (reachable < op->need) {
        op_finish(c, op, ERR_NO_QUORUM, reachable, out);
        return;
    }
    if (c->now->ahead) {
        op_finish(c, op, ERR_CLOCK, reachable, out);
        return;
    }
    op->above = op->record.version.stamp; /* of what was read, if anything was */
    op->phase = PHASE_WRITE;
    c->writes++;
    op_reset_all(op);
    op->expiry_ms = kept ? op->record.expiry_ms : op->expiry_ms;
    /* reading for KEEPTTL brought no value, so ours is still there */
    op->data.n = op->key_n + op->put_n;
    op->have_value = !deletion;
    op->size = op->put_n;
    op->record = (struct record){
        .kind = deletion ? RECORD_TOMBSTONE : RECORD_VALUE,
        .version = {.node = c->self,
                    .digest = deletion ? 0 : hash_bytes(op_value(op)),
                    .deleted = deletion},
        .expiry_ms = op->expiry_ms,
    };
    write_drive(c, op, false, out);
}

/* ---- What the owners' answers amount to ---- */

static bool holds(const struct op_owner *o)
{
    return o->asked.state >= OWNER_DONE && o->asked.state < OWNER_FAILED && !o->aged;
}

struct tally {
    unsigned took;    /* took it, and lost nothing */
    unsigned holders; /* hold it, or a greater version */
    unsigned refused; /* hold a greater version, or a floor */
    unsigned never;   /* of these, never took it */
    unsigned sound;   /* answered, and lost nothing */
    unsigned failed;
};

static struct tally tally(const struct op *op)
{
    struct tally t = {0};
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        bool refused = o->asked.state == OWNER_NEVER || o->asked.state == OWNER_UNSURE;
        t.took += o->asked.state == OWNER_DONE;
        t.holders += holds(o);
        t.refused += refused;
        t.never += o->asked.state == OWNER_NEVER;
        t.sound += o->asked.state == OWNER_DONE || (refused && !o->unsound);
        t.failed += o->asked.state == OWNER_FAILED;
#ifdef CANARY_SILENCE_IS_AN_ANSWER
        t.never += o->asked.state == OWNER_ASKED && t.refused > 0;
        t.sound += o->asked.state == OWNER_ASKED && t.refused > 0;
#endif
    }
    return t;
}

static uint64_t greatest_seen(const struct op *op)
{
    uint64_t stamp = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        if ((op->owner[i].asked.state == OWNER_NEVER || op->owner[i].asked.state == OWNER_UNSURE) &&
            op->owner[i].seen.stamp > stamp)
            stamp = op->owner[i].seen.stamp;
    return stamp;
}

/* Whether W owners have it: soundly, or in whatever way where it is certain that nothing greater
 * was acknowledged before. */
static bool is_written(const struct coord *c, const struct op *op, const struct tally *t)
{
    bool none_before = op->ordered || t->took + c->now->layout->w > op->owner_n;
    return (none_before ? t->holders : t->took) >= op->need;
}

/* Whether a stamp above the greatest seen is above all that was acknowledged before, and no read
 * can return the present one. */
static bool may_stamp_again(const struct coord *c, const struct op *op, const struct tally *t)
{
    return op->kind != OP_EXPIRE && t->never + c->now->layout->r > op->owner_n &&
           t->sound + c->now->layout->w > op->owner_n;
}

/* ---- The end ---- */

/* The deadline passed, and owner i was asked and can be reached, and said nothing. */
static void note_mute(struct coord *c, const struct op *op, unsigned i)
{
    const struct op_owner *o = &op->owner[i];
    if (o->asked.state != OWNER_ASKED || op->deadline_ms > c->now->ms)
        return;
    const struct member *m = op_member(c, op, i);
    struct coord_due *due = coord_due(c, o->id);
    if (due && !asked_lost(&o->asked, m) && member_reachable(m, c->now->ms))
        due->mute = true;
}

static void leave_hints(struct coord *c, struct op *op, struct out *out)
{
    for (unsigned i = 0; i < op->owner_n; i++) {
        struct op_owner *o = &op->owner[i];
        if (!o->hinted) /* then it was noted, and may have answered the hint since */
            note_mute(c, op, i);
        if (holds(o) || o->hinted || o->id == c->self || *own_stamp(op) == 0)
            continue;
        struct action *a = out_add(out, ACT_HINT_PUT);
        a->hint.target = o->id;
        a->hint.record = op_record(op);
        o->hinted = true;
    }
}

void write_end(struct coord *c, struct op *op, struct out *out)
{
    leave_hints(c, op, out);
    op_end(c, op);
}

/* Whether the own store has still to answer. */
static bool own_pending(const struct coord *c, const struct op *op)
{
    int own = op_owner_index(op, c->self);
    return own >= 0 && op->owner[own].asked.state == OWNER_ASKED;
}

/* Ends an answered write unless some owner may still say that it holds it. */
static void settle(struct coord *c, struct op *op, struct out *out)
{
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        if (!holds(o) && !o->hinted && o->asked.state < OWNER_FAILED && op_reachable(c, op, i))
            return;
    }
    write_end(c, op, out);
}

/* The client has its answer; the owners that miss the write have until the deadline. */
static void linger(struct coord *c, struct op *op, struct out *out)
{
    uint64_t handle = op->handle;
    op_linger(c, op, out);
    if (slab_get(&c->ops, handle)) /* it may have been the one to make room */
        settle(c, op, out);
}

/* W owners hold it. */
static void acknowledge(struct coord *c, struct op *op, struct out *out)
{
    op_reply(c, op, 0, tally(op).took, out);
    linger(c, op, out);
}

/* Ends a write that did not reach its quorum: refused everywhere, or unknown. */
static void give_up(struct coord *c, struct op *op, struct out *out)
{
    bool open = false;
    for (unsigned i = 0; i < op->owner_n; i++)
        open |= op->owner[i].open > 0;
    if (open) {
        op_reply(c, op, ERR_UNKNOWN_OUTCOME, tally(op).took, out);
        linger(c, op, out);
    } else {
        op_finish(c, op,
                  op->refusal      ? op->refusal
                  : c->now->fenced ? ERR_FORMING
                                   : ERR_NO_QUORUM,
                  op_reachable_n(c, op), out);
    }
}

/* Whether somebody who has not answered yet may still do so. */
static bool awaited(const struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].asked.state <= OWNER_ASKED && op_reachable(c, op, i))
            return true;
    return false;
}

/* ---- Driving ---- */

/* Asks again what may have been lost; whoever is late is asked again too, but not once the client
 * has its answer: a hint is cheaper then. */
static void ask_owners(struct coord *c, struct op *op, bool late, struct out *out)
{
    bool again = late && !op->answered;
    for (unsigned i = 0; i < op->owner_n; i++) {
        struct op_owner *o = &op->owner[i];
        const struct member *m = op_member(c, op, i);
        bool lost = asked_lost(&o->asked, m);
        bool waiting = o->asked.state == OWNER_ASKED && !lost && !(again && o->id != c->self);
        o->torn |= lost;
        if (o->asked.state > OWNER_ASKED || waiting || o->hinted ||
            !member_reachable(m, c->now->ms))
            continue;
        op_send_put(c, op, i, m, out);
        if (o->open < UINT8_MAX)
            o->open++;
    }
}

/* It waits for the clock's ceiling, unless that could not be stored. */
static void cannot_stamp(struct coord *c, struct op *op, struct out *out)
{
    if (!c->ceiling_error || op->answered)
        return;
    op->refusal = c->ceiling_error;
    op->unstamped = true;
    give_up(c, op, out);
}

void write_drive(struct coord *c, struct op *op, bool late, struct out *out)
{
    if (c->now->fenced)
        return; /* the next layout, or the deadline, comes first */
    if (!stamped(c, op)) {
        cannot_stamp(c, op, out);
        return;
    }
    ask_owners(c, op, late, out);
    if (op->answered)
        settle(c, op, out);
    else if (tally(op).refused > 0 && !awaited(c, op))
        give_up(c, op, out);
}

static void second_stamp(struct coord *c, struct op *op, struct out *out)
{
    op->above = greatest_seen(op);
    op->ordered = true;
    op->record.version.stamp = op->record.version.expiry_stamp = 0;
    op_reset(op);
    for (unsigned i = 0; i < op->owner_n; i++)
        op->owner[i].aged = false;
    write_drive(c, op, false, out);
}

/* ---- Answers ---- */

/* Refused for now, with nothing stored: worth another try within the deadline. */
static bool refused_for_now(int error)
{
    return error == ERR_FORMING || error == ERR_STALE_EPOCH || error == ERR_LOADING ||
           error == ERR_BUSY;
}

static bool stored_nothing(int error)
{
    return refused_for_now(error) || error == ERR_NO_SPACE || error == ERR_TOO_OLD;
}

/* What becomes of an owner that took the record, or refused it for a greater one. */
static enum owner_state state_of(const struct coord *c, const struct op *op, unsigned i,
                                 const struct put_answer *a)
{
#ifdef CANARY_ACK_SUPERSEDED
    return OWNER_DONE;
#endif
    bool never = a->never_took && !op->owner[i].torn && !op_lost(c, op, i);
    if (a->error != ERR_TOO_OLD && (op->ordered || (a->error == 0 && !a->unsound)))
        return OWNER_DONE;
    return a->error == 0 ? OWNER_RECOVERING : never ? OWNER_NEVER : OWNER_UNSURE;
}

/* It took the record, or refused it for a greater one, or because it has erased later stamps than
 * ours in that vnode: then our clock is far behind, and another stamp, above the floor, will do. */
static void take_standing(struct coord *c, struct op *op, unsigned i, const struct put_answer *a)
{
    struct op_owner *o = &op->owner[i];
    hlc_see(&c->clock, a->held.stamp, c->now->wall_ms, CLOCK_SKEW_MAX_MS);
    if (*own_stamp(op) == 0)
        return; /* about the first stamp, or a repair before: this one is not sent yet */
    if (a->error == ERR_TOO_OLD ? a->held.stamp < *own_stamp(op)
                                : version_cmp(&a->held, &op->record.version) < 0)
        return; /* about the first stamp, and ours is the second */
    if (o->asked.state == OWNER_DONE)
        return; /* it was asked twice, and may have forgotten since */
    o->aged = a->error == ERR_TOO_OLD;
    o->unsound = a->unsound;
    o->seen = a->held;
    o->asked.state = (uint8_t)state_of(c, op, i, a);
}

/* What an answer says about its owner. */
static void take_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a)
{
    struct op_owner *o = &op->owner[i];
    /* a value that is written back is as old as it was: that is for good */
    bool too_old = a->error == ERR_TOO_OLD && op->kind != OP_EXPIRE;
    if (!a->error || a->error == ERR_SUPERSEDED) {
        take_standing(c, op, i, a);
    } else {
        op->refusal = o->error = a->error;
        if (stored_nothing(a->error) && o->open > 0)
            o->open--;
        if (too_old)
            take_standing(c, op, i, a);
        else if (o->asked.state == OWNER_ASKED || !stored_nothing(a->error))
            o->asked.state = refused_for_now(a->error) ? OWNER_IDLE : OWNER_FAILED;
    }
}

void write_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a,
                  struct out *out)
{
    take_answer(c, op, i, a);
    struct tally t = tally(op);
    if (op->answered)
        settle(c, op, out);
    else if (is_written(c, op, &t))
        acknowledge(c, op, out);
    else if (op->owner_n - t.failed < op->need)
        give_up(c, op, out);
    else if (may_stamp_again(c, op, &t))
        second_stamp(c, op, out);
    else if (t.refused > 0 && !awaited(c, op))
        give_up(c, op, out);
}

/* The own store is waited for past the deadline: what it takes after the end would be known to
 * nobody. */
static void wait_longer(struct coord *c, struct op *op, struct out *out)
{
    leave_hints(c, op, out);
    op_queue_remove(c, &c->by_deadline, op_index(op));
    op->deadline_ms = c->now->ms + c->deadline_ms;
    op_queue_push(c, &c->by_deadline, op_index(op));
}

void write_expire(struct coord *c, struct op *op, struct out *out)
{
    if (!op->answered)
        give_up(c, op, out);
    else if (own_pending(c, op) && !c->draining)
        wait_longer(c, op, out);
    else
        write_end(c, op, out);
}
