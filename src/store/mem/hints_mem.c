/* hints_mem.c: each target's log is a run of bytes; its head moves in memory at once and becomes
 * durable with the next sync.
 *
 * The device fails as mem.c's does, by the same struct mem_faults, and as there the real one
 * (hints_log.c) is followed: what was not synced is announced as lost, and a log with a record that
 * cannot be read is given up from there on. */
#include "store/mem/hints_mem.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "store/hints/hints_batch.h"

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
    l->sound = SIZE_MAX;
    buf_init(&l->synced, LOG_MAX);
    buf_init(&l->ghosts, LOG_MAX);
    buf_init(&l->gather, LOG_MAX);
    buf_init(&l->flight, LOG_MAX);
    return l;
}

static void tell(struct hints_mem *m, const struct hints_mem_log *l, enum hints_result_kind kind,
                 int error, uint32_t n)
{
    m->news = array_room(m->news, m->news_n, &m->news_cap, sizeof *m->news);
    CHECK(m->news);
    m->news[m->news_n++] = (struct hints_result){.kind = kind,
                                                 .target = l->target,
                                                 .error = error,
                                                 .n = n,
                                                 .waiting = l->waiting,
                                                 .bytes = l->synced.n - l->head};
}

static void tell_kept(struct hints_mem *m, const struct hints_mem_log *l, uint32_t n)
{
    tell(m, l, HINTS_KEPT, 0, n);
}

static void tell_lost(struct hints_mem *m, const struct hints_mem_log *l, int error, uint32_t n)
{
    tell(m, l, HINTS_LOST, error, n);
}

/* What is behind the head, given as an offset. */
static struct slice behind(const struct hints_mem_log *l, size_t head)
{
    return head < l->synced.n ? slice_of(l->synced.p + head, l->synced.n - head)
                              : slice_of(NULL, 0);
}

/* As the files go when all is dropped. */
static void trim(struct hints_mem_log *l)
{
    if (l->head < l->synced.n)
        return;
    l->base += l->synced.n;
    l->synced.n = l->head = l->head_synced = 0;
    l->sound = SIZE_MAX;
}

static void mem_put(struct hints *h, uint64_t target, const struct record *r)
{
    struct hints_mem_log *l = log_make(mem_of(h)->disk, target);
    int error = record_encode(&l->gather, r);
    if (error)
        tell_lost(mem_of(h), l, error, 1);
    else
        l->gather_n++;
}

/* How far the records of a run can be read; *n counts them. */
static size_t readable(struct slice bytes, uint64_t *n)
{
    size_t at = 0;
    struct record_view v;
    for (int size;
         at < bytes.n && (size = record_decode(slice_of(bytes.p + at, bytes.n - at), &v)) > 0;
         at += (size_t)size)
        ++*n;
    return at;
}

static void mem_read(struct hints *h, uint64_t target)
{
    log_make(mem_of(h)->disk, target)->asked = true;
}

static void mem_drop(struct hints *h, uint64_t target, uint64_t up_to, uint32_t n)
{
    struct hints_mem_log *l = log_find(mem_of(h)->disk, target);
    CHECK(l && up_to <= l->base + l->synced.n);
    if (up_to <= l->base + l->head)
        return; /* aged away meanwhile */
    CHECK(n > 0);
    l->head = up_to - l->base;
    l->waiting = 0; /* not n less: some of the batch may have aged away */
    readable(behind(l, l->head), &l->waiting);
    trim(l);
    tell_kept(mem_of(h), l, 0);
}

/* Where the records of a log's head end that are older than that; *n counts them. */
static size_t aged(const struct hints_mem_log *l, uint64_t before_ms, uint32_t *n)
{
    struct slice rest = behind(l, l->head);
    size_t at = 0;
    struct record_view v;
    for (int size; at < rest.n; at += (size_t)size, (*n)++) {
        size = record_decode(slice_of(rest.p + at, rest.n - at), &v);
        if (size <= 0 || version_ms(&v.record.version) >= before_ms)
            break;
    }
    return l->head + at;
}

/* The real log drops whole files of old hints; simulated time is short, so every hint is a file of
 * its own here. */
static void mem_expire(struct hints *h, uint64_t before_ms)
{
    struct hints_mem *m = mem_of(h);
    for (uint32_t i = 0; i < m->disk->n; i++) {
        struct hints_mem_log *l = &m->disk->log[i];
        uint32_t n = 0;
        l->head = aged(l, before_ms, &n);
        l->waiting -= n;
        trim(l);
        if (n > 0)
            tell_lost(m, l, 0, n);
    }
}

