/* answer.h: the last output of a one-shot: the reply, or why there is none; for people or, with
 * --json, for programs. */
#ifndef COVEY_CONSOLE_ANSWER_H
#define COVEY_CONSOLE_ANSWER_H

#include "console/text.h"

/* The codes that JSON gives to errors that are no replies. The codes of replies are Redis's and
 * front/failure.c's. */
#define ANSWER_UNREACHABLE "UNREACHABLE" /* no node answered */
#define ANSWER_USAGE       "USAGE"       /* the command line is wrong, and no node was asked */
#define ANSWER_FAILED      "FAILED"      /* anything else: it was tried, and failed */

/* Whether --json is among the words of a command line, before a "--". True also when another word
 * is wrong, so that the error is JSON too. */
bool answer_wants_json(int argc, char **argv);

/* Prints a reply: as JSON, named after the command (in any case), or as `how` says. Errors go to
 * standard error, but JSON always to standard output. 0; 1 when the reply is an error or cannot be
 * written. */
int answer_reply(const struct resp_reply *reply, struct slice command, bool json,
                 const struct render *how);

/* Prints why there is no reply: "covey: ..." on standard error, or {"error":...} on standard
 * output. */
void answer_error(bool json, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints a line of JSON that was made with text.h. 0; 1 when it could not be made or written. */
int answer_json(const struct sink *line);

#endif
