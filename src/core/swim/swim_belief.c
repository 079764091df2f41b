/* swim_belief.c: which message about a member overrides which (SWIM paper, section 4.2; Lifeguard,
 * "local health aware suspicion").
 *
 *              suspect >= own, silence           time, dead >= own
 *      ALIVE -------------------------> SUSPECT ------------------> DEAD ---> forgotten in a day,
 *       ^ |                                |                         |        unless pinned
 *       | |           alive > own          |                         |
 *       '-|--------------------------------+-------------------------+-- LEFT
 *         '----- dead >= own: DEAD; its own goodbye: LEFT
 *
 * "own" is the incarnation that we know of the member. In full, where i and j are incarnations:
 *
 *   alive(i)    overrides  alive(j), suspect(j), dead(j), left(j)   when i > j
 *   suspect(i)  overrides  alive(j) when i >= j, suspect(j) when i > j
 *   dead(i)     overrides  alive(j), suspect(j) when i >= j
 *   left(i)     overrides  alive(j), suspect(j), dead(j) when i >= j
 *
 * Only its subject raises an incarnation, so an alive that is higher proves that it knew of the
 * accusation and was alive after it.
 *
 * Where other implementations went wrong, and we differ:
 *  - A death or a suspicion of a member that is gone already still raises the incarnation that we
 *    know of it. If it were dropped, a stale alive between the two would resurrect the dead.
 *  - A table (push-pull) repeats deaths that may be long refuted: they count as suspicions, which
 *    their subject can answer. A goodbye is final, for its subject sent it.
 *  - An id known by hearsay alone is not believed in until it answered (swim_table.c). Such a
 *    member is not passed on, and when it does not answer it is dropped (or, if a stream to it was
 *    up once, becomes DEAD), and nothing is gossiped about it.
 *  - A number that cannot be true is not believed, whatever it says (swim_bound.c).
 *  - A death of an unknown member is not remembered: it would fill the table with the forgotten.
 *
 * A suspicion lasts between min = 4 * max(1, log10 N) periods and 6 * min. It begins at the maximum
 * and comes down to max(min, max - (max - min) * ln(C + 1) / ln(K + 1)) with C independent accusers
 * besides the first: a node that is itself sick, and therefore alone with its accusation, waits
 * longest. Where N - 2 < K there are not enough possible accusers: it lasts for min. */
#include "core/swim/swim_belief.h"

#include "base/check.h"
#include "core/swim/swim_gossip.h"
#include "core/swim/swim_meet.h"
#include "core/swim/swim_self.h"
#include "core/swim/swim_sync.h"

void swim_announce(struct swim *s, struct swim_member *m)
{
    if (swim_shown(m) && !m->listed[SWIM_CHANGED])
        swim_queue_push(&s->changed, SWIM_CHANGED, m);
}

static void trace_member(struct swim *s, enum trace_kind kind, const struct swim_member *m,
                         uint64_t b)
{
    swim_trace(s, kind, m->id, m->incarnation, b, swim_name(m));
}

/* A change that this node stands by goes to the others by gossip, and to the rest of the node. */
static void publish(struct swim *s, struct swim_member *m, enum trace_kind kind, uint64_t b)
{
    if (!swim_shown(m))
        return;
    swim_announce(s, m);
    swim_gossip_news(s, m);
    trace_member(s, kind, m, b);
}

/* ---- Suspicion times: integer logarithms, so that every machine computes the same ---- */

/* 1000 * log10(n), from the first digit, with a straight line up to the next: at most 4 % of a
 * decade off. */
static uint32_t log10_milli(uint32_t n)
{
    static const uint32_t table[] = {0, 0, 301, 477, 602, 699, 778, 845, 903, 954, 1000};
    uint32_t decades = 0, unit = 1;
    for (; n / unit >= 10; unit *= 10)
        decades += 1000;
    uint32_t digit = n / unit, rest = n % unit;
    return decades + table[digit] + (table[digit + 1] - table[digit]) * rest / unit;
}

