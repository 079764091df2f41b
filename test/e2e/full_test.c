/* full_test.c: disks that are full, for real: each node's data directory is a small file system of
 * its own (tmpfs).
 *
 * The mounts are in a namespace of this process, so that nothing of them outlives it. As root that
 * always works; as an ordinary user where the kernel allows user namespaces; else the stories are
 * skipped, and say so. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

enum {
    NODES = 3,
    DISK_MIB = 160, /* the reserve of 48, a whole segment of 64, and part of another */
    VALUE = 1024 * 1024,
    RESERVE_MIB = 48,
    SMALL_MIB = 90, /* the reserve, and part of a segment */
    VALUES_MAX = 2 * DISK_MIB,
    AGAIN = 20, /* values stored once there is room again */
};

/* NOSPACE or UNKNOWN: two of three owners are enough to refuse it, and what the third does with it
 * may be open by then. */
#define NO_ROOM "* too few owners have room on their disk; *"

static bool mounts_allowed;

/* ---- The file systems ---- */

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* An ordinary user becomes root of a user namespace, in which files may be made. */
static bool own_users(void)
{
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1\n", (unsigned)getuid());
    snprintf(groups, sizeof groups, "0 %u 1\n", (unsigned)getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/uid_map", users) &&
           write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/gid_map", groups);
}

static bool own_mounts(void)
{
    return (unshare(CLONE_NEWNS) == 0 || own_users()) &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int full_setup(void **state)
{
    char path[PATH_MAX + 8], size[32];
    int error = e2e_setup(state);
    struct cluster *c = *state;
    snprintf(size, sizeof size, "size=%dm", DISK_MIB);
    for (unsigned i = 0; !error && mounts_allowed && i < NODES; i++) {
        snprintf(path, sizeof path, "%s/%s", c->nest.dir, e2e_name(i));
        error = mkdir(path, 0700) != 0 ||
                        mount("covey-test", path, "tmpfs", MS_NOSUID | MS_NODEV, size) != 0
                    ? -1
                    : 0;
    }
    return error;
}

static int full_teardown(void **state)
{
    char path[PATH_MAX + 8];
    struct cluster *c = *state;
    for (unsigned i = 0; mounts_allowed && i < NODES; i++) {
        snprintf(path, sizeof path, "%s/%s", c->nest.dir, e2e_name(i));
        umount2(path, MNT_DETACH);
    }
    return e2e_teardown(state);
}

/* ---- Large values ---- */

static const char *key_of(unsigned j)
{
    static char key[32];
    snprintf(key, sizeof key, "large:%u", j);
    return key;
}

/* Of no pattern that compression could use, and another one for each key. */
static struct slice value_of(unsigned j)
{
    static uint64_t p[VALUE / 8];
    uint64_t x = j + 1;
    for (size_t i = 0; i < VALUE / 8; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        p[i] = x;
    }
    return slice_of(p, sizeof p);
}

/* SETs key j; the reply. */
static const char *put(struct cluster *c, unsigned i, unsigned j)
{
    struct client *client = &c->client[i];
    const struct slice word[] = {SLICE("SET"), slice_str(key_of(j)), value_of(j)};
    if (client->fd < 0)
        e2e_expect(c, i, "PONG", "PING");
    if (client_call(client, word, 3) != 0)
        return client->why;
    const struct resp_value *v = client->reply.v;
    snprintf(c->text, sizeof c->text, "%.*s", (int)v->text.n, (const char *)v->text.p);
    return c->text;
}

static void expect_large(struct cluster *c, unsigned i, unsigned j)
{
    e2e_ask(c, i, "GET", key_of(j), NULL);
    const struct resp_value *v = c->client[i].reply.v;
    e2e_check(c, c->client[i].fd >= 0 && v->type == RESP_BULK && slice_eq(v->text, value_of(j)));
}

/* Values through all nodes in turn until one is refused: for want of room, and in time. How many
 * were acknowledged, from the first on. */
static unsigned fill_up(struct cluster *c, unsigned from)
{
    for (unsigned j = from; j < VALUES_MAX; j++) {
        uint64_t began_ms = e2e_now_ms();
        const char *answer = put(c, j % NODES, j);
        e2e_check(c, e2e_now_ms() - began_ms < CLIENT_TIMEOUT_MS);
        if (strcmp(answer, "OK") == 0)
            continue;
        e2e_match(c, __FILE__, __LINE__, NO_ROOM, answer);
        return j;
    }
    e2e_fail(c, __FILE__, __LINE__, "%d MiB fit a disk of %d MiB", VALUES_MAX, DISK_MIB);
}

/* Nobody took anybody for dead, or stood still. */
static void expect_no_stall(struct cluster *c)
{
    for (unsigned i = 0; i < NODES; i++) {
        e2e_await_status(c, i, "alive", NODES);
        assert_int_not_equal(
            e2e_shell(c, "grep -E 'event=(member.dead|node.stalled)' %s.log", e2e_name(i)), 0);
    }
}

/* What was deleted is gone, the rest is there, and so is what was stored when there was room
 * again. */
static void expect_after(struct cluster *c, unsigned deleted, unsigned n)
{
    for (unsigned j = 0; j < deleted; j++)
        e2e_expect(c, j % NODES, "(nil)", "GET", key_of(j));
    for (unsigned j = deleted; j < n; j++)
        expect_large(c, j % NODES, j);
    for (unsigned j = 0; j < AGAIN; j++)
        expect_large(c, j % NODES, VALUES_MAX + j);
}

static void shrink_disks(struct cluster *c)
{
    char path[PATH_MAX + 8], size[32];
    snprintf(size, sizeof size, "size=%dm", SMALL_MIB);
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(path, sizeof path, "%s/%s", c->nest.dir, e2e_name(i));
        e2e_check(c, mount(NULL, path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, size) == 0);
    }
}

/* Until `covey status` of node i exits with that code, and its verdict matches. */
static void await_verdict(struct cluster *c, unsigned i, int code, const char *verdict)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (e2e_shell(c, "$COVEY status -p %u", e2e_port(c, i)) != code ||
           !e2e_matches(verdict, c->text))
        e2e_poll(c, __FILE__, __LINE__, until_ms, verdict);
}

