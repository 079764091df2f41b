/* complete.c: what may stand at the end of a line.
 *
 * The words before the one that is being typed are matched with the arguments of their command, in
 * order: required arguments first, then options, in any order. Where the words end, every token
 * that may come next is offered. For `set k v px 5000 ` that is nothing, since SET takes one option
 * and has it; for `consistency read ` it is the levels.
 *
 *     typed            matched                       offered
 *     set k v          key, value                    EX PX EXAT PXAT KEEPTTL
 *     set k v px       key, value, PX of its option  nothing: milliseconds are a number
 *     hello 3          protover                      AUTH SETNAME */
#include "console/complete.h"

#include <strings.h>

#include "base/words.h"
#include "console/shell.h"
#include "front/command.h"

enum { OPTIONS_MAX = 16 }; /* of one list of arguments */

static void add(struct completions *c, const char *word)
{
    size_t common = c->n == 0 ? strlen(word) : c->common;
    if (strlen(word) < c->prefix.n ||
        strncasecmp(word, (const char *)c->prefix.p, c->prefix.n) != 0 || c->n == COMPLETIONS_MAX)
        return;
    while (c->n > 0 && strncasecmp(word, c->word[0], common) != 0)
        common--;
    c->common = common;
    c->word[c->n++] = word;
}

/* ---- Arguments ---- */

/* The typed words that are not matched yet. */
struct typed {
    const struct slice *word;
    uint32_t n;
};

/* Matches an argument: takes its words off those typed. Where these end before it or within it,
 * offers what comes next. True when all of the argument is there. */
static bool match(struct completions *c, const struct command_argument *a, struct typed *t);

/* Whether an argument may begin with that word. */
static bool begins(const struct command_argument *a, struct slice word)
{
    if (a->token != NULL)
        return words_same(word, a->token);
    if (a->type == ARGUMENT_BLOCK)
        return begins(a->of, word);
    bool any = a->type != ARGUMENT_ONEOF;
    for (const struct command_argument *part = a->of; !any && part->type != ARGUMENT_END; part++)
        any = begins(part, word);
    return any;
}

static bool match_one(struct completions *c, const struct command_argument *list, struct typed *t)
{
    bool none_typed = t->n == 0;
    for (; list->type != ARGUMENT_END; list++) {
        if (none_typed)
            match(c, list, t);
        else if (begins(list, t->word[0]))
            return match(c, list, t);
    }
    return false;
}

/* Matches the options of a list, each once unless it may repeat. */
static bool match_options(struct completions *c, const struct command_argument *list,
                          struct typed *t)
{
    bool given[OPTIONS_MAX] = {false};
    unsigned i = 0;
    while (t->n > 0) {
        for (i = 0; list[i].type != ARGUMENT_END; i++) {
            if ((list[i].optional || list[i].multiple) && !given[i] && begins(&list[i], t->word[0]))
                break;
        }
        if (list[i].type == ARGUMENT_END)
            return true; /* the words that are left belong to what stands around the list */
        given[i] = !list[i].multiple;
        if (!match(c, &list[i], t))
            return false;
    }
    for (i = 0; list[i].type != ARGUMENT_END; i++) {
        if (list[i].optional && !given[i])
            match(c, &list[i], t);
    }
    return true;
}

static bool match_all(struct completions *c, const struct command_argument *list, struct typed *t)
{
    for (const struct command_argument *a = list; a->type != ARGUMENT_END; a++) {
        if (!a->optional && !match(c, a, t))
            return false;
    }
    return match_options(c, list, t);
}

static bool match(struct completions *c, const struct command_argument *a, struct typed *t)
{
    if (a->token != NULL) {
        if (t->n == 0)
            add(c, a->token);
        if (t->n == 0 || !words_same(t->word[0], a->token))
            return false;
        t->word++, t->n--;
    }
    if (a->type == ARGUMENT_WORD)
        return true;
    if (a->type == ARGUMENT_ONEOF)
        return match_one(c, a->of, t);
    if (a->type == ARGUMENT_BLOCK)
        return match_all(c, a->of, t);
    if (t->n == 0)
        return false;
    t->word++, t->n--;
    return true;
}

/* ---- Lines ---- */

/* Offers the top-level commands, or the subcommands of a parent. */
static void add_commands(struct completions *c, const struct command *parent)
{
    const char *of = parent != NULL ? parent->name : "";
    for (const struct command *k = command_table; k < command_table + command_n; k++) {
        if (strcmp(k->parent != NULL ? k->parent : "", of) == 0)
            add(c, k->name);
    }
}

/* Offers what may follow these words. */
static void follow(struct completions *c, struct typed t, const char *const *more)
{
    /* after "help" comes a command, without options */
    bool help = t.n > 0 && words_same(t.word[0], "help");
    if (help)
        t = (struct typed){t.word + 1, t.n - 1};
    if (t.n == 0) {
        add_commands(c, NULL);
        for (; !help && *more != NULL; more++)
            add(c, *more);
        return;
    }
    const struct command *k = command_find(t.word[0], t.n > 1 ? t.word[1] : SLICE(""));
    uint32_t name_n = k != NULL && k->parent != NULL ? 2 : 1;
    if (k != NULL && t.n == 1 && command_is_parent(k))
        add_commands(c, k);
    else if (k != NULL && !help) {
        struct typed arguments = {t.word + name_n, t.n - name_n};
        match_all(c, k->arguments, &arguments);
    }
}

struct completions complete(struct slice text, const char *const *more)
{
    size_t n = text.n;
    while (n > 0 && text.p[n - 1] != ' ')
        n--;
    struct completions c = {.prefix = slice_of(text.p + n, text.n - n)};
    struct buf before;
    struct resp_request words;
    buf_init(&before, RESP_INLINE_MAX + 8);
    resp_request_init(&words);
    if (shell_words(&words, &before, slice_of(text.p, n)) == 0)
        follow(&c, (struct typed){words.arg, words.arg_n}, more);
    resp_request_close(&words);
    buf_close(&before);
    return c;
}
