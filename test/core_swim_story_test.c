/* core_swim_story_test.c: many swims in a small world: the stories that users of other membership
 * systems met, and the bounds within which a cluster agrees with the truth again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test/swim_net.h"

static void test_join(void **state)
{
    (void)state;
    struct net *w = net_cluster(3, SWIM_LAN, 1);
    assert_in_range(net_settle(w, 5000), 0, 1500);
    net_free(w);
    w = net_cluster(50, SWIM_LAN, 2);
    assert_in_range(net_settle(w, 10000), 0, 3000);
    net_free(w);
}

static void test_quiet_cluster_only_probes(void **state)
{
    (void)state;
    struct net *w = net_cluster(10, SWIM_LAN, 3);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    net_run(w, 20000);
    uint64_t before = w->packets;
    net_run(w, 60000);
    /* a ping and an ack a member and second, nothing else */
    assert_in_range(w->packets - before, 2 * 10 * 58, 2 * 10 * 61);
    for (unsigned i = 0; i < w->n; i++)
        assert_int_equal(w->node[i].swim.news_n, 0);
    net_free(w);
}

static void test_death_is_detected(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct net *w = net_cluster(16, SWIM_LAN, seed);
        w->loss_percent = 3;
        assert_int_not_equal(net_settle(w, 20000), UINT64_MAX);
        w->watched = 7;
        uint64_t killed_ms = w->now_ms;
        net_kill(w, 7);
        assert_in_range(net_settle(w, 60000), 4000, 40000);
        assert_in_range(w->first_death_ms - killed_ms, 4000, 32000);
        assert_int_equal(w->false_deaths, 0);
        net_free(w);
    }
}

static void test_mass_restart(void **state)
{
    (void)state;
    struct net *w = net_new(SWIM_LAN, 4);
    for (unsigned i = 0; i < 12; i++) {
        w->node[i].durable = 99;
        net_add(w);
        if (i)
            net_link(w, i, 0);
    }
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    for (unsigned i = 4; i < 12; i++)
        net_kill(w, i);
    assert_int_not_equal(net_settle(w, 120000), UINT64_MAX); /* dead@100 everywhere */
    for (unsigned i = 4; i < 12; i++) {
        w->node[i].durable = w->node[i].serial = 0; /* they send alive@1 */
        net_boot(w, i);
        net_link(w, i, i % 4);
    }
    assert_in_range(net_settle(w, 60000), 0, 5000);
    struct swim_view v;
    assert_true(swim_find(&w->node[0].swim, net_id(5), &v));
    assert_true(v.incarnation > 100);
    net_free(w);
}

/* Restarted under another address, knowing the others from its disk alone: no seed, no stream. */
static void test_restart_at_another_address(void **state)
{
    (void)state;
    struct net *w = net_cluster(5, SWIM_LAN, 5);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    net_kill(w, 2);
    net_run(w, 1000);
    w->node[2].port = 7500;
    net_boot(w, 2);
    for (unsigned i = 0; i < 5; i++)
        swim_recall(&w->node[2].swim, net_id(i), net_addr(w, i), SLICE(""), 1, w->now_ms);
    assert_in_range(net_settle(w, 20000), 0, 2000);
    net_free(w);
}

/* The one peer that a joiner ever met is cut off before it answered a ping: neither may give the
 * other up. */
static void test_first_contact_survives_a_cut(void **state)
{
    (void)state;
    struct net *w = net_cluster(2, SWIM_LAN, 16);
    w->node[1].side = 1;
    net_run(w, 600 * 1000);
    assert_false(net_sees(w, 0, 1));
    w->node[1].side = 0;
    assert_in_range(net_settle(w, 300000), 0, 60000);
    net_free(w);
}

static void split(struct net *w, bool apart)
{
    for (unsigned i = 0; i < w->n; i++)
        w->node[i].side = apart && i % 2 ? 1 : 0;
}

