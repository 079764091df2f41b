/* owners.h: convergence, judged on all disks at once.
 *
 * When the cluster is quiet and every pair of owners has compared what it holds:
 *
 * - the owners of every vnode hold the same, record for record, and no other node holds any of it;
 * - every value can be read, and is the one that its version names; - every Merkle tree equals one
 * that is built from scratch; - no deletion, and no value that is over, is left, as all owners live
 * and all of them are old enough to be erased. */
#ifndef COVEY_SIM_OWNERS_H
#define COVEY_SIM_OWNERS_H

#include "sim/world.h"

/* Makes every node compare with all other owners. True once all have, in exchanges that began after
 * since_ms, and nobody is recovering any more. */
bool owners_compared(struct world *w, uint64_t since_ms);

/* Whether no node holds a deletion, or a value that is over. When one does, and why is not NULL, it
 * gets the key and the node. */
bool owners_erased(struct world *w, struct buf *why);

/* Whether the owners hold the same, no other node holds anything, and every value can be read. When
 * not, why gets the key and the nodes. */
bool owners_equal(struct world *w, struct buf *why);

#endif
