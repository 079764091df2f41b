/* swim_gossip.c: dissemination (SWIM paper, section 4.1; memberlist's gossip ticks besides).
 *
 * News is about members, and a newer piece about a member replaces the older. So the queue has
 * members in it, not messages; a message is written from the member's present state when it is
 * sent; and the queue is never longer than the table, however long a node is isolated. Each piece
 * is sent 4 * ceil(log10(N + 1)) times, those sent least first: s->news[i] is the queue of the
 * members whose news was sent i times.
 *
 * A suspect's piece is every accusation known (three at most), because Lifeguard counts distinct
 * accusers and a relay must not swallow one.
 *
 * News goes with every packet that leaves anyway. Besides, while there is any, SWIM_FANOUT random
 * members get a packet of it every gossip_ms. For half a minute after a death, one of the dead gets
 * one too: a member that was declared dead wrongly learns of it that way. A message that does not
 * fit beside the others is passed over and stays queued: packets that begin empty carry it (an
 * alive with 512 bytes of metadata always fits one). */
#include "core/swim/swim_gossip.h"

#include "base/check.h"
#include "base/error.h"

enum {
    /* of the smallest, a suspect */
    NEWS_PER_PACKET = (PACKET_MAX - PACKET_HEADER) / (MESSAGE_HEADER + 24) + 1,
    /* tries to fill the last hole of a packet: bounds the work when many large pieces wait */
    MISFITS = 8,
};

void swim_trace(struct swim *s, enum trace_kind kind, uint64_t node, uint64_t a, uint64_t b,
                struct slice text)
{
    if (!s->out || s->traces_left == 0)
        return;
    s->traces_left--;
    out_trace(s->out, kind, node, a, b, text);
}

void swim_trace_dropped(struct swim *s, size_t bytes, struct slice what)
{
    s->counters.dropped++;
    swim_trace(s, TRACE_PACKET_DROPPED, s->source.id, (uint64_t)-ERR_BAD_MESSAGE, bytes, what);
}

struct message *swim_send(struct swim *s, uint64_t to, struct addr addr, enum message_kind kind)
{
    if (s->messages_left == 0)
        return NULL;
    s->messages_left--;
    return out_send(s->out, to, addr, kind);
}

/* ---- Packets ---- */

struct packet *swim_packet_open(struct swim *s, struct addr to)
{
    if (!s->ready || s->packets_left == 0 || to.family == 0)
        return NULL;
    struct packet_header h = s->header;
    h.wall_ms = s->now->wall_ms;
    h.mono_ms = s->now->ms;
    h.position = s->now->own.position;
    h.recovering = (uint16_t)s->now->own.recovering_n;
    h.ills = s->now->own.ills;
    struct packet *p = out_packet(s->out, to, &h);
    if (p)
        s->packets_left--;
    return p;
}

struct message swim_alive_message(const struct swim_member *m)
{
    return (struct message){
        .kind = MSG_ALIVE,
        .alive = {.member = m->id,
                  .incarnation = m->incarnation,
                  .addr = m->addr,
                  .name = swim_name(m),
                  .meta = swim_meta(m)},
    };
}

static bool add_accusations(struct packet *p, const struct swim_member *m)
{
    bool any = false;
    for (unsigned i = 0; i < m->accuser_n; i++) {
        struct message accusation = {
            .kind = MSG_SUSPECT,
            .suspect = {.member = m->id, .incarnation = m->incarnation, .accuser = m->accuser[i]},
        };
        any |= packet_add(p, &accusation);
    }
    return any;
}

bool swim_packet_belief(struct packet *p, const struct swim_member *m)
{
    if (m->state == MEMBER_SUSPECT)
        return add_accusations(p, m);
    if (m->state == MEMBER_ALIVE) {
        struct message alive = swim_alive_message(m);
        return packet_add(p, &alive);
    }
    struct message death = {
        .kind = MSG_DEAD,
        .dead = {.member = m->id,
                 .incarnation = m->incarnation,
                 .accuser = m->state == MEMBER_LEFT ? m->id : m->accuser[0]},
    };
    return packet_add(p, &death);
}

