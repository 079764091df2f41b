/* The verdict as a function of what is known of the members. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/ring/ring.h"
#include "core/node/verdict.h"

enum { FEW_MAX = 5, VNODES = 64 };

struct fixture {
    struct layout layout;
    struct verdict_member member[FEW_MAX];
    struct status_info s;
};

/* `n` members; 3 copies are wanted. */
static void give(struct fixture *f, unsigned n)
{
    struct layout_member m[FEW_MAX] = {0};
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct layout_member){.id = i + 1, .weight = 100};
    struct ring_change birth = {
        .member = m, .member_n = (uint16_t)n, .n_wanted = 3, .vnodes = VNODES, .generation_id = 1};
    layout_close(&f->layout);
    layout_init(&f->layout);
    assert_int_equal(ring_compute(&birth, &f->layout), 0);
    for (unsigned i = 0; i < n; i++)
        f->member[i] = (struct verdict_member){.name = SLICE("other"), .self = i == 0};
}

static enum verdict judge(struct fixture *f)
{
    f->s = (struct status_info){.forming = f->s.forming, .ahead = f->s.ahead};
    verdict_judge(&f->layout, f->member, true, &f->s);
    return f->s.verdict;
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    layout_init(&f.layout);
    give(&f, 3);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    layout_close(&((struct fixture *)*state)->layout);
    return 0;
}

/* Of three: what two facts, of the second and of the third, come to. */
static void test_three_members(void **state)
{
    static const struct {
        uint8_t b, c;
        enum verdict verdict;
        unsigned may_die;
        bool reads, writes;
    } table[] = {
        {0, 0, VERDICT_HEALTHY, 1, true, true},
        {FACT_DOWN, 0, VERDICT_DEGRADED, 0, true, true},
        {FACT_CUT, 0, VERDICT_DEGRADED, 0, true, true},
        {FACT_FAILS, 0, VERDICT_DEGRADED, 0, true, true},
        {FACT_FULL, 0, VERDICT_DEGRADED, 0, true, true},
        {FACT_MUTE, 0, VERDICT_DEGRADED, 0, true, true},
        {FACT_RECOVERS, 0, VERDICT_DEGRADED, 0, true, true},
        {FACT_OWES, 0, VERDICT_DEGRADED, 1, true, true},
        {FACT_BEHIND, 0, VERDICT_CHANGING, 1, true, true},
        {FACT_BEHIND, FACT_OWES, VERDICT_DEGRADED, 1, true, true},
        {FACT_DOWN, FACT_DOWN, VERDICT_UNAVAILABLE, 0, false, false},
        {FACT_DOWN, FACT_CUT, VERDICT_UNAVAILABLE, 0, false, false},
        {FACT_DOWN, FACT_FAILS, VERDICT_UNAVAILABLE, 0, true, false},
        {FACT_DOWN, FACT_FULL, VERDICT_UNAVAILABLE, 0, true, false},
        {FACT_DOWN, FACT_MUTE, VERDICT_UNAVAILABLE, 0, true, false},
        {FACT_DOWN, FACT_RECOVERS, VERDICT_UNAVAILABLE, 0, false, true},
        {FACT_FULL, FACT_FULL, VERDICT_UNAVAILABLE, 0, true, false},
        {FACT_FULL, FACT_RECOVERS, VERDICT_DEGRADED, 0, true, true},
        {FACT_DOWN, FACT_OWES, VERDICT_DEGRADED, 0, true, true},
        {FACT_DOWN | FACT_FULL | FACT_RECOVERS | FACT_OWES, 0, VERDICT_DEGRADED, 0, true, true},
    };
    struct fixture *f = *state;
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        f->member[1].facts = table[i].b;
        f->member[2].facts = table[i].c;
        f->member[1].recovering = f->member[2].recovering = VNODES;
        assert_int_equal(judge(f), table[i].verdict);
        assert_int_equal(f->s.may_die, table[i].may_die);
        assert_int_equal(f->s.unreadable, table[i].reads ? 0 : VNODES);
        assert_int_equal(f->s.unwritable, table[i].writes ? 0 : VNODES);
    }
}

