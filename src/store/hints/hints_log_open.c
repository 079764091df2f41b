/* hints_log_open.c: finds the hints again at a start. It looks through every file, cuts it at its
 * first bad record, and counts the hints from the head on. Nothing is appended to an old file. */
#include "store/hints/hints_log_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/words.h"

static int by_number(const void *a, const void *b)
{
    const struct hints_file *x = *(struct hints_file *const *)a,
                            *y = *(struct hints_file *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Reports damage to the operator. bytes: that are gone; 0: all that the file had. */
static void report(const struct hints_log *l, const char *name, const char *what, uint32_t bytes)
{
    char sentence[256], size[32] = "";
    if (bytes)
        snprintf(size, sizeof size, " (%u byte%s)", bytes, words_s(bytes));
    snprintf(sentence, sizeof sentence,
             "hints/%s: %s%s; anti-entropy will repair what they were for", name, what, size);
    if (l->options.report)
        l->options.report(l->options.report_arg, sentence);
}

/* Looks through one file and adds it to its target. A file without a header of ours was torn when
 * it was made: it is removed. */
static int open_file(const struct hints_opening *o, const char *name, uint64_t target,
                     uint32_t number)
{
    struct hints_log *l = o->l;
    struct hints_target *t = hints_target_make(l, target);
    struct hints_file *f = t ? hints_file_new(t, number) : NULL;
    if (!f)
        return ERR_NO_MEMORY;
    struct hints_scan scan = {0};
    int error = hints_file_open(f, l->dir, l->options.io);
    if (error)
        f->fd = -1;
    else
        error = hints_file_scan(f, l->options.io, 0, &scan);
    if (error == ERR_CORRUPT) {
        report(l, name, "has no header and is removed", 0);
        free(t->file[--t->file_n]);
        return unlinkat(l->dir, name, 0) == 0 ? 0 : log_io_error(errno);
    }
    if (error == ERR_BAD_FORMAT)
        snprintf(o->why, o->why_n,
                 "%s/hints/%s has format version %u; this release knows version %u: run the one "
                 "that wrote it, or move the file away; anti-entropy will repair what the hints in "
                 "it were for",
                 o->l->options.dir, name, (unsigned)f->format, (unsigned)HINTS_FORMAT);
    if (scan.cut)
        report(l, name, "its end is torn or damaged, and cut", scan.cut);
    f->end = scan.end;
    f->hints = scan.hints;
    f->newest_ms = scan.newest_ms;
    hints_file_enter(f, HINTS_FILE_CLOSED);
    t->head = scan.head > t->head ? scan.head : t->head;
    return error;
}

static int open_files(const struct hints_opening *o)
{
    int again = openat(o->l->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    int error = d ? 0 : ERR_IO;
    for (struct dirent *e; !error && (e = readdir(d));) {
        uint64_t target;
        uint32_t number;
        if (hints_file_parse(e->d_name, &target, &number))
            error = open_file(o, e->d_name, target, number);
    }
    if (d)
        closedir(d);
    return error;
}

/* Counts what is behind the head, which is known when all files of the target have been looked
 * through. */
static int open_target(struct hints_log *l, struct hints_target *t)
{
    qsort(t->file, t->file_n, sizeof *t->file, by_number);
    int error = 0;
    for (uint32_t i = 0; i < t->file_n; i++) {
        struct hints_file *f = t->file[i];
        struct hints_scan scan;
        if (hints_passed(t, f)) {
            f->hints = 0;
        } else if (t->head >> 32 == f->number &&
                   !(error = hints_file_scan(f, l->options.io, t->head, &scan))) {
            f->hints = scan.hints;
        }
        t->number = f->number;
        t->waiting += f->hints;
        t->bytes += hints_file_bytes(f);
    }
    l->bytes += t->bytes;
    return error;
}

int hints_open_all(const struct hints_opening *o)
{
    struct hints_log *l = o->l;
    int dir = open(l->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0 && (mkdirat(dir, "hints", 0700) == 0 || errno == EEXIST) && fsync(dir) == 0)
        l->dir = openat(dir, "hints", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->dir < 0)
        snprintf(o->why, o->why_n, "cannot use the directory %s/hints: %s", l->options.dir,
                 strerror(errno));
    if (dir >= 0)
        close(dir);
    if (l->dir < 0)
        return ERR_IO;
    int error = open_files(o);
    for (uint32_t i = 0; !error && i < l->target_n; i++)
        error = open_target(l, &l->target[i]);
    l->helper.dir = l->dir;
    error = error ? error : hints_helper_start(&l->helper);
    for (uint32_t i = 0; !error && i < l->target_n; i++) {
        hints_trim(l, &l->target[i]);
        if (l->target[i].waiting)
            hints_add_kept(l, &l->target[i], 0);
    }
    return error;
}
