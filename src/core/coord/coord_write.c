/* coord_write.c: a write: stamped, sent to all owners, acknowledged by W of them.
 *
 * The problem. A write that begins after another one was acknowledged must win over it, and what
 * readers see of a key must not go back in time. Coordinators stamp by their own clocks, and clocks
 * differ. So an owner may refuse our write because it holds a version with a greater stamp, and
 * that alone does not say which of the two came first:
 *
 *   - The other write may have been acknowledged before ours began; its coordinator's clock runs
 *     ahead. Then ours must win: it must be stamped a second time, above the other.
 *   - The other write may have been under way beside ours. Then ours may lose. And if a reader has
 *     seen ours already, ours must not be stamped again: that reader would see ours, the other, and
 *     ours again.
 *
 * Owners tell the two cases apart, for they remember which versions they took of late
 * (store/table/recent.h). An owner answers a put with one of these:
 *
 *     answer                          our write was visible there
 *     0                               yes: it came when nothing greater was visible, whatever has
 *                                     come since
 *     ERR_SUPERSEDED, `never_took`    never, for certain; a greater version is there
 *     ERR_SUPERSEDED                  not now, but perhaps earlier; a greater version is there
 *
 * The rule. A write begins with its *order open*: a greater version may have been acknowledged
 * before it. The first line that fits is followed, N owners being asked:
 *
 *     took it            never took it                   then
 *     W                                                  it is acknowledged
 *     more than N-W                                      a greater version counts as an ack
 *                        N-R+1, and N-W+1 sound answers  it is stamped a second time
 *     anything else                                      the missing answers are waited for, until
 *                                                        the deadline, or until no owner is left
 *                                                        that may give one: unknown
 *
 * Why each is right:
 *
 *   - W took it. A write that was acknowledged before ours began was visible at W owners by then.
 *     One of these is among our W, and being greater it would have kept ours out.
 *   - More than N-W took it. By the same count no greater version was acknowledged before. What is
 *     greater elsewhere was under way beside ours, and ours may lose against it.
 *   - N-R+1 never took it. Then no read has returned ours, because a read sees to it first that R
 *     owners took what it returns (coord_read.c). Nor can a read return it later, for the same
 *     owners refuse it when the read repairs them.
 *   - N-W+1 sound answers: of owners that are not recovering. Each write that was acknowledged
 *     before ours began is held by one of them, so the greatest version seen is above them all.
 *   - The last two together. No reader has seen ours, and a stamp above the greatest seen is above
 *     all that was acknowledged before. With the second stamp the write is sent to all owners
 *     again, and its *order is certain*: whatever is greater still was stamped after ours began, so
 *     it counts as an ack.
 *
 * Worked examples, N = 3, W = R = 2: our write is stamped 5, the other one 7.
 *
 *     A        B        C
 *     -        7        7            7 was acknowledged by a clock that runs ahead; ours begins
 *     5        7        7            A took 5, B and C never did, all three are sound
 *     8        8        8            stamped a second time: acknowledged, and it wins
 *
 *     A        B        C
 *     -        7        -            7 is under way when 5 comes to B
 *     5        7        5            A and C took 5: it is acknowledged, and readers see it
 *     7        7        7            7 comes to A and C: readers see 5, then 7
 *
 * Silence is no answer. No age, tick or percentile takes part in the rule: a silent owner may be
 * serving readers all the while (a lost segment alone silences it for 200 ms), and a clock may
 * stand still. What goes wrong where silence is taken for "never took it"; C is slow to answer us:
 *
 *     A        B        C            we receive                a reader asks
 *     5        7        5 (late)     A took it, B never did    A and C: 5, and returns it
 *     7        7        7            (7 is acknowledged)       A and B: 7, and returns it
 *     9        9        9            (we stamp 9)              any two: our value again, for ever
 *
 * With C's answer, two took it, and it is acknowledged under its first stamp.
 *
 * test/model_contest.h tries the rule in every order of events, and with parts of it left out.
 *
 * Asking first. To wait for a missing answer ends in UNKNOWN where its owner is dead. So while an
 * owner of the key is taken for silent (op_silent), R owners are asked for their versions before
 * the write is stamped, as DEL and SET with KEEPTTL do anyway. The one stamp is above the greatest
 * of them: above all that was acknowledged before, so the order is certain from the start. Such a
 * write is never ambiguous, and is OK whenever W owners answer. To take an owner for silent is a
 * guess. It costs a round trip where it is wrong, and an UNKNOWN where the silence begins after the
 * write; it never decides about order.
 *
 * Whose answers count while the order is open:
 *
 *   - "Never took it" is known to the process that answers, for its own life alone. So it counts
 *     only where the owner's stream has stood since the write began (`torn`). Else a process before
 *     it may have taken ours, and a reader may have seen it.
 *   - An owner that is recovering may have lost a greater version that was acknowledged. So its 0
 *     is no ack, and what it holds is not all that must be outbid: its answer is not sound. Nor
 *     does its 0 count as "never took it": it did take it, and may be read when it has recovered.
 *     When it has, it does not remember what it took while it was recovering, for it held less then
 *     than was acknowledged: a write that is sent again is judged by what the owner holds since.
 *   - An answer about the first stamp, or about a repair before the write, may come late. The
 *     version in it shows which it is.
 *
 * What an answer makes of its owner (enum owner_state):
 *
 *     answer                        order open                  order certain
 *     0                             DONE                        DONE
 *     0, and it is recovering       RECOVERING                  DONE
 *     a greater version             NEVER, or UNSURE            DONE
 *     our stamp is below its floor  NEVER or UNSURE, `aged`     the same: it holds nothing
 *     refused for now               IDLE: asked again           the same
 *     refused for good, disk error  FAILED                      the same
 *
 * Where our stamp is below an owner's floor, the owner has erased later stamps in that vnode. Then
 * our clock is far behind, and a second stamp, above the floor, will do.
 *
 * Outcomes. OK: W owners hold it. Failed: every owner that was sent the record refused it (a fence,
 * a stale epoch, a full queue), or no owner was sent it. Anything else is unknown, and the client
 * gets that answer.
 *
 * Hints. At W acks the client has its answer and the write lingers: an owner that is still asked
 * may answer, and one that was lost and is back is asked again. When all owners hold it the write
 * is over. An owner that is gone, that refused for good, or that is silent until the deadline gets
 * a hint, which brings it the record later (core/hint/hint.c). A write of unknown outcome leaves
 * hints for the same reason: one owner may hold it, and then all should. An owner that answered
 * with a greater version needs none. Hints do not count toward W.
 *
 * The own store gets no hint. It answers sooner or later, and the write stays for that long, past
 * its deadline where the disk is stalled. Where the disk fails there is no room for a hint
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

/* Stamps the record. False while the clock's ceiling is in the way: then it is tried again when the
 * write is driven again. An expiry that is written with its value has the same stamp. */
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

