/* front_readme_test.c: the README's table of commands is the command table's. */
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
    for (const struct command *sub = c + 1; sub < command_table + command_n && sub->parent; sub++, before = " ") {
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

static void test_table_of_commands(void **state)
{
    (void)state;
    struct buf table;
    char *readme = read_readme();
    buf_init(&table, 64 * 1024);
    for (unsigned i = 0; i < GROUPS; i++)
        put_row(&table, groups[i]);
    put_row(&table, NULL);
    assert_int_equal(buf_append(&table, "", 1), 0);
    if (!strstr(readme, (const char *)table.p))
        fail_msg("README.md has another table of commands than this one, which is src/front/command.c's:\n%s", (char *)table.p);
    buf_close(&table);
    free(readme);
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
            fail_msg("%s is of the group %s, which has no row in README.md", command_table[i].name, command_table[i].group);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_commands),
        cmocka_unit_test(test_every_command_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
