/* swim.c: the door. Who is reachable, agreed on without a master.
 *
 * Every member probes one other a period (swim_probe.c), so the load on a member does not grow with
 * the cluster, and some member notices a death within a period or two. Suspicion gives the accused
 * the time to object (swim_belief.c), and what is decided spreads on the packets that are sent
 * anyway (swim_gossip.c). Push-pull makes agreement certain (swim_sync.c). Strangers and the dead
 * are introduced to (swim_meet.c). A node defends itself by raising its incarnation, which it
 * stores first (swim_self.c).
 *
 *                    swim.c (the door, the turn)
 *      swim_packet.c   swim_probe.c swim_relay.c   swim_sync.c
 *      swim_bound.c   swim_belief.c   swim_meet.c   swim_self.c
 *                         swim_gossip.c
 *                         swim_table.c
 *
 * Papers: A. Das, I. Gupta, A. Motivala, "SWIM: scalable weakly-consistent infection-style process
 * group membership protocol", DSN 2002; A. Dadgar, J. Phillips, J. Currey, "Lifeguard: local health
 * awareness for more accurate failure detection", DSN-W 2018.
 *
 * A turn is one call into SWIM. One that comes much later than it was asked for means that this
 * process stood still (stopped, swapped out, a laptop's lid): what it missed says nothing about the
 * others. Then running suspicions are put off by as long, the probe under way is dropped without a
 * judgement, and the local health gets worse. */
#include "core/swim/swim.h"

#include "base/check.h"
#include "base/error.h"
#include "core/swim/swim_belief.h"
#include "core/swim/swim_gossip.h"
#include "core/swim/swim_meet.h"
#include "core/swim/swim_packet.h"
#include "core/swim/swim_probe.h"
#include "core/swim/swim_self.h"
#include "core/swim/swim_sync.h"

_Static_assert(SWIM_PACKETS_MAX + SWIM_TRACES + SWIM_MESSAGES + 2 <= SWIM_OUT_MAX,
               "a call overflows its share");
_Static_assert((int)SWIM_PACKETS_MAX <= (int)OUT_PACKETS, "a call overflows its packets");

/* The times, by profile.
 *
 *   period   A death is suspected about one period after it. The worst round trip must fit into a
 *            quarter of it.
 *   timeout  It is above the 99.9th percentile of a round trip in that network, scheduling
 *            included, and well below the period, so that helpers have time.
 *   gossip   An update reaches everybody in about 5 gossip ticks, which should not take longer than
 *            a period or two.
 *   sync     For how long what gossip rarely leaves may differ. A push-pull that finds nothing
 *            costs 30 bytes. */
static const struct swim_times profile_times[] = {
    [SWIM_LAN] = {.period_ms = 1000, .timeout_ms = 500, .gossip_ms = 200, .sync_ms = 30 * 1000},
    [SWIM_WAN] = {.period_ms = 5000, .timeout_ms = 3000, .gossip_ms = 500, .sync_ms = 60 * 1000},
    [SWIM_LOCAL] = {.period_ms = 200, .timeout_ms = 80, .gossip_ms = 100, .sync_ms = 15 * 1000},
};

/* ---- Birth and end ---- */

int swim_init(struct swim *s, const struct swim_options *o, uint64_t now_ms)
{
    CHECK(o->self != 0);
    if (o->name.n > NODE_NAME_MAX || o->meta.n > META_MAX)
        return ERR_TOO_BIG;
    CHECK(o->incarnation <= INCARNATION_MAX);
    *s = (struct swim){
        .times = profile_times[o->profile],
        .now_ms = now_ms,
        .due_ms = UINT64_MAX,
        .header.from = o->self,
        .now = o->now,
        .serial = o->serial,
        .probe.next_ms = UINT64_MAX,
        .relay_ms = UINT64_MAX,
        .gossip_ms = now_ms,
        .sync_ms = now_ms,
        .gone_probe_ms = now_ms + SWIM_DEAD_PROBE_MS,
    };
    rng_init(&s->rng, o->seed);
    return swim_table_init(s, o);
}

static void on_close(void *p)
{
    swim_table_close(p);
}

void swim_set_header(struct swim *s, const struct packet_header *h)
{
    s->header = *h;
    s->header.from = s->self->id;
}

/* ---- The turn ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t deadline_ms(const struct swim *s)
{
    uint64_t at_ms = swim_self_deadline_ms(s);
    if (!s->ready)
        return at_ms; /* whatever else is due may not be sent yet */
    at_ms = earlier(at_ms, s->timer_n ? s->timer[0]->timer_ms : UINT64_MAX);
    at_ms = earlier(at_ms, s->relay_ms);
    at_ms = earlier(at_ms, swim_probe_deadline_ms(s));
    at_ms = earlier(at_ms, swim_gossip_deadline_ms(s));
    at_ms = earlier(at_ms, swim_sync_deadline_ms(s));
    return earlier(at_ms, swim_meet_gone_deadline_ms(s));
}

