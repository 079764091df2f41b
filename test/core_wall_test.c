/* The wall clock held against the peers', and what the coordinator does with it: no stamp by a clock that is ahead,
 * none above the durable ceiling, none that goes back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "core/coord.h"
#include "core/ring.h"
#include "core/wall.h"

static const uint64_t NOW = 50000, WALL = 1700000000000;

static void test_alone_it_believes_itself(void **state)
{
    (void)state;
    struct wall w = {0};
    wall_time(&w, NOW, WALL);
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL);
}

static void test_of_three_the_odd_one_is_outvoted(void **state)
{
    (void)state;
    struct wall w = {0};
    wall_time(&w, NOW, WALL + 3600000);
    wall_heard(&w, 1, WALL);
    wall_heard(&w, 2, WALL + 100);
    assert_int_equal(wall_ahead_ms(&w), 3600000 - 100);
    assert_int_equal(wall_believed_ms(&w), WALL + 100 + CLOCK_SKEW_MAX_MS);
    wall_time(&w, NOW, WALL + 50); /* set right: known at once */
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL + 50);
    wall_heard(&w, 2, WALL + 3600000); /* now a peer is wrong */
    assert_int_equal(wall_ahead_ms(&w), 0);
    wall_time(&w, NOW, WALL - 5000);
    assert_int_equal(wall_ahead_ms(&w), 0); /* to be behind is no danger, but ends are judged by the others' time */
    assert_int_equal(wall_believed_ms(&w), WALL - CLOCK_SKEW_MAX_MS);
}

static void test_of_two_the_slower_is_believed(void **state)
{
    (void)state;
    struct wall w = {0};
    wall_time(&w, NOW, WALL);
    wall_heard(&w, 1, WALL - 2000);
    assert_int_equal(wall_ahead_ms(&w), 2000);
    struct wall other = {0};
    wall_time(&other, NOW, WALL);
    wall_heard(&other, 1, WALL + 2000);
    assert_int_equal(wall_ahead_ms(&other), 0);
}

/* All that a node has heard waited while it stood still: that does not make it one whose clock is ahead. */
static void test_a_standstill_right_after_the_start(void **state)
{
    (void)state;
    struct wall w = {0};
    wall_late(&w, NOW, 3000);
    wall_time(&w, NOW, WALL);
    wall_heard(&w, 1, WALL - 2900);
    wall_heard(&w, 2, WALL - 2500);
    assert_int_equal(wall_ahead_ms(&w), 0);
    assert_int_equal(wall_believed_ms(&w), WALL);
    wall_time(&w, NOW + 50, WALL + 50 + 3600000); /* an hour is no standstill */
    assert_true(wall_ahead_ms(&w) > 3590000);
    wall_time(&w, NOW + 200, WALL + 200);
    wall_heard(&w, 1, WALL + 200 - 2000); /* what comes now did not wait */
    wall_heard(&w, 2, WALL + 200 - 2000);
    assert_int_equal(wall_ahead_ms(&w), 2000);
}

/* Packets that waited while we stood still say nothing: the least delayed one counts. */
static void test_old_packets_change_nothing(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t id = 1; id <= 2; id++) {
        wall_time(&w, NOW, WALL);
        wall_heard(&w, id, WALL);
    }
    wall_time(&w, NOW + 6000, WALL + 6000);
    for (uint64_t id = 1; id <= 2; id++)
        wall_heard(&w, id, WALL + 1000);
    assert_int_equal(wall_ahead_ms(&w), 0);
    wall_time(&w, NOW + WALL_WINDOW_MS, WALL + WALL_WINDOW_MS); /* nor do they when a window has just ended */
    for (uint64_t id = 1; id <= 2; id++)
        wall_heard(&w, id, WALL + 1000);
    assert_int_equal(wall_ahead_ms(&w), 0);
}

static void test_a_peer_that_was_set_back_is_believed_in_the_end(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t ms = 0; ms <= 2 * (uint64_t)WALL_WINDOW_MS; ms += 1000) {
        wall_time(&w, NOW + ms, WALL + ms);
        wall_heard(&w, 1, ms == 0 ? WALL : WALL + ms - 9000);
        assert_true(ms < WALL_WINDOW_MS ? wall_ahead_ms(&w) == 0 : wall_ahead_ms(&w) <= 9000);
    }
    assert_int_equal(wall_ahead_ms(&w), 9000);
}

