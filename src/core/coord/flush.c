/* flush.c: FLUSHALL.
 *
 * The problem. "Delete everything" must be as true as a DEL: whatever was acknowledged before it
 * began is gone for every quorum read after it was acknowledged, on owners that were away too, and
 * whatever is written after it stays. To delete key by key is neither: keys that only an absent
 * owner holds come back.
 *
 * A flush is a stamp, for all vnodes and all spaces of the clients. Every member stores it
 * (store/table/flushed.h); plain records at or below it are absent, also those that arrive later,
 * and read as a deletion of that stamp. The rest is what writes do anyway: an owner that refuses a
 * write because of the flush answers with the flush's stamp, and the coordinator stamps above it
 * (coord_write.c, the second stamp); a read that meets the flush at one owner and an old value at
 * another repairs the other with the deletion.
 *
 * It asks first, and stamps once. A coordinator whose clock runs ahead may have stamped above ours,
 * and its write may have been acknowledged before we begin. So R owners of every vnode are asked
 * for the greatest stamp that was ever visible there, of whatever key or flush. Nothing is stored
 * meanwhile. Whatever was acknowledged before is held by W owners of its vnode, of which one is
 * among those R: a stamp above all answers covers it. What is greater than that stamp when the
 * flush arrives was written while the flush ran. It stays, and the owner that holds it counts as
 * one that stored the flush, which it did.
 *
 * Why the stamp is never raised. As soon as an owner has stored the flush, readers may see that a
 * key is gone. A client that has seen it may write, and its write is stamped above the flush that
 * it met, and acknowledged. A greater stamp of the same flush would cover that write. Three owners,
 * a coordinator at stamp 4, and a key j that another coordinator wrote ahead of it:
 *
 *                                   A          B          C          a client
 *     at first                      k 3        k 3, j 9   k 3, j 9
 *     stamped at once: flush 5      -          j 9        j 9        reads k: nil; writes k 7: OK; reads it
 *     and raised, for j: flush 10   -          -          -          reads k: nil again
 *     asked first                   (says 3)   (says 9)   (says 9)   reads what was there
 *     and stamped once: flush 10    -          -          -          reads k: nil; writes k 11: OK; reads it from then on
 *
 * An owner that is recovering may have lost the greatest, so it has no answer; it stores the flush
 * like the others. A member that is recovering anywhere has no answer at all: a flush waits for
 * every vnode, so to hear of the sound ones would seldom help. An answer counts for the layout
 * under which it was asked. After a change of layout all members are asked anew for what the flush
 * is at: their answers, or the storing of its stamp, which stays what it is.
 *
 *     waiting --(tick)--> asking --(R answers everywhere: a stamp)--> storing --(W everywhere)--> done
 *     asking --(deadline)--> failed, for nobody was sent it
 *     storing --(deadline)--> unknown
 *
 * Members that are away get the flush as a hint (core/hint/hint.c).
 *
 * Asking again is harmless, and so is storing again (the record is the same), so losses, refusals
 * and layout changes are one mechanism: members that have not done what the flush is at are asked
 * again at each look. */
#include "core/coord/flush.h"

#include "base/check.h"
#include "core/coord/coord.h"
#include "core/coord/coord_op.h"
#include "wire/flush.h"

static void reply(uint64_t token, int error, unsigned answered, unsigned needed, struct out *out)
{
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){.token = token,
                               .kind = OP_FLUSH,
                               .error = error,
                               /* an owner's disk only delays it */
                               .unstamped = error == ERR_IO || error == ERR_NO_SPACE,
                               .answered = (uint8_t)(answered > UINT8_MAX ? UINT8_MAX : answered),
                               .needed = (uint8_t)(needed > UINT8_MAX ? UINT8_MAX : needed)};
}

void flush_request(struct coord *c, uint64_t token, struct out *out)
{
    struct flush *f = &c->flush;
    if (f->waiting_n == FLUSH_WAITERS)
        reply(token, ERR_BUSY, 0, 1, out);
    else if (c->now->ahead)
        reply(token, ERR_CLOCK, 0, 1, out);
    else
        f->waiting[f->waiting_n++] = token;
}

/* Answers to what was asked before are dropped from now on, and nobody has done what is asked
 * now. */
static void members_anew(struct coord *c)
{
    struct flush *f = &c->flush;
    asked_begin(&f->asked, f->member, c->now->layout->member_n);
    f->number++;
    flush_look(c);
}

