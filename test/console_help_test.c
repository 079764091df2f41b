/* console_help_test.c: help has every command of the table, as its entry describes it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "console/shell.h"
#include "front/command.h"

static void expect_in(const struct buf *text, const char *part)
{
    if (memmem(text->p, text->n, part, strlen(part)) == NULL)
        fail_msg("help does not show \"%s\"", part);
}

static void test_all_commands(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1024 * 1024);
    assert_int_equal(help_all(&text, 0), 0);
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        char usage[COMMAND_USAGE_MAX];
        expect_in(&text, command_usage(c, usage));
        expect_in(&text, c->summary);
    }
    buf_close(&text);
}

static void test_one_command(void **state)
{
    (void)state;
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        struct buf text;
        char part[COMMAND_USAGE_MAX];
        buf_init(&text, 64 * 1024);
        assert_true(help_one(&text, slice_str(c->parent ? c->parent : c->name),
                             slice_str(c->parent ? c->name : ""), 0));
        command_usage(c, part);
        assert_memory_equal(text.p, part, strlen(part));
        expect_in(&text, c->summary);
        expect_in(&text, command_differences(c, part));
        buf_close(&text);
    }
}

static void test_set_is_spelled_out(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 64 * 1024);
    assert_true(help_one(&text, SLICE("set"), SLICE(""), 0));
    expect_in(&text, "set key value [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "
                     "unix-time-milliseconds|KEEPTTL]\n");
    expect_in(&text, "Not as in Redis 7: not built: NX, XX, GET\n");
    buf_close(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_commands),
        cmocka_unit_test(test_one_command),
        cmocka_unit_test(test_set_is_spelled_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
