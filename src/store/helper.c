#include "store/helper.h"

#include <signal.h>

#include "base/error.h"

/* A helper calls a few functions deep, and has its buffers on the heap. */
enum { HELPER_STACK = 256 * 1024 };

int helper_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return ERR_NO_MEMORY;
    pthread_attr_setstacksize(&attr, HELPER_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return failed ? ERR_NO_MEMORY : 0;
}
