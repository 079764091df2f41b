/* recover_test.c: disks that lost something, with real processes: a record that rotted, a directory
 * that is an old copy. What was acknowledged is fetched again, and until then nobody says that it
 * is not there. */
#include <stdio.h>

#include "harness.h"

enum { KEYS = 1000 };

/* Until a shell command succeeds. */
static void await_shell(struct cluster *c, const char *command)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (e2e_shell(c, "%s", command) != 0)
        e2e_poll(c, __FILE__, __LINE__, until_ms, command);
}

/* All that a node has on its own disk, once it has what it was too late for: reads at ONE ask the
 * own store first, and with three members each owns every key. */
static unsigned missing_here(struct cluster *c, unsigned i, unsigned generation)
{
    e2e_await_status(c, 0, "hints", 0);
    e2e_expect(c, i, "OK", "CONSISTENCY", "READ", "ONE");
    return e2e_missing(c, i, 0, KEYS, generation);
}

static void stop(struct cluster *c, unsigned i)
{
    nest_signal(&c->nest, i, SIGTERM);
    assert_int_equal(e2e_wait_exit(c, i), 0);
    client_close(&c->client[i]);
}

/* A bit of a value rots while its node is down. It starts all the same, says what it found, fetches
 * the record from the others, and keeps the damaged file aside; its directory is clean then. */
static void test_a_rotten_record_is_fetched_again(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    stop(c, 2);
    assert_int_equal(
        e2e_shell(c,
                  "at=$(grep -abo 'value 0 500' c/seg-00000001.log | head -n 1 | cut -d: -f1) && "
                  "printf X | dd of=c/seg-00000001.log bs=1 seek=$at conv=notrunc 2>/dev/null"),
        0);
    e2e_check(c, e2e_shell(c, "$COVEY check c") != 0);
    e2e_restart(c, 2);
    e2e_await_log(c, 2, "event=store.noted *set a damaged record*");
    e2e_await_log(c, 2, "event=node.recovering * vnodes=1 ");
    e2e_await_log(c, 2, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    assert_int_equal(missing_here(c, 2, 0), 0);
    await_shell(c, "test -f c/damaged-00000001.log");
    stop(c, 2);
    assert_int_equal(e2e_shell(c, "$COVEY check c"), 0);
    assert_int_equal(e2e_shell(c, "test $(grep -c event=node.recovering c.log) = 1"), 0);
}

/* The same while it runs: the read that meets it is answered by the others. */
static void test_a_read_that_meets_rot_is_answered_by_others(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    e2e_kill(c, 2);
    e2e_restart(c, 2); /* so that no value is in its memory */
    e2e_await_healthy(c, 3);
    assert_int_equal(
        e2e_shell(c,
                  "at=$(grep -abo 'value 0 500' c/seg-00000001.log | head -n 1 | cut -d: -f1) && "
                  "printf X | dd of=c/seg-00000001.log bs=1 seek=$at conv=notrunc 2>/dev/null"),
        0);
    assert_int_equal(e2e_missing(c, 2, 0, KEYS, 0), 0);
    e2e_await_log(c, 2, "event=store.noted *cannot be read*");
    e2e_await_log(c, 2, "event=node.recovered ");
    assert_int_equal(missing_here(c, 2, 0), 0);
}

/* c's directory is replaced by an old copy after c and a have acknowledged what b has not seen. c
 * may not speak for its old values, so nobody does before b is back; then all is there. */
static void test_an_old_copy_is_noticed_and_heals(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    stop(c, 2);
    assert_int_equal(e2e_shell(c, "cp -r c old"), 0);
    e2e_restart(c, 2);
    e2e_await_healthy(c, 3);
    e2e_kill(c, 1);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 1), 0);
    stop(c, 2);
    assert_int_equal(e2e_shell(c, "rm -r c && mv old c"), 0);
    e2e_restart(c, 2);
    e2e_await_log(c, 2, "event=node.recovering *its log ends before*");
    e2e_await_status(c, 2, "alive", 2);
    for (unsigned i = 0; i < 3; i++) {
        const char *told = e2e_ask(c, i == 1 ? 0 : i, "GET", "key:7", NULL);
        e2e_check(c, !e2e_matches("value 0 *", told) && !e2e_matches("(nil)", told));
    }
    assert_int_equal(e2e_shell(c, "$COVEY where key:7 -p %u | grep -q recovering", e2e_port(c, 0)),
                     0);
    for (unsigned i = 0; i < 3; i += 2) {
        assert_int_equal(e2e_shell(c,
                                   "$COVEY members --json -p %u | grep -q '\"recovering\": *1024'",
                                   e2e_port(c, i)),
                         0);
        /* c may not be read, b is away */
        assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, i)), 2);
    }
    e2e_restart(c, 1);
    e2e_await_log(c, 2, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(e2e_missing(c, i, 0, KEYS, 1), 0);
    assert_int_equal(missing_here(c, 2, 1), 0);
    e2e_kill(c, 2);
    e2e_restart(c, 2);
    e2e_await_healthy(c, 3); /* what it has seen to does not come again */
    assert_int_equal(e2e_shell(c, "test $(grep -c event=node.recovering c.log) = 1"), 0);
}

