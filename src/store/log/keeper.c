#include "store/log/keeper.h"

#include <errno.h>
#include <time.h>

#include "base/check.h"
#include "store/helper.h"

static void *helper(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    for (;;) {
        while (!k->stop && !k->run)
            pthread_cond_wait(&k->work, &k->lock);
        if (k->stop)
            break;
        void (*run)(struct keeper *, void *) = k->run;
        pthread_mutex_unlock(&k->lock);
        run(k, k->arg);
        pthread_mutex_lock(&k->lock);
        k->run = NULL;
        atomic_store(&k->done, true);
        if (k->wake) {
            pthread_mutex_unlock(&k->lock);
            k->wake(k->wake_arg);
            pthread_mutex_lock(&k->lock);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int keeper_start(struct keeper *k)
{
    CHECK(!k->running && !k->busy);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int error = helper_start(&k->thread, helper, k);
    k->running = error == 0;
    return error;
}

void keeper_stop(struct keeper *k)
{
    if (!k->running)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->work);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->work);
    pthread_mutex_destroy(&k->lock);
    k->running = false;
}

void keeper_ask(struct keeper *k, void (*run)(struct keeper *k, void *arg), void *arg)
{
    CHECK(!k->busy);
    k->busy = true;
    pthread_mutex_lock(&k->lock);
    CHECK(!k->run && !k->stop);
    k->run = run;
    k->arg = arg;
    pthread_mutex_unlock(&k->lock);
    pthread_cond_signal(&k->work);
}

bool keeper_done(struct keeper *k)
{
    if (!atomic_load(&k->done))
        return false;
    CHECK(k->busy);
    atomic_store(&k->done, false);
    k->busy = false;
    return true;
}

uint64_t keeper_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void keeper_pause(struct keeper *k, uint64_t us)
{
    uint64_t until = keeper_clock_us() + us;
    struct timespec end = {(time_t)(until / 1000000), (long)(until % 1000000) * 1000};
    pthread_mutex_lock(&k->lock);
    while (!k->stop && pthread_cond_timedwait(&k->work, &k->lock, &end) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&k->lock);
}
