/* chain.c: joining, adopting, and why the chain is safe.
 *
 * The problem: all members must agree on who owns what, through crashes, losses and partitions, and no acknowledged write may
 * be lost when the owners change. Gossiped topology does not give that. So the layout is a chain of decisions: epoch e+1 is
 * decided by the members of epoch e, by Paxos ("The part-time parliament", 1998; "Paxos made simple", 2001), once.
 *
 * Two kinds of value exist for e+1. SAME: the members and owners of e. FORMATION: members are added, which are given places that
 * the present owners lose, without any data being moved, as moving is not built yet. So a formation must be certain that there
 * is none.
 *
 * Choosing. Each ballot has one value. A SAME value is chosen when a majority of the members of e accepted it at one ballot, a
 * FORMATION when all of them did. A member accepts a FORMATION only while it holds no record, and from there on takes no write
 * under e (the fence, chain_vote.c), until it has adopted e+1 or durably accepted SAME at a higher ballot.
 *
 * Selecting (round_decide). A proposer at ballot b has promises of a majority S, and of itself. Let (c, u) be the accepted
 * value of the highest ballot that S reports.
 *   1. None: it is free.
 *   2. u is SAME: it proposes u.
 *   3. u is a FORMATION, and every promise of S reports u, at whatever ballots: it proposes u.
 *   4. u is a FORMATION, and some promise of S reports another value or none: it is free.
 * (Looking at ballots in 3, "all at c", would be wrong: u chosen at c' and proposed again at c to some members only is still
 * chosen.)
 *
 * Claim: if w is chosen at ballot a, then every ballot b > a has the value w. By induction over b: let all ballots between a
 * and b have w. Suppose w is a FORMATION. All accepted it at a, and each member of S did so before promising b, for after that
 * it could not. What it accepted later, below b, is w again by induction. So all of S report w, and rule 3 proposes w. Suppose
 * w is SAME. A majority accepted it at a, so someone of S did, before promising b; hence c >= a, and u = w: at a because a
 * ballot has one value, above by induction. Rule 2 proposes w. So in the cases 1 and 4 nothing was chosen below b, and nothing
 * will be: of a majority that promised b some are missing there, and for a FORMATION any one of S that does not report it. Two
 * chosen values would contradict the claim: epoch e+1 is one.
 *
 * No acknowledged write is lost. Let a FORMATION be chosen at a. Each member held no record when it accepted at a, and takes
 * no write under e as long as it stands by that: it could only leave the fence by accepting SAME above a, which by the claim
 * nobody proposes. So no member of e has stored, or will store, a write under e (a member still at e-1 cannot accept at all);
 * and one under an epoch before would be a record that it holds. A SAME value changes no owner, so what W owners hold under e
 * they hold under e+1.
 *
 * Durability. Promises, acceptances and adoptions leave the node in the step that learns that they are on disk. A layout in a
 * LAYOUT message is decided: whoever sees a higher epoch asks for it and may jump over several.
 *
 * Getting on. A proposer of a FORMATION asks for promises of ALL members first; a promise says whether records are held, so a
 * cluster with data refuses a joiner without fencing anybody, and one with an unreachable member waits without a fence. If
 * after that some member refuses or falls silent, the same proposer, or anyone who accepted (chain_vote_accept), prepares once
 * more, finds itself in case 4, and proposes SAME. Only case 3 with S short of all must wait for the missing members: the
 * formation may be in force there. The proposer accepts last to make that rare (chain_propose.c). Joiners ask again every
 * second, so whoever was passed over is taken next. */
#include "core/chain.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "core/ring.h"

/* ---- Neighbours ---- */

