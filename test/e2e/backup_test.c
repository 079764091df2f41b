/* backup_test.c: three nodes burn down, and their cluster comes back from backups: with real
 * processes and disks. */
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

enum {
    KEYS = 3000,
    DELETED = 100,   /* of these, from the first on */
    WRITER = 100000, /* first key of the client that writes all the while */
    LARGE = 8 * 1024 * 1024,
    LARGE_N = 6,
};

/* ---- A client that writes all the while ---- */

struct writer {
    struct client client;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint acknowledged; /* keys from WRITER on */
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    for (unsigned j = WRITER; !w->stop; j++) {
        char key[32], value[64];
        snprintf(key, sizeof key, "key:%u", j);
        snprintf(value, sizeof value, "value 0 %u", j);
        if (client_ask(&w->client, (const char *const[]){"SET", key, value, NULL}) != 0 ||
            w->client.reply.v[0].type != RESP_SIMPLE)
            break;
        w->acknowledged++;
    }
    return NULL;
}

static void begin_writing(struct cluster *c, struct writer *w, unsigned node)
{
    memset(w, 0, sizeof *w);
    client_init(&w->client);
    assert_int_equal(client_open(&w->client, c->host, e2e_port(c, node)), 0);
    assert_int_equal(pthread_create(&w->thread, NULL, write_on, w), 0);
}

static void await_writes(struct cluster *c, const struct writer *w, unsigned n)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (w->acknowledged < n)
        e2e_poll(c, __FILE__, __LINE__, until_ms, "writes of a client");
}

static void end_writing(struct writer *w)
{
    w->stop = true;
    pthread_join(w->thread, NULL);
    client_close(&w->client);
}

/* ---- What there is to lose ---- */

/* Every byte there is, many times over, which compression makes nothing of. */
static struct slice large_value(void)
{
    static uint8_t p[LARGE];
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < sizeof p; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        p[i] = (uint8_t)(x >> 24);
    }
    return slice_of(p, sizeof p);
}

static struct client *connected(struct cluster *c, unsigned i)
{
    e2e_expect(c, i, "PONG", "PING");
    return &c->client[i];
}

static void put_large(struct cluster *c, unsigned i, const char *key)
{
    const struct slice word[] = {SLICE("SET"), slice_str(key), large_value()};
    assert_int_equal(client_call(connected(c, i), word, 3), 0);
    assert_int_equal(c->client[i].reply.v[0].type, RESP_SIMPLE);
}

/* Values, deletions, ends; one value that all bytes are in. */
static void fill(struct cluster *c)
{
    char key[32];
    assert_int_equal(e2e_fill(c, 0, 0, KEYS, 0), 0);
    for (unsigned j = 0; j < DELETED; j++) {
        snprintf(key, sizeof key, "key:%u", j);
        e2e_expect(c, 1, "1", "DEL", key);
    }
    e2e_expect(c, 2, "1", "PEXPIREAT", "key:200", "4000000000123");
    e2e_expect(c, 2, "OK", "SET", "gone", "x", "PX", "1");
    put_large(c, 0, "large");
}

/* All of it again, through node i; the writer's keys up to `written`. */
static void expect_all(struct cluster *c, unsigned i, unsigned written)
{
    char key[32];
    assert_int_equal(e2e_missing(c, i, DELETED, KEYS, 0), 0);
    assert_int_equal(e2e_missing(c, i, WRITER, WRITER + written, 0), 0);
    for (unsigned j = 0; j < DELETED; j++) {
        snprintf(key, sizeof key, "key:%u", j);
        e2e_expect(c, i, "(nil)", "GET", key);
    }
    e2e_expect(c, i, "4000000000123", "PEXPIRETIME", "key:200");
    e2e_expect(c, i, "-1", "PEXPIRETIME", "key:201");
    e2e_expect(c, i, "(nil)", "GET", "gone");
    assert_int_equal(
        client_call(connected(c, i), (const struct slice[]){SLICE("GET"), SLICE("large")}, 2), 0);
    assert_true(slice_eq(c->client[i].reply.v[0].text, large_value()));
}

static void shell_ok(struct cluster *c, const char *command)
{
    if (e2e_shell(c, "%s", command) != 0)
        e2e_fail(c, __FILE__, __LINE__, "%s: %.600s", command, c->text);
}

static void backup(struct cluster *c, unsigned i, const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "$COVEY backup %s -p %u", name, e2e_port(c, i));
    shell_ok(c, command);
}

/* Killed, and their disks gone. */
static void burn_down(struct cluster *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        e2e_kill(c, i);
    shell_ok(c, "rm -r a b c");
}

