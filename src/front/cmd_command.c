/* cmd_command.c: COMMAND: what a client may ask about the commands, all of it read from the
 * command table. */
#include <stdio.h>

#include "front/cmd.h"
#include "front/glob.h"

/* ---- Walking the table ---- */

static const struct command *table_end(void)
{
    return command_table + command_n;
}

/* The next top-level command after c. */
static const struct command *next_top(const struct command *c)
{
    do
        c++;
    while (c < table_end() && c->parent);
    return c;
}

static uint32_t top_n(void)
{
    uint32_t n = 0;

    for (const struct command *c = command_table; c < table_end(); c = next_top(c))
        n++;
    return n;
}

static uint32_t subcommands_of(const struct command *c)
{
    return (uint32_t)(next_top(c) - c - 1);
}

static void reply_name(struct reply *r, const struct command *c)
{
    char text[64];

    snprintf(text, sizeof text, "%s%s%s", c->parent ? c->parent : "", c->parent ? "|" : "",
             c->name);
    reply_text(r, text);
}

/* Finds "client" or "client|id", in any case. NULL: there is none. */
static const struct command *find_full(struct slice name)
{
    const uint8_t *bar = name.n ? memchr(name.p, '|', name.n) : NULL;

    if (!bar)
        return command_find(name, (struct slice){0});
    size_t n = (size_t)(bar - name.p);
    const struct command *c = command_find(slice_of(name.p, n), slice_of(bar + 1, name.n - n - 1));
    return c && c->parent ? c : NULL;
}

/* ---- COMMAND, COUNT, LIST, INFO ---- */

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    {COMMAND_WRITE, "write"},     {COMMAND_READONLY, "readonly"}, {COMMAND_FAST, "fast"},
    {COMMAND_ADMIN, "admin"},     {COMMAND_PUBSUB, "pubsub"},     {COMMAND_NO_AUTH, "no_auth"},
    {COMMAND_LOADING, "loading"}, {COMMAND_STALE, "stale"},
};

enum { FLAG_NAMES = sizeof flag_names / sizeof flag_names[0] };

static void reply_flags(struct reply *r, unsigned flags)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < FLAG_NAMES; i++)
        n += (flags & flag_names[i].flag) != 0;
    reply_set(r, n);
    for (unsigned i = 0; i < FLAG_NAMES; i++) {
        if (flags & flag_names[i].flag)
            reply_simple(r, flag_names[i].name);
    }
}

/* The ten elements of Redis 7. Access lists, tips and key specifications are about what covey
 * does not have, and are empty. */
static void reply_command(struct reply *r, const struct command *c)
{
    struct command_keys keys = command_keys(c);

    reply_array(r, 10);
    reply_name(r, c);
    reply_integer(r, command_arity(c));
    reply_flags(r, c->flags);
    reply_integer(r, keys.first);
    reply_integer(r, keys.many ? -1 : (int64_t)keys.first);
    reply_integer(r, keys.step);
    reply_array(r, 0);
    reply_array(r, 0);
    reply_array(r, 0);
    uint32_t subs = c->parent ? 0 : subcommands_of(c);
    reply_array(r, subs);
    for (uint32_t i = 1; i <= subs; i++)
        reply_command(r, c + i);
}

void cmd_command(struct session *s)
{
    reply_array(&s->reply, top_n());
    for (const struct command *each = command_table; each < table_end(); each = next_top(each))
        reply_command(&s->reply, each);
}

void cmd_command_count(struct session *s)
{
    reply_integer(&s->reply, top_n());
}

void cmd_command_info(struct session *s)
{
    const struct resp_request *q = &s->request;

    if (q->arg_n == 2) {
        cmd_command(s);
        return;
    }
    reply_array(&s->reply, q->arg_n - 2);
    for (uint32_t i = 2; i < q->arg_n; i++) {
        const struct command *found = find_full(q->arg[i]);
        if (found)
            reply_command(&s->reply, found);
        else
            reply_null(&s->reply);
    }
}

void cmd_command_list(struct session *s)
{
    const struct resp_request *q = &s->request;
    struct slice pattern = SLICE("*");
    uint32_t n = 0;

    if (q->arg_n == 5 && cmd_is(q->arg[2], "filterby") && cmd_is(q->arg[3], "pattern")) {
        pattern = q->arg[4];
    } else if (q->arg_n != 2) {
        reply_error(&s->reply, "ERR syntax error");
        return;
    }
    for (const struct command *each = command_table; each < table_end(); each = next_top(each))
        n += glob_match(pattern, slice_str(each->name));
    reply_array(&s->reply, n);
    for (const struct command *each = command_table; each < table_end(); each = next_top(each)) {
        if (glob_match(pattern, slice_str(each->name)))
            reply_name(&s->reply, each);
    }
}

/* ---- DOCS ---- */

static void reply_arguments(struct reply *r, const struct command_argument *list);

