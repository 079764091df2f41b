/* tour_test.c: the README's tour as it stands there, and what each of its words promises. */
#include <stdio.h>

#include "harness.h"

enum { KEYS = 2000 };

static void test_tour(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_shell(c, "redis-cli -p %u set city Paris", e2e_port(c, 1)), 0);
    assert_string_equal(c->text, "OK\n");
    assert_int_equal(e2e_shell(c, "redis-cli -p %u get city", e2e_port(c, 2)), 0);
    assert_string_equal(c->text, "Paris\n");
    assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, 0)), 0);
    e2e_match(c, __FILE__, __LINE__, "healthy: 3 of 3 replicas everywhere, any 1 node may die\n*",
              c->text);
    assert_int_equal(e2e_shell(c, "echo get city | $COVEY console -p %u", e2e_port(c, 1)), 0);
    assert_string_equal(c->text, "Paris\n");
    e2e_kill(c, 0);
    e2e_expect(c, 1, "Paris", "GET", "city");
    e2e_expect(c, 2, "OK", "SET", "city", "Rome");
    e2e_restart(c, 0);
    e2e_await_healthy(c, 3);
    e2e_expect(c, 0, "Rome", "GET", "city");
}

/* Each in turn: no error at the survivors at the very moment of its death, nothing lost, and it
 * serves what was written without it. */
static void test_any_node_may_die(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    for (unsigned victim = 0; victim < 3; victim++) {
        unsigned left = (victim + 1) % 3, right = (victim + 2) % 3;
        e2e_kill(c, victim);
        assert_int_equal(e2e_missing(c, left, 0, KEYS, victim), 0);
        assert_int_equal(e2e_fill(c, right, 0, KEYS, victim + 1), 0);
        assert_int_equal(e2e_missing(c, left, 0, KEYS, victim + 1), 0);
        e2e_await_member(c, left, e2e_name(victim), "dead");
        assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, left)), 1);
        e2e_match(c, __FILE__, __LINE__, "degraded: *", c->text);
        assert_int_equal(e2e_missing(c, right, 0, KEYS, victim + 1), 0);
        e2e_restart(c, victim);
        e2e_await_healthy(c, 3);
        assert_int_equal(e2e_missing(c, victim, 0, KEYS, victim + 1), 0);
    }
}

static void test_members_json(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_shell(c, "$COVEY members --json -p %u", e2e_port(c, 1)), 0);
    for (unsigned i = 0; i < 3; i++) {
        char pattern[256];
        snprintf(pattern, sizeof pattern,
                 "{\"members\":\\[*{\"id\":\"????????????????\",\"name\":\"%s\",\"addr\":\"127.0.0."
                 "1:%u\",\"state\":\"alive\"*}\\]}\n",
                 e2e_name(i), e2e_port(c, i));
        e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    }
    e2e_kill(c, 2);
    e2e_await_member(c, 0, "c", "dead");
    assert_int_equal(e2e_shell(c, "$COVEY members --json -p %u", e2e_port(c, 0)), 0);
    e2e_match(c, __FILE__, __LINE__, "*\"name\":\"c\",*\"state\":\"dead\"*", c->text);
}

static void test_one_shots_and_exit_codes(void **state)
{
    struct cluster *c = *state;
    unsigned port = e2e_port(c, 0);
    assert_int_equal(e2e_shell(c, "$COVEY get k -p %u", port), 3);
    char reach[128];
    snprintf(reach, sizeof reach,
             "covey: cannot reach a node at 127.0.0.1 port %u: *is it running*", port);
    e2e_match(c, __FILE__, __LINE__, reach, c->text);
    assert_int_equal(e2e_shell(c, "$COVEY status -p %u", port), 3);
    e2e_start_all(c, 3);
    assert_int_equal(e2e_shell(c, "$COVEY set k 'two words' -p %u", port), 0);
    assert_string_equal(c->text, "OK\n");
    assert_int_equal(e2e_shell(c, "$COVEY get k --json -p %u", port), 0);
    assert_string_equal(c->text, "{\"get\":\"two words\"}\n");
    assert_int_equal(e2e_shell(c, "$COVEY del k -p %u", port), 0);
    assert_string_equal(c->text, "1\n");
    assert_int_equal(e2e_shell(c, "$COVEY get k --json -p %u", port), 0);
    assert_string_equal(c->text, "{\"get\":null}\n");
    assert_int_equal(e2e_shell(c, "$COVEY get -p %u", port), 64);
    e2e_match(c, __FILE__, __LINE__, "usage: get key\n", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY get k --jsn -p %u", port), 64);
    e2e_match(c, __FILE__, __LINE__, "*unknown flag \"--jsn\"*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY get k -p 99999"), 64);
    e2e_match(c, __FILE__, __LINE__, "*\"99999\"*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY frobnicate -p %u", port), 64);
    e2e_match(c, __FILE__, __LINE__, "*frobnicate*", c->text);
    assert_int_equal(
        e2e_shell(c, "printf 'set a 1\\n# a remark\\nget a\\nget\\n' | $COVEY console -p %u", port),
        64);
    e2e_match(c, __FILE__, __LINE__, "OK\n1\nusage: get key\n", c->text);
}

