/* loss.h: what a damaged log may have lost of this node's own state, and what a start does about
 * it. loss.c says why. */
#ifndef COVEY_RT_LOSS_H
#define COVEY_RT_LOSS_H

#include <stddef.h>

#include "store/store.h"

/* Called before anything else is read from the store. data_dir is for the sentence. 0; ERR_CORRUPT
 * (the node's identity is lost), ERR_IO or ERR_NO_SPACE (the store takes no writes), with a
 * sentence in why. */
int loss_look(struct store *store, const char *data_dir, char *why, size_t why_n);

#endif
