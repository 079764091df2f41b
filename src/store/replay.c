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
#include "store/snapshot.h"
#include "wire/bytes.h"

enum {
    WINDOW_BYTES = 16 * 1024 * 1024, /* read at once; any record fits */
    LOST_STATES_MAX = 1024 * 1024,   /* of names of damaged state records: a directory with more of them is beyond help */
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

static bool is_unfinished(const char *name)
{
    size_t n = strlen(name);
    return (n == 16 && strncmp(name, "seg-", 4) == 0 && strcmp(name + 12, ".new") == 0) || strcmp(name, SNAPSHOT_NEW) == 0;
}

/* Lists the numbers of all segments and removes files whose making a crash cut short. */
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
        uint32_t found = segment_number(e->d_name);
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
    int error = table_replay(r->table, v, s->slot, at);
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
        r->replayed_bytes += (uint32_t)n;
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

enum tail { TAIL_EMPTY, TAIL_TORN, TAIL_DAMAGED };

/* What lies behind the last good record. 0 or -errno. */
static int look_behind(struct replay *r, const struct segment *s, struct window *w, enum tail *tail)
{
    int cause = window_move(w, r->io, s->end);
    *tail = TAIL_EMPTY;
    while (!cause) {
        if (!slice_zero(slice_of(w->p, w->n)))
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
                  "are well, move %s away and start this node as a new one",
                  r->path, (unsigned)s->number, (unsigned)s->end, what, r->path);
}

static void report(struct replay *r, const struct segment *s, const char *format, ...)
{
    char what[SENTENCE / 2], sentence[SENTENCE];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(sentence, sizeof sentence, "%s at offset %u of %s/seg-%08u.log", what, (unsigned)s->end, r->path,
             (unsigned)s->number);
    if (r->report)
        r->report(r->report_arg, sentence);
}

/* ---- Damage ---- */

/* A damaged state record is no loss when a later one of its name is there; which is known when all has been read. A mark is
 * none. */
static int note_state(struct replay *r, const struct damage_finding *f)
{
    uint8_t head[12];
    if (slice_eq(f->name, MARK_NAME))
        return 0;
    put_u64(head, f->serial);
    put_u32(head + 8, (uint32_t)f->name.n);
    int error = buf_append(&r->lost_states, head, sizeof head);
    return error ? error : buf_slice(&r->lost_states, f->name);
}

/* Passes over the bad record at s->end and marks what it puts in doubt. *step: how far it is to the next. */
static int pass_over(struct replay *r, struct segment *s, struct window *w, uint32_t *step)
{
    struct slice bytes = slice_of(w->p, w->n);
    struct damage_finding f = damage_look(bytes);
    report(r, s,
           f.size ? "set a damaged record of slot %u aside, to be fetched again from the other owners,"
                  : "set damage aside that may have been of any slot: all is to be compared with the other owners,",
           f.slot);
    size_t next = f.size ? f.size : segment_resync(bytes);
    *step = (uint32_t)(next ? next : w->n);
    r->damaged++;
    s->first = s->aside = s->doubted = true;
    if (f.size && f.state)
        return note_state(r, &f) ? refuse(r, ERR_NO_MEMORY, "out of memory while reading %s", r->path) : 0;
    damage_mark(&r->damage, &f);
    return 0;
}

static int open_window(struct replay *r, const struct segment *s, struct window *w)
{
    w->segment = s;
    w->n = 0;
    w->at = s->end;
    int cause = window_move(w, r->io, s->end);
    return cause ? refuse_io(r, s->number, "read", -cause) : 0;
}

/* The records of a segment from s->end on, past damage where that is wanted. *tail: how it ends. */
static int scan_through(struct replay *r, struct segment *s, struct window *w, enum tail *tail)
{
    for (;;) {
        uint32_t step;
        int error = scan(r, s, w);
        if (error)
            return error;
        int cause = look_behind(r, s, w, tail);
        if (cause)
            return refuse_io(r, s->number, "read", -cause);
        if (*tail != TAIL_DAMAGED)
            return 0;
        if (!r->set_aside)
            return refuse_damaged(r, s, "a record fails its checksum, and it was synced before what follows was written");
        error = open_window(r, s, w); /* looking behind has moved it on */
        if (!error)
            error = pass_over(r, s, w, &step);
        if (error)
            return error;
        s->end += step;
    }
}

/* ---- One segment ---- */

/* Cuts what lies behind the last record, and makes what was read durable, for it is about to be visible. */
static int cut_tail(struct replay *r, struct segment *s, enum tail tail, uint32_t size)
{
    if (tail == TAIL_TORN && s->demanded == 0) {
        r->torn_bytes += size - s->end;
        report(r, s, "cut a torn tail of %u bytes, which was never synced,", (unsigned)(size - s->end));
    }
    if (size > s->end && ftruncate(s->fd, s->end) != 0)
        return refuse_io(r, s->number, "cut the torn tail of", errno);
    return segment_sync(s, r->io, s->end) ? refuse_io(r, s->number, "sync", errno) : 0;
}

/* The segment of a number, NULL when there is none. */
static struct segment *find(const struct replay *r, uint32_t number)
{
    return segments_numbered(r->found, r->found_n, number);
}

static int too_short(struct replay *r, struct segment *s)
{
    static const struct damage_finding nothing = {0};
    if (!r->set_aside)
        return refuse_damaged(r, s, "the file ends too early");
    report(r, s, "the end is missing, which may have been of any slot,");
    r->damaged++;
    damage_mark(&r->damage, &nothing);
    return 0;
}

static int replay_segment(struct replay *r, struct segment *s, struct window *w)
{
    struct stat st;
    enum tail tail;
    if (fstat(s->fd, &st) != 0)
        return refuse_io(r, s->number, "read", errno);
    if (st.st_size > UINT32_MAX)
        return refuse(r, ERR_CORRUPT, "%s/seg-%08u.log is larger than any log file: it is not one of ours", r->path,
                      (unsigned)s->number);
    int error = open_window(r, s, w);
    if (!error)
        error = scan_through(r, s, w, &tail);
    if (!error && s->end < s->demanded)
        error = too_short(r, s);
    if (!error)
        error = cut_tail(r, s, tail, (uint32_t)st.st_size);
    s->published = s->end;
    return error;
}

/* ---- All of them ---- */

static int open_segment(struct replay *r, uint32_t number)
{
    uint32_t format;
    int error = segment_open(r->dir, number, &r->found[r->found_n], &format);
    if (!error)
        r->found_n++;
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

/* Gives the segments slots that the snapshot has not, and forgets them as ours. */
static int place_segments(struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++) {
        struct segment *s = r->found[i];
        bool placed = s->slot < r->segments->slot_n && r->segments->slot[s->slot] == s;
        if (placed)
            continue;
        if (!segments_reserve(r->segments))
            return refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
        segments_add(r->segments, s);
        if (tally_room(&r->table->tallies, s->slot) != 0)
            return refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
    }
    return 0;
}

static int refuse_missing(struct replay *r, uint32_t number)
{
    return refuse(r, ERR_CORRUPT,
                  "%s/seg-%08u.log is missing: restore it from a backup, or, while the other members are well, move %s away "
                  "and start this node as a new one",
                  r->path, (unsigned)number, r->path);
}

/* What the newest list names must be there, and all that was made since. */
static int check_list(struct replay *r)
{
    struct slice list = {0};
    uint64_t serial;
    uint32_t number, end;
    table_state(r->table, LIST_NAME, &list, &serial);
    for (uint32_t i = 0; segments_listed(list, i, &number, &end); i++) {
        struct segment *s = find(r, number);
        int error = !s ? refuse_missing(r, number) : s->end < end ? too_short(r, s) : 0;
        if (error)
            return error;
    }
    for (number = segments_list_next(list); number < r->segments->numbers.next; number++)
        if (!find(r, number))
            return refuse_missing(r, number);
    return 0;
}

/* A damaged state record must have a successor: the node's promises may not go back. */
static int check_states(struct replay *r)
{
    static const struct damage_finding nothing = {0};
    struct slice left = buf_view(&r->lost_states), value;
    while (left.n > 0) {
        uint64_t serial = get_u64(left.p), held;
        struct slice name = slice_of(left.p + 12, get_u32(left.p + 8));
        left = slice_of(name.p + name.n, left.n - 12 - name.n);
        if (table_state(r->table, name, &value, &held) && held > serial)
            continue;
        if (slice_eq(name, DAMAGE_NAME))
            damage_mark(&r->damage, &nothing);
        else
            return refuse(r, ERR_CORRUPT,
                          "the newest record of this node's own state \"%.*s\" in %s is damaged: restore the directory from a "
                          "backup, or, while the other members are well, move it away and start this node as a new one",
                          (int)(name.n < 64 ? name.n : 64), (const char *)name.p, r->path);
    }
    return 0;
}

/* The segment that puts went to last: not always the one of the greatest number, for compaction makes some too. */
static struct segment *last_written(const struct replay *r)
{
    for (uint32_t i = r->found_n; i-- > 0;)
        if (r->found[i]->base != SEGMENT_COPIES)
            return r->found[i];
    return NULL;
}

static int replay_all(struct replay *r)
{
    struct window w = {.p = malloc(WINDOW_BYTES)};
    int error = w.p ? place_segments(r) : refuse(r, ERR_NO_MEMORY, "out of memory while reading %s", r->path);
    for (uint32_t i = 0; !error && i < r->found_n; i++) {
        error = replay_segment(r, r->found[i], &w);
        r->found[i]->ended = true;
    }
    free(w.p);
    if (!error)
        error = check_states(r);
    if (!error)
        error = check_list(r);
    if (!error) {
        r->segments->active = last_written(r);
        if (!r->segments->active)
            return refuse(r, ERR_CORRUPT, "%s holds no log file but copies: restore it from a backup", r->path);
        r->segments->active->ended = r->segments->active->aside; /* nothing is added to a damaged one */
    }
    return error;
}

static int make_first(struct replay *r)
{
    struct segment *s;
    int error = segments_reserve(r->segments) ? 0 : ERR_NO_MEMORY;
    if (!error)
        error = segments_create(&r->segments->numbers, r->dir, NULL, 0, r->io, &s);
    if (error)
        return refuse_io(r, 1, "create", errno);
    segments_add(r->segments, s);
    r->segments->active = s;
    return 0;
}

/* Opens the segments: all headers before any record, for they say where others end. */
static int open_all(struct replay *r, const uint32_t *number, uint32_t n)
{
    int error = 0;
    r->found = calloc(n ? n : 1, sizeof *r->found);
    if (!r->found)
        return refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
    for (uint32_t i = 0; !error && i < n; i++)
        error = open_segment(r, number[i]);
    for (uint32_t i = 0; !error && i < r->found_n; i++) {
        struct segment *before = find(r, r->found[i]->before);
        if (before)
            before->demanded = r->found[i]->before_end;
    }
    if (n > 0)
        r->segments->numbers.next = number[n - 1] + 1;
    return error;
}

/* Closes segments that did not get as far as a slot. */
static void close_unplaced(struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++) {
        struct segment *s = r->found[i];
        if (s->slot >= r->segments->slot_n || r->segments->slot[s->slot] != s)
            segment_close(s);
    }
    free(r->found);
    r->found = NULL;
    r->found_n = 0;
}

