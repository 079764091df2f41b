/* commit.c: the one thread that writes and syncs groups.
 *
 * There is one job, and its phase says whose it is. It changes hands under the lock. Between, only
 * its owner touches it, and the writing end of its segment:
 *
 *     phase    the job is     next
 *     NONE     nobody's       ASKED: commit_submit
 *     ASKED    the helper's   DONE: the group was written and synced, or could not be
 *     DONE     the log's      NONE: commit_poll
 *
 * In interval mode the log writes by itself and says how far (commit_dirty). A second after the
 * first of such writes the helper syncs the segment. A job is of the same segment and syncs it too,
 * so what was dirty becomes durable with the job.
 *
 * **Failures.** A full disk is tried again with the room of the reserve. After a failed write or
 * sync the active segment is cut at its last good sync (segment.c says why), and the group goes to
 * a fresh one. What fails there too is no bad spot of one file, and is left to the log. The job
 * says that a segment was cut (`failed`), also where the group got through. */
#include "store/log/commit.h"

#include <errno.h>
#include <time.h>

#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"
#include "store/helper.h"
#include "store/log/keeper.h"

/* A sync that takes longer may take very long, and a failure detector waits a few hundred ms. */
enum { STALL_US = 20000 };

static const uint32_t next_phase[] = {
    [JOB_NONE] = PHASE(JOB_ASKED),
    [JOB_ASKED] = PHASE(JOB_DONE),
    [JOB_DONE] = PHASE(JOB_NONE),
};

/* ---- On the helper thread ---- */

/* Makes the segment that follows s. NULL after an error. */
static struct segment *follow(const struct committer *c, struct commit_job *job,
                              const struct segment *s)
{
    CHECK(!job->fresh);
    job->error = job->may_grow ? segments_create(c->numbers, c->dir, s, segment_next_base(s), c->io,
                                                 &job->fresh)
                               : ERR_NO_SPACE;
    return job->error ? NULL : job->fresh;
}

/* The segment that the group goes to: a fresh one when the active one has no room for it. NULL
 * after an error. */
static struct segment *destination(const struct committer *c, struct commit_job *job)
{
    struct segment *s = job->fresh ? job->fresh : job->active;
    if (s->ended)
        return follow(c, job, s);
    if (s->end == SEGMENT_HEADER || s->end + job->bytes.n <= c->segment_bytes)
        return s;
    job->error = segment_seal(s, c->io);
    return job->error ? NULL : follow(c, job, s);
}

static void try_job(const struct committer *c, struct commit_job *job)
{
    struct segment *s = destination(c, job);
    if (!s)
        return;
    job->error = segment_append(s, c->io, job->bytes, job->ahead, c->segment_bytes, &job->base);
    if (!job->error)
        job->error = segment_sync(s, c->io, s->end);
    CHECK(job->error || job->base + job->bytes.n == atomic_load(&s->synced));
}

/* A group that meets a full disk is tried again with the room of the reserve. One that meets an
 * error is tried once more in a fresh segment, where the error may not occur. */
static void do_job(const struct committer *c, struct commit_job *job)
{
    try_job(c, job);
    if (job->error == ERR_NO_SPACE && reserve_release(c->reserve))
        try_job(c, job);
    if (job->error == ERR_IO && !job->fresh) {
        job->failed = job->error;
        segment_cut(job->active);
        try_job(c, job);
    }
    if (job->error == ERR_IO && job->fresh)
        segment_cut(job->fresh);
    CHECK(!job->failed || job->active->ended);
}

static void run_job(struct committer *c)
{
    struct commit_job job = c->job;
    struct segment *dirty = c->dirty;
    c->dirty = NULL; /* it is this job's segment, and about to be synced */
    CHECK(!dirty || dirty == job.active);
    CHECK(!job.fresh && job.active->base != SEGMENT_COPIES);
    pthread_mutex_unlock(&c->lock);
    do_job(c, &job);
    pthread_mutex_lock(&c->lock);
    c->job = job;
    phase_enter(&c->phase, JOB_DONE, next_phase);
    c->syncs++;
    atomic_store(&c->news, true);
}

