/* argument.c: what follows from a command's entry in the table: how many words it takes, where
 * its keys are, how it is used, how it differs from Redis's. See command.h. */
#include "front/command.h"

#include <stdio.h>

#include "base/check.h"

/* ---- How many words ---- */

/* The words that an argument takes when it is given once. */
static uint32_t words_of(const struct command_argument *a)
{
    uint32_t n = a->token != NULL;
    if (a->type == ARGUMENT_ONEOF)
        return n + words_of(a->of); /* all parts have the same number of words */
    if (a->type != ARGUMENT_BLOCK)
        return n + (a->type != ARGUMENT_WORD);
    for (const struct command_argument *part = a->of; part->type != ARGUMENT_END; part++)
        n += part->optional ? 0 : words_of(part);
    return n;
}

int command_arity(const struct command *c)
{
    uint32_t n = 1 + (c->parent != NULL);
    bool varies = command_is_parent(c);
    for (const struct command_argument *a = c->arguments; a->type != ARGUMENT_END; a++) {
        n += a->optional ? 0 : words_of(a);
        varies |= a->optional || a->multiple;
    }
    return varies ? -(int)n : (int)n;
}

bool command_fits(const struct command *c, uint32_t word_n)
{
    int arity = command_arity(c);
    return arity < 0 ? word_n >= (uint32_t)-arity : word_n == (uint32_t)arity;
}

/* ---- Where the keys are ---- */

struct command_keys command_keys(const struct command *c)
{
    const struct command_argument *first = c->arguments;
    struct command_keys keys = {1, first->multiple, 1};
    if (first->type == ARGUMENT_BLOCK && first->of->type == ARGUMENT_KEY)
        keys.step = words_of(first);
    else if (first->type != ARGUMENT_KEY)
        return (struct command_keys){0};
    return keys;
}

/* ---- How it is used ---- */

struct text {
    char *p;
    size_t n;
};

static void put(struct text *t, const char *word)
{
    int n = snprintf(t->p + t->n, COMMAND_USAGE_MAX - t->n, "%s", word);
    CHECK(t->n + (size_t)n < COMMAND_USAGE_MAX);
    t->n += (size_t)n;
}

static void put_argument(struct text *t, const struct command_argument *a);

static void put_list(struct text *t, const struct command_argument *list, const char *between)
{
    for (const struct command_argument *a = list; a->type != ARGUMENT_END; a++) {
        put(t, a == list ? "" : between);
        put_argument(t, a);
    }
}

/* Without the marks for optional and multiple. */
static void put_once(struct text *t, const struct command_argument *a)
{
    put(t, a->token != NULL ? a->token : "");
    put(t, a->token != NULL && a->type != ARGUMENT_WORD ? " " : "");
    if (a->type == ARGUMENT_ONEOF)
        put_list(t, a->of, "|");
    else if (a->type == ARGUMENT_BLOCK)
        put_list(t, a->of, " ");
    else if (a->type != ARGUMENT_WORD)
        put(t, a->name);
}

static void put_argument(struct text *t, const struct command_argument *a)
{
    put(t, a->optional ? "[" : "");
    put_once(t, a);
    if (a->multiple) {
        put(t, " [");
        put_once(t, a);
        put(t, " ...]");
    }
    put(t, a->optional ? "]" : "");
}

const char *command_usage(const struct command *c, char out[COMMAND_USAGE_MAX])
{
    struct text t = {out, 0};
    put(&t, c->parent != NULL ? c->parent : "");
    put(&t, c->parent != NULL ? " " : "");
    put(&t, c->name);
    put(&t, c->arguments->type != ARGUMENT_END ? " " : "");
    put_list(&t, c->arguments, " ");
    return out;
}

/* ---- How it differs from Redis's ---- */

const char *command_differences(const struct command *c, char out[COMMAND_USAGE_MAX])
{
    struct text t = {out, 0};
    put(&t, c->lacks[0] != NULL ? "not built: " : "");
    for (unsigned i = 0; i < COMMAND_LACKS_MAX && c->lacks[i] != NULL; i++) {
        put(&t, i > 0 ? ", " : "");
        put(&t, c->lacks[i]);
    }
    put(&t, c->lacks[0] != NULL && c->differs != NULL ? "; " : "");
    put(&t, c->differs != NULL ? c->differs : "");
    return out;
}