/* A word has no name of its own: as in Redis its token, in lower case, is its name. */
static void reply_argument_name(struct reply *r, const struct command_argument *a)
{
    char name[32];
    size_t n = 0;

    if (a->name) {
        reply_field_text(r, "name", a->name);
        return;
    }
    for (; a->token[n] && n < sizeof name; n++)
        name[n] = (char)(a->token[n] >= 'A' && a->token[n] <= 'Z' ? a->token[n] + 32 : a->token[n]);
    reply_field_bulk(r, "name", slice_of(name, n));
}

static void reply_argument(struct reply *r, const struct command_argument *a)
{
    static const char *const type[] = {
        [ARGUMENT_KEY] = "key",         [ARGUMENT_STRING] = "string",
        [ARGUMENT_INTEGER] = "integer", [ARGUMENT_UNIX_TIME] = "unix-time",
        [ARGUMENT_PATTERN] = "pattern", [ARGUMENT_WORD] = "pure-token",
        [ARGUMENT_ONEOF] = "oneof",     [ARGUMENT_BLOCK] = "block",
    };
    uint32_t flags = (uint32_t)a->optional + (uint32_t)a->multiple;

    reply_map(r, 2u + (a->token != NULL) + (flags > 0) + (a->of != NULL));
    reply_argument_name(r, a);
    reply_field_text(r, "type", type[a->type]);
    if (a->token)
        reply_field_text(r, "token", a->token);
    if (flags) {
        reply_text(r, "flags");
        reply_set(r, flags);
        if (a->optional)
            reply_simple(r, "optional");
        if (a->multiple)
            reply_simple(r, "multiple");
    }
    if (a->of)
        reply_arguments(r, a->of);
}

static void reply_arguments(struct reply *r, const struct command_argument *list)
{
    uint32_t n = 0;

    while (list[n].type != ARGUMENT_END)
        n++;
    reply_text(r, "arguments");
    reply_array(r, n);
    for (uint32_t i = 0; i < n; i++)
        reply_argument(r, &list[i]);
}

static void reply_doc(struct reply *r, const struct command *c)
{
    uint32_t subs = c->parent ? 0 : subcommands_of(c);
    bool arguments = c->arguments->type != ARGUMENT_END && !subs;

    reply_name(r, c);
    reply_map(r, 3u + arguments + (subs > 0));
    reply_field_text(r, "summary", c->summary);
    reply_field_text(r, "since", c->since);
    reply_field_text(r, "group", c->group);
    if (arguments)
        reply_arguments(r, c->arguments);
    if (subs) {
        reply_text(r, "subcommands");
        reply_map(r, subs);
        for (uint32_t i = 1; i <= subs; i++)
            reply_doc(r, c + i);
    }
}

void cmd_command_docs(struct session *s)
{
    const struct resp_request *q = &s->request;
    uint32_t n = 0;

    if (q->arg_n == 2) {
        reply_map(&s->reply, top_n());
        for (const struct command *each = command_table; each < table_end(); each = next_top(each))
            reply_doc(&s->reply, each);
        return;
    }
    for (uint32_t i = 2; i < q->arg_n; i++)
        n += find_full(q->arg[i]) != NULL;
    reply_map(&s->reply, n); /* unknown names are left out, as in Redis */
    for (uint32_t i = 2; i < q->arg_n; i++) {
        const struct command *found = find_full(q->arg[i]);
        if (found)
            reply_doc(&s->reply, found);
    }
}

/* ---- GETKEYS ---- */

void cmd_command_getkeys(struct session *s)
{
    const struct resp_request *q = &s->request;
    uint32_t n = q->arg_n - 2; /* words of the command that is asked about */
    const struct command *about =
        command_find(q->arg[2], q->arg_n > 3 ? q->arg[3] : (struct slice){0});

    if (!about) {
        reply_error(&s->reply, "ERR Invalid command specified");
        return;
    }
    struct command_keys keys = command_keys(about);
    if (!keys.first) {
        reply_error(&s->reply, "ERR The command has no key arguments");
    } else if (!command_fits(about, n)) {
        reply_error(&s->reply, "ERR Invalid number of arguments specified for command");
    } else {
        uint32_t last = keys.many ? n - 1 : keys.first;
        reply_array(&s->reply, (last - keys.first) / keys.step + 1);
        for (uint32_t i = keys.first; i <= last; i += keys.step)
            reply_bulk(&s->reply, q->arg[2 + i]);
    }
}

/* ---- HELP of CLIENT, COMMAND and CONFIG ---- */

void cmd_help(struct session *s)
{
    const struct command *parent = command_find(slice_str(s->command->parent), (struct slice){0});
    uint32_t subs = subcommands_of(parent);

    reply_array(&s->reply, 1 + 2 * subs);
    char line[256];
    snprintf(line, sizeof line,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", parent->name);
    reply_simple(&s->reply, line);
    for (const struct command *sub = parent + 1; sub <= parent + subs; sub++) {
        reply_simple(&s->reply, command_usage(sub, line) + strlen(parent->name) + 1);
        snprintf(line, sizeof line, "    %s", sub->summary);
        reply_simple(&s->reply, line);
    }
}
