/* merged.c: backups read, checked and merged, in two passes over their files, which are mapped.
 *
 * The first pass compares each file with its manifest, decodes every record, and lets the table
 * merge them. The second pass asks of every value whether it is the one that counts, as compaction
 * does, and shows it if it is. The memory that this takes is an index's: 40 bytes a key, and the
 * keys.
 *
 * A backup is good or it is not. It has no torn tail, for files were copied up to the end of a
 * record; so the first thing that is wrong ends it. Of the nodes' own states only the flush counts
 * (flushed.h): the identities of the nodes and of the cluster must not come back. */
#include "store/archive/merged.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "store/table/flushed.h"
#include "store/log/segments.h"

/* Less than the age at which tombstones may be erased (core/hint/hint.h, 3 h). */
enum { APART_MS_MAX = 2 * 60 * 60 * 1000 };

static __attribute__((format(printf, 3, 4))) int fail(struct merged *m, int error,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->why, sizeof m->why, format, args);
    va_end(args);
    return error;
}

static int no_memory(struct merged *m)
{
    return fail(m, ERR_NO_MEMORY, "out of memory for the index of the backups");
}

static void progress(struct merged *m, uint64_t bytes)
{
    m->done += bytes;
    if (m->progress)
        m->progress(m->arg, m->done, m->bytes);
}

/* ---- The manifest ---- */

/* Reads all of the text, which is small, into b. */
static int read_manifest(struct merged *m, const char *path, int dir, struct buf *b)
{
    struct stat st;
    int fd = openat(dir, MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(m, ERR_IO, "%s is no backup: it has no file %s (%s); `covey backup` makes one",
                    path, MANIFEST_NAME, strerror(errno));
    int error = fstat(fd, &st) != 0         ? ERR_IO
                : st.st_size > MANIFEST_MAX ? ERR_CORRUPT
                                            : buf_reserve(b, (size_t)st.st_size);
    ssize_t n = error ? 0 : pread(fd, b->p, (size_t)st.st_size, 0);
    close(fd);
    if (error || n != st.st_size)
        return fail(m, error ? error : ERR_IO, "cannot read %s/%s: %s", path, MANIFEST_NAME,
                    strerror(errno));
    b->n = (size_t)n;
    return 0;
}

static void warn(const struct merged *m, const char *sentence)
{
    if (m->warn)
        m->warn(m->arg, sentence);
}

/* Compares a manifest with those before it. */
static int compare(struct merged *m, const char *path, const struct manifest *about)
{
    char sentence[1536], ours[ADDR_TEXT], theirs[ADDR_TEXT];
    if (cluster_id_none(m->about.cluster)) {
        m->about = *about;
        m->first_ms = m->last_ms = about->taken_ms;
    }
    if (!cluster_id_eq(about->cluster, m->about.cluster))
        return fail(m, ERR_OTHER_CLUSTER,
                    "%s is of cluster %s, and the backups before it are of %s: restore them apart",
                    path, cluster_id_text(about->cluster, theirs),
                    cluster_id_text(m->about.cluster, ours));
    m->first_ms = about->taken_ms < m->first_ms ? about->taken_ms : m->first_ms;
    m->last_ms = about->taken_ms > m->last_ms ? about->taken_ms : m->last_ms;
    if (about->complete)
        return 0;
    snprintf(sentence, sizeof sentence,
             "%s was taken of a node that lacked some of its records: take the backups of the "
             "other nodes too",
             path);
    warn(m, sentence);
    return 0;
}

static int decode_manifest(struct merged *m, const char *path, struct slice text,
                           struct manifest *about)
{
    int error = manifest_decode(text, about);
    if (error == ERR_BAD_FORMAT)
        return fail(
            m, error,
            "%s/%s has format version %u; this release knows version %u: use the one that made it",
            path, MANIFEST_NAME, (unsigned)about->format, (unsigned)MANIFEST_FORMAT);
    if (error)
        return fail(m, error,
                    "%s/%s is damaged, so nothing in that backup can be trusted: use another", path,
                    MANIFEST_NAME);
    return compare(m, path, about);
}

/* ---- The first pass ---- */

static int damaged(struct merged *m, const struct merged_file *f, size_t at, const char *what)
{
    return fail(m, ERR_CORRUPT, "%s/seg-%08u.log is damaged (offset %zu: %s): use another backup",
                f->path, (unsigned)f->number, at, what);
}

static int check_sum(struct merged *m, const struct merged_file *f, uint64_t wanted)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < f->bytes.n; at += MANIFEST_BLOCK) {
        size_t n = f->bytes.n - at < MANIFEST_BLOCK ? f->bytes.n - at : MANIFEST_BLOCK;
        sum = manifest_sum(sum, slice_of(f->bytes.p + at, n));
        progress(m, n);
    }
    return sum == wanted ? 0 : damaged(m, f, 0, "its checksum is not the manifest's");
}

