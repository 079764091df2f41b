/* votes.h: the members' decisions about the layout are safe (core/chain/chain.c).
 *
 *   - A promise or an acceptance leaves a node only when its disk holds it: a loss of power could
 *     not take it back.
 *   - An epoch has one layout: all nodes that adopt a layout of an epoch adopt the same. */
#ifndef COVEY_SIM_VOTES_H
#define COVEY_SIM_VOTES_H

#include "sim/world.h"

enum { VOTES_EPOCHS_MAX = 1024 }; /* more than the epochs of any run */

struct votes_check {
    struct world *world;
    /* per epoch: the hash of its layout; 0: no node has adopted one */
    uint64_t adopted[VOTES_EPOCHS_MAX];
    struct buf why; /* the first violation */
};

void votes_init(struct votes_check *v, struct world *w);
void votes_close(struct votes_check *v);

/* The world's news: an ACT_SEND that is about to be carried out, and a node that has just adopted a
 * layout. */
void votes_sent(struct votes_check *v, uint32_t node, const struct message *m);
void votes_adopted(struct votes_check *v, uint32_t node);

#endif
