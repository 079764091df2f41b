/* failure.h: the error replies of operations that fail: a code in Redis's manner, what happened,
 * with which numbers, and what to do. */
#ifndef COVEY_FRONT_FAILURE_H
#define COVEY_FRONT_FAILURE_H

#include "core/event.h"
#include "front/reply.h"

/* Writes the error of a result. `one_of_many`: the operation is one of several of its command,
 * and others of them may have succeeded. */
void failure_of_result(struct reply *r, const struct result *result, bool one_of_many);

/* The node answers no clients now: it has not found its peers yet, or, when `claimed`, for the
 * reason at front.claimed. */
void failure_loading(struct reply *r, bool claimed);

/* The error for a reply that did not fit: ERR_TOO_BIG or ERR_NO_MEMORY. Clears the error in r,
 * and writes anew. */
void failure_here(struct reply *r, int error);

void failure_value_too_big(struct reply *r, size_t bytes, size_t value_max);

#endif
