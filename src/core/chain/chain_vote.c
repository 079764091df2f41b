/* chain_vote.c: the acceptor: promises, acceptances, and the fence.
 *
 * An acceptor votes on one epoch, the one after the layout in force; it begins empty with each. Its
 * state is one record, "chain". Each vote that is to be answered yes stores it anew, even when
 * nothing changed, and the answer leaves when that very write is durable. Several writes may be on
 * their way: a later record contains the earlier ones, so its result releases the answers of all
 * before it. A write that fails takes its answer with it; the proposer asks again.
 *
 * The fence stands while the accepted value, in memory or in the last durable record, is a
 * formation. Memory counts, because no write may slip in between the check and the sync. The disk
 * counts, because after a crash that record is the acceptor's state. Hence a member that reports a
 * formation holds no record, and will hold none under this epoch.
 *
 * Invariants: `promised` never falls within an epoch, and is never below `accepted`; a yes leaves
 * only when it is durable, and counts what was promised and accepted up to then. */
#include "base/check.h"
#include "base/error.h"
#include "core/chain/chain_state.h"
#include "wire/bytes.h"

enum {
    RECORD_FORMAT = 1,
    RECORD_HEAD = 1 + 8 + 8 + 8, /* format, epoch, promised, accepted; the value's bytes follow */
    /* answers that one call gives: results come singly, so more are rare; they are asked again */
    VOTE_ANSWERS = 8,
};

void chain_vote_init(struct chain *c)
{
    struct chain_acceptor *a = &c->acceptor;

    buf_init(&a->value, LAYOUT_BYTES_MAX);
    for (int i = 0; i < 2; i++)
        buf_init(&a->record[i], LAYOUT_BYTES_MAX + RECORD_HEAD);
}

void chain_vote_close(struct chain *c)
{
    buf_close(&c->acceptor.value);
    for (int i = 0; i < 2; i++)
        buf_close(&c->acceptor.record[i]);
}

int chain_vote_load(struct chain *c, struct slice record)
{
    struct chain_acceptor *a = &c->acceptor;
    int error;

    if (record.n == 0)
        return 0;
    if (record.n < RECORD_HEAD || record.p[0] != RECORD_FORMAT || !c->have)
        return ERR_BAD_MESSAGE;
    if (get_u64(record.p + 1) != chain_now(c)->epoch + 1)
        return 0;
    a->promised = get_u64(record.p + 9);
    a->accepted = get_u64(record.p + 17);
    error = buf_append(&a->value, record.p + RECORD_HEAD, record.n - RECORD_HEAD);
    if (error)
        return error;
    a->kind = a->accepted ? chain_kind_of(c, buf_view(&a->value)) : CHAIN_NONE;
    if (a->promised > CHAIN_BALLOT_MAX || a->promised < a->accepted ||
        (a->kind != CHAIN_NONE) != (a->accepted != 0) || (a->accepted == 0) != (a->value.n == 0))
        return ERR_BAD_MESSAGE;
    a->durable_formation = a->kind == CHAIN_FORMATION;
    return 0;
}

void chain_vote_reset(struct chain *c)
{
    struct chain_acceptor *a = &c->acceptor;

    a->promised = a->accepted = 0;
    a->kind = CHAIN_NONE;
    a->value.n = 0;
    a->durable_formation = false;
    a->persist_n = 0;
}

bool chain_fenced(const struct chain *c)
{
    return c->acceptor.kind == CHAIN_FORMATION || c->acceptor.durable_formation;
}

/* Whether this node holds a record, or may still be given one under this epoch. */
static bool vote_records(const struct chain *c)
{
    return c->now->own.holds && !chain_fenced(c);
}

/* ---- Answers ---- */

static void answer_promise(struct chain *c, uint64_t to, uint64_t ballot, struct out *out)
{
    const struct chain_acceptor *a = &c->acceptor;
    struct msg_promise m = {
        .epoch = chain_now(c)->epoch + 1, .ballot = ballot, .promised = a->promised};

    CHECK(ballot <= a->promised);
    if (a->promised == ballot) {
        m.accepted = a->accepted;
        m.holds_records = vote_records(c);
        m.layout = buf_view(&a->value);
    } else {
        m.error = (uint32_t)ERR_SUPERSEDED;
    }
    if (to == c->self)
        chain_propose_promise(c, to, &m, out);
    else
        out_send(out, to, chain_addr(c, to), MSG_PROMISE)->promise = m;
}

static void answer_accepted(struct chain *c, uint64_t to, uint64_t ballot, int error,
                            struct out *out)
{
    struct msg_accepted m = {
        .epoch = chain_now(c)->epoch + 1,
        .ballot = ballot,
        .error = (uint32_t)error,
        .promised = c->acceptor.promised,
    };

    CHECK(error || ballot <= c->acceptor.accepted);
    if (to == c->self)
        chain_propose_accepted(c, to, &m, out);
    else
        out_send(out, to, chain_addr(c, to), MSG_ACCEPTED)->accepted = m;
}

/* The answer to a vote that is durable. A promise that a higher one has overtaken since is answered
 * with a no: the acceptor's state is not what it was. A promise at whose ballot a value was
 * accepted since is not answered: the proposer counted it long ago. */
static void answer(struct chain *c, const struct chain_persist *p, struct out *out)
{
    if (p->answer == MSG_ACCEPTED)
        answer_accepted(c, p->to, p->ballot, 0, out);
    else if (c->acceptor.accepted != p->ballot)
        answer_promise(c, p->to, p->ballot, out);
}

