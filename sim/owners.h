/* owners.h: convergence, judged from above (scenarios.md): when all is quiet and every pair of
 * owners has compared what it holds, the owners of every vnode hold the same, record for record,
 * and every Merkle tree equals one built from scratch. */
#ifndef COVEY_SIM_OWNERS_H
#define COVEY_SIM_OWNERS_H

#include "sim/world.h"

/* Makes every node compare with all other owners. True once all have, in exchanges that began after
 * since_ms, and nobody is recovering any more. */
bool owners_compared(struct world *w, uint64_t since_ms);

/* Whether nothing is left anywhere that is deleted or over: when all owners live, and all is old
 * enough. When not, why (if not NULL) says what, and where. */
bool owners_erased(struct world *w, struct buf *why);

/* Whether they hold the same, nobody else holds anything, and every value can be read; when not,
 * why says which key, and where. */
bool owners_equal(struct world *w, struct buf *why);

#endif
