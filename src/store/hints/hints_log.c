/* hints_log.c: hints on disk: which hints are kept for each target, in which files, and what the
 * helper is doing about them.
 *
 * The loop owns the state, the helper the descriptors. Hints gather by target. A commit hands them
 * to the helper as one append, with one fdatasync. While the helper has an append of the target the
 * hints go on gathering, and go with the next one. The `end` of a file moves only when an append
 * comes back, so nothing is ever read that is not synced.
 *
 *     hints_put --> gathers --commit--> the helper appends --> durable: announced, can be read
 *                                                                 |
 *             the file is removed <-- all of it is dropped <-- a batch is read, then dropped
 *
 * The head moves at once when hints are dropped. A head mark goes with the next append, and needs
 * no sync. When no hint is left all files of the target are removed, with the marks in them.
 *
 * Invariants: the helper has one append and one fetch of a target at most. The head is in the first
 * file. `waiting` is the sum of the hints in the target's files, `bytes` the sum of their bytes.
 * hints_file.h has the phases of a file, hints_log_state.h those of a question. */
#include "store/hints/hints_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"
#include "base/words.h"
#include "store/hints/hints_log_state.h"

static struct hints_log *log_of(struct hints *h)
{
    return (struct hints_log *)h;
}

static struct hints_target *target_find(const struct hints_log *l, uint64_t id)
{
    for (uint32_t i = 0; i < l->target_n; i++) /* they are few: members that were away of late */
        if (l->target[i].id == id)
            return &l->target[i];
    return NULL;
}

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

static void add_news(struct hints_log *l, const struct hints_result *r)
{
    if (l->news_n > l->news_at) { /* a thousand losses for one reason are one result */
        struct hints_result *last = &l->news[l->news_n - 1];
        if (last->target == r->target && last->kind == r->kind && last->error == r->error) {
            uint32_t n = last->n + r->n;
            *last = *r;
            last->n = n;
            return;
        }
    }
    l->news = array_room(l->news, l->news_n, &l->news_cap, sizeof *l->news);
    CHECK(l->news); /* without these few KB the node would rely on hints that are not kept */
    l->news[l->news_n++] = *r;
}

void hints_add_kept(struct hints_log *l, const struct hints_target *t, uint32_t n)
{
    struct hints_result r = {
        .kind = HINTS_KEPT, .target = t->id, .n = n, .waiting = t->waiting, .bytes = t->bytes};
    add_news(l, &r);
}

static void add_lost(struct hints_log *l, uint64_t target, int error, uint32_t n)
{
    const struct hints_target *t = target_find(l, target);
    struct hints_result r = {.kind = HINTS_LOST, .target = target, .error = error, .n = n};
    if (t)
        r.waiting = t->waiting, r.bytes = t->bytes;
    add_news(l, &r);
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

/* Removes the first file. When memory is out it stays on the disk until the next start. */
static void remove_first(struct hints_log *l, struct hints_target *t)
{
    struct hints_file *f = t->file[0];
    CHECK(t->waiting >= f->hints && t->bytes >= hints_file_bytes(f));
    t->waiting -= f->hints;
    t->bytes -= hints_file_bytes(f);
    l->bytes -= hints_file_bytes(f);
    memmove(t->file, t->file + 1, --t->file_n * sizeof *t->file);
    hints_file_enter(f, HINTS_FILE_REMOVED);
    struct hints_job *job = job_new(HINTS_REMOVE, f);
    if (job)
        hints_helper_submit(&l->helper, job);
}

bool hints_passed(const struct hints_target *t, const struct hints_file *f)
{
    return t->head >= hints_location(f->number, f->end);
}

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
        add_lost(l, target, error, 1);
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
    if (f && f->phase == HINTS_FILE_OPEN &&
        (f->end == HINTS_HEADER || f->end + t->gather.n <= HINTS_FILE_MAX))
        return f;
    if (f)
        hints_file_enter(f, HINTS_FILE_CLOSED);
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
            add_lost(l, t->id, ERR_NO_MEMORY, lost);
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

/* The helper has done an append. A failed one closes its file: what stands behind the last good
 * sync is unknown. */
static void appended(struct hints_log *l, const struct hints_job *job)
{
    struct hints_target *t = target_find(l, job->file->target);
    struct hints_file *f = job->file;
    CHECK(t->appending);
    t->appending = false;
    t->out_n = t->out_bytes = 0;
    if (f->phase == HINTS_FILE_REMOVED) {
        CHECK(job->hints == 0); /* marks alone, while the last hints of the target were dropped */
        return;
    }
    if (job->error) {
        hints_file_enter(f, HINTS_FILE_CLOSED);
        if (job->hints)
            add_lost(l, t->id, job->error, job->hints);
        return;
    }
    uint32_t before = hints_file_bytes(f);
    f->end += (uint32_t)job->bytes.n;
    f->hints += job->hints;
    f->newest_ms = job->newest_ms > f->newest_ms ? job->newest_ms : f->newest_ms;
    t->waiting += job->hints;
    t->bytes += hints_file_bytes(f) - before;
    l->bytes += hints_file_bytes(f) - before;
    if (job->hints)
        hints_add_kept(l, t, job->hints);
}

/* ---- Giving back ---- */

static void enter(struct hints_target *t, enum hints_reading phase)
{
    static const uint32_t next[] = {
        [HINTS_REST] = PHASE(HINTS_ASKED),
        [HINTS_ASKED] = PHASE(HINTS_FETCHING) | PHASE(HINTS_REST),
        [HINTS_FETCHING] = PHASE(HINTS_ASKED),
    };
    phase_enter(&t->reading, phase, next);
}

/* The file that the head is in, and the offset in it. NULL when there is nothing behind the
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

/* Asks the helper for the next piece of the log. False when there is none, or no memory. */
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
    enter(t, HINTS_FETCHING);
    hints_helper_submit(&l->helper, job);
    return true;
}