static void test_long_partition_heals(void **state)
{
    (void)state;
    struct net *w = net_cluster(10, SWIM_LAN, 6);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    split(w, true);
    net_run(w, 2 * 3600 * 1000);
    struct swim_view v;
    assert_true(swim_find(&w->node[0].swim, net_id(1), &v));
    assert_int_equal(v.state, MEMBER_DEAD);
    split(w, false);
    assert_in_range(net_settle(w, 300000), 0, 60000);
    net_free(w);
}

/* Longer than the dead are remembered: the members of the layout find each other all the same, by
 * packets alone. */
static void test_pinned_members_outlast_a_long_partition(void **state)
{
    (void)state;
    struct net *w = net_cluster(3, SWIM_WAN, 7);
    assert_int_not_equal(net_settle(w, 60000), UINT64_MAX);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            swim_pin(&w->node[i].swim, net_id(j), true);
    w->streams_down = true;
    split(w, true);
    net_run(w, 30u * 3600 * 1000);
    split(w, false);
    assert_in_range(net_settle(w, 300000), 0, 60000);
    net_free(w);
}

static void test_sick_node_blames_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct net *w = net_cluster(16, SWIM_LAN, seed);
        assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
        for (unsigned round = 0; round < 40; round++) {
            /* a stalled CPU: stopped for 3 s, at work for 50 ms */
            net_stop(w, 5, 3000);
            net_run(w, 3050);
        }
        assert_int_equal(w->false_deaths, 0);
        net_run(w, 60000);
        w->node[5].loss_percent = 80; /* a sick network card */
        net_run(w, 300000);
        assert_int_equal(w->false_deaths, 0);
        w->node[5].loss_percent = 0;
        w->node[5].stopped_until_ms = 0;
        assert_in_range(net_settle(w, 120000), 0, 60000);
        net_free(w);
    }
}

static void test_no_ghosts(void **state)
{
    (void)state;
    enum { STAY = 12, PEAK = 80, SLEEPER = 11 };
    struct net *w = net_cluster(PEAK, SWIM_WAN, 8);
    assert_int_not_equal(net_settle(w, 120000), UINT64_MAX);
    net_stop(w, SLEEPER, 26u * 3600 * 1000); /* it will wake with all 80 in its table */
    for (unsigned i = STAY; i < PEAK; i++) {
        if (i % 2) {
            net_leave(w, i);
            net_run(w, 2000);
        }
        net_kill(w, i);
    }
    net_run(w, 25u * 3600 * 1000);
    for (unsigned i = 0; i < STAY; i++) /* a day later they are forgotten, the sleeper too */
        if (i != SLEEPER)
            assert_int_equal(w->node[i].swim.live.n + w->node[i].swim.gone.n, STAY - 2);
    for (unsigned second = 0; second < 2 * 3600; second++) { /* it wakes within that time */
        net_run(w, 1000);
        for (unsigned i = 0; i < STAY; i++) {
            struct swim_view v;
            for (uint32_t cursor = 0; i != SLEEPER && swim_each(&w->node[i].swim, &cursor, &v);)
                assert_true(v.id < net_id(STAY));
        }
    }
    /* the sleeper, too, has seen the truth */
    assert_int_not_equal(net_settle(w, 60000), UINT64_MAX);
    net_free(w);
}

static bool named(const struct net *w, unsigned i, unsigned j, struct slice name)
{
    struct swim_view v;
    return swim_find(&w->node[i].swim, net_id(j), &v) && slice_eq(v.name, name);
}

static void test_name_reuse_after_leave(void **state)
{
    (void)state;
    struct net *w = net_cluster(5, SWIM_LAN, 9);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    net_leave(w, 4);
    net_run(w, 1500);
    net_kill(w, 4);
    w->node[5].name = SLICE("n4"); /* another node, another address, at once */
    net_link(w, net_add(w), 0);
    assert_in_range(net_settle(w, 10000), 0, 2000);
    for (unsigned i = 0; i < 4; i++)
        assert_true(named(w, i, 5, SLICE("n4")));
    net_free(w);
}

