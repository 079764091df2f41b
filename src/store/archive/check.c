/* check.c: a data directory looked through from end to end.
 *
 * Every byte is read, and these are checked:
 *
 * - the header of each segment, and the checksum of each record;
 * - each value, uncompressed, against the digest in its version;
 * - where each segment ends, as its seal, its successor's header and the list say;
 * - that every segment is there that must be;
 * - the snapshot: a start with it must find what all of the log says.
 *
 * A torn tail that was never synced is no damage; a line says that it is there. The same goes for
 * those hints that a start would pass over: nothing says how far they were synced. */
#include "store/archive/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/words.h"
#include "base/hash.h"
#include "store/log/damage.h"
#include "store/archive/merged.h"
#include "store/hints/hints_file.h"
#include "store/log/segments.h"
#include "store/log/snapshot.h"

enum { LINE = 512 };

struct check {
    int dir;
    void (*say)(void *arg, const char *line);
    void *arg;
    struct segments segments;
    struct table log; /* what a start without the snapshot would find */
    struct buf scratch;
    uint64_t records, problems;
    uint32_t list_next; /* the next number of a segment, as the newest list has it */
    bool unreadable;    /* something could not be read: there is no verdict */
};

static __attribute__((format(printf, 2, 3))) void say(struct check *c, const char *format, ...)
{
    char line[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->say(c->arg, line);
}

#define PROBLEM(c, ...) ((c)->problems++, say(c, __VA_ARGS__))

static void unreadable(struct check *c, const char *what)
{
    say(c,
        "cannot read %s: %s; name the data directory of a stopped node, or a backup, that you may "
        "read",
        what, strerror(errno));
    c->unreadable = true;
}

/* ---- One segment ---- */

/* The file as bytes; empty when it cannot be mapped. */
static struct slice map(struct check *c, const struct segment *s)
{
    struct stat st;
    char name[SEGMENT_NAME];
    segment_name(s->number, name);
    void *p = fstat(s->fd, &st) == 0
                  ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, s->fd, 0)
                  : MAP_FAILED;
    if (p != MAP_FAILED)
        return slice_of(p, (size_t)st.st_size);
    if (!s->wreck) /* it may be empty */
        unreadable(c, name);
    return slice_of(NULL, 0);
}

static void check_value(struct check *c, const struct segment *s, uint32_t at,
                        const struct record_view *v)
{
    struct slice value;
    if (record_value(v, &c->scratch, &value) != 0)
        PROBLEM(c, "seg-%08u.log: offset %u: the value cannot be uncompressed", (unsigned)s->number,
                (unsigned)at);
    else if (v->record.kind == RECORD_VALUE && hash_bytes(value) != v->record.version.digest)
        PROBLEM(c, "seg-%08u.log: offset %u: the value is not the one its version names",
                (unsigned)s->number, (unsigned)at);
    if (record_slot(&v->record) != v->slot)
        PROBLEM(c, "seg-%08u.log: offset %u: slot %u is not its key's", (unsigned)s->number,
                (unsigned)at, v->slot);
}

static void take(struct check *c, struct segment *s, uint32_t at, const struct record_view *v)
{
    uint32_t vouched;
    c->records++;
    check_value(c, s, at, v);
    if (v->record.kind == RECORD_STATE && slice_eq(v->record.key, MARK_NAME)) {
        if (segment_is_mark(s, &v->record, &vouched) && vouched > at)
            PROBLEM(c, "seg-%08u.log: offset %u: a mark vouches for what comes behind it",
                    (unsigned)s->number, (unsigned)at);
        return;
    }
    int error = table_replay(&c->log, v, s->ordinal, at);
    if (error)
        PROBLEM(c, "seg-%08u.log: offset %u: a record of kind %u: %s", (unsigned)s->number,
                (unsigned)at, v->record.kind, error_sentence(error));
}

