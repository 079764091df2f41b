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
    int code = e2e_shell(c, "mkdir d && TMPDIR=$PWD/d timeout 120 $COVEY demo --base-port %u", c->base_port);
    if (code != 0)
        e2e_fail(c, __FILE__, __LINE__, "the demo ended with %d:\n%.900s", code, c->text);
    e2e_match(c, __FILE__, __LINE__,
              "covey demo: 3 equal nodes*healthy: 3 of 3*34,924*degraded: *healthy: *34,924*Every check held.\n", c->text);
    expect_empty(c, "d");
    e2e_check(c, nest_free_ports(c->base_port, (uint16_t)(c->base_port + 50), 3) == c->base_port);
}

static void test_demo_with_two_nodes(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "TMPDIR=$PWD timeout 120 $COVEY demo --nodes 2 --base-port %u", c->base_port), 0);
    e2e_match(c, __FILE__, __LINE__, "*refused, as it must be with two*Every check held.\n", c->text);
}

/* Interrupted at any moment, it cleans up: here when the first records have been written, and right at the start. */
static void test_demo_interrupted(void **state)
{
    struct cluster *c = *state;
    for (unsigned i = 0; i < 2; i++) {
        int code = e2e_shell(c,
                             "mkdir d%u && : >log%u || exit 99; TMPDIR=$PWD/d%u $COVEY demo --base-port %u >log%u & "
                             "while kill -0 $! && ! grep -q '%s' log%u; do :; done; kill -TERM $!; wait $!",
                             i, i, i, c->base_port, i, i == 0 ? "write all" : "covey demo", i);
        assert_int_equal(code, 128 + SIGTERM);
        expect_empty(c, i == 0 ? "d0" : "d1");
        e2e_check(c, nest_free_ports(c->base_port, (uint16_t)(c->base_port + 50), 3) == c->base_port);
    }
}

/* A node that cannot start ends the demo at once, with that node's own words. */
static void test_demo_with_a_port_in_use(void **state)
{
    struct cluster *c = *state;
    char pattern[128];
    e2e_start(c, 2, "--new", NULL);
    e2e_await(c, 2, "PONG", "PING");
    uint64_t start_ms = e2e_now_ms();
    assert_int_equal(e2e_shell(c, "mkdir d && TMPDIR=$PWD/d timeout 60 $COVEY demo --base-port %u", c->base_port), 1);
    e2e_check(c, e2e_now_ms() - start_ms < 10000); /* the demo's own patience is 30 s */
    snprintf(pattern, sizeof pattern, "*c has ended*FAILED*c: covey: port %u is in use*A CHECK FAILED.\n", e2e_port(c, 2));
    e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    expect_empty(c, "d");
}

static void test_demo_refuses_bad_flags(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "$COVEY demo --nodes 10"), 1);
    e2e_match(c, __FILE__, __LINE__, "*\"10\"*--nodes N (1 to 9)*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY demo --nodse 3"), 1);
    e2e_match(c, __FILE__, __LINE__, "*\"--nodse\"*", c->text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_demo, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_with_two_nodes, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_interrupted, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_with_a_port_in_use, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_demo_refuses_bad_flags, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
