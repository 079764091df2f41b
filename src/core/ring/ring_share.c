/* ring_share.c: how many places each member gets.
 *
 * The problem. Of V vnodes each has N owners, so there are V * N places. Members should get them in
 * proportion to their weights, within two kinds of bounds. A member has at most one place in each
 * vnode, so at most V. A zone, which is a set of members, has from ring_zone_min to ring_zone_max
 * places in each vnode, so from V times the one to V times the other (ring_work.h).
 *
 * The ideal share of member m is min(V, weight * level). The level is the same for all members,
 * such that all places are given, unless that puts a zone outside its bounds. Such a zone gets just
 * its bound, and has a level of its own. For shares within these bounds a layout exists: spread
 * each member evenly over all vnodes. That layout is fractional and keeps every bound; and where a
 * fractional flow exists, an integral one does.
 *
 * All is exact: a level is a fraction, places / weights. A round computes the common level, and
 * sums up by how much zones are too large at it (the *excess*) and by how much zones are too small
 * (the *lack*). If the excess is no less than the lack, the zones that are too large are frozen at
 * their bound. The places that they give up can only raise the common level, at which they would be
 * too large all the more. If the lack is greater, the zones that are too small are frozen, for the
 * opposite reason. Each round but the last freezes a zone, so there are at most zone_n + 1 rounds.
 *
 * An example: V = 8 and N = 2, so there are 16 places. There are two zones, and each may have one
 * place in a vnode at most, so 8. Zone x has the members a and b, zone y has c, all of weight 1.
 *
 *     round   places   level    x: a and b          y: c
 *     1       16       16 / 3   10 2/3: too large   5 1/3
 *     2       8        8        frozen: 4 and 4     8: one place in every vnode
 *
 * At the end shares are rounded to whole numbers, some down and some up. A member that had more
 * places before than its share rounded down is rounded up first, which saves moving one. */
#include "core/ring/ring_work.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

enum { SHARED = 0 }; /* the group of the zones that are not frozen; frozen zone z is group z + 1 */

struct part {
    uint64_t rest; /* the fraction of its ideal share, in units of 1 / den of its group */
    uint16_t member;
    bool sticky; /* it had more places than share_min in the layout before */
};

struct sharing {
    struct ring_work *w;
    uint16_t *group;    /* by zone */
    uint32_t *zone_min; /* by zone: its least places in all vnodes; when frozen: its places */
    uint32_t *zone_max; /* by zone: its most places in all vnodes; when frozen: its places */
    uint32_t *zone_sum; /* by zone: places given so far */
    uint64_t *scaled;   /* by member: ideal share * den of its group */
    bool *capped;       /* by member: it gets one place in every vnode */
    uint64_t *den;      /* by group: the denominator of its level */
    struct part *part;  /* the members whose ideal share is not a whole number */
};

static bool in_group(const struct sharing *s, uint16_t m, uint16_t group)
{
    return s->group[s->w->zone[m]] == group;
}

/* One pass over a group: caps the members that would get V places or more at the level, and takes
 * them and their places out of the sums. Returns whether there was one. */
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

/* Spreads `total` places over the members of a group. To cap some raises the level of the others,
 * so it goes on until no more are capped. */
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

/* Freezes the zones that are too large at the common level, or those that are too small: whichever
 * are further outside their bounds in sum. Returns how many places the frozen zones have; 0: no
 * zone was frozen. */
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
 * zones below their minimum first, then wherever the zone's maximum allows. The fractions of all
 * members add up to `left`. Those of a zone add up to no more than its room below the maximum, and
 * to no more than there are such members in it. So all of `left` is given. */
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

/* Rounds the ideal shares down and up. Where the two differ, share_round decides between them. */
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
