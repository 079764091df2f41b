/* The wall clock held against the peers', and what the coordinator does with it: no stamp by a
 * clock that is ahead, none above the durable ceiling, none that goes back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "core/coord/coord_op.h"
#include "core/ring/ring.h"
#include "test/core_stage.h"
#include "core/wall/wall.h"

static const uint64_t NOW = 5000000, WALL = 1700000000000;
static const int64_t HOUR_MS = 3600000;

static void test_alone_it_believes_itself(void **state)
{
    (void)state;
    struct wall w = {0};
    wall_time(&w, NOW, WALL);
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL);
}

/* A packet of a peer whose wall clock is ahead of WALL by so much (it was WALL at NOW by our
 * monotonic clock), which left it at left_ms by ours. Its own monotonic clock began at another
 * time. */
static void packet(struct wall *w, uint64_t peer, int64_t ahead_ms, uint64_t left_ms)
{
    wall_sample(w, peer,
                (struct wall_reading){.wall_ms = WALL + left_ms - NOW + (uint64_t)ahead_ms,
                                      .mono_ms = left_ms + 7777777 * peer});
}

/* A wall clock of ours that is ahead by so much. */
static void be(struct wall *w, uint64_t now_ms, int64_t ahead_ms)
{
    wall_time(w, now_ms, WALL + now_ms - NOW + (uint64_t)ahead_ms);
}

static void test_of_three_the_odd_one_is_outvoted(void **state)
{
    (void)state;
    struct wall w = {0};
    be(&w, NOW, HOUR_MS);
    packet(&w, 1, 0, NOW);
    packet(&w, 2, 100, NOW);
    assert_int_equal(wall_ahead_ms(&w), HOUR_MS - 100);
    assert_int_equal(wall_believed_ms(&w), WALL + 100 + CLOCK_SKEW_MAX_MS);
    be(&w, NOW, 50); /* set right: known at once */
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL + 50);
    packet(&w, 2, HOUR_MS, NOW); /* now a peer is wrong */
    assert_int_equal(wall_ahead_ms(&w), 0);
    be(&w, NOW, -5000);
    /* to be behind is no danger, but ends are judged by the others' time */
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL - CLOCK_SKEW_MAX_MS);
}

static void test_of_two_the_slower_is_believed(void **state)
{
    (void)state;
    struct wall w = {0};
    be(&w, NOW, 0);
    packet(&w, 1, -2000, NOW);
    assert_int_equal(wall_ahead_ms(&w), 2000);
    struct wall other = {0};
    be(&other, NOW, 0);
    packet(&other, 1, 2000, NOW);
    assert_int_equal(wall_ahead_ms(&other), 0);
}

/* All packets that a node got waited while it stood still: that does not make it one whose clock is
 * ahead. */
static void test_a_standstill_right_after_the_start(void **state)
{
    (void)state;
    struct wall w = {0};
    wall_late(&w, NOW, 3000);
    be(&w, NOW, 0);
    packet(&w, 1, 0, NOW - 2900);
    packet(&w, 2, 0, NOW - 2500);
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL);
    be(&w, NOW + 50, HOUR_MS); /* an hour is no standstill */
    assert_true(wall_ahead_ms(&w) > HOUR_MS - 10000);
    be(&w, NOW + 200, 0);
    packet(&w, 1, -2000, NOW + 200); /* this one did not wait */
    packet(&w, 2, -2000, NOW + 200);
    assert_int_equal(wall_ahead_ms(&w), 2000);
}

/* Packets that waited while we stood still say nothing: the least delayed one counts. */
static void test_old_packets_change_nothing(void **state)
{
    (void)state;
    struct wall w = {0};
    be(&w, NOW, 0);
    for (uint64_t id = 1; id <= 2; id++)
        packet(&w, id, 0, NOW);
    for (uint64_t ms = 6000; ms <= WALL_WINDOW_MS; ms += WALL_WINDOW_MS - 6000) {
        /* nor do they when a window has just ended */
        wall_late(&w, NOW + ms, 5000);
        be(&w, NOW + ms, 0);
        for (uint64_t id = 1; id <= 2; id++)
            packet(&w, id, 0, NOW + ms - 5000);
        assert_int_equal(wall_ahead_ms(&w), 0);
        assert_int_equal(wall_believed_ms(&w), WALL + ms);
    }
}

