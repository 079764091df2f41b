/* shell.h: lines of commands to one node, from a person or from a script, and their answers.
 *
 * A shell keeps two connections: one for commands, and, for a person, one that is subscribed to the
 * members, whose messages appear above the prompt as they happen. Nodes die, the console does not:
 * when its node ends the connection, it says so and goes on with another member, of those whose
 * addresses the node had told it. Where none answers, the next command tries again. */
#ifndef COVEY_CONSOLE_SHELL_H
#define COVEY_CONSOLE_SHELL_H

#include "console/client.h"
#include "console/render.h"

#include <signal.h>

struct shell_options {
    const char *host;
    uint16_t port;
    bool json; /* replies as JSON */
    /* lines to be printed above the prompt (`covey start --console`); 0: none */
    int log_fd;
    const volatile sig_atomic_t *stop; /* set by a signal handler: end the shell; NULL: none */
};

enum { SHELL_MEMBERS_MAX = 16 }; /* as many ways out as anybody needs */

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
    /* whom to ask when the node is gone; at a terminal only */
    struct shell_member member[SHELL_MEMBERS_MAX];
    unsigned member_n;
    int log_fd;     /* as in the options */
    struct buf log; /* the beginning of a line that has not ended yet */
    struct render render;
    bool json;
    bool ended; /* by QUIT */
};

void shell_init(struct shell *s, const struct shell_options *o);
void shell_close(struct shell *s);

/* Runs one command of words and prints its reply, or an error on stderr. An exit code of console.h:
 * STATUS gives its verdict's. A subscription is followed until the connection ends. */
int shell_command(struct shell *s, const struct slice *arg, uint32_t arg_n);

/* The words of a line, with the quotes of redis-cli. They point into `text`, which gets a copy of
 * it. 0, or an error, of which words->why may say more. */
int shell_words(struct resp_request *words, struct buf *text, struct slice line);

/* Runs a line: a command with the quotes of redis-cli, or one of the shell's own (help, connect,
 * quit). As shell_command; 0 for an empty one. */
int shell_line(struct shell *s, struct slice line);

/* The lines of stdin, without a prompt: the worst of the lines' codes. */
int shell_script(const struct shell_options *o);

/* At a terminal: EXIT_OK, or EXIT_NOBODY when the node cannot be reached at the start. */
int shell_interactive(const struct shell_options *o);

/* ---- help.c: from the command table. width: characters of a line; 0: no limit ---- */

/* Appends all commands by group, one a line. */
int help_all(struct buf *out, unsigned width);

/* Appends one command's usage and meaning, and what the rows of its reply mean, or, of "json", what
 * --json prints; false when there is no such command. */
bool help_one(struct buf *out, struct slice name, struct slice sub, unsigned width);

/* Whether a command may have so many words; true of one that is not in the table. */
bool help_fits(const struct slice *arg, uint32_t arg_n);

/* Appends "usage: " and what the command takes; nothing when there is no such command. */
void help_usage(struct buf *out, const struct slice *arg, uint32_t arg_n, unsigned width);

/* The command, or the word of `more` (ends with NULL), that was probably meant; NULL: none is
 * near. */
const char *help_nearest(struct slice word, const char *const *more);

#endif