static int check_header(struct merged *m, const struct merged_file *f)
{
    uint32_t format = 0;
    int error =
        f->bytes.n < SEGMENT_HEADER ? ERR_CORRUPT : segment_header(f->bytes.p, f->number, &format);
    if (error == ERR_BAD_FORMAT)
        return fail(m, error,
                    "%s/seg-%08u.log has format version %u; this release knows version %u: use the "
                    "one that made it",
                    f->path, (unsigned)f->number, (unsigned)format, (unsigned)SEGMENT_FORMAT);
    return error ? damaged(m, f, 0, "no header of a log file") : 0;
}

/* Notes the greatest stamp. One that no clock gave is not counted: when its key is written, the
 * write gets a stamp above it, and the other keys need no stamps as great. */
static void see(struct merged *m, const struct version *v)
{
    uint64_t stamp = v->stamp > v->expiry_stamp ? v->stamp : v->expiry_stamp;
    bool counts = hlc_wall_ms(stamp) <= WALL_MS_MAX;
    m->greatest = counts && stamp > m->greatest ? stamp : m->greatest;
}

static bool counts(const struct record *r)
{
    return r->kind != RECORD_STATE || slice_eq(r->key, FLUSHED_NAME);
}

static int take_record(struct merged *m, const struct merged_file *f, const struct record_view *v,
                       uint32_t at)
{
    if (!counts(&v->record))
        return 0;
    if (v->record.kind != RECORD_STATE) /* a state has a serial, and no stamp */
        see(m, &v->record.version);
    int error = table_replay(&m->table, v, f->ordinal, at);
    if (error == ERR_BAD_FORMAT)
        return fail(m, error,
                    "%s/seg-%08u.log holds a record of kind %u, which this release cannot read: "
                    "use the one that made it",
                    f->path, (unsigned)f->number, v->record.kind);
    return error == ERR_NO_MEMORY ? no_memory(m)
           : error                ? damaged(m, f, at, error_sentence(error))
                                  : 0;
}

static int take_file(struct merged *m, const struct merged_file *f)
{
    int error = check_header(m, f);
    for (size_t at = SEGMENT_HEADER; !error && at < f->bytes.n;) {
        struct record_view v;
        int n = record_decode(slice_of(f->bytes.p + at, f->bytes.n - at), &v);
        if (n <= 0)
            return damaged(m, f, at, "no record");
        error = take_record(m, f, &v, (uint32_t)at);
        at += (size_t)n;
    }
    return error;
}

/* Maps a file, which must have its manifest's size. */
static int map(struct merged *m, int dir, struct merged_file *f, uint32_t size)
{
    struct stat st;
    char name[SEGMENT_NAME];
    segment_name(f->number, name);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(m, errno == ENOENT ? ERR_CORRUPT : ERR_IO,
                    "cannot open %s/%s: %s; use another backup", f->path, name, strerror(errno));
    void *p = MAP_FAILED;
    bool fits = fstat(fd, &st) == 0 && st.st_size == size && size > 0;
    if (fits)
        p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (!fits)
        return damaged(m, f, 0, "its size is not the manifest's");
    if (p == MAP_FAILED)
        return fail(m, ERR_IO, "cannot map %s/%s: %s", f->path, name, strerror(errno));
    f->bytes = slice_of(p, size);
    madvise(p, size, MADV_SEQUENTIAL);
    return 0;
}

static int add_file(struct merged *m, const char *path, int dir, const struct manifest_file *listed)
{
    struct merged_file *grown =
        m->file_n < SEGMENTS_MAX ? realloc(m->file, (m->file_n + 1) * sizeof *grown) : NULL;
    if (!grown || tally_room(&m->table.tallies, (uint16_t)m->file_n) != 0)
        return no_memory(m);
    m->file = grown;
    struct merged_file *f = &grown[m->file_n];
    *f = (struct merged_file){
        .path = path, .number = listed->number, .ordinal = (uint16_t)m->file_n};
    int error = map(m, dir, f, listed->size);
    if (error)
        return error;
    m->file_n++;
    error = check_sum(m, f, listed->sum);
    return error ? error : take_file(m, f);
}

static int add_backup(struct merged *m, const char *path, struct buf *text)
{
    struct manifest about;
    struct manifest_file f;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return fail(m, ERR_IO, "cannot open the backup %s: %s", path, strerror(errno));
    int error = read_manifest(m, path, dir, text);
    if (!error)
        error = decode_manifest(m, path, buf_view(text), &about);
    for (struct slice files = error ? SLICE("") : about.files; !error && manifest_next(&files, &f);)
        error = add_file(m, path, dir, &f);
    close(dir);
    return error;
}

