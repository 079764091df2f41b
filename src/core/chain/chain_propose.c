/* chain_propose.c: the proposer: one round after another, until the epoch has its successor.
 *
 *     IDLE ---(due, with a reason)---> PREPARE ---(the promises suffice)---> ACCEPT
 *      ^ ^                              |   ^                                 |  |
 *      | '----(nothing to propose)------'   '--------(out of patience)--------'  |
 *      '-----------------(chosen, or some member holds records)------------------'
 *
 * A reason is a waiting joiner, or a value that was accepted here and is not decided yet. A value
 * that is chosen goes to chain_adopt. Two events lead back to IDLE from each phase: a vote at
 * another proposer's higher ballot, for YIELD_MS; and another layout that comes into force.
 *
 * Ballots are (round << 16 | index of the proposer in the sorted members of the present epoch). All
 * proposers for epoch e+1 have adopted the same layout e, whose members have distinct indices below
 * LAYOUT_MEMBERS_MAX, so no two proposers share a ballot. A proposer never uses one ballot for two
 * values either, not even across a crash: it sends ACCEPT only after its own promise was counted,
 * which was durable then, and it begins new rounds above what it promised. The order of indices
 * only breaks ties.
 *
 * In a formation the proposer accepts last, when all others have. As long as it has not, its own
 * promise shows that the formation is not chosen. So the death of one other member never leaves the
 * survivors fenced: out of patience, they prepare once more and find themselves free to keep the
 * members as they are (the example in chain.c). Only if the proposer itself dies in the short time
 * between the acceptances of all others and their learning of it must the survivors wait for its
 * return: the formation may be in force somewhere. */
#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "core/chain/chain_state.h"
#include "core/ring/ring.h"

enum {
    BALLOT_INDEX_BITS = 16,
    /* how long another proposer goes first: longer than its patience, or it would never run out */
    YIELD_MS = 6000,
};

static const uint32_t next_phase[] = {
    [CHAIN_IDLE] = PHASE(CHAIN_PREPARE),
    [CHAIN_PREPARE] = PHASE(CHAIN_ACCEPT) | PHASE(CHAIN_IDLE),
    [CHAIN_ACCEPT] = PHASE(CHAIN_PREPARE) | PHASE(CHAIN_IDLE),
};

_Static_assert(LAYOUT_MEMBERS_MAX <= 1 << BALLOT_INDEX_BITS,
               "indices must fit their part of a ballot");

void chain_propose_init(struct chain *c)
{
    buf_init(&c->round.best, LAYOUT_BYTES_MAX);
    buf_init(&c->round.value, LAYOUT_BYTES_MAX);
    c->propose_ms = UINT64_MAX;
}

void chain_propose_close(struct chain *c)
{
    buf_close(&c->round.best);
    buf_close(&c->round.value);
}

void chain_propose_in(struct chain *c, uint64_t delay_ms)
{
    uint64_t at = c->now->ms + delay_ms + rng_below(&c->rng, delay_ms / 2 + 1);

    if (c->round.phase == CHAIN_IDLE && at < c->propose_ms)
        c->propose_ms = at;
}

/* No round is under way, and none is due. */
static void round_end(struct chain *c)
{
    if (c->round.phase != CHAIN_IDLE)
        phase_enter(&c->round.phase, CHAIN_IDLE, next_phase);
    c->propose_ms = UINT64_MAX;
}

void chain_propose_reset(struct chain *c)
{
    round_end(c);
    c->seen_ballot = c->acceptor.promised;
    if (c->joiner_n > 0)
        chain_propose_in(c, CHAIN_GATHER_MS);
    if (c->acceptor.accepted > 0)
        chain_propose_in(c, CHAIN_PATIENCE_MS);
}

/* Lets others go first for a while. */
static void propose_later(struct chain *c)
{
    round_end(c);
    chain_propose_in(c, YIELD_MS);
}

static void ballot_seen(struct chain *c, uint64_t ballot)
{
    if (ballot > c->seen_ballot)
        c->seen_ballot = ballot;
}

void chain_propose_yield(struct chain *c, uint64_t ballot)
{
    ballot_seen(c, ballot);
    if (c->round.phase != CHAIN_IDLE ? ballot > c->round.ballot : c->propose_ms != UINT64_MAX)
        propose_later(c);
    CHECK(c->round.phase == CHAIN_IDLE || c->round.ballot >= ballot);
}

