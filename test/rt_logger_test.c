/* Log lines: one event a line, whatever the text holds. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rt/logger.h"

struct sink {
    unsigned n;
    enum trace_level level;
    char line[LOGGER_LINE_MAX + 1];
};

static void take(void *arg, enum trace_level level, const char *line)
{
    struct sink *s = arg;
    s->n++;
    s->level = level;
    assert_true(strlen(line) < sizeof s->line);
    strcpy(s->line, line);
}

enum { WALL_MS = 1763732520 }; /* 2025-11-21T13:42:00Z, in seconds */

static void test_trace(void **state)
{
    (void)state;
    struct sink s = {0};
    struct logger l;
    struct trace t = {.kind = TRACE_MEMBER_DEAD, .id = 0xc1, .a = 4, .b = 0xa1, .text = SLICE("c")};
    logger_init(&l, TRACE_INFO, take, &s);
    l.node = SLICE("a");
    logger_trace(&l, WALL_MS * 1000ull + 123, &t);
    assert_string_equal(s.line, "ts=2025-11-21T13:42:00.123Z node=a event=member.dead level=warn "
                                "member=00000000000000c1 incarnation=4 "
                                "by=00000000000000a1 name=c");
    assert_int_equal(s.level, TRACE_WARN);
    logger_close(&l);
}

/* A name may be any text: a program that splits the line at its blanks finds the same fields. */
static void test_node_is_quoted_when_it_must_be(void **state)
{
    (void)state;
    struct sink s = {0};
    struct logger l;
    logger_init(&l, TRACE_INFO, take, &s);
    l.node = SLICE("a level=error \"b\"");
    logger_event(&l, WALL_MS * 1000ull, TRACE_WARN, "peer.thing", "", "");
    assert_string_equal(
        s.line,
        "ts=2025-11-21T13:42:00.000Z node=\"a level=error \\\"b\\\"\" event=peer.thing level=warn");
    logger_close(&l);
}

static void test_levels(void **state)
{
    (void)state;
    struct sink s = {0};
    struct logger l;
    struct trace debug = {.kind = TRACE_LINK_UP}, info = {.kind = TRACE_NODE_READY};
    logger_init(&l, TRACE_INFO, take, &s);
    logger_trace(&l, 0, &debug);
    logger_event(&l, 0, TRACE_DEBUG, "peer.thing", "", "");
    assert_int_equal(s.n, 0);
    logger_trace(&l, 0, &info);
    logger_event(&l, 0, TRACE_ERROR, "peer.thing", "", "");
    assert_int_equal(s.n, 2);
    logger_close(&l);
}

static void test_event_is_one_line(void **state)
{
    (void)state;
    struct sink s = {0};
    struct logger l;
    logger_init(&l, TRACE_DEBUG, take, &s);
    logger_event(&l, WALL_MS * 1000ull, TRACE_WARN, "peer.garbage", "[::1]:9",
                 "he said \"no\"\nlevel=\\error\x7f");
    assert_string_equal(
        s.line, "ts=2025-11-21T13:42:00.000Z event=peer.garbage level=warn addr=\"[::1]:9\" "
                "why=\"he said \\\"no\\\"?level=\\\\error?\"");
    logger_close(&l);
}

static void test_too_long_is_dropped_whole(void **state)
{
    (void)state;
    struct sink s = {0};
    struct logger l;
    char text[LOGGER_LINE_MAX + 1];
    memset(text, 'x', LOGGER_LINE_MAX);
    text[LOGGER_LINE_MAX] = 0;
    logger_init(&l, TRACE_DEBUG, take, &s);
    logger_event(&l, 0, TRACE_WARN, "peer.garbage", "", text);
    assert_int_equal(s.n, 0);
    logger_event(&l, 0, TRACE_WARN, "peer.garbage", "", "short");
    assert_int_equal(s.n, 1);
    logger_close(&l);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct logger l;
    struct trace t = {.kind = TRACE_NODE_READY};
    logger_init(&l, TRACE_DEBUG, NULL, NULL);
    logger_trace(&l, 0, &t);
    logger_event(&l, 0, TRACE_ERROR, "peer.thing", "", "");
    assert_int_equal(l.line.n, 0);
    logger_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_node_is_quoted_when_it_must_be),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_event_is_one_line),
        cmocka_unit_test(test_too_long_is_dropped_whole),
        cmocka_unit_test(test_nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
