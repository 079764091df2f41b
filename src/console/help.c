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

/* What --json prints. A value has the fields that the text has, under the same names but for units: "since" is "since_ms". */
static const char json_schema[] = "With --json a command prints one line, an object with one field:\n\n"
                                  "  {\"COMMAND\": VALUE}  what it answered; COMMAND in lower case\n"
                                  "  {\"error\": {\"code\": CODE, \"message\": TEXT}}\n"
                                  "                      there is no answer. CODE is one of Redis's or covey's own\n"
                                  "                      (ERR, NOQUORUM, UNKNOWN, BUSY, ...), or UNREACHABLE (no\n"
                                  "                      node answered), USAGE (the command line is wrong: nobody\n"
                                  "                      was asked), FAILED (it was tried, and did not work)\n\n"
                                  "VALUE\n"
                                  "  a number            integers; names ending in _ms: milliseconds, in _at:\n"
                                  "                      seconds since 1970\n"
                                  "  a string            UTF-8; keys and values too, also those that are digits\n"
                                  "  {\"base64\": TEXT}    a string of bytes that are no UTF-8\n"
                                  "  true, false, null   null: not there, not known\n"
                                  "  [VALUE, ...]        lists, also of objects: the rows of a table\n"
                                  "  {\"NAME\": VALUE, ...}\n"
                                  "                      fields; later releases may add some, and change none\n\n"
                                  "COMMAND\n"
                                  "  get, set, del       a string or null; \"OK\"; how many existed. Any other command\n"
                                  "                      of Redis: its reply\n"
                                  "  status              {verdict, warning, code, ...}: what `status` shows, by the\n"
                                  "                      same names; code is the exit status\n"
                                  "  members, hints      [{id, name, state, ...}, ...]\n"
                                  "  ring                {epoch, vnodes, slots, n, w, r, members: [...]}\n"
                                  "  ring vnodes         [{vnode, last_vnode, first_slot, last_slot, owners: [NAME,\n"
                                  "                      ...], synced_ms}, ...]\n"
                                  "  where               {slot, vnode, owners: [{id, name, addr, state, holds, stamp,\n"
                                  "                      writer, digest}, ...]}\n"
                                  "  repair              {running, comparisons, done, unreachable, incomplete, sent,\n"
                                  "                      received, bytes, messages}\n"
                                  "  backup              {state, path, error, taken_at, files, files_done, bytes,\n"
                                  "                      bytes_done}; `covey backup PATH` prints it when it is done\n"
                                  "  restore             {into or data, backups, bytes, keys}\n"
                                  "  check               {findings: [TEXT, ...], verdict, code}\n"
                                  "  version             {covey, commit}\n";

bool help_one(struct buf *out, struct slice name, struct slice sub)
{
    const struct command *c = command_find(name, sub);
    if (slice_eq(name, SLICE("json"))) {
        buf_append(out, json_schema, sizeof json_schema - 1);
        return true;
    }
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
