/* shell.h: commands to one node, from a person or from a script, and their replies.
 *
 * A shell keeps two connections: one for commands, and, at a terminal, one that is subscribed to
 * the members; its messages appear above the prompt. When its node ends the connection, the console
 * reports it and goes on with another member, one of those that the node named. When none answers,
 * the next command tries again. */
#ifndef COVEY_CONSOLE_SHELL_H
#define COVEY_CONSOLE_SHELL_H

#include "console/client.h"
#include "console/render.h"

#include <signal.h>

struct shell_options {
    const char *host;
    uint16_t port;
    bool json; /* replies as JSON */
    /* descriptor of lines to print above the prompt (`covey start --console`); 0: none */
    int log_fd;
    const volatile sig_atomic_t *stop; /* set by a signal handler to end the shell; NULL: none */
};

enum { SHELL_MEMBERS_MAX = 16 }; /* other members that are remembered */

/* Another member, as the node named it last. */
struct shell_member {
    char host[64];
    uint16_t port;
    bool alive;
};

struct shell {
    struct client client; /* commands */
    struct client watch;  /* membership events */
    char host[256];
    uint16_t port;
    char prompt[300];
    /* members to ask when the node is gone; at a terminal only */
    struct shell_member member[SHELL_MEMBERS_MAX];
    unsigned member_n;
    int log_fd;     /* as in the options */
    struct buf log; /* a line of the log that has not ended yet */
    struct render render;
    bool json;
    bool ended; /* by QUIT or EXIT */
};

void shell_init(struct shell *s, const struct shell_options *o);
void shell_close(struct shell *s);

/* Runs one command and prints its reply, or an error on stderr. Returns an exit code of console.h;
 * STATUS returns its verdict's. A subscription is followed until the connection ends. */
int shell_command(struct shell *s, const struct slice *arg, uint32_t arg_n);

/* Splits a line into words, with the quotes of redis-cli. They point into `text`, which gets a copy
 * of the line. 0, or an error, of which words->why may say more. */
int shell_words(struct resp_request *words, struct buf *text, struct slice line);

/* Runs a line: a command with the quotes of redis-cli, or one of the shell's own (help, connect,
 * quit). Returns as shell_command; 0 for an empty line. */
int shell_line(struct shell *s, struct slice line);

/* Runs the lines of standard input, without a prompt. Returns the greatest of their codes. */
int shell_script(const struct shell_options *o);

/* Runs lines of a terminal. EXIT_OK, or EXIT_NOBODY when the node cannot be reached at the
 * start. */
int shell_interactive(const struct shell_options *o);

/* ---- help.c: help from the command table. width: columns of a line; 0: no limit ---- */

/* Appends all commands by group, one a line. */
int help_all(struct buf *out, unsigned width);

/* Appends how one command is used, what it does, and what the rows of its reply mean; of "json",
 * what --json prints. False when there is no such command. */
bool help_one(struct buf *out, struct slice name, struct slice sub, unsigned width);

/* Whether a command may have that many words; true for one that is not in the table. */
bool help_fits(const struct slice *arg, uint32_t arg_n);

/* Appends "usage: " and how the command is used; nothing when there is no such command. */
void help_usage(struct buf *out, const struct slice *arg, uint32_t arg_n, unsigned width);

/* The command, or the word of `more` (ends with NULL), that was probably meant; NULL: none is
 * near. */
const char *help_nearest(struct slice word, const char *const *more);

#endif
