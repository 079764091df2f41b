/* answers.h: "a recovering owner never says 'not found'" (scenarios.md).
 *
 * A coordinator's read is not answered by an owner that is recovering in the key's vnode, neither
 * with "not found" nor with what it happens to have: it counts in no quorum of reads. (That a node
 * knows that it is recovering is for the atlas to say.) */
#ifndef COVEY_SIM_ANSWERS_H
#define COVEY_SIM_ANSWERS_H

#include "sim/world.h"

struct answers_check {
    struct world *world;
    struct buf why; /* the first violation */
};

void answers_init(struct answers_check *a, struct world *w);
void answers_close(struct answers_check *a);

/* A node is about to send a message. */
void answers_sent(struct answers_check *a, uint32_t node, uint64_t to, const struct message *m);

#endif
