/* verdict_test.c: what `covey status` says when something is wrong, and what it exits with: nodes
 * that die, disks that fail, writes that wait for a member that is there.
 *
 * A disk that fails: the process may write no file beyond a size of nothing (RLIMIT_FSIZE), so each
 * write of its store ends in an error of the system. The limit can be taken back while the process
 * runs. */
#include <stdio.h>
#include <sys/resource.h>

#include "harness.h"

enum { NODES = 3, HINTED = 10000, AT_ONCE_MS = 1000 };

/* `covey status` of node i: its exit code, and its words in c->text. */
static int status(struct cluster *c, unsigned i)
{
    return e2e_shell(c, "$COVEY status -p %u", e2e_port(c, i));
}

/* Until node i's verdict matches. */
static void await_verdict(struct cluster *c, unsigned i, int code, const char *verdict)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (status(c, i) != code || !e2e_matches(verdict, c->text))
        e2e_poll(c, __FILE__, __LINE__, until_ms, verdict);
}

static void break_disk(struct cluster *c, unsigned i, bool broken)
{
    struct rlimit limit = {.rlim_cur = broken ? 0 : RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    e2e_check(c, prlimit(c->nest.node[i].pid, RLIMIT_FSIZE, &limit, NULL) == 0);
}

/* From the first sign of the death on: the stream that broke, long before anybody is suspected. */
static void test_killed_is_known_when_its_stream_breaks(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, NODES);
    assert_int_equal(status(c, 0), 0);
    e2e_match(c, __FILE__, __LINE__, "healthy: 3 of 3 replicas everywhere, any 1 node may die\n*",
              c->text);
    e2e_kill(c, 1);
    e2e_await_log(c, 0, "event=link.down ");
    assert_int_equal(e2e_status(c, 0, "code"), 1);
    assert_int_equal(status(c, 0), 1);
    e2e_match(c, __FILE__, __LINE__,
              "degraded: every key can be read and written, no more node may die; *b*", c->text);
    e2e_await_member(c, 0, "b", "dead");
    assert_int_equal(status(c, 0), 1);
    e2e_match(c, __FILE__, __LINE__, "degraded: *; b does not answer\n*", c->text);
    e2e_restart(c, 1);
    e2e_await_healthy(c, NODES);
}

static void expect_at_once(struct cluster *c, const char *pattern, const char *answer,
                           uint64_t began_ms)
{
    e2e_match(c, __FILE__, __LINE__, pattern, answer);
    e2e_check(c, e2e_now_ms() - began_ms < AT_ONCE_MS);
}

/* Two of three dead: no key reads or writes, the verdict says so, and so does each command, without
 * a wait. */
static void test_two_of_three_dead(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, NODES);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_kill(c, 1);
    e2e_kill(c, 2);
    await_verdict(
        c, 0, 2, "unavailable: keys of 1024 of 1024 vnodes can be neither read nor written now; *");
    uint64_t began_ms = e2e_now_ms();
    expect_at_once(c, "NOQUORUM 1 of 2 *nothing was read*", e2e_ask(c, 0, "GET", "k", NULL),
                   began_ms);
    began_ms = e2e_now_ms();
    expect_at_once(c, "NOQUORUM 1 of 2 *nothing was stored*", e2e_ask(c, 0, "SET", "k", "w", NULL),
                   began_ms);
    e2e_await_member(c, 0, "b", "dead");
    e2e_await_member(c, 0, "c", "dead");
    assert_int_equal(status(c, 0), 2);
    e2e_match(c, __FILE__, __LINE__, "unavailable: *; ? and 1 more do not answer\n*", c->text);
    e2e_restart(c, 1);
    e2e_await(c, 0, "OK", "SET", "k", "w");
    await_verdict(c, 0, 1, "degraded: every key can be read and written, no more node may die; *");
}

/* One disk fails: every node knows, every key still writes. With one more member down none does,
 * and the error of a write says what became of its owners. A write through the sick node is refused
 * for what it is. */
static void test_a_disk_that_fails(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, NODES);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    break_disk(c, 1, true);
    e2e_expect(c, 0, "OK", "SET", "k", "w");
    await_verdict(
        c, 0, 1,
        "degraded: every key can be read and written, no more node may die; the disk of b fails*");
    await_verdict(
        c, 2, 1,
        "degraded: every key can be read and written, no more node may die; the disk of b fails*");
    await_verdict(c, 1, 1,
                  "degraded: every key can be read and written, no more node may die; the disk of "
                  "this node fails*");
    e2e_await(c, 1, "IOERR the disk of this node fails, *; nothing was stored; *", "SET", "k", "x");
    e2e_kill(c, 2);
    e2e_await_member(c, 0, "c", "dead");
    await_verdict(c, 0, 2,
                  "unavailable: keys of 1024 of 1024 vnodes cannot be written now; c does not "
                  "answer; the disk of b fails*");
    e2e_expect(c, 0,
               "UNKNOWN 1 of 2 needed owners answered in time (1 cannot be reached, 1 cannot use "
               "its disk); *",
               "SET", "k", "y");
    break_disk(c, 1, false);
    e2e_restart(c, 2);
    e2e_await_healthy(c, NODES);
    e2e_expect(c, 1, "OK", "SET", "k", "z");
}

