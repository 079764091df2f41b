/* RESP requests: pipelines, pieces, limits, what people type, and Redis's words for what is
 * wrong. */
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

static int parse(struct resp_request *r, struct slice in)
{
    return resp_parse_request(r, in, VALUE_MAX);
}

static void assert_args(const struct resp_request *r, unsigned n, const char *const *want)
{
    assert_int_equal(r->arg_n, n);
    for (unsigned i = 0; i < n; i++)
        assert_true(slice_eq(r->arg[i], slice_str(want[i])));
}

#define ASSERT_ARGS(r, ...)                                                \
    assert_args(r, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
                (const char *[]){__VA_ARGS__})

static void test_a_pipeline(void **state)
{
    (void)state;
    struct slice in = SLICE("*3\r\n$3\r\nSET\r\n$4\r\ncity\r\n$5\r\nPa\r\ns\r\n*2\r\n$3\r\nGET\r\n$"
                            "0\r\n\r\nPING\r\n*0\r\n*-10\r\n\r\n*1");
    struct resp_request r;
    resp_request_init(&r);
    int n = parse(&r, in);
    ASSERT_ARGS(&r, "SET", "city", "Pa\r\ns");
    in = slice_of(in.p + n, in.n - (size_t)n);
    n = parse(&r, in);
    ASSERT_ARGS(&r, "GET", "");
    in = slice_of(in.p + n, in.n - (size_t)n);
    n = parse(&r, in);
    ASSERT_ARGS(&r, "PING");
    static const int empties[] = {4, 6, 2}; /* *0, *-10 and an empty line are no commands */
    for (unsigned i = 0; i < 3; i++) {
        in = slice_of(in.p + n, in.n - (size_t)n);
        n = parse(&r, in);
        assert_int_equal(n, empties[i]);
        assert_int_equal(r.arg_n, 0);
    }
    in = slice_of(in.p + n, in.n - (size_t)n);
    assert_int_equal(parse(&r, in), ERR_INCOMPLETE);
    resp_request_close(&r);
}

static void test_steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct slice in = SLICE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, in), in.n);
    const struct slice *arg = r.arg;
    uint32_t cap = r.arg_cap;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(parse(&r, in), in.n);
        assert_true(r.arg == arg && r.arg_cap == cap && !r.unquoted.p);
        assert_ptr_equal(r.arg[0].p, in.p + 8); /* into the input, not a copy */
    }
    resp_request_close(&r);
}

/* ---- Pieces: each call sees the bytes at another address, ending exactly where they do ---- */

/* Parses in, of which each call sees `step` bytes more. What was consumed before the last call is
 * left out, as a caller does. */
static int parse_in_pieces(struct resp_request *r, struct slice in, size_t step, size_t bulk_max,
                           uint8_t **last, size_t *last_n)
{
    size_t from = 0;
    for (size_t n = step;; n += step) {
        size_t end = n < in.n ? n : in.n;
        uint8_t *copy = exact_copy(in.p + from, end - from);
        int got = resp_parse_request(r, slice_of(copy, end - from), bulk_max);
        if (got == ERR_INCOMPLETE || (got > 0 && !r->arg_n && !r->too_big && end < in.n)) {
            exact_free(copy, end - from);
            from += got > 0 ? (size_t)got : 0;
            if (end == in.n && got < 0)
                return got;
            continue;
        }
        *last = copy;
        *last_n = end - from;
        return got < 0 ? got : (int)from + got;
    }
}

static void test_pieces_give_the_same_as_the_whole(void **state)
{
    (void)state;
    static const struct slice whole[] = {
        SLICE("*3\r\n$3\r\nSET\r\n$4\r\ncity\r\n$5\r\nParis\r\n"),
        SLICE("SET city \"Paris\"\r\n"),
    };
    for (unsigned i = 0; i < 2; i++) {
        for (size_t step = 1; step <= whole[i].n; step++) {
            struct resp_request r;
            uint8_t *last;
            size_t last_n;
            resp_request_init(&r);
            assert_int_equal(parse_in_pieces(&r, whole[i], step, VALUE_MAX, &last, &last_n),
                             whole[i].n);
            ASSERT_ARGS(&r, "SET", "city", "Paris");
            exact_free(last, last_n);
            resp_request_close(&r);
        }
    }
}

