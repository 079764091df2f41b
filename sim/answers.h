/* answers.h: an owner that is recovering answers no read.
 *
 * An owner that is recovering in the vnode of a key may have lost the newest record of it. So it
 * must refuse a coordinator's read, and neither answer "not found" nor send the record that it
 * holds: it counts in no quorum of reads. Whether a node that lost records knows that it is
 * recovering is checked elsewhere (atlas.h). */
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
