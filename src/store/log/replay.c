/* replay.c: a directory read again: which files there are, in which order they are believed, and
 * what must be there.
 *
 *     list the files --> open all (headers) --> the snapshot, if it fits --> each segment, from
 *                             ^                        |                     where that is complete
 *                             |                        |                     (replay_segment.c)
 *                             '-- start over, without -+-- it does not fit -----------'
 *
 * A start must notice when less is there than was acknowledged:
 *
 *     it looks whether                                          else
 *     every segment is there that the newest list names, and    all slots are in doubt
 *     every one that was made since
 *     each segment is as long as the list and its successor     all slots are in doubt
 *     say, and has a header that can be believed
 *     a damaged record of the node's own state has a newer one  an older one counts, and all slots
 *                                                               are in doubt
 *
 * The node heals slots in doubt from other owners (core/repair/repair_recover.c). None of its own
 * states is missing unless the last segments are (log_states.c). Where one may be missing the node
 * casts no vote (core/node/shard.c), and it does not start without its identity (rt/loss.c). A file
 * that a crash left unfinished was never used by anybody: it is removed.
 *
 * A snapshot is never more than a short cut. When it is damaged, names records that the log does
 * not have, or damage turns up behind it, all that was read is dropped, and the log is read from
 * its beginning. */
#include "store/log/replay_inner.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/check.h"
#include "base/error.h"
#include "store/log/snapshot.h"
#include "wire/bytes.h"

/* Bytes for the names of damaged state records: a directory with more of them is beyond help. */
enum { LOST_STATES_MAX = 1024 * 1024 };

int replay_refuse(struct replay *r, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, r->why_n, format, args);
    va_end(args);
    return error;
}

int replay_refuse_io(struct replay *r, uint32_t number, const char *what, int cause)
{
    return replay_refuse(r, log_io_error(cause), "cannot %s %s/seg-%08u.log: %s", what, r->path,
                         (unsigned)number, strerror(cause));
}

int replay_refuse_unread(struct replay *r, uint32_t number, int cause)
{
    return replay_refuse(r, log_io_error(cause),
                         "cannot read %s/seg-%08u.log: %s; where it cannot be mended, move it "
                         "away: what it held is then fetched "
                         "from the other members",
                         r->path, (unsigned)number, strerror(cause));
}

/* Reports to the operator. */
static void report(struct replay *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void report(struct replay *r, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (r->report)
        r->report(r->report_arg, sentence);
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
    return (n == 16 && strncmp(name, "seg-", 4) == 0 && strcmp(name + 12, ".new") == 0) ||
           strcmp(name, SNAPSHOT_NEW) == 0;
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
        return replay_refuse(r, ERR_IO, "cannot list the data directory %s: %s", r->path,
                             strerror(errno));
    }
    rewinddir(d); /* a dup shares its position */
    for (struct dirent *e = readdir(d); e && !error; e = readdir(d)) {
        uint32_t found = segment_number(e->d_name);
        if (is_unfinished(e->d_name))
            unlinkat(r->dir, e->d_name, 0);
        if (found == 0)
            continue;
        uint32_t *room = array_room(*number, *n, &cap, sizeof *room);
        if (!room) {
            error = replay_refuse(r, ERR_NO_MEMORY, "out of memory while listing %s", r->path);
            break;
        }
        *number = room;
        room[(*n)++] = found;
    }
    closedir(d);
    if (*n > 0)
        qsort(*number, *n, sizeof **number, by_number);
    return error;
}

/* The segment of a number, NULL when there is none. */
static struct segment *find(const struct replay *r, uint32_t number)
{
    return segments_numbered(r->found, r->found_n, number);
}

static int open_segment(struct replay *r, uint32_t number)
{
    uint32_t says;
    struct segment **opened = &r->found[r->found_n];
    CHECK(r->found_n == 0 || r->found[r->found_n - 1]->number < number);
    int error = segment_open(r->dir, number, opened, &says);
    if (error == ERR_CORRUPT)
        error = segment_open_wreck(r->dir, number, opened);
    if (error == ERR_BAD_FORMAT)
        return replay_refuse(r, error,
                             "%s/seg-%08u.log has format version %u; this release knows version "
                             "%u: run the one that wrote it",
                             r->path, (unsigned)number, (unsigned)says, (unsigned)SEGMENT_FORMAT);
    if (error == ERR_REFUSED)
        return replay_refuse(r, error,
                             "%s/seg-%08u.log is log file %u under another name: give it back the "
                             "name seg-%08u.log, or move it "
                             "away; what it held is then fetched from the other members",
                             r->path, (unsigned)number, (unsigned)says, (unsigned)says);
    if (error)
        return replay_refuse_unread(r, number, errno);
    r->found_n++;
    return 0;
}

