/* console.h: `covey console` and the one-shots (`covey get KEY`, `covey status`, ...): one RESP
 * client that takes its commands in three ways.
 *
 * At a terminal it reads lines, with history, completion and help; membership events appear above
 * the prompt. From a pipe each line is a command. As a one-shot the words of the command line are
 * the command. Every command of the table (front/command.h) works in all three. */
#ifndef COVEY_CONSOLE_CONSOLE_H
#define COVEY_CONSOLE_CONSOLE_H

#include <stdbool.h>

/* Exit codes of one-shots. A piped console exits with the greatest code of its lines. */
enum {
    EXIT_OK = 0,
    /* the reply was an error; `status`: not healthy, but every key can be read and written */
    EXIT_ERROR = 1,
    EXIT_UNAVAILABLE = 2, /* `status` alone: some key cannot be read or written */
    EXIT_NOBODY = 3,      /* no node answered */
    /* a wrong flag, a wrong number of arguments, no such command (EX_USAGE of sysexits.h) */
    EXIT_USAGE = 64,
};

/* argv[0] is "console", or the name of a command. Flags: -h or --host HOST, -p or --port PORT (else
 * COVEY_HOST and COVEY_PORT of the environment), --json (one-shots), --watch (status, repair),
 * --help. Returns the exit code. */
int console_main(int argc, char **argv);

/* Whether WORD is in the command table, and so `covey WORD` is a one-shot. */
bool console_knows(const char *word);

#endif