/* Index of the first neighbour whose id is not below. */
static unsigned neighbour_at(const struct chain *c, uint64_t id)
{
    unsigned low = 0, high = c->neighbour_n;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (c->neighbour[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct chain_neighbour *neighbour_find(const struct chain *c, uint64_t id)
{
    unsigned i = neighbour_at(c, id);
    return i < c->neighbour_n && c->neighbour[i].id == id ? &c->neighbour[i] : NULL;
}

struct addr chain_addr(const struct chain *c, uint64_t id)
{
    const struct chain_neighbour *n = neighbour_find(c, id);
    return n ? n->addr : (struct addr){0};
}

/* One that we were told nothing about is worth a try: a stream to it may be open. */
bool chain_reachable(const struct chain *c, uint64_t id)
{
    const struct chain_neighbour *n = neighbour_find(c, id);
    return !n || n->reachable;
}

/* When memory or the table is at its end, the neighbour stays unknown and is reached through streams that it opened. */
void chain_peer(struct chain *c, uint64_t id, struct addr addr, bool reachable)
{
    unsigned at = neighbour_at(c, id);

    if (at == c->neighbour_n || c->neighbour[at].id != id) {
        if (c->neighbour_n == c->neighbour_cap) {
            unsigned cap = c->neighbour_cap ? c->neighbour_cap * 2 : 8;
            struct chain_neighbour *more = cap > MEMBERS_MAX ? NULL : realloc(c->neighbour, cap * sizeof *more);
            if (!more)
                return;
            c->neighbour = more;
            c->neighbour_cap = cap;
        }
        memmove(c->neighbour + at + 1, c->neighbour + at, (c->neighbour_n - at) * sizeof *c->neighbour);
        c->neighbour_n++;
    }
    c->neighbour[at] = (struct chain_neighbour){.id = id, .addr = addr, .reachable = reachable};
}

/* ---- Layouts as values ---- */

static bool member_eq(const struct layout_member *a, const struct layout_member *b)
{
    return a->id == b->id && a->disk == b->disk && a->since == b->since && a->weight == b->weight && a->zone_n == b->zone_n &&
           memcmp(a->zone, b->zone, a->zone_n) == 0;
}

static enum chain_kind layout_kind(const struct layout *now, const struct layout *next)
{
    if (next->epoch != now->epoch + 1 || next->generation != now->generation || next->vnodes != now->vnodes ||
        next->n_wanted != now->n_wanted || next->member_n < now->member_n)
        return CHAIN_NONE;
    for (uint16_t m = 0; m < now->member_n; m++) {
        int there = layout_find(next, now->member[m].id);
        if (there < 0 || !member_eq(&now->member[m], &next->member[there]))
            return CHAIN_NONE;
    }
    if (next->member_n > now->member_n)
        return CHAIN_FORMATION;
    size_t owners = (size_t)now->vnodes * now->n * sizeof *now->owner;
    return memcmp(now->owner, next->owner, owners) == 0 ? CHAIN_SAME : CHAIN_NONE;
}

enum chain_kind chain_kind_of(const struct chain *c, struct slice bytes)
{
    struct layout next;
    enum chain_kind kind = CHAIN_NONE;

    layout_init(&next);
    if (layout_decode(bytes, &next) == 0)
        kind = layout_kind(chain_now(c), &next);
    layout_close(&next);
    return kind;
}

/* ---- Adopting ---- */

/* Submits the layout in the other slot to the store. */
static void adopt_save(struct chain *c, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_CHAIN, ++c->layout_serial << 1 | 1);

    c->save_ms = UINT64_MAX;
    out_state(out, token, SLICE("layout"), c->layout_serial, buf_view(&c->bytes[!c->current]));
}

/* One at a time: while an adoption is on its way, a higher epoch has to be heard of again. */
void chain_adopt(struct chain *c, struct slice bytes, bool announce, struct out *out)
{
    struct layout *l = &c->slot[!c->current];
    struct buf *b = &c->bytes[!c->current];

    if (c->adopting)
        return;
    layout_close(l);
    if (layout_decode(bytes, l))
        return;
    b->n = 0;
    bool wanted =
        c->have ? l->epoch > chain_now(c)->epoch && l->generation == chain_now(c)->generation : layout_find(l, c->self) >= 0;
    if (!wanted || buf_slice(b, bytes))
        return;
    c->adopting = l->epoch;
    c->announce = announce;
    adopt_save(c, out);
}

void chain_found_take(struct chain *c, struct layout *first, struct out *out)
{
    struct buf *b = &c->bytes[!c->current];

    CHECK(!c->have && !c->adopting && first->epoch == 1 && first->member_n == 1 && first->member[0].id == c->self);
    layout_close(&c->slot[!c->current]);
    c->slot[!c->current] = *first;
    layout_init(first);
    b->n = 0;
    int error = layout_encode(b, &c->slot[!c->current]);
    if (error) {
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0, SLICE("out of memory while founding"));
        return;
    }
    c->adopting = 1;
    adopt_save(c, out);
}

/* The layout in the other slot is durable: it comes into force. */
static void adopt_done(struct chain *c, uint64_t now_ms, struct out *out)
{
    unsigned kept = 0;

    c->current = !c->current;
    c->have = true;
    c->adopting = 0;
    c->asking.ask_ms = UINT64_MAX;
    c->asking.refused = 0;
    c->told = c->announce ? 0 : chain_now(c)->member_n;
    for (unsigned i = 0; i < c->joiner_n; i++)
        if (layout_find(chain_now(c), c->joiner[i].member.id) < 0)
            c->joiner[kept++] = c->joiner[i];
    c->joiner_n = kept;
    chain_vote_reset(c);
    chain_propose_reset(c, now_ms);
    out_trace(out, TRACE_LAYOUT_ADOPTED, 0, chain_now(c)->epoch, chain_now(c)->member_n, slice_of(NULL, 0));
}

void chain_stored(struct chain *c, uint64_t number, int error, uint64_t now_ms, struct out *out)
{
    uint64_t serial = number >> 1;

    if (!(number & 1)) {
        chain_vote_stored(c, serial, error, now_ms, out);
        return;
    }
    if (!c->adopting || serial != c->layout_serial)
        return;
    if (!error) {
        adopt_done(c, now_ms, out);
        return;
    }
    c->save_ms = now_ms + CHAIN_SAVE_RETRY_MS;
    out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0, SLICE("the new layout could not be stored; trying again"));
}

