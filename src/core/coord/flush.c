/* flush.c: FLUSHALL.
 *
 * The problem. FLUSHALL must be as true as a DEL. A write that was acknowledged before the flush
 * began is not read any more once the flush is acknowledged, not even from owners that were away. A
 * write that begins after the flush is acknowledged stays. To delete key by key is not enough: a
 * key that only an absent owner holds is not found, and comes back with that owner.
 *
 * A flush is a stamp, for all vnodes and all spaces of the clients. Every member stores it
 * (store/table/flushed.h). A record at or below the stamp is absent, also if it arrives later, and
 * reads as a deletion of that stamp. Writes and reads need little besides. An owner that refuses a
 * write because of the flush answers with the flush's stamp, and the write's coordinator stamps
 * above it (coord_write.c, the second stamp). A read that meets the flush at one owner and an old
 * value at another repairs the other with the deletion.
 *
 * The coordinator asks first. Another coordinator, whose clock runs ahead, may have stamped above
 * our clock, and its write may have been acknowledged before the flush begins. So R owners of every
 * vnode are asked for the greatest stamp that was ever visible there, of whatever key or flush.
 * Nothing is stored meanwhile. Whatever was acknowledged before is held by W owners of its vnode,
 * and one of these is among the R that are asked: a stamp above all answers covers it. A record
 * above that stamp, which an owner holds when the flush arrives, was written while the flush ran.
 * The record stays, and the owner has stored the flush all the same.
 *
 * The coordinator stamps once. As soon as an owner has stored the flush, readers may see that a key
 * is gone. A client that has seen it may write. Its write is stamped above the flush that it met,
 * and is acknowledged. If the same flush got a greater stamp then, it would cover that write.
 *
 * A worked example, N = 3, W = R = 2. The owners hold keys k and j: "k 3" is k under stamp 3. The
 * flush's coordinator has its clock at 4. Another coordinator, whose clock is ahead, stamped j 9.
 *
 *                             A          B          C          a client
 *     before                  k 3        k 3, j 9   k 3, j 9
 *
 *     if the flush were stamped at once, and its stamp raised because of j:
 *       flush 5 is stored     nothing    j 9        j 9        reads k: none; writes k 7: OK
 *       k 7 is stored         k 7        k 7, j 9   k 7, j 9   reads k 7
 *       flush 10 is stored    nothing    nothing    nothing    reads k: none. The OK was false
 *
 *     the flush as it is: the owners are asked first, and it is stamped once:
 *       all are asked         answers 3  answers 9  answers 9  reads k 3 and j 9
 *       flush 10 is stored    nothing    nothing    nothing    reads k: none; writes k 11: OK
 *       k 11 is stored        k 11       k 11       k 11       reads k 11 from now on
 *
 * Members that are recovering. An owner that is recovering may have lost the record with the
 * greatest stamp, so it refuses to answer with one. It stores the flush like the others. A member
 * that is recovering in one vnode refuses to answer for all of its vnodes: a flush needs an answer
 * for every vnode, so one for the sound vnodes alone would seldom help.
 *
 * Another layout. An answer counts for the layout under which the question was asked. After a
 * change of layout all members are asked anew for what the phase asks for. The stamp stays what it
 * is.
 *
 *     REST --(a request, at a tick)--> ASKING --(R owners of every vnode answered)--> STORING
 *     STORING --(W owners of every vnode stored it)--> REST, with the answer OK
 *     ASKING --(deadline, or R owners of a vnode cannot answer)--> REST, failed
 *     STORING --(deadline, and members were sent the flush)--> REST, unknown
 *     STORING --(deadline, or no ceiling for the stamp can be stored)--> REST, failed
 *
 * A flush fails only if no member was sent it. Members that are not known to have stored a flush
 * that was sent get it as a hint (core/hint/hint.c).
 *
 * Asking again is harmless, and so is storing again, for the record is the same. So lost messages,
 * refusals and changes of layout are handled in one way: at each look, the members that have not
 * done what the phase asks for are asked again.
 *
 * Invariants: the stamp is above all that was answered; it never changes once it is given; no
 * member is sent the flush before; a flush under way serves at least one request. */
