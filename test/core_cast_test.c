/* The table of members: which of them stay when it is full, and what changes make of a member. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "core/cast/cast.h"

static const struct addr ADDR = {.family = 4, .port = 7};

/* Members 1 .. n, all of them gone. */
static void fill(struct cast *c, uint64_t n)
{
    for (uint64_t id = 1; id <= n; id++)
        assert_non_null(cast_make(c, id));
}

static void a_full_table_forgets_who_is_gone(void **state)
{
    (void)state;
    struct cast c = {0};
    fill(&c, MEMBERS_MAX);
    cast_find(&c, 1)->self = true;
    cast_find(&c, 2)->peer = true;
    (void)cast_believe(cast_find(&c, 3), ADDR, MEMBER_SUSPECT, slice_of(NULL, 0));
    (void)cast_link(cast_find(&c, 4), 9, 0);
    assert_non_null(cast_make(&c, MEMBERS_MAX + 1));
    cast_check(&c);
    assert_int_equal(c.n, MEMBERS_MAX);
    for (uint64_t id = 1; id <= 4; id++)
        assert_non_null(cast_find(&c, id));
    assert_null(cast_find(&c, 5));
    assert_non_null(cast_find(&c, MEMBERS_MAX + 1));
    cast_close(&c);
}

static void a_table_of_those_who_are_here_takes_no_more(void **state)
{
    (void)state;
    struct cast c = {0};
    fill(&c, MEMBERS_MAX);
    for (uint64_t id = 1; id <= MEMBERS_MAX; id++)
        (void)cast_believe(cast_find(&c, id), ADDR, MEMBER_ALIVE, slice_of(NULL, 0));
    assert_null(cast_make(&c, MEMBERS_MAX + 1));
    assert_int_equal(c.n, MEMBERS_MAX);
    cast_close(&c);
}

/* What was asked under a link may be lost when the stream breaks, when another process answers, and
 * when the member is dead. */
static void a_link_lasts_as_long_as_its_stream(void **state)
{
    (void)state;
    struct cast c = {0};
    struct member *m = cast_make(&c, 1);
    assert_int_equal(cast_believe(m, ADDR, MEMBER_ALIVE, SLICE("a")), CAST_PRESENT | CAST_ALIVE);
    assert_int_equal(cast_link(m, 9, 0), CAST_UP);
    uint32_t link = m->link;
    assert_int_equal(cast_link(m, 9, 0), CAST_UP);
    assert_int_equal(m->link, link);
    assert_int_equal(cast_link(m, 10, 0), CAST_UP | CAST_PROCESS);
    assert_int_equal(m->link, ++link);
    assert_int_equal(cast_link(m, 0, 50), CAST_DOWN);
    assert_int_equal(m->link, ++link);
    assert_false(member_reachable(m, 50));
    assert_true(member_reachable(m, 50 + MEMBER_HOLD_MS));
    assert_int_equal(cast_link(m, 0, 50), CAST_DOWN); /* refused */
    assert_int_equal(cast_link(m, 0, 50), 0);         /* and again: nothing was sent to it since */
    assert_true(member_gone(m));
    link = m->link;
    assert_int_equal(cast_believe(m, ADDR, MEMBER_DEAD, SLICE("a")), CAST_ABSENT | CAST_DOUBTED);
    assert_int_equal(m->link, link + 1);
    cast_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_table_forgets_who_is_gone),
        cmocka_unit_test(a_table_of_those_who_are_here_takes_no_more),
        cmocka_unit_test(a_link_lasts_as_long_as_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