/* ---- Phases, and the answers in them ---- */

/* Counts the answer of member `from`. False when it was counted already. Votes are durable, so it
 * does not matter over which stream the answer comes. */
static bool round_count(struct chain *c, uint64_t from)
{
    struct asked_set *asked = &c->round.asked;
    bool counted = asked_answered(asked, layout_find(chain_now(c), from));

    CHECK(asked->done + asked->open <= asked->n);
    return counted;
}

/* Whether so many answered that a value of that kind may be proposed, or is chosen. */
static bool round_suffices(const struct chain *c, enum chain_kind kind)
{
    const struct asked_set *asked = &c->round.asked;

    return asked->done >= (kind == CHAIN_SAME ? asked->n / 2 + 1 : asked->n);
}

static void round_phase(struct chain *c, enum chain_phase phase)
{
    struct chain_round *r = &c->round;

    phase_enter(&r->phase, phase, next_phase);
    asked_begin(&r->asked, r->member, chain_now(c)->member_n);
    r->cursor = 0;
    r->resend_ms = c->now->ms;
    r->patience_ms = c->now->ms + CHAIN_PATIENCE_MS;
    c->propose_ms = UINT64_MAX;
}

/* ---- Sending ---- */

/* Whether member m is to be asked now. In a formation this node itself comes last. */
static bool round_asks(const struct chain *c, int m)
{
    const struct chain_round *r = &c->round;
    uint64_t id = chain_now(c)->member[m].id;

    if (asked_is(&r->asked, m, ASKED_DONE))
        return false;
    if (id != c->self)
        return chain_reachable(c, id);
    return r->phase == CHAIN_PREPARE || r->kind == CHAIN_SAME || r->asked.done + 1 == r->asked.n;
}

static void round_ask(struct chain *c, int m, struct out *out)
{
    struct chain_round *r = &c->round;
    uint64_t id = chain_now(c)->member[m].id;
    uint64_t epoch = chain_now(c)->epoch + 1;

    CHECK(r->phase == CHAIN_PREPARE || r->value.n > 0);
    asked_ask(&r->asked, m, cast_find(c->now->cast, id));
    if (id == c->self && r->phase == CHAIN_PREPARE)
        chain_vote_prepare(c, id, r->ballot, out);
    else if (id == c->self)
        chain_vote_accept(c, id, r->ballot, buf_view(&r->value), out);
    else if (r->phase == CHAIN_PREPARE)
        out_send(out, id, chain_addr(c, id), MSG_PREPARE)->prepare =
            (struct msg_prepare){.epoch = epoch, .ballot = r->ballot};
    else
        out_send(out, id, chain_addr(c, id), MSG_ACCEPT)->accept =
            (struct msg_accept){.epoch = epoch, .ballot = r->ballot, .layout = buf_view(&r->value)};
}

/* One pass over the members that did not answer, some at a time; the next pass comes
 * CHAIN_RESEND_MS later. */
static void round_send(struct chain *c, struct out *out)
{
    struct chain_round *r = &c->round;
    unsigned sent = 0;

    if (c->now->ms < r->resend_ms)
        return;
    while (r->phase != CHAIN_IDLE && r->cursor < chain_now(c)->member_n && sent < CHAIN_SENDS) {
        int m = r->cursor++;
        if (!round_asks(c, m))
            continue;
        round_ask(c, m, out);
        sent++;
    }
    if (r->cursor < chain_now(c)->member_n)
        return;
    r->cursor = 0;
    r->resend_ms = c->now->ms + CHAIN_RESEND_MS;
}

/* ---- Prepare ---- */

static void round_begin(struct chain *c, struct out *out)
{
    struct chain_round *r = &c->round;
    int self = layout_find(chain_now(c), c->self);

    c->propose_ms = UINT64_MAX;
    if (self < 0)
        return;
    round_phase(c, CHAIN_PREPARE);
    r->ballot = ((c->seen_ballot >> BALLOT_INDEX_BITS) + 1) << BALLOT_INDEX_BITS | (unsigned)self;
    CHECK(r->ballot > c->seen_ballot && r->ballot > c->acceptor.promised);
    r->best_ballot = 0;
    r->best_kind = CHAIN_NONE;
    r->best.n = 0;
    r->uniform = true;
    r->records = false;
    ballot_seen(c, r->ballot);
    out_trace(out, TRACE_LAYOUT_PROPOSED, 0, chain_now(c)->epoch + 1, r->ballot, slice_of(NULL, 0));
}