static void test_many_peers_share_few_places(void **state)
{
    (void)state;
    struct wall w = {0};
    for (uint64_t id = 1; id <= 1000; id++) {
        wall_time(&w, NOW + id, WALL + id);
        wall_heard(&w, id, WALL + id - 700);
        assert_int_equal(wall_ahead_ms(&w), 700);
    }
    wall_time(&w, NOW + 100000, WALL + 100000); /* nobody was heard for long: one packet is all we know */
    wall_heard(&w, 7, WALL + 100000);
    assert_int_equal(wall_ahead_ms(&w), 0);
}

/* ---- Stamps ---- */

struct fixture {
    struct layout layout;
    struct coord coord;
    struct out out;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    struct layout_member m = {.id = 1, .weight = 100};
    struct ring_change birth = {.member = &m, .member_n = 1, .n_wanted = 1, .vnodes = 16, .generation = 1};
    layout_init(&f.layout);
    assert_int_equal(ring_compute(&birth, &f.layout), 0);
    assert_int_equal(coord_init(&f.coord, &(struct coord_options){.self = 1}), 0);
    coord_time(&f.coord, NOW, WALL);
    assert_int_equal(coord_layout(&f.coord, &f.layout), 0);
    coord_peer(&f.coord, 1, (struct addr){.family = 4, .port = 1}, MEMBER_ALIVE);
    coord_tick(&f.coord, &f.out);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    coord_check(&f->coord);
    coord_close(&f->coord);
    layout_close(&f->layout);
    return 0;
}

static void put(struct fixture *f, uint64_t now_ms, uint64_t wall_ms)
{
    out_clear(&f->out);
    coord_time(&f->coord, now_ms, wall_ms);
    coord_request(&f->coord, &(struct request){.kind = OP_PUT, .key = SLICE("k"), .value = SLICE("v")}, &f->out);
    coord_check(&f->coord);
}

/* The stamp of the put that was sent to the own store; 0 when none was. */
static uint64_t sent_stamp(const struct fixture *f)
{
    return f->out.n && f->out.action[0].kind == ACT_STORE_PUT ? f->out.action[0].put.record.version.stamp : 0;
}

static void test_no_stamp_by_a_clock_that_is_ahead(void **state)
{
    struct fixture *f = *state;
    out_clear(&f->out);
    coord_time(&f->coord, NOW, WALL);
    coord_clock(&f->coord, WALL - 100, true);
    coord_request(&f->coord, &(struct request){.kind = OP_PUT, .key = SLICE("k"), .value = SLICE("v")}, &f->out);
    assert_int_equal(f->out.n, 1);
    assert_int_equal(f->out.action[0].reply.error, ERR_CLOCK);
}

static void test_a_write_waits_for_the_ceiling(void **state)
{
    struct fixture *f = *state;
    coord_ceiling_recall(&f->coord, 0);
    put(f, NOW, WALL);
    assert_int_equal(f->out.n, 0);
    uint64_t ceiling = coord_ceiling_wanted(&f->coord);
    assert_true(ceiling > WALL);
    assert_int_equal(coord_ceiling_wanted(&f->coord), 0);
    coord_ceiling(&f->coord, ceiling);
    assert_int_equal(coord_deadline_ms(&f->coord), NOW);
    coord_tick(&f->coord, &f->out);
    assert_true(hlc_wall_ms(sent_stamp(f)) >= WALL && hlc_wall_ms(sent_stamp(f)) < ceiling);
    put(f, NOW, WALL);
    assert_true(sent_stamp(f) > 0); /* the next does not wait */
    assert_int_equal(coord_ceiling_wanted(&f->coord), 0);
    put(f, NOW + 400, WALL + 400); /* nor this, but it is time for a new one */
    assert_true(sent_stamp(f) > 0);
    assert_true(coord_ceiling_wanted(&f->coord) > ceiling);
}

static void test_stamps_do_not_go_back_over_a_restart(void **state)
{
    struct fixture *f = *state;
    coord_ceiling_recall(&f->coord, WALL + 2000); /* of the life before */
    put(f, NOW, WALL - 3600000);                  /* and the clock was set back */
    uint64_t ceiling = coord_ceiling_wanted(&f->coord);
    coord_ceiling(&f->coord, ceiling);
    coord_tick(&f->coord, &f->out);
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
        cmocka_unit_test(test_a_peer_that_was_set_back_is_believed_in_the_end),
        cmocka_unit_test(test_many_peers_share_few_places),
        TEST(test_no_stamp_by_a_clock_that_is_ahead),
        TEST(test_a_write_waits_for_the_ceiling),
        TEST(test_stamps_do_not_go_back_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
