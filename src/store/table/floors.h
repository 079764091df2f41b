/* floors.h: what a store knows of erased keys when their entries are gone.
 *
 * A tombstone cannot stay for ever. Once it is gone the key looks as if it had never been, and an
 * older record of the key that came late would be taken for new. So each vnode has a *floor*: the
 * greatest stamp that was erased there. A put at or below the floor that would create an absent key
 * is refused (ERR_TOO_OLD), unless an owner is known to hold it just now (struct put_origin). A
 * floor only grows. One that is higher than it need be refuses more, and is never wrong.
 *
 * Each erasure is a record of its own (RECORD_FLOOR), which names the key and the version that it
 * erases. It removes the entry if that is still what is held. At replay it covers everything of its
 * key that is not newer, in whatever order the log has the records.
 *
 * Two floors are kept of each vnode. The *coming* floor is raised when an erasure is submitted, and
 * puts are refused by it. The *durable* floor is raised when the erasure is on the disk; it is what
 * other owners get, and what a restart knows. Because the coming one goes ahead, nothing that an
 * erasure covers is written behind it in the log. So when the segments that existed at the erasure
 * are gone, its record may go too (compact_judge.c). The floor itself stays, as a state.
 *
 * table_erase.c has the whole argument, with an example. */
#ifndef COVEY_STORE_FLOORS_H
#define COVEY_STORE_FLOORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* The state that has all floors of a store. */
#define FLOORS_NAME SLICE("log.floors")

/* The prefix of a state that has the floor of one vnode, as its other owners have it: one that is
 * recovering takes it over (core/repair/repair_recover.c).
 * Its serial is the floor. Its value is u32 vnode | u32 number of vnodes in the ring. */
#define FLOOR_PREFIX "floor."

/* Of a vnode. */
struct floor {
    uint64_t durable; /* the durable floor; 0: nothing was erased */
    uint64_t coming;  /* the coming floor, at or above the durable one */
    uint64_t erasure; /* the number of the last erasure since the opening; 0: none */
    bool unweeded;    /* a replay has left erasures in the index */
};

struct floors {
    struct floor *of;  /* by vnode */
    uint32_t n;        /* vnodes */
    uint64_t greatest; /* the greatest coming floor: most puts are above it and look no further */
    uint64_t erasures; /* erasures submitted since the opening */
};

/* n: vnodes. 0 or ERR_NO_MEMORY. */
int floors_init(struct floors *f, uint32_t n);
void floors_close(struct floors *f);

/* The ring is cut anew into n vnodes: each has the greatest floor of the former ones that it
 * overlaps. 0 or ERR_NO_MEMORY. */
int floors_cut(struct floors *f, uint32_t n);

/* An erasure of a record of that stamp is submitted (floors_erase), and is durable
 * (floors_raise). */
void floors_erase(struct floors *f, uint32_t vnode, uint64_t stamp);
void floors_raise(struct floors *f, uint32_t vnode, uint64_t stamp);

/* The ticket of a list of the vnode that is made now: never 0, and another one after each erasure
 * there. */
uint64_t floors_ticket(const struct floors *f, uint32_t vnode);

/* Raises the floors of what is vnode i in a ring of n, however this store cuts the ring. n is a
 * power of two, i below it. */
void floors_raise_arc(struct floors *f, uint32_t i, uint32_t n, uint64_t stamp);

/* Appends all durable floors, u64 each. Errors as buf_reserve. */
int floors_append(const struct floors *f, struct buf *out);

/* Raises the floors to such bytes, whatever the number of vnodes in them. */
void floors_take(struct floors *f, struct slice bytes);

#endif
