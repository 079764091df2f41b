/* cmd_command.c: COMMAND, what a client may learn about the commands. All of it is read off the command table. */
#include <stdio.h>

#include "base/check.h"
#include "front/cmd.h"
#include "front/glob.h"

/* ---- Walking the table ---- */

static const struct command *table_end(void)
{
    return command_table + command_n;
}

/* The top-level command after c: its subcommands are passed over. */
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

    snprintf(text, sizeof text, "%s%s%s", c->parent ? c->parent : "", c->parent ? "|" : "", c->name);
    reply_text(r, text);
}

/* "client" or "client|id", any case. NULL when there is none. */
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
    {COMMAND_WRITE, "write"},   {COMMAND_READONLY, "readonly"}, {COMMAND_FAST, "fast"},       {COMMAND_ADMIN, "admin"},
    {COMMAND_PUBSUB, "pubsub"}, {COMMAND_NO_AUTH, "no_auth"},   {COMMAND_LOADING, "loading"}, {COMMAND_STALE, "stale"},
};

enum { FLAG_NAMES = sizeof flag_names / sizeof flag_names[0] };

static void reply_flags(struct reply *r, unsigned flags)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < FLAG_NAMES; i++)
        n += (flags & flag_names[i].flag) != 0;
    reply_array(r, n);
    for (unsigned i = 0; i < FLAG_NAMES; i++) {
        if (flags & flag_names[i].flag)
            reply_simple(r, flag_names[i].name);
    }
}

/* The ten elements of Redis 7; access lists, tips and key specifications are for what covey has not, and empty. */
static void reply_command(struct reply *r, const struct command *c)
{
    reply_array(r, 10);
    reply_name(r, c);
    reply_integer(r, c->arity);
    reply_flags(r, c->flags);
    reply_integer(r, c->first_key);
    reply_integer(r, c->last_key);
    reply_integer(r, c->step);
    reply_array(r, 0);
    reply_array(r, 0);
    reply_array(r, 0);
    uint32_t subs = c->parent ? 0 : subcommands_of(c);
    reply_array(r, subs);
    for (uint32_t i = 1; i <= subs; i++)
        reply_command(r, c + i);
}

void cmd_command(struct session *s, const struct command *c)
{
    (void)c;
    reply_array(&s->reply, top_n());
    for (const struct command *each = command_table; each < table_end(); each = next_top(each))
        reply_command(&s->reply, each);
}

void cmd_command_count(struct session *s, const struct command *c)
{
    (void)c;
    reply_integer(&s->reply, top_n());
}

