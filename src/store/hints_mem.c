/* hints_mem.c: each target's log is a run of bytes; its head moves in memory at once and becomes durable with the next sync. */
#include "store/hints_mem.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "store/hints_batch.h"

enum { LOG_MAX = 1 << 28 };

struct hints_mem {
    struct hints head;
    struct hints_disk *disk;
    struct hints_batch batch;
    struct hints_result *news; /* HINTS_KEPT and HINTS_LOST, in order */
    uint32_t news_n, news_at, news_cap;
};

static struct hints_mem *mem_of(const struct hints *h)
{
    return (struct hints_mem *)(uintptr_t)h;
}

static struct hints_mem_log *log_find(const struct hints_disk *d, uint64_t target)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (d->log[i].target == target)
            return &d->log[i];
    return NULL;
}

static struct hints_mem_log *log_make(struct hints_disk *d, uint64_t target)
{
    struct hints_mem_log *l = log_find(d, target);
    if (l)
        return l;
    d->log = realloc(d->log, (d->n + 1) * sizeof *d->log);
    CHECK(d->log); /* a simulation without memory cannot go on */
    l = &d->log[d->n++];
    *l = (struct hints_mem_log){.target = target};
    buf_init(&l->synced, LOG_MAX);
    buf_init(&l->gather, LOG_MAX);
    buf_init(&l->flight, LOG_MAX);
    return l;
}

static void tell(struct hints_mem *m, const struct hints_mem_log *l, int error, uint32_t n)
{
    if (m->news_n == m->news_cap) {
        m->news_cap = m->news_cap ? 2 * m->news_cap : 16;
        m->news = realloc(m->news, m->news_cap * sizeof *m->news);
        CHECK(m->news);
    }
    m->news[m->news_n++] = (struct hints_result){.kind = error ? HINTS_LOST : HINTS_KEPT,
                                                 .target = l->target,
                                                 .error = error,
                                                 .n = n,
                                                 .waiting = l->waiting,
                                                 .bytes = l->synced.n - l->head};
}

/* What is behind the head, given as an offset. */
static struct slice behind(const struct hints_mem_log *l, size_t head)
{
    return head < l->synced.n ? slice_of(l->synced.p + head, l->synced.n - head) : slice_of(NULL, 0);
}

static void mem_put(struct hints *h, uint64_t target, const struct record *r)
{
    struct hints_mem_log *l = log_make(mem_of(h)->disk, target);
    int error = record_encode(&l->gather, r);
    if (error)
        tell(mem_of(h), l, error, 1);
    else
        l->gather_n++;
}

static void mem_read(struct hints *h, uint64_t target)
{
    log_make(mem_of(h)->disk, target)->asked = true;
}

static void mem_drop(struct hints *h, uint64_t target, uint64_t up_to, uint32_t n)
{
    struct hints_mem_log *l = log_find(mem_of(h)->disk, target);
    CHECK(l && n <= l->waiting && up_to >= l->base + l->head && up_to <= l->base + l->synced.n);
    l->head = up_to - l->base;
    l->waiting -= n;
    if (l->head == l->synced.n) { /* as the files go when all is dropped */
        l->base += l->synced.n;
        l->synced.n = l->head = l->head_synced = 0;
    }
    tell(mem_of(h), l, 0, 0);
}

/* Everything lives in one file here, and simulated time is short: there is never a whole file to expire. */
static void mem_expire(struct hints *h, uint64_t before_ms)
{
    (void)h, (void)before_ms;
}

static void mem_flush(struct hints *h)
{
    struct hints_mem *m = mem_of(h);
    for (uint32_t i = 0; i < m->disk->n; i++) {
        struct hints_mem_log *l = &m->disk->log[i];
        CHECK(!buf_slice(&l->flight, buf_view(&l->gather)));
        l->flight_n += l->gather_n;
#ifdef CANARY_HINT_NOT_SYNCED
        l->waiting += l->gather_n;
        if (l->gather_n)
            tell(m, l, 0, l->gather_n);
        l->flight_n = 0;
#endif
        l->gather.n = l->gather_n = 0;
    }
}