static void test_name_of_the_dead_is_reclaimed_later(void **state)
{
    (void)state;
    struct net *w = net_cluster(5, SWIM_LAN, 10);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    net_kill(w, 4);
    w->node[5].name = SLICE("n4");
    net_link(w, net_add(w), 0);
    net_run(w, 20000); /* n4 has died, but not 30 s ago */
    for (unsigned i = 0; i < 4; i++) {
        assert_true(net_sees(w, i, 5)); /* a member all the same */
        assert_true(named(w, i, 5, SLICE("")));
    }
    net_run(w, 90000);
    for (unsigned i = 0; i < 4; i++)
        assert_true(named(w, i, 5, SLICE("n4")));
    net_free(w);
}

static void test_isolated_queues_stay_bounded(void **state)
{
    (void)state;
    struct net *w = net_cluster(8, SWIM_LAN, 11);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    w->node[7].side = 1;
    for (unsigned round = 0; round < 60; round++) {
        /* an hour of comings and goings on the other side */
        unsigned i = net_add(w);
        net_link(w, i, round % 7);
        net_run(w, 30000);
        net_kill(w, i);
        net_run(w, 30000);
        for (unsigned k = 0; k < 8; k++)
            assert_true(w->node[k].swim.news_n <=
                        1 + w->node[k].swim.live.n + w->node[k].swim.gone.n);
        assert_true(w->node[7].swim.live.n + w->node[7].swim.gone.n == 7);
    }
    w->node[7].side = 0;
    assert_in_range(net_settle(w, 300000), 0, 60000);
    net_free(w);
}

static void test_metadata_near_mtu(void **state)
{
    (void)state;
    static uint8_t meta[24][META_MAX], name[24][NODE_NAME_MAX];
    struct net *w = net_new(SWIM_LAN, 12);
    w->loss_percent = 5;
    for (unsigned i = 0; i < 24; i++) {
        memset(meta[i], (int)i, sizeof meta[i]);
        memset(name[i], 'a' + (int)i, sizeof name[i]);
        w->node[i].meta = slice_of(meta[i], sizeof meta[i]);
        w->node[i].name = slice_of(name[i], sizeof name[i]);
        w->streams_down = i >= 2; /* nearly all by packets */
        net_add(w);
        if (i)
            net_link(w, i, 0);
    }
    assert_in_range(net_settle(w, 60000), 0, 30000);
    for (unsigned i = 0; i < 24; i++)
        for (unsigned j = 0; j < 24; j++) {
            struct swim_view v;
            assert_true(swim_find(&w->node[i].swim, net_id(j), &v));
            assert_true(slice_eq(v.meta, w->node[j].meta) && slice_eq(v.name, w->node[j].name));
        }
    assert_in_range(w->bytes_max, 1300, PACKET_MAX);
    net_free(w);
}

/* A node whose datagrams are blocked lives on by its streams. */
static void test_stream_probe_saves(void **state)
{
    (void)state;
    struct net *w = net_cluster(6, SWIM_LAN, 13);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    w->node[3].mute_udp = true;
    net_run(w, 300000);
    assert_int_equal(w->false_deaths, 0);
    assert_true(net_agrees(w));
    net_free(w);
}

/* Lifeguard's nacks: with one dead member and an intact network, the living do not take themselves
 * for sick. */
static void test_nacks_come_in_time(void **state)
{
    (void)state;
    struct net *w = net_cluster(8, SWIM_LAN, 14);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    net_kill(w, 3);
    for (unsigned second = 0; second < 40; second++) {
        net_run(w, 1000);
        for (unsigned i = 0; i < 8; i++)
            /* 2 would be a missed nack */
            assert_true(!w->node[i].up || w->node[i].swim.health <= 1);
    }
    net_free(w);
}

static struct message death_of(unsigned subject, uint64_t incarnation, unsigned accuser)
{
    return (struct message){
        .kind = MSG_DEAD,
        .dead = {.member = net_id(subject), .incarnation = incarnation, .accuser = net_id(accuser)},
    };
}

/* One datagram with the greatest number, or one below it, killed a member for ever: nothing was
 * left to answer it with. */