/* However long a packet takes: it says how its sender's wall clock was set, not how slow the
 * network is. */
static void test_a_slow_network_is_no_clock(void **state)
{
    (void)state;
    struct wall w = {0};
    be(&w, NOW, 0);
    packet(&w, 1, 0, NOW);
    for (uint64_t ms = 1000; ms < WALL_WINDOW_MS; ms += 1000) {
        be(&w, NOW + ms, 0);
        packet(&w, 1, 0, NOW + ms - 900);
        assert_int_equal(wall_ahead_ms(&w), 0);
    }
}

/* A peer's clock is set, ahead and back: its next packet has all there is to know. */
static void test_a_clock_that_is_set_is_followed_at_once(void **state)
{
    (void)state;
    const int64_t ahead[] = {0, HOUR_MS, 0, -700, 0, -HOUR_MS, 900, 0};
    for (uint64_t late_ms = 0; late_ms <= 300; late_ms += 300) {
        struct wall w = {0};
        for (uint64_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
            uint64_t now_ms = NOW + 1000 * i;
            be(&w, now_ms, 2 * HOUR_MS); /* of two the slower is believed: the peer */
            packet(&w, 1, ahead[i], i ? now_ms - late_ms : now_ms);
            assert_int_equal(wall_ahead_ms(&w), 2 * HOUR_MS - ahead[i]);
        }
    }
}

/* n2 is an hour ahead for 2.5 s, and right again; 3 s later n1 is a minute ahead, then n2 once
 * more: whoever was always right goes by its own clock all the while. */
static void test_clocks_wrong_one_after_the_other_are_never_believed(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t ms = 0; ms < 60000; ms += 500) {
        uint64_t turn = ms / 5500, in_turn_ms = ms % 5500;
        int64_t wrong = in_turn_ms < 2500 ? (turn % 2 ? 60000 : HOUR_MS) : 0;
        be(&w, NOW + ms, 0);
        packet(&w, 1, turn % 2 ? wrong : 0, NOW + ms - 3);
        packet(&w, 2, turn % 2 ? 0 : wrong, NOW + ms);
        assert_int_equal(wall_ahead_ms(&w), 0);
        assert_int_equal(wall_believed_ms(&w), WALL + ms);
    }
}

/* The same, but n2 falls silent while it is wrong: what it showed last is no second vote for n1. */
static void test_a_silent_clock_that_was_odd_soon_stops_counting(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t ms = 0; ms < 20000; ms += 500) {
        be(&w, NOW + ms, 0);
        packet(&w, 1, ms < 5500 ? 0 : 60000, NOW + ms);
        if (ms <= 2500)
            packet(&w, 2, HOUR_MS, NOW + ms);
        assert_int_equal(wall_ahead_ms(&w), 0);
        assert_int_equal(wall_believed_ms(&w), WALL + ms);
    }
}

/* A clock that was right is a vote for long: without n2's, n1, which is an hour behind, would
 * be believed. */
static void test_a_silent_clock_that_was_right_counts(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t ms = 0; ms < WALL_WINDOW_MS; ms += 500) {
        be(&w, NOW + ms, 0);
        packet(&w, 1, ms < 5500 ? 0 : -HOUR_MS, NOW + ms);
        if (ms <= 2500)
            packet(&w, 2, 0, NOW + ms);
        assert_int_equal(wall_ahead_ms(&w), 0);
    }
}

/* The peer's machine was suspended, or begins anew: its monotonic clock is not what it was, its
 * wall clock is right. */
static void test_a_monotonic_clock_that_stood_still(void **state)
{
    (void)state;
    struct wall w = {0};
    be(&w, NOW, 0);
    packet(&w, 1, 0, NOW);
    be(&w, NOW + 100, 5000);
    wall_sample(&w, 1,
                (struct wall_reading){.wall_ms = WALL + 100,
                                      .mono_ms = 7777777 + NOW + 100 - (uint64_t)HOUR_MS});
    assert_int_equal(wall_ahead_ms(&w), 5000);
}