static const struct mem_faults *faults_of(const struct hints_mem *m)
{
    static const struct mem_faults none = {0};
    return m->disk->faults ? m->disk->faults : &none;
}

static void commit_log(struct hints_mem *m, struct hints_mem_log *l)
{
    if (l->gather_n == 0)
        return;
    if (faults_of(m)->full) {
        tell_lost(m, l, ERR_NO_SPACE, l->gather_n);
    } else {
        CHECK(!buf_slice(&l->flight, buf_view(&l->gather)));
        l->flight_n += l->gather_n;
#ifdef CANARY_HINT_NOT_SYNCED
        l->waiting += l->gather_n;
        tell_kept(m, l, l->gather_n);
        l->flight_n = 0;
#endif
    }
    l->gather.n = l->gather_n = 0;
}

static void mem_commit(struct hints *h)
{
    struct hints_mem *m = mem_of(h);
    for (uint32_t i = 0; i < m->disk->n; i++)
        commit_log(m, &m->disk->log[i]);
}

static void sync_log(struct hints_mem *m, struct hints_mem_log *l)
{
    const struct mem_faults *faults = faults_of(m);
    if (faults->sync_fails) {
        if (faults->failed_stays)
            CHECK(!buf_slice(&l->ghosts, buf_view(&l->flight)));
        if (l->flight_n)
            tell_lost(m, l, ERR_IO, l->flight_n);
    } else {
        if (faults->loses && l->flight.n && l->synced.n < l->sound)
            l->sound = l->synced.n;
        CHECK(!buf_slice(&l->synced, buf_view(&l->flight)));
        l->head_synced = l->head;
        l->waiting += l->flight_n;
        if (l->flight_n)
            tell_kept(m, l, l->flight_n);
    }
    l->flight.n = l->flight_n = 0;
}

void hints_mem_sync(struct hints *h)
{
    struct hints_mem *m = mem_of(h);
    for (uint32_t i = 0; i < m->disk->n; i++)
        sync_log(m, &m->disk->log[i]);
}

void hints_mem_tear(struct hints *h, uint64_t seed)
{
    const struct hints_disk *d = mem_of(h)->disk;
    for (uint32_t i = 0; i < d->n; i++)
        mem_tear_bytes(&d->log[i].synced, buf_view(&d->log[i].flight), seed + i);
}

bool hints_mem_syncing(const struct hints *h)
{
    const struct hints_disk *d = mem_of(h)->disk;
    for (uint32_t i = 0; i < d->n; i++)
        if (d->log[i].flight.n > 0)
            return true;
    return false;
}

/* What is left of a damaged log is given up. */
static void give_up(struct hints_mem *m, struct hints_mem_log *l)
{
    uint32_t lost = (uint32_t)l->waiting;
    l->head = l->synced.n;
    l->waiting = 0;
    trim(l);
    tell_lost(m, l, ERR_CORRUPT, lost);
}

/* Answers a question for the batch at the head; false when damage was found instead. */
static bool read_batch(struct hints_mem *m, struct hints_mem_log *l, struct hints_result *out)
{
    struct slice rest = behind(l, l->head);
    int error = hints_batch_fill(&m->batch, rest, l->base + l->head);
    if (error || (rest.n > 0 && m->batch.used == 0)) {
        give_up(m, l);
        return false;
    }
    l->asked = false;
    *out = (struct hints_result){.kind = HINTS_READ,
                                 .target = l->target,
                                 .n = m->batch.n,
                                 .waiting = l->waiting,
                                 .bytes = rest.n,
                                 .batch = m->batch.at};
    return true;
}

static bool next_news(struct hints_mem *m, struct hints_result *out)
{
    if (m->news_at == m->news_n) {
        m->news_at = m->news_n = 0;
        return false;
    }
    *out = m->news[m->news_at++];
    return true;
}

static bool mem_reap(struct hints *h, struct hints_result *out)
{
    struct hints_mem *m = mem_of(h);
    if (next_news(m, out))
        return true;
    for (uint32_t i = 0; i < m->disk->n; i++)
        if (m->disk->log[i].asked && read_batch(m, &m->disk->log[i], out))
            return true;
    return next_news(m, out);
}

