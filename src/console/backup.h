/* backup.h: `covey backup PATH`: BACKUP, and a bar until it is whole. */
#ifndef COVEY_CONSOLE_BACKUP_H
#define COVEY_CONSOLE_BACKUP_H

#include "console/shell.h"

/* path: on the node's machine; a relative one counts from our own directory. 0; 1 when the node
 * refused or it failed; 2 when the node could not be reached. */
int backup_watch(const struct shell_options *o, const char *path);

#endif
