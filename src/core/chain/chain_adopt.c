/* chain_adopt.c: a decided layout, from its first mention to being in force here, and to being sent
 * to others.
 *
 * A node learns of a higher epoch (chain_seen), asks for its layout and gets it in a LAYOUT
 * message; or its own round chose it. Then:
 *
 *     REST --(a later layout)--> SAVING --(stored)--> REST: it is in force
 *                                 ^  |
 *                      (a second) |  | (could not be stored)
 *                                 |  v
 *                                FAILED
 *
 * There is room for two layouts: the one in force, and the one that is being made durable. They
 * change places when it is durable. Only then is anything answered under it, and only then are the
 * votes for its epoch forgotten.
 *
 * Invariants (chain.c, on_check): the layout that is being adopted is of a higher epoch than the
 * one in force, and there is one at a time. Epochs may be jumped over: a layout says all that there
 * is to know, whatever led to it. */
#include "core/chain/chain.h"

#include "base/check.h"
#include "core/ring/ring.h"

static const uint32_t next_phase[] = {
    [ADOPT_REST] = PHASE(ADOPT_SAVING),
    [ADOPT_SAVING] = PHASE(ADOPT_REST) | PHASE(ADOPT_FAILED),
    [ADOPT_FAILED] = PHASE(ADOPT_SAVING),
};

/* ---- Layouts as values ---- */

static bool member_eq(const struct layout_member *a, const struct layout_member *b)
{
    return a->id == b->id && a->disk == b->disk && a->weight == b->weight &&
           a->zone_n == b->zone_n && memcmp(a->zone, b->zone, a->zone_n) == 0;
}

bool chain_knows(const struct layout *l)
{
    return l->stage == LAYOUT_SETTLED;
}

/* Whether two layouts agree in what no epoch changes. */
static bool same_cluster(const struct layout *now, const struct layout *next)
{
    return next->generation == now->generation && next->generation_id == now->generation_id &&
           memcmp(&next->secret, &now->secret, sizeof now->secret) == 0;
}

/* What a layout is as a successor of this epoch, by the vote of its members. Its places must bear
 * the epochs that follow from ours: they say later who owned what, and since when. */
static enum chain_kind layout_kind(const struct layout *now, const struct layout *next)
{
    if (next->epoch != now->epoch + 1 || !same_cluster(now, next) || next->vnodes != now->vnodes ||
        next->n_wanted != now->n_wanted || next->member_n < now->member_n || !chain_knows(next) ||
        !ring_dated(now, next))
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

/* Submits the other layout to the store. */
static void adopt_save(struct chain *c, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_CHAIN, ++c->layout_serial << 1 | 1);

    CHECK(c->bytes[!c->current].n > 0);
    phase_enter(&c->adoption, ADOPT_SAVING, next_phase);
    c->save_ms = UINT64_MAX;
    out_state(out, token, SLICE("layout"), c->layout_serial, buf_view(&c->bytes[!c->current]));
}

/* Whether a decided layout is later in the same chain. How much later is bounded, so that no number
 * that a peer sends, or that was damaged on its way, is the last one. */
static bool follows(const struct layout *now, const struct layout *next)
{
    return same_cluster(now, next) && next->epoch > now->epoch &&
           next->epoch - now->epoch <= CHAIN_EPOCH_LEAP;
}

/* One at a time: while one is adopted others are dropped, and a higher epoch is met again. */
void chain_adopt(struct chain *c, struct slice bytes, bool announce, struct out *out)
{
    struct layout *l = &c->layout[!c->current];
    struct buf *b = &c->bytes[!c->current];

    if (c->adoption != ADOPT_REST)
        return;
    layout_close(l);
    if (layout_decode(bytes, l))
        return;
    b->n = 0;
    bool wanted = c->have ? follows(chain_now(c), l) : layout_find(l, c->self) >= 0;
    if (!wanted || !chain_knows(l) || buf_slice(b, bytes))
        return;
    c->announce = announce;
    adopt_save(c, out);
}