static void mem_close(struct hints *h)
{
    struct hints_mem *m = mem_of(h);
    hints_batch_close(&m->batch);
    free(m->news);
    free(m);
}

uint64_t hints_disk_waiting(const struct hints_disk *d, uint64_t target)
{
    const struct hints_mem_log *l = log_find(d, target);
    uint64_t n = 0;
    if (l)
        readable(behind(l, l->head_synced), &n);
    return n;
}

static void tell_each(uint64_t target, struct slice bytes,
                      void (*to)(void *, uint64_t, const struct record *), void *arg)
{
    struct record_view v;
    for (int size; bytes.n > 0 && (size = record_decode(bytes, &v)) > 0;
         bytes = slice_of(bytes.p + size, bytes.n - (size_t)size))
        to(arg, target, &v.record);
}

void hints_disk_rot(struct hints_disk *d, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    uint32_t from = d->n ? (uint32_t)rng_below(&r, d->n) : 0;
    for (uint32_t i = 0; i < d->n; i++) {
        struct hints_mem_log *l = &d->log[(from + i) % d->n];
        struct slice rest = behind(l, l->head > l->head_synced ? l->head : l->head_synced);
        if (rest.n == 0)
            continue;
        l->synced.p[l->synced.n - 1 - rng_below(&r, rest.n)] ^= (uint8_t)(1u << rng_below(&r, 8));
        return;
    }
}

void hints_disk_each(const struct hints_disk *d,
                     void (*to)(void *, uint64_t, const struct record *), void *arg)
{
    for (uint32_t i = 0; i < d->n; i++)
        tell_each(d->log[i].target, behind(&d->log[i], d->log[i].head_synced), to, arg);
}

void hints_mem_unsynced(const struct hints *h, void (*to)(void *, uint64_t, const struct record *),
                        void *arg)
{
    const struct hints_disk *d = mem_of(h)->disk;
    for (uint32_t i = 0; i < d->n; i++) {
        tell_each(d->log[i].target, buf_view(&d->log[i].gather), to, arg);
        tell_each(d->log[i].target, buf_view(&d->log[i].flight), to, arg);
        tell_each(d->log[i].target, behind(&d->log[i], d->log[i].sound), to, arg);
    }
}

/* A start finds the log as a loss of power has left it: it ends where it cannot be read any
 * more. */
static void open_log(struct hints_mem *m, struct hints_mem_log *l)
{
    l->gather.n = l->flight.n = l->gather_n = l->flight_n = 0;
    l->asked = false;
    l->head = l->head_synced;
    if (l->sound < l->synced.n)
        l->synced.n = l->sound > l->head ? l->sound : l->head;
    l->sound = SIZE_MAX;
    l->synced.n = l->head + readable(behind(l, l->head), &(uint64_t){0});
    CHECK(!buf_slice(&l->synced, buf_view(&l->ghosts)));
    l->ghosts.n = 0;
    l->waiting = hints_disk_waiting(m->disk, l->target);
    if (l->waiting)
        tell_kept(m, l, 0);
}

struct hints *hints_mem_open(struct hints_disk *disk)
{
    static const struct hints_vtable vtable = {
        mem_put, mem_read, mem_drop, mem_expire, mem_commit, mem_reap, mem_close,
    };
    struct hints_mem *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->head.vtable = &vtable;
    m->disk = disk;
    hints_batch_init(&m->batch);
    for (uint32_t i = 0; i < disk->n; i++)
        open_log(m, &disk->log[i]);
    return &m->head;
}

void hints_disk_close(struct hints_disk *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        buf_close(&d->log[i].synced);
        buf_close(&d->log[i].ghosts);
        buf_close(&d->log[i].gather);
        buf_close(&d->log[i].flight);
    }
    free(d->log);
    *d = (struct hints_disk){.faults = d->faults};
}

void hints_disk_copy(struct hints_disk *to, const struct hints_disk *from)
{
    *to = (struct hints_disk){.faults = from->faults};
    for (uint32_t i = 0; i < from->n; i++) {
        const struct hints_mem_log *of = &from->log[i];
        struct hints_mem_log *l = log_make(to, of->target);
        CHECK(!buf_slice(&l->synced, buf_view(&of->synced)) &&
              !buf_slice(&l->ghosts, buf_view(&of->ghosts)));
        l->head_synced = of->head_synced;
        l->base = of->base;
        l->sound = of->sound;
    }
}