void cmd_command_info(struct session *s, const struct command *c)
{
    const struct resp_request *q = &s->request;

    if (q->arg_n == 2) {
        cmd_command(s, c);
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

void cmd_command_list(struct session *s, const struct command *c)
{
    const struct resp_request *q = &s->request;
    struct slice pattern = SLICE("*");
    uint32_t n = 0;
    (void)c;

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

/* One argument, read off the table's text: "key [key ...]" is one that repeats, "[message]" one that may be left out. What lies
 * deeper in brackets stays text, which is how redis-cli shows it anyway. */
struct argument {
    struct slice name;
    bool optional, multiple;
};

enum { ARGUMENTS_MAX = 8 };

/* Takes the next word or bracketed group off the text. */
static bool next_item(struct slice *text, struct slice *item)
{
    size_t n = 0;
    int depth = 0;

    while (text->n && *text->p == ' ')
        *text = slice_of(text->p + 1, text->n - 1);
    for (; n < text->n && (depth || text->p[n] != ' '); n++)
        depth += (text->p[n] == '[') - (text->p[n] == ']');
    *item = slice_of(text->p, n);
    *text = slice_of(text->p + n, text->n - n);
    return n > 0;
}

static bool ends_with(struct slice s, struct slice end)
{
    return s.n >= end.n && !memcmp(s.p + s.n - end.n, end.p, end.n);
}

static unsigned words_in(struct slice s)
{
    unsigned n = 0;
    struct slice word;

    while (next_item(&s, &word))
        n++;
    return n;
}

/* "key value" and then "[key value ...]": the last words become one argument that repeats. */
static unsigned repeat(struct argument *arg, unsigned n, struct slice group)
{
    unsigned words = words_in(group) - 1;

    CHECK(words > 0 && words <= n);
    struct argument *first = &arg[n - words], *last = &arg[n - 1];
    first->name.n = (size_t)(last->name.p + last->name.n - first->name.p);
    first->multiple = true;
    return n - words + 1;
}

static unsigned arguments_of(const char *text, struct argument out[ARGUMENTS_MAX])
{
    struct slice rest = slice_str(text), item;
    unsigned n = 0;

    while (next_item(&rest, &item)) {
        bool optional = item.p[0] == '[';
        if (optional)
            item = slice_of(item.p + 1, item.n - 2);
        if (optional && ends_with(item, SLICE(" ..."))) {
            n = repeat(out, n, item);
            continue;
        }
        CHECK(n < ARGUMENTS_MAX);
        out[n] = (struct argument){item, optional, optional && ends_with(item, SLICE(" ...]"))};
        if (out[n].multiple)
            next_item(&item, &out[n].name); /* "section [section ...]" */
        n++;
    }
    return n;
}

static void reply_arguments(struct reply *r, const char *text)
{
    struct argument arg[ARGUMENTS_MAX];
    unsigned n = arguments_of(text, arg);

    reply_array(r, n);
    for (unsigned i = 0; i < n; i++) {
        bool flags = arg[i].optional || arg[i].multiple;
        reply_map(r, flags ? 3 : 2);
        reply_field_bulk(r, "name", arg[i].name);
        reply_field_text(r, "type", slice_eq(arg[i].name, SLICE("key")) ? "key" : "string");
        if (!flags)
            continue;
        reply_text(r, "flags");
        reply_array(r, (uint32_t)(arg[i].optional + arg[i].multiple));
        if (arg[i].optional)
            reply_simple(r, "optional");
        if (arg[i].multiple)
            reply_simple(r, "multiple");
    }
}

static void reply_doc(struct reply *r, const struct command *c)
{
    uint32_t subs = c->parent ? 0 : subcommands_of(c);
    bool arguments = c->arguments[0] && !subs;

    reply_name(r, c);
    reply_map(r, 3u + arguments + (subs > 0));
    reply_field_text(r, "summary", c->summary);
    reply_field_text(r, "since", c->since);
    reply_field_text(r, "group", c->group);
    if (arguments) {
        reply_text(r, "arguments");
        reply_arguments(r, c->arguments);
    }
    if (subs) {
        reply_text(r, "subcommands");
        reply_map(r, subs);
        for (uint32_t i = 1; i <= subs; i++)
            reply_doc(r, c + i);
    }
}

void cmd_command_docs(struct session *s, const struct command *c)
{
    const struct resp_request *q = &s->request;
    uint32_t n = 0;
    (void)c;

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

void cmd_command_getkeys(struct session *s, const struct command *c)
{
    const struct resp_request *q = &s->request;
    uint32_t n = q->arg_n - 2; /* arguments of the command that is asked about, its name included */
    const struct command *about = command_find(q->arg[2], q->arg_n > 3 ? q->arg[3] : (struct slice){0});
    (void)c;

    if (!about) {
        reply_error(&s->reply, "ERR Invalid command specified");
    } else if (!about->first_key) {
        reply_error(&s->reply, "ERR The command has no key arguments");
    } else if (about->arity < 0 ? n < (uint32_t)-about->arity : n != (uint32_t)about->arity) {
        reply_error(&s->reply, "ERR Invalid number of arguments specified for command");
    } else {
        uint32_t first = (uint32_t)about->first_key, step = (uint32_t)about->step;
        uint32_t last = (uint32_t)(about->last_key < 0 ? (int)n + about->last_key : about->last_key);
        reply_array(&s->reply, (last - first) / step + 1);
        for (uint32_t i = first; i <= last; i += step)
            reply_bulk(&s->reply, q->arg[2 + i]);
    }
}

/* ---- HELP of CLIENT, COMMAND and CONFIG ---- */

void cmd_help(struct session *s, const struct command *c)
{
    const struct command *parent = command_find(slice_str(c->parent), (struct slice){0});
    uint32_t subs = subcommands_of(parent);

    reply_array(&s->reply, 1 + 2 * subs);
    char line[256];
    snprintf(line, sizeof line, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", parent->name);
    reply_simple(&s->reply, line);
    for (const struct command *sub = parent + 1; sub <= parent + subs; sub++) {
        snprintf(line, sizeof line, "%s %s", sub->name, sub->arguments);
        reply_simple(&s->reply, line);
        snprintf(line, sizeof line, "    %s", sub->summary);
        reply_simple(&s->reply, line);
    }
}
