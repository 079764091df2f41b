/* RESP replies: what is written is read back, in both protocol versions; trees, attributes, hostile
 * bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"
#include "wire/resp.h"
#include "wire_random.h"

static void test_what_is_written(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(resp_simple(&b, SLICE("OK")), 0);
    assert_int_equal(resp_error(&b, SLICE("ERR no\r\n+OK")), 0); /* the line break is taken out */
    assert_int_equal(resp_integer(&b, -5), 0);
    assert_int_equal(resp_integer(&b, INT64_MIN), 0);
    assert_int_equal(resp_integer(&b, INT64_MAX), 0);
    assert_int_equal(resp_bulk(&b, SLICE("a\r\nb")), 0);
    assert_int_equal(resp_bulk(&b, slice_of(NULL, 0)), 0);
    assert_int_equal(resp_null(&b, 2), 0);
    assert_int_equal(resp_null(&b, 3), 0);
    assert_int_equal(resp_array(&b, 3), 0);
    assert_int_equal(resp_map(&b, 2, 2), 0);
    assert_int_equal(resp_map(&b, 2, 3), 0);
    assert_int_equal(resp_push(&b, 4, 2), 0);
    assert_int_equal(resp_push(&b, 4, 3), 0);
    assert_true(slice_eq(
        buf_view(&b),
        SLICE("+OK\r\n-ERR no  +OK\r\n:-5\r\n:-9223372036854775808\r\n:9223372036854775807\r\n"
              "$4\r\na\r\nb\r\n$0\r\n\r\n$-1\r\n_\r\n*3\r\n*4\r\n%2\r\n*4\r\n>4\r\n")));
    buf_close(&b);
}

static void test_writers_pass_on_a_full_buffer(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(resp_simple(&b, SLICE("OK")), ERR_TOO_BIG);
    assert_int_equal(resp_error(&b, SLICE("ERR")), ERR_TOO_BIG);
    assert_int_equal(resp_integer(&b, 1), ERR_TOO_BIG);
    assert_int_equal(resp_bulk(&b, SLICE("x")), ERR_TOO_BIG);
    assert_int_equal(resp_null(&b, 2), ERR_TOO_BIG);
    assert_int_equal(b.n, 0);
    buf_close(&b);
}

/* Parses a copy that ends where the bytes do; the texts of the elements are gone afterwards. */
static int parse_exact(struct resp_reply *r, struct slice in)
{
    uint8_t *copy = exact_copy(in.p, in.n);
    int n = resp_parse_reply(r, slice_of(copy, in.n));
    exact_free(copy, in.n);
    return n;
}

static void test_every_type(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        enum resp_type type;
        struct slice text;
        int64_t integer;
        uint32_t count;
    } good[] = {
        {SLICE("+OK\r\n"), RESP_SIMPLE, SLICE("OK"), 0, 0},
        {SLICE("-ERR x\r\n"), RESP_ERROR, SLICE("ERR x"), 0, 0},
        {SLICE(":-9223372036854775808\r\n"), RESP_INTEGER, {0}, INT64_MIN, 0},
        {SLICE(":9223372036854775807\r\n"), RESP_INTEGER, {0}, INT64_MAX, 0},
        {SLICE("$3\r\n\r\nx\r\n"), RESP_BULK, SLICE("\r\nx"), 0, 0},
        {SLICE("$-1\r\n"), RESP_NULL, {0}, 0, 0},
        {SLICE("*-1\r\n"), RESP_NULL, {0}, 0, 0},
        {SLICE("_\r\n"), RESP_NULL, {0}, 0, 0},
        {SLICE("*0\r\n"), RESP_ARRAY, {0}, 0, 0},
        {SLICE("%0\r\n"), RESP_MAP, {0}, 0, 0},
        {SLICE("~1\r\n:1\r\n"), RESP_SET, {0}, 0, 1},
        {SLICE(">2\r\n+a\r\n+b\r\n"), RESP_PUSH, {0}, 0, 2},
        {SLICE(",1.5e3\r\n"), RESP_DOUBLE, SLICE("1.5e3"), 0, 0},
        {SLICE("(123456789012345678901234567890\r\n"), RESP_BIG,
         SLICE("123456789012345678901234567890"), 0, 0},
        {SLICE("#t\r\n"), RESP_BOOLEAN, SLICE("t"), 1, 0},
        {SLICE("#f\r\n"), RESP_BOOLEAN, SLICE("f"), 0, 0},
        {SLICE("!5\r\nERR x\r\n"), RESP_ERROR, SLICE("ERR x"), 0, 0},
        {SLICE("=6\r\ntxt:ab\r\n"), RESP_BULK, SLICE("ab"), 0, 0},
    };
    struct resp_reply r;
    resp_reply_init(&r);
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(resp_parse_reply(&r, good[i].in), good[i].in.n);
        assert_int_equal(r.v[0].type, good[i].type);
        assert_true(slice_eq(r.v[0].text, good[i].text));
        assert_int_equal(r.v[0].integer, good[i].integer);
        assert_int_equal(r.v[0].count, good[i].count);
        for (size_t n = 0; n < good[i].in.n; n++)
            assert_int_equal(parse_exact(&r, slice_of(good[i].in.p, n)), ERR_INCOMPLETE);
    }
    resp_reply_close(&r);
}