/* The number is used: the next one lies above it. */
static void number_above(struct replay *r, uint32_t number)
{
    if (number >= r->segments->numbers.next)
        r->segments->numbers.next = number + 1;
}

/* Opens the segments. All headers are read before any record, for they say where others end. */
static int open_all(struct replay *r, const uint32_t *number, uint32_t n)
{
    int error = 0;
    r->found = calloc(n ? n : 1, sizeof *r->found);
    if (!r->found)
        return replay_refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
    for (uint32_t i = 0; !error && i < n; i++)
        error = open_segment(r, number[i]);
    for (uint32_t i = 0; !error && i < r->found_n; i++) {
        struct segment *before = find(r, r->found[i]->before);
        if (before)
            before->demanded = r->found[i]->before_end;
    }
    if (n > 0)
        number_above(r, number[n - 1]);
    number_above(r, r->named); /* also when the snapshot that named it was dropped */
    return error;
}

/* Closes the segments that were not taken in. */
static void close_unplaced(struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++)
        if (!segments_have(r->segments, r->found[i]))
            segment_close(r->found[i]);
    free(r->found);
    r->found = NULL;
    r->found_n = 0;
}

/* ---- What must be there ---- */

static void miss(struct replay *r, uint32_t number)
{
    if (r->missing++ == 0)
        r->missing_first = number;
}

/* Every segment must be there that the newest list names, and every one made since. That one was
 * made is known from a segment of a greater number, or from the snapshot. */
static void check_list(struct replay *r)
{
    struct slice list = {0};
    uint64_t serial;
    uint32_t number, end;
    table_state(r->table, LIST_NAME, &list, &serial);
    for (uint32_t i = 0; segments_listed(list, i, &number, &end); i++) {
        struct segment *s = find(r, number);
        if (!s)
            miss(r, number);
        else if (s->end < end)
            replay_too_short(r, s);
    }
    for (number = segments_list_next(list); number < r->segments->numbers.next; number++)
        if (!find(r, number))
            miss(r, number);
    number_above(r, segments_list_next(list) - 1); /* the numbers of segments that went are used */
    if (r->missing == 0)
        return;
    replay_doubt_all(r);
    report(r,
           "%s/seg-%08u.log is missing%s: it may have held any record, so all is to be compared "
           "with the other owners",
           r->path, (unsigned)r->missing_first, r->missing > 1 ? ", and so are others" : "");
}

/* A damaged state record is no loss where there is a newer one of its name. Else the state has gone
 * back to an older record, or to none. */
static void check_states(struct replay *r)
{
    struct slice left = buf_view(&r->lost_states), value;
    size_t left_n = 0; /* bytes of lost_states that stay */
    while (left.n > 0) {
        uint64_t serial = get_u64(left.p), held;
        struct slice item = slice_of(left.p, 12 + get_u32(left.p + 8)),
                     name = slice_of(left.p + 12, item.n - 12);
        CHECK(item.n <= left.n);
        left = slice_of(left.p + item.n, left.n - item.n);
        if (table_state(r->table, name, &value, &held) && held > serial)
            continue;
        memmove(r->lost_states.p + left_n, item.p, item.n);
        left_n += item.n;
        replay_doubt_all(r);
        report(r,
               "the newest record of this node's own state \"%.*s\" in %s is damaged: an older one "
               "counts, and all is to be "
               "compared with the other owners",
               (int)(name.n < 64 ? name.n : 64), (const char *)name.p, r->path);
    }
    CHECK(left_n <= r->lost_states.n);
    r->lost_states.n = left_n;
}

/* The segment that puts went to last: not always the one of the greatest number, for compaction
 * makes some too. NULL: there is none. It may be a wreck, whose base is not known: that is taken to
 * be where the segment before it ends. */
static struct segment *last_written(const struct replay *r)
{
    struct segment *last = NULL;
    for (uint32_t i = 0; i < r->found_n; i++) {
        struct segment *s = r->found[i];
        if (s->wreck)
            s->base = last ? segment_next_base(last) : 0;
        if (s->base != SEGMENT_COPIES)
            last = s;
    }
    return last;
}

/* ---- The records ---- */

/* Makes room for one more segment: an ordinal, and a tally under it. 0 or ERR_NO_MEMORY. */
static int make_room(struct replay *r)
{
    return segments_reserve(r->segments)
               ? tally_room(&r->table->tallies, (uint16_t)r->segments->ordinal_n)
               : ERR_NO_MEMORY;
}

/* Takes in the segments that the snapshot does not name. */
static int place_segments(struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++) {
        struct segment *s = r->found[i];
        if (segments_have(r->segments, s))
            continue;
        if (make_room(r) != 0)
            return replay_refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
        segments_add(r->segments, s);
    }
    return 0;
}

