/* damage_test.c: whole files of a data directory damaged or gone, with real processes: the node
 * starts, says that it is recovering, fetches what the file may have held from the others, and its
 * directory is clean then. And what a start that is refused advises is followed, and ends in a node
 * that serves. */
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { KEYS = 300, DELETED = 50, BALLAST = 70, BALLAST_BYTES = 1024 * 1024 };

/* Until a shell command succeeds. */
static void await_shell(struct cluster *c, const char *command)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (e2e_shell(c, "%s", command) != 0)
        e2e_poll(c, __FILE__, __LINE__, until_ms, command);
}

static void shell_ok(struct cluster *c, const char *command)
{
    if (e2e_shell(c, "%s", command) != 0)
        e2e_fail(c, __FILE__, __LINE__, "%s: %s", command, c->text);
}

static void stop(struct cluster *c, unsigned i)
{
    nest_signal(&c->nest, i, SIGTERM);
    assert_int_equal(e2e_wait_exit(c, i), 0);
    client_close(&c->client[i]);
}

/* Enough values to fill a segment, which no compression makes smaller. */
static void put_ballast(struct cluster *c)
{
    char *value = malloc(BALLAST_BYTES + 1), key[32];
    uint64_t x = 88172645463325252u;
    for (unsigned i = 0; i < BALLAST; i++) {
        for (size_t at = 0; at < BALLAST_BYTES; at++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            value[at] = (char)('a' + x % 26);
        }
        value[BALLAST_BYTES] = '\0';
        snprintf(key, sizeof key, "big:%u", i);
        e2e_expect(c, 0, "OK", "SET", key, value);
    }
    free(value);
}

/* Of the keys, the first were deleted, in the second segment: their values stand in the first. */
static void load_cluster(struct cluster *c)
{
    char key[32];
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    put_ballast(c);
    assert_int_equal(e2e_fill(c, 1, DELETED, KEYS, 1), 0);
    for (unsigned i = 0; i < DELETED; i++) {
        snprintf(key, sizeof key, "key:%u", i);
        e2e_expect(c, 1, "1", "DEL", key);
    }
    e2e_await_healthy(c, 3);
    e2e_await_status(c, 0, "hints", 0);
    e2e_await_status(c, 1, "hints", 0);
    shell_ok(c, "test -f c/seg-00000002.log");
}

/* What node 2 has on its own disk: reads at ONE ask the own store first, and with three members
 * each owns every key. */
static void expect_all_here(struct cluster *c)
{
    char key[32];
    e2e_await_status(c, 0, "hints", 0);
    e2e_expect(c, 2, "OK", "CONSISTENCY", "READ", "ONE");
    assert_int_equal(e2e_missing(c, 2, DELETED, KEYS, 1), 0);
    for (unsigned i = 0; i < DELETED; i++) {
        snprintf(key, sizeof key, "key:%u", i);
        e2e_expect(c, 2, "(nil)", "GET", key);
    }
    for (unsigned i = 0; i < BALLAST; i++) {
        snprintf(key, sizeof key, "big:%u", i);
        e2e_expect(c, 2, "1048576", "STRLEN", key);
    }
}

/* Node 2 is stopped, damaged by a shell command, and started: it heals, and its directory is clean
 * then. aside: the file is there still, and kept. */