/* As help spells them, and as people type them. */
static void test_words_are_case_blind(void **state)
{
    struct cluster *c = *state;
    unsigned port = e2e_port(c, 0);
    e2e_start_all(c, 1);
    assert_int_equal(e2e_shell(c, "$COVEY backup STATUS -p %u", port), 0);
    e2e_match(c, __FILE__, __LINE__, "*state *none*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY BACKUP one -p %u", port), 0);
    e2e_match(c, __FILE__, __LINE__, "*one holds this node's share*", c->text);
    e2e_await_log(c, 0, "a is ready: one of 1 member, ");
    assert_int_equal(e2e_shell(c, "$COVEY set k v -p %u && $COVEY check one", port), 0);
    e2e_match(c, __FILE__, __LINE__, "*: 1 log file, 0 keys: clean*", c->text);
    /* ls: there is no such backup */
    assert_int_equal(e2e_shell(c, "$COVEY Backup Status -p %u && ls STATUS", port), 2);
    e2e_match(c, __FILE__, __LINE__, "*state *done*", c->text);
    assert_int_equal(
        e2e_shell(c, "$COVEY Repair --watch -p %u && $COVEY REPAIR Status -p %u", port, port), 0);
    assert_int_equal(
        e2e_shell(c, "$COVEY RING Vnodes -p %u && echo SET a 1 | $COVEY Console -p %u", port, port),
        0);
    assert_int_equal(e2e_shell(c, "$COVEY Help SET && $COVEY Client GetName --help"), 0);
    e2e_match(c, __FILE__, __LINE__, "set key value*client getname*", c->text);
}

/* Usage errors are on stderr, exit with 64, and say what was meant; help is on stdout. */
static void test_usage_and_help(void **state)
{
    static const struct {
        const char *words;
        int code;
        const char *out, *err;
    } table[] = {
        {"", 64, "", "*covey start*"},
        {"gte k", 64, "", "*did you mean `covey get`?*"},
        {"hepl", 64, "", "*did you mean `covey help`?*"},
        {"help gte", 64, "", "*did you mean `covey get`?*"},
        {"get", 64, "", "usage: get key\n"},
        {"get a b", 64, "", "usage: get key\n"},
        {"client", 64, "", "usage: client subcommand\n*client setname connection-name*"},
        {"client setname", 64, "", "usage: client setname connection-name\n"},
        {"backup", 64, "", "usage: backup path|STATUS\n"},
        {"version now", 64, "", "*version takes no words*"},
        {"check", 64, "", "*usage: covey check DIR*"},
        {"start --prot 1", 64, "", "*did you mean --port?*"},
        {"start -p 70000", 64, "", "*--port: \"70000\"*"},
        {"restore", 64, "", "*name the backups*"},
        {"restore b --into 127.0.0.1:1", 3, "", "covey: *127.0.0.1*"},
        {"demo --nodse 3", 64, "", "*\"--nodse\"*"},
        {"help", 0, "*covey: *start *consistency *mget key*", ""},
        {"help set", 0, "set key value*", ""},
        {"help client setname", 0, "client setname connection-name*", ""},
        {"set --help", 0, "set key value*", ""},
        {"help start", 0, "covey start*--seed*", ""},
        {"start --help", 0, "covey start*founds a new cluster with --new*", ""},
        {"status --help", 0, "*--watch *", ""},
        {"demo --help", 0, "covey demo*--base-port P*", ""},
        {"check --help", 0, "*covey check DIR*", ""},
        {"restore --help", 0, "covey restore*--into*", ""},
        {"console --help", 0, "covey console*--port PORT*", ""},
        {"version --help", 0, "covey *", ""},
    };
    struct cluster *c = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int code = e2e_shell(c, "$COVEY %s 2>err", table[i].words);
        if (code != table[i].code)
            e2e_fail(c, __FILE__, __LINE__, "covey %s: exit code %d", table[i].words, code);
        e2e_match(c, __FILE__, __LINE__, table[i].out, c->text);
        assert_int_equal(e2e_shell(c, "cat err"), 0);
        e2e_match(c, __FILE__, __LINE__, table[i].err, c->text);
    }
}