/* ---- With a snapshot, or without ---- */

static int use_snapshot(struct replay *r)
{
    struct snapshot_load l = {
        .dir = r->dir, .io = r->io, .table = r->table, .segments = r->segments, .found = r->found, .found_n = r->found_n};
    int error = snapshot_load(&l);
    if (error == ERR_NO_MEMORY)
        return refuse(r, error, "out of memory while reading the snapshot in %s", r->path);
    r->snapshot_bytes = error ? 0 : l.bytes;
    return error;
}

/* A snapshot may name no record that the log has not got, and there may be no damage that it does not know of. */
static bool snapshot_holds(const struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++)
        if (r->found[i]->end < r->found[i]->covered.reach)
            return false;
    return r->damaged == 0;
}

/* One attempt to read the directory. ERR_NOT_FOUND: the snapshot is not one to use. */
static int attempt(struct replay *r, const uint32_t *number, uint32_t n, bool with_snapshot)
{
    int error = open_all(r, number, n);
    if (!error && with_snapshot) {
        error = use_snapshot(r);
        if (error == ERR_CORRUPT || error == ERR_IO)
            error = ERR_NOT_FOUND;
    }
    if (!error && n > 0)
        error = replay_all(r);
    else if (!error)
        error = make_first(r);
    if (!error && with_snapshot && !snapshot_holds(r))
        error = ERR_NOT_FOUND;
    close_unplaced(r);
    return error;
}