#include "core/coord/flush.h"

#include "base/check.h"
#include "base/phase.h"
#include "core/coord/coord.h"
#include "core/coord/coord_op.h"
#include "wire/flush.h"

static const uint32_t next[] = {
    [FLUSH_REST] = PHASE(FLUSH_ASKING),
    [FLUSH_ASKING] = PHASE(FLUSH_STORING) | PHASE(FLUSH_REST),
    [FLUSH_STORING] = PHASE(FLUSH_REST),
};

static unsigned clipped(unsigned n)
{
    return n < UINT8_MAX ? n : UINT8_MAX;
}

static void reply(uint64_t token, int error, unsigned answered, unsigned needed, struct out *out)
{
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){.token = token,
                               .kind = OP_FLUSH,
                               .error = error,
                               /* an owner whose disk fails only delays the flush: this is the
                                * coordinator's own disk, which could not store the ceiling */
                               .unstamped = error == ERR_IO || error == ERR_NO_SPACE,
                               .answered = (uint8_t)clipped(answered),
                               .needed = (uint8_t)clipped(needed)};
}

void flush_request(struct coord *c, uint64_t token, struct out *out)
{
    struct flush *f = &c->flush;
    CHECK(f->waiting_n <= FLUSH_WAITERS);
    if (f->waiting_n == FLUSH_WAITERS)
        reply(token, ERR_BUSY, 0, 1, out);
    else if (c->now->ahead)
        reply(token, ERR_CLOCK, 0, 1, out);
    else
        f->waiting[f->waiting_n++] = token;
}

/* All members are to be asked what the phase asks for: none counts as having done it. Answers to
 * earlier questions are dropped. */
static void members_anew(struct coord *c)
{
    struct flush *f = &c->flush;
    asked_begin(&f->asked, f->member, c->now->layout->member_n);
    f->number++;
    flush_look(c);
}

static void store_everywhere(struct coord *c)
{
    CHECK(!c->flush.sent && c->flush.stamp == 0);
    phase_enter(&c->flush.phase, FLUSH_STORING, next);
    members_anew(c);
}

/* Begins a flush for all requests that wait. */
static void begin(struct coord *c)
{
    struct flush *f = &c->flush;
    CHECK(f->waiting_n > 0 && f->served == 0);
    phase_enter(&f->phase, FLUSH_ASKING, next);
    f->sent = false;
    f->served = f->waiting_n;
    f->greatest = f->stamp = 0;
    f->deadline_ms = c->now->ms + c->deadline_ms;
    members_anew(c);
#ifdef CANARY_FLUSH_UNASKED
    store_everywhere(c);
#endif
}

/* The record of a flush is the same whichever node coordinates it: its version names no node. */
static struct record flush_record(const struct coord *c)
{
    CHECK(c->flush.stamp > c->flush.greatest);
    return (struct record){.kind = RECORD_FLUSH,
                           .version = {.stamp = c->flush.stamp, .deleted = 1},
                           .value = FLUSH_EVERYTHING_BYTES};
}

/* Leaves a hint for each member that is not known to have stored the flush, for as many as a step
 * allows. The rest get the flush with the next exchange (core/repair/repair_run.c). */
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
    CHECK(f->served > 0 && f->served <= f->waiting_n);
    /* Many members may have answered, but of some vnode fewer than R owners: it is this that the
     * client is to read. */
    if (f->phase == FLUSH_ASKING && error) {
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
    phase_enter(&f->phase, FLUSH_REST, next);
}

void flush_look(struct coord *c)
{
    c->flush.next = 0;
    c->flush.look_ms = c->now->ms;
}

void flush_restart(struct coord *c)
{
    if (c->flush.phase != FLUSH_REST)
        members_anew(c);
}