/* Takes a promise's report into account. False when the report makes no sense or memory is out:
 * then it counts for nothing. */
static bool round_report(struct chain *c, const struct msg_promise *m)
{
    struct chain_round *r = &c->round;
    enum chain_kind kind = m->accepted > 0 ? chain_kind_of(c, m->layout) : CHAIN_NONE;

    if (m->accepted >= r->ballot || (kind == CHAIN_NONE && m->accepted > 0) ||
        buf_reserve(&r->best, m->layout.n))
        return false;
    if (m->accepted == 0) {
        r->uniform = false;
        return true;
    }
    if (r->best_ballot > 0 && !slice_eq(buf_view(&r->best), m->layout))
        r->uniform = false;
    if (m->accepted > r->best_ballot) {
        r->best_ballot = m->accepted;
        r->best_kind = kind;
        r->best.n = 0;
        return buf_slice(&r->best, m->layout) == 0;
    }
    CHECK(r->best_kind != CHAIN_NONE && r->best.n > 0);
    return true;
}

static bool value_same(struct chain *c, struct buf *value)
{
    struct layout l;

    layout_init(&l);
    value->n = 0;
    int error = layout_copy(&l, chain_now(c));
    l.epoch++;
    if (!error)
        error = layout_encode(value, &l);
    layout_close(&l);
    return error == 0;
}

static bool value_joined(struct chain *c, struct buf *value)
{
    struct layout_member member[LAYOUT_MEMBERS_MAX];
    struct layout l;
    const struct layout *now = chain_now(c);
    struct ring_change change = {.prev = now, .member = member};

    memcpy(member, now->member, now->member_n * sizeof *member);
    change.member_n = now->member_n;
    for (unsigned i = 0; i < c->joiner_n && change.member_n < LAYOUT_MEMBERS_MAX; i++)
        member[change.member_n++] = c->joiner[i].member;
    layout_init(&l);
    value->n = 0;
    int error = ring_compute(&change, &l);
    if (!error)
        error = layout_encode(value, &l);
    layout_close(&l);
    return error == 0;
}

static bool value_best(struct chain *c, struct buf *value)
{
    value->n = 0;
    return buf_slice(value, buf_view(&c->round.best)) == 0;
}

/* Goes on to ACCEPT with a value that is to be of that kind. Where there was no memory for it
 * (`made` is false), or it turns out to be of another kind, a later round tries again. */
static void round_accept(struct chain *c, enum chain_kind kind, bool made)
{
    CHECK(round_suffices(c, kind));
    if (!made || chain_kind_of(c, buf_view(&c->round.value)) != kind) {
        propose_later(c);
        return;
    }
    c->round.kind = kind;
    round_phase(c, CHAIN_ACCEPT);
}

/* Waits on, and logs for whom. */
static void round_wait(struct chain *c, struct out *out)
{
    struct chain_round *r = &c->round;
    const struct layout *l = chain_now(c);
    int m = 0;

    if (c->now->ms < r->patience_ms)
        return;
    if (c->joiner_n == 0 && c->acceptor.accepted == 0 && r->best_ballot == 0) {
        round_end(c); /* nobody waits any more */
        return;
    }
    while (asked_is(&r->asked, m, ASKED_DONE))
        m++;
    CHECK(m < l->member_n);
    r->patience_ms = c->now->ms + CHAIN_PATIENCE_MS;
    if (c->waits_for != l->member[m].id || c->waits_epoch != l->epoch + 1)
        c->waits = 0;
    c->waits_for = l->member[m].id;
    c->waits_epoch = l->epoch + 1;
    if (!power_of_two(++c->waits)) /* logged at 1, 2, 4, ...: a log is not a clock */
        return;
    out_trace(out, TRACE_LAYOUT_WAITS, l->member[m].id, l->epoch + 1, c->waits,
              SLICE("members are let in when every present member answers, and this one does not"));
}

/* What to do with the promises so far: the rules of chain.c's essay, and our policy where they
 * leave the proposer free. */
