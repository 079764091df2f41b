/* hints_log.c: hints on disk: what is kept for whom, in which files, and what the helper is doing
 * about it.
 *
 * The loop owns the bookkeeping, the helper the descriptors. Hints gather per target; a flush hands
 * them over as one append (and one fdatasync), unless the target's last append is still out: then
 * they go with the next. A file's `end` moves only when its append is back, so nothing is ever read
 * that is not synced.
 *
 *     put --> gather --flush--> append out --> durable: told, counted, readable --> read --> dropped --> the file goes
 *
 * The head moves at once when hints are dropped; a head mark goes along with the next append,
 * unsynced. When nothing is left all files of the target go, marks and all.
 *
 * Invariants: one append and one fetch a target at most are out; head is within the first file;
 * waiting is the sum of its files' hints. */
#include "store/hints/hints_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/check.h"
#include "base/error.h"
#include "base/words.h"
#include "store/hints/hints_log_state.h"

static struct hints_log *log_of(struct hints *h)
{
    return (struct hints_log *)h;
}

static struct hints_target *target_find(const struct hints_log *l, uint64_t id)
{
    for (uint32_t i = 0; i < l->target_n; i++) /* few: those that were away lately */
        if (l->target[i].id == id)
            return &l->target[i];
    return NULL;
}

