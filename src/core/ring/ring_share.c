/* ring_share.c: how many places each member gets.
 *
 * The ideal share is a water level: member m gets min(V, weight * level), where V, the number of
 * vnodes, is the cap of one place a vnode. A zone gets the sum over its members, but at least
 * zone_min * V and at most zone_max * V: those are exactly the totals for which a layout exists
 * (spread each member evenly over all vnodes: that fractional layout keeps every bound, and where a
 * fractional flow exists an integral one does).
 *
 * All is exact: a level is a fraction, places / weights. We take one level for all zones, look
 * which zones come out too large and which too small, and freeze those of one kind at their bound,
 * with a level of their own. If the excess outweighs the lack, the true common level can only be
 * higher, so what is too large stays so; and the other way round. Each round freezes a zone, so
 * there are at most zone_n rounds.
 *
 * An example: V = 8, N = 2, two zones, so each must have 8 of the 16 places. Zone x has a and b of
 * weight 1, zone y has c of weight 1. A common level gives each member 16 / 3, so x would have
 * 10 2/3: too large by 2 2/3; y would have 5 1/3: too small by as much. x is frozen at 8: a and b
 * get 4 each. In the next round y alone is left with the other 8, and c gets them, one in every
 * vnode.
 *
 * Rounding is ours to choose: members that had more places before than their share rounded down are
 * rounded up first, which saves a move each. */
#include "core/ring/ring_work.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

enum { SHARED = 0 }; /* the group of the zones that are not frozen; frozen zone z is group z + 1 */

struct part {
    uint64_t rest; /* the ideal share less share_min, in units of 1 / den of its group */
    uint16_t member;
    bool sticky; /* it had more than share_min in the layout before */
};

struct sharing {
    struct ring_work *w;
    uint16_t *group;    /* by zone */
    uint32_t *zone_min; /* by zone: bounds of its places; equal when it is frozen */
    uint32_t *zone_max;
    uint32_t *zone_sum; /* by zone: places given so far */
    uint64_t *scaled;   /* by member: ideal share * den of its group */
    bool *capped;       /* by member: it gets one place in every vnode */
    uint64_t *den;      /* by group: the denominator of its level */
    struct part *part;  /* the members whose ideal share is no whole number */
};

static bool in_group(const struct sharing *s, uint16_t m, uint16_t group)
{
    return s->group[s->w->zone[m]] == group;
}

/* One pass over a group: caps the members that the level lifts to V or above. Returns whether there
 * was one. */
static bool share_cap(struct sharing *s, uint16_t group, uint64_t *total, uint64_t *weights)
{
    const struct layout *l = s->w->next;
    uint64_t level_places = *total, level_weights = *weights;
    bool any = false;

    for (uint16_t m = 0; m < l->member_n; m++) {
        uint64_t weight = l->member[m].weight;
        if (!in_group(s, m, group) || s->capped[m] ||
            weight * level_places < l->vnodes * level_weights)
            continue;
        s->capped[m] = true;
        *total -= l->vnodes;
        *weights -= weight;
        any = true;
    }
    return any;
}

/* Spreads `total` places over the members of a group. */
static void share_fill(struct sharing *s, uint16_t group, uint64_t total)
{
    const struct layout *l = s->w->next;
    uint64_t weights = 0;

    for (uint16_t m = 0; m < l->member_n; m++) {
        if (!in_group(s, m, group))
            continue;
        s->capped[m] = false;
        weights += l->member[m].weight;
    }
    while (weights > 0 && share_cap(s, group, &total, &weights))
        ;
    uint64_t den = weights > 0 ? weights : 1;
    for (uint16_t m = 0; m < l->member_n; m++)
        if (in_group(s, m, group))
            s->scaled[m] = s->capped[m] ? l->vnodes * den : l->member[m].weight * total;
    s->den[group] = den;
}

/* The places of a zone under the common level, times den. */
static uint64_t zone_scaled(const struct sharing *s, uint16_t z)
{
    const struct ring_work *w = s->w;
    uint64_t sum = 0;

    for (uint16_t i = w->zone_first[z]; i < w->zone_first[z + 1]; i++)
        sum += s->scaled[w->zone_member[i]];
    return sum;
}

/* Freezes the zones that the common level puts outside their bounds, on the side that outweighs the
 * other. Returns the places that they take out of the common pot, 0 when there is none. */
