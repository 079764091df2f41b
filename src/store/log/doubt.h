/* doubt.h: the life of a doubt: slots of which this store may have lost records, from the moment
 * that the damage is found until the node says that all of it was fetched again.
 *
 * **Problem.** A record that cannot be read any more is still named by the index. To the other
 * owners that is as good as holding it: its version stands in the Merkle tree, so no comparison
 * would ever bring the record back. So the entry must go. But a store in which an entry is just
 * missing gives a wrong answer, "there is nothing", and nobody would notice. So the doubt must
 * outlive everything until the record is back.
 *
 * **The way.** What is damaged goes through five sets of slots, one after the other:
 *
 *     set          it holds slots whose                              it ends with
 *     found        damage is known to this process alone             doubt_put: a record is put
 *     saving       doubt is in the state record on its way           doubt_look: it is durable
 *     forgetting   doubt is durable; entries are being removed       doubt_step: the walk has ended
 *     unreported   entries are gone; the node does not know of it    doubt_result: STORE_DAMAGED
 *     reported     node compares with other owners, and fetches      doubt_clear: healed
 *
 * A state record that could not be written takes `saving` back to `found`. Every slot of these sets
 * is also in `all`, which is what the state record says, until the node clears it.
 *
 * **Example.** N = 3; this node, B and C own the key k of slot 7, and all hold k5. The record of k5
 * rots here.
 *
 *     after                            entry here  durable doubt  a read of k here  a crash leaves
 *     a read, or compaction, finds it  k5          -              ERR_CORRUPT       damage, to be
 *                                                                                   found again
 *     the state record is durable      k5          slot 7         ERR_CORRUPT       slot 7 in doubt
 *     the walk has removed the entry   none        slot 7         nothing, slot 7   slot 7 in doubt
 *                                                                 is in doubt
 *     STORE_DAMAGED, B is compared     k5 again    slot 7         k5                slot 7 in doubt
 *     the node says: healed            k5          -              k5                k5
 *
 * **Why in this order.** Were the entry removed before the doubt is durable, a snapshot could be
 * taken without the entry; a crash then would leave neither of the two, and k would just not be
 * there. Were the node to learn of it before the entry is gone, it might compare a tree that still
 * has k5 with those of B and C, find nothing missing, and say that the slot is healed. And what the
 * node does not know of yet it cannot have fetched: doubt_clear leaves slots of the first four sets
 * in doubt.
 *
 * **The walk.** Where not even the slot of a damaged record can be believed, any entry may name it.
 * So to forget is to walk over the index. With ten million records that takes more than a second,
 * so it is done in slices, as a burial is (burial.h): one walk at a time, for all that one state
 * record covers.
 *
 * The doubt is by slot and not by vnode, so that it outlives a new cut of the ring. */
#ifndef COVEY_STORE_DOUBT_H
#define COVEY_STORE_DOUBT_H

#include "store/log/damage.h"
#include "store/table/table.h"

/* A stretch [from, to) of a segment that cannot be read. Entries that name a record in it are to be
 * forgotten. */
struct lost {
    uint16_t slot; /* of the record there, unless `any` or `none` */
    bool any;      /* the stretch may have held records of any slot */
    bool none;     /* the stretch held the node's own state, which is of no slot */
    uint16_t segment;
    uint32_t from, to;
};

struct doubt {
    struct damage all;                                             /* every slot that is in doubt */
    struct damage found, saving, forgetting, unreported, reported; /* the sets of the essay */
    bool changed;          /* `all` is not what was put last */
    bool report_due;       /* `unreported` is not empty */
    uint64_t serial;       /* of the state record on its way; 0: none is */
    struct lost *lost;     /* stretches: first those being forgotten, then those being saved */
    uint32_t lost_n;       /* of all */
    uint32_t lost_cap;     /* there is room for */
    uint32_t forgetting_n; /* stretches that are being forgotten */
    uint32_t saving_n;     /* stretches that the record on its way covers */
    uint32_t arc_n;        /* arcs of the index when the walk (table.h) began */
};

void doubt_close(struct doubt *d);

/* At the opening: adds what earlier processes left in the table's states to what the replay found.
 * All of it is to be reported. */
void doubt_open(struct doubt *d, const struct damage *found, const struct table *t);

/* A stretch cannot be read any more. False when memory is out: then it will be found again. */
bool doubt_found(struct doubt *d, const struct lost *l);

/* Whether a stretch of this segment is still to be forgotten. */
bool doubt_names(const struct doubt *d, uint16_t segment);

/* The node itself says that slots are in doubt, or that they are healed. slots: SLOTS / 8 bytes, a
 * bit each. */
void doubt_raise(struct doubt *d, struct slice slots);
void doubt_clear(struct doubt *d, struct slice slots);

/* Before a commit: puts what has changed into the group. */
void doubt_put(struct doubt *d, const struct table *t, struct group *g);

/* Finds out whether what was put is durable: then its entries are to be forgotten. idle: no group
 * waits or is out, so a record that is not durable was not written, and is put again. */
void doubt_look(struct doubt *d, struct table *t, bool idle);

/* Whether entries are being forgotten. */
static inline bool doubt_forgetting(const struct doubt *d)
{
    return d->forgetting_n > 0;
}

/* Goes on with the walk, through `buckets` buckets at most. */
void doubt_step(struct doubt *d, struct table *t, uint32_t buckets);

/* Fills a STORE_DAMAGED result; false when the node knows of all that is in doubt. */
bool doubt_result(struct doubt *d, struct store_result *out);

#endif
