/* core_ring_test.c: properties of computed layouts over random clusters and random histories of
 * them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "core/ring/ring.h"

enum { CLUSTER_MAX = 200, CLUSTER_ZONES = 5 };

/* A cluster as its operators see it; layouts are computed from it. */
struct cluster {
    struct layout_member member[CLUSTER_MAX];
    uint16_t member_n;
    uint8_t zone_n;
    uint64_t next_id;
    struct rng rng;
};

static void cluster_add(struct cluster *c)
{
    struct layout_member *m = &c->member[c->member_n++];

    *m = (struct layout_member){.id = c->next_id,
                                .zone_n = 1,
                                .weight = (uint16_t)(1 + rng_below(&c->rng, RING_WEIGHT_MAX))};
    c->next_id += 1 + rng_below(&c->rng, 1000);
    m->zone[0] = (uint8_t)('a' + rng_below(&c->rng, c->zone_n));
}

static void cluster_remove(struct cluster *c, uint64_t i)
{
    c->member[i] = c->member[--c->member_n];
}

static void cluster_init(struct cluster *c, uint64_t seed, uint16_t member_n, uint8_t zone_n)
{
    memset(c, 0, sizeof *c);
    rng_init(&c->rng, seed);
    c->next_id = 1;
    c->zone_n = zone_n;
    while (c->member_n < member_n)
        cluster_add(c);
}

static void cluster_layout(const struct cluster *c, const struct layout *prev, uint8_t n_wanted,
                           uint16_t vnodes, struct layout *out)
{
    struct ring_change change = {.prev = prev, .member = c->member, .member_n = c->member_n};

    change.n_wanted = n_wanted;
    change.vnodes = vnodes;
    layout_init(out);
    assert_int_equal(ring_compute(&change, out), 0);
}

/* ---- An independent account of ideal shares: levels found by bisection, in floating point ---- */

static double zone_at(const struct layout *l, uint8_t zone, double level)
{
    double sum = 0;

    for (uint16_t m = 0; m < l->member_n; m++) {
        double share = l->member[m].weight * level;
        if (l->member[m].zone[0] == zone)
            sum += share < l->vnodes ? share : l->vnodes;
    }
    return sum;
}

static double bisect(const struct layout *l, double total,
                     double (*places)(const struct layout *, double, const void *), const void *arg)
{
    double low = 0, high = 1 << 20;

    for (int i = 0; i < 100; i++) {
        double mid = (low + high) / 2;
        if (places(l, mid, arg) < total)
            low = mid;
        else
            high = mid;
    }
    return high;
}

struct bounds {
    uint8_t zone; /* for one zone */
    double min, max;
    bool present[256];
};

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double all_zones_at(const struct layout *l, double level, const void *arg)
{
    const struct bounds *b = arg;
    double sum = 0;

    for (unsigned z = 0; z < 256; z++)
        if (b->present[z])
            sum += clamp(zone_at(l, (uint8_t)z, level), b->min, b->max);
    return sum;
}

static double one_zone_at(const struct layout *l, double level, const void *arg)
{
    return zone_at(l, ((const struct bounds *)arg)->zone, level);
}

static void ideal_shares(const struct layout *l, double *ideal)
{
    struct bounds b = {0};
    unsigned zones = 0;

    for (uint16_t m = 0; m < l->member_n; m++) {
        zones += !b.present[l->member[m].zone[0]];
        b.present[l->member[m].zone[0]] = true;
    }
    b.min = zones < l->n ? l->vnodes : 0;
    b.max = (zones < l->n ? l->n - zones + 1.0 : 1.0) * l->vnodes;
    double common = bisect(l, (double)l->vnodes * l->n, all_zones_at, &b);
    for (unsigned z = 0; z < 256; z++) {
        double level = common, natural = zone_at(l, (uint8_t)z, common),
               places = clamp(natural, b.min, b.max);
        if (!b.present[z])
            continue;
        b.zone = (uint8_t)z;
        if (places != natural)
            level = bisect(l, places, one_zone_at, &b);
        for (uint16_t m = 0; m < l->member_n; m++)
            if (l->member[m].zone[0] == z)
                ideal[m] = clamp(l->member[m].weight * level, 0, l->vnodes);
    }
}