static const char *cluster_of(struct cluster *c, unsigned i, char out[64])
{
    e2e_ask(c, i, "STATUS", NULL);
    uint32_t at = client_row(&c->client[i], "cluster", "id");
    struct slice text = at ? c->client[i].reply.v[at].text : SLICE("");
    snprintf(out, 64, "%.*s", (int)text.n, (const char *)text.p);
    return out;
}

/* ---- Stories ---- */

/* A client writes all the while; each node is backed up; everything burns. Three new nodes have it
 * all: every write that was acknowledged before the first backup began, byte for byte; what was
 * deleted stays deleted; ends stay. The new cluster is another one. */
static void test_three_nodes_burn_down(void **state)
{
    struct cluster *c = *state;
    static struct writer w;
    char old[64], fresh[64];
    e2e_start_all(c, 3);
    fill(c);
    begin_writing(c, &w, 1);
    await_writes(c, &w, 300);
    unsigned written = w.acknowledged;
    for (unsigned i = 0; i < 3; i++)
        backup(c, i, (const char *const[]){"bk-a", "bk-b", "bk-c"}[i]);
    await_writes(c, &w, w.acknowledged + 100); /* nobody waited for the backups */
    cluster_of(c, 0, old);
    end_writing(&w);
    burn_down(c, 3);
    e2e_start_all(c, 3);
    assert_string_not_equal(cluster_of(c, 0, fresh), old);
    assert_int_equal(
        e2e_shell(c, "$COVEY restore bk-a bk-b bk-c --into 127.0.0.1:%u", e2e_port(c, 1)), 0);
    for (unsigned i = 0; i < 3; i++)
        expect_all(c, i, written);
    assert_int_equal(
        e2e_shell(c, "$COVEY restore bk-a bk-b bk-c --into 127.0.0.1:%u", e2e_port(c, 1)), 1);
    e2e_match(c, __FILE__, __LINE__, "*holds * keys already*--overwrite*", c->text);
    assert_int_equal(
        e2e_shell(c, "$COVEY restore bk-a --into 127.0.0.1:%u --overwrite", e2e_port(c, 2)), 0);
    expect_all(c, 0, written);
}

/* Two of three backups are enough, and a directory can be made of them that founds a new cluster of
 * one. It does not join. */
static void test_two_of_three_into_a_directory(void **state)
{
    struct cluster *c = *state;
    static struct writer w;
    char old[64], fresh[64];
    e2e_start_all(c, 3);
    fill(c);
    begin_writing(c, &w, 1);
    await_writes(c, &w, 300);
    unsigned written = w.acknowledged;
    backup(c, 0, "bk-a");
    backup(c, 2, "bk-c");
    cluster_of(c, 0, old);
    end_writing(&w);
    assert_int_equal(e2e_shell(c, "$COVEY restore bk-a bk-c --data a"), 1);
    e2e_match(c, __FILE__, __LINE__, "*not empty*", c->text);
    for (unsigned i = 0; i < 3; i++)
        e2e_kill(c, i);
    shell_ok(c, "$COVEY restore bk-a bk-c --data d");
    e2e_start(c, 3, "--seed", "127.0.0.1:1", NULL);
    assert_int_equal(e2e_wait_exit(c, 3), 1);
    e2e_await_log(c, 3, "was restored from backups, so it can only found a new cluster");
    e2e_start(c, 3, NULL);
    e2e_await_status(c, 3, "alive", 1);
    assert_string_not_equal(cluster_of(c, 3, fresh), old);
    expect_all(c, 3, written);
    e2e_expect(c, 3, "OK", "SET", "key:5000", "again");
    e2e_kill(c, 3);
    e2e_restart(c, 3);
    e2e_await_status(c, 3, "alive", 1);
    e2e_expect(c, 3, "again", "GET", "key:5000");
    expect_all(c, 3, written);
}

static bool matches_a_file(const struct cluster *c, const char *pattern)
{
    char path[PATH_MAX + 64];
    glob_t g;
    snprintf(path, sizeof path, "%s/%s", c->nest.dir, pattern);
    bool found = glob(path, 0, NULL, &g) == 0;
    globfree(&g);
    return found;
}

/* Asks for backups until one is seen half made; the node is killed then. */
static void kill_in_a_backup(struct cluster *c)
{
    char path[PATH_MAX + 64];
    for (unsigned n = 0; n < 100; n++) {
        snprintf(path, sizeof path, "%s/bk-%u", c->nest.dir, n);
        e2e_ask(c, 0, "BACKUP", path, NULL);
        while (access(path, F_OK) != 0) {
            if (matches_a_file(c, "*.partial-*")) {
                e2e_kill(c, 0);
                return;
            }
        }
        e2e_shell(c, "rm -r bk-%u", n);
    }
    e2e_fail(c, __FILE__, __LINE__, "no backup of 100 was seen half made");
}