static void test_random_requests_in_random_pieces(void **state)
{
    (void)state;
    struct rng rng;
    struct buf b;
    struct slice arg[20];
    rng_init(&rng, 1);
    buf_init(&b, 1024 * 1024);
    for (int round = 0; round < 300; round++) {
        uint32_t n = (uint32_t)(1 + rng_below(&rng, 20));
        b.n = 0;
        assert_int_equal(resp_array(&b, n), 0);
        for (uint32_t i = 0; i < n; i++) {
            arg[i] = random_slice(&rng, 500);
            assert_int_equal(resp_bulk(&b, arg[i]), 0);
        }
        struct resp_request r;
        uint8_t *last;
        size_t last_n;
        resp_request_init(&r);
        assert_int_equal(
            parse_in_pieces(&r, buf_view(&b), 1 + rng_below(&rng, 300), VALUE_MAX, &last, &last_n),
            b.n);
        assert_int_equal(r.arg_n, n);
        for (uint32_t i = 0; i < n; i++)
            assert_true(slice_eq(r.arg[i], arg[i]));
        exact_free(last, last_n);
        resp_request_close(&r);
    }
    buf_close(&b);
}

static void test_progress_is_kept(void **state)
{
    (void)state;
    struct slice in = SLICE("*3\r\n$3\r\nSET\r\n$4\r\ncity\r\n$5\r\nPar");
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, in), ERR_INCOMPLETE);
    assert_int_equal(r.arg_n, 2); /* these are not read again: */
    assert_int_equal(r.scanned, 23);
    struct slice other = SLICE("xxxxxxxxxxxxxxxxxxxxxxx$5\r\nParis\r\n");
    assert_int_equal(parse(&r, other), other.n);
    assert_true(slice_eq(r.arg[2], SLICE("Paris")));
    resp_request_close(&r);
}

/* ---- Limits ---- */

static void test_an_argument_over_the_limit_costs_its_request_alone(void **state)
{
    (void)state;
    struct slice in = SLICE("*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\n0123456789a\r\n$2\r\nXX\r\n");
    for (size_t step = 1; step <= in.n; step++) {
        struct resp_request r;
        uint8_t *last;
        size_t last_n;
        resp_request_init(&r);
        assert_int_equal(parse_in_pieces(&r, in, step, 10, &last, &last_n), in.n);
        assert_int_equal(r.too_big, 11);
        assert_int_equal(r.arg_n, 0);
        exact_free(last, last_n);
        struct slice next = SLICE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n");
        assert_int_equal(resp_parse_request(&r, next, 10), next.n);
        assert_int_equal(r.too_big, 0);
        ASSERT_ARGS(&r, "SET", "k", "0123456789");
        resp_request_close(&r);
    }
}

static void test_a_dropped_value_needs_no_memory(void **state)
{
    (void)state;
    static const uint8_t piece[64 * 1024];
    struct slice head = SLICE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n");
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, head), head.n);
    assert_int_equal(r.arg_n, 0);
    for (size_t sent = 0; sent < RESP_BULK_MAX; sent += sizeof piece) {
        /* consumed as it comes */
        assert_int_equal(parse(&r, slice_of(piece, sizeof piece)), sizeof piece);
        assert_true(r.arg_n == 0 && r.too_big == 0);
    }
    assert_int_equal(parse(&r, SLICE("\r\nPING\r\n")), 2);
    assert_int_equal(r.too_big, RESP_BULK_MAX);
    assert_int_equal(parse(&r, SLICE("PING\r\n")), 6);
    assert_int_equal(r.too_big, 0);
    ASSERT_ARGS(&r, "PING");
    resp_request_close(&r);
}