/* ---- Properties ---- */

static void assert_shares(const struct layout *l)
{
    double ideal[CLUSTER_MAX];
    uint32_t places, firsts, total = 0;

    ideal_shares(l, ideal);
    for (uint16_t m = 0; m < l->member_n; m++) {
        ring_places(l, m, &places, &firsts);
        assert_true(places > ideal[m] - 1.001 && places < ideal[m] + 1.001);
        assert_true(firsts >= places / l->n && firsts <= (places + l->n - 1u) / l->n);
        total += places;
    }
    assert_int_equal(total, (uint32_t)l->vnodes * l->n);
}

static bool same_zone(const struct layout *l, uint16_t a, uint16_t b)
{
    return l->member[a].zone[0] == l->member[b].zone[0];
}

static void assert_distinct(const struct layout *l)
{
    bool present[256] = {false};
    unsigned zones = 0;

    for (uint16_t m = 0; m < l->member_n; m++) {
        zones += !present[l->member[m].zone[0]];
        present[l->member[m].zone[0]] = true;
    }
    for (uint16_t v = 0; v < l->vnodes; v++) {
        unsigned distinct = 0;
        for (unsigned i = 0; i < l->n; i++) {
            bool seen = false;
            for (unsigned j = 0; j < i; j++) {
                assert_true(layout_owner(l, v, i)->id != layout_owner(l, v, j)->id);
                seen = seen || layout_owner(l, v, i)->zone[0] == layout_owner(l, v, j)->zone[0];
            }
            distinct += !seen;
        }
        assert_int_equal(distinct, zones < l->n ? zones : l->n);
    }
}

/* No cycle of exchanges "in vnode v, b instead of a" saves a move: the layout has the fewest moves
 * for its shares. Exchanges between zones are left out where there are several: their bounds could
 * forbid two of them in one vnode. (Floyd and Warshall.) */
static void assert_fewest_moves(const struct layout *prev, const struct layout *next)
{
    enum { FAR = 1000000 };
    static int cost[CLUSTER_MAX][CLUSTER_MAX];
    uint16_t n = next->member_n;
    bool zones = false;

    for (uint16_t a = 0; a < n; a++) {
        zones = zones || !same_zone(next, 0, a);
        for (uint16_t b = 0; b < n; b++)
            cost[a][b] = FAR;
    }
    for (uint16_t v = 0; v < next->vnodes; v++) {
        for (unsigned i = 0; i < next->n; i++) {
            uint16_t a = next->owner[(size_t)v * next->n + i];
            int saved = !layout_owns(prev, v, next->member[a].id);
            for (uint16_t b = 0; b < n; b++) {
                int c = !layout_owns(prev, v, next->member[b].id) - saved;
                if (!layout_owns(next, v, next->member[b].id) &&
                    (!zones || same_zone(next, a, b)) && c < cost[a][b])
                    cost[a][b] = c;
            }
        }
    }
    for (uint16_t k = 0; k < n; k++)
        for (uint16_t a = 0; a < n; a++)
            for (uint16_t b = 0; b < n; b++)
                if (cost[a][k] + cost[k][b] < cost[a][b])
                    cost[a][b] = cost[a][k] + cost[k][b];
    for (uint16_t a = 0; a < n; a++)
        assert_true(cost[a][a] >= 0);
}

static uint64_t since_of(const struct layout *l, uint16_t v, uint64_t id)
{
    for (unsigned i = 0; i < l->n; i++)
        if (layout_owner(l, v, i)->id == id)
            return l->since[(size_t)v * l->n + i];
    return 0;
}