uint64_t swim_suspicion_ms(uint32_t period_ms, uint32_t n, unsigned confirmations)
{
    /* 1000 * ln(i + 1) */
    static const uint64_t ln_milli[] = {0, 693, 1099, 1386, 1609, 1792, 1946, 2079, 2197};
    CHECK(SWIM_CONFIRMATIONS < sizeof ln_milli / sizeof *ln_milli);
    uint32_t decades = log10_milli(n);
    uint64_t min =
        (uint64_t)SWIM_SUSPICION_MULT * period_ms * (decades < 1000 ? 1000 : decades) / 1000;
    uint64_t max = SWIM_SUSPICION_MAX * min;
    if (n < SWIM_CONFIRMATIONS + 2 || confirmations >= SWIM_CONFIRMATIONS)
        return min;
    uint64_t cut = (max - min) * ln_milli[confirmations] / ln_milli[SWIM_CONFIRMATIONS];
    return max - cut > min ? max - cut : min;
}

static void suspicion_timer(struct swim *s, struct swim_member *m)
{
    swim_timer_set(s, m,
                   m->suspected_ms +
                       swim_suspicion_ms(s->times.period_ms, swim_n(s), m->accuser_n - 1u));
}

/* ---- Alive ---- */

static bool well_formed(const struct msg_alive *a)
{
    return a->member != 0 && (a->addr.family == 4 || a->addr.family == 6) && a->addr.port != 0 &&
           a->name.n <= NODE_NAME_MAX && a->meta.n <= META_MAX;
}

static bool differs(const struct swim_member *m, const struct msg_alive *a)
{
    return !addr_eq(m->addr, a->addr) || !slice_eq(swim_name(m), a->name) ||
           !slice_eq(swim_meta(m), a->meta);
}

/* An alive of ourselves that we did not send: of a life that this node does not remember (its disk
 * was lost or rolled back), or of another process with our id. */
static void alive_of_self(struct swim *s, const struct msg_alive *a)
{
    const struct swim_member *self = s->self;
    if (a->incarnation > self->incarnation ||
        (a->incarnation == self->incarnation && s->ready && differs(self, a)))
        swim_self_raise(s, a->incarnation);
}

/* Whether an alive says more than we know. A sketch has nothing yet that an alive of the same
 * incarnation could contradict. */
static bool is_news(const struct swim_member *m, const struct msg_alive *a)
{
    return a->incarnation > m->incarnation ||
           (a->incarnation == m->incarnation && m->sketch && !swim_gone(m));
}

static void adopt_alive(struct swim *s, struct swim_member *m, const struct msg_alive *a)
{
    bool direct = s->source.id == m->id;
    bool returned = swim_gone(m);
    bool moved = !m->sketch && !addr_eq(m->addr, a->addr);
    m->addr = a->addr;
    m->sketch = false;
    /* the same incarnation completes a sketch, it does not refute a suspicion */
    if (a->incarnation > m->incarnation || m->state == MEMBER_ALIVE)
        swim_member_move(s, m, MEMBER_ALIVE, a->incarnation);
    if (direct)
        swim_member_trust(s, m);
    if (m->verified)
        publish(s, m, moved && !returned ? TRACE_MEMBER_MOVED : TRACE_MEMBER_ALIVE, 0);
    else
        swim_meet_soon(s, m);
    if (returned && direct)
        swim_sync_with(s, m); /* a half of the cluster may be back with it */
}

bool swim_on_alive(struct swim *s, const struct msg_alive *a)
{
    if (!well_formed(a))
        return false;
    bool own = s->source.id == a->member;
    if (own)
        s->source.introduced = true;
    if (a->member == s->self->id) {
        alive_of_self(s, a);
        return true;
    }
    struct swim_member *m = swim_member(s, a->member);
    if (!m)
        m = swim_member_add(s, a->member, a->incarnation);
    if (!m) {
        s->counters.dropped++;
        return true;
    }
    if (is_news(m, a)) {
        if (swim_member_describe(s, m, a->name, a->meta))
            adopt_alive(s, m, a);
    } else if (own && (a->incarnation < m->incarnation || (!swim_gone(m) && differs(m, a)))) {
        s->source.behind = true;
    }
    return true;
}

