/* help.c: help from the command table. */
#include "base/words.h"
#include "console/shell.h"
#include "front/command.h"

#include <stdio.h>

enum { USAGE_WIDTH = 34 };

static int put_row(struct buf *out, const struct command *c, unsigned width)
{
    const struct words_page page = {.left = USAGE_WIDTH, .width = width};
    char usage[COMMAND_USAGE_MAX];
    return words_row(out, command_usage(c, usage), c->summary, &page);
}

static int help_group(struct buf *out, const char *group, unsigned width)
{
    int error = buf_printf(out, "\n%s\n", group);
    for (unsigned i = 0; i < command_n && error == 0; i++) {
        if (strcmp(command_table[i].group, group) == 0)
            error = put_row(out, &command_table[i], width);
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

int help_all(struct buf *out, unsigned width)
{
    int error = 0;
    for (unsigned i = 0; i < command_n && error == 0; i++) {
        if (!group_seen(i, command_table[i].group))
            error = help_group(out, command_table[i].group, width);
    }
    return error;
}

/* What --json prints. A value has the fields that the text has, under the same names except for
 * units: "since" is "since_ms". */
static const char json_schema[] =
    "With --json a command prints one line, an object with one field:\n\n"
    "  {\"COMMAND\": VALUE}  its reply; COMMAND in lower case\n"
    "  {\"error\": {\"code\": CODE, \"message\": TEXT}}\n"
    "                      there is none. CODE is one of Redis's or covey's own\n"
    "                      (ERR, NOQUORUM, UNKNOWN, BUSY, ...), or UNREACHABLE (no\n"
    "                      node answered), USAGE (the command line is wrong: no node\n"
    "                      was asked), FAILED (it was tried, and failed)\n\n"
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
    "  status              {verdict, warning, code, cluster: {...}, node: {...}}: what\n"
    "                      `status` shows, by the same names; code is the exit status\n"
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

/* Appends the subcommands of c, one a line. */
static void put_subcommands(struct buf *out, const struct command *c, unsigned width)
{
    for (unsigned i = 0; i < command_n && c->parent == NULL; i++) {
        if (command_table[i].parent != NULL && strcmp(command_table[i].parent, c->name) == 0)
            put_row(out, &command_table[i], width);
    }
}

/* Appends what the rows of a command's reply mean, group by group. */
static void put_reply_rows(struct buf *out, const struct command *c, unsigned width)
{
    const struct words_page page = {.left = 14, .width = width};
    const char *group = "";
    for (unsigned i = 0; i < command_row_n && c->parent == NULL; i++) {
        const struct command_row *row = &command_rows[i];
        if (strcmp(row->command, c->name) != 0)
            continue;
        if (strcmp(row->group, group) != 0)
            buf_printf(out, "\n%s\n", row->group);
        group = row->group;
        words_row(out, row->name, row->legend, &page);
    }
}

static void put_differences(struct buf *out, const struct command *c, const struct words_page *page)
{
    char text[COMMAND_USAGE_MAX + 32], how[COMMAND_USAGE_MAX];
    snprintf(text, sizeof text, "Not as in Redis 7: %s", command_differences(c, how));
    if (how[0] != '\0')
        words_paragraph(out, text, 2, page);
}

bool help_one(struct buf *out, struct slice name, struct slice sub, unsigned width)
{
    const struct command *c = command_find(name, sub);
    const struct words_page page = {.width = width};
    char usage[COMMAND_USAGE_MAX];
    if (slice_eq(name, SLICE("json"))) {
        buf_append(out, json_schema, sizeof json_schema - 1);
        return true;
    }
    if (c == NULL)
        return false;
    words_paragraph(out, command_usage(c, usage), 0, &page);
    words_paragraph(out, c->summary, 2, &page);
    put_differences(out, c, &page);
    buf_printf(out, "  group %s, since %s\n", c->group, c->since);
    put_subcommands(out, c, width);
    put_reply_rows(out, c, width);
    return true;
}

bool help_fits(const struct slice *arg, uint32_t arg_n)
{
    const struct command *c = command_find(arg[0], arg_n > 1 ? arg[1] : SLICE(""));
    if (c == NULL)
        return true;
    /* the second word was none of its subcommands */
    return command_fits(c, arg_n) && !(command_is_parent(c) && arg_n > 1);
}

void help_usage(struct buf *out, const struct slice *arg, uint32_t arg_n, unsigned width)
{
    const struct command *c = command_find(arg[0], arg_n > 1 ? arg[1] : SLICE(""));
    const struct words_page page = {.width = width};
    char text[COMMAND_USAGE_MAX + 16], usage[COMMAND_USAGE_MAX];
    if (c == NULL)
        return;
    snprintf(text, sizeof text, "usage: %s", command_usage(c, usage));
    words_paragraph(out, text, 0, &page);
    put_subcommands(out, c, width);
}

const char *help_nearest(struct slice word, const char *const *more)
{
    enum { NAMES_MAX = 256 };
    const char *names[NAMES_MAX];
    unsigned n = 0;
    char text[32];
    for (unsigned i = 0; i < command_n && n < NAMES_MAX; i++) {
        if (command_table[i].parent == NULL)
            names[n++] = command_table[i].name;
    }
    for (; *more != NULL && n < NAMES_MAX; more++)
        names[n++] = *more;
    if (word.n >= sizeof text)
        return NULL;
    for (size_t i = 0; i <= word.n; i++)
        text[i] = (char)(i == word.n                            ? 0
                         : word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] | 0x20
                                                                : word.p[i]);
    return words_nearest(text, names, n);
}
