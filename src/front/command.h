/* command.h: the one command table. The session's dispatch, COMMAND and COMMAND DOCS, the console's help and completion come
 * from it, so a command exists for all of them or for none. */
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
                         512, /* starts when all before it is answered, and holds back what follows until it is, too */
};

struct session;

struct command {
    const char *name;   /* lower case */
    const char *parent; /* of a subcommand: "client"; else NULL */
    int arity;          /* as Redis: with the name (and the parent's); negative: at least */
    unsigned flags;
    int first_key, last_key, step; /* argument numbers, last_key from the end when negative; 0 where there are none */
    const char *group;             /* "string", "connection", "server", "generic", "cluster", "pubsub" */
    const char *arguments;         /* "key value": for help, as redis-cli shows them */
    const char *summary;           /* one sentence */
    const char *since;             /* covey release */
    void (*run)(struct session *s, const struct command *c); /* the request is in the session; NULL: only its subcommands run */
};

/* The table, sorted by name (subcommands after their parent). */
extern const struct command command_table[];
extern const unsigned command_n;

/* What a row of a command's reply means: for its help. In the order of the reply. */
struct command_row {
    const char *command;
    const char *group; /* the map that the row stands in: "cluster"; "": the reply itself */
    const char *name;
    const char *legend; /* a phrase, with the unit */
};

extern const struct command_row command_rows[]; /* rows.c */
extern const unsigned command_row_n;

/* Look-up, any case; NULL when there is none. `sub` may be empty; a parent without such a subcommand gives the parent. */
const struct command *command_find(struct slice name, struct slice sub);

/* Whether it has subcommands: they follow it in the table. */
bool command_is_parent(const struct command *c);

#endif
