/* front_readme_test.c: the README's tables, of commands and of what is not as in Redis, are the
 * command table's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "front/command.h"

static const char *const groups[] = {"string", "generic", "connection", "server", "pubsub"};

enum { GROUPS = sizeof groups / sizeof groups[0] };

static void put_upper(struct buf *out, const char *name)
{
    for (; *name; name++)
        assert_int_equal(buf_printf(out, "%c", toupper((unsigned char)*name)), 0);
}

/* A command, with its subcommands in brackets. */
static void put_command(struct buf *out, const struct command *c)
{
    const char *before = " (";
    assert_int_equal(buf_printf(out, " "), 0);
    put_upper(out, c->name);
    if (!command_is_parent(c))
        return;
    for (const struct command *sub = c + 1; sub < command_table + command_n && sub->parent;
         sub++, before = " ") {
        assert_int_equal(buf_printf(out, "%s", before), 0);
        put_upper(out, sub->name);
    }
    assert_int_equal(buf_printf(out, ")"), 0);
}

/* The commands of a group of Redis's, or, with group NULL, covey's own. */
static void put_row(struct buf *out, const char *group)
{
    assert_int_equal(buf_printf(out, "| %s |", group ? group : "covey's own"), 0);
    for (unsigned i = 0; i < command_n; i++) {
        const struct command *c = &command_table[i];
        bool own = c->flags & COMMAND_COVEY;
        if (!c->parent && (group ? !own && !strcmp(c->group, group) : own))
            put_command(out, c);
    }
    assert_int_equal(buf_printf(out, " |\n"), 0);
}

/* The file, NUL-terminated; the caller frees it. Tests run in the folder of the sources. */
static char *read_readme(void)
{
    enum { MOST = 1024 * 1024 };
    char *text = calloc(1, MOST + 1);
    FILE *f = fopen("README.md", "r");
    assert_non_null(text);
    assert_non_null(f);
    assert_in_range(fread(text, 1, MOST, f), 1, MOST - 1);
    fclose(f);
    return text;
}

/* README.md must have these lines; empties the buffer. */
static void expect_in_readme(struct buf *table)
{
    char *readme = read_readme();
    assert_int_equal(buf_append(table, "", 1), 0);
    if (!strstr(readme, (const char *)table->p)) {
        fputs((const char *)table->p, stderr); /* fail_msg would cut it */
        fail_msg(
            "README.md has another table than this one, above, which is src/front/command.def's");
    }
    buf_close(table);
    free(readme);
}

static void test_table_of_commands(void **state)
{
    (void)state;
    struct buf table;
    buf_init(&table, 64 * 1024);
    for (unsigned i = 0; i < GROUPS; i++)
        put_row(&table, groups[i]);
    put_row(&table, NULL);
    expect_in_readme(&table);
}

static void test_table_of_differences(void **state)
{
    (void)state;
    struct buf table;
    char how[COMMAND_USAGE_MAX];
    buf_init(&table, 64 * 1024);
    assert_int_equal(buf_printf(&table, "| command | not as in Redis 7 |\n|---|---|\n"), 0);
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        if (command_differences(c, how)[0] == '\0')
            continue;
        assert_false(c->flags & COMMAND_COVEY);
        assert_int_equal(buf_printf(&table, "|"), 0);
        if (c->parent) {
            assert_int_equal(buf_printf(&table, " "), 0);
            put_upper(&table, c->parent);
        }
        assert_int_equal(buf_printf(&table, " "), 0);
        put_upper(&table, c->name);
        assert_int_equal(buf_printf(&table, " | %s |\n", how), 0);
    }
    assert_int_equal(buf_printf(&table, "\n"), 0); /* it ends there */
    expect_in_readme(&table);
}

/* A command of a group that has no row would be missed by nobody. */
static void test_every_command_has_a_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < command_n; i++) {
        bool known = command_table[i].flags & COMMAND_COVEY;
        for (unsigned g = 0; g < GROUPS; g++)
            known |= !strcmp(command_table[i].group, groups[g]);
        if (!known)
            fail_msg("%s is of the group %s, which has no row in README.md", command_table[i].name,
                     command_table[i].group);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_commands),
        cmocka_unit_test(test_table_of_differences),
        cmocka_unit_test(test_every_command_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
