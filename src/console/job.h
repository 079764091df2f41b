/* job.h: `covey backup PATH` and `covey repair --watch`: a command that starts work on its node,
 * with a bar until the work has ended. */
#ifndef COVEY_CONSOLE_JOB_H
#define COVEY_CONSOLE_JOB_H

#include "console/shell.h"

/* path: on the node's machine; a relative one counts from our own directory. EXIT_OK; EXIT_ERROR
 * when the node refused the backup, or it failed; EXIT_NOBODY when the node could not be
 * reached. */
int job_backup(const struct shell_options *o, const char *path);

/* arg: the words of the command, "repair" and perhaps a vnode. EXIT_OK; EXIT_ERROR when something
 * could not be compared, or the node refused; EXIT_NOBODY when the node could not be reached. */
int job_repair(const struct shell_options *o, const struct slice *arg, uint32_t arg_n);

#endif