/* A member that is down is in no other row: what it reported before is past. */
static void test_the_dead_have_no_other_faults(void **state)
{
    struct fixture *f = *state;
    f->member[2].facts = FACT_DOWN | FACT_FULL | FACT_RECOVERS;
    f->member[2].recovering = VNODES;
    judge(f);
    assert_int_equal(f->s.reason[REASON_DOWN].n, 1);
    assert_int_equal(f->s.reason[REASON_FULL].n + f->s.reason[REASON_RECOVERS].n, 0);
    assert_int_equal(f->s.alive, 2);
    assert_int_equal(f->s.recoverers, 0);
}

/* This node comes first where a reason is true of several. */
static void test_whom_a_reason_names(void **state)
{
    struct fixture *f = *state;
    f->member[1].name = SLICE("b");
    f->member[1].facts = f->member[2].facts = FACT_OWES;
    judge(f);
    assert_int_equal(f->s.reason[REASON_OWES].n, 2);
    assert_false(f->s.reason[REASON_OWES].self);
    assert_true(slice_eq(f->s.reason[REASON_OWES].name, SLICE("b")));
    f->member[0].facts = FACT_OWES;
    judge(f);
    assert_int_equal(f->s.reason[REASON_OWES].n, 3);
    assert_true(f->s.reason[REASON_OWES].self);
}

/* Five members, two of them lost: only the vnodes that both own. */
static void test_of_five_only_the_vnodes_of_both(void **state)
{
    struct fixture *f = *state;
    give(f, 5);
    unsigned both = 0, either = 0;
    for (unsigned v = 0; v < VNODES; v++) {
        unsigned lost = 0;
        for (unsigned i = 0; i < 3; i++)
            lost += f->layout.owner[v * 3 + i] >= 3;
        both += lost == 2;
        either += lost > 0;
    }
    assert_true(both > 0 && both < either);
    f->member[3].facts = FACT_DOWN;
    f->member[4].facts = FACT_FULL;
    assert_int_equal(judge(f), VERDICT_UNAVAILABLE);
    assert_int_equal(f->s.unwritable, both);
    assert_int_equal(f->s.unreadable, 0);
    assert_int_equal(f->s.degraded, either);
}

/* Two members each lack a few records: no more vnodes are in question than they report. */
static void test_recovering_members_say_how_much(void **state)
{
    struct fixture *f = *state;
    f->member[1] = (struct verdict_member){.facts = FACT_RECOVERS, .recovering = 2};
    f->member[2] = (struct verdict_member){.facts = FACT_RECOVERS, .recovering = 1};
    assert_int_equal(judge(f), VERDICT_UNAVAILABLE);
    assert_int_equal(f->s.unreadable, 3);
    assert_int_equal(f->s.recoverers, 2);
}

static void test_few_members(void **state)
{
    struct fixture *f = *state;
    give(f, 2);
    assert_int_equal(judge(f), VERDICT_DEGRADED);
    assert_int_equal(f->s.reason[REASON_FEW].n, 1);
    assert_int_equal(f->s.may_die, 0);
    f->member[1].facts = FACT_DOWN; /* W is 2 of 2, R is 1 */
    assert_int_equal(judge(f), VERDICT_UNAVAILABLE);
    assert_int_equal(f->s.unwritable, VNODES);
    assert_int_equal(f->s.unreadable, 0);
    give(f, 1);
    assert_int_equal(judge(f), VERDICT_DEGRADED);
    f->member[0].facts = FACT_FULL;
    assert_int_equal(judge(f), VERDICT_UNAVAILABLE);
}

static void test_forming_and_loading(void **state)
{
    struct fixture *f = *state;
    f->s.forming = true;
    assert_int_equal(judge(f), VERDICT_CHANGING);
    f->s.ahead = true; /* it refuses writes: others take them */
    assert_int_equal(judge(f), VERDICT_DEGRADED);
    verdict_judge(&f->layout, f->member, false, &f->s);
    assert_int_equal(f->s.verdict, VERDICT_LOADING);
    verdict_judge(NULL, NULL, true, &f->s);
    assert_int_equal(f->s.verdict, VERDICT_LOADING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_three_members),
        TEST(test_the_dead_have_no_other_faults),
        TEST(test_whom_a_reason_names),
        TEST(test_of_five_only_the_vnodes_of_both),
        TEST(test_recovering_members_say_how_much),
        TEST(test_few_members),
        TEST(test_forming_and_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