/* Puts every timer off: the heap keeps its order. */
static void stalled(struct swim *s, uint64_t late_ms)
{
    for (uint32_t i = 0; i < s->timer_n; i++) {
        s->timer[i]->timer_ms += late_ms;
        s->timer[i]->suspected_ms += late_ms;
    }
    swim_probe_abandon(s);
    swim_self_health(s, +1);
}

static void turn_begin(struct swim *s, uint64_t now_ms, struct out *out)
{
    CHECK(now_ms >= s->now_ms);
    s->now_ms = now_ms;
    s->out = out;
    s->packets_left = SWIM_PACKETS_MAX;
    s->traces_left = SWIM_TRACES;
    s->messages_left = SWIM_MESSAGES;
    s->source = (struct swim_source){0};
    swim_table_sweep(s);
    if (s->ready && s->due_ms != UINT64_MAX && now_ms > s->due_ms + s->times.timeout_ms)
        stalled(s, now_ms - s->due_ms);
}

static void turn_end(struct swim *s)
{
    s->out = NULL;
    swim_probe_wake(s);
    uint64_t due_ms = deadline_ms(s);
    s->due_ms = due_ms > s->now_ms ? due_ms : s->now_ms;
}

/* Members' own timers, the earliest first. */
static void timers_tick(struct swim *s)
{
    for (unsigned i = 0; i < SWIM_TIMERS && s->timer_n && s->timer[0]->timer_ms <= s->now_ms; i++) {
        struct swim_member *m = s->timer[0];
        if (swim_gone(m))
            swim_forget(s, m);
        else if (m->state == MEMBER_SUSPECT)
            swim_believe_death(s, m);
        else if (!swim_meet_due(s, m))
            return;
    }
}

static void on_tick(void *p, const struct moment *now, struct out *out)
{
    struct swim *s = p;
    turn_begin(s, now->ms, out);
    swim_self_tick(s);
    if (s->ready) {
        swim_relay_tick(s);
        swim_probe_tick(s);
        swim_gossip_tick(s);
        swim_sync_tick(s);
        swim_meet_gone_tick(s);
        timers_tick(s);
    }
    turn_end(s);
}

/* ---- Events ---- */

void swim_start(struct swim *s, struct out *out)
{
    turn_begin(s, s->now_ms, out);
    swim_self_raise(s, s->self->incarnation);
    turn_end(s);
}

/* A write that failed needs nothing: it is submitted again in time. */
static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct swim *s = p;
    if (ev->stored.error)
        return;
    turn_begin(s, now->ms, out);
    swim_self_stored(s, number);
    turn_end(s);
}

void swim_packet(struct swim *s, const struct packet_header *h, struct addr from,
                 struct slice messages, uint64_t now_ms, struct out *out)
{
    turn_begin(s, now_ms, out);
    s->counters.packets++;
    s->source = (struct swim_source){.id = h->from, .addr = from};
    if (h->from != 0 && h->from != s->self->id)
        swim_packet_take(s, messages);
    else
        s->counters.dropped++; /* our own that came back, or nobody's */
    turn_end(s);
}

static bool message_take(struct swim *s, const struct message *m)
{
    switch (m->kind) {
    case MSG_PROBE:
        if (s->ready)
            out_send(s->out, s->source.id, s->source.addr, MSG_PROBE_ACK)->probe_ack.seq =
                m->probe.seq;
        return true;
    case MSG_PROBE_ACK:
        swim_probe_ack(s, m->probe_ack.seq);
        return true;
    case MSG_SYNC_HASH:
        swim_sync_hash(s, &m->sync_hash);
        return true;
    case MSG_SYNC_TABLE:
        swim_sync_table(s, &m->sync_table);
        return true;
    default:
        return false;
    }
}

static bool on_message(void *p, const struct moment *now, uint64_t from, const struct message *m,
                       struct out *out)
{
    struct swim *s = p;
    turn_begin(s, now->ms, out);
    const struct swim_member *sender = swim_member(s, from);
    s->source = (struct swim_source){.id = from, .addr = sender ? sender->addr : (struct addr){0}};
    bool ours = message_take(s, m);
    struct swim_member *answered = swim_member(s, from); /* it may be new, or forgotten */
    if (ours && answered)
        swim_believe_answer(s, answered);
    turn_end(s);
    return ours;
}

