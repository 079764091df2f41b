/* swim_probe.c: the failure detector (SWIM paper, section 3; Lifeguard, "local health aware
 * probe").
 *
 *      REST --next_ms--> DIRECT --indirect_ms--> ASKING --end_ms: failed--> REST
 *       ^    (ping)        |  (helpers, stream)    |
 *       '------------------+-----------------------'
 *        an ack, from anybody; or the target is gone
 *
 * Each period one member of the shuffled round is pinged. After timeout_ms without an ack,
 * SWIM_INDIRECT other members are asked to ping it for us, and it is asked over its stream (TCP
 * gets through where UDP is blocked; memberlist's fallback). Any answer before the period ends
 * saves it.
 *
 * A helper that gets no answer sends a nack before our own deadline: it gets four fifths of what is
 * left of the period, and sends nothing later than that. (In other implementations the nack came
 * after the deadline that it was meant for, and healthy nodes blamed themselves.) A helper whose
 * nack is missing is a sign that we are the ones that are cut off.
 *
 * The local health multiplier h, 0 .. 8, grows with each sign of that (a failed probe, a missed
 * nack, an accusation against us) and falls with each success. Period and timeout are (1 + h) times
 * as long, so that a sick node takes longer to judge others. */
#include "core/swim/swim_probe.h"

#include "base/check.h"
#include "core/swim/swim_belief.h"
#include "core/swim/swim_gossip.h"
#include "core/swim/swim_meet.h"
#include "core/swim/swim_self.h"

static const uint32_t next_phase[] = {
    [SWIM_REST] = PHASE(SWIM_DIRECT),
    [SWIM_DIRECT] = PHASE(SWIM_ASKING) | PHASE(SWIM_REST),
    [SWIM_ASKING] = PHASE(SWIM_REST),
};

static uint64_t scaled(const struct swim *s, uint32_t ms)
{
    return (uint64_t)ms * (1u + s->health);
}

static void rest(struct swim *s)
{
    uint64_t at_ms = s->probe.begun_ms + scaled(s, s->times.period_ms);
    phase_enter(&s->probe.phase, SWIM_REST, next_phase);
    s->probe.next_ms = s->live.n ? at_ms : UINT64_MAX;
}

void swim_probe_wake(struct swim *s)
{
    if (s->probe.phase != SWIM_REST || s->probe.next_ms != UINT64_MAX || s->live.n == 0)
        return;
    /* at a random point of the period, or members that met at once would probe at once for ever */
    s->probe.next_ms = s->now_ms + rng_below(&s->rng, s->times.period_ms);
}

void swim_probe_abandon(struct swim *s)
{
    s->relay_n = 0;
    s->relay_ms = UINT64_MAX;
    s->probe.begun_ms = s->now_ms;
    if (s->probe.phase != SWIM_REST)
        rest(s);
}

/* ---- The phases ---- */

/* To a member that we suspect or have not met goes an introduction with the accusation, so that it
 * can refute. */
static void ping_target(struct swim *s, const struct swim_member *m)
{
    struct packet *p = swim_packet_open(s, m->addr);
    if (!p)
        return; /* no address: the stream may reach it */
    if (!m->verified || m->state != MEMBER_ALIVE) {
        swim_meet_ping(s, p, m->id, m, s->probe.seq);
    } else {
        struct message ping = {.kind = MSG_PING, .ping = {.seq = s->probe.seq, .target = m->id}};
        packet_add(p, &ping);
    }
    swim_packet_close(s, p);
}

static void begin(struct swim *s)
{
    struct swim_member *m = swim_list_next(s, &s->live);
    if (!m) {
        s->probe.next_ms = UINT64_MAX;
        return;
    }
    swim_member_claim(s, m); /* its name may have come free since */
    s->probe = (struct swim_probe){
        .phase = s->probe.phase,
        .target = m->id,
        .incarnation = m->incarnation,
        .seq = rng_next(&s->rng),
        .begun_ms = s->now_ms,
        .indirect_ms = s->now_ms + scaled(s, s->times.timeout_ms),
        .end_ms = s->now_ms + scaled(s, s->times.period_ms),
    };
    phase_enter(&s->probe.phase, SWIM_DIRECT, next_phase);
    ping_target(s, m);
}