/* ---- Storing ---- */

/* Submits the acceptor's state as it is now; `answer` goes to `to` when it is durable. */
static void vote_persist(struct chain *c, uint64_t to, uint64_t ballot,
                         enum message_kind answer_kind, struct out *out)
{
    struct chain_acceptor *a = &c->acceptor;
    struct buf *record = &a->record[++a->serial % 2];
    uint8_t head[RECORD_HEAD];

    CHECK(a->persist_n < CHAIN_PERSISTS && a->promised == ballot);
    put_u64(put_u64(put_u64(put_u8(head, RECORD_FORMAT), chain_now(c)->epoch + 1), a->promised),
            a->accepted);
    record->n = 0;
    int error = buf_append(record, head, sizeof head);
    if (!error)
        error = buf_slice(record, buf_view(&a->value));
    if (error) {
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0,
                  SLICE("a vote on the layout could not be stored"));
        return;
    }
    a->persist[a->persist_n++] = (struct chain_persist){
        .serial = a->serial,
        .to = to,
        .ballot = ballot,
        .answer = (uint8_t)answer_kind,
        .formation = a->kind == CHAIN_FORMATION,
    };
    out_state(out, TOKEN(TOKEN_CHAIN, a->serial << 1), SLICE("chain"), a->serial, buf_view(record));
}

/* Takes the oldest persist out. */
static struct chain_persist persist_pop(struct chain_acceptor *a)
{
    struct chain_persist p = a->persist[0];

    CHECK(a->persist_n > 0 && p.serial <= a->serial);
    a->persist_n--;
    memmove(a->persist, a->persist + 1, a->persist_n * sizeof *a->persist);
    return p;
}

static void persist_fail(struct chain *c, uint64_t serial, int error, struct out *out)
{
    struct chain_acceptor *a = &c->acceptor;
    unsigned n = 0;

    for (unsigned i = 0; i < a->persist_n; i++)
        if (a->persist[i].serial != serial)
            a->persist[n++] = a->persist[i];
    a->persist_n = n;
    out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0,
              SLICE("a vote on the layout could not be stored"));
}

/* An answer to ourselves may add to this queue, so each is taken out before it is given. */
void chain_vote_stored(struct chain *c, uint64_t serial, int error, struct out *out)
{
    struct chain_acceptor *a = &c->acceptor;

    if (error) {
        persist_fail(c, serial, error, out);
        return;
    }
    for (unsigned answers = 0; a->persist_n > 0 && a->persist[0].serial <= serial; answers++) {
        struct chain_persist p = persist_pop(a);
        a->durable_formation = p.formation;
        if (answers < VOTE_ANSWERS)
            answer(c, &p, out);
    }
}

/* ---- Votes ---- */

static void promise(struct chain_acceptor *a, uint64_t ballot)
{
    CHECK(ballot >= a->promised && ballot >= a->accepted);
    a->promised = ballot;
}

void chain_vote_prepare(struct chain *c, uint64_t from, uint64_t ballot, struct out *out)
{
    struct chain_acceptor *a = &c->acceptor;

    if (c->now->own.forgot)
        return;
    if (ballot < a->promised) {
        answer_promise(c, from, ballot, out);
        return;
    }
    if (a->persist_n == CHAIN_PERSISTS)
        return;
    if (from != c->self)
        chain_propose_yield(c, ballot);
    promise(a, ballot);
    vote_persist(c, from, ballot, MSG_PROMISE, out);
#ifdef CANARY_CHAIN_PROMISE_NOT_STORED
    if (from != c->self)
        answer_promise(c, from, ballot, out);
#endif
}

/* Accepts a value. 0 or ERR_NO_MEMORY. */
static int vote_take(struct chain *c, uint64_t ballot, enum chain_kind kind, struct slice value)
{
    struct chain_acceptor *a = &c->acceptor;
    struct buf copy;

    CHECK(kind != CHAIN_NONE && (kind == CHAIN_SAME || !vote_records(c)));
    /* the disk still has the old value: it is replaced only when the new one is complete */
    buf_init(&copy, LAYOUT_BYTES_MAX);
    int error = buf_slice(&copy, value);
    if (error)
        return error;
    buf_close(&a->value);
    a->value = copy;
    promise(a, ballot);
    a->accepted = ballot;
    a->kind = kind;
    return 0;
}

void chain_vote_accept(struct chain *c, uint64_t from, uint64_t ballot, struct slice value,
                       struct out *out)
{
    struct chain_acceptor *a = &c->acceptor;
    enum chain_kind kind = chain_kind_of(c, value);

    if (c->now->own.forgot || kind == CHAIN_NONE || a->persist_n == CHAIN_PERSISTS)
        return;
    if (ballot < a->promised) {
        answer_accepted(c, from, ballot, ERR_SUPERSEDED, out);
        return;
    }
    if (kind == CHAIN_FORMATION && vote_records(c)) {
        answer_accepted(c, from, ballot, ERR_HOLDS_RECORDS, out);
        return;
    }
    if (vote_take(c, ballot, kind, value))
        return;
    if (from != c->self)
        chain_propose_yield(c, ballot);
    out_trace(out, TRACE_LAYOUT_ACCEPTED, from, chain_now(c)->epoch + 1, ballot, slice_of(NULL, 0));
    vote_persist(c, from, ballot, MSG_ACCEPTED, out);
    /* should the proposer fall silent, each member that accepted will try to end the round */
    chain_propose_in(c, CHAIN_PATIENCE_MS);
}
