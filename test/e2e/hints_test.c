/* hints_test.c: what a member missed while it was away, and how it gets it: hinted handoff with
 * real processes and disks. */
#include <stdio.h>

#include "harness.h"

enum { KEYS = 10000 };

/* All that a node has on its own disk: reads at ONE ask the own store first, and with three members
 * each owns every key. */
static unsigned missing_here(struct cluster *c, unsigned i, unsigned generation)
{
    e2e_expect(c, i, "OK", "CONSISTENCY", "READ", "ONE");
    return e2e_missing(c, i, 0, KEYS, generation);
}

/* A hint for each key of a pass; and a few more, for writes of the pass before that the dead member
 * had not acknowledged. */
static void await_hints(struct cluster *c, unsigned i)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (e2e_status(c, i, "hints") < KEYS)
        e2e_poll(c, __FILE__, __LINE__, until_ms, "a hint for each key");
}

/* One of three is killed, misses 10,000 writes, and has them all soon after its return, without a
 * read to repair them; nothing is left of the hints. In between their holder is killed too. */
static void test_killed_member_catches_up(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    e2e_await_status(c, 0, "hints", 0);
    e2e_kill(c, 2);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 1), 0);
    await_hints(c, 0);
    assert_int_equal(e2e_shell(c, "$COVEY hints -p %u", e2e_port(c, 0)), 0);
    e2e_match(c, __FILE__, __LINE__, "id *name *waiting*c *10??? *", c->text);
    e2e_kill(c, 0);
    e2e_restart(c, 0);
    e2e_await_status(c, 0, "alive", 2);
    await_hints(c, 0);
    e2e_restart(c, 2);
    e2e_await_status(c, 0, "hints", 0);
    e2e_await_log(c, 0, "event=hints.replayed * hints=10??? ");
    e2e_await_healthy(c, 3);
    assert_int_equal(missing_here(c, 2, 1), 0);
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (e2e_shell(c, "test -d a/hints && test -z \"$(ls a/hints)\"") != 0)
        e2e_poll(c, __FILE__, __LINE__, until_ms, "an empty directory of hints");
}

/* A member that hangs is hinted to as well, once its time is up; deletions too. */
static void test_stopped_member_catches_up(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 1, 0, KEYS, 0), 0);
    nest_signal(&c->nest, 2, SIGSTOP);
    e2e_expect(c, 1, "1", "DEL", "key:0");
    assert_int_equal(e2e_fill(c, 1, 1, KEYS, 1), 0);
    nest_signal(&c->nest, 2, SIGCONT);
    e2e_await_healthy(c, 3);
    e2e_expect(c, 2, "OK", "CONSISTENCY", "READ", "ONE");
    e2e_await(c, 2, "(nil)", "GET", "key:0");
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    /* some came from the kernel's buffers, the others as hints */
    while (e2e_missing(c, 2, 1, KEYS, 1) > 0)
        e2e_poll(c, __FILE__, __LINE__, until_ms, "every key at the member that hung");
    e2e_await_status(c, 1, "hints", 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, e2e_setup, e2e_teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_killed_member_catches_up),
        STORY(test_stopped_member_catches_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
