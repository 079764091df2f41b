/* death_test.c: nodes that die, stop and come back, under load, and what was acknowledged. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

#include "harness.h"

enum { KEYS = 2000 };

/* Two of three dead: refused at once and said so, nothing stored; and all is well when one is
 * back. */
static void test_no_quorum_and_recovery(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    e2e_kill(c, 1);
    e2e_kill(c, 2);
    e2e_await_member(c, 0, "b", "dead");
    e2e_await_member(c, 0, "c", "dead");
    e2e_expect(c, 0, "NOQUORUM 1 of 2 needed owners are reachable; nothing was stored*", "SET",
               "key:0", "lost");
    e2e_expect(c, 0, "NOQUORUM 1 of 2 needed owners are reachable; nothing was read*", "GET",
               "key:0");
    assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, 0)), 2);
    e2e_match(c, __FILE__, __LINE__,
              "unavailable: keys of 1024 of 1024 vnodes can be neither read nor written now; *",
              c->text);
    e2e_restart(c, 1);
    e2e_await(c, 0, "OK", "SET", "probe", "x");
    assert_int_equal(e2e_missing(c, 0, 0, KEYS, 0), 0);
    /* b waits for c a little: c might remember more of its log than a does */
    e2e_await(c, 1, "value 0 0", "GET", "key:0");
    assert_int_equal(e2e_missing(c, 1, 0, KEYS, 0), 0);
    assert_int_equal(e2e_fill(c, 1, 0, KEYS, 1), 0);
}

/* Before anyone has noticed the deaths, an answer comes all the same: never a hang past the
 * deadline, never a wrong OK. */
static void test_quorum_lost_a_moment_ago(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    /* their kernels still take our packets, so nothing says that they are gone */
    nest_signal(&c->nest, 1, SIGSTOP);
    nest_signal(&c->nest, 2, SIGSTOP);
    uint64_t start_ms = e2e_now_ms();
    const char *answer = e2e_ask(c, 0, "SET", "k", "v", NULL);
    e2e_check(c, e2e_now_ms() - start_ms < CLIENT_TIMEOUT_MS);
    e2e_check(c, e2e_matches("UNKNOWN 1 of 2 *", answer) || e2e_matches("NOQUORUM *", answer));
    nest_signal(&c->nest, 1, SIGCONT);
    nest_signal(&c->nest, 2, SIGCONT);
    e2e_await_healthy(c, 3);
    e2e_expect(c, 0, "OK", "SET", "k", "w");
    e2e_expect(c, 1, "w", "GET", "k");
}

/* A node that hangs is as good as dead: the others answer, and it refutes its death when it goes
 * on. */
static void test_stopped_node(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    nest_signal(&c->nest, 2, SIGSTOP);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 1), 0);
    assert_int_equal(e2e_missing(c, 1, 0, KEYS, 1), 0);
    e2e_await_member(c, 0, "c", "dead");
    nest_signal(&c->nest, 2, SIGCONT);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 2, 0, KEYS, 1), 0);
}

/* SIGKILL to all at once, with writes under way: what was acknowledged is there when they are
 * back. */
static void test_all_killed_at_once(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    assert_int_equal(e2e_fill(c, 1, KEYS, 2 * KEYS, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        nest_signal(&c->nest, i, SIGSTOP); /* so that none sees another die first */
    for (unsigned i = 0; i < 3; i++)
        e2e_kill(c, i);
    for (unsigned i = 0; i < 3; i++)
        e2e_restart(c, i);
    e2e_await_healthy(c, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(e2e_missing(c, i, 0, 2 * KEYS, 0), 0);
}

/* A client that writes until it is told to stop, or until its node ends: how many keys, from
 * `first`, were acknowledged. */
struct writer {
    struct client client;
    unsigned first, acknowledged, errors;
    atomic_bool stop;
    atomic_uint progress;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    for (unsigned j = w->first; !w->stop; j++) {
        char key[32], value[64];
        snprintf(key, sizeof key, "key:%u", j);
        snprintf(value, sizeof value, "value 0 %u", j);
        if (client_ask(&w->client, (const char *const[]){"SET", key, value, NULL}) != 0)
            break;
        if (w->client.reply.v[0].type != RESP_SIMPLE) {
            w->errors++;
            break;
        }
        w->acknowledged++;
        w->progress++;
    }
    return NULL;
}

/* Starts the writer and lets it get going; the signal comes then. */
static pthread_t begin_writing(struct cluster *c, struct writer *w, unsigned node, unsigned first)
{
    pthread_t thread;
    memset(w, 0, sizeof *w);
    client_init(&w->client);
    w->first = first;
    assert_int_equal(client_open(&w->client, c->host, e2e_port(c, node)), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_on, w), 0);
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (w->progress < 200)
        e2e_poll(c, __FILE__, __LINE__, until_ms, "200 writes");
    return thread;
}

/* SIGTERM with writes under way: it ends with 0, and all that it acknowledged is there. */
static void test_sigterm_under_load(void **state)
{
    struct cluster *c = *state;
    static struct writer own, other;
    e2e_start_all(c, 3);
    pthread_t a = begin_writing(c, &own, 0, 0), b = begin_writing(c, &other, 1, 1000000);
    nest_signal(&c->nest, 0, SIGTERM);
    assert_int_equal(e2e_wait_exit(c, 0), 0);
    pthread_join(a, NULL);
    unsigned before = other.progress;
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (other.progress < before + 200) /* the other one goes on all the while */
        e2e_poll(c, __FILE__, __LINE__, until_ms, "writes through the survivor");
    other.stop = true;
    pthread_join(b, NULL);
    assert_int_equal(other.errors, 0);
    assert_int_equal(e2e_missing(c, 1, 0, own.acknowledged, 0), 0);
    assert_int_equal(e2e_missing(c, 2, 1000000, 1000000 + other.acknowledged, 0), 0);
    e2e_restart(c, 0);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 0, 0, own.acknowledged, 0), 0);
    assert_int_equal(e2e_missing(c, 0, 1000000, 1000000 + other.acknowledged, 0), 0);
    client_close(&own.client);
    client_close(&other.client);
}

/* SIGTERM to all: each ends with 0, and all is there at the next start. */
static void test_clean_stop_of_all(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        nest_signal(&c->nest, i, SIGTERM);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(e2e_wait_exit(c, i), 0);
    for (unsigned i = 0; i < 3; i++)
        e2e_restart(c, i);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 2, 0, KEYS, 0), 0);
}

/* Whoever reads the log finds each death once, whoever says it, and how often its streams were
 * tried when it is back. */
static void test_a_dead_peer_is_said_once(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    e2e_kill(c, 2);
    e2e_await_log(c, 0, "node=a event=member.dead level=warn * name=c");
    e2e_await_log(c, 1, "node=b event=member.dead level=warn * name=c");
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0); /* each would like a stream to c */
    assert_int_equal(e2e_shell(c, "test $(grep -c event=link.down a.log) = 1 && test $(grep -c "
                                  "event=link.down b.log) = 1"),
                     0);
    assert_int_equal(e2e_shell(c, "test $(grep -c level=warn a.log) = 1"), 0);
    e2e_restart(c, 2);
    e2e_await_log(c, 0, "node=a event=link.back level=info peer=* failures=*");
    /* every line carries it */
    assert_int_equal(e2e_shell(c, "grep -v 'node=a event=\\|^a ' a.log"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_quorum_and_recovery, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_quorum_lost_a_moment_ago, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_stopped_node, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_dead_peer_is_said_once, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_all_killed_at_once, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_sigterm_under_load, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_clean_stop_of_all, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