static void test_a_tree(void **state)
{
    (void)state;
    struct slice in =
        SLICE("*3\r\n%2\r\n+a\r\n*2\r\n:1\r\n:2\r\n+b\r\n*0\r\n_\r\n$1\r\nz\r\n+next\r\n");
    struct resp_reply r;
    resp_reply_init(&r);
    assert_int_equal(resp_parse_reply(&r, in), in.n - 7);
    assert_int_equal(r.n, 10);
    assert_int_equal(r.v[0].count, 3);
    assert_int_equal(r.v[1].count, 4);
    assert_int_equal(resp_after(&r, 0), 10);
    assert_int_equal(resp_after(&r, 1), 8); /* the map's descendants: a [1 2] b [] */
    assert_int_equal(resp_after(&r, 3), 6);
    assert_int_equal(r.v[8].type, RESP_NULL);
    assert_true(slice_eq(r.v[9].text, SLICE("z")));
    resp_reply_close(&r);
}

static void test_attributes_are_taken_out(void **state)
{
    (void)state;
    static const struct slice in[] = {
        SLICE("|1\r\n+ttl\r\n:3\r\n*2\r\n:1\r\n:2\r\n"),
        SLICE("*2\r\n|1\r\n+x\r\n*1\r\n+y\r\n:1\r\n|0\r\n:2\r\n"),
        SLICE("|1\r\n|1\r\n+k\r\n+v\r\n+x\r\n+y\r\n*2\r\n:1\r\n:2\r\n"),
    };
    struct resp_reply r;
    resp_reply_init(&r);
    for (unsigned i = 0; i < sizeof in / sizeof *in; i++) {
        assert_int_equal(resp_parse_reply(&r, in[i]), in[i].n);
        assert_int_equal(r.n, 3);
        assert_int_equal(r.v[0].type, RESP_ARRAY);
        assert_int_equal(r.v[1].integer, 1);
        assert_int_equal(r.v[2].integer, 2);
    }
    resp_reply_close(&r);
}