/* How many bytes there will be to read, as the manifest says; what is wrong with it is found
 * later. */
static uint64_t bytes_of(struct merged *m, const char *path, struct buf *text)
{
    struct manifest about;
    struct manifest_file f;
    uint64_t bytes = 0;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = dir >= 0 && read_manifest(m, path, dir, text) == 0 &&
                manifest_decode(buf_view(text), &about) == 0;
    for (struct slice files = good ? about.files : SLICE(""); manifest_next(&files, &f);)
        bytes += f.size;
    if (dir >= 0)
        close(dir);
    return bytes;
}

static void warn_apart(const struct merged *m)
{
    char sentence[256];
    uint64_t minutes = (m->last_ms - m->first_ms) / 60000;
    if (m->last_ms - m->first_ms <= APART_MS_MAX)
        return;
    snprintf(sentence, sizeof sentence,
             "these backups were taken %" PRIu64 " h %" PRIu64
             " min apart: keys that were deleted in between may come back",
             minutes / 60, minutes % 60);
    warn(m, sentence);
}

int merged_open(struct merged *m, char *const *path, unsigned n)
{
    struct buf text;
    buf_init(&text, MANIFEST_MAX);
    int error = table_init(&m->table, 0) ? no_memory(m) : 0;
    for (unsigned i = 0; i < n; i++, text.n = 0)
        m->bytes += bytes_of(m, path[i], &text);
    for (unsigned i = 0; i < n && !error; i++, text.n = 0)
        error = add_backup(m, path[i], &text);
    buf_close(&text);
    if (error)
        return error;
    see(m, &(struct version){.stamp = m->table.flushed.greatest});
    table_opened(&m->table);                     /* removes the entries of what was erased */
    while (burial_step(&m->table, BURIAL_SLICE)) /* buries all that a flush covers */
        ;
    warn_apart(m);
    return 0;
}

void merged_close(struct merged *m)
{
    for (uint32_t i = 0; i < m->file_n; i++)
        munmap((void *)(uintptr_t)m->file[i].bytes.p, m->file[i].bytes.n);
    free(m->file);
    m->file = NULL;
    m->file_n = 0;
    table_close(&m->table);
}

/* ---- The second pass ---- */

struct showing {
    struct merged *m;
    const struct merged_file *file;
    struct record_view view[INDEX_FETCH];
    struct location at[INDEX_FETCH];
    unsigned n;
    struct buf scratch;
    int (*take)(void *arg, const struct record *r);
    void *arg;
};

/* Shows a record, with its value uncompressed. */
static int show(struct showing *s, unsigned i)
{
    struct record r = s->view[i].record;
    int error = record_value(&s->view[i], &s->scratch, &r.value);
    if (error == ERR_NO_MEMORY)
        return no_memory(s->m);
    if (error || hash_bytes(r.value) != r.version.digest)
        return damaged(s->m, s->file, s->at[i].offset,
                       "the value is not the one that its version names");
    return s->take(s->arg, &r);
}

static int show_batch(struct showing *s)
{
    enum standing standing[INDEX_FETCH];
    struct index_item held[INDEX_FETCH];
    int error = 0;
    table_standing(&s->m->table, s->view, s->at, s->n, standing, held);
    for (unsigned i = 0; i < s->n && !error; i++)
        if (standing[i] == STANDING_LIVE && held[i].kind == RECORD_VALUE)
            error = show(s, i);
    s->n = 0;
    return error;
}

static int show_file(struct showing *s)
{
    int error = 0;
    for (size_t at = SEGMENT_HEADER; !error && at < s->file->bytes.n;) {
        int n =
            record_decode(slice_of(s->file->bytes.p + at, s->file->bytes.n - at), &s->view[s->n]);
        if (n <= 0)
            return damaged(s->m, s->file, at, "no record, and there was one a moment ago");
        s->at[s->n] = (struct location){(uint32_t)at, s->file->ordinal};
        s->n += s->view[s->n].record.kind == RECORD_VALUE;
        if (s->n == INDEX_FETCH)
            error = show_batch(s);
        at += (size_t)n;
    }
    return error ? error : show_batch(s);
}

int merged_each(struct merged *m, int (*take)(void *arg, const struct record *r), void *arg)
{
    struct showing s = {.m = m, .take = take, .arg = arg};
    int error = 0;
    m->done = 0;
    buf_init(&s.scratch, RECORD_VALUE_MAX);
    for (uint32_t i = 0; i < m->file_n && !error; i++) {
        s.file = &m->file[i];
        error = show_file(&s);
        progress(m, s.file->bytes.n);
    }
    buf_close(&s.scratch);
    return error;
}
