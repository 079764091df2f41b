/* cmd.h: what runs the commands of the table. Each runs with its request in s->request, its number
 * of arguments checked, and either writes s->reply or calls session_ask. Nobody but command.c needs
 * this. */
#ifndef COVEY_FRONT_CMD_H
#define COVEY_FRONT_CMD_H

#include "front/session_ops.h"

/* Some handlers run several commands: they are declared as often. */
#define COMMAND(name, group, flags, since, handler, ...) \
    void handler(struct session *s, const struct command *c);
#define SUBCOMMAND(parent, ...) COMMAND(__VA_ARGS__)
#define CONTAINER(...)
#define ABSENT(...)
#include "front/command.def"

/* Helpers that several of them need. */

/* For writes whose only answer is that there was no error. */
void cmd_answer_stored(struct reply *r, struct session_op *op, const struct result *result);

/* Any case. */
bool cmd_is(struct slice arg, const char *word);

/* Which part of the command's argument n, a oneof, begins with that token; -1: none does. */
int cmd_choice(const struct session *s, unsigned n, struct slice token);

/* How a command that is no subcommand is used, its name in upper case: for errors. Gives `out`. */
const char *cmd_usage(const struct command *c, char out[COMMAND_USAGE_MAX]);

/* A decimal int64, all of it; false when it is none. */
bool cmd_integer(struct slice arg, int64_t *n);

/* A client's or library's name may hold printable ASCII without blanks; copies it. False, with an
 * error replied, when it does not fit. */
bool cmd_name(struct session *s, struct slice arg, const char *what, char out[SESSION_NAME_MAX],
              uint8_t *out_n);

#endif
