/* command.c: the table of command.def in memory, and the search for a name in it. */
#include "front/command.h"

#include "front/cmd.h"

#define READ       (COMMAND_READONLY | COMMAND_FAST)
#define CONNECTION (COMMAND_FAST | COMMAND_LOADING | COMMAND_STALE)
#define QUESTION   (COMMAND_LOADING | COMMAND_STALE)
#define OWN        (COMMAND_COVEY | COMMAND_LOADING | COMMAND_STALE)

/* clang-format off */
#define LIST(...)      (const struct command_argument[]){__VA_ARGS__ {.type = ARGUMENT_END}}
#define KEY(...)       {.type = ARGUMENT_KEY, .name = __VA_ARGS__},
#define STRING(...)    {.type = ARGUMENT_STRING, .name = __VA_ARGS__},
#define INTEGER(...)   {.type = ARGUMENT_INTEGER, .name = __VA_ARGS__},
#define UNIX_TIME(...) {.type = ARGUMENT_UNIX_TIME, .name = __VA_ARGS__},
#define PATTERN(...)   {.type = ARGUMENT_PATTERN, .name = __VA_ARGS__},
#define WORD(...)      {.type = ARGUMENT_WORD, .token = __VA_ARGS__},
#define ONEOF(...)     {.type = ARGUMENT_ONEOF, .name = __VA_ARGS__},
#define BLOCK(...)     {.type = ARGUMENT_BLOCK, .name = __VA_ARGS__},
#define OF(...)        .of = LIST(__VA_ARGS__)
#define AFTER(word)    .token = word
#define OPTIONAL       .optional = true
#define MULTIPLE       .multiple = true
/* clang-format on */

#define TAKES(...)   .arguments = LIST(__VA_ARGS__)
#define LACKS(...)   .lacks = {__VA_ARGS__}
#define DIFFERS(how) .differs = how

#define COMMAND(name, ...)            {name, NULL, __VA_ARGS__},
#define SUBCOMMAND(parent, name, ...) {name, parent, __VA_ARGS__},
#define CONTAINER(name, group, flags, since, summary) \
    {name, NULL, group, flags, since, NULL, summary, TAKES(STRING("subcommand"))},
#define ABSENT(...)

const struct command command_table[] = {
#include "front/command.def"
};

const unsigned command_n = sizeof command_table / sizeof command_table[0];

#define COMMAND(...)
#define SUBCOMMAND(...)
#define CONTAINER(...)
#define ABSENT(...) __VA_ARGS__

const char *const command_absent[] = {
#include "front/command.def"
};

const unsigned command_absent_n = sizeof command_absent / sizeof command_absent[0];

enum { NAME_MAX_BYTES = 32 };

/* Copies the word in lower case, with a NUL. False when no command can have such a name. */
static bool fold_case(struct slice word, char out[NAME_MAX_BYTES])
{
    if (word.n == 0 || word.n >= NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < word.n; i++) {
        uint8_t c = word.p[i];
        if (c == 0)
            return false;
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    out[word.n] = 0;
    return true;
}

bool command_is_parent(const struct command *c)
{
    const struct command *next = c + 1;
    return next < command_table + command_n && next->parent && !strcmp(next->parent, c->name);
}

/* Searches the top-level names. A subcommand compares as its parent does, and stands after it. */
static const struct command *find_name(const char *name)
{
    unsigned low = 0, high = command_n;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct command *c = &command_table[middle];
        int order = strcmp(name, c->parent ? c->parent : c->name);
        if (order == 0 && !c->parent)
            return c;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct command *command_find(struct slice name, struct slice sub)
{
    char word[NAME_MAX_BYTES];

    if (!fold_case(name, word))
        return NULL;
    const struct command *parent = find_name(word);
    if (!parent || !command_is_parent(parent) || !fold_case(sub, word))
        return parent;
    for (const struct command *c = parent + 1;
         c < command_table + command_n && c->parent && !strcmp(c->parent, parent->name); c++) {
        if (!strcmp(c->name, word))
            return c;
    }
    return parent;
}

bool command_is_absent(struct slice name, struct slice sub)
{
    char word[2 * NAME_MAX_BYTES];

    if (!fold_case(name, word))
        return false;
    if (sub.n) {
        size_t n = strlen(word);
        word[n] = '|';
        if (!fold_case(sub, word + n + 1))
            return false;
    }
    for (unsigned i = 0; i < command_absent_n; i++) {
        if (!strcmp(word, command_absent[i]))
            return true;
    }
    return false;
}
