/* floors.h: what is known of erased keys without their entries (design section 4, "Erasing").
 *
 * A tombstone cannot stay for ever, and once it is gone the key looks as if it had never been: a
 * record that was deleted by it, coming late, would be taken for new. So each vnode has a *floor*,
 * the greatest stamp erased there, and a put that would create an absent key at or below it is
 * refused (ERR_TOO_OLD), unless it is known to be held by an owner just now (struct put_origin). A
 * floor only grows; a higher one than needed refuses more, and is never wrong.
 *
 * Each erasure is a record of its own (RECORD_FLOOR: the key and the version that it erased), which
 * removes the entry if that is still what is held, and at replay covers all that is not newer, in
 * whatever order the log has them. Two floors are kept of each vnode: the durable one, which is
 * what others are told and what survives; and the one that is coming, raised when an erasure is
 * submitted, by which puts are refused. So nothing that an erasure covers is written behind it, and
 * when the segments that were there at the erasure are gone its record may go too
 * (compact_judge.c). The floor itself stays, as a state. */
#ifndef COVEY_STORE_FLOORS_H
#define COVEY_STORE_FLOORS_H

#include <stdint.h>

#include "base/buf.h"

#define FLOORS_NAME SLICE("log.floors") /* the state that holds all of a store's */
/* The state in which one vnode's floor comes, told by its other owners: the serial is the floor,
 * the value is u32 vnode | u32 of how many. */
#define FLOOR_PREFIX "floor."

struct floors {
    uint64_t *durable; /* stamps, by vnode; 0: nothing was erased */
    uint64_t *coming;  /* at or above the durable ones */
    uint64_t greatest; /* of those coming: so that most puts need no look at their vnode */
    /* by vnode: the number of the last erasure there; 0: none since the store was opened */
    uint64_t *erasure;
    uint64_t erasures; /* so many were submitted */
    uint32_t n;
    uint8_t *unweeded; /* by vnode: replay has left erasures in the index */
};

/* n: vnodes. 0 or ERR_NO_MEMORY. */
int floors_init(struct floors *f, uint32_t n);
void floors_close(struct floors *f);

/* The ring is cut anew: each new vnode has the greatest floor of those that it meets. 0 or
 * ERR_NO_MEMORY. */
int floors_cut(struct floors *f, uint32_t n);

/* An erasure of a record of that stamp is submitted; and is durable. */
void floors_erase(struct floors *f, uint32_t vnode, uint64_t stamp);
void floors_raise(struct floors *f, uint32_t vnode, uint64_t stamp);

/* What a list of the vnode bears: never 0, and another one after each erasure there. */
uint64_t floors_ticket(const struct floors *f, uint32_t vnode);

/* The floor of vnode i of n, whatever our own cut. n is a power of two, i below it. */
void floors_hear(struct floors *f, uint32_t i, uint32_t n, uint64_t stamp);

/* All durable floors as bytes (u64 each), and back, whatever the cut they were written under.
 * Appending: errors as buf_reserve. */
int floors_append(const struct floors *f, struct buf *out);
void floors_take(struct floors *f, struct slice bytes);

#endif
