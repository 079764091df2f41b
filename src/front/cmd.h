/* cmd.h: the handlers of the commands. A handler finds its request in s->request, with the
 * number of its words checked, and its entry in s->command. It either writes s->reply or calls
 * session_ask. For command.c and cmd_*.c only. */
#ifndef COVEY_FRONT_CMD_H
#define COVEY_FRONT_CMD_H

#include "front/session_ops.h"

/* A handler that runs several commands is declared several times. */
#define COMMAND(name, group, flags, since, handler, ...) void handler(struct session *s);
#define SUBCOMMAND(parent, ...)                          COMMAND(__VA_ARGS__)
#define CONTAINER(...)
#define ABSENT(...)
#include "front/command.def"

/* A handler that asks the node and does nothing else. */
#define CMD_ASKS(handler, kind, fold, answer)                       \
    void handler(struct session *s)                                 \
    {                                                               \
        static const struct session_ask ask = {kind, fold, answer}; \
        session_ask(s, &ask);                                       \
    }

/* Whether an argument is that word, in any case. */
bool cmd_is(struct slice arg, const char *word);

/* The index of the part, of the command's argument n, a oneof, that begins with `token`; -1:
 * none does. */
int cmd_choice(const struct session *s, unsigned n, struct slice token);

/* How the command that is being run is used, its name in upper case: for errors. Not for
 * subcommands. Returns `out`. */
const char *cmd_usage(const struct session *s, char out[COMMAND_USAGE_MAX]);

/* Parses a decimal int64; false when the argument is anything else. */
bool cmd_integer(struct slice arg, int64_t *n);

/* Copies a client's or library's name, which may have printable ASCII without blanks. False when
 * it has anything else or is too long: an error is replied. */
bool cmd_name(struct session *s, struct slice arg, const char *what, char out[SESSION_NAME_MAX],
              uint8_t *out_n);

#endif