static void layout_send(struct chain *c, uint64_t to, struct addr addr, struct out *out)
{
    out_send(out, to, addr, MSG_LAYOUT)->layout.layout = buf_view(&c->bytes[c->current]);
}

static bool announcing(const struct chain *c)
{
    return c->have && c->told < chain_now(c)->member_n;
}

/* Tells the members of an epoch that we had chosen, a few at a time, once: who misses it hears of the epoch by gossip, or asks to
 * join again. */
static void announce_some(struct chain *c, struct out *out)
{
    for (unsigned sent = 0; announcing(c) && sent < CHAIN_SENDS; sent++) {
        uint64_t id = chain_now(c)->member[c->told++].id;
        if (id != c->self && chain_reachable(c, id))
            layout_send(c, id, chain_addr(c, id), out);
    }
}

void chain_seen(struct chain *c, uint64_t peer, uint64_t epoch, uint64_t now_ms, struct out *out)
{
    if (!c->have || epoch <= chain_now(c)->epoch || epoch <= c->adopting || now_ms < c->fetch_ms)
        return;
    c->fetch_ms = now_ms + CHAIN_FETCH_MS;
    out_send(out, peer, chain_addr(c, peer), MSG_LAYOUT_GET)->layout_get.epoch = epoch;
}

/* ---- Letting others in ---- */

static void join_refuse(struct chain *c, uint64_t to, struct addr addr, int error, struct out *out)
{
    out_trace(out, TRACE_JOIN_REFUSED, to, (uint64_t)error, 0, buf_view(&c->why));
    out_send(out, to, addr, MSG_JOIN_NO)->join_no = (struct msg_join_no){.error = (uint32_t)error, .text = buf_view(&c->why)};
}

static void why_records(struct chain *c, uint64_t holder)
{
    char id[ADDR_TEXT];

    c->why.n = 0;
    buf_printf(&c->why,
               "member %s holds records, and joining then needs ring changes, which are not built yet: "
               "start all members before the first write",
               node_id_text(holder, id));
}

void chain_refuse_all(struct chain *c, uint64_t holder, uint64_t now_ms, struct out *out)
{
    c->holder = holder;
    c->holder_ms = now_ms;
    why_records(c, holder);
    for (unsigned i = 0; i < c->joiner_n && i < CHAIN_REFUSALS; i++)
        join_refuse(c, c->joiner[i].member.id, c->joiner[i].addr, ERR_HOLDS_RECORDS, out);
    c->joiner_n = 0;
}

void chain_prune(struct chain *c, uint64_t now_ms)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < c->joiner_n; i++)
        if (now_ms < c->joiner[i].heard_ms + CHAIN_JOINER_FRESH_MS)
            c->joiner[kept++] = c->joiner[i];
    c->joiner_n = kept;
}

