/* state.h: the node's own state records, read and written by rt while no node runs on the store: at
 * a start (birth.c, loss.c, power.c) and at a clean stop. A record's serial is one above that of
 * the record it replaces. An empty record is one that was lost (loss.c). */
#ifndef COVEY_RT_STATE_H
#define COVEY_RT_STATE_H

#include "store/store.h"

/* Whether there is a record of that name, even an empty one. */
bool state_present(struct store *store, struct slice name);

/* Whether there is a record of that name that is not empty. */
bool state_known(struct store *store, struct slice name);

/* Puts a record, which the store copies. */
void state_put(struct store *store, struct slice name, struct slice value);

/* Makes the n records that were put durable, and takes their results, which must be the only ones
 * that the store has. 0, ERR_IO or ERR_NO_SPACE. */
int state_sync(struct store *store, unsigned n);

#endif
