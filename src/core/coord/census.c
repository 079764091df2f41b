/* census.c: see census.h. Part of the coordinator: it uses its layout, its members and its
 * clock. */
#include "core/coord/census.h"

#include "base/check.h"
#include "core/coord/coord.h"
#include "core/coord/coord_op.h"
#include "wire/bytes.h"

#include <stdlib.h>

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

/* Clears the table for a new census; all who wait are served by it. 0 or ERR_NO_MEMORY. */
static int census_begin(struct coord *c)
{
    struct census *s = &c->census;
    const struct layout *l = c->now->layout;
    free(s->live);
    free(s->known);
    s->live = calloc(l->vnodes, sizeof *s->live);
    s->known = calloc(l->vnodes, 1);
    if (!s->live || !s->known)
        return ERR_NO_MEMORY;
    s->running = true;
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
    if (s->waiting_n == CENSUS_WAITERS) {
        reply(token, ERR_BUSY, 0, out);
        return;
    }
    s->waiting[s->waiting_n++] = token;
}

void census_restart(struct coord *c)
{
    c->census.running = false; /* the next tick begins anew, for the same waiters */
    c->census.served = 0;
}

void census_member(struct coord *c, const struct member *who)
{
    if (c->census.running) /* the next tick ends it, if that was the last */
        asked_lose(&c->census.asked, layout_find(c->now->layout, who->id), who);
}

/* Answers the first `served` of those who wait, or as many of them as fit the step. Returns how
 * many. */
static unsigned answer(struct census *s, unsigned served, int error, uint64_t total,
                       struct out *out)
{
    unsigned n = served < CENSUS_SLICE ? served : CENSUS_SLICE;
    for (unsigned i = 0; i < n; i++)
        reply(s->waiting[i], error, total, out);
    s->waiting_n -= n;
    memmove(s->waiting, s->waiting + n, s->waiting_n * sizeof s->waiting[0]);
    return n;
}

/* Ends the census: those who were served and do not fit this step are answered at the next tick. */
static void census_finish(struct coord *c, struct out *out)
{
    struct census *s = &c->census;
    uint64_t total = 0;
    int error = 0;
    for (unsigned v = 0; v < c->now->layout->vnodes; v++) {
        total += s->live[v];
        if (!s->known[v])
            error = ERR_NO_QUORUM;
    }
    s->served -= answer(s, s->served, error, total, out);
    s->running = s->served > 0;
}

static bool all_in(const struct coord *c)
{
    return c->census.next == c->census.asked.n && c->census.asked.open == 0;
}

void census_answer(struct coord *c, uint64_t number, uint64_t from, int error, struct slice counts,
                   struct out *out)
{
    struct census *s = &c->census;
    if (!s->running || number != s->number ||
        !asked_answered(&s->asked, layout_find(c->now->layout, from)))
        return;
    for (uint16_t v = 0;
         !error && v < c->now->layout->vnodes && counts.n == (size_t)c->now->layout->vnodes * 4;
         v++) {
        if (!layout_owns(c->now->layout, v, from))
            continue;
        uint32_t live = get_u32(counts.p + (size_t)v * 4);
        if (live > s->live[v])
            s->live[v] = live;
        s->known[v] = 1;
    }
    if (all_in(c))
        census_finish(c, out);
}

static void ask(struct coord *c, uint16_t m, struct out *out)
{
    struct census *s = &c->census;
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

void census_tick(struct coord *c, struct out *out)
{
    struct census *s = &c->census;
    if (!s->running && (s->waiting_n == 0 || !c->now->layout))
        return;
    if (!s->running && census_begin(c)) {
        /* to wait for memory would be to try again at once, for ever */
        answer(s, s->waiting_n, ERR_NO_MEMORY, 0, out);
        return;
    }
    for (unsigned n = 0; n < CENSUS_SLICE && s->next < s->asked.n; n++)
        ask(c, s->next++, out);
    if (all_in(c) || c->now->ms >= s->started_ms + CENSUS_MS)
        census_finish(c, out);
}

uint64_t census_deadline_ms(const struct coord *c, const struct moment *now)
{
    const struct census *s = &c->census;
    if (s->waiting_n == 0 || !now->layout)
        return UINT64_MAX;
    if (!s->running || s->next < s->asked.n || s->asked.open == 0)
        return now->ms;
    return s->started_ms + CENSUS_MS;
}