/* Why a node cannot be let in, with c->why set; 0 when it can. */
static int join_objection(struct chain *c, uint64_t from, const struct msg_join *m, bool name_taken, uint64_t now_ms)
{
    bool known = c->holder && now_ms < c->holder_ms + CHAIN_HOLDER_MS;

    c->why.n = 0;
    if (name_taken) {
        buf_printf(&c->why, "the name \"%.*s\" is taken by another live member: start this node with another --name",
                   (int)(m->name.n < NODE_NAME_MAX ? m->name.n : NODE_NAME_MAX), (const char *)m->name.p);
        return ERR_NAME_TAKEN;
    }
    if (m->zone.n > ZONE_MAX || m->weight < 1 || m->weight > RING_WEIGHT_MAX) {
        buf_printf(&c->why, "weight %u or the zone's %zu bytes are out of range: a weight is 1 to %d, a zone at most %d bytes",
                   m->weight, m->zone.n, RING_WEIGHT_MAX, ZONE_MAX);
        return ERR_REFUSED;
    }
    if (known || (c->holds && !chain_fenced(c))) {
        why_records(c, known ? c->holder : c->self);
        return ERR_HOLDS_RECORDS;
    }
    for (unsigned i = 0; i < c->joiner_n; i++)
        if (c->joiner[i].member.id == from)
            return 0;
    if (chain_now(c)->member_n + c->joiner_n >= LAYOUT_MEMBERS_MAX) {
        buf_printf(&c->why, "the cluster has %d members, the most that a layout can have", LAYOUT_MEMBERS_MAX);
        return ERR_TOO_BIG;
    }
    if (c->joiner_n < CHAIN_JOINERS)
        return 0;
    buf_printf(&c->why, "%d nodes are waiting already; asking again helps", CHAIN_JOINERS);
    return ERR_BUSY;
}

static void join_wait(struct chain *c, uint64_t from, const struct msg_join *m, uint64_t now_ms, struct out *out)
{
    unsigned i = 0;

    while (i < c->joiner_n && c->joiner[i].member.id != from)
        i++;
    if (i == c->joiner_n) {
        c->joiner_n++;
        out_trace(out, TRACE_JOIN_ASKED, from, chain_now(c)->epoch, 0, m->name);
    }
    c->joiner[i] = (struct chain_joiner){.addr = m->addr, .heard_ms = now_ms};
    c->joiner[i].member = (struct layout_member){.id = from, .disk = m->disk, .weight = m->weight, .zone_n = (uint8_t)m->zone.n};
    if (m->zone.n)
        memcpy(c->joiner[i].member.zone, m->zone.p, m->zone.n);
    chain_peer(c, from, m->addr, true);
    if (c->propose_ms == UINT64_MAX)
        chain_propose_in(c, CHAIN_GATHER_MS, now_ms);
}

static void join_asked(struct chain *c, uint64_t from, const struct msg_join *m, bool name_taken, uint64_t now_ms,
                       struct out *out)
{
    if (!c->have || layout_find(chain_now(c), c->self) < 0)
        return;
    if (layout_find(chain_now(c), from) >= 0) {
        layout_send(c, from, m->addr, out); /* it is in, and missed the news */
        return;
    }
    chain_prune(c, now_ms);
    int error = join_objection(c, from, m, name_taken, now_ms);
    if (error)
        join_refuse(c, from, m->addr, error, out);
    else
        join_wait(c, from, m, now_ms, out);
}

/* ---- Being let in ---- */

static void join_ask(struct chain *c, unsigned i, uint64_t now_ms, struct out *out)
{
    struct chain_asking *a = &c->asking;

    a->ask_ms = now_ms + CHAIN_JOIN_REPEAT_MS;
    out_send(out, a->peer[i], a->addr[i], MSG_JOIN)->join = (struct msg_join){
        .weight = a->weight,
        .zone = slice_of(a->zone, a->zone_n),
        .name = slice_of(a->name, a->name_n),
        .addr = a->self_addr,
        .disk = a->disk,
    };
}

