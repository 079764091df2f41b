/* verdict.c: whether all is well, and if not, why.
 *
 * The problem. An operator who is woken at night asks one question first: can every key be read and
 * written? The failure detector alone cannot answer it. A member may gossip while its disk refuses
 * every write, while no stream to it can be opened, or while it answers nothing. And for the
 * seconds in which a death is only suspected, the refused connections already show it.
 *
 * The answer. An owner can be read from if it is alive, a stream to it can be had, and it lacks no
 * records; it can be written to if it is alive, can be reached, and its disk takes writes. A vnode
 * with R owners of the first sort is readable, with W owners of the second writable. (Gifford 1979:
 * quorums, here counted before they are needed.) All other facts make the verdict worse than
 * healthy without taking a key away.
 *
 *     N = 3, W = R = 2    a       b        c      readers  writers  verdict
 *                         fine    fine     full   3        2        degraded: no more node may die
 *                         fine    down     full   2        1        unavailable: not writable
 *                         fine    down     down   1        1        unavailable: neither
 *
 * Recovering members say in how many vnodes they are, not in which. A vnode that is readable only
 * with owners that are recovering somewhere is therefore counted as unreadable, but no more of them
 * than these members are recovering in together: the verdict says "at most", and rather too many
 * than too few. */
#include "core/node/verdict.h"

/* The rows of the verdict: which fact, and what it makes of the verdict while every key reads and
 * writes. */
static const struct {
    enum fact fact;
    enum verdict verdict;
} rows[REASONS] = {
    [REASON_DOWN] = {FACT_DOWN, VERDICT_DEGRADED},
    [REASON_CUT] = {FACT_CUT, VERDICT_DEGRADED},
    [REASON_FAILS] = {FACT_FAILS, VERDICT_DEGRADED},
    [REASON_FULL] = {FACT_FULL, VERDICT_DEGRADED},
    [REASON_MUTE] = {FACT_MUTE, VERDICT_DEGRADED},
    [REASON_RECOVERS] = {FACT_RECOVERS, VERDICT_DEGRADED},
    [REASON_OWES] = {FACT_OWES, VERDICT_DEGRADED},
    [REASON_FEW] = {0, VERDICT_DEGRADED},
    [REASON_CLOCK] = {0, VERDICT_DEGRADED},
    [REASON_FORMING] = {0, VERDICT_CHANGING},
    [REASON_BEHIND] = {FACT_BEHIND, VERDICT_CHANGING},
};

enum {
    NOT_THERE = FACT_DOWN | FACT_CUT,
    NO_WRITES = NOT_THERE | FACT_FAILS | FACT_FULL | FACT_MUTE,
    NO_PART = NO_WRITES | FACT_RECOVERS,
};

/* Of a member that is down nothing else is known: what it reported before is past. */
static uint8_t facts_of(const struct verdict_member *m)
{
    return m->facts & FACT_DOWN ? FACT_DOWN : m->facts;
}

/* A vnode's owners of each sort. */
struct owners {
    unsigned there;   /* that can be reached */
    unsigned readers; /* that can be reached, and lack no records */
    unsigned writers; /* that can be reached, and take writes */
    unsigned healthy; /* that are all of it */
};

static struct owners count_owners(const struct layout *l, const struct verdict_member *member,
                                  size_t vnode)
{
    struct owners o = {0};
    for (unsigned i = 0; i < l->n; i++) {
        uint8_t facts = facts_of(&member[l->owner[vnode * l->n + i]]);
        o.there += !(facts & NOT_THERE);
        o.readers += !(facts & (NOT_THERE | FACT_RECOVERS));
        o.writers += !(facts & NO_WRITES);
        o.healthy += !(facts & NO_PART);
    }
    return o;
}

static unsigned beyond(unsigned have, unsigned need)
{
    return have > need ? have - need : 0;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void judge_vnodes(const struct layout *l, const struct verdict_member *member,
                         struct status_info *s)
{
    unsigned may_die = l->n;
    uint64_t doubtful = 0, recovering = 0;
    for (unsigned m = 0; m < l->member_n; m++)
        recovering += facts_of(&member[m]) & FACT_RECOVERS ? member[m].recovering : 0;
    for (size_t v = 0; v < l->vnodes; v++) {
        struct owners o = count_owners(l, member, v);
        s->degraded += o.healthy < l->n;
        s->unwritable += o.writers < l->w;
        s->unreadable += o.there < l->r;
        doubtful += o.there >= l->r && o.readers < l->r;
        may_die = least(may_die, least(beyond(o.readers, l->r), beyond(o.writers, l->w)));
    }
    s->unreadable += (uint32_t)(doubtful < recovering ? doubtful : recovering);
    s->may_die = (uint8_t)may_die;
}

static void note(struct status_reason *r, const struct verdict_member *m)
{
    if (m->self || r->n == 0) {
        r->self = m->self;
        r->name = m->name;
    }
    r->n++;
}

static void find_reasons(const struct layout *l, const struct verdict_member *member,
                         struct status_info *s)
{
    for (unsigned m = 0; m < l->member_n; m++)
        for (unsigned i = 0; i < REASONS; i++)
            if (facts_of(&member[m]) & rows[i].fact)
                note(&s->reason[i], &member[m]);
    s->reason[REASON_FEW].n = l->n < l->n_wanted;
    s->reason[REASON_CLOCK].n = s->ahead;
    s->reason[REASON_FORMING].n = s->forming;
}

void verdict_judge(const struct layout *l, const struct verdict_member *member, bool ready,
                   struct status_info *s)
{
    s->verdict = VERDICT_LOADING;
    if (!l)
        return;
    s->epoch = l->epoch;
    s->n_wanted = l->n_wanted;
    s->n = l->n;
    s->w = l->w;
    s->r = l->r;
    s->members = l->member_n;
    s->vnodes = l->vnodes;
    judge_vnodes(l, member, s);
    find_reasons(l, member, s);
    s->alive = (uint16_t)(l->member_n - s->reason[REASON_DOWN].n);
    s->recoverers = s->reason[REASON_RECOVERS].n;
    if (!ready)
        return;
    s->verdict = s->unreadable || s->unwritable ? VERDICT_UNAVAILABLE : VERDICT_HEALTHY;
    for (unsigned i = 0; i < REASONS; i++)
        if (s->reason[i].n && rows[i].verdict > s->verdict)
            s->verdict = rows[i].verdict;
}