static void log_read(struct hints *h, uint64_t target)
{
    struct hints_target *t = hints_target_make(log_of(h), target);
    if (t && t->reading == HINTS_REST)
        enter(t, HINTS_ASKED);
}

/* Gives up what is left of a damaged file. */
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
    hints_file_enter(f, HINTS_FILE_CLOSED);
    hints_trim(l, t);
    add_lost(l, t->id, ERR_CORRUPT, lost);
}

/* Fills the batch with what a fetch has read, as far as the file is durable by now. */
static int take_batch(struct hints_log *l, const struct hints_job *job)
{
    const struct hints_file *f = job->file;
    size_t durable = f->end - job->at, n = durable < job->bytes.n ? durable : job->bytes.n;
    return hints_batch_fill(&l->batch, slice_of(job->bytes.p, n),
                            hints_location(f->number, job->at));
}

/* The helper has done a fetch: true when it makes an answer. */
static bool fetched(struct hints_log *l, struct hints_job *job, struct hints_result *out)
{
    struct hints_target *t = target_find(l, job->file->target);
    struct hints_file *f = job->file;
    enter(t, HINTS_ASKED);
    if (!job->error && f->phase == HINTS_FILE_REMOVED)
        return false; /* its hints have become too old meanwhile */
    int error = job->error ? job->error : take_batch(l, job);
    if (error == ERR_CORRUPT || (!error && l->batch.used == 0)) {
        give_up(l, t, f);
        return false;
    }
    if (!error && l->batch.n == 0) { /* marks alone */
        t->head = hints_location(f->number, job->at + l->batch.used);
        hints_trim(l, t);
        return false;
    }
    enter(t, HINTS_REST);
    *out = (struct hints_result){.kind = HINTS_READ,
                                 .target = t->id,
                                 .error = error,
                                 .n = error ? 0 : l->batch.n,
                                 .waiting = t->waiting,
                                 .bytes = t->bytes,
                                 .batch = l->batch.at};
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
        return; /* the hints have become too old meanwhile */
    CHECK(n <= f->hints && up_to <= hints_location(f->number, f->end));
    t->head = up_to;
    f->hints -= n;
    t->waiting -= n;
    hints_trim(l, t);
    /* Without room or memory for the mark, a start finds an earlier one: the head goes back a
     * little. */
    if (t->file_n > 0)
        (void)hints_mark(&t->gather, t->id, t->head);
    hints_add_kept(l, t, 0);
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
            add_lost(l, t->id, 0, lost);
    }
}

/* ---- Results ---- */

/* Takes the jobs that the helper has done, up to the first fetch that makes an answer. */
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
            l->fetched = job; /* it holds the bytes of the batch */
        else
            job_free(job);
    }
    return answer;
}

/* Submits a fetch for each question. A question that has nothing to fetch is answered here. */
static bool ask(struct hints_log *l, struct hints_result *out)
{
    for (uint32_t i = 0; i < l->target_n; i++) {
        struct hints_target *t = &l->target[i];
        if (t->reading != HINTS_ASKED || submit_fetch(l, t))
            continue;
        enter(t, HINTS_REST);
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