void chain_found_take(struct chain *c, struct layout *first, struct out *out)
{
    struct layout *l = &c->layout[!c->current];
    struct buf *b = &c->bytes[!c->current];

    CHECK(!c->have && first->epoch == 1 && first->member_n == 1 && first->member[0].id == c->self);
    layout_close(l);
    *l = *first;
    layout_init(first);
    b->n = 0;
    int error = layout_encode(b, l);
    if (error)
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0,
                  SLICE("out of memory while founding"));
    else
        adopt_save(c, out);
}

/* The other layout is durable: it comes into force. */
static void adopt_done(struct chain *c, struct out *out)
{
    unsigned n = 0;

    CHECK(!c->have || follows(chain_now(c), &c->layout[!c->current]));
    phase_enter(&c->adoption, ADOPT_REST, next_phase);
    c->current = !c->current;
    c->have = true;
    c->asking.ask_ms = UINT64_MAX;
    c->asking.refused = 0;
    c->announced = c->announce ? 0 : chain_now(c)->member_n;
    for (unsigned i = 0; i < c->joiner_n; i++)
        if (layout_find(chain_now(c), c->joiner[i].member.id) < 0)
            c->joiner[n++] = c->joiner[i];
    c->joiner_n = n;
    chain_vote_reset(c);
    chain_propose_reset(c);
    out_trace(out, TRACE_LAYOUT_ADOPTED, 0, chain_now(c)->epoch, chain_now(c)->member_n,
              slice_of(NULL, 0));
}

void chain_adopt_stored(struct chain *c, uint64_t serial, int error, struct out *out)
{
    CHECK(serial <= c->layout_serial);
    if (c->adoption != ADOPT_SAVING || serial != c->layout_serial)
        return;
    if (!error) {
        adopt_done(c, out);
        return;
    }
    phase_enter(&c->adoption, ADOPT_FAILED, next_phase);
    c->save_ms = c->now->ms + CHAIN_SAVE_RETRY_MS;
    out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0,
              SLICE("the new layout could not be stored; trying again"));
}

/* ---- Sending it to others ---- */

void chain_layout_send(struct chain *c, uint64_t to, struct addr addr, struct out *out)
{
    CHECK(c->have);
    out_send(out, to, addr, MSG_LAYOUT)->layout.layout = buf_view(&c->bytes[c->current]);
}

static bool announcing(const struct chain *c)
{
    return c->have && c->announced < chain_now(c)->member_n;
}

/* Sends an epoch that this node chose to its members, a few at a time, once. A member that misses
 * it learns of the epoch by gossip, or asks to join again. */
static void announce_some(struct chain *c, struct out *out)
{
    for (unsigned sent = 0; announcing(c) && sent < CHAIN_SENDS; sent++) {
        uint64_t id = chain_now(c)->member[c->announced++].id;
        if (id != c->self && chain_reachable(c, id))
            chain_layout_send(c, id, chain_addr(c, id), out);
    }
}

void chain_seen(struct chain *c, const struct moment *now, uint64_t peer, uint64_t epoch,
                struct out *out)
{
    c->now = now;
    uint64_t ours = c->adoption == ADOPT_REST ? chain_now(c)->epoch : chain_adopting(c);
    if (!c->have || epoch <= ours || c->now->ms < c->fetch_ms)
        return;
    c->fetch_ms = c->now->ms + CHAIN_FETCH_MS;
    /* any epoch from here on will do */
    out_send(out, peer, chain_addr(c, peer), MSG_LAYOUT_GET)->layout_get.epoch = ours + 1;
}

void chain_adopt_tick(struct chain *c, struct out *out)
{
    if (c->save_ms <= c->now->ms)
        adopt_save(c, out);
    if (announcing(c))
        announce_some(c, out);
}

uint64_t chain_adopt_deadline(const struct chain *c)
{
    return announcing(c) ? 0 : c->save_ms;
}