/* Forgets all that an attempt has read, and the snapshot: were it left, it might fit again by accident. */
static int start_over(struct replay *r)
{
    bool used = r->snapshot_bytes > 0;
    segments_close(r->segments);
    segments_init(r->segments);
    table_close(r->table);
    r->damaged = 0;
    r->damage = (struct damage){0};
    r->lost_states.n = 0;
    r->snapshot_bytes = 0;
    if (used && r->report)
        r->report(r->report_arg, "the index's snapshot does not fit the log: the whole log is read");
    if (snapshot_remove(r->dir, r->io) != 0)
        return refuse(r, ERR_IO, "cannot remove the old snapshot in %s: %s", r->path, strerror(errno));
    return table_init(r->table, r->seed) ? refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path) : 0;
}

int replay_run(struct replay *r)
{
    uint32_t *number = NULL, n = 0;
    buf_init(&r->lost_states, LOST_STATES_MAX);
    int error = list_numbers(r, &number, &n);
    if (!error && n > SLOTS_MAX)
        error =
            refuse(r, ERR_CORRUPT, "%s holds %u log files; at most %u are possible", r->path, (unsigned)n, (unsigned)SLOTS_MAX);
    if (!error) {
        error = attempt(r, number, n, n > 0);
        if (error == ERR_NOT_FOUND) {
            error = start_over(r);
            error = error ? error : attempt(r, number, n, false);
        }
    }
    buf_close(&r->lost_states);
    free(number);
    return error;
}
