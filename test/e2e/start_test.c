/* start_test.c: starts that must be refused, each with a sentence that names the value and the
 * remedy; and joins. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

/* The start must end with 1, saying something like the pattern. */
static void refused(struct cluster *c, unsigned i, const char *pattern)
{
    assert_int_equal(e2e_wait_exit(c, i), 1);
    e2e_await_log(c, i, pattern);
}

/* The same for flags that are none. */
static void misused(struct cluster *c, unsigned i, const char *pattern)
{
    assert_int_equal(e2e_wait_exit(c, i), 64);
    e2e_await_log(c, i, pattern);
}

/* What --seed takes for node i; lives until the next call. */
static const char *seed_of(const struct cluster *c, unsigned i)
{
    static char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, i));
    return seed;
}

static void test_unknown_flag(void **state)
{
    struct cluster *c = *state;
    e2e_start(c, 0, "--prot", "7400", NULL);
    misused(c, 0, "*--prot*--port*");
    e2e_start(c, 1, "--weight", "heavy", NULL);
    misused(c, 1, "*--weight*heavy*");
    assert_int_equal(e2e_shell(c, "$COVEY strat"), 64);
    e2e_match(c, __FILE__, __LINE__, "*strat*start*", c->text);
}

static void test_port_in_use(void **state)
{
    struct cluster *c = *state;
    char port[8];
    snprintf(port, sizeof port, "%u", e2e_port(c, 0));
    e2e_start_all(c, 1);
    e2e_start(c, 1, "--port", port, NULL);
    char pattern[64];
    snprintf(pattern, sizeof pattern, "port %s is in use*--port", port);
    refused(c, 1, pattern);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

static void test_locked_data_directory(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 1);
    e2e_start(c, 1, "--data", "a", NULL);
    char pattern[96];
    snprintf(pattern, sizeof pattern, "data directory a is in use by process %d*--data",
             (int)c->nest.node[0].pid);
    refused(c, 1, pattern);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

static void test_unwritable_data_directory(void **state)
{
    struct cluster *c = *state;
    e2e_start(c, 0, "--new", "--data", "/proc/covey", NULL); /* where not even root may make one */
    refused(c, 0, "/proc/covey*--data");
    assert_int_equal(e2e_shell(c, "echo >file"), 0);
    e2e_start(c, 1, "--new", "--data", "file", NULL);
    refused(c, 1, "file*is a file*--data");
    e2e_start(c, 2, "--new", "--data", "no/such/parent", NULL);
    refused(c, 2, "no/such/parent*does not exist*--data");
}

static void test_beyond_loopback_is_refused(void **state)
{
    struct cluster *c = *state;
    e2e_start(c, 0, "--bind", "0.0.0.0", NULL);
    refused(c, 0, "--bind 0.0.0.0*loopback only*127.0.0.1");
    e2e_start(c, 1, "--client-bind", "192.0.2.1", NULL);
    refused(c, 1, "--client-bind 192.0.2.1*loopback only*");
}

/* ---- Who founds ---- */

static bool exists(struct cluster *c, const char *path)
{
    return e2e_shell(c, "test -e %s", path) == 0;
}

static void test_new_on_a_members_directory_is_refused(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 2);
    for (unsigned i = 0; i < 2; i++) {
        e2e_kill(c, i);
        e2e_start(c, i, "--new", NULL);
        char pattern[64];
        snprintf(pattern, sizeof pattern, "--new*\"%s\"*never founds*--data", e2e_name(i));
        refused(c, i, pattern);
    }
    e2e_restart(c, 0);
    e2e_restart(c, 1);
    e2e_await_healthy(c, 2);
}

/* A start that asks neither to found nor to join: the error names both ways, and leaves nothing
 * behind. */
static void test_a_start_that_asks_for_nothing_says_both_ways(void **state)
{
    struct cluster *c = *state;
    e2e_start(c, 0, NULL);
    refused(c, 0, "\"a\" was never a member's*--seed HOST:PORT*join*--new*found");
    e2e_check(c, !exists(c, "a"));
    assert_int_equal(e2e_shell(c, "mkdir b"), 0);
    e2e_start(c, 1, NULL);
    refused(c, 1, "\"b\" was never a member's*--seed HOST:PORT*join*--new*found");
    e2e_check(c, !exists(c, "b/lock"));
    e2e_start(c, 1, "--new", NULL);
    e2e_await_status(c, 1, "members", 1);
}