void swim_believe_answer(struct swim *s, struct swim_member *m)
{
    if (m->verified || m->sketch || swim_gone(m))
        return;
    swim_member_trust(s, m);
    publish(s, m, m->state == MEMBER_ALIVE ? TRACE_MEMBER_ALIVE : TRACE_MEMBER_SUSPECT, 0);
}

/* ---- Suspicion ---- */

static void suspicion_begin(struct swim *s, struct swim_member *m, uint64_t incarnation,
                            uint64_t accuser)
{
    swim_member_move(s, m, MEMBER_SUSPECT, incarnation);
    m->accuser[0] = accuser;
    m->accuser_n = 1;
    m->suspected_ms = s->now_ms;
    suspicion_timer(s, m);
    publish(s, m, TRACE_MEMBER_SUSPECT, accuser);
}

static void suspicion_confirm(struct swim *s, struct swim_member *m, uint64_t accuser)
{
    for (unsigned i = 0; i < m->accuser_n; i++)
        if (m->accuser[i] == accuser)
            return;
    if (m->accuser_n == SWIM_ACCUSERS)
        return;
    m->accuser[m->accuser_n++] = accuser;
    suspicion_timer(s, m);
    swim_gossip_news(s, m);
}

void swim_on_suspect(struct swim *s, uint64_t id, uint64_t incarnation, uint64_t accuser,
                     bool counts)
{
    if (id == s->self->id) {
        swim_self_accused(s, incarnation, accuser);
        return;
    }
    struct swim_member *m = swim_member(s, id);
    if (!m || incarnation < m->incarnation)
        return;
    if (swim_gone(m) || !m->verified)
        swim_member_move(s, m, m->state, incarnation); /* the incarnation alone is remembered */
    else if (m->state == MEMBER_ALIVE || incarnation > m->incarnation)
        suspicion_begin(s, m, incarnation, accuser);
    else if (counts)
        suspicion_confirm(s, m, accuser);
}

/* ---- Death ---- */

static void die(struct swim *s, struct swim_member *m, uint64_t incarnation, uint64_t accuser)
{
    bool left = accuser == m->id;
    swim_member_move(s, m, left ? MEMBER_LEFT : MEMBER_DEAD, incarnation);
    m->accuser[0] = accuser;
    m->accuser_n = 1;
    s->any_death |= !left;
    s->death_ms = left ? s->death_ms : s->now_ms;
    publish(s, m, left ? TRACE_MEMBER_LEFT : TRACE_MEMBER_DEAD, left ? 0 : accuser);
}

void swim_on_dead(struct swim *s, uint64_t id, uint64_t incarnation, uint64_t accuser)
{
    if (id == s->self->id) {
        swim_self_accused(s, incarnation, accuser);
        return;
    }
    struct swim_member *m = swim_member(s, id);
    if (!m || incarnation < m->incarnation)
        return;
    if (!swim_shown(m))
        swim_member_drop(s, m); /* hearsay against hearsay */
    else if (!swim_gone(m) || (accuser == id && m->state == MEMBER_DEAD))
        die(s, m, incarnation, accuser);
    else if (incarnation > m->incarnation)
        swim_member_move(s, m, m->state, incarnation);
}

void swim_believe_silence(struct swim *s, struct swim_member *m)
{
    if (!swim_shown(m) &&
        m->met) /* then it is pinged like all dead: it may be our way to the rest */
        die(s, m, m->incarnation, s->self->id);
    else if (!swim_shown(m))
        swim_member_drop(s, m); /* hearsay that nobody could confirm */
    else if (m->state == MEMBER_ALIVE)
        suspicion_begin(s, m, m->incarnation, s->self->id);
    else
        suspicion_confirm(s, m, s->self->id);
}

void swim_believe_death(struct swim *s, struct swim_member *m)
{
    CHECK(m->state == MEMBER_SUSPECT);
    die(s, m, m->incarnation, s->self->id);
}

void swim_forget(struct swim *s, struct swim_member *m)
{
    trace_member(s, TRACE_MEMBER_FORGOTTEN, m, 0);
    swim_member_drop(s, m);
}
