/* hostile_test.c: bytes that no peer and no client of ours would send. The node answers or hangs up, counts, and goes on. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/rng.h"
#include "harness.h"

/* A socket connected to a node's port. */
static int connect_to(struct cluster *c, unsigned port, int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    e2e_check(c, fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* Reads until the node hangs up; what it said is in c->text. */
static void until_closed(struct cluster *c, int fd)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        e2e_check(c, poll(&p, 1, E2E_WAIT_MS) == 1);
        ssize_t got = recv(fd, c->text + n, sizeof c->text - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    c->text[n] = '\0';
    close(fd);
}

static void random_bytes(struct rng *r, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)rng_next(r);
}

/* Packets of all lengths: random, and with a header that begins well. */
static void test_hostile_datagrams(void **state)
{
    struct cluster *c = *state;
    struct rng r;
    uint8_t packet[2000];
    rng_init(&r, 1);
    e2e_start_all(c, 3);
    int fd = connect_to(c, e2e_port(c, 0) + 1u, SOCK_DGRAM);
    for (size_t i = 0; i < 4000; i++) {
        size_t n = rng_below(&r, sizeof packet + 1);
        random_bytes(&r, packet, n);
        if (i % 2 == 0 && n >= 4)
            memcpy(packet, "CVY\001", 4);
        send(fd, packet, n, 0); /* may be dropped when the queue is full: the rest is hostile enough */
    }
    close(fd);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_await_whole(c, 3);
    e2e_check(c, nest_running(&c->nest, 0));
}

static void test_hostile_peer_streams(void **state)
{
    struct cluster *c = *state;
    struct rng r;
    uint8_t bytes[4096];
    rng_init(&r, 2);
    e2e_start_all(c, 3);
    for (unsigned i = 0; i < 64; i++) {
        int fd = connect_to(c, e2e_port(c, 0) + 1u, SOCK_STREAM);
        size_t n = 1 + rng_below(&r, sizeof bytes);
        random_bytes(&r, bytes, n);
        if (i % 4 == 1)
            memset(bytes, 0xff, n < 16 ? n : 16); /* the greatest length */
        if (i % 4 == 2)
            memset(bytes, 0, n < 16 ? n : 16);
        send(fd, bytes, n, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        until_closed(c, fd);
    }
    e2e_await_log(c, 0, "event=peer.garbage*addr=");
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_await_whole(c, 3);
}

/* Nobody may hold a peer connection by saying nothing: it is closed when the hello does not come. */
static void test_silent_peer_is_cut(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 1);
    until_closed(c, connect_to(c, e2e_port(c, 0) + 1u, SOCK_STREAM));
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

static void test_hostile_resp(void **state)
{
    struct cluster *c = *state;
    static const struct {
        const char *bytes, *answer;
    } cases[] = {
        {"*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*9999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$abc\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
        {"set \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
    };
    e2e_start_all(c, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = connect_to(c, e2e_port(c, 0), SOCK_STREAM);
        send(fd, cases[i].bytes, strlen(cases[i].bytes), MSG_NOSIGNAL);
        until_closed(c, fd);
        assert_string_equal(c->text, cases[i].answer);
    }
    struct rng r;
    uint8_t bytes[8192];
    rng_init(&r, 3);
    for (unsigned i = 0; i < 64; i++) {
        int fd = connect_to(c, e2e_port(c, 0), SOCK_STREAM);
        random_bytes(&r, bytes, sizeof bytes);
        if (i % 2 == 0)
            memcpy(bytes, "*3\r\n$3\r\nSET\r\n", 13);
        send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        until_closed(c, fd);
    }
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

/* Browsers reach loopback: a page must not be able to write. */
static void test_http_on_the_client_port(void **state)
{
    struct cluster *c = *state;
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET k hacked\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX:\r\n\r\nSET k hacked\r\n",
    };
    e2e_start_all(c, 1);
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_to(c, e2e_port(c, 0), SOCK_STREAM);
        send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL);
        until_closed(c, fd);
        e2e_match(c, __FILE__, __LINE__, "*-ERR *", c->text);
    }
    e2e_expect(c, 0, "(nil)", "GET", "k");
    e2e_expect(c, 0, "*rejected_requests:[1-9]*", "INFO", "stats");
}

/* Too large is an error and not a disconnection. */
static void test_limits_of_key_and_value(void **state)
{
    struct cluster *c = *state;
    size_t n = VALUE_MAX + 1;
    char *big = malloc(n + 1);
    assert_non_null(big);
    memset(big, 'x', n);
    big[n] = '\0';
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "ERR value is 8388609 bytes, the limit is 8388608*--value-max*", "SET", "k", big);
    int fd = c->client[0].fd;
    big[VALUE_MAX] = '\0';
    e2e_expect(c, 0, "OK", "SET", "k", big);
    e2e_expect(c, 1, "8388608", "STRLEN", "k");
    big[KEY_MAX + 1] = '\0';
    e2e_expect(c, 0, "ERR key is 65537 bytes, the limit is 65536*", "SET", big, "v");
    big[KEY_MAX] = '\0';
    e2e_expect(c, 0, "OK", "SET", big, "v");
    e2e_expect(c, 2, "v", "GET", big);
    assert_int_equal(c->client[0].fd, fd); /* still the first connection */
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_datagrams, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_peer_streams, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_silent_peer_is_cut, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_resp, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_http_on_the_client_port, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_limits_of_key_and_value, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
