/* transaction.h: the answers to MULTI, EXEC and DISCARD, which are not built. Nothing of a
 * client's transaction runs. For session.c only. */
#ifndef COVEY_FRONT_TRANSACTION_H
#define COVEY_FRONT_TRANSACTION_H

#include "front/session.h"

/* Answers the present command into s->reply when it is one of the three, or follows a refused
 * MULTI. `c` is its entry in the table; NULL: it has none. False: nothing was written. */
bool transaction_answers(struct session *s, const struct command *c);

#endif