static void damage(struct cluster *c, const char *command, bool aside)
{
    stop(c, 2);
    shell_ok(c, "rm -f c.log c/damaged-*");
    shell_ok(c, command);
    e2e_check(c, e2e_shell(c, "$COVEY check c") == 1);
    e2e_restart(c, 2);
    e2e_await_log(c, 2, "event=node.recovering * vnodes=1024 ");
    e2e_await_log(c, 2, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    expect_all_here(c);
    if (aside)
        await_shell(c, "ls c/damaged-*.log");
    stop(c, 2);
    shell_ok(c, "$COVEY check c");
    e2e_restart(c, 2);
    e2e_await_healthy(c, 3);
    shell_ok(c, "test $(grep -c event=node.recovering c.log) = 1");
    expect_all_here(c);
}

#define FIRST "f=$(ls c/seg-*.log | head -n 1) && "
#define LAST  "f=$(ls c/seg-*.log | tail -n 1) && "
/* One bit of the byte at that offset of $f. */
#define FLIP(at)             \
    "b=$(od -An -tu1 -j " at \
    " -N 1 $f) && printf \"\\\\$(printf %o $((b ^ 1)))\" | dd of=$f bs=1 conv=notrunc seek=" at

static void test_a_rotten_header_heals(void **state)
{
    struct cluster *c = *state;
    load_cluster(c);
    damage(c, FIRST FLIP("0"), true);  /* magic */
    damage(c, LAST FLIP("8"), true);   /* format */
    damage(c, FIRST FLIP("18"), true); /* id */
    damage(c, LAST FLIP("34"), true);  /* base */
    damage(c, FIRST FLIP("57"), true); /* checksum */
}

/* The segment that was written to last is gone, and none is left that would name it: but the others
 * know how far the log was. */
static void test_the_last_segment_is_missed_by_the_others(void **state)
{
    struct cluster *c = *state;
    load_cluster(c);
    stop(c, 2);
    shell_ok(c, "rm c.log c/snapshot && " LAST "rm $f");
    e2e_restart(c, 2);
    e2e_await_log(c, 2, "event=node.recovering *its log ends before*");
    e2e_await_log(c, 2, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    expect_all_here(c);
    stop(c, 2);
    shell_ok(c, "$COVEY check c");
}

static void test_a_lost_segment_heals(void **state)
{
    struct cluster *c = *state;
    load_cluster(c);
    damage(c, FIRST "rm $f", false);
    damage(c, LAST "truncate -s 0 $f", true);
    damage(c, FIRST "n=$(stat -c %s $f) && truncate -s 0 $f && truncate -s $n $f", true);
}

/* A node alone says what it lost, and goes on without: nobody else has it. */
static void test_a_node_alone_goes_on_without(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 1);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    put_ballast(c);
    assert_int_equal(e2e_fill(c, 0, KEYS, 2 * KEYS, 0), 0);
    stop(c, 0);
    shell_ok(c, "rm a/seg-00000001.log");
    e2e_restart(c, 0);
    e2e_await_log(c, 0, "event=store.noted *seg-00000001.log is missing*");
    e2e_await_healthy(c, 1);
    assert_int_equal(e2e_missing(c, 0, KEYS, 2 * KEYS, 0), 0);
    e2e_expect(c, 0, "(nil)", "GET", "key:7");
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 1), 0);
    stop(c, 0);
    shell_ok(c, "$COVEY check a");
    e2e_restart(c, 0);
    e2e_await_healthy(c, 1);
    assert_int_equal(e2e_missing(c, 0, 0, KEYS, 1), 0);
}

/* With the only segment the node's identity is gone. It says so; the file of a backup brings it
 * back, and what was written since is fetched from the others. */
static void test_a_lost_identity_comes_back_with_a_backup(void **state)
{
    struct cluster *c = *state;
    char command[200];
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    snprintf(command, sizeof command, "$COVEY backup bk -p %u", e2e_port(c, 2));
    shell_ok(c, command);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 1), 0);
    stop(c, 2);
    shell_ok(c, "truncate -s 0 c/seg-00000001.log");
    for (int again = 0; again < 2; again++) {
        e2e_start(c, 2, NULL);
        assert_int_equal(e2e_wait_exit(c, 2), 1);
        e2e_await_log(
            c, 2,
            "covey: the identity of this node was in a log file of * that is damaged or missing "
            "(covey check * names it): "
            "copy that file there from a backup of this node, or restore backups of the "
            "cluster into a new one *");
    }
    e2e_check(c, e2e_shell(c, "$COVEY check c | grep -q seg-00000001.log") == 0);
    shell_ok(c, "cp bk/seg-00000001.log c/");
    e2e_restart(c, 2);
    e2e_await_log(c, 2, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    e2e_await_status(c, 0, "hints", 0);
    e2e_expect(c, 2, "OK", "CONSISTENCY", "READ", "ONE");
    assert_int_equal(e2e_missing(c, 2, 0, KEYS, 1), 0);
}