/* ---- The stories ---- */

static void skip_without_mounts(void)
{
    if (mounts_allowed)
        return;
    print_message("skipped: this user may not mount a small file system here (root may)\n");
    skip();
}

/* Every node's disk fills up: reads go on, values are refused in words, deletions are taken, and
 * when compaction has made room of them values are taken again, without anybody doing anything. A
 * few deletions at first give no room: nor do they use up what the others need. Nothing
 * acknowledged is lost, then or in a restart. */
static void test_disks_fill_up_and_recover(void **state)
{
    struct cluster *c = *state;
    skip_without_mounts();
    e2e_start_all(c, NODES);
    unsigned n = fill_up(c, 0), few = n / 10, deleted = n * 3 / 4;
    e2e_check(c, n > DISK_MIB / 2);
    for (unsigned j = 0; j < n; j++)
        expect_large(c, j % NODES, j);
    for (unsigned i = 0; i < NODES; i++)
        e2e_await_log(c, i, "the disk is full: values are refused, deletions are taken");
    e2e_expect(c, 1, NO_ROOM, "SET", "small", "x");
    for (unsigned j = 0; j < few; j++)
        e2e_expect(c, j % NODES, "1", "DEL", key_of(j));
    e2e_expect(c, 0, NO_ROOM, "SET", "small", "x");
    for (unsigned j = few; j < deleted; j++)
        e2e_expect(c, j % NODES, "1", "DEL", key_of(j));
    e2e_await(c, 2, "OK", "SET", "small", "x");
    for (unsigned i = 0; i < NODES; i++)
        e2e_await_log(c, i, "there is room on the disk again");
    for (unsigned j = 0; j < AGAIN; j++)
        assert_string_equal(put(c, j % NODES, VALUES_MAX + j), "OK");
    expect_no_stall(c);
    for (unsigned i = 0; i < NODES; i++)
        e2e_kill(c, i);
    for (unsigned i = 0; i < NODES; i++)
        e2e_restart(c, i);
    e2e_await_healthy(c, NODES);
    expect_after(c, deleted, n);
}

/* Only b's disk is full. Every node says so, and every key is written all the same; not any more
 * when c is dead too, and a write says why. When there is room again nobody has to do anything. */
static void test_one_full_disk(void **state)
{
    char path[PATH_MAX + 8], size[32];
    struct cluster *c = *state;
    skip_without_mounts();
    e2e_start_all(c, NODES);
    snprintf(path, sizeof path, "%s/b", c->nest.dir);
    snprintf(size, sizeof size, "size=%dm", SMALL_MIB);
    e2e_check(c, mount(NULL, path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, size) == 0);
    for (unsigned j = 0; j < SMALL_MIB - RESERVE_MIB; j++)
        assert_string_equal(put(c, 0, j), "OK");
    for (unsigned i = 0; i < NODES; i++)
        await_verdict(c, i, 1,
                      i == 1 ? "degraded: every key can be read and written, no more node may die; "
                               "the disk of this node is full*"
                             : "degraded: every key can be read and written, no more node may die; "
                               "the disk of b is full*");
    e2e_expect(c, 1, "OK", "SET", "small", "x");
    e2e_kill(c, 2);
    await_verdict(c, 0, 2, "unavailable: keys of 1024 of 1024 vnodes cannot be written now; *");
    e2e_expect(c, 0, NO_ROOM, "SET", "small", "y");
    expect_large(c, 0, 0);
    snprintf(size, sizeof size, "size=%dm", DISK_MIB);
    e2e_check(c, mount(NULL, path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, size) == 0);
    await_verdict(c, 0, 1, "degraded: every key can be read and written, no more node may die; *");
    e2e_expect(c, 0, "OK", "SET", "small", "z");
    e2e_restart(c, 2);
    e2e_await_healthy(c, NODES);
}

/* The same when all that there is stands in the segment in use. */
static void test_a_small_disk(void **state)
{
    struct cluster *c = *state;
    skip_without_mounts();
    e2e_start_all(c, NODES);
    shrink_disks(c);
    unsigned n = fill_up(c, 0), deleted = n * 3 / 4;
    for (unsigned j = 0; j < deleted; j++)
        e2e_expect(c, j % NODES, "1", "DEL", key_of(j));
    e2e_await(c, 2, "OK", "SET", "small", "x");
    for (unsigned i = 0; i < NODES; i++)
        e2e_await_log(c, i, "there is room on the disk again");
    for (unsigned j = deleted; j < n; j++)
        expect_large(c, j % NODES, j);
    expect_no_stall(c);
}

int main(void)
{
    mounts_allowed = own_mounts();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_disks_fill_up_and_recover, full_setup, full_teardown),
        cmocka_unit_test_setup_teardown(test_one_full_disk, full_setup, full_teardown),
        cmocka_unit_test_setup_teardown(test_a_small_disk, full_setup, full_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
