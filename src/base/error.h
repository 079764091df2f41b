/* error.h: the errors of covey, each with a name and a sentence. Functions return 0 or one of these
 * (all negative). */
#ifndef COVEY_BASE_ERROR_H
#define COVEY_BASE_ERROR_H

enum error {
#define ERROR(name, number, sentence) ERR_##name = (number),
#include "base/error.def"
#undef ERROR
};

/* "NO_QUORUM"; "UNKNOWN" for a number that is not in error.def. Static strings. */
const char *error_name(int error);

/* "too few owners are reachable"; static. */
const char *error_sentence(int error);

#endif