/* Serves all who wait. */
static void begin(struct coord *c)
{
    struct flush *f = &c->flush;
    f->running = true;
    f->phase = FLUSH_ASKING;
#ifdef CANARY_FLUSH_UNASKED
    f->phase = FLUSH_STORING;
#endif
    f->sent = false;
    f->served = f->waiting_n;
    f->greatest = f->stamp = 0;
    f->deadline_ms = c->now->ms + c->deadline_ms;
    members_anew(c);
}

/* As flushed records read: whose it is is no matter. */
static struct record flush_record(const struct coord *c)
{
    return (struct record){.kind = RECORD_FLUSH,
                           .version = {.stamp = c->flush.stamp, .deleted = 1},
                           .value = FLUSH_EVERYTHING_BYTES};
}

/* Who is not known to have stored it gets a hint: as many members as a step allows; more meet the
 * flush in reads. */
static void leave_hints(struct coord *c, struct out *out)
{
    unsigned n = 0;
    for (int m = 0; m < c->now->layout->member_n && n < FLUSH_SLICE; m++) {
        uint64_t id = c->now->layout->member[m].id;
        if (asked_is(&c->flush.asked, m, ASKED_DONE) || id == c->self)
            continue;
        struct action *a = out_add(out, ACT_HINT_PUT);
        a->hint.target = id;
        a->hint.record = flush_record(c);
        n++;
    }
}

static void finish(struct coord *c, int error, struct out *out)
{
    struct flush *f = &c->flush;
    unsigned answered = f->asked.done, needed = f->asked.n;
    if (f->phase == FLUSH_ASKING && error) { /* of some vnode fewer than R owners answered */
        needed = c->now->layout->r;
        answered = answered < needed ? answered : needed - 1;
    }
    if (f->sent)
        leave_hints(c, out);
    for (unsigned i = 0; i < f->served; i++)
        reply(f->waiting[i], error, answered, needed, out);
    f->waiting_n -= f->served;
    memmove(f->waiting, f->waiting + f->served, f->waiting_n * sizeof f->waiting[0]);
    f->served = 0;
    f->running = false;
}

void flush_look(struct coord *c)
{
    c->flush.next = 0;
    c->flush.look_ms = c->now->ms;
}

void flush_restart(struct coord *c)
{
    if (c->flush.running)
        members_anew(c);
}

/* Whether so many owners of every vnode have done what was asked; or, `may`, have or may yet do
 * it. */
static bool everywhere(const struct coord *c, unsigned needed, bool may)
{
    const struct layout *l = c->now->layout;
    for (unsigned v = 0; v < l->vnodes; v++) {
        unsigned n = 0;
        for (unsigned i = 0; i < l->n; i++)
            n += asked_is(&c->flush.asked, l->owner[(size_t)v * l->n + i], ASKED_DONE) ||
                 (may &&
                  !member_gone(coord_member(c, l->member[l->owner[(size_t)v * l->n + i]].id)));
        if (n < needed)
            return false;
    }
    return true;
}

static void judge(struct coord *c, struct out *out)
{
    struct flush *f = &c->flush;
    bool asking = f->phase == FLUSH_ASKING;
    if (!everywhere(c, asking ? c->now->layout->r : c->now->layout->w, false))
        return;
    if (!asking) {
        finish(c, 0, out);
        return;
    }
    f->phase = FLUSH_STORING;
    members_anew(c);
}

/* A member has done what was asked in this phase, or, with an error, not: then it is asked again at
 * the next look. */
static void answered(struct coord *c, enum flush_phase phase, uint64_t number, uint64_t from,
                     int error, uint64_t greatest, struct out *out)
{
    struct flush *f = &c->flush;
    int m = f->running && f->phase == phase && number == f->number
                ? layout_find(c->now->layout, from)
                : -1;
    if (!asked_answered(&f->asked, m))
        return;
    if (error)
        asked_forget(&f->asked, m);
    if (!error && greatest > f->greatest && greatest < STAMP_WIDE_MAX)
        /* what is greater still came from no clock: a flush above it would leave no key room to be
         * written */
        f->greatest = greatest;
    if (f->asked.open == 0)
        judge(c, out);
}

static void told(struct coord *c, uint64_t number, uint64_t from, int error, uint64_t greatest,
                 struct out *out)
{
    answered(c, FLUSH_ASKING, number, from, error, greatest, out);
}

static void stored(struct coord *c, uint64_t number, uint64_t from, int error, struct out *out)
{
    bool covered = error == ERR_SUPERSEDED; /* by a greater flush */
    answered(c, FLUSH_STORING, number, from, covered ? 0 : error, 0, out);
}

