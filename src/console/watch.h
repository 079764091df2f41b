/* watch.h: `covey status --watch`: the status of a node, printed again every second. */
#ifndef COVEY_CONSOLE_WATCH_H
#define COVEY_CONSOLE_WATCH_H

#include "console/shell.h"

/* Runs until SIGINT, SIGTERM or SIGHUP, and returns the exit code of the last status. A node that
 * does not answer is reported, and asked again. On a terminal each status replaces the one before;
 * elsewhere an empty line stands between them (with --json each is a line). */
int status_watch(const struct shell_options *o);

#endif