static void test_new_with_a_seed_is_refused(void **state)
{
    struct cluster *c = *state;
    e2e_start(c, 0, "--new", "--seed", seed_of(c, 1), NULL);
    refused(c, 0, "--new*--seed 127.0.0.1:*leave one of the two out");
    e2e_check(c, !exists(c, "a"));
}

/* A unit file that names a configuration starts a node again and again. */
static void test_new_in_a_config_file_is_refused(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "printf '# a node\nnew\n' >conf"), 0);
    e2e_start(c, 0, "--config", "conf", NULL);
    misused(c, 0, "conf line 2: new: only on the command line*remove the line");
    e2e_check(c, !exists(c, "a"));
}

/* The founder's disk is lost, and the unit that starts it does so again: with its own command, in
 * which --new stood once. Nothing is founded; the others serve on. */
static void test_a_founder_without_its_disk_does_not_found(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_kill(c, 0);
    assert_int_equal(e2e_shell(c, "rm -r a"), 0);
    e2e_restart(c, 0);
    refused(c, 0, "\"a\" was never a member's*--seed*--new");
    e2e_expect(c, 1, "v", "GET", "k");
}

/* The log is gone, and what stood beside it is still there: whatever is asked for, this is no empty
 * directory. */
static void test_remains_of_a_member_are_refused(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    for (unsigned i = 0; i < 2; i++)
        e2e_kill(c, i);
    assert_int_equal(e2e_shell(c, "rm a/seg-*.log b/seg-*.log"), 0);
    e2e_restart(c, 0);
    refused(c, 0,
            "\"a\" was a member's and its log (seg-\\*.log) is gone*reserve*remove the "
            "directory*--data");
    e2e_check(c, exists(c, "a/lock") && exists(c, "a/reserve") && exists(c, "a/hints"));
    e2e_start(c, 0, "--new", NULL);
    refused(c, 0, "\"a\" was a member's*\"a\" was a member's");
    e2e_start(c, 1, "--seed", seed_of(c, 2), NULL);
    refused(c, 1, "\"b\" was a member's*hints*remove the directory*--data");
    assert_int_equal(e2e_shell(c, "rm -r a"), 0); /* as advised */
    e2e_start(c, 0, "--new", NULL);
    e2e_await_status(c, 0, "members", 1);
}

static void test_foreign_files_are_refused(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "mkdir a lost lost/lost+found && touch a/letters.txt"), 0);
    e2e_start(c, 0, "--new", NULL);
    refused(c, 0, "\"a\" has files that are not covey's: letters.txt. *move them away*--data");
    e2e_start(c, 1, "--data", "a", "--seed", seed_of(c, 0), NULL);
    refused(c, 1, "\"a\" has files that are not covey's: letters.txt. *");
    e2e_check(c, !exists(c, "a/lock"));
    e2e_start(c, 2, "--data", "lost", "--new", NULL); /* the root of a file system */
    e2e_await_status(c, 2, "members", 1);
    e2e_kill(c, 2);
    /* beside a log they are nobody's business */
    assert_int_equal(e2e_shell(c, "touch lost/core"), 0);
    e2e_start(c, 2, "--data", "lost", NULL);
    e2e_await_status(c, 2, "members", 1);
}

/* The advice leads somewhere: what is restored from the backup is a cluster, without being told to
 * be one. */
static void test_a_backup_is_no_data_directory(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 1);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    assert_int_equal(e2e_shell(c, "$COVEY backup $PWD/b -p %u", e2e_port(c, 0)), 0);
    e2e_kill(c, 0);
    e2e_restart(c, 1);
    refused(c, 1, "\"b\" is a backup*covey restore b --data*");
    assert_int_equal(e2e_shell(c, "$COVEY restore b --data c"), 0);
    e2e_start(c, 2, NULL);
    e2e_await(c, 2, "v", "GET", "k");
}

/* A start that was cut short before its log stood has left nothing that would be in the way of the
 * next. */
static void test_a_start_cut_short_is_no_remains(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(e2e_shell(c, "mkdir a && echo 1 >a/lock && touch a/seg-00000001.new"), 0);
    e2e_start(c, 0, NULL);
    refused(c, 0, "\"a\" was never a member's*");
    e2e_start(c, 0, "--new", NULL);
    e2e_await_status(c, 0, "members", 1);
}

