/* repair.h: `covey repair --watch`: REPAIR, and a bar until it is through. */
#ifndef COVEY_CONSOLE_REPAIR_H
#define COVEY_CONSOLE_REPAIR_H

#include "console/shell.h"

/* arg: the words of the command, "repair" and perhaps a vnode. 0; 1 when something could not be
 * compared, or the node refused; 2 when it could not be reached. */
int repair_watch(const struct shell_options *o, const struct slice *arg, uint32_t arg_n);

#endif
