/* swim_self.c: the own incarnation.
 *
 * The node alone raises its incarnation, and peers believe nothing of the node under one that is
 * lower than the highest they ever saw. So it must never go back, not even over a crash: each value
 * is stored before the first packet that carries it leaves. (Other implementations have it in
 * memory alone, and a node that restarts at 1 is refused by peers that remember it dead at 100.)
 * The first thing a node does is to store the successor of the incarnation on its disk. Until that
 * is durable the node listens and sends nothing. A refutation goes the same way: raise the
 * incarnation past the accusation, store it, then send it. Meanwhile the node goes on under the old
 * incarnation.
 *
 * One write is under way at a time. Accusations that come meanwhile only raise what is wanted next
 * (`raise_to`). A write that is not confirmed in time is submitted again under a new serial number,
 * so one that fails needs no message of its own.
 *
 * The accuser gets the refutation directly. News spreads by gossip, but the accuser may be on the
 * other side of a partition, where our gossip does not go because we believe that side dead. So the
 * refutation is also sent to the address from which the accusation came. */
#include "core/swim/swim_self.h"

#include "base/check.h"
#include "core/swim/swim_belief.h"
#include "core/swim/swim_gossip.h"
#include "core/swim/swim_meet.h"
#include "wire/bytes.h"

void swim_self_health(struct swim *s, int d)
{
    int health = (int)s->health + d;
    s->health = (uint8_t)(health < 0 ? 0 : health > SWIM_HEALTH_MAX ? SWIM_HEALTH_MAX : health);
}

/* The stored incarnation is ours now. */
static void adopt(struct swim *s, uint64_t incarnation)
{
    CHECK(incarnation > s->self->incarnation);
    s->ready = true;
    s->submitted = 0;
    swim_member_move(s, s->self, s->self->state, incarnation);
    swim_announce(s, s->self);
    swim_gossip_news(s, s->self);
    if (s->answer_id)
        swim_meet_at(s, s->answer_id, s->answer_addr);
    s->answer_id = 0;
}

static void submit(struct swim *s)
{
    s->submitted = s->raise_to;
    s->persist_ms = s->now_ms;
    s->serial++;
#ifdef CANARY_INCARNATION_NOT_PERSISTED
    adopt(s, s->submitted);
#else
    put_u64(s->persisted, s->submitted);
    out_state(s->out, TOKEN(TOKEN_SWIM, s->serial), SLICE("incarnation"), s->serial,
              slice_of(s->persisted, sizeof s->persisted));
#endif
}

void swim_self_raise(struct swim *s, uint64_t seen)
{
    if (seen >= INCARNATION_MAX)
        return; /* nothing is above it; no node raises that often (swim_bound.c) */
    if (s->raise_to <= seen)
        s->raise_to = seen + 1;
    if (s->submitted == 0 && s->raise_to > s->self->incarnation)
        submit(s);
}

void swim_self_accused(struct swim *s, uint64_t incarnation, uint64_t accuser)
{
    if (s->self->state == MEMBER_LEFT)
        return;
    s->source.accused_us = true;
    if (incarnation < s->self->incarnation)
        return; /* refuted already: the answer to this packet carries the greater incarnation */
    if (s->source.id && s->source.id != s->self->id) {
        s->answer_id = s->source.id;
        s->answer_addr = s->source.addr;
    }
    if (s->raise_to > incarnation)
        return; /* the refutation is on its way to the disk */
    swim_self_raise(s, incarnation);
    swim_self_health(s, +1);
    swim_trace(s, TRACE_SWIM_REFUTED, accuser, s->raise_to, 0, (struct slice){0});
}

void swim_self_stored(struct swim *s, uint64_t number)
{
    if (number != s->serial || s->submitted == 0)
        return; /* an earlier try of what was submitted anew */
    adopt(s, s->submitted);
    if (s->raise_to > s->self->incarnation)
        submit(s);
}

void swim_self_tick(struct swim *s)
{
    if (s->now_ms >= swim_self_deadline_ms(s))
        submit(s);
}

uint64_t swim_self_deadline_ms(const struct swim *s)
{
    return s->submitted ? s->persist_ms + SWIM_PERSIST_RETRY_MS : UINT64_MAX;
}