/* A second is over: syncs what the owner wrote. True when that failed: then the owner is woken. */
static bool run_interval_sync(struct committer *c)
{
    struct segment *s = c->dirty;
    uint32_t end = c->dirty_end;
    CHECK(s && !c->syncing);
    c->dirty = NULL;
    c->syncing = true;
    atomic_store(&c->sync_began_us, keeper_clock_us());
    pthread_mutex_unlock(&c->lock);
    int error = segment_sync(s, c->io, end);
    atomic_store(&c->sync_began_us, 0);
    pthread_mutex_lock(&c->lock);
    c->syncing = false;
    c->syncs++;
    if (!error)
        return false;
    c->sync_error = error;
    atomic_store(&c->news, true);
    return true;
}

/* Waits for something to do; with the lock held. True when there is a sync to do and it is due. */
static bool wait_for_work(struct committer *c)
{
    for (;;) {
        if (c->stop || c->phase == JOB_ASKED)
            return false;
        if (!c->dirty)
            pthread_cond_wait(&c->work, &c->lock);
        else if (pthread_cond_timedwait(&c->work, &c->lock, &c->dirty_due) == ETIMEDOUT && c->dirty)
            return true;
    }
}

static void *helper(void *arg)
{
    struct committer *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        bool due = wait_for_work(c), news = true;
        if (c->phase == JOB_ASKED)
            run_job(c);
        else if (due)
            news = run_interval_sync(c);
        else
            break;
        pthread_cond_broadcast(&c->idle);
        if (news && c->wake) {
            pthread_mutex_unlock(&c->lock);
            c->wake(c->wake_arg);
            pthread_mutex_lock(&c->lock);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- On the owner's thread ---- */

int commit_start(struct committer *c)
{
    CHECK(!c->running && c->phase == JOB_NONE);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work, &monotonic);
    pthread_cond_init(&c->idle, NULL);
    pthread_condattr_destroy(&monotonic);
    int error = helper_start(&c->thread, helper, c);
    c->running = error == 0;
    return error;
}

void commit_stop(struct committer *c)
{
    if (!c->running)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->idle);
    pthread_mutex_destroy(&c->lock);
    c->running = false;
}

void commit_submit(struct committer *c, const struct commit_job *job)
{
    pthread_mutex_lock(&c->lock);
    phase_enter(&c->phase, JOB_ASKED, next_phase);
    c->job = *job;
    pthread_mutex_unlock(&c->lock);
    /* not under the lock, or the helper would wake up only to wait for it */
    pthread_cond_signal(&c->work);
}

bool commit_poll(struct committer *c, struct commit_job *job, int *error)
{
    *error = 0;
    if (!atomic_load(&c->news))
        return false;
    pthread_mutex_lock(&c->lock);
    bool done = c->phase == JOB_DONE;
    if (done) {
        *job = c->job;
        phase_enter(&c->phase, JOB_NONE, next_phase);
    }
    *error = c->sync_error;
    c->sync_error = 0;
    atomic_store(&c->news, false);
    pthread_mutex_unlock(&c->lock);
    return done;
}

void commit_dirty(struct committer *c, struct segment *s, uint32_t end)
{
    pthread_mutex_lock(&c->lock);
    bool first = !c->dirty;
    CHECK(c->phase != JOB_ASKED);
    CHECK(first || (c->dirty == s && c->dirty_end <= end));
    if (first) {
        clock_gettime(CLOCK_MONOTONIC, &c->dirty_due);
        c->dirty_due.tv_sec += SYNC_INTERVAL_MS / 1000;
    }
    c->dirty = s;
    c->dirty_end = end;
    pthread_mutex_unlock(&c->lock);
    if (first)
        pthread_cond_signal(&c->work);
}

bool commit_owes(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    bool owes = c->dirty || c->syncing;
    pthread_mutex_unlock(&c->lock);
    return owes;
}

bool commit_stalls(const struct committer *c)
{
    uint64_t began_us = atomic_load(&((struct committer *)(uintptr_t)c)->sync_began_us);
    return began_us != 0 && keeper_clock_us() - began_us > STALL_US;
}

void commit_wait(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->phase == JOB_ASKED || c->syncing)
        pthread_cond_wait(&c->idle, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

uint64_t commit_syncs(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t n = c->syncs;
    pthread_mutex_unlock(&c->lock);
    return n;
}
