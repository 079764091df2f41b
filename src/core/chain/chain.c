/* chain.c: the chain as a whole, and why it is safe.
 *
 * The problem: all members must agree on who owns what, through crashes, losses and partitions, and
 * no acknowledged write may be lost when the owners change. Gossiped topology does not give that.
 * So the layout is a chain of decisions: epoch e+1 is decided by the members of epoch e, by Paxos
 * (Lamport, "The part-time parliament", 1998; "Paxos made simple", 2001), once.
 *
 * Two kinds of value exist for e+1. SAME keeps the members and owners of e. FORMATION adds members,
 * and gives them places that the present owners lose. No record is moved with a place, because
 * moving is not built yet. So a formation must be certain that there are no records.
 *
 * Choosing. Each ballot has one value. A SAME value is chosen when a majority of the members of e
 * accepted it at one ballot, a FORMATION when all of them did. A member accepts a FORMATION only
 * while it holds no record. From there on it is fenced (chain_vote.c): it takes no write under e
 * until it has adopted e+1, or durably accepted SAME at a higher ballot.
 *
 * Selecting (round_decide). A proposer at ballot b has promises of a majority S, itself in it. Let
 * (c, u) be the accepted value of the highest ballot that S reports.
 *
 *   1. S reports no value: the proposer is free.
 *   2. u is SAME: it proposes u.
 *   3. u is a FORMATION, and every promise of S reports u, at whatever ballots: it proposes u.
 *   4. u is a FORMATION, and some promise of S reports another value or none: it is free.
 *
 * Rule 3 compares values and not ballots ("all at c"): u that was chosen at c', and was proposed
 * again at c to some members only, is still chosen.
 *
 * Claim: if w is chosen at ballot a, then every ballot b > a has the value w. By induction over b:
 * let all ballots between a and b have w.
 *
 *   - w is a FORMATION. All members accepted it at a, and each member of S did so before promising
 *     b, for after that it could not. What it accepted later, below b, is w again by induction. So
 *     all of S report w, and rule 3 proposes w.
 *   - w is SAME. A majority accepted it at a, so some member of S did, before promising b. Hence
 *     c >= a, and u = w: at a because a ballot has one value, above a by induction. Rule 2 proposes
 *     w.
 *
 * The claim holds whether w is chosen before the promises of S or after them, for the members of S
 * did their part before. So where a proposer is free (1 and 4) nothing was chosen below b, and
 * nothing ever will be. Two chosen values would contradict the claim: epoch e+1 is one.
 *
 * Undoing a formation: an example. A, B and C are the members of epoch 4, and D wants in. A's value
 * F adds D; A proposes, so it accepts last (chain_propose.c). C dies at the wrong moment.
 *
 *     step                                     A             B                C
 *     A prepares ballot 1; all promise         promised 1    promised 1       promised 1
 *     A asks B and C to accept F               promised 1    F at 1, fenced   dead
 *     A runs out of patience; prepares 2       promised 2,   promised 2,      dead
 *                                              reports -     reports F
 *     rule 4: A proposes SAME at 2             SAME at 2     SAME at 2        dead
 *
 * Two of three accepted SAME: it is epoch 5, and B's fence is gone. If C had accepted F before it
 * died, nothing changes: F lacked A, and A has promised 2, so F is not chosen and never will be. C
 * comes back fenced, learns of epoch 5, adopts it, and its fence is gone too. D asks again, and is
 * let in by epoch 6.
 *
 *     Had A accepted F and died:               dead          F at 1, fenced   F at 1, fenced
 *     B prepares 2; B and C promise            dead          reports F        reports F
 *
 * All of S report F: rule 3. F may be in force at A and D, so SAME is not an option; and F needs A
 * too, so B waits until A is back.
 *
 * No acknowledged write is lost. Let a FORMATION be chosen at a. Each member held no record when it
 * accepted at a, and takes no write under e from then on: it could only leave the fence by
 * accepting SAME above a, which by the claim nobody proposes. So no member of e has stored, or will
 * store, a write under e. (A member that is still at e-1 cannot accept at all.) A write under an
 * epoch before would be a record that the member holds. A SAME value changes no owner, so what W
 * owners hold under e they hold under e+1.
 *
 * Durability. Promises, acceptances and adoptions leave the node in the step in which the store
 * says that they are on disk. A layout in a LAYOUT message is decided: a node that sees a higher
 * epoch asks for it, and may jump over several.
 *
 * Numbers. Epochs and ballots only grow, so one at the end of all numbers, once believed, would be
 * the last: no epoch could follow, and no proposer could outbid it.
 *
 *   - An epoch in a header or a hello is no more than a reason to ask for its layout.
 *   - A layout is taken when its epoch lies at most CHAIN_EPOCH_LEAP above ours, and below
 *     LAYOUT_EPOCH_MAX (2^62). An epoch costs each member two durable writes, so 2^40 of them take
 *     35 years at a thousand a second: no member was ever away for longer.
 *   - A ballot is followed, and noted, when it lies at most CHAIN_BALLOT_LEAP above the highest met
 *     in this epoch. That is 2^32 rounds, which begin tens of milliseconds apart at best.
 *
 * Above what one lie reaches there is room for others: to use it up takes 2^22 layouts, or 2^14
 * ballots within one epoch, each on a member's stream and each as high as is believed.
 *
 * Progress. A proposer of a FORMATION asks ALL members for promises first. A promise says whether
 * its member holds records. So a cluster with data refuses a joiner without fencing anybody, and
 * one with an unreachable member waits without a fence. If some member refuses or falls silent
 * after that, the same proposer, or any member that accepted (chain_vote_accept), prepares once
 * more, finds itself in case 4, and proposes SAME. Only case 3 with S short of all must wait for
 * the missing members: the formation may be in force there. Joiners ask again every second, so one
 * that was passed over is taken next. */
