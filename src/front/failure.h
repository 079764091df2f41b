/* failure.h: what a client reads when an operation fails: a code in Redis's manner, what happened,
 * with which numbers, and what to do. */
#ifndef COVEY_FRONT_FAILURE_H
#define COVEY_FRONT_FAILURE_H

#include "core/event.h"
#include "front/reply.h"

/* The result's error. `one_of_many`: the operation is one of several of its command, so others may
 * have been carried out. */
void failure_of_result(struct reply *r, const struct result *result, bool one_of_many);

/* Clients are not answered now: no peers were found yet, or (claimed) as front.claimed says. */
void failure_loading(struct reply *r, bool claimed);

/* A reply that could not be kept for the client: ERR_TOO_BIG or ERR_NO_MEMORY. Clears the reply's
 * error: it is written anew. */
void failure_here(struct reply *r, int error);

void failure_value_too_big(struct reply *r, size_t bytes, size_t value_max);

#endif
