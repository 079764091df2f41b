/* Ids and addresses as text, against the C library's own reading and writing of addresses. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/id.h"
#include "base/rng.h"

static void assert_reads_and_prints(const char *in, const char *want)
{
    struct addr a;
    char text[ADDR_TEXT];
    assert_int_equal(addr_parse(slice_str(in), &a), 0);
    assert_string_equal(addr_text(a, text), want);
}

static void test_ids(void **state)
{
    (void)state;
    char text[ADDR_TEXT];
    assert_string_equal(node_id_text(0xc1, text), "00000000000000c1");
    assert_string_equal(node_id_text(UINT64_MAX, text), "ffffffffffffffff");
    struct cluster_id id = {{0xab, [15] = 1}};
    assert_string_equal(cluster_id_text(id, text), "ab000000000000000000000000000001");
    assert_false(cluster_id_none(id));
    assert_true(cluster_id_none((struct cluster_id){{0}}));
}

static void test_addresses_read_and_print(void **state)
{
    (void)state;
    assert_reads_and_prints("127.0.0.1:7400", "127.0.0.1:7400");
    assert_reads_and_prints("255.255.255.255:65535", "255.255.255.255:65535");
    assert_reads_and_prints("[::1]:7400", "[::1]:7400");
    assert_reads_and_prints("[::]:1", "[::]:1");
    /* RFC 5952 4.2.2: one group is never "::" */
    assert_reads_and_prints("[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1");
    assert_reads_and_prints("[2001:DB8:0:0:1:0:0:1]:1",
                            /* 4.2.3, 4.3: the first of equals, lower case */
                            "[2001:db8::1:0:0:1]:1");
    assert_reads_and_prints("[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1");
    assert_reads_and_prints("[2001:0db8::0001]:1", "[2001:db8::1]:1"); /* 4.1: no leading zeros */
    assert_reads_and_prints("[1:0:0:4:0:0:0:8]:1", "[1:0:0:4::8]:1");  /* 4.2.3: the longest */
    assert_reads_and_prints("[fe80:0:0:0:1:2:0:0]:1", "[fe80::1:2:0:0]:1");
    assert_reads_and_prints("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1");
    assert_reads_and_prints("[::ffff:a00:1]:1", "[::ffff:10.0.0.1]:1");
    assert_reads_and_prints("[64:ff9b::1.2.3.4]:1", "[64:ff9b::102:304]:1");
    char text[ADDR_TEXT];
    assert_string_equal(addr_text((struct addr){0}, text), "none");
    struct addr longest = {.family = 6, .port = 65535};
    memset(longest.ip, 0xee, sizeof longest.ip);
    assert_string_equal(addr_text(longest, text),
                        "[eeee:eeee:eeee:eeee:eeee:eeee:eeee:eeee]:65535");
}

static void test_what_is_no_address_is_refused(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const bad[] = {
        "", ":", ":7400", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
        "127.0.0.1:99999999999", "127.0.0.1:7400 ", " 127.0.0.1:7400", "127.0.0.1:+1",
        "127.0.0.1:-1", "127.0.0.1:07400", "127.0.0:1", "127.0.0.256:1", "127.0.0.1.1:1",
        "127.0.0.01:1", "0x7f.0.0.1:1", "localhost:7400", "none", "[]:1", "[:]:1", "[::1]",
        "[::1]:", "[::1]7400", "::1:7400", "[1:2:3:4:5:6:7]:1", "[1:2:3:4:5:6:7:8:9]:1",
        "[1:2:3:4:5:6:7:8::]:1", "[1::2::3]:1", "[:::]:1", "[:1::]:1", "[1:]:1", "[1::2:]:1",
        "[12345::]:1", "[g::]:1", "[::1%lo]:1", "[1.2.3.4::]:1", "[::1.2.3]:1", "[::1.2.3.4:5]:1",
        "[1.2.3.4]:1", "[1:2:3:4:5:6:7:1.2.3.4]:1", "[::1:7400",
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct addr a = {.port = 99};
        if (addr_parse(slice_str(bad[i]), &a) != ERR_BAD_ADDRESS)
            fail_msg("'%s' was taken for an address", bad[i]);
        assert_int_equal(a.port, 99);
    }
}

/* Random addresses, rich in zero groups: what we print is what inet_ntop prints, and both read
 * back. */
static void test_agrees_with_the_c_library(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 1);
    for (int i = 0; i < 20000; i++) {
        struct addr a = {.family = rng_below(&r, 4) ? 6 : 4,
                         .port = (uint16_t)(1 + rng_below(&r, 65535))},
                    back;
        int groups = a.family == 6 ? 8 : 2;
        for (int g = 0; g < groups; g++) {
            uint64_t x = rng_below(&r, 3) ? 0 : rng_next(&r) >> rng_below(&r, 16);
            a.ip[2 * g] = (uint8_t)(x >> 8);
            a.ip[2 * g + 1] = (uint8_t)x;
        }
        if (a.family == 6 && memcmp(a.ip, (uint8_t[12]){0}, 12) == 0)
            /* the C library prints the long deprecated "IPv4-compatible" ones as quads; we do
             * not */
            a.ip[0] = 0xfd;
        char ip[INET6_ADDRSTRLEN], want[ADDR_TEXT + 2], text[ADDR_TEXT];
        assert_non_null(inet_ntop(a.family == 6 ? AF_INET6 : AF_INET, a.ip, ip, sizeof ip));
        snprintf(want, sizeof want, a.family == 6 ? "[%s]:%u" : "%s:%u", ip, a.port);
        assert_string_equal(addr_text(a, text), want);
        assert_int_equal(addr_parse(slice_str(text), &back), 0);
        assert_true(addr_eq(a, back));
    }
}

/* Whatever bytes come: never a read past the end (the sanitizers watch), and what is taken is what
 * inet_pton takes too. */
static void test_damaged_text(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789abcdefF:.[]%";
    struct rng r;
    rng_init(&r, 2);
    int taken = 0;
    for (int i = 0; i < 200000; i++) {
        char base[] = "[1:0:ff::2:1.2.3.4]:74", ip[INET6_ADDRSTRLEN + 8] = {0};
        size_t n = strlen(base) - rng_below(&r, 3);
        for (uint64_t k = rng_below(&r, 4); k; k--)
            base[rng_below(&r, n)] = alphabet[rng_below(&r, sizeof alphabet - 1)];
        uint8_t *exact = malloc(n);
        assert_non_null(exact);
        memcpy(exact, base, n);
        struct addr a;
        int error = addr_parse(slice_of(exact, n), &a);
        free(exact);
        if (error || a.family != 6)
            continue;
        taken++;
        memcpy(ip, base + 1, (size_t)(strchr(base, ']') - base - 1));
        uint8_t want[16];
        assert_int_equal(inet_pton(AF_INET6, ip, want), 1);
        assert_memory_equal(a.ip, want, 16);
    }
    assert_true(taken > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_addresses_read_and_print),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_agrees_with_the_c_library),
        cmocka_unit_test(test_damaged_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