#include "core/chain/chain.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

/* ---- The others ---- */

struct addr chain_addr(const struct chain *c, uint64_t id)
{
    return cast_addr(c->now->cast, id);
}

/* A peer that nothing is known of is worth a try: a stream to it may be open. */
bool chain_reachable(const struct chain *c, uint64_t id)
{
    const struct member *m = cast_find(c->now->cast, id);
    return !m || m->addr.family == 0 || m->stream == STREAM_UP || member_present(m);
}

/* ---- Messages and time ---- */

/* Whether a ballot message is about the epoch that we decide about, and both we and its sender take
 * part. When it is about another epoch one of the two is behind, and gets the layout. */
static bool epoch_ours(struct chain *c, uint64_t from, uint64_t epoch, bool question,
                       struct out *out)
{
    if (!c->have)
        return false;
    uint64_t next = chain_now(c)->epoch + 1;
    if (epoch > next)
        chain_seen(c, c->now, from, epoch - 1, out);
    else if (epoch < next && question)
        chain_layout_send(c, from, chain_addr(c, from), out);
    return epoch == next && layout_find(chain_now(c), from) >= 0 &&
           layout_find(chain_now(c), c->self) >= 0;
}

/* The same; and the highest ballot in the message is one that can be true. */
static bool ballot_ours(struct chain *c, uint64_t from, uint64_t epoch, uint64_t ballot,
                        bool question, struct out *out)
{
    return epoch_ours(c, from, epoch, question, out) && ballot <= CHAIN_BALLOT_MAX &&
           ballot <= c->seen_ballot + CHAIN_BALLOT_LEAP;
}

static bool on_message(void *p, const struct moment *now, uint64_t from, const struct message *m,
                       struct out *out)
{
    struct chain *c = p;
    c->now = now;
    switch (m->kind) {
    case MSG_JOIN:
        chain_join_asked(c, from, &m->join, out);
        return true;
    case MSG_JOIN_NO:
        chain_join_refused(c, &m->join_no);
        return true;
    case MSG_LAYOUT_GET:
        if (c->have && chain_now(c)->epoch >= m->layout_get.epoch)
            chain_layout_send(c, from, chain_addr(c, from), out);
        return true;
    case MSG_LAYOUT:
        chain_adopt(c, m->layout.layout, false, out);
        return true;
    case MSG_PREPARE:
        if (ballot_ours(c, from, m->prepare.epoch, m->prepare.ballot, true, out))
            chain_vote_prepare(c, from, m->prepare.ballot, out);
        return true;
    case MSG_PROMISE:
        if (ballot_ours(c, from, m->promise.epoch, m->promise.promised, false, out))
            chain_propose_promise(c, from, &m->promise, out);
        return true;
    case MSG_ACCEPT:
        if (ballot_ours(c, from, m->accept.epoch, m->accept.ballot, true, out))
            chain_vote_accept(c, from, m->accept.ballot, m->accept.layout, out);
        return true;
    case MSG_ACCEPTED:
        if (ballot_ours(c, from, m->accepted.epoch, m->accepted.promised, false, out))
            chain_propose_accepted(c, from, &m->accepted, out);
        return true;
    default:
        return false;
    }
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct chain *c = p;
    int error = ev->stored.error;
    c->now = now;
    if (number & 1)
        chain_adopt_stored(c, number >> 1, error, out);
    else
        chain_vote_stored(c, number >> 1, error, out);
}