/* ---- Two clusters ---- */

/* The founder's disk is lost and somebody has it found again, at its old address: the others look
 * for it there. From their first word on it serves nobody. */
static void test_alone_where_another_clusters_member_lived(void **state)
{
    struct cluster *c = *state;
    char cluster[64];
    e2e_start_all(c, 3);
    e2e_expect(c, 1, "OK", "SET", "k", "v");
    assert_int_equal(e2e_shell(c,
                               "$COVEY status -p %u --json | sed -n "
                               "'s/.*\"cluster\":{\"id\":\"\\([0-9a-f]*\\)\".*/\\1/p'",
                               e2e_port(c, 1)),
                     0);
    snprintf(cluster, sizeof cluster, "%.32s", c->text);
    e2e_kill(c, 0);
    assert_int_equal(e2e_shell(c, "rm -r a"), 0);
    e2e_start(c, 0, "--new", NULL);
    e2e_await(c, 0, "LOADING this node is alone*", "PING");
    e2e_expect(c, 0, "LOADING this node is alone*", "GET", "k");
    e2e_expect(c, 0, "LOADING this node is alone*", "SET", "k", "w");
    assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, 0)), 2);
    char pattern[160];
    snprintf(pattern, sizeof pattern,
             "loading: this node is alone *members of cluster %s look for their member *--port*",
             cluster);
    e2e_match(c, __FILE__, __LINE__, pattern, c->text);
    e2e_await_log(c, 0, "event=node.claimed");
    e2e_expect(c, 1, "v", "GET", "k"); /* theirs is the cluster that was there */
    e2e_expect(c, 2, "OK", "SET", "k", "w");
}

/* Two clusters stay two, whatever the seeds say; and a seed that was mistyped there stops nobody
 * here. */
static void test_other_clusters_seed(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0));
    e2e_start(c, 0, "--new", NULL);
    e2e_start(c, 1, "--new", NULL);
    e2e_await_status(c, 0, "members", 1);
    e2e_await_status(c, 1, "members", 1);
    e2e_expect(c, 1, "OK", "SET", "k", "v");
    e2e_kill(c, 1);
    e2e_start(c, 1, "--seed", seed, NULL);
    e2e_await_log(c, 1, "belongs to cluster * the other to * --seed");
    e2e_await_log(c, 0, "event=peer.refused");
    e2e_expect(c, 0, "(nil)", "GET", "k");
    assert_int_equal(e2e_status(c, 0, "members"), 1);
}

static void test_two_nodes_with_one_name(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0));
    e2e_start_all(c, 2);
    e2e_start(c, 2, "--name", "b", "--seed", seed, NULL);
    e2e_await_log(c, 2, "name*b*taken");
    assert_int_equal(e2e_status(c, 0, "members"), 2);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

static void test_join_is_refused_where_records_are(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0));
    e2e_start_all(c, 2);
    e2e_expect(c, 1, "OK", "SET", "k", "v");
    e2e_start(c, 2, "--seed", seed, NULL);
    e2e_await_log(c, 2, "holds records");
    assert_int_equal(e2e_status(c, 0, "members"), 2);
    /* a proposal may have fenced the members for a moment */
    e2e_await(c, 0, "OK", "SET", "k", "w");
    e2e_expect(c, 1, "w", "GET", "k");
}

static void test_seed_that_is_not_up_yet(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0));
    e2e_start(c, 2, "--seed", seed, NULL);
    e2e_start(c, 1, "--seed", seed, NULL);
    e2e_await_log(c, 2, "event=node.seed_wait");
    e2e_await(c, 1, "LOADING *", "PING");
    e2e_start(c, 0, "--new", NULL);
    e2e_await_healthy(c, 3);
    e2e_expect(c, 2, "PONG", "PING");
}

/* ---- New addresses ---- */

/* Starts node i's directory under its name at the port of node i + 2, which it is to the harness
 * from then on. */
static void move(struct cluster *c, unsigned i, const char *flag, const char *value)
{
    e2e_start(c, i + 2, "--data", e2e_name(i), "--name", e2e_name(i), flag, value, NULL);
}

/* All members come back where none expects them: who knows no address waits, and says what would
 * help; who is given one, by flag or file, uses it, though its directory is a used one. */