static uint32_t share_freeze(struct sharing *s)
{
    uint64_t den = s->den[SHARED], excess = 0, lack = 0;
    uint32_t taken = 0;

    for (uint16_t z = 0; z < s->w->zone_n; z++) {
        uint64_t sum = s->group[z] == SHARED ? zone_scaled(s, z) : 0;
        if (sum > s->zone_max[z] * den)
            excess += sum - s->zone_max[z] * den;
        if (s->group[z] == SHARED && sum < s->zone_min[z] * den)
            lack += s->zone_min[z] * den - sum;
    }
    for (uint16_t z = 0; z < s->w->zone_n && excess + lack > 0; z++) {
        uint64_t sum = s->group[z] == SHARED ? zone_scaled(s, z) : 0;
        if (s->group[z] != SHARED ||
            (excess >= lack ? sum <= s->zone_max[z] * den : sum >= s->zone_min[z] * den))
            continue;
        s->group[z] = (uint16_t)(z + 1);
        s->zone_min[z] = s->zone_max[z] = excess >= lack ? s->zone_max[z] : s->zone_min[z];
        taken += s->zone_max[z];
    }
    return taken;
}

static void share_ideal(struct sharing *s)
{
    const struct layout *l = s->w->next;
    uint32_t common = (uint32_t)l->vnodes * l->n, taken;

    do {
        share_fill(s, SHARED, common);
        taken = share_freeze(s);
        common -= taken;
    } while (taken > 0);
    for (uint16_t z = 0; z < s->w->zone_n; z++)
        if (s->group[z] != SHARED)
            share_fill(s, s->group[z], s->zone_max[z]);
}

static int part_cmp(const void *a, const void *b)
{
    const struct part *p = a, *q = b;

    if (p->sticky != q->sticky)
        return p->sticky ? -1 : 1;
    if (p->rest != q->rest)
        return p->rest > q->rest ? -1 : 1;
    return (p->member > q->member) - (p->member < q->member);
}

/* Gives one more place to members with a fraction, in the order of part_cmp, while `left` lasts: in
 * zones below their minimum first, then wherever the zone's maximum allows. The fractions add up to
 * `left`, so it comes out even. */
static void share_round(struct sharing *s, unsigned part_n, uint32_t left)
{
    struct ring_work *w = s->w;

    qsort(s->part, part_n, sizeof *s->part, part_cmp);
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < part_n && left > 0; i++) {
            uint16_t m = s->part[i].member, z = w->zone[m];
            if (w->share[m] > w->share_min[m] ||
                s->zone_sum[z] >= (pass == 0 ? s->zone_min[z] : s->zone_max[z]))
                continue;
            w->share[m]++;
            s->zone_sum[z]++;
            left--;
        }
    }
    CHECK(left == 0);
}

/* Rounds the ideal shares down and up, lists the members where that differs, and decides for
 * them. */
static void share_bounds(struct sharing *s)
{
    struct ring_work *w = s->w;
    uint32_t left = (uint32_t)w->next->vnodes * w->next->n;
    unsigned part_n = 0;

    for (uint16_t m = 0; m < w->next->member_n; m++) {
        uint64_t den = s->den[s->group[w->zone[m]]], rest = s->scaled[m] % den;
        w->share_min[m] = w->share[m] = (uint32_t)(s->scaled[m] / den);
        w->share_max[m] = w->share_min[m] + (rest > 0);
        s->zone_sum[w->zone[m]] += w->share_min[m];
        left -= w->share_min[m];
        if (rest > 0)
            s->part[part_n++] =
                (struct part){.rest = rest, .member = m, .sticky = w->had_n[m] > w->share_min[m]};
    }
    share_round(s, part_n, left);
}

int ring_share(struct ring_work *w)
{
    size_t member_n = w->next->member_n;
    uint32_t vnodes = w->next->vnodes;
    struct sharing s = {.w = w};

    s.group = ring_take(w, member_n, sizeof *s.group);
    s.zone_min = ring_take(w, member_n, sizeof *s.zone_min);
    s.zone_max = ring_take(w, member_n, sizeof *s.zone_max);
    s.zone_sum = ring_take(w, member_n, sizeof *s.zone_sum);
    s.scaled = ring_take(w, member_n, sizeof *s.scaled);
    s.capped = ring_take(w, member_n, sizeof *s.capped);
    s.den = ring_take(w, member_n + 1, sizeof *s.den);
    s.part = ring_take(w, member_n, sizeof *s.part);
    if (w->failed)
        return ERR_NO_MEMORY;
    for (uint16_t z = 0; z < w->zone_n; z++) {
        s.zone_min[z] = ring_zone_min(w) * vnodes;
        s.zone_max[z] = ring_zone_max(w) * vnodes;
    }
    share_ideal(&s);
    share_bounds(&s);
    return 0;
}