static void test_bad_replies(void **state)
{
    (void)state;
    static const struct slice bad[] = {
        SLICE("x\r\n"),
        SLICE("\r\n"),
        SLICE(":x\r\n"),
        SLICE(":\r\n"),
        SLICE("$-2\r\n"),
        SLICE("*-2\r\n"),
        SLICE("$?\r\n"),
        SLICE("*?\r\n"),
        SLICE("$1\r\nxyz"),
        SLICE("+a\rb"),
        SLICE("#x\r\n"),
        SLICE("#tt\r\n"),
        SLICE("_x\r\n"),
        SLICE("=3\r\nabc\r\n"),
        SLICE("=-1\r\n"),
        SLICE("=4\r\nabcd\r\n"),
        SLICE("$536870913\r\n"),
        SLICE("*1\r\n*1\r\n@"),
        SLICE(":9223372036854775808\r\n"),
        SLICE(":-9223372036854775809\r\n"),
        SLICE(":92233720368547758070\r\n"),
    };
    struct resp_reply r;
    resp_reply_init(&r);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse_exact(&r, bad[i]), ERR_BAD_MESSAGE);
    assert_int_equal(parse_exact(&r, SLICE("*1048577\r\n")), ERR_TOO_BIG);
    assert_int_equal(parse_exact(&r, SLICE("*1048576\r\n")), ERR_INCOMPLETE);
    assert_true(r.cap <= 16); /* an announcement allocates nothing */
    resp_reply_close(&r);
}

static void test_nesting_is_bounded(void **state)
{
    (void)state;
    struct buf b;
    struct resp_reply r;
    buf_init(&b, 4096);
    resp_reply_init(&r);
    for (int i = 0; i < RESP_DEPTH_MAX; i++)
        assert_int_equal(resp_array(&b, 1), 0);
    size_t open = b.n;
    assert_int_equal(resp_integer(&b, 1), 0);
    assert_int_equal(resp_parse_reply(&r, buf_view(&b)), b.n);
    assert_int_equal(r.n, RESP_DEPTH_MAX + 1);
    b.n = open;
    assert_int_equal(resp_array(&b, 1), 0);
    assert_int_equal(resp_integer(&b, 1), 0);
    assert_int_equal(resp_parse_reply(&r, buf_view(&b)), ERR_TOO_BIG);
    buf_close(&b);
    resp_reply_close(&r);
}

/* Writes a random tree of at most `depth` levels and counts its elements. */
static uint32_t write_random(struct rng *rng, struct buf *b, int proto, int depth)
{
    uint32_t n = (uint32_t)rng_below(rng, 5), elements = 1;
    switch (rng_below(rng, depth ? 7 : 5)) {
    case 0:
        assert_int_equal(resp_simple(b, SLICE("OK")), 0);
        return 1;
    case 1:
        assert_int_equal(resp_error(b, SLICE("ERR")), 0);
        return 1;
    case 2:
        assert_int_equal(resp_integer(b, (int64_t)rng_next(rng) / 2), 0);
        return 1;
    case 3:
        assert_int_equal(resp_bulk(b, random_slice(rng, 300)), 0);
        return 1;
    case 4:
        assert_int_equal(resp_null(b, proto), 0);
        return 1;
    case 5:
        assert_int_equal(resp_array(b, n), 0);
        break;
    case 6:
        assert_int_equal(resp_map(b, n, proto), 0);
        n *= 2;
        break;
    }
    for (uint32_t i = 0; i < n; i++)
        elements += write_random(rng, b, proto, depth - 1);
    return elements;
}

static void test_random_trees_are_read_back(void **state)
{
    (void)state;
    struct rng rng;
    struct buf b;
    struct resp_reply r;
    rng_init(&rng, 1);
    buf_init(&b, MESSAGE_MAX);
    resp_reply_init(&r);
    for (int i = 0; i < 500; i++) {
        b.n = 0;
        uint32_t elements = write_random(&rng, &b, 2 + i % 2, 4);
        assert_int_equal(resp_parse_reply(&r, buf_view(&b)), b.n);
        assert_int_equal(r.n, elements);
        assert_int_equal(resp_after(&r, 0), elements);
        size_t cut = rng_below(&rng, b.n);
        assert_int_equal(parse_exact(&r, slice_of(b.p, cut)), ERR_INCOMPLETE);
    }
    buf_close(&b);
    resp_reply_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written),
        cmocka_unit_test(test_writers_pass_on_a_full_buffer),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_a_tree),
        cmocka_unit_test(test_attributes_are_taken_out),
        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_random_trees_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
