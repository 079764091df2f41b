/* console.h: `covey console` and the one-shot commands (`covey get KEY`, `covey status`, ...): one RESP client, three
 * ways in.
 *
 * At a terminal: lines with history, completion and help; membership events appear above the prompt. From a pipe: each
 * line is a command. As a one-shot: the words of the command line are the command. Every command of front/command.h's
 * table works in all three. */
#ifndef COVEY_CONSOLE_CONSOLE_H
#define COVEY_CONSOLE_CONSOLE_H

#include <stdbool.h>

/* argv[0] is the subcommand itself: "console", or the name of a command. Flags: -h or --host HOST, -p or --port PORT
 * (else COVEY_HOST and COVEY_PORT of the environment), --json (one-shots), --help. Returns the exit code: 0; 1 after an error
 * reply; 64 (EX_USAGE) for bad usage; 2 when no node could be reached. `status`: 0
 * healthy, 1 degraded or changing, 2 unreachable. */
int console_main(int argc, char **argv);

/* Whether `covey WORD` is a one-shot: WORD is in the command table. */
bool console_knows(const char *word);

#endif
