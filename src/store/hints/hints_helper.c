/* hints_helper.c: see hints_helper.h. */
#include "store/hints/hints_helper.h"

#include <errno.h>
#include <unistd.h>

#include "base/check.h"
#include "store/helper.h"

static void push(struct hints_jobs *q, struct hints_job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct hints_job *pop(struct hints_jobs *q)
{
    struct hints_job *job = q->first;
    if (job && !(q->first = job->next))
        q->last = &q->first;
    return job;
}

/* ---- On the helper thread ---- */

static int append(const struct hints_helper *h, struct hints_job *job)
{
    struct hints_file *f = job->file;
    int error = f->fd < 0 ? hints_file_create(f, h->dir, h->io) : 0;
    error =
        error ? error : hints_file_write(f, h->io, slice_of(job->bytes.p, job->bytes.n), job->at);
    if (!error && job->hints > 0 && h->io->fdatasync(f->fd) != 0)
        error = log_io_error(errno);
    return error;
}

static void run(const struct hints_helper *h, struct hints_job *job)
{
    char name[HINTS_FILE_NAME];
    if (job->kind == HINTS_APPEND) {
        job->error = append(h, job);
    } else if (job->kind == HINTS_FETCH) {
        job->error = hints_file_read(job->file, h->io, job->at, job->n, &job->bytes);
    } else {
        hints_file_name(job->file->target, job->file->number, name);
        if (job->file->fd >= 0)
            close(job->file->fd);
        job->file->fd = -1;
        job->error = unlinkat(h->dir, name, 0) == 0 || errno == ENOENT ? 0 : log_io_error(errno);
    }
}

static void *helper(void *arg)
{
    struct hints_helper *h = arg;
    pthread_mutex_lock(&h->lock);
    for (struct hints_job *job; (job = pop(&h->asked)) || !h->stop;) {
        if (!job) {
            pthread_cond_broadcast(&h->idle);
            pthread_cond_wait(&h->work, &h->lock);
            continue;
        }
        h->busy = true;
        pthread_mutex_unlock(&h->lock);
        run(h, job);
        pthread_mutex_lock(&h->lock);
        h->busy = false;
        push(&h->done, job);
        atomic_store(&h->news, true);
        if (h->wake)
            h->wake(h->wake_arg); /* it never waits, so the lock may be held */
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- On the owner's thread ---- */

int hints_helper_start(struct hints_helper *h)
{
    h->asked.last = &h->asked.first;
    h->done.last = &h->done.first;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
    pthread_cond_init(&h->idle, NULL);
    int error = helper_start(&h->thread, helper, h);
    h->running = error == 0;
    return error;
}

void hints_helper_stop(struct hints_helper *h)
{
    if (!h->running)
        return;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_signal(&h->work);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->work);
    pthread_cond_destroy(&h->idle);
    h->running = false;
}

void hints_helper_submit(struct hints_helper *h, struct hints_job *job)
{
    CHECK(h->running);
    pthread_mutex_lock(&h->lock);
    push(&h->asked, job);
    pthread_cond_signal(&h->work);
    pthread_mutex_unlock(&h->lock);
}

struct hints_job *hints_helper_take(struct hints_helper *h)
{
    if (!atomic_load(&h->news))
        return NULL;
    pthread_mutex_lock(&h->lock);
    struct hints_job *job = pop(&h->done);
    if (!job)
        atomic_store(&h->news, false);
    pthread_mutex_unlock(&h->lock);
    return job;
}

void hints_helper_wait(struct hints_helper *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->running && (h->asked.first || h->busy))
        pthread_cond_wait(&h->idle, &h->lock);
    pthread_mutex_unlock(&h->lock);
}