/* Whether `needed` owners of every vnode have done what the phase asks for. With `may`, an owner
 * that may yet do it counts too. */
static bool everywhere(const struct coord *c, unsigned needed, bool may)
{
    const struct layout *l = c->now->layout;
    CHECK(needed > 0 && needed <= l->n);
    for (unsigned v = 0; v < l->vnodes; v++) {
        unsigned n = 0;
        for (unsigned i = 0; i < l->n; i++) {
            uint16_t m = l->owner[(size_t)v * l->n + i];
            n += asked_is(&c->flush.asked, m, ASKED_DONE) ||
                 (may && !member_gone(coord_member(c, l->member[m].id)));
        }
        if (n < needed)
            return false;
    }
    return true;
}

static void judge(struct coord *c, struct out *out)
{
    bool asking = c->flush.phase == FLUSH_ASKING;
    if (!everywhere(c, asking ? c->now->layout->r : c->now->layout->w, false))
        return;
    if (asking)
        store_everywhere(c);
    else
        finish(c, 0, out);
}

/* A member has answered what was asked in this phase: it has done it, or, with an error, has not,
 * and is asked again at the next look. */
static void answered(struct coord *c, enum flush_phase phase, uint64_t number, uint64_t from,
                     int error, uint64_t greatest, struct out *out)
{
    struct flush *f = &c->flush;
    int m = f->phase == phase && number == f->number ? layout_find(c->now->layout, from) : -1;
    if (!asked_answered(&f->asked, m))
        return;
    if (error)
        asked_forget(&f->asked, m);
    /* No clock gives a stamp above STAMP_WIDE_MAX. A flush above one may leave no room for stamps
     * of later writes. */
    if (!error && greatest > f->greatest && greatest < STAMP_WIDE_MAX)
        f->greatest = greatest;
    if (f->asked.open == 0)
        judge(c, out);
}

/* A member that holds a greater flush counts as one that stored this one: that covers all that this
 * one covers. */
static int store_error(int error)
{
    return error == ERR_SUPERSEDED ? 0 : error;
}

static void on_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                      struct out *out)
{
    struct coord *c = p;
    c->now = now;
    uint64_t number = TOKEN_NUMBER(m->head.op);
    int error = (int)m->head.error;
    if (m->kind == MSG_GREATEST)
        answered(c, FLUSH_ASKING, number, from, error, m->greatest.stamp, out);
    else if (m->kind == MSG_FLUSHED)
        answered(c, FLUSH_STORING, number, from, store_error(error), 0, out);
}

/* The own store has answered. A node that is recovering does not know its greatest stamp. */
static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct coord *c = p;
    c->now = now;
    int error = moment_recovering(now) ? ERR_RECOVERING : ev->answered.error;
    if (ev->kind == EV_ANSWERED)
        answered(c, FLUSH_ASKING, number, c->self, error, ev->answered.greatest, out);
    else if (ev->kind == EV_STORED)
        answered(c, FLUSH_STORING, number, c->self, store_error(ev->stored.error), 0, out);
}

const struct protocol flush_protocol = {.answer = on_answer, .stored = on_stored};

static void ask_greatest(struct coord *c, const struct member *p, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_FLUSH, c->flush.number);
    CHECK(!c->flush.sent);
    if (p->self)
        out_add(out, ACT_STORE_GREATEST)->greatest.token = token;
    else
        out_send(out, p->id, p->addr, MSG_GREATEST_GET)->greatest_get =
            (struct msg_greatest_get){.op = token, .epoch = c->now->layout->epoch};
}

static void send_stamp(struct coord *c, const struct member *p, struct out *out)
{
    struct record r = flush_record(c);
    uint64_t token = TOKEN(TOKEN_FLUSH, c->flush.number);
    c->flush.sent = true;
    if (p->self) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = token;
        a->put.record = r;
        return;
    }
    out_send(out, p->id, p->addr, MSG_FLUSH)->flush =
        (struct msg_flush){.op = token, .epoch = c->now->layout->epoch, .record = r};
}

