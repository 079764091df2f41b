/* chain_adopt.c: a decided layout, from being heard of to being in force here, and to being told to
 * others.
 *
 *     heard of (chain_seen) --> asked for --> LAYOUT, or our own round --> saving (adopting = its epoch) --> stored: in force
 *                                                                           ^    |
 *                                                                           '----' it could not be stored: again in a second
 *
 * A layout lies in one of two slots: the one in force, and the one being made durable. They are
 * exchanged when it is, and only then is anything answered under it, and are the votes for the
 * epoch that it began forgotten.
 *
 * Invariants (chain.c, on_check): what is being adopted is of a higher epoch than what is in force;
 * one at a time. Epochs may be jumped over: a layout says all that there is to know, whatever led
 * to it. */
#include "core/chain/chain.h"

#include "base/check.h"
#include "core/ring/ring.h"

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

/* What no epoch changes. */
static bool same_cluster(const struct layout *now, const struct layout *next)
{
    return next->generation == now->generation && next->generation_id == now->generation_id &&
           memcmp(&next->secret, &now->secret, sizeof now->secret) == 0;
}

/* What may follow by a vote of this epoch's members. Its places must bear the epochs that follow
 * from ours: by them it is found later who owned what, and since when. */
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

/* Submits the layout in the other slot to the store. */
static void adopt_save(struct chain *c, struct out *out)
{
    uint64_t token = TOKEN(TOKEN_CHAIN, ++c->layout_serial << 1 | 1);

    c->save_ms = UINT64_MAX;
    out_state(out, token, SLICE("layout"), c->layout_serial, buf_view(&c->bytes[!c->current]));
}

/* Whether a decided layout is later in the same chain. By how much it may be is bounded, so that no
 * number that a peer sends, or that was damaged on its way, is the last one. */
static bool follows(const struct layout *now, const struct layout *next)
{
    return same_cluster(now, next) && next->epoch > now->epoch &&
           next->epoch - now->epoch <= CHAIN_EPOCH_LEAP;
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
    bool wanted = c->have ? follows(chain_now(c), l) : layout_find(l, c->self) >= 0;
    if (!wanted || !chain_knows(l) || buf_slice(b, bytes))
        return;
    c->adopting = l->epoch;
    c->announce = announce;
    adopt_save(c, out);
}

void chain_found_take(struct chain *c, struct layout *first, struct out *out)
{
    struct buf *b = &c->bytes[!c->current];

    CHECK(!c->have && !c->adopting && first->epoch == 1 && first->member_n == 1 &&
          first->member[0].id == c->self);
    layout_close(&c->slot[!c->current]);
    c->slot[!c->current] = *first;
    layout_init(first);
    b->n = 0;
    int error = layout_encode(b, &c->slot[!c->current]);
    if (error) {
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0,
                  SLICE("out of memory while founding"));
        return;
    }
    c->adopting = 1;
    adopt_save(c, out);
}

/* The layout in the other slot is durable: it comes into force. */
static void adopt_done(struct chain *c, struct out *out)
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
    chain_propose_reset(c);
    out_trace(out, TRACE_LAYOUT_ADOPTED, 0, chain_now(c)->epoch, chain_now(c)->member_n,
              slice_of(NULL, 0));
}

void chain_adopt_stored(struct chain *c, uint64_t serial, int error, struct out *out)
{
    if (!c->adopting || serial != c->layout_serial)
        return;
    if (!error) {
        adopt_done(c, out);
        return;
    }
    c->save_ms = c->now->ms + CHAIN_SAVE_RETRY_MS;
    out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0,
              SLICE("the new layout could not be stored; trying again"));
}

/* ---- Telling ---- */

void chain_layout_send(struct chain *c, uint64_t to, struct addr addr, struct out *out)
{
    out_send(out, to, addr, MSG_LAYOUT)->layout.layout = buf_view(&c->bytes[c->current]);
}

static bool announcing(const struct chain *c)
{
    return c->have && c->told < chain_now(c)->member_n;
}

/* Tells the members of an epoch that we had chosen, a few at a time, once: who misses it hears of
 * the epoch by gossip, or asks to join again. */
static void announce_some(struct chain *c, struct out *out)
{
    for (unsigned sent = 0; announcing(c) && sent < CHAIN_SENDS; sent++) {
        uint64_t id = chain_now(c)->member[c->told++].id;
        if (id != c->self && chain_reachable(c, id))
            chain_layout_send(c, id, chain_addr(c, id), out);
    }
}

void chain_seen(struct chain *c, const struct moment *now, uint64_t peer, uint64_t epoch,
                struct out *out)
{
    c->now = now;
    if (!c->have || epoch <= chain_now(c)->epoch || epoch <= c->adopting ||
        c->now->ms < c->fetch_ms)
        return;
    uint64_t ours = c->adopting > chain_now(c)->epoch ? c->adopting : chain_now(c)->epoch;
    c->fetch_ms = c->now->ms + CHAIN_FETCH_MS;
    /* whatever lies above */
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