static void test_no_datagram_kills_for_ever(void **state)
{
    (void)state;
    static const uint64_t number[] = {UINT64_MAX, UINT64_MAX - 1, INCARNATION_MAX,
                                      INCARNATION_MAX - 1, 1 + INCARNATION_NEAR};
    for (unsigned i = 0; i < sizeof number / sizeof *number; i++) {
        struct net *w = net_cluster(5, SWIM_LAN, 16);
        assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
        for (unsigned n = 0; n < 5; n++)
            net_forge(w, n, (n + 1) % 5, death_of(3, number[i], 2));
        net_forge(w, 1, 3, death_of(3, number[i], 3)); /* that it left */
        net_run(w, 1000);
        assert_int_not_equal(net_settle(w, 20000), UINT64_MAX);
        net_kill(w, 3);
        net_boot(w, 3);
        net_link(w, 3, 0);
        assert_int_not_equal(net_settle(w, 60000), UINT64_MAX);
        assert_true(w->node[3].durable < 2 * INCARNATION_NEAR);
        net_free(w);
    }
}

/* A lie within the bound, repeated, each time as far as it is believed: when it ends, all is well
 * within seconds, and the room that it took is the number of datagrams times the bound. */
static void test_a_lie_that_climbs_is_passed_when_it_ends(void **state)
{
    (void)state;
    struct net *w = net_cluster(5, SWIM_LAN, 17);
    enum { LIES = 100000 };
    uint64_t number = 1;
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    for (unsigned i = 0; i < LIES; i++) {
        number += INCARNATION_NEAR;
        net_forge(w, i % 2, 2, death_of(3, number, 2));
        net_forge(w, (i + 1) % 2, 2, death_of(3, number, 2));
        if (i % 1000 == 0)
            net_run(w, 10);
    }
    assert_int_not_equal(net_settle(w, 30000), UINT64_MAX);
    assert_in_range(w->node[3].durable, (uint64_t)LIES * INCARNATION_NEAR,
                    2ull * LIES * INCARNATION_NEAR);
    net_free(w);
}

/* A member that was restarted more often, while another was cut off from it, than a datagram is
 * believed. */
static void test_who_advanced_far_meanwhile_is_believed(void **state)
{
    (void)state;
    struct net *w = net_cluster(5, SWIM_LAN, 18);
    assert_int_not_equal(net_settle(w, 10000), UINT64_MAX);
    net_kill(w, 3);
    assert_int_not_equal(net_settle(w, 60000), UINT64_MAX);
    w->node[3].durable = 1u << 20;
    net_boot(w, 3);
    net_link(w, 3, 0);
    assert_int_not_equal(net_settle(w, 60000), UINT64_MAX);
    net_free(w);
}

static void test_same_seed_same_run(void **state)
{
    (void)state;
    uint64_t hash[2];
    for (unsigned run = 0; run < 2; run++) {
        struct net *w = net_cluster(12, SWIM_LAN, 15);
        w->loss_percent = 10;
        net_run(w, 20000);
        net_kill(w, 4);
        net_run(w, 60000);
        hash[run] = w->hash;
        net_free(w);
    }
    assert_true(hash[0] == hash[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_quiet_cluster_only_probes),
        cmocka_unit_test(test_death_is_detected),
        cmocka_unit_test(test_mass_restart),
        cmocka_unit_test(test_restart_at_another_address),
        cmocka_unit_test(test_first_contact_survives_a_cut),
        cmocka_unit_test(test_long_partition_heals),
        cmocka_unit_test(test_pinned_members_outlast_a_long_partition),
        cmocka_unit_test(test_sick_node_blames_nobody),
        cmocka_unit_test(test_no_ghosts),
        cmocka_unit_test(test_name_reuse_after_leave),
        cmocka_unit_test(test_name_of_the_dead_is_reclaimed_later),
        cmocka_unit_test(test_isolated_queues_stay_bounded),
        cmocka_unit_test(test_metadata_near_mtu),
        cmocka_unit_test(test_stream_probe_saves),
        cmocka_unit_test(test_nacks_come_in_time),
        cmocka_unit_test(test_no_datagram_kills_for_ever),
        cmocka_unit_test(test_a_lie_that_climbs_is_passed_when_it_ends),
        cmocka_unit_test(test_who_advanced_far_meanwhile_is_believed),
        cmocka_unit_test(test_same_seed_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