static void test_many_arguments_within_their_limit_are_too_much_together(void **state)
{
    (void)state;
    enum { ONE = 1024 * 1024, COUNT = RESP_REQUEST_MAX / ONE + 2 };
    struct buf b;
    buf_init(&b, 2 * (size_t)RESP_REQUEST_MAX);
    assert_int_equal(resp_array(&b, COUNT), 0);
    uint8_t *value = calloc(1, ONE);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(resp_bulk(&b, slice_of(value, ONE)), 0);
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, buf_view(&b)), b.n);
    assert_true(r.too_big > RESP_REQUEST_MAX);
    assert_int_equal(r.arg_n, 0);
    resp_request_close(&r);
    buf_close(&b);
    free(value);
}

static void test_an_announcement_allocates_nothing(void **state)
{
    (void)state;
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, SLICE("*1048576\r\n$1\r\nx\r\n")), ERR_INCOMPLETE);
    assert_true(r.arg_cap <= 16);
    resp_request_close(&r);
}

static void test_as_many_arguments_as_redis_takes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, RESP_REQUEST_MAX);
    assert_int_equal(resp_array(&b, RESP_ARGS_MAX), 0);
    for (int i = 0; i < RESP_ARGS_MAX; i++)
        assert_int_equal(resp_bulk(&b, SLICE("x")), 0);
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, buf_view(&b)), b.n);
    assert_int_equal(r.arg_n, RESP_ARGS_MAX);
    assert_true(slice_eq(r.arg[RESP_ARGS_MAX - 1], SLICE("x")));
    assert_int_equal(parse(&r, SLICE("PING\r\n")), 6);
    assert_true(r.arg_cap <= 16); /* the slots are given back */
    resp_request_close(&r);
    buf_close(&b);
}

/* ---- Inline ---- */

static void test_inline_words(void **state)
{
    (void)state;
    struct resp_request r;
    resp_request_init(&r);
    assert_int_equal(parse(&r, SLICE("  SET\t k  v \r\n")), 14);
    ASSERT_ARGS(&r, "SET", "k", "v");
    assert_true(parse(&r, SLICE("a\n")) == 2);
    ASSERT_ARGS(&r, "a");
    assert_true(parse(&r, SLICE("set \"a b\" 'c d' \"\" ''\r\n")) > 0);
    ASSERT_ARGS(&r, "set", "a b", "c d", "", "");
    assert_true(parse(&r, SLICE("\"\\x41\\x4g\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n")) > 0);
    ASSERT_ARGS(&r, "Ax4g\n\r\t\b\a\\\"q");
    assert_true(parse(&r, SLICE("'a\\'b\\n' pre\"fix\"\n")) > 0);
    ASSERT_ARGS(&r, "a'b\\n", "prefix");
    assert_true(parse(&r, SLICE("\"\\x00\"\n")) > 0);
    assert_true(r.arg_n == 1 && slice_eq(r.arg[0], SLICE("\0")));
    resp_request_close(&r);
}

static void test_a_long_line(void **state)
{
    (void)state;
    uint8_t *line = malloc(RESP_INLINE_MAX + 2);
    memset(line, 'x', RESP_INLINE_MAX + 2);
    struct resp_request r;
    resp_request_init(&r);
    line[RESP_INLINE_MAX] = '\n';
    assert_int_equal(parse(&r, slice_of(line, RESP_INLINE_MAX + 1)), RESP_INLINE_MAX + 1);
    assert_int_equal(r.arg[0].n, RESP_INLINE_MAX);
    line[RESP_INLINE_MAX] = 'x';
    assert_int_equal(parse(&r, slice_of(line, RESP_INLINE_MAX)), ERR_INCOMPLETE);
    assert_int_equal(parse(&r, slice_of(line, RESP_INLINE_MAX + 1)), ERR_BAD_MESSAGE);
    assert_string_equal(r.why, "too big inline request");
    resp_request_close(&r);
    free(line);
}

