/* chain_join.c: getting into the layout: what a joiner does, and what a member answers it.
 *
 * A joiner asks one member after the other, one a second, until it has adopted a layout that it is
 * in. If a member refuses it for a reason that asking again does not mend, its start fails with
 * that reason. "Busy" is no such reason.
 *
 * A member remembers the joiners that asked it (c->joiner). It proposes a layout with all of them,
 * once the nodes that were started together had the time to ask (chain_propose.c). A joiner that
 * fell silent meanwhile is forgotten: a layout is not to begin with a dead member. When some member
 * reports that it holds records, all joiners are refused, and so are those that ask in the next
 * five seconds. */
#include "core/chain/chain.h"

#include "base/check.h"
#include "base/error.h"
#include "core/ring/ring.h"

/* ---- As a member ---- */

/* The sentence of a refusal; the error's own one where there is none, or no memory for it. */
static struct slice why_of(const struct chain *c, int error)
{
    return c->why.n > 0 ? buf_view(&c->why) : slice_str(error_sentence(error));
}

/* Refuses a joiner; the sentence is c->why. */
static void join_refuse(struct chain *c, uint64_t to, struct addr addr, int error, struct out *out)
{
    CHECK(error < 0);
    out_trace(out, TRACE_JOIN_REFUSED, to, (uint64_t)error, 0, why_of(c, error));
    out_send(out, to, addr, MSG_JOIN_NO)->join_no =
        (struct msg_join_no){.error = (uint32_t)error, .text = why_of(c, error)};
}

static void why_records(struct chain *c, uint64_t holder)
{
    char id[ADDR_TEXT];

    c->why.n = 0;
    buf_printf(
        &c->why,
        "member %s holds records, and joining then needs ring changes, which are not built yet: "
        "start all members before the first write",
        node_id_text(holder, id));
}

void chain_refuse_all(struct chain *c, uint64_t holder, struct out *out)
{
    CHECK(holder != 0);
    c->holder = holder;
    c->holder_ms = c->now->ms;
    why_records(c, holder);
    for (unsigned i = 0; i < c->joiner_n && i < CHAIN_REFUSALS; i++)
        join_refuse(c, c->joiner[i].member.id, c->joiner[i].addr, ERR_HOLDS_RECORDS, out);
    c->joiner_n = 0;
}

void chain_prune(struct chain *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->joiner_n; i++)
        if (c->now->ms < c->joiner[i].asked_ms + CHAIN_JOINER_FRESH_MS)
            c->joiner[n++] = c->joiner[i];
    c->joiner_n = n;
}

/* Why a node cannot be let in, with c->why set; 0 when it can. */
static int join_objection(struct chain *c, uint64_t from, const struct msg_join *m)
{
    bool known = c->holder && c->now->ms < c->holder_ms + CHAIN_HOLDER_MS;

    c->why.n = 0;
    if (cast_name_taken(c->now->cast, m->name, from)) {
        buf_printf(&c->why,
                   "the name \"%.*s\" is taken by another live member: start this node with "
                   "another --name",
                   (int)(m->name.n < NODE_NAME_MAX ? m->name.n : NODE_NAME_MAX),
                   (const char *)m->name.p);
        return ERR_NAME_TAKEN;
    }
    if (m->zone.n > ZONE_MAX || m->weight < 1 || m->weight > RING_WEIGHT_MAX) {
        buf_printf(&c->why,
                   "weight %u or the zone's %zu bytes are out of range: a weight is 1 to %d, a "
                   "zone at most %d bytes",
                   m->weight, m->zone.n, RING_WEIGHT_MAX, ZONE_MAX);
        return ERR_REFUSED;
    }
    if (known || (c->now->own.holds && !chain_fenced(c))) {
        why_records(c, known ? c->holder : c->self);
        return ERR_HOLDS_RECORDS;
    }
    for (unsigned i = 0; i < c->joiner_n; i++)
        if (c->joiner[i].member.id == from)
            return 0;
    if (chain_now(c)->member_n + c->joiner_n >= LAYOUT_MEMBERS_MAX) {
        buf_printf(&c->why, "the cluster has %d members, the most that a layout can have",
                   LAYOUT_MEMBERS_MAX);
        return ERR_TOO_BIG;
    }
    if (c->joiner_n < CHAIN_JOINERS)
        return 0;
    buf_printf(&c->why, "%d nodes are waiting already; asking again helps", CHAIN_JOINERS);
    return ERR_BUSY;
}