/* Whether a mark in bytes vouches for more than `at`. */
static bool vouched_behind(const struct segment *s, struct slice bytes, uint32_t at)
{
    for (size_t i = 0, step; i < bytes.n; i += step) {
        struct record_view v;
        uint32_t vouched;
        struct slice left = slice_of(bytes.p + i, bytes.n - i);
        int n = record_decode(left, &v);
        if (n > 0 && segment_is_mark(s, &v.record, &vouched) && vouched > at)
            return true;
        step = n > 0 ? (size_t)n : segment_resync(left);
        if (step == 0)
            return false;
    }
    return false;
}

/* Looks at bytes that are no record: damage, which is reported up to the next record, or the end.
 * Returns how many bytes to pass over; 0: the segment has ended. */
static size_t look(struct check *c, struct segment *s, struct slice left)
{
    struct damage_finding f = damage_look(left);
    if (slice_zero(left))
        return 0;
    if (!vouched_behind(s, left, s->end)) {
        if (s->demanded == 0)
            say(c, "seg-%08u.log: offset %u: a torn tail of %zu byte%s, never synced",
                (unsigned)s->number, (unsigned)s->end, left.n, words_s(left.n));
        return 0;
    }
    size_t step = f.size ? f.size : segment_resync(left);
    if (f.size)
        PROBLEM(c, "seg-%08u.log: offset %u: a damaged record of %zu bytes in slot %u",
                (unsigned)s->number, (unsigned)s->end, step, f.slot);
    else
        PROBLEM(c, "seg-%08u.log: offset %u: %zu byte%s no record", (unsigned)s->number,
                (unsigned)s->end, step, step == 1 ? " that is" : "s that are");
    return step;
}

/* Takes the records of a segment. What a wreck holds is for a start to find out. */
static void check_segment(struct check *c, struct segment *s)
{
    struct slice bytes = s->wreck ? slice_of(NULL, 0) : map(c, s);
    while (s->end < bytes.n) {
        struct record_view v;
        struct slice left = slice_of(bytes.p + s->end, bytes.n - s->end);
        int n = record_decode(left, &v);
        if (n > 0)
            take(c, s, s->end, &v);
        size_t step = n > 0 ? (size_t)n : look(c, s, left);
        if (step == 0)
            break;
        s->end += (uint32_t)step;
    }
    if (bytes.p && s->end < s->demanded)
        PROBLEM(c, "seg-%08u.log: offset %u: the end is missing, up to offset %u",
                (unsigned)s->number, (unsigned)s->end, (unsigned)s->demanded);
    s->published = s->end;
    if (bytes.p)
        munmap((void *)(uintptr_t)bytes.p, bytes.n);
}

/* ---- All of them ---- */

static struct segment *find(const struct check *c, uint32_t number)
{
    struct segment *s;
    uint32_t i = 0;
    while ((s = segments_next(&c->segments, &i)) != NULL && s->number != number)
        ;
    return s;
}

static void open_segment(struct check *c, const char *name, uint32_t number)
{
    struct segment *s;
    uint32_t says = 0;
    int error =
        segments_reserve(&c->segments) ? segment_open(c->dir, number, &s, &says) : ERR_NO_MEMORY;
    if (error == ERR_BAD_FORMAT)
        PROBLEM(c,
                "%s: format version %u; this release knows version %u: check it with the one that "
                "wrote it",
                name, (unsigned)says, (unsigned)SEGMENT_FORMAT);
    else if (error == ERR_CORRUPT && (error = segment_open_wreck(c->dir, number, &s)) == 0)
        PROBLEM(c, "%s: the header is damaged", name);
    else if (error == ERR_REFUSED)
        PROBLEM(c,
                "%s: is log file %u under another name: give it back the name seg-%08u.log, or "
                "move it away",
                name, (unsigned)says, (unsigned)says);
    else if (error)
        unreadable(c, name);
    if (error)
        return;
    segments_add(&c->segments, s);
    if (tally_room(&c->log.tallies, s->ordinal) != 0)
        c->unreadable = true;
    if (number >= c->segments.numbers.next)
        c->segments.numbers.next = number + 1;
}

