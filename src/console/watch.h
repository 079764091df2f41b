/* watch.h: `covey status --watch`: the status of a node, drawn again every second. */
#ifndef COVEY_CONSOLE_WATCH_H
#define COVEY_CONSOLE_WATCH_H

#include "console/shell.h"

/* Until it is interrupted (SIGINT, SIGTERM, SIGHUP): then the exit code of the last look. A node
 * that does not answer is said to be away, and asked again. On a terminal each look takes the place
 * of the one before; elsewhere they follow each other, an empty line between (with --json: a line
 * each). */
int status_watch(const struct shell_options *o);

#endif
