/* The coordinator when memory is out: whoever asks is answered, and no deadline is due again at
 * once with nothing done. Linked so that calloc is ours. */
#include "core_coord.h"

#include <stdlib.h>

void *__real_calloc(size_t n, size_t each);
void *__wrap_calloc(size_t n, size_t each);

static unsigned calls_that_work; /* then there is no memory */

void *__wrap_calloc(size_t n, size_t each)
{
    if (calls_that_work == 0)
        return NULL;
    calls_that_work--;
    return __real_calloc(n, each);
}

static int set_up_rich(void **state)
{
    calls_that_work = UINT32_MAX;
    return set_up(state);
}

static void request(struct fixture *f, enum op_kind kind, uint64_t token)
{
    coord_request(&f->coord, &f->now, &(struct request){.token = token, .kind = kind}, &f->out);
    check(f);
}

/* Ticks at one moment for as long as one is due. Returns how many were answered; all must be, with
 * that error. */
static unsigned answered_at_once(struct fixture *f, int error)
{
    unsigned n = 0;
    for (unsigned ticks = 0; deadline_ms(f) <= f->now_ms; ticks++) {
        assert_true(ticks < 100);
        begin(f, 0);
        tick_now(f);
        check(f);
        for (unsigned i = 0; i < f->out.n; i++) {
            if (f->out.action[i].kind != ACT_REPLY)
                continue;
            assert_int_equal(f->out.action[i].reply.error, error);
            n++;
        }
    }
    assert_int_equal(coord_in_flight(&f->coord), 0);
    return n;
}

static void test_a_census_without_memory_is_answered(void **state)
{
    struct fixture *f = *state;
    enum { ASKERS = 2 * CENSUS_SLICE + 1, ALLOCATIONS = 2 };
    for (unsigned works = 0; works < ALLOCATIONS; works++) {
        begin(f, 1);
        for (unsigned i = 0; i < ASKERS; i++)
            request(f, OP_COUNT, i);
        calls_that_work = works;
        begin(f, 0);
        tick_now(f);
        assert_non_null(replied(f));
        assert_int_equal(replied(f)->error, ERR_NO_MEMORY);
        calls_that_work = 0;
        assert_int_equal(answered_at_once(f, ERR_NO_MEMORY), ASKERS - CENSUS_SLICE);
    }
    calls_that_work = ALLOCATIONS; /* there is memory again */
    begin(f, 1);
    request(f, OP_COUNT, 7);
    tick_now(f);
    assert_non_null(acted(f, ACT_STORE_COUNT));
}

/* Its members are noted in room that is there from the start: for another layout too. */
static void test_a_flush_needs_no_memory(void **state)
{
    struct fixture *f = *state;
    begin(f, 1);
    calls_that_work = 0;
    request(f, OP_FLUSH, 7);
    tick_now(f);
    assert_non_null(acted(f, ACT_STORE_GREATEST));
    begin(f, 1);
    calls_that_work = 1; /* what is known of the peers */
    adopt(f);
    tick_now(f);
    assert_non_null(acted(f, ACT_STORE_GREATEST));
    assert_int_equal(calls_that_work, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rich, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_census_without_memory_is_answered),
        TEST(test_a_flush_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