/* NULL when memory is out. */
struct hints_target *hints_target_make(struct hints_log *l, uint64_t id)
{
    struct hints_target *t = target_find(l, id);
    if (t)
        return t;
    struct hints_target *grown = realloc(l->target, (l->target_n + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    l->target = grown;
    t = &grown[l->target_n++];
    *t = (struct hints_target){.id = id};
    buf_init(&t->gather, HINTS_GATHER_MAX);
    return t;
}

/* ---- News ---- */

static void tell(struct hints_log *l, const struct hints_result *r)
{
    if (l->news_n > l->news_at) { /* a thousand losses for one reason are one piece of news */
        struct hints_result *last = &l->news[l->news_n - 1];
        if (last->target == r->target && last->kind == r->kind && last->error == r->error) {
            uint32_t n = last->n + r->n;
            *last = *r;
            last->n = n;
            return;
        }
    }
    l->news = array_room(l->news, l->news_n, &l->news_cap, sizeof *l->news);
    CHECK(l->news); /* a few KB: without it the node would believe that it keeps what it does not */
    l->news[l->news_n++] = *r;
}

void hints_tell_kept(struct hints_log *l, const struct hints_target *t, uint32_t n)
{
    tell(
        l,
        &(struct hints_result){
            .kind = HINTS_KEPT, .target = t->id, .n = n, .waiting = t->waiting, .bytes = t->bytes});
}

static void tell_lost(struct hints_log *l, uint64_t target, int error, uint32_t n)
{
    const struct hints_target *t = target_find(l, target);
    struct hints_result r = {.kind = HINTS_LOST, .target = target, .error = error, .n = n};
    if (t)
        r.waiting = t->waiting, r.bytes = t->bytes;
    tell(l, &r);
}

/* ---- Files ---- */

static struct hints_job *job_new(enum hints_job_kind kind, struct hints_file *f)
{
    struct hints_job *job = calloc(1, sizeof *job);
    if (job)
        *job = (struct hints_job){.kind = kind, .file = f};
    return job;
}

static void job_free(struct hints_job *job)
{
    if (job)
        buf_close(&job->bytes);
    free(job);
}

/* A new last file of the target, to be made by its first append. NULL when memory is out. */
struct hints_file *hints_file_new(struct hints_target *t, uint32_t number)
{
    struct hints_file *f = calloc(1, sizeof *f);
    struct hints_file **grown = f ? realloc(t->file, (t->file_n + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(f);
        return NULL;
    }
    *f = (struct hints_file){.target = t->id, .number = number, .fd = -1, .end = HINTS_HEADER};
    t->file = grown;
    t->file[t->file_n++] = f;
    t->number = number;
    return f;
}

/* Takes the first file out. Where memory is out it stays on disk until the next start. */
static void remove_first(struct hints_log *l, struct hints_target *t)
{
    struct hints_file *f = t->file[0];
    t->waiting -= f->hints;
    t->bytes -= f->end;
    l->bytes -= f->end;
    memmove(t->file, t->file + 1, --t->file_n * sizeof *t->file);
    f->removed = true;
    struct hints_job *job = job_new(HINTS_REMOVE, f);
    if (job)
        hints_helper_submit(&l->helper, job);
}

bool hints_passed(const struct hints_target *t, const struct hints_file *f)
{
    return t->head >= hints_location(f->number, f->end);
}

/* Removes the files before the head; all of them when nothing is left or under way. */
void hints_trim(struct hints_log *l, struct hints_target *t)
{
    while (t->file_n > 1 && hints_passed(t, t->file[0]))
        remove_first(l, t);
    if (t->waiting > 0 || t->gather_n > 0 || t->out_n > 0)
        return;
    while (t->file_n > 0)
        remove_first(l, t);
    t->gather.n = 0;
}

/* ---- Keeping ---- */

static int refusal(const struct hints_log *l, const struct hints_target *t, const struct record *r)
{
    size_t size = RECORD_HEADER + r->key.n + r->value.n;
    uint64_t coming = t->gather.n + t->out_bytes + size;
    uint64_t most = l->options.target_bytes_max, all = l->options.bytes_max;
    if (t->bytes + coming > most || l->bytes + coming > all)
        return ERR_TOO_BIG;
    return t->gather.n + size > HINTS_GATHER_MAX ? ERR_BUSY : 0;
}

static void log_put(struct hints *h, uint64_t target, const struct record *r)
{
    struct hints_log *l = log_of(h);
    struct hints_target *t = hints_target_make(l, target);
    int error = t ? refusal(l, t, r) : ERR_NO_MEMORY;
    error = error ? error : record_encode(&t->gather, r);
    if (error) {
        tell_lost(l, target, error, 1);
        return;
    }
    t->gather_n++;
    if (version_ms(&r->version) > t->gather_newest_ms)
        t->gather_newest_ms = version_ms(&r->version);
}

/* The file that the next append goes to; NULL when memory is out. */
static struct hints_file *append_file(struct hints_target *t)
{
    struct hints_file *f = t->file_n ? t->file[t->file_n - 1] : NULL;
    if (f && !f->closed && (f->end == HINTS_HEADER || f->end + t->gather.n <= HINTS_FILE_MAX))
        return f;
    if (f)
        f->closed = true;
    return hints_file_new(t, t->number + 1);
}

static void submit_append(struct hints_log *l, struct hints_target *t)
{
    struct hints_file *f = append_file(t);
    struct hints_job *job = f ? job_new(HINTS_APPEND, f) : NULL;
    if (!job) {
        uint32_t lost = t->gather_n;
        t->gather.n = t->gather_n = 0;
        if (lost)
            tell_lost(l, t->id, ERR_NO_MEMORY, lost);
        return;
    }
    job->bytes = t->gather;
    job->at = f->end;
    job->hints = t->gather_n;
    job->newest_ms = t->gather_newest_ms;
    t->out_n = t->gather_n;
    t->out_bytes = (uint32_t)t->gather.n;
    t->appending = true;
    buf_init(&t->gather, HINTS_GATHER_MAX);
    t->gather_n = 0;
    t->gather_newest_ms = 0;
    hints_helper_submit(&l->helper, job);
}

static void log_commit(struct hints *h)
{
    struct hints_log *l = log_of(h);
    for (uint32_t i = 0; i < l->target_n; i++)
        if (l->target[i].gather.n > 0 && !l->target[i].appending)
            submit_append(l, &l->target[i]);
}

/* An append is back. A failed one closes its file: what stands behind the last good sync is
 * unknown. */
static void appended(struct hints_log *l, const struct hints_job *job)
{
    struct hints_target *t = target_find(l, job->file->target);
    struct hints_file *f = job->file;
    t->appending = false;
    t->out_n = t->out_bytes = 0;
    if (job->error) {
        f->closed = true;
        if (job->hints)
            tell_lost(l, t->id, job->error, job->hints);
        return;
    }
    if (f->removed)
        return; /* marks alone, of a log that was drained meanwhile */
    f->end += (uint32_t)job->bytes.n;
    f->hints += job->hints;
    f->newest_ms = job->newest_ms > f->newest_ms ? job->newest_ms : f->newest_ms;
    t->waiting += job->hints;
    t->bytes += job->bytes.n + (f->end == HINTS_HEADER + job->bytes.n ? HINTS_HEADER : 0);
    l->bytes += job->bytes.n + (f->end == HINTS_HEADER + job->bytes.n ? HINTS_HEADER : 0);
    if (job->hints)
        hints_tell_kept(l, t, job->hints);
}

/* ---- Giving back ---- */

/* The file that the head stands in, and the offset there; NULL when there is nothing behind the
 * head. */
static struct hints_file *head_file(const struct hints_target *t, uint32_t *at)
{
    for (uint32_t i = 0; i < t->file_n; i++) {
        struct hints_file *f = t->file[i];
        if (hints_passed(t, f) || f->end == HINTS_HEADER)
            continue;
        *at = t->head >> 32 == f->number ? (uint32_t)t->head : HINTS_HEADER;
        return f;
    }
    return NULL;
}

/* Asks the helper for the next piece; false when there is none, or no memory. */
static bool submit_fetch(struct hints_log *l, struct hints_target *t)
{
    uint32_t at;
    struct hints_file *f = head_file(t, &at);
    struct hints_job *job = f ? job_new(HINTS_FETCH, f) : NULL;
    if (!job)
        return false;
    buf_init(&job->bytes, HINTS_BATCH_BYTES + RECORD_MAX);
    job->at = at;
    job->n = f->end - at < HINTS_BATCH_BYTES ? f->end - at : HINTS_BATCH_BYTES;
    t->fetching = true;
    hints_helper_submit(&l->helper, job);
    return true;
}

static void log_read(struct hints *h, uint64_t target)
{
    struct hints_target *t = hints_target_make(log_of(h), target);
    if (t)
        t->asked = true;
}

/* What is left of a damaged file is given up. */
static void give_up(struct hints_log *l, struct hints_target *t, struct hints_file *f)
{
    char sentence[256], name[HINTS_FILE_NAME];
    uint32_t lost = f->hints;
    hints_file_name(f->target, f->number, name);
    snprintf(sentence, sizeof sentence,
             "hints/%s is damaged: %u hint%s of it %s lost; anti-entropy will repair what %s for",
             name, lost, words_s(lost), lost == 1 ? "is" : "are",
             lost == 1 ? "it was" : "they were");
    if (l->options.report)
        l->options.report(l->options.report_arg, sentence);
    t->head = hints_location(f->number, f->end);
    t->waiting -= lost;
    f->hints = 0;
    f->closed = true;
    hints_trim(l, t);
    tell_lost(l, t->id, ERR_CORRUPT, lost);
}

/* A fetch is back: true when it makes an answer. */
static bool fetched(struct hints_log *l, struct hints_job *job, struct hints_result *out)
{
    struct hints_target *t = target_find(l, job->file->target);
    struct hints_file *f = job->file;
    t->fetching = false;
    *out = (struct hints_result){.kind = HINTS_READ, .target = t->id, .error = job->error};
    if (!job->error && !f->removed) {
        /* durable by now */
        uint32_t there =
            f->end - job->at < job->bytes.n ? f->end - job->at : (uint32_t)job->bytes.n;
        out->error = hints_batch_fill(&l->batch, slice_of(job->bytes.p, there),
                                      hints_location(f->number, job->at));
        if (out->error == ERR_CORRUPT || (!out->error && l->batch.used == 0)) {
            give_up(l, t, f);
            return false;
        }
        if (!out->error && l->batch.n == 0) { /* marks alone */
            t->head = hints_location(f->number, job->at + l->batch.used);
            hints_trim(l, t);
            return false;
        }
        out->n = out->error ? 0 : l->batch.n;
    } else if (!job->error) {
        return false; /* it aged away under the question */
    }
    t->asked = false;
    out->waiting = t->waiting;
    out->bytes = t->bytes;
    out->batch = l->batch.at;
    return true;
}

static void log_drop(struct hints *h, uint64_t target, uint64_t up_to, uint32_t n)
{
    struct hints_log *l = log_of(h);
    struct hints_target *t = target_find(l, target);
    struct hints_file *f = NULL;
    for (uint32_t i = 0; t && i < t->file_n; i++)
        if (t->file[i]->number == up_to >> 32)
            f = t->file[i];
    if (!f || up_to <= t->head)
        return; /* aged away meanwhile */
    CHECK(n <= f->hints && up_to <= hints_location(f->number, f->end));
    t->head = up_to;
    f->hints -= n;
    t->waiting -= n;
    hints_trim(l, t);
    if (t->file_n > 0)
        /* no room, no memory: the head is at a later mark, or goes back a little */
        (void)hints_mark(&t->gather, t->id, t->head);
    hints_tell_kept(l, t, 0);
}

static void log_expire(struct hints *h, uint64_t before_ms)
{
    struct hints_log *l = log_of(h);
    for (uint32_t i = 0; i < l->target_n; i++) {
        struct hints_target *t = &l->target[i];
        uint32_t lost = 0;
        while (t->file_n > 0 && !(t->appending && t->file_n == 1) &&
               t->file[0]->newest_ms < before_ms) {
            lost += t->file[0]->hints;
            t->head = hints_location(t->file[0]->number, t->file[0]->end);
            remove_first(l, t);
        }
        if (lost)
            tell_lost(l, t->id, 0, lost);
    }
}

/* ---- Results ---- */

/* Takes what the helper finished, up to the first fetch that makes an answer. */
static bool collect(struct hints_log *l, struct hints_result *out)
{
    bool answer = false;
    for (struct hints_job *job; !answer && (job = hints_helper_take(&l->helper));) {
        if (job->kind == HINTS_FETCH) {
            answer = fetched(l, job, out);
        } else if (job->kind == HINTS_APPEND) {
            appended(l, job);
        } else {
            free(job->file);
            job->file = NULL;
        }
        if (answer)
            l->fetched = job; /* the batch points into it */
        else
            job_free(job);
    }
    return answer;
}

/* Sends the questions on their way; one that finds nothing is answered here. */
static bool ask(struct hints_log *l, struct hints_result *out)
{
    for (uint32_t i = 0; i < l->target_n; i++) {
        struct hints_target *t = &l->target[i];
        if (!t->asked || t->fetching || submit_fetch(l, t))
            continue;
        t->asked = false;
        *out = (struct hints_result){
            .kind = HINTS_READ, .target = t->id, .waiting = t->waiting, .bytes = t->bytes};
        return true;
    }
    return false;
}

static bool log_reap(struct hints *h, struct hints_result *out)
{
    struct hints_log *l = log_of(h);
    job_free(l->fetched);
    l->fetched = NULL;
    if (l->news_at == l->news_n) {
        l->news_at = l->news_n = 0;
        if (collect(l, out))
            return true;
    }
    if (l->news_at < l->news_n) {
        *out = l->news[l->news_at++];
        return true;
    }
    return ask(l, out);
}

void hints_log_drain(struct hints *h)
{
    struct hints_log *l = log_of(h);
    bool left = true;
    while (left) {
        struct hints_result r;
        log_commit(h);
        hints_helper_wait(&l->helper);
        while (log_reap(h, &r)) {}
        left = false;
        for (uint32_t i = 0; i < l->target_n; i++)
            left |= l->target[i].gather_n > 0 || l->target[i].appending;
    }
}

static void log_close(struct hints *h)
{
    struct hints_log *l = log_of(h);
    hints_helper_stop(&l->helper);
    for (struct hints_job *job; (job = hints_helper_take(&l->helper)); job_free(job))
        if (job->kind == HINTS_REMOVE)
            free(job->file);
    job_free(l->fetched);
    for (uint32_t i = 0; i < l->target_n; i++) {
        struct hints_target *t = &l->target[i];
        for (uint32_t k = 0; k < t->file_n; k++) {
            if (t->file[k]->fd >= 0)
                close(t->file[k]->fd);
            free(t->file[k]);
        }
        free(t->file);
        buf_close(&t->gather);
    }
    hints_batch_close(&l->batch);
    if (l->dir >= 0)
        close(l->dir);
    free(l->target);
    free(l->news);
    free(l);
}

int hints_log_open(const struct hints_log_options *options, struct hints **out, char *why,
                   size_t why_n)
{
    static const struct hints_vtable vtable = {
        log_put, log_read, log_drop, log_expire, log_commit, log_reap, log_close,
    };
    struct hints_log *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    l->head.vtable = &vtable;
    l->options = *options;
    l->dir = -1;
    l->options.io = options->io ? options->io : &log_io_os;
    l->options.target_bytes_max =
        options->target_bytes_max ? options->target_bytes_max : HINTS_TARGET_BYTES_DEFAULT;
    l->options.bytes_max = options->bytes_max ? options->bytes_max : HINTS_BYTES_DEFAULT;
    l->helper.io = l->options.io;
    l->helper.wake = options->wake;
    l->helper.wake_arg = options->wake_arg;
    hints_batch_init(&l->batch);
    snprintf(why, why_n,
             "%s/hints cannot be read: move it away; anti-entropy will repair what the hints in it "
             "were for",
             options->dir);
    struct hints_opening o = {.l = l, .why = why, .why_n = why_n};
    int error = hints_open_all(&o);
    if (error)
        log_close(&l->head);
    else
        *out = &l->head;
    return error;
}
