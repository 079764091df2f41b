/* votes.h: whether the members' decisions about the layout can be trusted (design section 3, "The
 * layout is a chain").
 *
 *   - a promise or an acceptance leaves a node only when its disk holds it: a loss of power now
 *     would not take it back;
 *   - an epoch has one layout: whoever adopts it adopts what all others did. */
#ifndef COVEY_SIM_VOTES_H
#define COVEY_SIM_VOTES_H

#include "sim/world.h"

enum { VOTES_EPOCHS_MAX = 1024 }; /* of one run: the epochs are few */

struct votes_check {
    struct world *world;
    /* hash of the layout of each epoch; 0: nobody has adopted one */
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