/* ---- What is wrong, in Redis's words ---- */

static void test_protocol_errors(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *why;
    } bad[] = {
        {SLICE("*3000000000\r\n"), "invalid multibulk length"},
        {SLICE("*1048577\r\n"), "invalid multibulk length"},
        {SLICE("*x\r\n"), "invalid multibulk length"},
        {SLICE("*\r\n"), "invalid multibulk length"},
        {SLICE("*01\r\n"), "invalid multibulk length"},
        {SLICE("*+1\r\n"), "invalid multibulk length"},
        {SLICE("*1\rx"), "invalid multibulk length"},
        {SLICE("*99999999999999999999999\r\n"), "invalid multibulk length"},
        {SLICE("*\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "too big mbulk count string"},
        {SLICE("*1\r\n$\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "too big bulk count string"},
        {SLICE("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"), "expected '$', got 'f'"},
        {SLICE("*1\r\n\1"), "expected '$', got '?'"},
        {SLICE("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n"), "invalid bulk length"},
        {SLICE("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n"), "invalid bulk length"},
        {SLICE("*1\r\n$blabla\r\n"), "invalid bulk length"},
        {SLICE("*1\r\n$-0\r\n"), "invalid bulk length"},
        {SLICE("*1\r\n$9223372036854775808\r\n"), "invalid bulk length"},
        {SLICE("*1\r\n$3\r\nPINGx\r\n"), "expected CR LF after a bulk string"},
        {SLICE("set \"a\"\"b\" c\r\n"), "unbalanced quotes in request"},
        {SLICE("set \"a\r\n"), "unbalanced quotes in request"},
        {SLICE("set 'a\r\n"), "unbalanced quotes in request"},
        {SLICE("set \"a\\\n"), "unbalanced quotes in request"},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct resp_request r;
        uint8_t *last;
        size_t last_n;
        resp_request_init(&r);
        assert_int_equal(parse(&r, bad[i].in), ERR_BAD_MESSAGE);
        assert_string_equal(r.why, bad[i].why);
        resp_request_close(&r);
        assert_int_equal(parse_in_pieces(&r, bad[i].in, 1, VALUE_MAX, &last, &last_n),
                         ERR_BAD_MESSAGE);
        assert_string_equal(r.why, bad[i].why);
        exact_free(last, last_n);
        resp_request_close(&r);
    }
}

static void test_what_is_cut_is_incomplete(void **state)
{
    (void)state;
    struct slice in = SLICE("*3\r\n$3\r\nSET\r\n$4\r\ncity\r\n$5\r\nParis\r\n");
    for (size_t n = 0; n < in.n; n++) {
        struct resp_request r;
        uint8_t *copy = exact_copy(in.p, n);
        resp_request_init(&r);
        assert_int_equal(parse(&r, slice_of(copy, n)), ERR_INCOMPLETE);
        resp_request_close(&r);
        exact_free(copy, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pipeline),
        cmocka_unit_test(test_steady_state_allocates_nothing),
        cmocka_unit_test(test_pieces_give_the_same_as_the_whole),
        cmocka_unit_test(test_random_requests_in_random_pieces),
        cmocka_unit_test(test_progress_is_kept),
        cmocka_unit_test(test_an_argument_over_the_limit_costs_its_request_alone),
        cmocka_unit_test(test_a_dropped_value_needs_no_memory),
        cmocka_unit_test(test_many_arguments_within_their_limit_are_too_much_together),
        cmocka_unit_test(test_an_announcement_allocates_nothing),
        cmocka_unit_test(test_as_many_arguments_as_redis_takes),
        cmocka_unit_test(test_inline_words),
        cmocka_unit_test(test_a_long_line),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_what_is_cut_is_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
