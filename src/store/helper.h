/* helper.h: a thread beside the loop: the committer's, the reader's, the keeper's and others. */
#ifndef COVEY_STORE_HELPER_H
#define COVEY_STORE_HELPER_H

#include <pthread.h>

/* Starts a thread with all signals blocked (they are the loop's) and a small stack. 0 or
 * ERR_NO_MEMORY. */
int helper_start(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
