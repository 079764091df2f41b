/* figures.h: what STATUS says of the machine, which the node does not see: between the node's
 * answer and the client. */
#ifndef COVEY_RT_FIGURES_H
#define COVEY_RT_FIGURES_H

#include "core/event.h"

struct world;

/* Answers an OP_STATUS: the node's result, with the world's figures filled in. */
void figures_reply(struct world *w, const struct result *r);

#endif