/* Asks a member for what the phase asks for, unless it has done it, or is asked already. */
static void ask(struct coord *c, uint16_t m, struct out *out)
{
    struct flush *f = &c->flush;
    const struct member *p = coord_member(c, c->now->layout->member[m].id);
    CHECK(f->phase != FLUSH_REST);
    asked_lose(&f->asked, m, p);
    if (!asked_is(&f->asked, m, ASKED_IDLE) || !member_reachable(p, c->now->ms))
        return;
    asked_ask(&f->asked, m, p);
    if (f->phase == FLUSH_ASKING)
        ask_greatest(c, p, out);
    else
        send_stamp(c, p, out);
}

/* Whether the flush may be stored now: nothing is fenced, and it has a stamp, or gets one that the
 * clock's ceiling allows. */
static bool may_store(struct coord *c)
{
    struct flush *f = &c->flush;
    if (!c->now->fenced && f->stamp == 0)
        f->stamp = op_stamp(c, f->greatest);
    return !c->now->fenced && f->stamp != 0;
}

static void look_later(struct coord *c)
{
    c->flush.next = 0;
    c->flush.look_ms = c->now->ms + c->deadline_ms / OP_TICKS;
}

/* The flush cannot be stored yet: it waits for the next layout, or for the clock's ceiling, and the
 * coming of either calls flush_look. It ends when the ceiling cannot be stored. */
static void wait_to_store(struct coord *c, struct out *out)
{
    if (!c->now->fenced && !c->flush.sent && c->ceiling_error)
        finish(c, c->ceiling_error, out);
    else
        look_later(c);
}

static void ask_some(struct coord *c, struct out *out)
{
    struct flush *f = &c->flush;
    for (unsigned n = 0; n < FLUSH_SLICE && f->next < f->asked.n; n++)
        ask(c, f->next++, out);
    if (f->next < f->asked.n)
        return;
    look_later(c);
    judge(c, out); /* the members that are still asked may not be needed */
}

static void look(struct coord *c, struct out *out)
{
    uint8_t phase = c->flush.phase;
    if (phase == FLUSH_ASKING && !everywhere(c, c->now->layout->r, true))
        finish(c, ERR_NO_QUORUM, out); /* to wait for the deadline would help nobody */
    else if (phase == FLUSH_STORING && !may_store(c))
        wait_to_store(c, out);
    else
        ask_some(c, out);
}

void flush_tick(struct coord *c, struct out *out)
{
    struct flush *f = &c->flush;
    if (!c->now->layout || f->waiting_n == 0)
        return;
    if (f->phase == FLUSH_REST)
        begin(c);
    if (c->now->ms >= f->deadline_ms)
        finish(c, f->sent ? ERR_UNKNOWN_OUTCOME : ERR_NO_QUORUM, out);
    else if (c->now->ms >= f->look_ms)
        look(c, out);
}

uint64_t flush_deadline_ms(const struct coord *c, const struct moment *now)
{
    const struct flush *f = &c->flush;
    if (f->waiting_n == 0 || !now->layout)
        return UINT64_MAX;
    if (f->phase == FLUSH_REST)
        return now->ms;
    return f->look_ms < f->deadline_ms ? f->look_ms : f->deadline_ms;
}

void flush_check(const struct coord *c, const struct moment *now)
{
    const struct flush *f = &c->flush;
    asked_check(&f->asked);
    CHECK(f->served <= f->waiting_n && f->waiting_n <= FLUSH_WAITERS);
    CHECK((f->phase == FLUSH_REST) == (f->served == 0));
    if (f->phase == FLUSH_REST)
        return;
    CHECK(f->asked.n == now->layout->member_n && f->next <= f->asked.n);
    CHECK(f->deadline_ms <= now->ms + c->deadline_ms);
    CHECK(f->phase == FLUSH_STORING || (!f->sent && f->stamp == 0));
    CHECK(f->stamp == 0 ? !f->sent : f->stamp > f->greatest);
}
