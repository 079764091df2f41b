/* census.c: see census.h. */
#include "core/coord/census.h"

#include "base/check.h"
#include "base/phase.h"
#include "core/coord/coord.h"
#include "core/coord/coord_op.h"
#include "wire/bytes.h"

#include <stdlib.h>

static const uint32_t next[] = {
    [CENSUS_REST] = PHASE(CENSUS_ASKING),
    [CENSUS_ASKING] = PHASE(CENSUS_REPLYING) | PHASE(CENSUS_REST),
    [CENSUS_REPLYING] = PHASE(CENSUS_REST),
};

void census_close(struct census *s)
{
    free(s->live);
    free(s->known);
    *s = (struct census){0};
}

static void reply(uint64_t token, int error, uint64_t count, struct out *out)
{
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){
        .token = token, .kind = OP_COUNT, .error = error, .count = count, .needed = 1};
}

/* Begins a census for all requests that wait. 0 or ERR_NO_MEMORY. */
static int census_begin(struct coord *c)
{
    struct census *s = &c->census;
    const struct layout *l = c->now->layout;
    CHECK(s->waiting_n > 0 && s->served == 0);
    free(s->live);
    free(s->known);
    s->live = calloc(l->vnodes, sizeof *s->live);
    s->known = calloc(l->vnodes, 1);
    if (!s->live || !s->known)
        return ERR_NO_MEMORY;
    phase_enter(&s->phase, CENSUS_ASKING, next);
    s->number++;
    s->started_ms = c->now->ms;
    s->next = 0;
    asked_begin(&s->asked, s->member, l->member_n);
    s->served = s->waiting_n;
    return 0;
}

void census_request(struct coord *c, uint64_t token, struct out *out)
{
    struct census *s = &c->census;
    CHECK(s->waiting_n <= CENSUS_WAITERS);
    if (s->waiting_n == CENSUS_WAITERS) {
        reply(token, ERR_BUSY, 0, out);
        return;
    }
    s->waiting[s->waiting_n++] = token;
}

void census_restart(struct coord *c)
{
    if (c->census.phase != CENSUS_REST)
        phase_enter(&c->census.phase, CENSUS_REST, next);
    c->census.served = 0;
}

void census_member(struct coord *c, const struct member *m)
{
    if (c->census.phase == CENSUS_ASKING) /* the next tick ends it, if that was the last */
        asked_lose(&c->census.asked, layout_find(c->now->layout, m->id), m);
}

/* Answers the first n requests, or as many of them as one step may. Returns how many. */
static unsigned answer(struct census *s, unsigned n, int error, uint64_t total, struct out *out)
{
    CHECK(n <= s->waiting_n);
    n = n < CENSUS_SLICE ? n : CENSUS_SLICE;
    for (unsigned i = 0; i < n; i++)
        reply(s->waiting[i], error, total, out);
    s->waiting_n -= n;
    memmove(s->waiting, s->waiting + n, s->waiting_n * sizeof s->waiting[0]);
    return n;
}

/* Answers the requests that the census was for. Those that do not fit this step are answered at the
 * next tick. */
static void answer_served(struct coord *c, struct out *out)
{
    struct census *s = &c->census;
    uint64_t total = 0;
    int error = 0;
    CHECK(s->phase == CENSUS_REPLYING && s->served > 0);
    for (unsigned v = 0; v < c->now->layout->vnodes; v++) {
        total += s->live[v];
        if (!s->known[v])
            error = ERR_NO_QUORUM;
    }
    s->served -= answer(s, s->served, error, total, out);
    if (s->served == 0)
        phase_enter(&s->phase, CENSUS_REST, next);
}

static void finish(struct coord *c, struct out *out)
{
    phase_enter(&c->census.phase, CENSUS_REPLYING, next);
    answer_served(c, out);
}

static bool all_in(const struct census *s)
{
    return s->next == s->asked.n && s->asked.open == 0;
}

/* Takes over what a member counted in the vnodes that it owns. */
static void take_counts(struct coord *c, uint64_t from, struct slice counts)
{
    struct census *s = &c->census;
    const struct layout *l = c->now->layout;
    if (counts.n != (size_t)l->vnodes * 4)
        return;
    for (uint16_t v = 0; v < l->vnodes; v++) {
        if (!layout_owns(l, v, from))
            continue;
        uint32_t live = get_u32(counts.p + (size_t)v * 4);
        s->live[v] = live > s->live[v] ? live : s->live[v];
        s->known[v] = 1;
    }
}

void census_answer(struct coord *c, uint64_t number, uint64_t from, int error, struct slice counts,
                   struct out *out)
{
    struct census *s = &c->census;
    if (s->phase != CENSUS_ASKING || number != s->number ||
        !asked_answered(&s->asked, layout_find(c->now->layout, from)))
        return;
    if (!error)
        take_counts(c, from, counts);
    if (all_in(s))
        finish(c, out);
}

static void ask(struct coord *c, uint16_t m, struct out *out)
{
    struct census *s = &c->census;
    CHECK(s->phase == CENSUS_ASKING && !asked_is(&s->asked, m, ASKED_DONE));
    const struct member *p = coord_member(c, c->now->layout->member[m].id);
    if (!member_reachable(p, c->now->ms))
        return;
    asked_ask(&s->asked, m, p);
    if (p->self) {
        struct action *a = out_add(out, ACT_STORE_COUNT);
        a->count.token = TOKEN(TOKEN_COORD, s->number);
        a->count.wall_ms = c->now->believed_ms;
        return;
    }
    struct message *q = out_send(out, p->id, p->addr, MSG_COUNT);
    q->count =
        (struct msg_count){.op = TOKEN(TOKEN_COORD, s->number), .epoch = c->now->layout->epoch};
}

static void ask_some(struct coord *c, struct out *out)
{
    struct census *s = &c->census;
    for (unsigned n = 0; n < CENSUS_SLICE && s->next < s->asked.n; n++)
        ask(c, s->next++, out);
    if (all_in(s) || c->now->ms >= s->started_ms + CENSUS_MS)
        finish(c, out);
}

void census_tick(struct coord *c, struct out *out)
{
    struct census *s = &c->census;
    if (s->waiting_n == 0 || !c->now->layout)
        return;
    if (s->phase == CENSUS_REPLYING)
        answer_served(c, out);
    else if (s->phase == CENSUS_REST && census_begin(c))
        /* to wait for memory would be to try again at once, for ever */
        answer(s, s->waiting_n, ERR_NO_MEMORY, 0, out);
    else
        ask_some(c, out);
}

uint64_t census_deadline_ms(const struct coord *c, const struct moment *now)
{
    const struct census *s = &c->census;
    if (s->waiting_n == 0 || !now->layout)
        return UINT64_MAX;
    bool waits = s->phase == CENSUS_ASKING && s->next == s->asked.n && s->asked.open > 0;
    return waits ? s->started_ms + CENSUS_MS : now->ms;
}

void census_check(const struct coord *c)
{
    const struct census *s = &c->census;
    asked_check(&s->asked);
    CHECK(s->served <= s->waiting_n && s->waiting_n <= CENSUS_WAITERS);
    CHECK((s->phase == CENSUS_REST) == (s->served == 0));
    CHECK(s->phase == CENSUS_REST || (s->live && s->known));
    CHECK(s->phase == CENSUS_REST || s->asked.n == c->now->layout->member_n);
    CHECK(s->next <= s->asked.n && s->asked.open + s->asked.done <= s->asked.n);
}
