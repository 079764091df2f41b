/* swim_meet.c: introductions.
 *
 * An introduction is a ping with our own alive beside it; its receiver answers with an ack and its
 * own alive. It is how strangers meet (a joiner that has just read a table of a thousand names, a
 * node that was restarted without one), and how hearsay is verified. It is also how a member learns
 * that we believe it dead: the accusation goes with it, the member refutes it, and is back.
 * (Lifeguard does the same for suspects, and calls it the buddy system.)
 *
 * The dead are not given up: every SWIM_DEAD_PROBE_MS one of them gets an introduction, those of
 * the layout for ever. After a partition of any length that is the first packet across: both sides
 * find themselves accused, refute, and a push-pull does the rest. */
#include "core/swim/swim_meet.h"

#include "core/swim/swim_gossip.h"

void swim_meet_ping(struct swim *s, struct packet *p, uint64_t id, const struct swim_member *m,
                    uint64_t seq)
{
    struct message ping = {.kind = MSG_PING, .ping = {.seq = seq, .target = id}};
    packet_add(p, &ping);
    swim_packet_belief(p, s->self);
    if (m && m->state != MEMBER_ALIVE)
        swim_packet_belief(p, m);
}

bool swim_meet_at(struct swim *s, uint64_t id, struct addr addr)
{
    struct packet *p = swim_packet_open(s, addr);
    if (!p)
        return false;
    swim_meet_ping(s, p, id, swim_member(s, id), rng_next(&s->rng));
    swim_packet_close(s, p);
    return true;
}

void swim_meet_soon(struct swim *s, struct swim_member *m)
{
    if (m->verified || m->state != MEMBER_ALIVE || m->addr.family == 0 ||
        m->timer_at != SWIM_NOWHERE)
        return;
    if (m->introductions == SWIM_INTRODUCTIONS)
        return; /* the round robin of probes decides about it, with helpers and a stream */
    uint64_t at_ms = s->introduce_ms > s->now_ms ? s->introduce_ms : s->now_ms;
    s->introduce_ms = at_ms + SWIM_INTRODUCE_MS;
    if (m->introductions > 0)
        at_ms += s->times.timeout_ms;
    m->introductions++;
    swim_timer_set(s, m, at_ms);
}

bool swim_meet_due(struct swim *s, struct swim_member *m)
{
    if (!swim_meet_at(s, m->id, m->addr))
        return false;
    swim_timer_clear(s, m);
    swim_meet_soon(s, m);
    return true;
}

uint64_t swim_meet_gone_deadline_ms(const struct swim *s)
{
    return s->gone.n ? s->gone_probe_ms : UINT64_MAX;
}

void swim_meet_gone_tick(struct swim *s)
{
    enum { TRIES = 8 }; /* past those that left: they come back by themselves, if ever */
    if (s->now_ms < swim_meet_gone_deadline_ms(s))
        return;
    /* at random around the mean, or all of a half of the cluster would ping at once */
    s->gone_probe_ms = s->now_ms + SWIM_DEAD_PROBE_MS / 2 + rng_below(&s->rng, SWIM_DEAD_PROBE_MS);
    for (unsigned i = 0; i < TRIES; i++) {
        const struct swim_member *m = swim_list_next(s, &s->gone);
        if (m->state == MEMBER_DEAD && swim_meet_at(s, m->id, m->addr))
            return;
    }
}
