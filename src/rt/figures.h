/* figures.h: the part of STATUS that is about the machine, which the node knows nothing of. It is
 * filled in between the node's answer and the client. */
#ifndef COVEY_RT_FIGURES_H
#define COVEY_RT_FIGURES_H

#include "core/event.h"

struct world;

/* Answers an OP_STATUS: fills the world's figures into the node's result, and gives it to the
 * client. */
void figures_reply(struct world *w, const struct result *r);

#endif
