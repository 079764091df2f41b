/* replay_segment.c: one segment read again, from s->end (its header, or where the snapshot is
 * complete) to its end.
 *
 * The file is read through a window that is larger than any record. Where the bytes at an offset
 * are no record, the rest of the file is searched for a sync mark that vouches for more than that
 * offset (segment.c says why that distinguishes a torn tail from damage):
 *
 *     the rest of the file        then it is                          and the replay
 *     is zeros                    the end                             ends
 *     has no such mark            a torn tail, never acknowledged     cuts it, and ends
 *     has such a mark             damage                              passes over it, and goes on
 *
 * A damaged record whose key can be believed puts its slot in doubt, any other puts all slots in
 * doubt. A damaged state is noted; at the end of the replay it is known whether there is a newer
 * record of its name.
 *
 * A file without a header that can be believed is a wreck: which marks are its own is not known,
 * nor where it has to end. All slots are in doubt, so any record in it may be taken. (One that was
 * never acknowledged may be among them: the outcome of its write is unknown.) Nothing of a wreck is
 * cut, for the operator may want to look at it.
 *
 * In the end the file is cut behind its last record, and synced: its records are about to be
 * visible, and must not be less durable than what is acknowledged next. */
#include "store/log/replay_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/words.h"
#include "wire/bytes.h"

enum { SENTENCE = 1024 };

_Static_assert((size_t)REPLAY_WINDOW > (size_t)RECORD_MAX, "a record must fit the window");

/* The part of a segment that is in memory. */
struct window {
    const struct segment *segment;
    uint8_t *p;
    size_t n;
    uint32_t at; /* offset of p in the file */
    bool last;   /* the file ends where the window does */
};

/* ---- Records ---- */

/* Moves the window so that it begins at `at`, and reads on. 0 or -errno. */
static int window_move(struct window *w, const struct log_io *io, uint32_t at)
{
    CHECK(at >= w->at && at - w->at <= w->n);
    size_t keep = w->n - (at - w->at);
    memmove(w->p, w->p + (at - w->at), keep);
    w->at = at;
    ssize_t n =
        segment_read(w->segment, io, w->p + keep, REPLAY_WINDOW - keep, at + (uint32_t)keep, 0);
    if (n < 0)
        return (int)n;
    w->n = keep + (size_t)n;
    CHECK(w->n <= REPLAY_WINDOW);
    w->last = w->n < REPLAY_WINDOW;
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
    int error = table_replay(r->table, v, s->ordinal, at);
    if (error == ERR_BAD_FORMAT)
        return replay_refuse(r, error,
                             "%s/seg-%08u.log holds a record of kind %u at offset %u, which this "
                             "release cannot read: run the one that wrote it",
                             r->path, (unsigned)s->number, v->record.kind, (unsigned)at);
    if (error)
        return replay_refuse(r, error, "cannot take the record at offset %u of %s/seg-%08u.log: %s",
                             (unsigned)at, r->path, (unsigned)s->number, error_sentence(error));
    return 0;
}