/* A peer whose stream is up, and no alive of which was seen: its hello is a sketch of it. */
static struct swim_member *sketch(struct swim *s, const struct msg_hello *hello)
{
    struct swim_member *m = swim_member(s, hello->node);
    if (!m)
        m = swim_member_add(s, hello->node, 0);
    if (!m || !m->sketch)
        return m;
    m->met = true;
    m->addr = hello->addr;
    if (hello->name.n <= NODE_NAME_MAX) /* without memory it is nameless until its alive comes */
        swim_member_describe(s, m, hello->name, (struct slice){0});
    return m;
}

void swim_link_up(struct swim *s, const struct msg_hello *hello, uint64_t now_ms, struct out *out)
{
    turn_begin(s, now_ms, out);
    struct swim_member *m = hello->node && hello->node != s->self->id ? sketch(s, hello) : NULL;
    if (m && (m->sketch || swim_gone(m))) {
        swim_meet_at(s, m->id, hello->addr);
        swim_sync_with(s, m);
        swim_meet_soon(s, m);
    } else if (m) {
        swim_believe_answer(s, m);
    }
    turn_end(s);
}

void swim_recall(struct swim *s, uint64_t id, struct addr addr, struct slice name,
                 uint64_t incarnation, uint64_t now_ms)
{
    CHECK(now_ms >= s->now_ms && incarnation <= INCARNATION_MAX);
    s->now_ms = now_ms;
    if (id == 0 || id == s->self->id || swim_member(s, id) || name.n > NODE_NAME_MAX)
        return;
    struct swim_member *m = swim_member_add(s, id, incarnation);
    if (!m)
        return; /* memory is out: it introduces itself, or a table names it */
    m->addr = addr;
    swim_member_describe(s, m, name, (struct slice){0});
    swim_meet_soon(s, m);
    swim_probe_wake(s);
}

void swim_pin(struct swim *s, uint64_t id, bool pinned)
{
    if (id == s->self->id)
        return;
    struct swim_member *m = swim_member(s, id);
    if (!m && pinned)
        m = swim_member_add(s, id, 0);
    if (m)
        swim_member_pin(s, m, pinned);
    swim_probe_wake(s);
}

void swim_leave(struct swim *s, uint64_t now_ms, struct out *out)
{
    turn_begin(s, now_ms, out);
    if (s->self->state != MEMBER_LEFT) {
        swim_member_move(s, s->self, MEMBER_LEFT, s->self->incarnation);
        swim_announce(s, s->self);
        swim_gossip_news(s, s->self);
        s->gossip_ms = now_ms;
        swim_gossip_tick(s);
    }
    turn_end(s);
}

/* ---- Views ---- */

static void view(const struct swim *s, const struct swim_member *m, struct swim_view *v)
{
    *v = (struct swim_view){
        .id = m->id,
        .addr = m->addr,
        .name = m->named ? swim_name(m) : (struct slice){0},
        .meta = swim_meta(m),
        .state = m->verified || m->state != MEMBER_ALIVE ? m->state : MEMBER_SUSPECT,
        .incarnation = m->incarnation,
        .since_ms = m->since_ms,
        .self = m == s->self,
        .verified = m->verified,
    };
}

bool swim_changed(struct swim *s, struct swim_view *v)
{
    struct swim_member *m = s->changed.first;
    if (!m)
        return false;
    swim_queue_remove(&s->changed, SWIM_CHANGED, m);
    view(s, m, v);
    return true;
}

bool swim_find(const struct swim *s, uint64_t id, struct swim_view *v)
{
    const struct swim_member *m = swim_member(s, id);
    if (m)
        view(s, m, v);
    return m != NULL;
}

uint32_t swim_count(const struct swim *s)
{
    return 1 + s->live.n + s->gone.n - s->hidden_n;
}

static const struct swim_member *member_at(const struct swim *s, uint32_t i)
{
    if (i == 0)
        return s->self;
    i--;
    return i < s->live.n               ? s->live.m[i]
           : i - s->live.n < s->gone.n ? s->gone.m[i - s->live.n]
                                       : NULL;
}

bool swim_each(const struct swim *s, uint32_t *cursor, struct swim_view *v)
{
    const struct swim_member *m;
    while ((m = member_at(s, *cursor))) {
        ++*cursor;
        if (swim_shown(m)) {
            view(s, m, v);
            return true;
        }
    }
    return false;
}

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    (void)now;
    return deadline_ms(p);
}

static void on_check(const void *p, const struct moment *now)
{
    (void)now;
    swim_check(p);
}

const struct protocol swim_protocol = {
    .message = on_message,
    .stored = on_stored,
    .tick = on_tick,
    .deadline_ms = on_deadline_ms,
    .check = on_check,
    .close = on_close,
};