void chain_join(struct chain *c, uint64_t peer, struct addr addr, const struct msg_join *join, uint64_t now_ms, struct out *out)
{
    struct chain_asking *a = &c->asking;
    unsigned i = 0;

    CHECK(join->zone.n <= ZONE_MAX && join->name.n <= NODE_NAME_MAX);
    if (c->have || c->adopting || a->refused)
        return;
    a->disk = join->disk;
    a->weight = join->weight;
    a->zone_n = (uint8_t)join->zone.n;
    a->name_n = (uint8_t)join->name.n;
    a->self_addr = join->addr;
    if (a->zone_n)
        memcpy(a->zone, join->zone.p, a->zone_n);
    if (a->name_n)
        memcpy(a->name, join->name.p, a->name_n);
    while (i < a->peer_n && a->peer[i] != peer)
        i++;
    if (i == CHAIN_ASKED)
        i = (unsigned)rng_below(&c->rng, CHAIN_ASKED);
    else if (i == a->peer_n)
        a->peer_n++;
    a->peer[i] = peer;
    a->addr[i] = addr;
    join_ask(c, i, now_ms, out);
}

static void join_again(struct chain *c, uint64_t now_ms, struct out *out)
{
    join_ask(c, c->asking.turn++ % c->asking.peer_n, now_ms, out);
}

static void join_refused(struct chain *c, const struct msg_join_no *m)
{
    if (c->have || c->adopting || c->asking.ask_ms == UINT64_MAX || m->error == (uint32_t)ERR_BUSY)
        return;
    c->why.n = 0;
    if (buf_slice(&c->why, m->text))
        buf_printf(&c->why, "%s", error_sentence((int)m->error));
    c->asking.refused = (int)m->error < 0 ? (int)m->error : ERR_REFUSED;
    c->asking.ask_ms = UINT64_MAX;
}

int chain_refused(const struct chain *c, struct slice *why)
{
    *why = buf_view(&c->why);
    return c->asking.refused;
}

/* ---- Messages and time ---- */

/* Whether a ballot message is about the epoch that we decide about, from one who may take part. Else one of the two is behind,
 * and is helped. */
static bool ballot_ours(struct chain *c, uint64_t from, uint64_t epoch, bool question, uint64_t now_ms, struct out *out)
{
    if (!c->have)
        return false;
    uint64_t next = chain_now(c)->epoch + 1;
    if (epoch > next)
        chain_seen(c, from, epoch - 1, now_ms, out);
    else if (epoch < next && question)
        layout_send(c, from, chain_addr(c, from), out);
    return epoch == next && layout_find(chain_now(c), from) >= 0 && layout_find(chain_now(c), c->self) >= 0;
}

bool chain_message(struct chain *c, uint64_t from, const struct message *m, bool name_taken, uint64_t now_ms, struct out *out)
{
    switch (m->kind) {
    case MSG_JOIN:
        join_asked(c, from, &m->join, name_taken, now_ms, out);
        return true;
    case MSG_JOIN_NO:
        join_refused(c, &m->join_no);
        return true;
    case MSG_LAYOUT_GET:
        if (c->have && chain_now(c)->epoch >= m->layout_get.epoch)
            layout_send(c, from, chain_addr(c, from), out);
        return true;
    case MSG_LAYOUT:
        chain_adopt(c, m->layout.layout, false, out);
        return true;
    case MSG_PREPARE:
        if (ballot_ours(c, from, m->prepare.epoch, true, now_ms, out))
            chain_vote_prepare(c, from, m->prepare.ballot, now_ms, out);
        return true;
    case MSG_PROMISE:
        if (ballot_ours(c, from, m->promise.epoch, false, now_ms, out))
            chain_propose_promise(c, from, &m->promise, now_ms, out);
        return true;
    case MSG_ACCEPT:
        if (ballot_ours(c, from, m->accept.epoch, true, now_ms, out))
            chain_vote_accept(c, from, m->accept.ballot, m->accept.layout, now_ms, out);
        return true;
    case MSG_ACCEPTED:
        if (ballot_ours(c, from, m->accepted.epoch, false, now_ms, out))
            chain_propose_accepted(c, from, &m->accepted, now_ms, out);
        return true;
    default:
        return false;
    }
}

void chain_tick(struct chain *c, uint64_t now_ms, struct out *out)
{
    if (c->asking.ask_ms <= now_ms)
        join_again(c, now_ms, out);
    if (c->save_ms <= now_ms)
        adopt_save(c, out);
    if (announcing(c))
        announce_some(c, out);
    if (c->have && chain_propose_deadline(c) <= now_ms)
        chain_propose_tick(c, now_ms, out);
}