/* A node that is killed in the middle leaves nothing that looks like a backup, and the next one
 * clears what it left. Nor does one that has to stop. */
static void test_killed_in_the_middle(void **state)
{
    struct cluster *c = *state;
    char key[32], path[PATH_MAX + 8];
    e2e_start(c, 0, "--new", NULL);
    e2e_await_status(c, 0, "alive", 1);
    for (unsigned i = 0; i < LARGE_N; i++) {
        snprintf(key, sizeof key, "large:%u", i);
        put_large(c, 0, key);
    }
    kill_in_a_backup(c);
    e2e_restart(c, 0);
    e2e_await_status(c, 0, "alive", 1);
    /* the kill came a moment too late */
    if (matches_a_file(c, "bk-*[0-9]") && !matches_a_file(c, "bk-*.partial-*"))
        shell_ok(c, "$COVEY check bk-*");
    backup(c, 0, "whole");
    assert_false(matches_a_file(c, "*.partial-*"));
    shell_ok(c, "$COVEY check whole");
    snprintf(path, sizeof path, "%s/later", c->nest.dir);
    e2e_ask(c, 0, "BACKUP", path, NULL);
    nest_signal(&c->nest, 0, SIGTERM);
    assert_int_equal(e2e_wait_exit(c, 0), 0);
    assert_false(matches_a_file(c, "*.partial-*"));
    if (matches_a_file(c, "later"))
        shell_ok(c, "$COVEY check later");
}

/* What is refused, and in which words. */
static void test_refusals(void **state)
{
    struct cluster *c = *state;
    char one[PATH_MAX + 8];
    struct client *client;
    e2e_start(c, 0, "--new", NULL);
    e2e_await_status(c, 0, "alive", 1);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_expect(c, 0, "ERR \"relative\" is no absolute path *", "BACKUP", "relative");
    assert_int_equal(e2e_shell(c, "$COVEY backup no/such/place -p %u", e2e_port(c, 0)), 1);
    e2e_match(c, __FILE__, __LINE__, "*cannot open *no/such/*make it first*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY backup a/inside -p %u", e2e_port(c, 0)), 1);
    e2e_match(c, __FILE__, __LINE__, "*data directory itself*", c->text);
    snprintf(one, sizeof one, "%s/one", c->nest.dir);
    const struct slice word[] = {SLICE("BACKUP"), slice_str(one)};
    client = connected(c, 0);
    assert_int_equal(
        client_send(client, word, 2) | client_send(client, word, 2) | client_write(client), 0);
    assert_int_equal(client_receive(client, CLIENT_TIMEOUT_MS), 0);
    assert_int_equal(client->reply.v[0].type, RESP_MAP);
    assert_int_equal(client_receive(client, CLIENT_TIMEOUT_MS), 0);
    e2e_match(c, __FILE__, __LINE__, "BUSY a backup to */one is under way*",
              (const char *)client->reply.v[0].text.p);
    e2e_await_log(c, 0, "event=backup.done");
    e2e_expect(c, 0,
               "*rdb_bgsave_in_progress:0?*rdb_last_save_time:[1-9]*rdb_last_bgsave_status:ok?*",
               "INFO", "persistence");
    assert_int_equal(e2e_shell(c, "$COVEY backup one -p %u", e2e_port(c, 0)), 1);
    e2e_match(c, __FILE__, __LINE__, "*exists already*", c->text);
    e2e_expect(c, 0, "*rdb_last_save_time:[1-9]*rdb_last_bgsave_status:err?*", "INFO",
               "persistence");
    shell_ok(c,
             "cp -r one two && printf x | dd of=two/seg-00000001.log bs=1 seek=200 conv=notrunc");
    assert_int_equal(e2e_shell(c, "$COVEY restore two --data new"), 1);
    e2e_match(c, __FILE__, __LINE__, "*two/seg-00000001.log is damaged*use another backup*",
              c->text);
    assert_int_equal(e2e_shell(c, "$COVEY restore one two --into 127.0.0.1:1"), 3);
    assert_int_equal(e2e_shell(c, "$COVEY restore a --data new"), 1);
    e2e_match(c, __FILE__, __LINE__, "*a is no backup*", c->text);
    assert_int_equal(e2e_shell(c, "$COVEY restore one"), 64);
    assert_false(matches_a_file(c, "new*"));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, e2e_setup, e2e_teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_three_nodes_burn_down),
        STORY(test_two_of_three_into_a_directory),
        STORY(test_killed_in_the_middle),
        STORY(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