static void test_all_nodes_at_new_addresses(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 2);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    for (unsigned i = 0; i < 2; i++)
        e2e_kill(c, i);
    move(c, 0, NULL, NULL);
    move(c, 1, NULL, NULL);
    for (unsigned i = 2; i < 4; i++) {
        e2e_await(c, i, "LOADING *", "GET", "k");
        assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, i)), 2);
        e2e_match(
            c, __FILE__, __LINE__,
            "loading: this node has met 0 of the 1 other members*new addresses*--seed HOST:PORT*",
            c->text);
    }
    e2e_kill(c, 3);
    move(c, 1, "--seed", seed_of(c, 2)); /* as advised */
    e2e_await(c, 3, "v", "GET", "k");
    e2e_await(c, 2, "v", "GET", "k");
}

static void test_a_seed_in_the_file_serves_a_used_directory(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 2);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    for (unsigned i = 0; i < 2; i++)
        e2e_kill(c, i);
    assert_int_equal(e2e_shell(c, "echo seed %s >conf", seed_of(c, 2)), 0);
    move(c, 0, "--config", "conf"); /* its own address, there */
    move(c, 1, "--config", "conf");
    e2e_await(c, 3, "v", "GET", "k");
    e2e_await(c, 2, "v", "GET", "k");
}

/* No peer found: every question but the console's is answered -LOADING, at once. */
static void test_loading(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0));
    e2e_start(c, 1, "--seed", seed, NULL);
    e2e_await(c, 1, "LOADING *", "PING");
    e2e_expect(c, 1, "LOADING *", "GET", "k");
    e2e_expect(c, 1, "LOADING *", "SET", "k", "v");
    e2e_expect(c, 1, "(* elements)", "MEMBERS");
    assert_int_equal(e2e_status(c, 1, "code"), 2);
    assert_int_equal(e2e_shell(c, "$COVEY status -p %u", e2e_port(c, 1)), 2);
    e2e_match(c, __FILE__, __LINE__, "loading: *", c->text);
    assert_int_equal(e2e_shell(c, "redis-cli -p %u ping", e2e_port(c, 1)) & ~1, 0);
    e2e_match(c, __FILE__, __LINE__, "*LOADING *", c->text);
}

/* What it opens must not come to stand where a terminal is expected. */
static void test_closed_standard_descriptors(void **state)
{
    static const char *const closed[] = {"0<&-", "2>&-", "0<&- 1>&- 2>&-"};
    struct cluster *c = *state;
    for (unsigned i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        unsigned port = e2e_port(c, i);
        assert_int_equal(e2e_shell(c,
                                   "$COVEY start --name x --data x%u --port %u --new %s & "
                                   "until redis-cli -p %u ping; do :; done; kill $! && wait $!",
                                   i, port, closed[i], port),
                         0);
    }
}

static void test_ipv6(void **state)
{
    struct cluster *c = *state;
    c->host = "::1";
    e2e_start_all(c, 3);
    e2e_expect(c, 1, "OK", "SET", "city", "Paris");
    e2e_expect(c, 2, "Paris", "GET", "city");
    assert_int_equal(e2e_shell(c, "$COVEY members --json -h ::1 -p %u", e2e_port(c, 2)), 0);
    e2e_match(c, __FILE__, __LINE__, "*\"addr\":\"\\[::1\\]:*", c->text);
    e2e_kill(c, 0);
    e2e_expect(c, 1, "Paris", "GET", "city");
    e2e_expect(c, 1, "OK", "SET", "city", "Rome");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_flag, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_port_in_use, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_locked_data_directory, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_unwritable_data_directory, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_beyond_loopback_is_refused, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_new_on_a_members_directory_is_refused, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_start_that_asks_for_nothing_says_both_ways,
                                        e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_new_with_a_seed_is_refused, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_new_in_a_config_file_is_refused, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_founder_without_its_disk_does_not_found, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_remains_of_a_member_are_refused, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files_are_refused, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_backup_is_no_data_directory, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_start_cut_short_is_no_remains, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_alone_where_another_clusters_member_lived, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_other_clusters_seed, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_two_nodes_with_one_name, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_join_is_refused_where_records_are, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_seed_that_is_not_up_yet, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_all_nodes_at_new_addresses, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_seed_in_the_file_serves_a_used_directory, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_loading, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_closed_standard_descriptors, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_ipv6, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