/* The other way: the backups of all members make a new cluster. */
static void test_a_lost_identity_is_restored_into_a_new_cluster(void **state)
{
    struct cluster *c = *state;
    char command[200];
    e2e_start_all(c, 1);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    snprintf(command, sizeof command, "$COVEY backup bk -p %u", e2e_port(c, 0));
    shell_ok(c, command);
    stop(c, 0);
    shell_ok(c, "truncate -s 0 a/seg-00000001.log");
    e2e_start(c, 0, NULL);
    assert_int_equal(e2e_wait_exit(c, 0), 1);
    shell_ok(c, "$COVEY restore bk --data d");
    e2e_start(c, 3, NULL);
    e2e_await_status(c, 3, "alive", 1);
    assert_int_equal(e2e_missing(c, 3, 0, KEYS, 0), 0);
}

/* The founder's record of the layout rots, and an older one stands before it, that of a cluster of
 * one. It may not serve by that: it asks for a member, who tells it the layout. */
static void test_a_founder_without_its_layout_asks_a_member(void **state)
{
    struct cluster *c = *state;
    char seed[32];
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    stop(c, 0);
    assert_int_equal(e2e_fill(c, 1, 0, KEYS, 1), 0);
    shell_ok(c, "f=a/seg-00000001.log && at=$(grep -abo layout $f | tail -n 1 | cut -d: -f1) && "
                "printf '\\125' | dd of=$f bs=1 conv=notrunc seek=$((at + 30))");
    for (int again = 0; again < 2; again++) {
        e2e_start(c, 0, NULL);
        assert_int_equal(e2e_wait_exit(c, 0), 1);
        e2e_await_log(
            c, 0, "covey: * layout was damaged; give --seed HOST:PORT of a member, which sends it");
    }
    snprintf(seed, sizeof seed, "%s:%u", c->host, e2e_port(c, 1));
    e2e_start(c, 0, "--seed", seed, NULL);
    e2e_await_log(c, 0, "event=node.recovered ");
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 0, 0, KEYS, 1), 0);
    stop(c, 0);
    e2e_restart(c, 0);
    e2e_await_healthy(c, 3);
    assert_int_equal(e2e_missing(c, 0, 0, KEYS, 1), 0);
    await_shell(c, "ls a/damaged-*.log");
    stop(c, 0);
    shell_ok(c, "$COVEY check a");
}

/* What is no part of the log may be damaged or gone, one file at a time: nothing is lost but
 * time. */
static void test_the_other_files_may_be_lost(void **state)
{
    struct cluster *c = *state;
    static const char *const command[] = {
        "printf x > c/snapshot",   "rm -f c/snapshot", "rm c/reserve",
        "truncate -s 5 c/reserve", "rm c/lock",        "printf garbage > c/lock",
        "rm -r c/hints",
    };
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    for (size_t i = 0; i < sizeof command / sizeof *command; i++) {
        stop(c, 2);
        shell_ok(c, command[i]);
        e2e_restart(c, 2);
        e2e_await_healthy(c, 3);
        assert_int_equal(e2e_missing(c, 2, 0, KEYS, 0), 0);
        e2e_check(c, e2e_shell(c, "grep -q event=node.recovering c.log") != 0);
    }
    stop(c, 2);
    shell_ok(c, "$COVEY check c");
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, e2e_setup, e2e_teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_a_rotten_header_heals),
        STORY(test_a_lost_segment_heals),
        STORY(test_the_last_segment_is_missed_by_the_others),
        STORY(test_a_node_alone_goes_on_without),
        STORY(test_a_lost_identity_comes_back_with_a_backup),
        STORY(test_a_lost_identity_is_restored_into_a_new_cluster),
        STORY(test_a_founder_without_its_layout_asks_a_member),
        STORY(test_the_other_files_may_be_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