static void round_decide(struct chain *c, struct out *out)
{
    struct chain_round *r = &c->round;
    bool all = r->asked.done == r->asked.n;
    bool self = asked_is(&r->asked, layout_find(chain_now(c), c->self), ASKED_DONE);

    chain_prune(c);
    if (!self || !round_suffices(c, CHAIN_SAME))
        round_wait(c, out);
    else if (r->best_kind == CHAIN_SAME)
        round_accept(c, CHAIN_SAME, value_best(c, &r->value));
    else if (!all && c->now->ms < r->patience_ms)
        return;
    else if (r->best_kind == CHAIN_FORMATION && r->uniform && !all)
        round_wait(c, out); /* it may be chosen; only all members together can tell */
    else if (r->best_kind == CHAIN_FORMATION && r->uniform)
        round_accept(c, CHAIN_FORMATION, value_best(c, &r->value));
    else if (all && !r->records && c->joiner_n > 0 && chain_now(c)->member_n < LAYOUT_MEMBERS_MAX)
        round_accept(c, CHAIN_FORMATION, value_joined(c, &r->value));
    else if (r->best_kind == CHAIN_FORMATION) /* the members that it fenced are to be freed */
        round_accept(c, CHAIN_SAME, value_same(c, &r->value));
    else if (!all && c->joiner_n > 0)
        round_wait(c, out);
    else
        round_end(c);
}

void chain_propose_promise(struct chain *c, uint64_t from, const struct msg_promise *m,
                           struct out *out)
{
    struct chain_round *r = &c->round;

    ballot_seen(c, m->promised);
    if (r->phase != CHAIN_PREPARE || m->ballot != r->ballot)
        return;
    if (m->error) {
        propose_later(c);
        return;
    }
    if (!round_report(c, m) || !round_count(c, from))
        return;
    if (m->holds_records) {
        r->records = true;
        chain_refuse_all(c, from, out);
    }
    round_decide(c, out);
    round_send(c, out);
}

/* ---- Accept ---- */

static void round_chosen(struct chain *c, struct out *out)
{
    CHECK(c->round.phase == CHAIN_ACCEPT && round_suffices(c, c->round.kind));
    round_end(c);
    chain_adopt(c, buf_view(&c->round.value), true, out);
    chain_propose_in(c, CHAIN_PATIENCE_MS); /* in case that cannot be stored */
}

void chain_propose_accepted(struct chain *c, uint64_t from, const struct msg_accepted *m,
                            struct out *out)
{
    struct chain_round *r = &c->round;

    ballot_seen(c, m->promised);
    if (r->phase != CHAIN_ACCEPT || m->ballot != r->ballot)
        return;
    if (m->error == (uint32_t)ERR_HOLDS_RECORDS) {
        round_end(c); /* the promise of that member will show that the proposer is free */
        c->propose_ms = c->now->ms;
        return;
    }
    if (m->error) {
        propose_later(c);
        return;
    }
    if (!round_count(c, from))
        return;
    if (round_suffices(c, r->kind)) {
        round_chosen(c, out);
        return;
    }
    if (r->asked.done + 1 == r->asked.n) {
        r->cursor = 0; /* our own turn has come */
        r->resend_ms = c->now->ms;
    }
    round_send(c, out);
}

/* ---- Time ---- */

uint64_t chain_propose_deadline(const struct chain *c)
{
    const struct chain_round *r = &c->round;

    if (r->phase == CHAIN_IDLE)
        return c->propose_ms;
    return r->resend_ms < r->patience_ms ? r->resend_ms : r->patience_ms;
}

static void propose_due(struct chain *c, struct out *out)
{
    chain_prune(c);
    if (c->joiner_n > 0 || c->acceptor.accepted > 0)
        round_begin(c, out);
    else
        round_end(c);
}

void chain_propose_tick(struct chain *c, struct out *out)
{
    struct chain_round *r = &c->round;

    if (r->phase == CHAIN_IDLE && c->propose_ms <= c->now->ms)
        propose_due(c, out);
    else if (r->phase == CHAIN_PREPARE && r->patience_ms <= c->now->ms)
        round_decide(c, out);
    else if (r->phase == CHAIN_ACCEPT && r->patience_ms <= c->now->ms)
        round_begin(c, out); /* some member does not answer */
    round_send(c, out);
}