static void open_segments(struct check *c, DIR *d)
{
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        uint32_t number = segment_number(e->d_name);
        if (number != 0)
            open_segment(c, e->d_name, number);
        else if (strncmp(e->d_name, "damaged-", 8) == 0)
            say(c, "%s: set aside by a node that found damage in it", e->d_name);
    }
    uint32_t i = 0;
    for (const struct segment *s; (s = segments_next(&c->segments, &i)) != NULL;) {
        struct segment *before = find(c, s->before);
        if (before)
            before->demanded = s->before_end;
    }
}

/* Every segment must be there that was made since the list. */
static void check_made_since(struct check *c, uint32_t number, uint32_t end)
{
    for (; number < end; number++)
        if (!find(c, number))
            PROBLEM(c, "seg-%08u.log: is missing", (unsigned)number);
}

static void check_list(struct check *c)
{
    struct slice list = {0};
    uint64_t serial;
    uint32_t number, end;
    table_state(&c->log, LIST_NAME, &list, &serial);
    for (uint32_t i = 0; segments_listed(list, i, &number, &end); i++) {
        const struct segment *s = find(c, number);
        if (!s)
            PROBLEM(c, "seg-%08u.log: is missing", (unsigned)number);
        else if (s->end < end && s->demanded < end && !s->wreck)
            PROBLEM(c, "seg-%08u.log: offset %u: the end is missing, up to offset %u",
                    (unsigned)number, (unsigned)s->end, (unsigned)end);
    }
    c->list_next = segments_list_next(list);
    check_made_since(c, c->list_next, c->segments.numbers.next);
}

/* ---- The snapshot ---- */

/* Each record that counts must also be held, at its version, after a start with the snapshot. */
static void compare_segment(struct check *c, const struct segment *s, const struct table *with)
{
    struct slice bytes = map(c, s);
    for (uint32_t at = SEGMENT_HEADER; at < s->published;) {
        struct record_view v;
        struct location here = {at, s->ordinal};
        enum standing standing;
        struct slice left = slice_of(bytes.p + at, s->published - at);
        int n = bytes.p ? record_decode(left, &v) : 0;
        if (n <= 0) {
            size_t step = bytes.p ? segment_resync(left) : 0;
            at = step ? at + (uint32_t)step : s->published;
            continue;
        }
        at += (uint32_t)n;
        struct index_item held;
        table_standing(&c->log, &v, &here, 1, &standing, &held);
        if (standing == STANDING_LIVE && v.record.kind != RECORD_STATE &&
            !table_holds(with, v.record.key, &v.record.version))
            PROBLEM(c,
                    "snapshot: the record at offset %u of seg-%08u.log is not in it, nor in the "
                    "log's tail",
                    (unsigned)here.offset, (unsigned)s->number);
    }
    if (bytes.p)
        munmap((void *)(uintptr_t)bytes.p, bytes.n);
}

static void replay_tail(struct check *c, struct table *with, const struct segment *s, uint32_t from)
{
    struct slice bytes = map(c, s);
    for (uint32_t at = from; bytes.p && at < s->published;) {
        struct record_view v;
        int n = record_decode(slice_of(bytes.p + at, s->published - at), &v);
        if (n <= 0)
            break;
        if (tally_room(&with->tallies, s->ordinal) == 0 &&
            !(v.record.kind == RECORD_STATE && slice_eq(v.record.key, MARK_NAME)))
            table_replay(with, &v, s->ordinal, at);
        at += (uint32_t)n;
    }
    if (bytes.p)
        munmap((void *)(uintptr_t)bytes.p, bytes.n);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = (*(struct segment *const *)a)->number, y = (*(struct segment *const *)b)->number;
    return (x > y) - (x < y);
}

/* Opens the log a second time, as the loader wants it: without ordinals, and sorted. */
static uint32_t reopen(struct check *c, struct segment **found)
{
    uint32_t n = 0, says, i = 0;
    for (const struct segment *s; (s = segments_next(&c->segments, &i)) != NULL;)
        if (segment_open(c->dir, s->number, &found[n], &says) == 0)
            n++;
    if (n > 0)
        qsort(found, n, sizeof(struct segment *), by_number);
    return n;
}