static void on_tick(void *p, const struct moment *now, struct out *out)
{
    struct chain *c = p;
    c->now = now;
    if (c->asking.ask_ms <= c->now->ms)
        chain_join_again(c, out);
    chain_adopt_tick(c, out);
    if (c->have && chain_propose_deadline(c) <= c->now->ms)
        chain_propose_tick(c, out);
}

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    const struct chain *c = p;
    (void)now;
    uint64_t at = c->asking.ask_ms, adopt = chain_adopt_deadline(c),
             propose = chain_propose_deadline(c);

    if (adopt < at)
        at = adopt;
    return propose < at ? propose : at;
}

/* ---- Birth and end ---- */

static int load_layout(struct chain *c, struct slice bytes)
{
    if (bytes.n == 0)
        return 0;
    int error = layout_decode(bytes, &c->layout[c->current]);
    if (error)
        return error == ERR_NO_MEMORY ? error : ERR_BAD_MESSAGE;
    if (!chain_knows(chain_now(c)))
        return ERR_BAD_MESSAGE;
    c->have = true;
    c->announced = chain_now(c)->member_n;
    return buf_slice(&c->bytes[c->current], bytes);
}

int chain_init(struct chain *c, const struct moment *now, const struct chain_options *o)
{
    *c = (struct chain){
        .self = o->self,
        .now = now,
        .layout_serial = o->layout_serial,
        .save_ms = UINT64_MAX,
        .asking.ask_ms = UINT64_MAX,
        .acceptor.serial = o->acceptor_serial,
    };
    rng_init(&c->rng, o->seed);
    for (int i = 0; i < 2; i++) {
        layout_init(&c->layout[i]);
        buf_init(&c->bytes[i], LAYOUT_BYTES_MAX);
    }
    buf_init(&c->why, 1024);
    chain_vote_init(c);
    chain_propose_init(c);
    int error = load_layout(c, o->layout);
    if (!error)
        error = chain_vote_load(c, o->acceptor);
    if (!error)
        chain_propose_reset(c);
    return error;
}

static void on_close(void *p)
{
    struct chain *c = p;
    for (int i = 0; i < 2; i++) {
        layout_close(&c->layout[i]);
        buf_close(&c->bytes[i]);
    }
    chain_vote_close(c);
    chain_propose_close(c);
    buf_close(&c->why);
}

const struct layout *chain_layout(const struct chain *c)
{
    return c->have ? chain_now(c) : NULL;
}

bool chain_forming(const struct chain *c)
{
    return c->round.phase != CHAIN_IDLE || c->acceptor.accepted > 0 || c->adoption != ADOPT_REST;
}

static void check_acceptor(const struct chain *c)
{
    const struct chain_acceptor *a = &c->acceptor;

    CHECK(a->promised >= a->accepted);
    CHECK((a->accepted > 0) == (a->value.n > 0) && (a->accepted > 0) == (a->kind != CHAIN_NONE));
    CHECK(a->promised <= c->seen_ballot);
    CHECK(a->persist_n <= CHAIN_PERSISTS);
    for (unsigned i = 0; i < a->persist_n; i++)
        CHECK(a->persist[i].serial <= a->serial &&
              (i == 0 || a->persist[i - 1].serial < a->persist[i].serial));
    CHECK(c->have || (a->promised == 0 && c->round.phase == CHAIN_IDLE && c->joiner_n == 0));
}

static void check_round(const struct chain *c)
{
    const struct chain_round *r = &c->round;

    if (r->phase == CHAIN_IDLE)
        return;
    CHECK(r->ballot > 0 && r->ballot <= c->seen_ballot && r->best_ballot < r->ballot);
    CHECK(c->propose_ms == UINT64_MAX);
    CHECK(r->asked.n == chain_now(c)->member_n);
    asked_check(&r->asked);
    CHECK(r->phase != CHAIN_ACCEPT || (r->kind != CHAIN_NONE && r->value.n > 0));
}

static void on_check(const void *p, const struct moment *now)
{
    const struct chain *c = p;
    (void)now;
    CHECK(!c->have || chain_now(c)->epoch > 0);
    CHECK(c->adoption == ADOPT_REST || !c->have || chain_adopting(c) > chain_now(c)->epoch);
    CHECK((c->save_ms != UINT64_MAX) == (c->adoption == ADOPT_FAILED));
    CHECK(c->joiner_n <= CHAIN_JOINERS);
    for (unsigned i = 0; i < c->joiner_n; i++)
        CHECK(layout_find(chain_now(c), c->joiner[i].member.id) < 0);
    check_acceptor(c);
    check_round(c);
}

const struct protocol chain_protocol = {
    .message = on_message,
    .stored = on_stored,
    .tick = on_tick,
    .deadline_ms = on_deadline_ms,
    .check = on_check,
    .close = on_close,
};
