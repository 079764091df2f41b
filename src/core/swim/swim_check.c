/* swim_check.c: what must hold of one node's table at all times. (swim_member_move checks that
 * (incarnation, state) of a member never goes back; swim_packet_close, that a packet fits.)
 *
 * The simulator calls this after each step of a thousand nodes, so a large table is checked by a
 * window that moves on from call to call. */
#include "core/swim/swim_table.h"

#include "base/check.h"

enum { CHECK_ALL = 64, CHECK_WINDOW = 8 };

static void check_self(const struct swim *s)
{
    const struct swim_member *m = s->self;
    CHECK(m->state == MEMBER_ALIVE || m->state == MEMBER_LEFT); /* no node suspects itself */
    CHECK(m->verified && !m->sketch && m->list_at == SWIM_NOWHERE && m->timer_at == SWIM_NOWHERE);
    CHECK(s->submitted == 0 || s->submitted > m->incarnation);
    CHECK(s->raise_to >= s->submitted && s->raise_to <= INCARNATION_MAX);
    /* an incarnation that is wanted is on its way */
    CHECK(!s->ready || s->raise_to <= m->incarnation || s->submitted);
    CHECK(s->health <= SWIM_HEALTH_MAX);
}

static void check_bounds(const struct swim *s)
{
    uint32_t n = s->live.n + s->gone.n;
    CHECK(n <= s->cap || n == 0);
    CHECK(n < MEMBERS_MAX);
    CHECK(HASH_COUNT(s->by_id) == n + 1);
    CHECK(s->timer_n <= n && s->news_n <= n + 1 && s->hidden_n <= n);
    CHECK(s->live.cursor <= s->live.n && s->gone.cursor <= s->gone.n);
    CHECK(s->relay_n <= SWIM_RELAYS);
    CHECK((s->relay_n == 0) == (s->relay_ms == UINT64_MAX));
    CHECK(s->probe.phase != SWIM_DIRECT || s->probe.indirect_ms <= s->probe.end_ms);
}

static void check_timer(const struct swim *s, const struct swim_member *m)
{
    if (m->timer_at == SWIM_NOWHERE) {
        CHECK(m->state != MEMBER_SUSPECT);          /* a suspicion ends */
        CHECK(m->state < MEMBER_DEAD || m->pinned); /* and so does the memory of the gone */
        return;
    }
    CHECK(m->timer_at < s->timer_n && s->timer[m->timer_at] == m);
    CHECK(m->timer_at == 0 || s->timer[(m->timer_at - 1) / 2]->timer_ms <= m->timer_ms);
    /* the alive wait for nothing, strangers for an introduction */
    CHECK(m->state != MEMBER_ALIVE || !m->verified);
}

static void check_member(const struct swim *s, const struct swim_list *l, uint32_t i)
{
    const struct swim_member *m = l->m[i];
    CHECK(m->list_at == i && m != s->self && m->id != s->self->id);
    CHECK(swim_gone(m) == (l == &s->gone));
    CHECK(m->incarnation <= INCARNATION_MAX);
    CHECK(m->state == MEMBER_ALIVE || (m->accuser_n >= 1 && m->accuser_n <= SWIM_ACCUSERS));
    CHECK(!m->listed[SWIM_NEWS] || m->sends < SWIM_SENDS_MAX);
    CHECK(!m->named || m->text);
    CHECK(m->sketch || m->addr.family != 0);
    check_timer(s, m);
}

static void check_list(const struct swim *s, const struct swim_list *l, uint64_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n && i < l->n; i++)
        check_member(s, l, (uint32_t)((from + i) % l->n));
}

/* The sums that change along with the members, done again from scratch. */
static void check_sums(const struct swim *s)
{
    uint32_t news = 0, hidden = 0;
    for (unsigned sends = 0; sends < SWIM_SENDS_MAX; sends++)
        for (const struct swim_member *m = s->news[sends].first; m; m = m->next[SWIM_NEWS], news++)
            CHECK(m->sends == sends && m->listed[SWIM_NEWS]);
    for (uint32_t i = 0; i < s->live.n; i++)
        hidden += !swim_shown(s->live.m[i]);
    for (uint32_t i = 0; i < s->gone.n; i++)
        hidden += !swim_shown(s->gone.m[i]);
    CHECK(news == s->news_n);
    CHECK(hidden == s->hidden_n);
    CHECK(swim_table_hash(s) == s->hash);
}

void swim_check(const struct swim *s)
{
    bool all = s->live.n + s->gone.n <= CHECK_ALL;
    uint64_t from = s->counters.packets * CHECK_WINDOW;
    check_self(s);
    check_bounds(s);
    check_list(s, &s->live, from, all ? CHECK_ALL : CHECK_WINDOW);
    check_list(s, &s->gone, from, all ? CHECK_ALL : CHECK_WINDOW);
    if (all)
        check_sums(s);
}