/* ---- The queue ---- */

unsigned swim_send_limit(uint32_t n)
{
    unsigned digits = 1;
    for (uint32_t power = 10; power < n + 1; power *= 10)
        digits++;
    unsigned limit = SWIM_RETRANSMIT_MULT * digits;
    return limit < SWIM_SENDS_MAX ? limit : SWIM_SENDS_MAX;
}

void swim_gossip_news(struct swim *s, struct swim_member *m)
{
    if (m->listed[SWIM_NEWS])
        swim_queue_remove(&s->news[m->sends], SWIM_NEWS, m);
    else
        s->news_n++;
    m->sends = 0;
    swim_queue_push(&s->news[0], SWIM_NEWS, m);
}

static void news_sent(struct swim *s, struct swim_member *m, unsigned limit)
{
    swim_queue_remove(&s->news[m->sends], SWIM_NEWS, m);
    m->sends++;
    if (m->sends < limit)
        swim_queue_push(&s->news[m->sends], SWIM_NEWS, m);
    else
        s->news_n--;
}

/* Packs news into what is left of the packet, least sent first. Returns how many pieces, listed in
 * sent[]. */
static unsigned pack_news(struct swim *s, struct packet *p, struct swim_member **sent)
{
    unsigned n = 0, misfits = 0;
    for (unsigned i = 0; i < SWIM_SENDS_MAX; i++) {
        for (struct swim_member *m = s->news[i].first; m; m = m->next[SWIM_NEWS]) {
            if (n == NEWS_PER_PACKET || misfits == MISFITS)
                return n;
            if (swim_packet_belief(p, m))
                sent[n++] = m;
            else
                misfits++;
        }
    }
    return n;
}

void swim_packet_close(struct swim *s, struct packet *p)
{
    struct swim_member *sent[NEWS_PER_PACKET];
    unsigned n = s->news_n ? pack_news(s, p, sent) : 0;
    unsigned limit = swim_send_limit(swim_n(s));
    for (unsigned i = 0; i < n; i++)
        news_sent(s, sent[i], limit);
    packet_seal(p);
    s->counters.packets++;
    CHECK(p->n <= PACKET_MAX);
}

/* ---- Gossip ticks ---- */

static bool death_of_late(const struct swim *s)
{
    return s->any_death && s->now_ms - s->death_ms < SWIM_DEAD_GOSSIP_MS;
}

uint64_t swim_gossip_deadline_ms(const struct swim *s)
{
    bool listeners = s->live.n > 0 || death_of_late(s);
    return s->news_n && listeners ? s->gossip_ms : UINT64_MAX;
}

static void gossip_to(struct swim *s, const struct swim_member *m)
{
    if (s->news_n == 0)
        return; /* the packets before this one used it up */
    struct packet *p = swim_packet_open(s, m->addr);
    if (p)
        swim_packet_close(s, p);
}

/* A member that died of late, out of a few tries. */
static const struct swim_member *pick_dead(struct swim *s)
{
    for (unsigned tries = 0; tries < 4 && s->gone.n; tries++) {
        const struct swim_member *m = s->gone.m[rng_below(&s->rng, s->gone.n)];
        if (m->state == MEMBER_DEAD && s->now_ms - m->since_ms < SWIM_DEAD_GOSSIP_MS)
            return m;
    }
    return NULL;
}

void swim_gossip_tick(struct swim *s)
{
    if (s->now_ms < swim_gossip_deadline_ms(s) || s->packets_left < SWIM_FANOUT + 1)
        return;
    s->gossip_ms = s->now_ms + s->times.gossip_ms;
    struct swim_member *target[SWIM_FANOUT];
    unsigned n = swim_pick(s, SWIM_FANOUT, 0, false, target);
    for (unsigned i = 0; i < n; i++)
        gossip_to(s, target[i]);
    const struct swim_member *dead = death_of_late(s) ? pick_dead(s) : NULL;
    if (dead)
        gossip_to(s, dead);
}