/* Whom to ask: -p and --port, -h and --host in every command, or the environment; flags win over
 * it. */
static void test_host_and_port(void **state)
{
    static const char *const ways[] = {"-p %u",
                                       "-p%u",
                                       "-p=%u",
                                       "--port %u",
                                       "--port=%u",
                                       "-h 127.0.0.1 -p %u",
                                       "--host 127.0.0.1 --port %u",
                                       "--host=127.0.0.1 -p %u"};
    struct cluster *c = *state;
    unsigned port = e2e_port(c, 0);
    char flags[64];
    e2e_start_all(c, 1);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        snprintf(flags, sizeof flags, ways[i], port);
        if (e2e_shell(c, "$COVEY echo %s hello && echo echo hello | $COVEY console %s", flags,
                      flags) != 0)
            e2e_fail(c, __FILE__, __LINE__, "%s: %s", flags, c->text);
        assert_string_equal(c->text, "hello\nhello\n");
    }
    assert_int_equal(e2e_shell(c, "$COVEY unsubscribe -p %u", port), 0); /* its reply is a push */
    assert_int_equal(e2e_shell(c, "COVEY_HOST=127.0.0.1 COVEY_PORT=%u $COVEY ping", port), 0);
    assert_int_equal(
        e2e_shell(c, "COVEY_HOST=nowhere.invalid COVEY_PORT=1 $COVEY ping -h 127.0.0.1 -p %u",
                  port),
        0);
    /* the port that people take for it */
    assert_true(e2e_shell(c, "$COVEY status -p %u", port + 1) != 0);
    char pattern[128];
    snprintf(pattern, sizeof pattern, "covey: %u is the port for peers; clients use %u\n", port + 1,
             port);
    e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    assert_int_equal(e2e_shell(c, "COVEY_PORT=many $COVEY ping"), 64);
    e2e_match(c, __FILE__, __LINE__, "*COVEY_PORT*\"many\"*", c->text);
}

static void test_where_and_ring(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    assert_int_equal(e2e_shell(c, "$COVEY where k -p %u --json | grep -o '\"holds\":\"[a-z ]*\"'",
                               e2e_port(c, 1)),
                     0);
    /* W of three at once, the third soon */
    e2e_match(c, __FILE__, __LINE__, "*\"value\"*\"value\"*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY ring -p %u", e2e_port(c, 1)), 0);
    e2e_match(c, __FILE__, __LINE__, "*\nvnodes *1024\n*\nmembers\n*alive*1024*33.33%*", c->text);
}

/* A subscriber hears of each change, in order. */
static void test_membership_events(void **state)
{
    struct cluster *c = *state;
    struct client watch;
    static const char *const wanted[] = {"event=member.dead name=c *",
                                         "event=member.alive name=c *"};
    e2e_start_all(c, 3);
    client_init(&watch);
    assert_int_equal(client_open(&watch, c->host, e2e_port(c, 0)), 0);
    assert_int_equal(
        client_send(&watch, (const struct slice[]){SLICE("SUBSCRIBE"), SLICE("__covey__:members")},
                    2),
        0);
    assert_int_equal(client_write(&watch), 0);
    assert_int_equal(client_receive(&watch, CLIENT_TIMEOUT_MS), 0);
    e2e_kill(c, 2);
    for (unsigned i = 0; i < 2; i++) {
        do {
            int error = client_receive(&watch, E2E_WAIT_MS);
            if (error != 0)
                e2e_fail(c, __FILE__, __LINE__, "no message \"%s\": %s", wanted[i], watch.why);
            uint32_t text = resp_after(&watch.reply, 2);
            snprintf(c->text, sizeof c->text, "%.*s", (int)watch.reply.v[text].text.n,
                     (const char *)watch.reply.v[text].text.p);
        } while (!e2e_matches(wanted[i], c->text));
        if (i == 0)
            e2e_restart(c, 2);
    }
    client_close(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tour, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_any_node_may_die, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_members_json, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_one_shots_and_exit_codes, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_words_are_case_blind, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_usage_and_help, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_host_and_port, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_where_and_ring, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_membership_events, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
