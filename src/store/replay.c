#include "store/replay.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"

enum {
    WINDOW_BYTES = 16 * 1024 * 1024, /* read at once; any record fits */
    SENTENCE = 1024,
};

_Static_assert((size_t)WINDOW_BYTES > (size_t)RECORD_MAX, "a record must fit the window");

/* The part of a segment that is in memory. */
struct window {
    const struct segment *segment;
    uint8_t *p;
    size_t n;
    uint32_t at; /* offset of p in the file */
    bool last;   /* the file ends with it */
};

static __attribute__((format(printf, 3, 4))) int refuse(struct replay *r, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, r->why_n, format, args);
    va_end(args);
    return error;
}

static int refuse_io(struct replay *r, uint32_t number, const char *what, int cause)
{
    return refuse(r, log_io_error(cause), "cannot %s %s/seg-%08u.log: %s", what, r->path, (unsigned)number, strerror(cause));
}

/* ---- The files ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The number in the name of a segment; 0 when it is not one. */
static uint32_t number_of(const char *name)
{
    unsigned number;
    char again[SEGMENT_NAME];
    if (sscanf(name, "seg-%8u.log", &number) != 1)
        return 0;
    segment_name(number, again);
    return strcmp(name, again) == 0 ? number : 0;
}

static bool is_unfinished(const char *name)
{
    size_t n = strlen(name);
    return n == 16 && strncmp(name, "seg-", 4) == 0 && strcmp(name + 12, ".new") == 0;
}

/* Lists the numbers of all segments and removes one whose making a crash cut short. */
static int list_numbers(struct replay *r, uint32_t **number, uint32_t *n)
{
    int error = 0;
    uint32_t cap = 0;
    int fd = dup(r->dir);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return refuse(r, ERR_IO, "cannot list the data directory %s: %s", r->path, strerror(errno));
    }
    rewinddir(d); /* a dup shares its position */
    for (struct dirent *e = readdir(d); e && !error; e = readdir(d)) {
        uint32_t found = number_of(e->d_name);
        if (is_unfinished(e->d_name))
            unlinkat(r->dir, e->d_name, 0);
        if (found == 0)
            continue;
        if (*n == cap) {
            cap = cap ? cap * 2 : 16;
            uint32_t *grown = realloc(*number, cap * sizeof *grown);
            if (!grown) {
                error = refuse(r, ERR_NO_MEMORY, "out of memory while listing %s", r->path);
                break;
            }
            *number = grown;
        }
        (*number)[(*n)++] = found;
    }
    closedir(d);
    if (*n > 0)
        qsort(*number, *n, sizeof **number, by_number);
    return error;
}

/* ---- One segment ---- */

/* Moves the window so that it begins at `at`, and reads on. 0 or -errno. */
static int window_move(struct window *w, const struct log_io *io, uint32_t at)
{
    CHECK(at >= w->at && at - w->at <= w->n);
    size_t keep = w->n - (at - w->at);
    memmove(w->p, w->p + (at - w->at), keep);
    w->at = at;
    ssize_t n = segment_read(w->segment, io, w->p + keep, WINDOW_BYTES - keep, at + (uint32_t)keep, 0);
    if (n < 0)
        return (int)n;
    w->n = keep + (size_t)n;
    w->last = w->n < WINDOW_BYTES;
    return 0;
}

static int take(struct replay *r, struct segment *s, const struct record_view *v, uint32_t at)
{
    uint32_t vouched;
    if (v->record.kind == RECORD_STATE && slice_eq(v->record.key, MARK_NAME)) {
        if (segment_is_mark(s, &v->record, &vouched) && vouched <= at) {
            s->marked = vouched;
            s->mark_end = at + v->size;
        }
        return 0;
    }
    int error = table_replay(r->table, v, (uint16_t)(r->segment_n - 1), at);
    if (error == ERR_BAD_FORMAT)
        return refuse(
            r, error,
            "%s/seg-%08u.log holds a record of kind %u at offset %u, which this release cannot read: run the one that wrote it",
            r->path, (unsigned)s->number, v->record.kind, (unsigned)at);
    if (error)
        return refuse(r, error, "cannot take the record at offset %u of %s/seg-%08u.log: %s", (unsigned)at, r->path,
                      (unsigned)s->number, error_sentence(error));
    return 0;
}

