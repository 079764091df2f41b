/* help.c: help from the command table. */
#include "console/shell.h"
#include "front/command.h"

#include <stdio.h>

enum { USAGE_WIDTH = 34 };

static void put_usage(const struct command *c, char *out, size_t n)
{
    const char *arguments = c->arguments != NULL ? c->arguments : "";
    snprintf(out, n, "%s%s%s%s%s", c->parent != NULL ? c->parent : "", c->parent != NULL ? " " : "", c->name,
             arguments[0] ? " " : "", arguments);
}

static int help_group(struct buf *out, const char *group)
{
    int error = buf_printf(out, "\n%s\n", group);
    for (unsigned i = 0; i < command_n && error == 0; i++) {
        const struct command *c = &command_table[i];
        if (strcmp(c->group, group) != 0)
            continue;
        char usage[256];
        put_usage(c, usage, sizeof usage);
        /* a long usage gets a line of its own, so that the sentences stay aligned */
        if (strlen(usage) > USAGE_WIDTH)
            error = buf_printf(out, "  %s\n  %*s  %s\n", usage, USAGE_WIDTH, "", c->summary);
        else
            error = buf_printf(out, "  %-*s  %s\n", USAGE_WIDTH, usage, c->summary);
    }
    return error;
}

static bool group_seen(unsigned before, const char *group)
{
    for (unsigned i = 0; i < before; i++) {
        if (strcmp(command_table[i].group, group) == 0)
            return true;
    }
    return false;
}

int help_all(struct buf *out)
{
    int error = 0;
    for (unsigned i = 0; i < command_n && error == 0; i++) {
        if (!group_seen(i, command_table[i].group))
            error = help_group(out, command_table[i].group);
    }
    return error;
}

bool help_one(struct buf *out, struct slice name, struct slice sub)
{
    const struct command *c = command_find(name, sub);
    if (c == NULL)
        return false;
    char usage[256];
    put_usage(c, usage, sizeof usage);
    buf_printf(out, "%s\n  %s\n  group %s, since %s\n", usage, c->summary, c->group, c->since);
    for (unsigned i = 0; i < command_n && c->parent == NULL; i++) {
        if (command_table[i].parent == NULL || strcmp(command_table[i].parent, c->name) != 0)
            continue;
        put_usage(&command_table[i], usage, sizeof usage);
        buf_printf(out, "  %-*s  %s\n", USAGE_WIDTH, usage, command_table[i].summary);
    }
    return true;
}