/* While writes are kept for a member that is there, it lacks what it should hold: neither the
 * keeper nor the others call that healthy. */
static void test_hints_for_a_member_that_is_alive(void **state)
{
    struct cluster *c = *state;
    unsigned seen = 0;
    e2e_start_all(c, NODES);
    e2e_kill(c, 2);
    e2e_await_member(c, 0, "c", "dead");
    assert_int_equal(e2e_fill(c, 0, 0, HINTED, 0), 0);
    e2e_restart(c, 2);
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    for (int64_t hints = HINTED; hints > 0; hints = e2e_status(c, 0, "hints")) {
        if (e2e_status(c, 0, "owed") > 0) {
            const struct client *client = &c->client[0];
            struct slice verdict = client->reply.v[client_field(client, 0, "verdict")].text;
            e2e_check(c, client_number(client, "code") == 1);
            e2e_check(c, memmem(verdict.p, verdict.n,
                                "this node keeps writes for a member that is alive", 49) != NULL);
            seen++;
        }
        if (e2e_now_ms() > until_ms)
            e2e_fail(c, __FILE__, __LINE__, "%lld hints are left", (long long)hints);
    }
    e2e_check(c, seen > 0);
    e2e_await_healthy(c, NODES);
}

/* What each one-shot exits with. */
static void test_exit_codes(void **state)
{
    static const struct {
        const char *words;
        int alone, three; /* with no node; with three */
    } table[] = {
        {"status", 3, 0},
        {"members", 3, 0},
        {"get k", 3, 0},
        {"set k v", 3, 0},
        {"expire k soon", 3, 1},
        {"where k --json", 3, 0},
        {"repair --watch", 3, 0},
        {"backup /", 3, 1},
        {"backup status", 3, 0},
        {"get", 64, 64},
        {"get k l", 64, 64},
        {"status now", 64, 64},
        {"config nonsense", 64, 64},
        {"get k --jsn", 64, 64},
        {"get --watch k", 64, 64},
        {"get k -p", 64, 64},
        {"get k -p 99999", 64, 64},
        {"console words", 64, 64},
        {"frobnicate", 64, 64},
        {"check", 64, 64},
        {"get --help", 0, 0},
    };
    struct cluster *c = *state;
    for (unsigned three = 0; three < 2; three++) {
        for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
            int want = three ? table[i].three : table[i].alone;
            int got = strcmp(table[i].words, "check") == 0 || strstr(table[i].words, "-p")
                          ? e2e_shell(c, "$COVEY %s", table[i].words)
                          : e2e_shell(c, "$COVEY %s -p %u", table[i].words, e2e_port(c, 0));
            if (got != want)
                e2e_fail(c, __FILE__, __LINE__, "covey %s exits with %d, not %d", table[i].words,
                         got, want);
        }
        if (!three)
            e2e_start_all(c, NODES);
    }
    assert_int_equal(
        e2e_shell(c, "printf 'get k\\nexpire k soon\\n' | $COVEY console -p %u", e2e_port(c, 0)),
        1);
    assert_int_equal(e2e_shell(c, "printf 'get k\\n' | $COVEY console -p %u", e2e_port(c, 3)), 3);
    assert_int_equal(e2e_shell(c, "$COVEY help status 2>&1 || $COVEY status --help"), 0);
}

/* Each row has its legend; --watch goes on until it is interrupted, and exits with what it saw
 * last. */
static void test_help_and_watch(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "$COVEY status --help"), 0);
    e2e_match(c, __FILE__, __LINE__,
              "*\ncluster\n*  may_die * how many more members may die*\nnode\n*  disk_free * bytes "
              "left *",
              c->text);
    e2e_start_all(c, NODES);
    assert_int_equal(
        e2e_shell(c, "timeout -s INT 2 $COVEY status --watch -p %u; echo code $?", e2e_port(c, 0)),
        0);
    e2e_match(c, __FILE__, __LINE__, "healthy: *healthy: *code 124\n", c->text);
    assert_int_equal(
        e2e_shell(c, "timeout --preserve-status -s INT 2 $COVEY status --watch -p %u; echo code $?",
                  e2e_port(c, 3)),
        0);
    e2e_match(c, __FILE__, __LINE__, "covey: cannot reach *covey: cannot reach *code 3\n", c->text);
}

int main(void)
{
    /* the nodes inherit it: a write beyond the limit is an error, not their end */
    signal(SIGXFSZ, SIG_IGN);
#define STORY(name) cmocka_unit_test_setup_teardown(name, e2e_setup, e2e_teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_killed_is_known_when_its_stream_breaks),
        STORY(test_two_of_three_dead),
        STORY(test_a_disk_that_fails),
        STORY(test_hints_for_a_member_that_is_alive),
        STORY(test_exit_codes),
        STORY(test_help_and_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