/* It left before the clock was set, and comes after what left later. */
static void test_a_packet_that_was_overtaken_says_nothing_of_the_wall_clock(void **state)
{
    (void)state;
    struct wall w = {0};
    be(&w, NOW, 0);
    packet(&w, 1, -2000, NOW);
    assert_int_equal(wall_ahead_ms(&w), 2000);
    be(&w, NOW + 20, 0);
    packet(&w, 1, 0, NOW - 10);
    assert_int_equal(wall_ahead_ms(&w), 2000);
}

static void test_what_no_clock_shows_is_ignored(void **state)
{
    (void)state;
    const uint64_t end_ms = 1ull << 48, odd[][2] = {
                                            {UINT64_MAX, 5}, {WALL, UINT64_MAX},       {end_ms, 5},
                                            {WALL, end_ms},  {1ull << 63, 1ull << 63},
                                        };
    struct wall w = {0};
    be(&w, NOW, 0);
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        wall_sample(&w, i + 1, (struct wall_reading){.wall_ms = odd[i][0], .mono_ms = odd[i][1]});
        assert_int_equal(wall_believed_ms(&w), WALL);
        assert_false(w.known);
    }
    for (uint64_t id = 1; id <= 2; id++) /* the furthest that is believed */
        wall_sample(
            &w, id,
            (struct wall_reading){.wall_ms = end_ms - 1, .mono_ms = id == 1 ? 0 : end_ms - 1});
    assert_int_equal(wall_ahead_ms(&w), 0);
}

static void test_many_peers_share_few_places(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t id = 1; id <= 1000; id++) {
        be(&w, NOW + id, 0);
        packet(&w, id, -700, NOW + id);
        assert_int_equal(wall_ahead_ms(&w), 700);
    }
    be(&w, NOW + 100000, 0); /* no packet came for long: one is all we know */
    packet(&w, 7, 0, NOW + 100000);
    assert_int_equal(wall_ahead_ms(&w), 0);
}

/* ---- Stamps ---- */

struct fixture {
    struct layout layout;
    struct stage stage;
    struct coord coord;
    struct out out;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    struct layout_member m = {.id = 1, .weight = 100};
    struct ring_change birth = {
        .member = &m, .member_n = 1, .n_wanted = 1, .vnodes = 16, .generation_id = 1};
    layout_init(&f.layout);
    assert_int_equal(ring_compute(&birth, &f.layout), 0);
    assert_int_equal(coord_init(&f.coord, &(struct coord_options){.self = 1}), 0);
    stage_open(&f.stage, 1);
    stage_time(&f.stage, NOW, WALL);
    assert_int_equal(stage_layout(&f.stage, &coord_protocol, &f.coord, &f.layout), 0);
    coord_protocol.tick(&f.coord, &f.stage.now, &f.out);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    coord_protocol.check(&f->coord, &f->stage.now);
    coord_protocol.close(&f->coord);
    stage_close(&f->stage);
    layout_close(&f->layout);
    return 0;
}

static void put(struct fixture *f, uint64_t now_ms, uint64_t wall_ms)
{
    out_clear(&f->out);
    stage_time(&f->stage, now_ms, wall_ms);
    coord_request(&f->coord, &f->stage.now,
                  &(struct request){.kind = OP_PUT, .key = SLICE("k"), .value = SLICE("v")},
                  &f->out);
    coord_protocol.check(&f->coord, &f->stage.now);
}

/* The stamp of the put that was sent to the own store; 0 when none was. */
static uint64_t sent_stamp(const struct fixture *f)
{
    return f->out.n && f->out.action[0].kind == ACT_STORE_PUT
               ? f->out.action[0].put.record.version.stamp
               : 0;
}

static void test_no_stamp_by_a_clock_that_is_ahead(void **state)
{
    struct fixture *f = *state;
    out_clear(&f->out);
    stage_time(&f->stage, NOW, WALL);
    f->stage.now.believed_ms = WALL - 100;
    f->stage.now.ahead = true;
    coord_request(&f->coord, &f->stage.now,
                  &(struct request){.kind = OP_PUT, .key = SLICE("k"), .value = SLICE("v")},
                  &f->out);
    assert_int_equal(f->out.n, 1);
    assert_int_equal(f->out.action[0].reply.error, ERR_CLOCK);
}