/* Under interval the log is ahead of its syncs. A kill leaves the page cache as it is, and nothing
 * is lost; a loss of power cuts the end off, and that is noticed. */
static void test_a_lost_tail_is_noticed_and_a_kill_loses_none(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    snprintf(seed, sizeof seed, "%s:%u", c->host, e2e_port(c, 0));
    for (unsigned i = 0; i < 3; i++)
        e2e_start(c, i, "--durability", "interval", i > 0 ? "--seed" : "--new", i > 0 ? seed : NULL,
                  NULL);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_fill(c, 2, 0, KEYS, 0), 0);
    e2e_kill(c, 2);
    e2e_start(c, 2, "--durability", "interval", NULL);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 2, 0, KEYS, 0), 0);
    e2e_check(c, e2e_shell(c, "grep -q event=node.recovering c.log") != 0);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 1), 0);
    e2e_expect(c, 0, "OK", "CONSISTENCY", "WRITE", "ALL");
    /* so c's acknowledgement has told a how far its log is */
    e2e_expect(c, 0, "OK", "SET", "last", "of all");
    e2e_kill(c, 2);
    assert_int_equal(
        e2e_shell(c, "at=$(grep -abo 'value 1 ' c/seg-00000001.log | head -n 1 | cut -d: -f1) && "
                     "truncate -s $at c/seg-00000001.log"),
        0);
    e2e_start(c, 2, "--durability", "interval", NULL);
    e2e_await_log(c, 2, "event=node.recovering *its log ends before*");
    e2e_await_log(c, 2, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    assert_int_equal(missing_here(c, 2, 1), 0);
}

/* A copy of b's directory is started beside it: the copy is refused by whoever it speaks to, and
 * says what to do; b goes on. When b is gone, the copy may be b, at its new address. */
static void test_a_copied_directory_is_one_node_at_a_time(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    assert_int_equal(e2e_shell(c, "cp -r b d"), 0);
    e2e_start(c, 3, NULL);
    assert_int_equal(e2e_wait_exit(c, 3), 1);
    e2e_await_log(c, 3, "event=node.refused * error=TWIN *");
    char line[400];
    snprintf(line, sizeof line,
             "grep -q 'is alive at 127.0.0.1:%u: two processes have copies' d.log", e2e_port(c, 1));
    assert_int_equal(e2e_shell(c, "%s", line), 0);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 1, 0, KEYS, 0), 0);
    e2e_kill(c, 1);
    assert_int_equal(e2e_shell(c, "rm -r d && cp -r b d"), 0);
    e2e_start(c, 3, NULL);
    e2e_await_status(c, 0, "alive", 3);
    e2e_await_status(c, 3, "alive", 3);
    /* others ask the killed b first before they let its copy in: until then it is loading */
    e2e_await_status(c, 3, "code", 0);
    assert_int_equal(e2e_missing(c, 3, 0, KEYS, 0), 0);
    snprintf(line, sizeof line, "127.0.0.1:%u", e2e_port(c, 3));
    assert_int_equal(e2e_shell(c, "$COVEY members -p %u | grep -q %s", e2e_port(c, 0), line), 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, e2e_setup, e2e_teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_a_rotten_record_is_fetched_again),
        STORY(test_a_read_that_meets_rot_is_answered_by_others),
        STORY(test_a_lost_tail_is_noticed_and_a_kill_loses_none),
        STORY(test_a_copied_directory_is_one_node_at_a_time),
        STORY(test_an_old_copy_is_noticed_and_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
