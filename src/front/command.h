/* command.h: the one command table (command.def). The session looks commands up in it, COMMAND
 * and COMMAND DOCS print it, and the console's help and completion are made from it. So a
 * command exists for all of them or for none. */
#ifndef COVEY_FRONT_COMMAND_H
#define COVEY_FRONT_COMMAND_H

#include "base/slice.h"

/* The first eight are Redis's, by the names that COMMAND gives them. */
enum command_flags {
    COMMAND_WRITE = 1,
    COMMAND_READONLY = 2,
    COMMAND_FAST = 4,
    COMMAND_ADMIN = 8,
    COMMAND_PUBSUB = 16,
    COMMAND_NO_AUTH = 32,
    COMMAND_LOADING = 64, /* allowed while the node has not found its peers */
    COMMAND_STALE = 128,
    COMMAND_COVEY = 256, /* covey's own: Redis has no such command */
    /* starts when all before it is answered, and what follows waits for its answer */
    COMMAND_ALONE = 512,
};

enum argument_type {
    ARGUMENT_END, /* ends a list of arguments */
    ARGUMENT_KEY,
    ARGUMENT_STRING,
    ARGUMENT_INTEGER,
    ARGUMENT_UNIX_TIME,
    ARGUMENT_PATTERN,
    ARGUMENT_WORD,  /* a token and nothing else; Redis calls it "pure-token" */
    ARGUMENT_ONEOF, /* one of its parts */
    ARGUMENT_BLOCK, /* all of its parts, in their order */
};

struct command_argument {
    enum argument_type type;
    const char *name;                  /* NULL of a word */
    const char *token;                 /* the word before it, in upper case; NULL: none */
    bool optional;                     /* it may be left out */
    bool multiple;                     /* it may be there more than once */
    const struct command_argument *of; /* the parts of a oneof or a block; NULL of others */
};

enum { COMMAND_LACKS_MAX = 4 };

struct session;

struct command {
    const char *name;   /* lower case */
    const char *parent; /* "client" of its subcommands; NULL of other commands */
    const char *group;  /* "string", "connection", "server", "generic", "cluster", "pubsub" */
    unsigned flags;
    const char *since; /* the release of covey that brought it */
    /* Runs the request in the session (cmd.h). NULL: only its subcommands run. */
    void (*run)(struct session *s);
    const char *summary;                      /* one sentence */
    const struct command_argument *arguments; /* ends with ARGUMENT_END */
    const char *lacks[COMMAND_LACKS_MAX];     /* options of Redis that are refused; then NULL */
    const char *differs; /* a phrase: what else is not as in Redis; NULL: nothing */
};

/* The table, sorted by name (subcommands after their parent). */
extern const struct command command_table[];
extern const unsigned command_n;

/* The commands of Redis 7.0 that are not built, in lower case, sorted; subcommands as
 * "client|kill". */
extern const char *const command_absent[];
extern const unsigned command_absent_n;

/* What a row of a command's reply means, for the command's help. Rows stand in the order of the
 * reply. */
struct command_row {
    const char *command;
    const char *group; /* name of the map that the row stands in; "" for the reply itself */
    const char *name;
    const char *legend; /* a phrase, with the unit */
};

extern const struct command_row command_rows[]; /* rows.c */
extern const unsigned command_row_n;

/* Finds a command, in any case; NULL: there is none. `sub` may be empty. A command that has
 * subcommands, but none called `sub`, is found itself. */
const struct command *command_find(struct slice name, struct slice sub);

/* Whether a command has subcommands. They follow it in the table. */
bool command_is_parent(const struct command *c);

/* Whether Redis has a command that is not built here. With a `sub` that is not empty: whether
 * Redis has such a subcommand of a command that is built. Any case. */
bool command_is_absent(struct slice name, struct slice sub);

/* ---- argument.c: what follows from an entry ---- */

/* The number of words of a command, as Redis counts: its name (and its parent's) counts. A
 * negative number means that many at least. */
int command_arity(const struct command *c);

/* Whether a request of that many words fits the arity. */
bool command_fits(const struct command *c, uint32_t word_n);

/* Where a command's keys are among its words. */
struct command_keys {
    uint32_t first; /* number of the first key's word; 0: the command has no keys */
    bool many;      /* all up to the end of the request are keys; else there is one */
    uint32_t step;  /* words from a key to the next; 0: the command has no keys */
};

struct command_keys command_keys(const struct command *c);

enum { COMMAND_USAGE_MAX = 160 };

/* A command's name and arguments for people, in the notation of redis-cli: "expire key seconds
 * [NX|XX|GT|LT]". Returns `out`. */
const char *command_usage(const struct command *c, char out[COMMAND_USAGE_MAX]);

/* A phrase that says how a command differs from Redis 7: "not built: NX, XX, GET". "" when it
 * does not differ, or is covey's own. Returns `out`. */
const char *command_differences(const struct command *c, char out[COMMAND_USAGE_MAX]);

#endif
