/* Addresses and seeds as people and the OS write them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "base/error.h"
#include "rt/endpoint.h"

static void test_good_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"127.0.0.1:7400", "127.0.0.1", 7400},         {"[::1]:7400", "::1", 7400},
        {"host.example.org:1", "host.example.org", 1}, {"a:65533", "a", 65533},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct endpoint e;
        assert_int_equal(endpoint_parse(good[i].text, &e), 0);
        assert_string_equal(e.host, good[i].host);
        assert_int_equal(e.port, good[i].port);
    }
}

static void test_bad_endpoints(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        ":",          ":7400",       "host",         "host:",
        "host:0",  "host:65534", "host:74x",    "host: 7400",   "::1:74",
        "[::1]",   "[::1",       "[::1]7400",   "[]:7400",      "ho st:7400",
        "[::1]:",  "host:-1",    "host:+1",     "a/b:1",        "host:0x50",
        "a@b:123", "host:7400x", "host:123456", "[[::1]]:7400", "ho\nst:7400"};
    struct endpoint e;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (endpoint_parse(bad[i], &e) != ERR_BAD_ADDRESS)
            fail_msg("\"%s\" was taken", bad[i]);
}

static void test_host_length_is_bounded(void **state)
{
    (void)state;
    char text[HOST_MAX + 16];
    struct endpoint e;
    memset(text, 'h', HOST_MAX);
    strcpy(text + HOST_MAX, ":7400");
    assert_int_equal(endpoint_parse(text, &e), 0);
    assert_int_equal(strlen(e.host), HOST_MAX);
    memset(text, 'h', HOST_MAX + 1);
    strcpy(text + HOST_MAX + 1, ":7400");
    assert_int_equal(endpoint_parse(text, &e), ERR_BAD_ADDRESS);
}

static void test_literals(void **state)
{
    (void)state;
    struct addr a;
    char text[ADDR_TEXT];
    assert_int_equal(endpoint_literal("localhost", 7400, &a), 0);
    assert_string_equal(addr_text(a, text), "127.0.0.1:7400");
    assert_int_equal(endpoint_literal("::1", 7400, &a), 0);
    assert_string_equal(addr_text(a, text), "[::1]:7400");
    assert_int_equal(endpoint_literal("example.org", 7400, &a), ERR_BAD_ADDRESS);
    assert_int_equal(endpoint_literal("127.1", 7400, &a), ERR_BAD_ADDRESS);
}

static void test_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool loopback;
    } hosts[] = {{"127.0.0.1", true},  {"127.3.2.1", true},
                 {"::1", true},        {"0.0.0.0", false},
                 {"::", false},        {"10.0.0.1", false},
                 {"128.0.0.1", false}, {"::ffff:127.0.0.1", false}};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct addr a;
        assert_int_equal(endpoint_literal(hosts[i].host, 1, &a), 0);
        assert_int_equal(endpoint_loopback(a), hosts[i].loopback);
    }
}

static void test_socket_addresses_there_and_back(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "::1", "2001:db8::7"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct addr a;
        struct sockaddr_storage sa;
        assert_int_equal(endpoint_literal(hosts[i], 7400, &a), 0);
        endpoint_sockaddr(a, PEER_PORT_OFFSET, &sa);
        assert_true(addr_eq(endpoint_addr((struct sockaddr *)&sa, PEER_PORT_OFFSET), a));
        assert_int_equal(endpoint_addr((struct sockaddr *)&sa, 0).port, 7401);
    }
}

static void test_socket_address_without_a_base(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(1)};
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_int_equal(endpoint_addr((struct sockaddr *)&in, PEER_PORT_OFFSET).family, 0);
    assert_int_equal(endpoint_addr((struct sockaddr *)&in, 0).family, 4);
    assert_int_equal(endpoint_addr(&other, 0).family, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_endpoints),
        cmocka_unit_test(test_bad_endpoints),
        cmocka_unit_test(test_host_length_is_bounded),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_socket_addresses_there_and_back),
        cmocka_unit_test(test_socket_address_without_a_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
