/* doubt.h: the life of a doubt: what of the ring a store may have lost, from the moment that it is
 * found until its owner says that it has been fetched again. For both stores.
 *
 *     found --> saved (a state record) --> entries forgotten, owner told --> fetched from others --> cleared
 *
 * A record that cannot be read any more is still named by the index, which is as good as having it
 * as far as others are concerned: its version stands in the tree, so no comparison would ever bring
 * it back. So the entry must go. But not before the doubt is durable: else a snapshot could be
 * taken without the entry, and a crash leave neither of the two, and the key would just not be
 * there. Until then a read of it fails, and says so.
 *
 * To forget is to walk over the index: what was damaged beyond knowing its slot may be named from
 * anywhere. With ten million records that takes more than a second, so it is done in slices, as a
 * burial is (burial.h), one walk at a time, for all that the same record of the doubt covers. The
 * owner is told at its end: were it told before, it might compare a tree that still has the entry
 * with those of others, and find nothing missing.
 *
 * The doubt is by slot and not by vnode, so that it outlives a new cut of the ring. */
#ifndef COVEY_STORE_DOUBT_H
#define COVEY_STORE_DOUBT_H

#include "store/log/damage.h"
#include "store/table/table.h"

/* Records of a slot that may not be found any more: entries that stand in [from, to) of a
 * segment. */
struct lost {
    uint16_t slot;
    bool any;  /* it may be of any slot */
    bool none; /* it was the node's own: of no slot */
    uint16_t segment;
    uint32_t from, to;
};

struct doubt {
    struct damage all;     /* in doubt */
    struct damage found;   /* of these, what was found since the last record was put; */
    struct damage saving;  /* what that record, which is on its way, says for the first time; */
    struct damage leaving; /* what is durable, and whose entries are being forgotten; */
    struct damage untold;  /* what is durable and forgotten, and the owner does not know of; */
    struct damage told;    /* what it was told last: the result points here */
    bool changed;          /* `all` is not what was put last */
    bool telling;          /* untold is not empty */
    uint64_t serial;       /* of the state record on its way; 0: none */
    struct lost *lost;     /* to be forgotten, once that is durable; */
    uint32_t lost_n, lost_cap;
    uint32_t leaving_n; /* of these, the first so many are being forgotten, */
    uint32_t saving_n;  /* and so many after them are covered by the record on its way */
    uint32_t arc_n;     /* of the index when the walk (table.h) began */
};

void doubt_close(struct doubt *d);

/* At the opening: adds what earlier lives left in the table's states to what replay found. The
 * owner is to be told of all. */
void doubt_open(struct doubt *d, const struct damage *found, const struct table *t);

/* A record cannot be read any more. False when memory is out: then it will be found again. */
bool doubt_found(struct doubt *d, const struct lost *l);

/* Whether a place of this segment is still to be forgotten. */
bool doubt_names(const struct doubt *d, uint16_t segment);

/* The owner says itself that slots are in doubt, or that they are not any more. slots: SLOTS / 8
 * bytes, a bit each. */
void doubt_raise(struct doubt *d, struct slice slots);
void doubt_clear(struct doubt *d, struct slice slots);

/* Before a flush: puts what has changed into the group. */
void doubt_put(struct doubt *d, const struct table *t, struct group *g);

/* What was put may have arrived: then its entries are to be forgotten. idle: no group waits or is
 * under way, so what has not arrived is lost, and put again. */
void doubt_look(struct doubt *d, struct table *t, bool idle);

/* Whether entries are being forgotten; goes on with that, through so many buckets at most. */
static inline bool doubt_forgetting(const struct doubt *d)
{
    return d->leaving_n > 0;
}
void doubt_step(struct doubt *d, struct table *t, uint32_t buckets);

/* Fills a STORE_DAMAGED result; false when the owner knows all that there is. */
bool doubt_result(struct doubt *d, struct store_result *out);

#endif
