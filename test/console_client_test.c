/* console_client_test.c: the console's connection against servers that answer well, late, wrongly
 * or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "console/client.h"

/* A server of one connection: sends `bytes` (in pieces of `piece`, 0: at once), and only then reads
 * until the client closes. */
struct server {
    struct slice bytes;
    size_t piece;
    bool close_first; /* instead of reading */
    int fd;
    uint16_t port;
    size_t received;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    size_t piece = s->piece != 0 ? s->piece : s->bytes.n;
    for (size_t at = 0; at < s->bytes.n; at += piece) {
        size_t n = s->bytes.n - at < piece ? s->bytes.n - at : piece;
        if (send(fd, s->bytes.p + at, n, MSG_NOSIGNAL) < 0)
            break;
    }
    char sink[4096];
    ssize_t n = 1;
    while (!s->close_first && (n = recv(fd, sink, sizeof sink, 0)) > 0)
        s->received += (size_t)n;
    close(fd);
    return NULL;
}

static void server_open(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 4), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_close(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
}

#define HELLO "%1\r\n$5\r\nproto\r\n:3\r\n"

static const char *const ping[] = {"PING", NULL};

static void test_reply_and_fields(void **state)
{
    (void)state;
    struct server s = {.bytes = SLICE(HELLO "%2\r\n$1\r\na\r\n*1\r\n:1\r\n$1\r\nb\r\n:2\r\n")};
    struct client c;
    client_init(&c);
    server_open(&s);
    assert_int_equal(client_open(&c, "127.0.0.1", s.port), 0);
    assert_int_equal(client_ask(&c, ping), 0);
    assert_int_equal(c.reply.v[client_field(&c, 0, "b")].integer, 2);
    assert_int_equal(c.reply.v[client_field(&c, 0, "a")].type, RESP_ARRAY);
    assert_int_equal(client_field(&c, 0, "c"), 0);
    assert_int_equal(client_field(&c, client_field(&c, 0, "b"), "a"), 0);
    client_close(&c);
    server_close(&s);
    assert_int_equal(s.received, strlen("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n"));
}

static void test_reply_in_pieces_and_pushes_between(void **state)
{
    (void)state;
    struct server s = {.bytes = SLICE(HELLO ">2\r\n$1\r\nx\r\n:1\r\n$6\r\na\r\nb\r\n\r\n"),
                       .piece = 1};
    struct client c;
    client_init(&c);
    server_open(&s);
    assert_int_equal(client_open(&c, "127.0.0.1", s.port), 0);
    assert_int_equal(client_ask(&c, ping), 0);
    assert_true(slice_eq(c.reply.v[0].text, SLICE("a\r\nb\r\n")));
    client_close(&c);
    server_close(&s);
}

static void test_nothing_there_yet(void **state)
{
    (void)state;
    struct server s = {.bytes = SLICE(HELLO)};
    struct client c;
    client_init(&c);
    server_open(&s);
    assert_int_equal(client_open(&c, "127.0.0.1", s.port), 0);
    assert_int_equal(client_receive(&c, 0), ERR_INCOMPLETE);
    assert_true(c.fd >= 0);
    client_close(&c);
    server_close(&s);
}

static void test_connection_that_ends(void **state)
{
    (void)state;
    struct server s = {.bytes = SLICE(HELLO "$5\r\nab"), .close_first = true};
    struct client c;
    client_init(&c);
    server_open(&s);
    int error = client_open(&c, "127.0.0.1", s.port);
    error = error != 0 ? error : client_ask(&c, ping); /* half a reply, then the end */
    /* a reset, when our bytes came after the end */
    assert_true(error == ERR_CLOSED || error == ERR_IO);
    assert_int_equal(c.fd, -1);
    assert_non_null(strstr(c.why, "127.0.0.1 port "));
    assert_int_equal(client_ask(&c, ping), ERR_CLOSED);
    server_close(&s);
    client_close(&c);
}

static void test_server_that_is_no_node(void **state)
{
    (void)state;
    struct server http = {.bytes = SLICE("HTTP/1.1 400 Bad Request\r\n\r\n")};
    struct server old = {.bytes = SLICE("-ERR unknown command 'HELLO'\r\n")};
    struct client c;
    client_init(&c);
    server_open(&http);
    assert_int_equal(client_open(&c, "127.0.0.1", http.port), ERR_BAD_MESSAGE);
    assert_non_null(strstr(c.why, "client port of a covey node"));
    server_close(&http);
    server_open(&old);
    assert_int_equal(client_open(&c, "127.0.0.1", old.port), ERR_BAD_MESSAGE);
    assert_non_null(strstr(c.why, "unknown command 'HELLO'"));
    server_close(&old);
    client_close(&c);
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct server s = {.bytes = SLICE("")};
    struct client c;
    char port[32];
    client_init(&c);
    server_open(&s);
    snprintf(port, sizeof port, "127.0.0.1 port %u", s.port);
    assert_int_equal(client_connect(&c, "127.0.0.1", s.port), 0);
    client_close(&c);
    server_close(&s); /* now nobody listens there */
    assert_int_equal(client_open(&c, "127.0.0.1", s.port), ERR_IO);
    assert_non_null(strstr(c.why, port));
    assert_non_null(strstr(c.why, "is it running"));
    assert_int_equal(client_open(&c, "no such host.invalid", 1), ERR_IO);
    assert_non_null(strstr(c.why, "\"no such host.invalid\""));
    client_close(&c);
}

/* Both sides have more to send than the sockets take: the client must read while it writes. */
static void test_flush_reads_meanwhile(void **state)
{
    (void)state;
    enum { REPLIES = 4 * 1024 * 1024 };
    char *bytes = malloc(sizeof HELLO - 1 + REPLIES * 4);
    assert_non_null(bytes);
    memcpy(bytes, HELLO, sizeof HELLO - 1);
    for (size_t i = 0; i < REPLIES; i++)
        memcpy(bytes + sizeof HELLO - 1 + i * 4, ":1\r\n", 4);
    struct server s = {.bytes = slice_of(bytes, sizeof HELLO - 1 + REPLIES * 4)};
    struct client c;
    struct slice value = slice_of(bytes, 16 * 1024 * 1024);
    client_init(&c);
    server_open(&s);
    assert_int_equal(client_open(&c, "127.0.0.1", s.port), 0);
    assert_int_equal(client_send(&c, &value, 1), 0);
    assert_int_equal(client_write(&c), 0);
    assert_int_equal(c.out.n, 0);
    for (size_t i = 0; i < REPLIES; i++) {
        assert_int_equal(client_receive(&c, CLIENT_TIMEOUT_MS), 0);
        assert_int_equal(c.reply.v[0].integer, 1);
    }
    client_close(&c);
    server_close(&s);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_and_fields),
        cmocka_unit_test(test_reply_in_pieces_and_pushes_between),
        cmocka_unit_test(test_nothing_there_yet),
        cmocka_unit_test(test_connection_that_ends),
        cmocka_unit_test(test_server_that_is_no_node),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_flush_reads_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