static void on_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                      struct out *out)
{
    struct coord *c = p;
    c->now = now;
    if (m->kind == MSG_GREATEST)
        told(c, TOKEN_NUMBER(m->head.op), from, (int)m->head.error, m->greatest.stamp, out);
    else if (m->kind == MSG_FLUSHED)
        stored(c, TOKEN_NUMBER(m->head.op), from, (int)m->head.error, out);
}

/* A node that may lack records does not know its greatest stamp. */
static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct coord *c = p;
    c->now = now;
    if (ev->kind == EV_TOLD)
        told(c, number, c->self, moment_recovering(now) ? ERR_RECOVERING : ev->told.error,
             ev->told.greatest, out);
    else if (ev->kind == EV_STORED)
        stored(c, number, c->self, ev->stored.error, out);
}

const struct protocol flush_protocol = {.answer = on_answer, .stored = on_stored};

static void ask_greatest(struct coord *c, const struct member *p, struct out *out)
{
    uint64_t number = c->flush.number;
    if (p->id == c->self)
        out_add(out, ACT_STORE_GREATEST)->greatest.token = TOKEN(TOKEN_FLUSH, number);
    else
        out_send(out, p->id, p->addr, MSG_GREATEST_GET)->greatest_get = (struct msg_greatest_get){
            .op = TOKEN(TOKEN_FLUSH, number), .epoch = c->now->layout->epoch};
}

static void send_stamp(struct coord *c, const struct member *p, struct out *out)
{
    struct record r = flush_record(c);
    c->flush.sent = true;
    if (p->id == c->self) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = TOKEN(TOKEN_FLUSH, c->flush.number);
        a->put.record = r;
        return;
    }
    out_send(out, p->id, p->addr, MSG_FLUSH)->flush = (struct msg_flush){
        .op = TOKEN(TOKEN_FLUSH, c->flush.number), .epoch = c->now->layout->epoch, .record = r};
}

/* Asks a member to do what the flush is at, unless it has, or is asked already. */
static void ask(struct coord *c, uint16_t m, struct out *out)
{
    struct flush *f = &c->flush;
    const struct member *p = coord_member(c, c->now->layout->member[m].id);
    asked_lose(&f->asked, m, p);
    if (!asked_is(&f->asked, m, ASKED_IDLE) || !member_reachable(p, c->now->ms))
        return;
    asked_ask(&f->asked, m, p);
    if (f->phase == FLUSH_ASKING)
        ask_greatest(c, p, out);
    else
        send_stamp(c, p, out);
}

/* Whether its stamp may be stored now: it has one, unless the clock's ceiling is in the way, and
 * nothing is fenced. */
static bool may_store(struct coord *c)
{
    struct flush *f = &c->flush;
    if (!c->now->fenced && f->stamp == 0)
        f->stamp = op_stamp(c, f->greatest);
    return !c->now->fenced && f->stamp != 0;
}

void flush_tick(struct coord *c, struct out *out)
{
    struct flush *f = &c->flush;
    if (!c->now->layout || f->waiting_n == 0)
        return;
    if (!f->running)
        begin(c);
    if (c->now->ms >= f->deadline_ms) {
        finish(c, f->sent ? ERR_UNKNOWN_OUTCOME : ERR_NO_QUORUM, out);
        return;
    }
    if (c->now->ms < f->look_ms)
        return;
    if (f->phase == FLUSH_ASKING && !everywhere(c, c->now->layout->r, true)) {
        finish(c, ERR_NO_QUORUM, out); /* to wait for the deadline would help nobody */
        return;
    }
    bool stuck = f->phase == FLUSH_STORING && !may_store(c);
    if (stuck && !c->now->fenced && !f->sent && c->ceiling_error) {
        finish(c, c->ceiling_error, out);
        return;
    }
    if (stuck) {
        /* a new layout or ceiling looks sooner */
        f->look_ms = c->now->ms + c->deadline_ms / OP_TICKS;
        return;
    }
    for (unsigned n = 0; n < FLUSH_SLICE && f->next < c->now->layout->member_n; n++)
        ask(c, f->next++, out);
    if (f->next < c->now->layout->member_n)
        return;
    f->next = 0;
    f->look_ms = c->now->ms + c->deadline_ms / OP_TICKS;
    judge(c, out); /* somebody may stay silent that nothing hangs on */
}

uint64_t flush_deadline_ms(const struct coord *c, const struct moment *now)
{
    const struct flush *f = &c->flush;
    if (f->waiting_n == 0 || !now->layout)
        return UINT64_MAX;
    if (!f->running)
        return now->ms;
    return f->look_ms < f->deadline_ms ? f->look_ms : f->deadline_ms;
}
