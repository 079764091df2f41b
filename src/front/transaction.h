/* transaction.h: MULTI, EXEC and DISCARD, which are not built: what a client is told that relies on
 * them, and that nothing of its transaction is carried out. For session.c only. */
#ifndef COVEY_FRONT_TRANSACTION_H
#define COVEY_FRONT_TRANSACTION_H

#include "front/session.h"

/* Answers the held command into s->reply when it is one of the three, or follows a refused MULTI.
 * `c` is its entry in the table, NULL when there is none. False: it is none of that, and nothing
 * was written. */
bool transaction_answers(struct session *s, const struct command *c);

#endif