/* Notes the links of all owners: where one breaks from here on op_lost shows it, whether that owner
 * was asked yet or not. Returns how many owners may be asked now. */
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
    CHECK(op->kind == OP_PUT || op->kind == OP_DEL);
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
    op_enter(c, op, PHASE_WRITE);
    op_reset_all(op);
    op->expiry_ms = kept ? op->record.expiry_ms : op->expiry_ms;
    /* a PUT that reads first keeps its own value in `data` */
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

/* Whether an owner holds the record, or a greater version. */
static bool holds(const struct op_owner *o)
{
    return o->asked.state >= OWNER_DONE && o->asked.state < OWNER_FAILED && !o->aged;
}

struct tally {
    unsigned took;    /* owners that took it, and are sound */
    unsigned holders; /* owners that hold it, or a greater version */
    unsigned refused; /* owners that refused it for a greater version, or for their floor */
    unsigned never;   /* of those that refused it: owners that never took it */
    unsigned sound;   /* owners that answered, and are sound */
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
    CHECK(t.never <= op->owner_n && t.sound <= op->owner_n);
    CHECK(t.took <= t.holders && t.holders + t.failed <= op->owner_n);
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

/* Whether it is acknowledged: the first two lines of the rule. */
static bool is_written(const struct coord *c, const struct op *op, const struct tally *t)
{
    bool none_before = op->ordered || t->took + c->now->layout->w > op->owner_n;
    return (none_before ? t->holders : t->took) >= op->need;
}

/* Whether it may be stamped a second time: the third line of the rule. An expiry may not, for it
 * belongs to the value that was read. */
static bool may_stamp_again(const struct coord *c, const struct op *op, const struct tally *t)
{
    return op->kind != OP_EXPIRE && t->never + c->now->layout->r > op->owner_n &&
           t->sound + c->now->layout->w > op->owner_n;
}

/* ---- The end ---- */

/* Notes of owner i that it is mute, where the deadline has passed, it was asked, it could have
 * answered, and it did not. */
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
    CHECK(op->phase == PHASE_WRITE && op->answered);
    for (unsigned i = 0; i < op->owner_n; i++) {
        struct op_owner *o = &op->owner[i];
        if (!o->hinted) /* an owner with a hint was noted before, and may have answered since */
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
    CHECK(op->answered);
    leave_hints(c, op, out);
    op_end(c, op);
}

/* Whether the own store has still to answer. */
static bool own_pending(const struct coord *c, const struct op *op)
{
    int own = op_owner_index(op, c->self);
    return own >= 0 && op->owner[own].asked.state == OWNER_ASKED;
}

/* Ends an answered write, unless some owner may still answer that it holds it. */
static void settle(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->answered);
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        if (!holds(o) && !o->hinted && o->asked.state < OWNER_FAILED && op_reachable(c, op, i))
            return;
    }
    write_end(c, op, out);
}