/* Takes records from s->end on until something is not one: there s->end stays. */
static int scan(struct replay *r, struct segment *s, struct window *w)
{
    for (;;) {
        struct record_view v;
        int n = record_decode(slice_of(w->p + (s->end - w->at), w->n - (s->end - w->at)), &v);
        if (n == ERR_INCOMPLETE && !w->last) {
            int cause = window_move(w, r->io, s->end);
            if (cause)
                return refuse_io(r, s->number, "read", -cause);
            continue;
        }
        if (n < 0)
            return 0;
        int error = take(r, s, &v, s->end);
        if (error)
            return error;
        s->end += (uint32_t)n;
    }
}

/* Whether the window holds a mark that vouches for more than `at`. */
static bool find_mark(const struct window *w, uint32_t at)
{
    const uint8_t *p = w->p, *end = w->p + w->n;
    struct slice name = MARK_NAME;
    while ((p = memmem(p, (size_t)(end - p), name.p, name.n)) != NULL) {
        struct record_view v;
        uint32_t vouched;
        const uint8_t *start = p - RECORD_HEADER;
        if (p - w->p >= RECORD_HEADER && record_decode(slice_of(start, (size_t)(end - start)), &v) > 0 &&
            segment_is_mark(w->segment, &v.record, &vouched) && vouched > at)
            return true;
        p++;
    }
    return false;
}

static bool all_zero(const struct window *w)
{
    return w->n == 0 || (w->p[0] == 0 && memcmp(w->p, w->p + 1, w->n - 1) == 0);
}

enum tail { TAIL_EMPTY, TAIL_TORN, TAIL_DAMAGED };

/* What lies behind the last good record. 0 or -errno. */
static int look_behind(struct replay *r, const struct segment *s, struct window *w, enum tail *tail)
{
    int cause = window_move(w, r->io, s->end);
    *tail = TAIL_EMPTY;
    while (!cause) {
        if (!all_zero(w))
            *tail = TAIL_TORN;
        if (find_mark(w, s->end)) {
            *tail = TAIL_DAMAGED;
            return 0;
        }
        if (w->last)
            return 0;
        cause = window_move(w, r->io, w->at + (uint32_t)w->n - (MARK_BYTES - 1)); /* a mark may lie across the edge */
    }
    return cause;
}

static int refuse_damaged(struct replay *r, const struct segment *s, const char *what)
{
    return refuse(r, ERR_CORRUPT,
                  "%s/seg-%08u.log is damaged at offset %u (%s): restore that file from a backup, or, while the other members "
                  "are well, move %s away "
                  "and start this node as a new one",
                  r->path, (unsigned)s->number, (unsigned)s->end, what, r->path);
}

/* The last segment may end torn: the tail is cut, and all that was read is made durable, for it is about to be visible. */
static int end_last(struct replay *r, struct segment *s, struct window *w, uint32_t size)
{
    enum tail tail;
    int cause = look_behind(r, s, w, &tail);
    if (cause)
        return refuse_io(r, s->number, "read", -cause);
    if (tail == TAIL_DAMAGED)
        return refuse_damaged(r, s, "a record fails its checksum, and it was synced before what follows was written");
    if (tail == TAIL_TORN) {
        char sentence[SENTENCE];
        r->torn_bytes = size - s->end;
        snprintf(sentence, sizeof sentence, "cut a torn tail of %llu bytes at offset %u of %s/seg-%08u.log; it was never synced",
                 (unsigned long long)r->torn_bytes, (unsigned)s->end, r->path, (unsigned)s->number);
        if (r->report)
            r->report(r->report_arg, sentence);
    }
    if (size > s->end && ftruncate(s->fd, s->end) != 0)
        return refuse_io(r, s->number, "cut the torn tail of", errno);
    int error = segment_sync(s, r->io, s->end);
    return error ? refuse_io(r, s->number, "sync", errno) : 0;
}