/* Takes records from s->end on, and moves s->end behind the last of them. */
static int scan(struct replay *r, struct segment *s, struct window *w)
{
    for (;;) {
        struct record_view v;
        CHECK(s->end >= w->at && s->end - w->at <= w->n);
        int n = record_decode(slice_of(w->p + (s->end - w->at), w->n - (s->end - w->at)), &v);
        if (n == ERR_INCOMPLETE && !w->last) {
            int cause = window_move(w, r->io, s->end);
            if (cause)
                return replay_refuse_unread(r, s->number, -cause);
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

/* ---- The end ---- */

/* Whether the window holds a mark that vouches for more than `at`. */
static bool find_mark(const struct window *w, uint32_t at)
{
    const uint8_t *p = w->p, *end = w->p + w->n;
    struct slice name = MARK_NAME;
    while ((p = memmem(p, (size_t)(end - p), name.p, name.n)) != NULL) {
        struct record_view v;
        uint32_t vouched;
        const uint8_t *start = p - RECORD_HEADER;
        if (p - w->p >= RECORD_HEADER &&
            record_decode(slice_of(start, (size_t)(end - start)), &v) > 0 &&
            segment_is_mark(w->segment, &v.record, &vouched) && vouched > at)
            return true;
        p++;
    }
    return false;
}

enum tail { TAIL_EMPTY, TAIL_TORN, TAIL_DAMAGED };

/* Finds out what lies behind the last good record. 0 or -errno. */
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
        /* a mark may lie across the edge */
        cause = window_move(w, r->io, w->at + (uint32_t)w->n - (MARK_BYTES - 1));
    }
    return cause;
}

static void report(struct replay *r, const struct segment *s, const char *format, ...)
{
    char what[SENTENCE / 2], sentence[SENTENCE];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(sentence, sizeof sentence, "%s at offset %u of %s/seg-%08u.log", what,
             (unsigned)s->end, r->path, (unsigned)s->number);
    if (r->report)
        r->report(r->report_arg, sentence);
}

void replay_doubt_all(struct replay *r)
{
    static const struct damage_finding nothing = {0};
    r->damaged++;
    damage_mark(&r->damage, &nothing);
}

void replay_too_short(struct replay *r, struct segment *s)
{
    if (s->wreck)
        return;
    report(r, s,
           "the end is missing, which may have been of any slot: all is to be compared with the "
           "other owners,");
    s->first = s->aside = s->doubted = true;
    replay_doubt_all(r);
}

/* ---- Damage ---- */

/* Notes a damaged state record: it is no loss if there is a newer one of its name, which is known
 * when all has been read. A damaged mark is no loss. */
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

/* How many bytes to pass over from the bad record at the start of the window: up to the next good
 * record, or to where one may begin that the edge of the window cuts off. */
static uint32_t to_next(const struct window *w)
{
    size_t next = segment_resync(slice_of(w->p, w->n));
    if (next == 0)
        next = w->last ? w->n : w->n - RECORD_MAX;
    return (uint32_t)next;
}

/* Passes over the bad record at s->end and puts its slot in doubt, or all. *step: how many bytes to
 * pass over. */
static int pass_over(struct replay *r, struct segment *s, struct window *w, uint32_t *step)
{
    struct slice bytes = slice_of(w->p, w->n);
    struct damage_finding f = damage_look(bytes);
    report(r, s,
           f.size
               ? "set a damaged record of slot %u aside, to be fetched again from the other owners,"
               : "set damage aside that may have been of any slot: all is to be compared with the "
                 "other owners,",
           f.slot);
    *step = f.size ? f.size : to_next(w);
    r->damaged++;
    s->first = s->aside = s->doubted = true;
    if (f.size && f.state)
        return note_state(r, &f)
                   ? replay_refuse(r, ERR_NO_MEMORY, "out of memory while reading %s", r->path)
                   : 0;
    damage_mark(&r->damage, &f);
    return 0;
}

/* ---- All of it ---- */

static int open_window(struct replay *r, const struct segment *s, struct window *w)
{
    CHECK(s->end >= SEGMENT_HEADER);
    w->segment = s;
    w->n = 0;
    w->at = s->end;
    int cause = window_move(w, r->io, s->end);
    return cause ? replay_refuse_unread(r, s->number, -cause) : 0;
}

/* Takes the records of a segment from s->end on, past damage. *tail: how the segment ends. */
static int scan_through(struct replay *r, struct segment *s, struct window *w, enum tail *tail)
{
    for (;;) {
        uint32_t step;
        int error = scan(r, s, w);
        if (error)
            return error;
        int cause = look_behind(r, s, w, tail);
        if (cause)
            return replay_refuse_unread(r, s->number, -cause);
        if (*tail != TAIL_DAMAGED)
            return 0;
        error = open_window(r, s, w); /* looking behind has moved it on */
        if (!error)
            error = pass_over(r, s, w, &step);
        if (error)
            return error;
        CHECK(step > 0 && step <= UINT32_MAX - s->end);
        s->end += step;
    }
}

/* Takes all that is a record in a wreck, which ends behind the last of them. */
static int scan_wreck(struct replay *r, struct segment *s, struct window *w)
{
    uint32_t end = s->end;
    for (;;) {
        uint32_t from = s->end;
        int error = scan(r, s, w);
        if (error)
            return error;
        end = s->end > from ? s->end : end;
        int cause = window_move(w, r->io, s->end);
        if (cause)
            return replay_refuse_unread(r, s->number, -cause);
        uint32_t step = to_next(w);
        if (w->last && step == w->n)
            break;
        s->end += step;
    }
    s->end = end;
    return 0;
}

/* Cuts what lies behind the last record. */
static int cut_tail(struct replay *r, struct segment *s, enum tail tail, uint32_t size)
{
    if (tail == TAIL_TORN && s->demanded == 0) {
        r->torn_bytes += size - s->end;
        report(r, s, "cut a torn tail of %u byte%s, which was never synced,",
               (unsigned)(size - s->end), words_s(size - s->end));
    }
    if (size > s->end && ftruncate(s->fd, s->end) != 0)
        return replay_refuse_io(r, s->number, "cut the torn tail of", errno);
    return 0;
}

static int take_sound(struct replay *r, struct segment *s, struct window *w, uint32_t size)
{
    enum tail tail;
    int error = scan_through(r, s, w, &tail);
    if (error)
        return error;
    if (s->end < s->demanded)
        replay_too_short(r, s);
    return cut_tail(r, s, tail, size);
}

static int take_wreck(struct replay *r, struct segment *s, struct window *w)
{
    replay_doubt_all(r);
    int error = scan_wreck(r, s, w);
    if (!error)
        report(r, s,
               "the header is damaged, and so may be anything up to what could be read of it: all "
               "is to be compared with the "
               "other owners,");
    return error;
}

int replay_segment(struct replay *r, struct segment *s, uint8_t *room)
{
    struct stat st;
    struct window w = {.p = room};
    if (fstat(s->fd, &st) != 0)
        return replay_refuse_unread(r, s->number, errno);
    if (st.st_size > UINT32_MAX)
        return replay_refuse(
            r, ERR_CORRUPT,
            "%s/seg-%08u.log is larger than any log file: move it away, for it is not one of ours",
            r->path, (unsigned)s->number);
    int error = open_window(r, s, &w);
    if (!error)
        error = s->wreck ? take_wreck(r, s, &w) : take_sound(r, s, &w, (uint32_t)st.st_size);
    if (!error && segment_sync(s, r->io, s->end) != 0)
        error = replay_refuse_io(r, s->number, "sync", errno);
    s->published = s->end;
    return error;
}
