/* redis7.h: the names of Redis 7.0's commands: so that a command of Redis that is not built is told from a word that nobody
 * knows. Which of them are built says command.h. */
#ifndef COVEY_FRONT_REDIS7_H
#define COVEY_FRONT_REDIS7_H

#include "base/slice.h"

#include <stdbool.h>

/* In lower case, sorted by bytes; subcommands as "client|kill". */
extern const char *const redis7_name[];
extern const unsigned redis7_n;

/* Whether Redis 7.0 has that command, or with a `sub` that is not empty that subcommand of a command which covey has built. Any
 * case. */
bool redis7_has(struct slice name, struct slice sub);

#endif
