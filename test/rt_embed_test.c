/* Real nodes in threads of this process, over the embedding API and real sockets: they form a
 * cluster, serve, refuse, and stop. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "covey.h"

enum { NODES = 3, DEADLINE_S = 20 };

/* One node, its thread, and what it reported. */
struct runner {
    struct covey_options options;
    struct covey *node;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    int result;
    char dir[64], name[8], seed[32], why[COVEY_WHY_MAX];
    const char *seeds[1];
    char log[64 * 1024]; /* lines, as far as they fit */
};

static char root[] = "/tmp/covey-embed-XXXXXX";

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)type, (void)f;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    strcpy(root + sizeof root - 7, "XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Ports below the ephemeral ones, apart for test programs that run at the same time. */
static uint16_t port_of(unsigned node)
{
    return (uint16_t)(12000 + getpid() % 600 * 30 + (int)node * 3);
}

static void on_state(void *arg, enum covey_state state, const char *sentence)
{
    struct runner *r = arg;
    assert_true(strlen(sentence) > 0);
    pthread_mutex_lock(&r->mutex);
    r->ready |= state == COVEY_READY;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static void on_log(void *arg, enum covey_log_level level, const char *line)
{
    struct runner *r = arg;
    size_t n = strlen(r->log);
    (void)level;
    pthread_mutex_lock(&r->mutex);
    snprintf(r->log + n, sizeof r->log - n, "%s\n", line);
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static void *run(void *arg)
{
    struct runner *r = arg;
    r->result = covey_run(r->node, r->why, sizeof r->why);
    pthread_mutex_lock(&r->mutex);
    r->ready = true; /* nobody must wait for one that has ended */
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* Node number i of this test; the first one founds, the others join it. */
static void describe(struct runner *r, unsigned i)
{
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "%s/%u", root, i);
    snprintf(r->name, sizeof r->name, "n%u", i);
    snprintf(r->seed, sizeof r->seed, "127.0.0.1:%u", port_of(0));
    r->seeds[0] = r->seed;
    r->options = (struct covey_options){
        .name = r->name,
        .data_dir = r->dir,
        .port = port_of(i),
        .seeds = r->seeds,
        .seed_n = i > 0,
        .found = i == 0,
        .profile = COVEY_LOCAL,
        .on_state = on_state,
        .on_log = on_log,
        .arg = r,
    };
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
}

static struct timespec deadline(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += DEADLINE_S;
    return ts;
}

static void begin(struct runner *r)
{
    if (covey_open(&r->node, &r->options, r->why, sizeof r->why) != COVEY_OK)
        fail_msg("%s: %s", r->name, r->why);
    assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
}

static void await_ready(struct runner *r)
{
    struct timespec until = deadline();
    int error = 0;
    pthread_mutex_lock(&r->mutex);
    while (!r->ready && !error)
        error = pthread_cond_timedwait(&r->changed, &r->mutex, &until);
    pthread_mutex_unlock(&r->mutex);
    if (error)
        fail_msg("%s is not ready; its log:\n%s", r->name, r->log);
}

static void await_log(struct runner *r, const char *words)
{
    struct timespec until = deadline();
    int error = 0;
    pthread_mutex_lock(&r->mutex);
    while (!strstr(r->log, words) && !error)
        error = pthread_cond_timedwait(&r->changed, &r->mutex, &until);
    pthread_mutex_unlock(&r->mutex);
    if (error)
        fail_msg("%s never logged \"%s\":\n%s", r->name, words, r->log);
}

static void end(struct runner *r)
{
    covey_stop(r->node);
    pthread_join(r->thread, NULL);
    covey_close(r->node);
    if (r->result != COVEY_OK)
        fail_msg("%s ended: %s", r->name, r->why);
}

static void assert_not_opened(struct runner *r, const char *value, const char *remedy)
{
    assert_int_equal(covey_open(&r->node, &r->options, r->why, sizeof r->why), COVEY_FAILED);
    assert_null(r->node);
    if (!strstr(r->why, value) || !strstr(r->why, remedy))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", r->why, value, remedy);
}

/* ---- A small client ---- */

static int dial(uint16_t port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = DEADLINE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* Reads exactly what is expected. */
static void expect(int fd, const char *want)
{
    char got[256] = {0};
    size_t n = 0;
    while (n < strlen(want)) {
        ssize_t k = recv(fd, got + n, strlen(want) - n, 0);
        if (k <= 0)
            fail_msg("the stream ended after \"%s\", expected \"%s\"", got, want);
        n += (size_t)k;
    }
    assert_string_equal(got, want);
}

static void ask(int fd, const char *line, const char *want)
{
    put(fd, line, strlen(line));
    expect(fd, want);
}

/* True when the other end closed, whatever it sent before. */
static bool closed_by_peer(int fd)
{
    char some[4096];
    ssize_t n;
    while ((n = recv(fd, some, sizeof some, 0)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}

/* ---- Tests ---- */

static void test_three_nodes_serve_each_others_keys(void **state)
{
    (void)state;
    struct runner r[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        describe(&r[i], i);
        begin(&r[i]);
        await_ready(&r[i]);
    }
    for (unsigned i = 0; i < NODES; i++)
        await_log(&r[i], "members=3"); /* the layout of all three */
    int a = dial(port_of(0)), c = dial(port_of(2));
    ask(a, "SET city Paris\r\n", "+OK\r\n");
    ask(c, "GET city\r\n", "$5\r\nParis\r\n");
    ask(c, "SET k 1\r\nGET k\r\nDEL k\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n:1\r\n$-1\r\n");
    close(a);
    close(c);
    for (unsigned i = 0; i < NODES; i++)
        end(&r[i]);
}

static void test_large_values_cross_the_cluster(void **state)
{
    (void)state;
    /* more large messages at once than a stream has channels */
    enum { SIZE = 3 * 1024 * 1024, COPIES = 12 };
    struct runner r[NODES];
    char *value = malloc(SIZE), head[96];
    for (unsigned i = 0; i < SIZE; i++)
        value[i] = (char)(i * 2654435761u >> 24);
    for (unsigned i = 0; i < NODES; i++) {
        describe(&r[i], i);
        r[i].options.durability = COVEY_INTERVAL;
        begin(&r[i]);
        await_ready(&r[i]);
    }
    for (unsigned i = 0; i < NODES; i++)
        await_log(&r[i], "members=3");
    int fd = dial(port_of(1));
    for (unsigned i = 0; i < COPIES; i++) {
        snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$4\r\nk%03u\r\n$%d\r\n", i, SIZE);
        put(fd, head, strlen(head));
        for (size_t at = 0; at < SIZE;) {
            ssize_t n = send(fd, value + at, SIZE - at, MSG_NOSIGNAL);
            assert_true(n > 0);
            at += (size_t)n;
        }
        put(fd, "\r\n", 2);
    }
    for (unsigned i = 0; i < COPIES; i++)
        expect(fd, "+OK\r\n");
    close(fd);
    fd = dial(port_of(2));
    ask(fd, "STRLEN k011\r\n", ":3145728\r\n");
    ask(fd, "GET k000\r\n", "$3145728\r\n");
    char *got = malloc(SIZE);
    for (size_t at = 0; at < SIZE;) {
        ssize_t n = recv(fd, got + at, SIZE - at, 0);
        assert_true(n > 0);
        at += (size_t)n;
    }
    assert_memory_equal(got, value, SIZE);
    expect(fd, "\r\n");
    close(fd);
    free(got);
    free(value);
    for (unsigned i = 0; i < NODES; i++)
        end(&r[i]);
}

static void test_a_used_directory_remembers(void **state)
{
    (void)state;
    struct runner r;
    describe(&r, 0);
    begin(&r);
    await_ready(&r);
    int fd = dial(port_of(0));
    ask(fd, "SET city Paris\r\n", "+OK\r\n");
    close(fd);
    end(&r);
    describe(&r, 0);
    r.options.name = NULL;
    r.options.found = false;
    begin(&r);
    await_ready(&r);
    assert_non_null(strstr(r.log, "event=node.ready"));
    assert_null(strstr(r.log, "event=node.founded"));
    fd = dial(port_of(0));
    ask(fd, "GET city\r\n", "$5\r\nParis\r\n");
    close(fd);
    end(&r);
    describe(&r, 0);
    assert_not_opened(&r, r.dir, "leave --new out");
}

static void test_refused_starts(void **state)
{
    (void)state;
    struct runner a, b;
    char port[8];
    describe(&a, 0);
    begin(&a);
    await_ready(&a);
    describe(&b, 1);
    snprintf(port, sizeof port, "%u", port_of(0));
    b.options.port = port_of(0);
    assert_not_opened(&b, port, "--port");
    assert_int_equal(access(b.dir, F_OK), -1); /* nothing was left behind */
    b.options.port = (uint16_t)(port_of(0) - 1);
    assert_not_opened(&b, port, "--port"); /* its peer port is the other's client port */
    b.options.port = port_of(1);
    b.options.seed_n = 0;
    assert_not_opened(&b, b.dir, "--new");
    assert_int_equal(access(b.dir, F_OK), -1);
    b.options.seed_n = 1;
    b.options.data_dir = a.dir;
    assert_not_opened(&b, a.dir, "another directory with --data");
    b.options.data_dir = "/dev/null/x";
    assert_not_opened(&b, "/dev/null/x", "");
    b.options.data_dir = b.dir;
    b.options.bind = "0.0.0.0";
    assert_not_opened(&b, "0.0.0.0", "127.0.0.1");
    end(&a);
}

static void test_strangers_at_the_peer_port(void **state)
{
    (void)state;
    static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static const unsigned char huge[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0};
    struct runner r;
    describe(&r, 0);
    begin(&r);
    await_ready(&r);
    int fd = dial((uint16_t)(port_of(0) + 1));
    put(fd, http, sizeof http - 1);
    assert_true(closed_by_peer(fd));
    close(fd);
    await_log(&r, "event=peer.garbage");
    fd = dial((uint16_t)(port_of(0) + 1));
    put(fd, huge, sizeof huge);
    assert_true(closed_by_peer(fd));
    close(fd);
    fd = dial((uint16_t)(port_of(0) + 1)); /* says nothing: its time runs out */
    assert_true(closed_by_peer(fd));
    close(fd);
    fd = dial(port_of(0));
    ask(fd, "PING\r\n", "+PONG\r\n");
    close(fd);
    end(&r);
}

static void test_the_client_after_the_last(void **state)
{
    (void)state;
    struct runner r;
    describe(&r, 0);
    r.options.clients_max = 1;
    begin(&r);
    await_ready(&r);
    int first = dial(port_of(0));
    ask(first, "PING\r\n", "+PONG\r\n");
    int second = dial(port_of(0));
    expect(second, "-ERR max number of clients reached\r\n");
    assert_true(closed_by_peer(second));
    ask(first, "PING\r\n", "+PONG\r\n");
    close(first);
    close(second);
    end(&r);
}

static void test_quit_and_http_are_hung_up_on(void **state)
{
    (void)state;
    struct runner r;
    describe(&r, 0);
    begin(&r);
    await_ready(&r);
    int fd = dial(port_of(0));
    ask(fd, "SET k v\r\nQUIT\r\n", "+OK\r\n+OK\r\n");
    assert_true(closed_by_peer(fd));
    close(fd);
    fd = dial(port_of(0));
    put(fd, "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k evil\r\n", 41);
    assert_true(closed_by_peer(fd));
    close(fd);
    fd = dial(port_of(0));
    ask(fd, "GET k\r\n", "$1\r\nv\r\n");
    close(fd);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_three_nodes_serve_each_others_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_values_cross_the_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_used_directory_remembers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_starts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers_at_the_peer_port, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_client_after_the_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quit_and_http_are_hung_up_on, setup, teardown),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