void hints_mem_sync(struct hints *h)
{
    struct hints_mem *m = mem_of(h);
    for (uint32_t i = 0; i < m->disk->n; i++) {
        struct hints_mem_log *l = &m->disk->log[i];
        CHECK(!buf_slice(&l->synced, buf_view(&l->flight)));
        l->head_synced = l->head;
        l->waiting += l->flight_n;
        if (l->flight_n)
            tell(m, l, 0, l->flight_n);
        l->flight.n = l->flight_n = 0;
    }
}

bool hints_mem_syncing(const struct hints *h)
{
    const struct hints_disk *d = mem_of(h)->disk;
    for (uint32_t i = 0; i < d->n; i++)
        if (d->log[i].flight.n > 0)
            return true;
    return false;
}

static bool mem_reap(struct hints *h, struct hints_result *out)
{
    struct hints_mem *m = mem_of(h);
    if (m->news_at < m->news_n) {
        *out = m->news[m->news_at++];
        return true;
    }
    m->news_at = m->news_n = 0;
    for (uint32_t i = 0; i < m->disk->n; i++) {
        struct hints_mem_log *l = &m->disk->log[i];
        if (!l->asked)
            continue;
        l->asked = false;
        struct slice rest = behind(l, l->head);
        CHECK(!hints_batch_fill(&m->batch, rest, l->base + l->head));
        *out = (struct hints_result){.kind = HINTS_READ,
                                     .target = l->target,
                                     .n = m->batch.n,
                                     .waiting = l->waiting,
                                     .bytes = rest.n,
                                     .batch = m->batch.at};
        return true;
    }
    return false;
}

static void mem_close(struct hints *h)
{
    struct hints_mem *m = mem_of(h);
    hints_batch_close(&m->batch);
    free(m->news);
    free(m);
}

static uint64_t count(struct slice bytes)
{
    uint64_t n = 0;
    struct record_view v;
    for (int size; bytes.n > 0; bytes = slice_of(bytes.p + size, bytes.n - (size_t)size), n++)
        CHECK((size = record_decode(bytes, &v)) > 0); /* this device tears and damages nothing */
    return n;
}

uint64_t hints_disk_waiting(const struct hints_disk *d, uint64_t target)
{
    const struct hints_mem_log *l = log_find(d, target);
    return l ? count(behind(l, l->head_synced)) : 0;
}

static void tell_each(uint64_t target, struct slice bytes, void (*to)(void *, uint64_t, const struct record *), void *arg)
{
    struct record_view v;
    for (int size; bytes.n > 0; bytes = slice_of(bytes.p + size, bytes.n - (size_t)size)) {
        CHECK((size = record_decode(bytes, &v)) > 0);
        to(arg, target, &v.record);
    }
}

void hints_disk_each(const struct hints_disk *d, void (*to)(void *, uint64_t, const struct record *), void *arg)
{
    for (uint32_t i = 0; i < d->n; i++)
        tell_each(d->log[i].target, behind(&d->log[i], d->log[i].head_synced), to, arg);
}

void hints_mem_unsynced(const struct hints *h, void (*to)(void *, uint64_t, const struct record *), void *arg)
{
    const struct hints_disk *d = mem_of(h)->disk;
    for (uint32_t i = 0; i < d->n; i++) {
        tell_each(d->log[i].target, buf_view(&d->log[i].gather), to, arg);
        tell_each(d->log[i].target, buf_view(&d->log[i].flight), to, arg);
    }
}

struct hints *hints_mem_open(struct hints_disk *disk)
{
    static const struct hints_vtable vtable = {
        mem_put, mem_read, mem_drop, mem_expire, mem_flush, mem_reap, mem_close,
    };
    struct hints_mem *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->head.vtable = &vtable;
    m->disk = disk;
    hints_batch_init(&m->batch);
    for (uint32_t i = 0; i < disk->n; i++) {
        struct hints_mem_log *l = &disk->log[i];
        l->gather.n = l->flight.n = l->gather_n = l->flight_n = 0;
        l->asked = false;
        l->head = l->head_synced;
        l->waiting = hints_disk_waiting(disk, l->target);
        if (l->waiting)
            tell(m, l, 0, 0);
    }
    return &m->head;
}

void hints_disk_close(struct hints_disk *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        buf_close(&d->log[i].synced);
        buf_close(&d->log[i].gather);
        buf_close(&d->log[i].flight);
    }
    free(d->log);
    *d = (struct hints_disk){0};
}
