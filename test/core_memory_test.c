/* The coordinator when memory is out: whoever asks is answered, and no deadline is due again at once with nothing done. Linked so
 * that calloc is ours. */
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

/* Ticks at one moment for as long as one is due. Returns how many were answered; all must be, with that error. */
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
    enum { ASKERS = 2 * CENSUS_SLICE + 1, ALLOCATIONS = 3 };
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

static void test_a_flush_without_memory_is_answered(void **state)
{
    struct fixture *f = *state;
    calls_that_work = 0;
    begin(f, 1);
    for (unsigned i = 0; i < FLUSH_WAITERS; i++)
        request(f, OP_FLUSH, i);
    assert_int_equal(answered_at_once(f, ERR_NO_MEMORY), FLUSH_WAITERS);
}

/* A new layout, for which there is no memory to note who has done what. */
static void restart(struct fixture *f)
{
    begin(f, 1);
    calls_that_work = 1; /* the peers' */
    adopt(f);
    assert_int_equal(calls_that_work, 0);
}

static void test_a_flush_that_nobody_was_sent_fails_without_memory(void **state)
{
    struct fixture *f = *state;
    begin(f, 1);
    request(f, OP_FLUSH, 7);
    tick_now(f);
    assert_non_null(acted(f, ACT_STORE_GREATEST));
    restart(f);
    assert_int_equal(answered_at_once(f, ERR_NO_MEMORY), 1);
}

static void test_a_flush_that_was_sent_is_unknown_without_memory(void **state)
{
    struct fixture *f = *state;
    begin(f, 1);
    request(f, OP_FLUSH, 7);
    tick_now(f);
    uint64_t number = TOKEN_NUMBER(acted(f, ACT_STORE_GREATEST)->greatest.token);
    for (uint64_t id = A; id <= C; id++) {
        struct message m = {.kind = MSG_GREATEST, .greatest = {.op = TOKEN(TOKEN_FLUSH, number), .epoch = 1}};
        begin(f, 0);
        answered(f, id, &m);
    }
    tick_now(f);
    assert_non_null(sent(f, B, MSG_FLUSH));
    restart(f);
    assert_int_equal(answered_at_once(f, ERR_UNKNOWN_OUTCOME), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rich, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_census_without_memory_is_answered),
        TEST(test_a_flush_without_memory_is_answered),
        TEST(test_a_flush_that_nobody_was_sent_fails_without_memory),
        TEST(test_a_flush_that_was_sent_is_unknown_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
