/* swim_packet.c: what a received datagram does.
 *
 * All its messages are taken first, and its pings answered last, in one packet: so the answer has
 * what we believe after them. Beside the acks it carries what its receiver must know:
 *   - to one that introduced itself, that we have not met, or that accused us: our own alive;
 *   - to one that we believe suspect or dead: the accusation, so that it can refute it;
 *   - to one whose own alive is older than what we know of it (its disk was lost): what we know, so
 *     that it can raise its incarnation past it;
 *   - to a stranger: an introduction, because only its own alive makes it a member.
 *
 * Acks go to where the ping came from. A ping for another member, which lived at our address
 * before, is not answered: for an ack the departed would count as alive for ever. */
#include "core/swim/swim_packet.h"

#include "core/swim/swim_belief.h"
#include "core/swim/swim_bound.h"
#include "core/swim/swim_gossip.h"
#include "core/swim/swim_meet.h"
#include "core/swim/swim_probe.h"

struct pings {
    uint64_t seq[SWIM_ANSWERS];
    unsigned n;
};

static void take_ping(struct swim *s, const struct msg_ping *ping, struct pings *pings)
{
    if (ping->target != s->self->id || pings->n == SWIM_ANSWERS)
        s->counters.dropped++;
    else
        pings->seq[pings->n++] = ping->seq;
}

static bool take(struct swim *s, const struct message *m, struct pings *pings)
{
    switch (m->kind) {
    case MSG_PING:
        take_ping(s, &m->ping, pings);
        return true;
    case MSG_PING_REQ:
        swim_relay_ask(s, &m->ping_req, s->source.addr);
        return true;
    case MSG_ACK:
        if (!swim_relay_ack(s, m->ack.seq))
            swim_probe_ack(s, m->ack.seq);
        return true;
    case MSG_NACK:
        swim_probe_nack(s, s->source.id, m->nack.seq);
        return true;
    case MSG_ALIVE:
        return !swim_bound_packet(s, m->alive.member, m->alive.incarnation) ||
               swim_on_alive(s, &m->alive);
    case MSG_SUSPECT:
        if (swim_bound_packet(s, m->suspect.member, m->suspect.incarnation))
            swim_on_suspect(s, m->suspect.member, m->suspect.incarnation, m->suspect.accuser, true);
        return true;
    case MSG_DEAD:
        if (swim_bound_packet(s, m->dead.member, m->dead.incarnation))
            swim_on_dead(s, m->dead.member, m->dead.incarnation, m->dead.accuser);
        return true;
    default:
        return false; /* it has no business in a datagram */
    }
}

static void answer(struct swim *s, const struct pings *pings)
{
    const struct swim_member *m = swim_member(s, s->source.id);
    struct packet *p = swim_packet_open(s, s->source.addr);
    if (!p)
        return;
    for (unsigned i = 0; i < pings->n; i++) {
        struct message ack = {.kind = MSG_ACK, .ack = {.seq = pings->seq[i]}};
        packet_add(p, &ack);
    }
    if (!m || m->sketch)
        swim_meet_ping(s, p, s->source.id, NULL, rng_next(&s->rng));
    else if (s->source.introduced || s->source.accused_us || !m->verified)
        swim_packet_belief(p, s->self);
    if (m && (m->state != MEMBER_ALIVE || s->source.behind))
        swim_packet_belief(p, m);
    swim_packet_close(s, p);
}

void swim_packet_take(struct swim *s, struct slice messages)
{
    struct pings pings = {.n = 0};
    size_t bytes = messages.n;
    struct message m;
    int more;
    while ((more = packet_next(&messages, &m)) > 0)
        if (!take(s, &m, &pings))
            break;
    if (more != 0)
        swim_trace_dropped(s, bytes, SLICE("the rest of a packet"));
    struct swim_member *sender = swim_member(s, s->source.id);
    if (sender)
        swim_believe_answer(s, sender);
    if (pings.n)
        answer(s, &pings);
}