static void ask_helper(struct swim *s, unsigned i, const struct swim_member *helper,
                       const struct swim_member *m)
{
    uint64_t left_ms = s->probe.end_ms > s->now_ms ? s->probe.end_ms - s->now_ms : 0;
    struct message ask = {
        .kind = MSG_PING_REQ,
        .ping_req = {.seq = s->probe.seq,
                     .target = m->id,
                     .addr = m->addr,
                     .timeout_ms = (uint32_t)(left_ms * 4 / 5)},
    };
    struct packet *p = swim_packet_open(s, helper->addr);
    if (!p)
        return;
    packet_add(p, &ask);
    swim_packet_close(s, p);
    s->probe.helper[i] = helper->id;
}

static void ask(struct swim *s, const struct swim_member *m)
{
    phase_enter(&s->probe.phase, SWIM_ASKING, next_phase);
    struct swim_member *helper[SWIM_INDIRECT];
    unsigned n = m->addr.family ? swim_pick(s, SWIM_INDIRECT, m->id, true, helper) : 0;
    for (unsigned i = 0; i < n; i++)
        ask_helper(s, i, helper[i], m);
    struct message *probe = swim_send(s, m->id, m->addr, MSG_PROBE);
    if (probe)
        probe->probe.seq = s->probe.seq;
}

/* The probe got no answer. If its target has raised its incarnation meanwhile (it was started again
 * while we asked the process before), that says nothing about it, nor about us. */
static void fail(struct swim *s, struct swim_member *m)
{
    if (m->incarnation > s->probe.incarnation) {
        rest(s);
        return;
    }
    bool missed = false;
    for (unsigned i = 0; i < SWIM_INDIRECT; i++)
        missed |= s->probe.helper[i] != 0;
    swim_self_health(s, missed ? 2 : 1);
    swim_trace(s, TRACE_SWIM_PROBE_FAILED, m->id, s->probe.seq, s->health, (struct slice){0});
    rest(s);
    swim_believe_silence(s, m);
}

uint64_t swim_probe_deadline_ms(const struct swim *s)
{
    if (s->self->state == MEMBER_LEFT)
        return UINT64_MAX;
    switch (s->probe.phase) {
    case SWIM_REST:
        return s->probe.next_ms;
    case SWIM_DIRECT:
        return s->probe.indirect_ms;
    case SWIM_ASKING:
        return s->probe.end_ms;
    }
    return UINT64_MAX;
}

void swim_probe_tick(struct swim *s)
{
    if (s->now_ms < swim_probe_deadline_ms(s) || s->packets_left < SWIM_INDIRECT)
        return;
    if (s->probe.phase == SWIM_REST) {
        begin(s);
        return;
    }
    struct swim_member *m = swim_member(s, s->probe.target);
    if (!m || swim_gone(m))
        rest(s); /* another member found out meanwhile */
    else if (s->probe.phase == SWIM_DIRECT)
        ask(s, m);
    else
        fail(s, m);
}

/* ---- Answers ---- */

void swim_probe_ack(struct swim *s, uint64_t seq)
{
    if (s->probe.phase == SWIM_REST || seq != s->probe.seq)
        return;
    struct swim_member *m = swim_member(s, s->probe.target);
    swim_self_health(s, -1);
    rest(s);
    if (m)
        swim_believe_answer(s, m);
}

void swim_probe_nack(struct swim *s, uint64_t from, uint64_t seq)
{
    if (s->probe.phase != SWIM_ASKING || seq != s->probe.seq)
        return;
    for (unsigned i = 0; i < SWIM_INDIRECT; i++)
        if (s->probe.helper[i] == from)
            s->probe.helper[i] = 0;
}