static void join_wait(struct chain *c, uint64_t from, const struct msg_join *m, struct out *out)
{
    unsigned i = 0;

    while (i < c->joiner_n && c->joiner[i].member.id != from)
        i++;
    if (i == c->joiner_n) {
        CHECK(c->joiner_n < CHAIN_JOINERS);
        c->joiner_n++;
        out_trace(out, TRACE_JOIN_ASKED, from, chain_now(c)->epoch, 0, m->name);
    }
    c->joiner[i] = (struct chain_joiner){.addr = m->addr, .asked_ms = c->now->ms};
    c->joiner[i].member = (struct layout_member){
        .id = from, .disk = m->disk, .weight = m->weight, .zone_n = (uint8_t)m->zone.n};
    if (m->zone.n)
        memcpy(c->joiner[i].member.zone, m->zone.p, m->zone.n);
    if (c->propose_ms == UINT64_MAX)
        chain_propose_in(c, CHAIN_GATHER_MS);
}

void chain_join_asked(struct chain *c, uint64_t from, const struct msg_join *m, struct out *out)
{
    if (!c->have || layout_find(chain_now(c), c->self) < 0)
        return;
    if (layout_find(chain_now(c), from) >= 0) {
        chain_layout_send(c, from, m->addr, out); /* it is a member, and missed the layout */
        return;
    }
    chain_prune(c);
    int error = join_objection(c, from, m);
    if (error)
        join_refuse(c, from, m->addr, error, out);
    else
        join_wait(c, from, m, out);
}

/* ---- As a joiner ---- */

static void join_ask(struct chain *c, unsigned i, struct out *out)
{
    struct chain_asking *a = &c->asking;

    CHECK(i < a->peer_n && !c->have);
    a->ask_ms = c->now->ms + CHAIN_JOIN_REPEAT_MS;
    out_send(out, a->peer[i], a->addr[i], MSG_JOIN)->join = (struct msg_join){
        .weight = a->weight,
        .zone = slice_of(a->zone, a->zone_n),
        .name = slice_of(a->name, a->name_n),
        .addr = a->self_addr,
        .disk = a->disk,
    };
}

void chain_join(struct chain *c, const struct moment *now, uint64_t peer, struct addr addr,
                const struct msg_join *join, struct out *out)
{
    struct chain_asking *a = &c->asking;
    unsigned i = 0;

    c->now = now;
    CHECK(join->zone.n <= ZONE_MAX && join->name.n <= NODE_NAME_MAX);
    if (c->have || c->adoption != ADOPT_REST || a->refused)
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
    join_ask(c, i, out);
}

void chain_join_again(struct chain *c, struct out *out)
{
    CHECK(c->asking.peer_n > 0);
    join_ask(c, c->asking.turn++ % c->asking.peer_n, out);
}

void chain_join_refused(struct chain *c, const struct msg_join_no *m)
{
    if (c->have || c->adoption != ADOPT_REST || c->asking.ask_ms == UINT64_MAX ||
        m->error == (uint32_t)ERR_BUSY)
        return;
    c->why.n = 0;
    (void)buf_slice(&c->why, m->text);
    c->asking.refused = (int)m->error < 0 ? (int)m->error : ERR_REFUSED;
    c->asking.ask_ms = UINT64_MAX;
}

int chain_refused(const struct chain *c, struct slice *why)
{
    *why = why_of(c, c->asking.refused);
    return c->asking.refused;
}
