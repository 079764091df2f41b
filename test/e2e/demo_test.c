/* demo_test.c: the demo without a terminal: every check holds, and nothing is left behind. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

/* Nothing in the directory that the demo was given for its files. */
static void expect_empty(struct cluster *c, const char *dir)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", c->nest.dir, dir);
    DIR *d = opendir(path);
    e2e_check(c, d != NULL);
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.')
            e2e_fail(c, __FILE__, __LINE__, "the demo left %s", entry->d_name);
    }
    closedir(d);
}

static void test_demo(void **state)
{
    struct cluster *c = *state;
    int code = e2e_shell(c, "mkdir d && TMPDIR=$PWD/d timeout 120 $COVEY demo --base-port %u",
                         c->base_port);
    if (code != 0)
        e2e_fail(c, __FILE__, __LINE__, "the demo ended with %d:\n%.900s", code, c->text);
    e2e_match(c, __FILE__, __LINE__,
              "covey demo: 3 equal nodes*healthy: 3 of 3*34,924*degraded: *healthy: *34,924*Every "
              "check held.\n",
              c->text);
    expect_empty(c, "d");
    e2e_check(c, nest_free_ports(c->base_port, (uint16_t)(c->base_port + 50), 3) == c->base_port);
}

static void test_demo_with_two_nodes(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(
        e2e_shell(c, "TMPDIR=$PWD timeout 120 $COVEY demo --nodes 2 --base-port %u", c->base_port),
        0);
    e2e_match(c, __FILE__, __LINE__, "*refused, as it must be with two*Every check held.\n",
              c->text);
}

/* Interrupted at any moment, it cleans up: here when the first records have been written, and right
 * at the start. */
static void test_demo_interrupted(void **state)
{
    struct cluster *c = *state;
    for (unsigned i = 0; i < 2; i++) {
        int code = e2e_shell(
            c,
            "mkdir d%u && : >log%u || exit 99; TMPDIR=$PWD/d%u $COVEY demo --base-port %u >log%u & "
            "while kill -0 $! && ! grep -q '%s' log%u; do :; done; kill -TERM $!; wait $!",
            i, i, i, c->base_port, i, i == 0 ? "write all" : "covey demo", i);
        assert_int_equal(code, 128 + SIGTERM);
        expect_empty(c, i == 0 ? "d0" : "d1");
        e2e_check(c,
                  nest_free_ports(c->base_port, (uint16_t)(c->base_port + 50), 3) == c->base_port);
    }
}

/* Where others listen already it starts nothing: it would write into their cluster, and kill their
 * node. */
static void test_demo_leaves_other_clusters_alone(void **state)
{
    struct cluster *c = *state;
    char pattern[128];
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "OK", "SET", "theirs", "yes");
    assert_int_equal(e2e_shell(c, "mkdir d && TMPDIR=$PWD/d timeout 60 $COVEY demo --base-port %u",
                               c->base_port),
                     1);
    snprintf(pattern, sizeof pattern, "covey demo: port %u is taken*--base-port*", c->base_port);
    e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    expect_empty(c, "d");
    for (unsigned i = 0; i < 3; i++) {
        e2e_check(c, nest_running(&c->nest, i));
        e2e_expect(c, i, "1", "DBSIZE");
    }
}

/* One port of all that it needs is enough, also one of a later node and one for peers. */
static void test_demo_with_a_port_in_use(void **state)
{
    struct cluster *c = *state;
    char pattern[128];
    e2e_start(c, 2, "--new", NULL);
    e2e_await(c, 2, "PONG", "PING");
    assert_int_equal(
        e2e_shell(c, "mkdir d && TMPDIR=$PWD/d $COVEY demo --base-port %u", c->base_port), 1);
    snprintf(pattern, sizeof pattern, "*port %u is taken*", e2e_port(c, 2));
    e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    assert_int_equal(
        e2e_shell(c, "TMPDIR=$PWD/d $COVEY demo --nodes 1 --base-port %u", e2e_port(c, 2) + 1), 1);
    snprintf(pattern, sizeof pattern, "*port %u is taken*", e2e_port(c, 2) + 1);
    e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    expect_empty(c, "d");
}

/* The death of one of its own nodes is said in the step under way, with the end of that node's
 * log. */
static void test_demo_says_at_once_that_a_node_has_ended(void **state)
{
    struct cluster *c = *state;
    char port[8];
    snprintf(port, sizeof port, "%u", c->base_port);
    e2e_check(c, nest_start(&c->nest, 3, e2e_name(3),
                            (const char *const[]){"demo", "--base-port", port, NULL}) == 0);
    e2e_await_log(c, 3, "*write all via a*");
    e2e_expect(c, 2, "*process_id:*", "INFO", "server");
    int pid = atoi(strstr(c->text, "process_id:") + strlen("process_id:"));
    e2e_check(c, pid > 1 && kill(pid, SIGKILL) == 0);
    assert_int_equal(e2e_wait_exit(c, 3), 1);
    assert_int_equal(e2e_shell(c, "cat %s.log", e2e_name(3)), 0);
    e2e_match(c, __FILE__, __LINE__, "*FAILED*c has ended*A CHECK FAILED.\n", c->text);
    e2e_check(c, strstr(c->text, "a dead") == NULL); /* the step that would have needed c */
}

static void test_demo_refuses_bad_flags(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "$COVEY demo --nodes 10"), 64);
    e2e_match(c, __FILE__, __LINE__, "*\"10\"*--nodes N (1 to 9)*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY demo --nodse 3"), 64);
    e2e_match(c, __FILE__, __LINE__, "*\"--nodse\"*", c->text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_demo, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_with_two_nodes, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_interrupted, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_leaves_other_clusters_alone, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_says_at_once_that_a_node_has_ended, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_with_a_port_in_use, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_refuses_bad_flags, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
