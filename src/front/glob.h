/* glob.h: Redis's patterns: * ? [a-z] [^x] and \ to quote, any case, for CONFIG GET and COMMAND
 * LIST. */
#ifndef COVEY_FRONT_GLOB_H
#define COVEY_FRONT_GLOB_H

#include "base/slice.h"

/* Whether the pattern matches all of the text. The time is at most the product of the two
 * lengths, for any pattern. */
bool glob_match(struct slice pattern, struct slice text);

#endif