static void compare(struct check *c, struct snapshot_load *l)
{
    uint32_t seen = c->segments.numbers.next;
    check_made_since(c, c->list_next > seen ? c->list_next : seen, l->greatest + 1);
    for (uint32_t i = 0; i < l->found_n; i++) {
        struct segment *s = l->found[i];
        bool named = segments_have(l->segments, s);
        const struct segment *all = find(c, s->number);
        if (named && all->published < s->covered.named_to)
            PROBLEM(c, "snapshot: names records up to offset %u of seg-%08u.log, which ends at %u",
                    (unsigned)s->covered.named_to, (unsigned)s->number, (unsigned)all->published);
        replay_tail(c, l->table, all, named ? s->covered.complete_to : SEGMENT_HEADER);
    }
    table_opened(l->table);
    uint32_t at = 0;
    for (const struct segment *s; (s = segments_next(&c->segments, &at)) != NULL;)
        compare_segment(c, s, l->table);
}

static void check_snapshot(struct check *c)
{
    struct table with;
    struct segments segments;
    struct segment **found = calloc(c->segments.n + 1, sizeof *found);
    if (!found || table_init(&with, 0) != 0) {
        free(found);
        c->unreadable = true;
        return;
    }
    segments_init(&segments);
    struct snapshot_load l = {
        .dir = c->dir, .io = &log_io_os, .table = &with, .segments = &segments, .found = found};
    l.found_n = reopen(c, found);
    int error = snapshot_load(&l);
    if (error == ERR_CORRUPT)
        PROBLEM(c, "snapshot: damaged, or not of this log; a start passes over it and reads the "
                   "whole log");
    else if (error == ERR_BAD_FORMAT)
        PROBLEM(c,
                "snapshot: format version %u; this release knows version %u: a start passes over "
                "it and reads the whole log",
                (unsigned)l.format, (unsigned)SNAPSHOT_FORMAT);
    else if (!error)
        compare(c, &l);
    else if (error != ERR_NOT_FOUND)
        unreadable(c, SNAPSHOT_NAME);
    for (uint32_t i = 0; i < l.found_n; i++)
        if (!segments_have(&segments, found[i]))
            segment_close(found[i]);
    free(found);
    segments_close(&segments);
    table_close(&with);
}

/* ---- Hints ---- */

/* A file as a start reads it (store/hints/hints_log_open.c). */
static void check_hints_file(struct check *c, int dir, const char *name, struct hints_file *f)
{
    struct hints_scan scan = {0};
    int error = hints_file_open(f, dir, &log_io_os);
    if (!error) {
        error = hints_file_scan(f, &log_io_os, 0, &scan);
        close(f->fd);
    }
    if (error == ERR_BAD_FORMAT)
        PROBLEM(c,
                "hints/%s: format version %u; this release knows version %u: a start refuses it, "
                "move it away",
                name, (unsigned)f->format, (unsigned)HINTS_FORMAT);
    else if (error == ERR_CORRUPT)
        say(c, "hints/%s: has no header; a start removes it", name);
    else if (error)
        unreadable(c, name);
    else if (scan.cut)
        say(c, "hints/%s: offset %u: its end is torn or damaged; a start passes over %u byte%s",
            name, (unsigned)scan.end, (unsigned)scan.cut, words_s(scan.cut));
}