static void test_a_write_waits_for_the_ceiling(void **state)
{
    struct fixture *f = *state;
    coord_ceiling_recall(&f->coord, 0);
    put(f, NOW, WALL);
    assert_int_equal(f->out.n, 0);
    uint64_t ceiling = coord_ceiling_wanted(&f->coord, &f->stage.now);
    assert_true(ceiling > WALL);
    assert_int_equal(coord_ceiling_wanted(&f->coord, &f->stage.now), 0);
    coord_ceiling(&f->coord, &f->stage.now, ceiling);
    assert_int_equal(coord_protocol.deadline_ms(&f->coord, &f->stage.now), NOW);
    coord_protocol.tick(&f->coord, &f->stage.now, &f->out);
    assert_true(hlc_wall_ms(sent_stamp(f)) >= WALL && hlc_wall_ms(sent_stamp(f)) < ceiling);
    put(f, NOW, WALL);
    assert_true(sent_stamp(f) > 0); /* the next does not wait */
    assert_int_equal(coord_ceiling_wanted(&f->coord, &f->stage.now), 0);
    put(f, NOW + 400, WALL + 400); /* nor this, but it is time for a new one */
    assert_true(sent_stamp(f) > 0);
    assert_true(coord_ceiling_wanted(&f->coord, &f->stage.now) > ceiling);
}

/* A stamp just as far ahead as is believed moves the clock: the ceiling must be above it too. */
static void test_the_ceiling_counts_the_farthest_stamp_that_is_believed(void **state)
{
    struct fixture *f = *state;
    coord_ceiling_recall(&f->coord, 0);
    put(f, NOW, WALL);
    uint64_t ceiling = coord_ceiling_wanted(&f->coord, &f->stage.now);
    coord_ceiling(&f->coord, &f->stage.now, ceiling);
    uint64_t far = (WALL + 200 + CLOCK_SKEW_MAX_MS) << 16;
    assert_true(hlc_wall_ms(far) > ceiling);
    f->stage.now.wall_ms = WALL + 200;
    assert_int_equal(op_stamp(&f->coord, far), 0); /* it waits for a higher one */
    assert_true(coord_ceiling_wanted(&f->coord, &f->stage.now) > hlc_wall_ms(far));
}

static void test_stamps_do_not_go_back_over_a_restart(void **state)
{
    struct fixture *f = *state;
    coord_ceiling_recall(&f->coord, WALL + 2000); /* of the life before */
    put(f, NOW, WALL - 3600000);                  /* and the clock was set back */
    uint64_t ceiling = coord_ceiling_wanted(&f->coord, &f->stage.now);
    coord_ceiling(&f->coord, &f->stage.now, ceiling);
    coord_protocol.tick(&f->coord, &f->stage.now, &f->out);
    assert_true(hlc_wall_ms(sent_stamp(f)) >= WALL + 2000);
    assert_true(hlc_wall_ms(sent_stamp(f)) <= ceiling);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_believes_itself),
        cmocka_unit_test(test_of_three_the_odd_one_is_outvoted),
        cmocka_unit_test(test_of_two_the_slower_is_believed),
        cmocka_unit_test(test_a_standstill_right_after_the_start),
        cmocka_unit_test(test_old_packets_change_nothing),
        cmocka_unit_test(test_a_slow_network_is_no_clock),
        cmocka_unit_test(test_a_clock_that_is_set_is_followed_at_once),
        cmocka_unit_test(test_clocks_wrong_one_after_the_other_are_never_believed),
        cmocka_unit_test(test_a_silent_clock_that_was_odd_soon_stops_counting),
        cmocka_unit_test(test_a_silent_clock_that_was_right_counts),
        cmocka_unit_test(test_a_monotonic_clock_that_stood_still),
        cmocka_unit_test(test_a_packet_that_was_overtaken_says_nothing_of_the_wall_clock),
        cmocka_unit_test(test_what_no_clock_shows_is_ignored),
        cmocka_unit_test(test_many_peers_share_few_places),
        TEST(test_no_stamp_by_a_clock_that_is_ahead),
        TEST(test_a_write_waits_for_the_ceiling),
        TEST(test_the_ceiling_counts_the_farthest_stamp_that_is_believed),
        TEST(test_stamps_do_not_go_back_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
