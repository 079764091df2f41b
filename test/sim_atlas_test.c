/* The fault atlas: what may be struck while what is not healed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/ring/ring.h"
#include "sim/world.h"

enum { FORM_S = 30 };

static struct world w;

static void go_on(uint64_t seconds)
{
    struct sim_event ev;
    uint64_t until_us = w.now_us + seconds * 1000000;
    while (world_next(&w, until_us, &ev)) {}
}

static void start(uint32_t nodes)
{
    world_init(&w, &(struct world_options){
                       .seed = 5, .nodes = nodes, .profile = SWIM_LOCAL, .check = true});
    for (uint32_t i = 0; i < nodes; i++)
        world_start_node(&w, i, 1000 * i);
}

static int three_nodes(void **state)
{
    (void)state;
    start(3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

static const struct fault WIPE = {.kind = FAULT_WIPE, .a = 1};

static void nothing_is_struck_before_the_cluster_has_formed(void **state)
{
    (void)state;
    assert_false(atlas_strike(&w.atlas, 0, NULL));
    go_on(FORM_S);
    assert_non_null(atlas_layout(&w.atlas));
    assert_true(atlas_strike(&w.atlas, 0, NULL));
}

static void one_owner_of_three_until_it_has_healed(void **state)
{
    (void)state;
    go_on(FORM_S);
    assert_true(atlas_healed(&w.atlas, NULL));
    world_fault(&w, &WIPE, true);
    assert_true(atlas_struck(&w.atlas, 1, 7));
    assert_false(atlas_struck(&w.atlas, 0, 7));
    /* two of three would be more than the third can make up for */
    assert_false(atlas_strike(&w.atlas, 0, NULL));
    go_on(10);
    assert_false(atlas_healed(&w.atlas, NULL)); /* as long as it is down */
    world_fault(&w, &WIPE, false);
    go_on(30);
    assert_true(atlas_healed(&w.atlas, NULL));
    assert_true(atlas_strike(&w.atlas, 0, NULL));
}

static void vnodes_are_counted_one_by_one(void **state)
{
    (void)state;
    static uint8_t some[VNODES_MAX], others[VNODES_MAX];
    go_on(FORM_S);
    some[1] = others[2] = true;
    assert_true(atlas_strike(&w.atlas, 0, some));
    assert_true(atlas_strike(&w.atlas, 1, others));
    assert_false(atlas_strike(&w.atlas, 2, some));
    assert_false(atlas_strike(&w.atlas, 2, NULL));
    assert_true(atlas_struck(&w.atlas, 0, 1) && !atlas_struck(&w.atlas, 0, 2));
}

static void damage_that_nobody_notices_does_not_heal(void **state)
{
    (void)state;
    go_on(FORM_S);
    /* but its disk is as it was, so it has no cause to doubt */
    assert_true(atlas_strike(&w.atlas, 0, NULL));
    world_crash_node(&w, 0);
    world_start_node(&w, 0, w.now_us);
    go_on(10);
    assert_false(atlas_healed(&w.atlas, NULL));
}

static void fewer_than_half_of_the_clocks_are_wrong(void **state)
{
    (void)state;
    go_on(1);
    assert_true(atlas_clock(&w.atlas, 0, w.now_us + 1000000));
    assert_true(atlas_clock(&w.atlas, 0, w.now_us + 2000000)); /* the same again */
    assert_false(atlas_clock(&w.atlas, 1, w.now_us + 1000000));
    go_on(4);
    /* the others may still go by what it showed */
    assert_false(atlas_clock(&w.atlas, 1, w.now_us));
    go_on(2);
    assert_true(atlas_clock(&w.atlas, 1, w.now_us));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, three_nodes, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_struck_before_the_cluster_has_formed),
        TEST(one_owner_of_three_until_it_has_healed),
        TEST(vnodes_are_counted_one_by_one),
        TEST(damage_that_nobody_notices_does_not_heal),
        TEST(fewer_than_half_of_the_clocks_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
