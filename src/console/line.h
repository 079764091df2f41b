/* line.h: lines from an operator at a terminal: editing, history and completion (libedit), with
 * events printed above the prompt. A line has the bytes that were typed, in every locale (keys.h).
 *
 * Ctrl-C only discards the line, and ISIG is off until line_close: the signal must not reach the
 * program that started us (`ninja demo` shares the terminal with us and would die of it). Whoever
 * runs a command between two lines therefore bounds its time. */
#ifndef COVEY_CONSOLE_LINE_H
#define COVEY_CONSOLE_LINE_H

#include "base/buf.h"

#include <signal.h>

enum { LINE_WATCHES = 2 };

/* A descriptor that is watched while a line is edited. */
struct line_watch {
    /* the descriptor, or -1 for none now; NULL: never one */
    int (*fd)(void *arg);
    /* it is readable: appends whole lines to be printed above the prompt */
    void (*ready)(void *arg, struct buf *out);
};

struct line_options {
    const char *prompt;       /* read anew for each line; lives as long as the lines do */
    const char *const *words; /* commands to be completed beside the table's; ends with NULL */
    struct line_watch watch[LINE_WATCHES];
    void *arg;                         /* of the watches */
    const volatile sig_atomic_t *stop; /* set by a signal handler: no more lines */
};

struct line;

/* Loads the history: $COVEY_HISTORY, else ~/.covey_history. NULL when the terminal cannot be edited
 * on. */
struct line *line_open(const struct line_options *o);

/* The next line without its newline, valid until the next call; "" after Ctrl-C; NULL at the end
 * (Ctrl-D, or stop). */
const char *line_read(struct line *l);

/* Saves the history and gives the terminal back as it was. */
void line_close(struct line *l);

#endif
