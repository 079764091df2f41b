/* redis_test.c: the tools that people have already, and what their libraries send. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static void test_redis_cli(void **state)
{
    struct cluster *c = *state;
    unsigned port = e2e_port(c, 1);
    e2e_start_all(c, 3);
    static const struct {
        const char *command, *output;
    } cases[] = {
        {"ping", "PONG\n"},
        {"echo hello", "hello\n"},
        {"set k v", "OK\n"},
        {"get k", "v\n"},
        {"mset a 1 b 2", "OK\n"},
        {"mget a b none", "1\n2\n\n"},
        {"exists a a none", "2\n"},
        {"strlen k", "1\n"},
        {"type k", "string\n"},
        {"type none", "none\n"},
        {"dbsize", "3\n"},
        {"del a b none", "2\n"},
        {"get a", "\n"},
        {"set t v ex 1000", "OK\n"},
        {"ttl t", "[19]*\n"},
        {"expire t 2000 gt", "[01]\n"},
        {"pttl t", "[12]*\n"},
        {"expiretime t", "[12]?????????\n"},
        {"set t w keepttl", "OK\n"},
        {"ttl t", "[12]*\n"},
        {"set t x", "OK\n"},
        {"ttl t", "-1\n"},
        {"persist t", "0\n"},
        {"pexpireat t 1", "1\n"},
        {"get t", "\n"},
        {"ttl t", "-2\n"},
        {"dbsize", "1\n"},
        {"setex t 100 v", "OK\n"},
        {"expire t 10 nx", "0\n"},
        {"expire t ten", "ERR value is not an integer or out of range\n\n"},
        {"set t v ex 0", "ERR invalid expire time in 'set' command\n\n"},
        {"expire none 10", "0\n"},
        {"del t none", "1\n"},
        {"flushall nonsense", "ERR syntax error\n\n"},
        {"flushdb sync", "OK\n"},
        {"dbsize", "0\n"},
        {"get k", "\n"},
        {"set k v", "OK\n"},
        {"get k", "v\n"},
        {"select 0", "OK\n"},
        {"client setname x", "OK\n"},
        {"select 1", "ERR DB index is out of range\n\n"},
        {"incr", "ERR *\n\n"},
        {"config get port", "port*"},
        {"info server", "# Server*redis_version:7.0.*"},
        {"command count", "[0-9]*\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        e2e_shell(c, "redis-cli -p %u %s", port, cases[i].command);
        e2e_match(c, __FILE__, __LINE__, cases[i].output, c->text);
        /* RESP3, each of them repeatable but for: */
        e2e_shell(c, "redis-cli -3 -p %u %s", port, cases[i].command);
        if (strncmp(cases[i].command, "del", 3) != 0 &&
            strncmp(cases[i].command, "pexpireat", 9) != 0)
            e2e_match(c, __FILE__, __LINE__, cases[i].output, c->text);
    }
    assert_int_equal(
        e2e_shell(c, "printf 'set p 1\\nget p\\n' | redis-cli -p %u --pipe-timeout 5", port), 0);
    assert_string_equal(c->text, "OK\n1\n");
}

static void test_redis_benchmark(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 3);
    assert_int_equal(e2e_shell(c,
                               "timeout 60 redis-benchmark -p %u -q -n 20000 -c 20 -P 16 -r 1000 "
                               "-t ping,set,get,mset --csv",
                               e2e_port(c, 2)),
                     0);
    assert_null(strstr(c->text, "rror"));
    assert_non_null(strstr(c->text, "\"SET\",\""));
    assert_non_null(strstr(c->text, "\"GET\",\""));
    assert_non_null(strstr(c->text, "\"MSET (10 keys)\",\""));
}

/* Sends bytes to a node as they are; what it answers, up to so many bytes, is in c->text. */
static void send_raw(struct cluster *c, unsigned i, const char *bytes, size_t want)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(e2e_port(c, i)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    e2e_check(c, fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    e2e_check(c, send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) == (ssize_t)strlen(bytes));
    size_t n = 0;
    while (n < want) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        e2e_check(c, poll(&p, 1, E2E_WAIT_MS) == 1);
        ssize_t got = recv(fd, c->text + n, sizeof c->text - 1 - n, 0);
        e2e_check(c, got > 0);
        n += (size_t)got;
    }
    c->text[n] = '\0';
    close(fd);
}

/* What a library sends for a transaction, all at once, as redis-py's pipeline() does: nothing of it
 * is carried out. */
static void test_a_transaction_is_refused_as_a_whole(void **state)
{
    struct cluster *c = *state;
    static const char transaction[] =
        "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n0\r\n"
        "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$3\r\n100\r\n*1\r\n$4\r\nEXEC\r\n";
    static const char want[] =
        "-ERR unknown command 'MULTI': transactions of Redis are not built in covey yet; all up to "
        "EXEC "
        "or DISCARD is refused too\r\n"
        "-ERR refused, as MULTI was: nothing up to EXEC or DISCARD is carried out\r\n"
        "-ERR refused, as MULTI was: nothing up to EXEC or DISCARD is carried out\r\n"
        "-EXECABORT Transaction discarded because of previous errors.\r\n";
    e2e_start_all(c, 3);
    send_raw(c, 0, transaction, sizeof want - 1);
    assert_string_equal(c->text, want);
    e2e_expect(c, 1, "0", "EXISTS", "a", "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_redis_cli, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_redis_benchmark, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_transaction_is_refused_as_a_whole, e2e_setup,
                                        e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