/* The client has its answer. The owners that lack the write have time until the deadline. */
static void linger(struct coord *c, struct op *op, struct out *out)
{
    uint64_t handle = op->handle;
    op_linger(c, op, out);
    if (slab_get(&c->ops, handle)) /* it may have ended, to make room */
        settle(c, op, out);
}

/* W owners hold it. */
static void acknowledge(struct coord *c, struct op *op, struct out *out)
{
    CHECK(*own_stamp(op) > 0);
    op_reply(c, op, 0, tally(op).took, out);
    linger(c, op, out);
}

/* Answers a write that did not reach its quorum. It failed where no owner may store it, else its
 * outcome is unknown. */
static void give_up(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->phase == PHASE_WRITE && !op->answered);
    bool open = op->sent_before;
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

/* Whether an owner that has not answered yet may still do so. */
static bool awaited(const struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].asked.state <= OWNER_ASKED && op_reachable(c, op, i))
            return true;
    return false;
}

/* ---- Driving ---- */

/* Sends the record to the owners that were not sent it, or may have lost it; and, where they are
 * late, to those that have not answered. Once the client has its answer late owners are not sent it
 * again: a hint is cheaper then. */
static void ask_owners(struct coord *c, struct op *op, bool late, struct out *out)
{
    CHECK(*own_stamp(op) > 0);
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
    }
}

/* The write waits for the clock's ceiling, and fails where that could not be stored. */
static void cannot_stamp(struct coord *c, struct op *op, struct out *out)
{
    CHECK(*own_stamp(op) == 0);
    if (!c->ceiling_error || op->answered)
        return;
    op->refusal = c->ceiling_error;
    op->unstamped = true;
    give_up(c, op, out);
}

void write_drive(struct coord *c, struct op *op, bool late, struct out *out)
{
    CHECK(op->phase == PHASE_WRITE && op->need >= 1 && op->need <= op->owner_n);
    if (c->now->fenced)
        return; /* until the next layout is in force, or the deadline has come */
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
    CHECK(!op->answered);
    op->ordered = true;
    op->record.version.stamp = op->record.version.expiry_stamp = 0;
    op_reset(op);
    for (unsigned i = 0; i < op->owner_n; i++)
        op->owner[i].aged = false;
    write_drive(c, op, false, out);
}

/* ---- Answers ---- */

/* Whether an owner refused for now, and stored nothing: it is asked again within the deadline. */
static bool refused_for_now(int error)
{
    return error == ERR_FORMING || error == ERR_STALE_EPOCH || error == ERR_LOADING ||
           error == ERR_BUSY;
}

static bool stored_nothing(int error)
{
    return refused_for_now(error) || error == ERR_NO_SPACE || error == ERR_TOO_OLD;
}

/* What becomes of an owner that took the record, or refused it for a greater version or for its
 * floor: the table in the essay. */
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

/* An owner took the record, or refused it for a greater version or for its floor. */
static void take_standing(struct coord *c, struct op *op, unsigned i, const struct put_answer *a)
{
    struct op_owner *o = &op->owner[i];
    hlc_see(&c->clock, a->held.stamp, c->now->wall_ms, CLOCK_SKEW_MAX_MS);
    if (*own_stamp(op) == 0)
        return; /* about the first stamp, or a repair before: the second is not sent yet */
    if (a->error == ERR_TOO_OLD ? a->held.stamp < *own_stamp(op)
                                : version_cmp(&a->held, &op->record.version) < 0)
        return; /* about the first stamp, and this is the second */
    if (o->asked.state == OWNER_DONE)
        return; /* it was asked twice, and may not remember any more that it took it */
    o->aged = a->error == ERR_TOO_OLD;
    o->unsound = a->unsound;
    o->seen = a->held;
    o->asked.state = (uint8_t)state_of(c, op, i, a);
}

/* Notes what an answer means of its owner. */
static void take_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a)
{
    struct op_owner *o = &op->owner[i];
    /* a value that is written back is as old as it was: that is for good */
    bool too_old = a->error == ERR_TOO_OLD && op->kind != OP_EXPIRE;
    bool repair = o->repairs > 0; /* a stream keeps its order: the repair's answer comes first */
    o->repairs = (uint8_t)(o->repairs - repair);
    if (!a->error || a->error == ERR_SUPERSEDED) {
        take_standing(c, op, i, a);
    } else {
        op->refusal = o->error = a->error;
        if (stored_nothing(a->error) && !repair && o->open > 0)
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
    CHECK(op->phase == PHASE_WRITE && i < op->owner_n);
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

/* The write waits for the own store past its deadline: no node would know of a record that the
 * store takes after the write has ended. */
static void wait_longer(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->deadline_ms <= c->now->ms);
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