uint64_t chain_deadline_ms(const struct chain *c)
{
    uint64_t at = announcing(c) ? 0 : c->asking.ask_ms;

    if (c->save_ms < at)
        at = c->save_ms;
    uint64_t propose = chain_propose_deadline(c);
    return propose < at ? propose : at;
}

/* ---- The whole ---- */

static int load_layout(struct chain *c, struct slice bytes)
{
    if (bytes.n == 0)
        return 0;
    int error = layout_decode(bytes, &c->slot[c->current]);
    if (error)
        return error == ERR_NO_MEMORY ? error : ERR_BAD_MESSAGE;
    c->have = true;
    c->told = chain_now(c)->member_n;
    return buf_slice(&c->bytes[c->current], bytes);
}

int chain_init(struct chain *c, const struct chain_options *o, uint64_t now_ms)
{
    *c = (struct chain){
        .self = o->self,
        .layout_serial = o->layout_serial,
        .save_ms = UINT64_MAX,
        .asking.ask_ms = UINT64_MAX,
        .acceptor.serial = o->acceptor_serial,
    };
    rng_init(&c->rng, o->seed);
    for (int i = 0; i < 2; i++) {
        layout_init(&c->slot[i]);
        buf_init(&c->bytes[i], CHAIN_STATE_MAX);
    }
    buf_init(&c->why, 1024);
    chain_vote_init(c);
    chain_propose_init(c);
    int error = load_layout(c, o->layout);
    if (!error)
        error = chain_vote_load(c, o->acceptor);
    if (!error)
        chain_propose_reset(c, now_ms);
    return error;
}

void chain_close(struct chain *c)
{
    for (int i = 0; i < 2; i++) {
        layout_close(&c->slot[i]);
        buf_close(&c->bytes[i]);
    }
    chain_vote_close(c);
    chain_propose_close(c);
    buf_close(&c->why);
    free(c->neighbour);
    c->neighbour = NULL;
}

void chain_forgot(struct chain *c, bool forgot)
{
    c->forgot = forgot;
}

void chain_holds_records(struct chain *c, bool holds)
{
    c->holds = holds;
}

const struct layout *chain_layout(const struct chain *c)
{
    return c->have ? chain_now(c) : NULL;
}

bool chain_forming(const struct chain *c)
{
    return c->round.phase != CHAIN_IDLE || c->acceptor.accepted > 0 || c->adopting;
}

static void check_acceptor(const struct chain *c)
{
    const struct chain_acceptor *a = &c->acceptor;

    CHECK(a->promised >= a->accepted);
    CHECK((a->accepted > 0) == (a->value.n > 0) && (a->accepted > 0) == (a->kind != CHAIN_NONE));
    CHECK(a->promised <= c->seen_ballot);
    CHECK(a->persist_n <= CHAIN_PERSISTS);
    for (unsigned i = 0; i < a->persist_n; i++)
        CHECK(a->persist[i].serial <= a->serial && (i == 0 || a->persist[i - 1].serial < a->persist[i].serial));
    CHECK(c->have || (a->promised == 0 && c->round.phase == CHAIN_IDLE && c->joiner_n == 0));
}

static void check_round(const struct chain *c)
{
    const struct chain_round *r = &c->round;
    unsigned answered = 0;

    if (r->phase == CHAIN_IDLE)
        return;
    CHECK(r->ballot > 0 && r->ballot <= c->seen_ballot && r->best_ballot < r->ballot);
    CHECK(c->propose_ms == UINT64_MAX);
    for (unsigned i = 0; i < sizeof r->answered * 8; i++)
        answered += r->answered[i / 8] >> (i % 8) & 1;
    CHECK(answered == r->answered_n && answered <= chain_now(c)->member_n);
    CHECK(r->phase != CHAIN_ACCEPT || (r->kind != CHAIN_NONE && r->value.n > 0));
}

void chain_check(const struct chain *c)
{
    CHECK(!c->have || chain_now(c)->epoch > 0);
    CHECK(!c->adopting || !c->have || c->adopting > chain_now(c)->epoch);
    CHECK(c->joiner_n <= CHAIN_JOINERS);
    for (unsigned i = 0; i < c->joiner_n; i++)
        CHECK(layout_find(chain_now(c), c->joiner[i].member.id) < 0);
    for (unsigned i = 1; i < c->neighbour_n; i++)
        CHECK(c->neighbour[i - 1].id < c->neighbour[i].id);
    check_acceptor(c);
    check_round(c);
}