static bool same_row(const struct layout *a, const struct layout *b, uint16_t v)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; same && i < a->n; i++)
        same = layout_owner(a, v, i)->id == layout_owner(b, v, i)->id;
    return same;
}

/* A place that was kept keeps its epoch, a gained one has the new layout's; a row keeps its epoch
 * only as it is. */
static void assert_dated(const struct layout *prev, const struct layout *next)
{
    for (uint16_t v = 0; v < next->vnodes; v++) {
        for (unsigned i = 0; i < next->n; i++) {
            uint64_t was = since_of(prev, v, layout_owner(next, v, i)->id);
            assert_int_equal(next->since[(size_t)v * next->n + i], was ? was : next->epoch);
        }
        assert_int_equal(next->changed[v],
                         same_row(prev, next, v) ? prev->changed[v] : next->epoch);
    }
}

/* One random change: a member joins, leaves, or changes its weight. */
static void cluster_change(struct cluster *c)
{
    uint64_t what = rng_below(&c->rng, 3), who = rng_below(&c->rng, c->member_n);

    if ((what == 0 && c->member_n < CLUSTER_MAX) || c->member_n == 1)
        cluster_add(c);
    else if (what == 1)
        cluster_remove(c, who);
    else
        c->member[who].weight = (uint16_t)(1 + rng_below(&c->rng, RING_WEIGHT_MAX));
}

/* ---- Tests ---- */

static void test_random_clusters(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct cluster c;
        struct layout l;
        struct rng r;
        rng_init(&r, seed);
        uint16_t members = (uint16_t)(1 + rng_below(&r, seed % 4 ? 20 : CLUSTER_MAX));
        uint16_t vnodes = (uint16_t)(16u << rng_below(&r, 7));
        cluster_init(&c, seed, members, (uint8_t)(1 + rng_below(&r, CLUSTER_ZONES)));
        cluster_layout(&c, NULL, (uint8_t)(1 + rng_below(&r, 5)), vnodes, &l);
        assert_distinct(&l);
        assert_shares(&l);
        layout_close(&l);
    }
}

/* Places of next in vnodes that the member did not own in prev: what has to be copied. */
static uint32_t moves_of(const struct layout *prev, const struct layout *next)
{
    uint32_t moves = 0;

    for (uint32_t v = 0; v < next->vnodes; v++)
        for (unsigned i = 0; i < next->n; i++)
            moves += !layout_owns(prev, (uint16_t)v, layout_owner(next, (uint16_t)v, i)->id);
    return moves;
}

/* The least moves that any layout with next's shares could do: the places that members gain. */
static uint32_t moves_min(const struct layout *prev, const struct layout *next)
{
    uint32_t gains = 0;

    for (uint16_t m = 0; m < next->member_n; m++) {
        int was = layout_find(prev, next->member[m].id);
        uint32_t had = 0, has, firsts;
        if (was >= 0)
            ring_places(prev, (uint16_t)was, &had, &firsts);
        ring_places(next, m, &has, &firsts);
        gains += has > had ? has - had : 0;
    }
    return gains;
}

struct tally {
    uint64_t moves, least; /* of all changes that keep n */
};

/* What must hold from one layout to the next. Without zones a join costs exactly the least; a leave
 * or a new weight may shove others about, where those who lose sit in the same vnodes as those who
 * gain. */
static void assert_step(const struct layout *prev, const struct layout *next, bool zones,
                        struct tally *t)
{
    uint32_t moves = moves_of(prev, next), least = moves_min(prev, next);

    assert_int_equal(next->epoch, prev->epoch + 1);
    assert_dated(prev, next);
    assert_true(ring_dated(prev, next));
    assert_distinct(next);
    assert_shares(next);
    assert_true(moves >= least);
    if (next->member_n <= 32)
        assert_fewest_moves(prev, next);
    if (prev->n != next->n)
        return;
    if (!zones && next->member_n > prev->member_n)
        assert_int_equal(moves, least);
    t->moves += moves;
    t->least += least;
}

