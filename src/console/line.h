/* line.h: lines from an operator at a terminal: editing, history and completion (libedit), with
 * events printed above the prompt. A line has the bytes that were typed, in every locale (keys.h).
 *
 * Ctrl-C only discards the line. ISIG is off until line_close, because the signal must not reach
 * the program that started us (`ninja demo` shares the terminal and would die of it). So a command
 * that runs between two lines must bound its own time. */
#ifndef COVEY_CONSOLE_LINE_H
#define COVEY_CONSOLE_LINE_H

#include "base/buf.h"

#include <signal.h>

enum { LINE_WATCHES = 2 };

/* A descriptor that is watched while a line is edited. */
struct line_watch {
    /* Returns the descriptor; -1: none now. NULL: never one. */
    int (*fd)(void *arg);
    /* Called when it is readable: appends lines to print above the prompt. */
    void (*ready)(void *arg, struct buf *out);
};

struct line_options {
    const char *prompt;       /* read anew for each line; lives as long as the line editor */
    const char *const *words; /* commands to complete besides the table's; ends with NULL */
    struct line_watch watch[LINE_WATCHES];
    void *arg;                         /* passed to the watches */
    const volatile sig_atomic_t *stop; /* set by a signal handler to end the lines */
};

struct line;

/* Opens the line editor and loads the history: $COVEY_HISTORY, else ~/.covey_history. NULL when
 * lines cannot be edited on this terminal. */
struct line *line_open(const struct line_options *o);

/* Reads the next line, without its newline; it lives until the next call. "" after Ctrl-C; NULL at
 * the end (Ctrl-D, or stop). */
const char *line_read(struct line *l);

/* Saves the history and restores the terminal. */
void line_close(struct line *l);

#endif
