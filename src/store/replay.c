/* replay.c: a directory read again: which files there are, in which order they are believed, and what must be there.
 *
 *     list the files --> open all (headers) --> the snapshot, if it fits --> each segment, from where the snapshot ends
 *                             ^                        |                     (replay_segment.c)
 *                             '-- start over, without -+-- it does not fit --'
 *
 * A start must not believe less than was acknowledged. So before the directory is taken: every segment that the newest list names
 * is there, as long as the list says, and all that were made since; each is as long as the one after it demands; a damaged
 * record of the node's own state has a successor. Whatever fails is refused with a sentence that names the file and the remedy.
 * Of files whose making a crash cut short nothing is known to anybody: they go.
 *
 * A snapshot is never more than a short cut: when it is damaged, names what the log has not got, or damage turns up behind it,
 * all that was read is forgotten, and the log is read from its beginning. */
#include "store/replay_inner.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/error.h"
#include "store/snapshot.h"
#include "wire/bytes.h"

enum { LOST_STATES_MAX = 1024 * 1024 }; /* of names of damaged state records: a directory with more of them is beyond help */

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
    return replay_refuse(r, log_io_error(cause), "cannot %s %s/seg-%08u.log: %s", what, r->path, (unsigned)number,
                         strerror(cause));
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
        return replay_refuse(r, ERR_IO, "cannot list the data directory %s: %s", r->path, strerror(errno));
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
    uint32_t format;
    int error = segment_open(r->dir, number, &r->found[r->found_n], &format);
    if (!error)
        r->found_n++;
    if (error == ERR_BAD_FORMAT)
        return replay_refuse(r, error,
                             "%s/seg-%08u.log has format version %u; this release knows version %u: run the one that wrote it",
                             r->path, (unsigned)number, (unsigned)format, (unsigned)SEGMENT_FORMAT);
    if (error == ERR_CORRUPT)
        return replay_refuse(
            r, error,
            "%s/seg-%08u.log has no header of a log file: restore it from a backup, or move it away if it is not covey's",
            r->path, (unsigned)number);
    if (error)
        return replay_refuse_io(r, number, "open", errno);
    return 0;
}

/* Opens the segments: all headers before any record, for they say where others end. */
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

/* ---- What must be there ---- */

static int refuse_missing(struct replay *r, uint32_t number)
{
    return replay_refuse(
        r, ERR_CORRUPT,
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
        int error = !s ? refuse_missing(r, number) : s->end < end ? replay_too_short(r, s) : 0;
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
            return replay_refuse(
                r, ERR_CORRUPT,
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

/* ---- The records ---- */

/* Gives the segments slots that the snapshot has not, and forgets them as ours. */
static int place_segments(struct replay *r)
{
    for (uint32_t i = 0; i < r->found_n; i++) {
        struct segment *s = r->found[i];
        bool placed = s->slot < r->segments->slot_n && r->segments->slot[s->slot] == s;
        if (placed)
            continue;
        if (!segments_reserve(r->segments))
            return replay_refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
        segments_add(r->segments, s);
        if (tally_room(&r->table->tallies, s->slot) != 0)
            return replay_refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path);
    }
    return 0;
}

static int replay_all(struct replay *r)
{
    uint8_t *room = malloc(REPLAY_WINDOW);
    int error = room ? place_segments(r) : replay_refuse(r, ERR_NO_MEMORY, "out of memory while reading %s", r->path);
    for (uint32_t i = 0; !error && i < r->found_n; i++) {
        error = replay_segment(r, r->found[i], room);
        r->found[i]->ended = true;
    }
    free(room);
    if (!error)
        error = check_states(r);
    if (!error)
        error = check_list(r);
    if (!error) {
        r->segments->active = last_written(r);
        if (!r->segments->active)
            return replay_refuse(r, ERR_CORRUPT, "%s holds no log file but copies: restore it from a backup", r->path);
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
        return replay_refuse_io(r, 1, "create", errno);
    segments_add(r->segments, s);
    r->segments->active = s;
    return 0;
}

/* ---- With a snapshot, or without ---- */

static int use_snapshot(struct replay *r)
{
    struct snapshot_load l = {
        .dir = r->dir, .io = r->io, .table = r->table, .segments = r->segments, .found = r->found, .found_n = r->found_n};
    int error = snapshot_load(&l);
    if (error == ERR_NO_MEMORY)
        return replay_refuse(r, error, "out of memory while reading the snapshot in %s", r->path);
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
        return replay_refuse(r, ERR_IO, "cannot remove the old snapshot in %s: %s", r->path, strerror(errno));
    return table_init(r->table, r->seed) ? replay_refuse(r, ERR_NO_MEMORY, "out of memory while opening %s", r->path) : 0;
}

int replay_run(struct replay *r)
{
    uint32_t *number = NULL, n = 0;
    buf_init(&r->lost_states, LOST_STATES_MAX);
    int error = list_numbers(r, &number, &n);
    if (!error && n > SLOTS_MAX)
        error = replay_refuse(r, ERR_CORRUPT, "%s holds %u log files; at most %u are possible", r->path, (unsigned)n,
                              (unsigned)SLOTS_MAX);
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
