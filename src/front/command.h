/* command.h: the one command table (command.def). The session's dispatch, COMMAND and COMMAND DOCS,
 * the console's help and completion come from it: a command exists for all of them or for none. */
#ifndef COVEY_FRONT_COMMAND_H
#define COVEY_FRONT_COMMAND_H

#include "base/slice.h"

enum command_flags { /* as Redis's COMMAND names them */
                     COMMAND_WRITE = 1,
                     COMMAND_READONLY = 2,
                     COMMAND_FAST = 4,
                     COMMAND_ADMIN = 8,
                     COMMAND_PUBSUB = 16,
                     COMMAND_NO_AUTH = 32,
                     COMMAND_LOADING = 64, /* allowed while the node has not found its peers */
                     COMMAND_STALE = 128,
                     /* covey's own, not printed as flags */
                     COMMAND_COVEY = 256, /* Redis has no such command */
                     COMMAND_ALONE =
                         /* starts when all before it is answered, and holds back what follows until
                          * it is, too */
                     512,
};

enum argument_type {
    ARGUMENT_END, /* no argument: behind the last of a list */
    ARGUMENT_KEY,
    ARGUMENT_STRING,
    ARGUMENT_INTEGER,
    ARGUMENT_UNIX_TIME,
    ARGUMENT_PATTERN,
    ARGUMENT_WORD,  /* a token and nothing else: Redis's "pure-token" */
    ARGUMENT_ONEOF, /* one of its parts */
    ARGUMENT_BLOCK, /* all of its parts, in their order */
};

struct command_argument {
    enum argument_type type;
    const char *name;                  /* of a word: NULL */
    const char *token;                 /* the word before it, in upper case; NULL: there is none */
    bool optional;                     /* it may be left out */
    bool multiple;                     /* it may be there more than once */
    const struct command_argument *of; /* the parts of a oneof or a block; else NULL */
};

enum { COMMAND_LACKS_MAX = 4 };

struct session;

struct command {
    const char *name;   /* lower case */
    const char *parent; /* of a subcommand: "client"; else NULL */
    const char *group;  /* "string", "connection", "server", "generic", "cluster", "pubsub" */
    unsigned flags;
    const char *since; /* covey release */
    /* The request is in the session. NULL: only its subcommands run. */
    void (*run)(struct session *s, const struct command *c);
    const char *summary;                      /* one sentence */
    const struct command_argument *arguments; /* ends with ARGUMENT_END */
    const char *lacks[COMMAND_LACKS_MAX];     /* options of Redis that are refused; then NULL */
    const char *differs;                      /* what else is not as in Redis: a phrase; or NULL */
};

/* The table, sorted by name (subcommands after their parent). */
extern const struct command command_table[];
extern const unsigned command_n;

/* The commands of Redis 7.0 that are not built, in lower case, sorted; subcommands as
 * "client|kill". */
extern const char *const command_absent[];
extern const unsigned command_absent_n;

/* What a row of a command's reply means: for its help. In the order of the reply. */
struct command_row {
    const char *command;
    const char *group; /* the map that the row stands in: "cluster"; "": the reply itself */
    const char *name;
    const char *legend; /* a phrase, with the unit */
};

extern const struct command_row command_rows[]; /* rows.c */
extern const unsigned command_row_n;

/* Look-up, any case; NULL when there is none. `sub` may be empty; a parent without such a
 * subcommand gives the parent. */
const struct command *command_find(struct slice name, struct slice sub);

/* Whether it has subcommands: they follow it in the table. */
bool command_is_parent(const struct command *c);

/* Whether a command of Redis is not built; with a `sub` that is not empty: a subcommand of one that
 * is. Any case. */
bool command_is_absent(struct slice name, struct slice sub);

/* ---- argument.c: what follows from an entry ---- */

/* How many words it takes, as Redis says it: its name (and its parent's) counts, and a negative
 * number means so many at least. */
int command_arity(const struct command *c);

/* Whether a request of so many words fits the arity. */
bool command_fits(const struct command *c, uint32_t word_n);

/* Where its keys are among the words. */
struct command_keys {
    uint32_t first; /* number of a word; 0: it has no keys */
    bool many;      /* up to the end of the request; else there is one */
    uint32_t step;  /* from a key to the next; 0 where there are none */
};

struct command_keys command_keys(const struct command *c);

enum { COMMAND_USAGE_MAX = 160 };

/* Its name and arguments for people, in redis-cli's notation: "expire key seconds [NX|XX|GT|LT]".
 * Gives `out` back. */
const char *command_usage(const struct command *c, char out[COMMAND_USAGE_MAX]);

/* How it is not as in Redis 7, a phrase: "not built: NX, XX, GET"; "" where it is, or is covey's
 * own. Gives `out` back. */
const char *command_differences(const struct command *c, char out[COMMAND_USAGE_MAX]);

#endif