static void history(uint64_t seed, uint16_t members, uint8_t zones, uint16_t vnodes,
                    unsigned changes, struct tally *t)
{
    struct cluster c;
    struct layout prev, next;

    cluster_init(&c, seed, members, zones);
    cluster_layout(&c, NULL, 3, vnodes, &prev);
    for (unsigned i = 0; i < changes; i++) {
        cluster_change(&c);
        cluster_layout(&c, &prev, 0, 0, &next);
        assert_step(&prev, &next, zones > 1, t);
        layout_close(&prev);
        prev = next;
    }
    layout_close(&prev);
}

static void test_histories_without_zones(void **state)
{
    struct tally t = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++)
        history(seed, (uint16_t)(1 + seed % 16), 1, 256, 20, &t);
    history(1000, 100, 1, 1024, 5, &t);
    assert_true(t.least > 10000);
    assert_true(t.moves <= t.least + t.least / 100);
}

static void test_histories_with_zones(void **state)
{
    struct tally t = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++)
        history(seed, (uint16_t)(1 + seed % 16), (uint8_t)(2 + seed % 4), 256, 20, &t);
    history(1000, 100, 3, 1024, 5, &t);
    assert_true(t.least > 10000);
    assert_true(t.moves <= t.least + t.least / 20);
}

/* Equal members, one joins or leaves: the common case costs exactly the least. */
static void test_equal_members(void **state)
{
    struct cluster c;
    struct layout prev, next;

    (void)state;
    cluster_init(&c, 5, 1, 1);
    c.member[0].weight = 100;
    cluster_layout(&c, NULL, 3, 1024, &prev);
    for (unsigned i = 0; i < 38; i++) {
        if (i < 20)
            cluster_add(&c);
        else
            cluster_remove(&c, rng_below(&c.rng, c.member_n));
        for (uint16_t m = 0; m < c.member_n; m++)
            c.member[m].weight = 100;
        cluster_layout(&c, &prev, 0, 0, &next);
        assert_shares(&next);
        assert_int_equal(moves_of(&prev, &next), moves_min(&prev, &next));
        layout_close(&prev);
        prev = next;
    }
    assert_int_equal(prev.member_n, 3);
    layout_close(&prev);
}

/* 1, 2, 3 members, N = 3: all own everything, and an owner that was there before stays one since
 * then. */
static void test_formation(void **state)
{
    struct cluster c;
    struct layout one, two, three;

    (void)state;
    cluster_init(&c, 7, 1, 1);
    cluster_layout(&c, NULL, 3, 0, &one);
    cluster_add(&c);
    cluster_layout(&c, &one, 0, 0, &two);
    cluster_add(&c);
    cluster_layout(&c, &two, 0, 0, &three);
    assert_int_equal(one.vnodes, VNODES_DEFAULT);
    assert_int_equal(one.n, 1);
    assert_int_equal(two.w, 2);
    assert_int_equal(two.r, 1);
    assert_int_equal(three.w, 2);
    assert_int_equal(three.r, 2);
    assert_int_equal(moves_of(&one, &two), 1024);
    assert_int_equal(moves_of(&two, &three), 1024);
    for (uint16_t v = 0; v < three.vnodes; v++) {
        for (uint16_t m = 0; m < 3; m++)
            assert_int_equal(since_of(&three, v, three.member[m].id), m + 1);
        assert_int_equal(three.changed[v], 3);
    }
    layout_close(&one);
    layout_close(&two);
    layout_close(&three);
}

/* The order in which members are given is no matter. */
static void test_deterministic(void **state)
{
    struct cluster c;
    struct layout a, b;

    (void)state;
    cluster_init(&c, 11, 40, 3);
    cluster_layout(&c, NULL, 3, 256, &a);
    for (uint16_t i = 0; i < 20; i++) {
        struct layout_member swap = c.member[i];
        c.member[i] = c.member[39 - i];
        c.member[39 - i] = swap;
    }
    cluster_layout(&c, NULL, 3, 256, &b);
    assert_int_equal(layout_hash(&a), layout_hash(&b));
    layout_close(&a);
    layout_close(&b);
}