static void check_hints(struct check *c)
{
    int dir = openat(c->dir, "hints", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = dir < 0 ? NULL : fdopendir(dir);
    if (!d && errno != ENOENT)
        unreadable(c, "hints");
    for (struct dirent *e; d && (e = readdir(d));) {
        struct hints_file f = {0};
        if (hints_file_parse(e->d_name, &f.target, &f.number))
            check_hints_file(c, dir, e->d_name, &f);
    }
    if (d)
        closedir(d);
}

/* ---- The door ---- */

static void check_all(struct check *c, DIR *d)
{
    uint32_t i = 0;
    open_segments(c, d);
    for (struct segment *s; (s = segments_next(&c->segments, &i)) != NULL;)
        check_segment(c, s);
    if (c->segments.n == 0) {
        if (c->problems == 0)
            say(c, "there are no log files: this is no data directory of covey, nor a backup");
        c->unreadable = true;
        return;
    }
    table_opened(&c->log);
    check_list(c);
    check_snapshot(c);
    check_hints(c);
}

static enum check_result verdict(struct check *c, const char *path)
{
    if (c->unreadable) {
        say(c, "%s: cannot be checked", path);
        return CHECK_UNREADABLE;
    }
    if (c->problems)
        say(c, "start the node with it: a start sets damaged files aside and fetches what they "
               "held from the other members, or says "
               "what else to do");
    say(c, "%s: %u log file%s, %llu record%s, %llu key%s, deleted ones counted: %s", path,
        (unsigned)c->segments.n, words_s(c->segments.n), (unsigned long long)c->records,
        words_s(c->records), (unsigned long long)c->log.index.records,
        words_s(c->log.index.records), c->problems ? "damaged" : "clean");
    return c->problems ? CHECK_DAMAGED : CHECK_CLEAN;
}

/* A node that runs holds the lock; a directory that cannot be written has no lock to be had. */
static bool in_use(struct check *c)
{
    int fd = openat(c->dir, "lock", O_RDONLY | O_CLOEXEC);
    bool used = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return used;
}

/* ---- A backup: merged.c reads all of it, and ends at the first thing that is wrong ---- */

static int count_value(void *arg, const struct record *r)
{
    (void)r;
    ++*(uint64_t *)arg;
    return 0;
}

static void say_warning(void *arg, const char *sentence)
{
    say(arg, "%s", sentence);
}

static bool is_backup(const char *path)
{
    char name[LINE];
    snprintf(name, sizeof name, "%s/%s", path, MANIFEST_NAME);
    return access(name, F_OK) == 0;
}

static enum check_result check_backup(const char *path,
                                      void (*say_line)(void *arg, const char *line), void *arg)
{
    char *name = (char *)(uintptr_t)path;
    char member[ADDR_TEXT], cluster[ADDR_TEXT];
    struct check c = {.say = say_line, .arg = arg};
    struct merged m = {.warn = say_warning, .arg = &c};
    uint64_t values = 0;
    int error = merged_open(&m, &name, 1);
    if (!error)
        error = merged_each(&m, count_value, &values);
    if (error)
        say(&c, "%s", m.why);
    else
        say(&c, "%s: a backup of member %s of cluster %s: %u log file%s, %llu key%s: clean", path,
            node_id_text(m.about.member, member), cluster_id_text(m.about.cluster, cluster),
            (unsigned)m.file_n, words_s(m.file_n), (unsigned long long)values, words_s(values));
    merged_close(&m);
    return !error ? CHECK_CLEAN : error == ERR_CORRUPT ? CHECK_DAMAGED : CHECK_UNREADABLE;
}

enum check_result check_directory(const char *path, void (*say_line)(void *arg, const char *line),
                                  void *arg)
{
    if (is_backup(path))
        return check_backup(path, say_line, arg);
    struct check c = {.say = say_line, .arg = arg};
    DIR *d = opendir(path);
    if (!d || table_init(&c.log, 0) != 0) {
        unreadable(&c, path);
        if (d)
            closedir(d);
        return CHECK_UNREADABLE;
    }
    c.dir = dirfd(d);
    segments_init(&c.segments);
    buf_init(&c.scratch, RECORD_VALUE_MAX);
    if (in_use(&c)) {
        say(&c, "%s is in use by a node: stop it first", path);
        c.unreadable = true;
    } else {
        check_all(&c, d);
    }
    enum check_result result = verdict(&c, path);
    segments_close(&c.segments);
    table_close(&c.log);
    buf_close(&c.scratch);
    closedir(d);
    return result;
}