/* Makes the active segment where there is none. */
static int make_active(struct replay *r)
{
    struct segment *s;
    CHECK(!r->segments->active);
    int error = make_room(r);
    if (!error)
        error = segments_create(&r->segments->numbers, r->dir, NULL, 0, r->io, &s);
    if (error)
        return replay_refuse_io(r, r->segments->numbers.next, "create", errno);
    segments_add(r->segments, s);
    r->segments->active = s;
    return 0;
}

static int replay_all(struct replay *r)
{
    uint8_t *room = malloc(REPLAY_WINDOW);
    int error = room ? place_segments(r)
                     : replay_refuse(r, ERR_NO_MEMORY, "out of memory while reading %s", r->path);
    for (uint32_t i = 0; !error && i < r->found_n; i++) {
        error = replay_segment(r, r->found[i], room);
        r->found[i]->ended = true;
        CHECK(error || r->found[i]->published == r->found[i]->end);
    }
    free(room);
    if (error)
        return error;
    check_states(r);
    check_list(r);
    struct segment *active = last_written(r);
    if (!active) /* there are only copies: every segment that puts went to is missing */
        return make_active(r);
    CHECK(segments_have(r->segments, active));
    active->ended = active->aside; /* nothing is appended to a damaged one */
    r->segments->active = active;
    return 0;
}

/* ---- With a snapshot, or without ---- */

static int use_snapshot(struct replay *r)
{
    struct snapshot_load l = {.dir = r->dir,
                              .io = r->io,
                              .table = r->table,
                              .segments = r->segments,
                              .found = r->found,
                              .found_n = r->found_n};
    int error = snapshot_load(&l);
    if (error == ERR_NO_MEMORY)
        return replay_refuse(r, error, "out of memory while reading the snapshot in %s", r->path);
    if (error == ERR_BAD_FORMAT) /* it holds nothing that the log lacks, so it is not refused */
        report(r,
               SNAPSHOT_NAME " has format version %u; this release knows version %u: the whole log "
                             "is read, and it is written "
                             "anew",
               (unsigned)l.format, (unsigned)SNAPSHOT_FORMAT);
    r->snapshot_bytes = error ? 0 : l.bytes;
    r->named = error ? 0 : l.greatest;
    number_above(r, r->named);
    return error;
}

/* Whether the snapshot could be used: it names no record that the log lacks, and no damage turned
 * up, of which it knows nothing. */
static bool snapshot_holds(const struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++)
        if (r->found[i]->end < r->found[i]->covered.named_to)
            return false;
    return r->damaged == 0;
}

/* One attempt to read the directory. ERR_NOT_FOUND: the snapshot is of no use. */
static int attempt(struct replay *r, const uint32_t *number, uint32_t n, bool with_snapshot)
{
    int error = open_all(r, number, n);
    if (!error && with_snapshot) {
        error = use_snapshot(r);
        if (error == ERR_CORRUPT || error == ERR_IO || error == ERR_BAD_FORMAT)
            error = ERR_NOT_FOUND;
    }
    if (!error && n > 0)
        error = replay_all(r);
    else if (!error)
        error = make_active(r);
    if (!error && with_snapshot && !snapshot_holds(r))
        error = ERR_NOT_FOUND;
    close_unplaced(r);
    return error;
}

/* Drops all that an attempt has read, and removes the snapshot: were it left, it might fit by
 * accident at a later start. */
static int start_over(struct replay *r)
{
    bool used = r->snapshot_bytes > 0;
    segments_close(r->segments);
    segments_init(r->segments);
    table_close(r->table);
    int error = table_init(r->table, r->seed);
    r->damaged = r->missing = 0;
    r->damage = (struct damage){0};
    r->lost_states.n = 0;
    r->snapshot_bytes = 0;
    if (used)
        report(r, "the index's snapshot does not fit the log: the whole log is read");
    if (snapshot_remove(r->dir, r->io) != 0)
        return replay_refuse(r, ERR_IO, "cannot remove the old snapshot in %s: %s", r->path,
                             strerror(errno));
    return error ? replay_refuse(r, error, "out of memory while opening %s", r->path) : 0;
}

int replay_run(struct replay *r)
{
    CHECK(r->segments->n == 0 && r->table->index.records == 0);
    uint32_t *number = NULL, n = 0;
    buf_init(&r->lost_states, LOST_STATES_MAX);
    int error = list_numbers(r, &number, &n);
    if (!error && n > SEGMENTS_MAX)
        error = replay_refuse(
            r, ERR_CORRUPT,
            "%s holds %u log files; at most %u are possible: move away what is not of one log",
            r->path, (unsigned)n, (unsigned)SEGMENTS_MAX);
    if (!error) {
        error = attempt(r, number, n, n > 0);
        if (error == ERR_NOT_FOUND) {
            error = start_over(r);
            error = error ? error : attempt(r, number, n, false);
        }
    }
    free(number);
    return error;
}
