#include "store/log/reader.h"

#include "base/check.h"
#include "base/error.h"
#include "store/helper.h"

static void read_one(const struct reader *r, struct read_job *job)
{
    ssize_t n = segment_read(job->segment, r->io, job->bytes.p, job->n, job->at, 0);
    CHECK(n <= (ssize_t)job->n);
    job->bytes.n = n > 0 ? (size_t)n : 0;
    if (n < 0)
        job->result.error = ERR_IO;
}

static void *helper(void *arg)
{
    struct reader *r = arg;
    for (;;) {
        uint32_t done = atomic_load(&r->done);
        pthread_mutex_lock(&r->lock);
        while (!r->stop && atomic_load(&r->asked) == done)
            pthread_cond_wait(&r->work, &r->lock);
        bool stop = r->stop;
        pthread_mutex_unlock(&r->lock);
        if (stop)
            return NULL;
        read_one(r, &r->job[done % READS]);
        atomic_store(&r->done, done + 1);
        if (r->wake)
            r->wake(r->wake_arg);
    }
}

int reader_start(struct reader *r)
{
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    for (uint32_t i = 0; i < READS; i++) {
        buf_init(&r->job[i].key, KEY_FULL_MAX);
        buf_init(&r->job[i].bytes, RECORD_MAX);
    }
    int error = helper_start(&r->thread, helper, r);
    r->running = error == 0;
    return error;
}

void reader_stop(struct reader *r)
{
    if (!r->running)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    for (uint32_t i = 0; i < READS; i++) {
        buf_close(&r->job[i].key);
        buf_close(&r->job[i].bytes);
    }
    r->running = false;
}

bool reader_full(const struct reader *r)
{
    /* one less than READS: the job last taken is still being looked at */
    return atomic_load(&r->asked) - r->taken >= READS - 1;
}

int reader_ask(struct reader *r, const struct store_result *result, struct segment *s, uint32_t at,
               uint32_t n)
{
    CHECK(!reader_full(r) && n > 0 && at >= SEGMENT_HEADER);
    uint32_t asked = atomic_load(&r->asked);
    struct read_job *job = &r->job[asked % READS];
    job->key.n = job->bytes.n = 0;
    buf_slim(&job->bytes);
    int error = buf_slice(&job->key, result->record.key);
    if (!error)
        error = buf_reserve(&job->bytes, n);
    if (error)
        return error;
    job->result = *result;
    job->result.record.key = buf_view(&job->key);
    job->segment = s;
    s->reads++;
    job->at = at;
    job->n = n;
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->asked, asked + 1);
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

struct read_job *reader_take(struct reader *r)
{
    if (atomic_load(&r->done) == r->taken)
        return NULL;
    struct read_job *job = &r->job[r->taken++ % READS];
    CHECK(atomic_load(&r->asked) - r->taken < READS && job->segment->reads > 0);
    job->segment->reads--;
    return job;
}