/* When a member dies, the vnodes that it owned have many different other owners. */
static void test_mixed(void **state)
{
    struct cluster c;
    struct layout l;
    bool shares[12] = {false};
    unsigned others = 0;

    (void)state;
    cluster_init(&c, 13, 12, 1);
    for (uint16_t m = 0; m < 12; m++)
        c.member[m].weight = 100;
    cluster_layout(&c, NULL, 3, 1024, &l);
    for (uint16_t v = 0; v < l.vnodes; v++)
        for (unsigned i = 0; i < l.n && layout_owns(&l, v, l.member[0].id); i++)
            shares[l.owner[v * l.n + i]] = true;
    for (unsigned m = 0; m < 12; m++)
        others += shares[m];
    assert_int_equal(others, 12);
    layout_close(&l);
}

/* What a founder draws goes along unchanged; and no epoch of a place or a row can be other than it
 * is. */
static void test_births_and_dates(void **state)
{
    struct cluster c;
    struct layout one, two;
    struct ring_change birth = {.member = c.member,
                                .n_wanted = 3,
                                .vnodes = 16,
                                .generation_id = 77,
                                .secret = {{5, 6, 7}}};

    (void)state;
    cluster_init(&c, 17, 5, 1);
    birth.member_n = c.member_n;
    layout_init(&one);
    assert_int_equal(ring_compute(&birth, &one), 0);
    cluster_add(&c);
    cluster_layout(&c, &one, 0, 0, &two);
    assert_int_equal(one.generation, 1);
    assert_int_equal(two.generation, 1);
    assert_int_equal(two.generation_id, 77);
    assert_memory_equal(&two.secret, &birth.secret, sizeof two.secret);
    assert_true(ring_dated(&one, &two));
    for (uint16_t v = 0; v < two.vnodes; v++) {
        two.changed[v] ^= 3;
        assert_false(ring_dated(&one, &two));
        two.changed[v] ^= 3;
        for (unsigned i = 0; i < two.n; i++) {
            two.since[v * two.n + i] ^= 3;
            assert_false(ring_dated(&one, &two));
            two.since[v * two.n + i] ^= 3;
        }
    }
    layout_close(&one);
    layout_close(&two);
}

static void test_refusals(void **state)
{
    struct layout_member m = {.id = 1, .weight = 100};
    struct ring_change good = {.member = &m, .member_n = 1, .n_wanted = 3, .vnodes = 64}, bad;
    struct layout l;

    (void)state;
    layout_init(&l);
    bad = good;
    bad.vnodes = 65;
    assert_int_equal(ring_compute(&bad, &l), ERR_TOO_BIG);
    bad = good;
    bad.vnodes = 32768;
    assert_int_equal(ring_compute(&bad, &l), ERR_TOO_BIG);
    bad = good;
    bad.n_wanted = 0;
    assert_int_equal(ring_compute(&bad, &l), ERR_TOO_BIG);
    bad.n_wanted = REPLICAS_MAX + 1;
    assert_int_equal(ring_compute(&bad, &l), ERR_TOO_BIG);
    bad = good;
    bad.member_n = 0;
    assert_int_equal(ring_compute(&bad, &l), ERR_TOO_BIG);
    m.weight = 0;
    assert_int_equal(ring_compute(&good, &l), ERR_TOO_BIG);
    m.weight = RING_WEIGHT_MAX + 1;
    assert_int_equal(ring_compute(&good, &l), ERR_TOO_BIG);
    assert_null(l.member);
    m.weight = 1;
    assert_int_equal(ring_compute(&good, &l), 0);
    layout_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_clusters),
        cmocka_unit_test(test_histories_without_zones),
        cmocka_unit_test(test_histories_with_zones),
        cmocka_unit_test(test_equal_members),
        cmocka_unit_test(test_formation),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_births_and_dates),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