static int end_sealed(struct replay *r, const struct segment *s, uint32_t size)
{
    if (s->end < size)
        return refuse_damaged(r, s, "a record fails its checksum");
    if (s->mark_end != s->end || s->marked != s->end - MARK_BYTES)
        return refuse_damaged(r, s, "the file ends too early");
    return 0;
}

static int replay_segment(struct replay *r, struct segment *s, struct window *w, bool last)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0)
        return refuse_io(r, s->number, "read", errno);
    if (st.st_size > UINT32_MAX)
        return refuse(r, ERR_CORRUPT, "%s/seg-%08u.log is larger than any log file: it is not one of ours", r->path,
                      (unsigned)s->number);
    w->segment = s;
    w->n = 0;
    w->at = s->end;
    int cause = window_move(w, r->io, s->end);
    if (cause)
        return refuse_io(r, s->number, "read", -cause);
    int error = scan(r, s, w);
    if (error)
        return error;
    return last ? end_last(r, s, w, (uint32_t)st.st_size) : end_sealed(r, s, (uint32_t)st.st_size);
}

/* ---- All of them ---- */

static int open_segment(struct replay *r, uint32_t number)
{
    uint32_t format;
    int error = segment_open(r->dir, number, &r->segment[r->segment_n], &format);
    if (!error)
        r->segment_n++;
    if (error == ERR_BAD_FORMAT)
        return refuse(r, error, "%s/seg-%08u.log has format version %u; this release knows version %u: run the one that wrote it",
                      r->path, (unsigned)number, (unsigned)format, (unsigned)SEGMENT_FORMAT);
    if (error == ERR_CORRUPT)
        return refuse(
            r, error,
            "%s/seg-%08u.log has no header of a log file: restore it from a backup, or move it away if it is not covey's",
            r->path, (unsigned)number);
    if (error)
        return refuse_io(r, number, "open", errno);
    return 0;
}

static int replay_all(struct replay *r, const uint32_t *number, uint32_t n)
{
    struct window w = {.p = malloc(WINDOW_BYTES)};
    int error = w.p ? 0 : refuse(r, ERR_NO_MEMORY, "out of memory while reading %s", r->path);
    for (uint32_t i = 0; !error && i < n; i++) {
        if (number[i] != i + 1) /* nothing removes a segment: what is missing was lost */
            error =
                refuse(r, ERR_CORRUPT,
                       "%s/seg-%08u.log is missing: restore it from a backup, or, while the other members are well, move %s away "
                       "and start this node as a new one",
                       r->path, (unsigned)(i + 1), r->path);
        if (!error)
            error = open_segment(r, number[i]);
        if (!error)
            error = replay_segment(r, r->segment[i], &w, i + 1 == n);
    }
    free(w.p);
    return error;
}

int replay_run(struct replay *r)
{
    uint32_t *number = NULL, n = 0;
    int error = list_numbers(r, &number, &n);
    if (!error && n > UINT16_MAX)
        error =
            refuse(r, ERR_CORRUPT, "%s holds %u log files; at most %u are possible", r->path, (unsigned)n, (unsigned)UINT16_MAX);
    if (!error) {
        r->segment = calloc(n ? n : 1, sizeof(struct segment *));
        if (!r->segment)
            error = refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
    }
    if (!error && n > 0) {
        error = replay_all(r, number, n);
    } else if (!error) {
        error = segment_create(r->dir, 1, r->io, &r->segment[0]);
        if (error)
            refuse_io(r, 1, "create", errno);
        else
            r->segment_n = 1;
    }
    free(number);
    return error;
}
