/* Backups: what the log holds now, in a directory that nothing changes any more.
 *
 * **Problem.** A copy of a running node must be as of one moment, must not make the node wait, must
 * not miss files that compaction removes meanwhile, and must be complete or not there at all.
 * Cassandra's snapshots show the way: files that are never changed need no copying, for a hard link
 * holds them.
 *
 *     phase   the loop                               the thread
 *     REST    notes in one turn which files there    -
 *             are, and how far each is published;
 *             pins every segment                                                     next: HOLD
 *     HOLD    the segments stay pinned               links files that have ended; copies the others
 *                                                    as far as they were published. Where links are
 *                                                    impossible (another file system) it copies all
 *                                                                                    next: READ
 *     READ    the pins are gone: compaction may      reads every byte again for the checksums of
 *             remove what it likes                   the manifest, at half speed; syncs files,
 *                                                    manifest and directory; then gives the
 *                                                    directory its name              next: REST
 *
 * A failure leads from HOLD to REST, too.
 *
 * **One moment.** What is in the index is published, and all that is published stands in a segment
 * that is there. So the files up to these ends are what the index holds, whatever compaction is in
 * the middle of: a record may be there twice, which merging by version makes one. A write that was
 * acknowledged before is in it as far as this node is an owner and acknowledged it: another quorum
 * may have been without this node. Hence one backup of each node, and their merge (restore.h).
 *
 * Hints are left out: what they bring stands at W owners already, or was never acknowledged.
 *
 * **Complete or not there.** The directory grows under "NAME.partial-MEMBER". It is renamed at the
 * end, over nothing or an empty directory, which is all that rename(2) replaces. A failure removes
 * it. A killed node leaves it behind. A node has one backup at a time, so the next one removes
 * every partial of its own member that it finds beside its own.
 *
 * **Shared blocks.** A link costs nothing and shares its blocks with the node. It protects from
 * what people and programs do, not from the disk. The documentation says so: copy the directory to
 * another machine. */
#include "store/archive/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"
#include "store/helper.h"
#include "store/log/keeper.h"

enum {
    NAME_BYTES_MAX = 255 - 9 - 16, /* ".partial-" and the member go behind the backup's name */
    REST_US_MAX = 100000,          /* a stop waits no longer than this */
};

static const uint32_t next_phase[] = {
    [BACKUP_REST] = PHASE(BACKUP_HOLD),
    [BACKUP_HOLD] = PHASE(BACKUP_READ) | PHASE(BACKUP_REST),
    [BACKUP_READ] = PHASE(BACKUP_REST),
};

static __attribute__((format(printf, 3, 4))) int fail(struct backup *b, int error,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->why, sizeof b->why, format, args);
    va_end(args);
    b->error = error;
    return error;
}

static int fail_on(struct backup *b, const char *what, const char *name, int number)
{
    if (number == ENOSPC || number == EDQUOT)
        return fail(
            b, ERR_NO_SPACE,
            "there is no room for the backup %s: free some space, or name a path on another disk",
            b->path);
    return fail(b, ERR_IO, "cannot %s %s of the backup %s: %s", what, name, b->path,
                strerror(number));
}

/* ---- On the loop ---- */

/* A question that is not answered yet. */
struct asked {
    uint64_t token;
    bool begins; /* it asks for a backup; else only how one goes */
    struct manifest about;
    char path[BACKUP_PATH_MAX + 1]; /* a path that was cut is refused for its length */
};

void backup_init(struct backup *b)
{
    b->parent = b->to = -1;
    queue_init(&b->asked, sizeof(struct asked));
}

static int check_path(struct backup *b, const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || path[0] != '/' || n >= sizeof b->path)
        return fail(b, ERR_REFUSED,
                    "\"%.200s\" is no absolute path of at most %zu bytes: name one like "
                    "/var/backups/covey/monday",
                    path, sizeof b->path - 1);
    while (n > 1 && path[n - 1] == '/')
        n--;
    memcpy(b->path, path, n);
    b->path[n] = 0;
    const char *name = strrchr(b->path, '/') + 1;
    b->parent_n = (uint32_t)(name - b->path);
    if (name[0] == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strlen(name) > NAME_BYTES_MAX)
        return fail(
            b, ERR_REFUSED,
            "\"%.200s\" does not end in a name that a new directory can have: name one like "
            "/var/backups/covey/monday",
            path);
    snprintf(b->partial, sizeof b->partial, "%s.partial-%016" PRIx64, name, b->about.member);
    return 0;
}

/* Notes the files that there are, and pins them. One that is set aside, or about to be unlinked, is
 * not needed by anything. */
static void pin(struct backup *b)
{
    uint32_t i = 0;
    for (struct segment *s; (s = segments_next(b->segments, &i)) != NULL;) {
        if (s->phase == SEGMENT_UNLISTED || s->aside)
            continue;
        /* the committer may be ending the active one just now */
        bool ended = s->ended && s != b->segments->active;
        uint32_t bytes = ended && s->end > s->published ? s->end : s->published;
        b->file[b->about.file_n++] = (struct backup_file){s, s->number, bytes, ended};
        b->bytes += bytes;
        s->reads++;
    }
    CHECK(b->about.file_n <= b->segments->n);
}

static void unpin(struct backup *b)
{
    for (uint32_t i = 0; i < b->about.file_n; i++) {
        CHECK(b->file[i].segment->reads > 0);
        b->file[i].segment->reads--;
    }
}

static int by_number(const void *x, const void *y)
{
    uint32_t a = ((const struct backup_file *)x)->number,
             b = ((const struct backup_file *)y)->number;
    return (a > b) - (a < b);
}

static bool holds_damage(const struct segments *all)
{
    uint32_t i = 0;
    for (const struct segment *s; (s = segments_next(all, &i)) != NULL;)
        if (s->aside && s->phase == SEGMENT_USED)
            return true;
    return false;
}

static void *run(void *arg);

static int begin(struct backup *b, const struct manifest *about, const char *path)
{
    if (b->phase != BACKUP_REST)
        return ERR_BUSY; /* b->why is the thread's */
    if (holds_damage(b->segments))
        return fail(b, ERR_REFUSED,
                    "damage found at the start is still being set aside: try again in a minute");
    b->about = *about;
    b->about.file_n = 0;
    b->bytes = 0;
    int error = check_path(b, path);
    if (error)
        return error;
    b->file = calloc(b->segments->n + 1, sizeof *b->file);
    if (!b->file)
        return fail(b, ERR_NO_MEMORY, "out of memory for a backup");
    b->error = 0;
    b->why[0] = 0;
    atomic_store(&b->held, false);
    atomic_store(&b->over, false);
    atomic_store(&b->files_done, 0);
    atomic_store(&b->bytes_done, 0);
    pin(b);
    qsort(b->file, b->about.file_n, sizeof *b->file, by_number);
    if (helper_start(&b->thread, run, b) == 0) {
        phase_enter(&b->phase, BACKUP_HOLD, next_phase);
        return 0;
    }
    unpin(b);
    free(b->file);
    b->file = NULL;
    return fail(b, ERR_NO_MEMORY,
                "cannot start a thread for the backup: allow the node more threads or memory");
}

/* How the backup goes that was begun last. */
static struct backup_info progress(const struct backup *b)
{
    return (struct backup_info){
        .running = b->phase != BACKUP_REST,
        .path = slice_str(b->path),
        .taken_ms = b->about.taken_ms,
        .files = b->about.file_n,
        .files_done = b->files_done,
        .bytes = b->bytes,
        .bytes_done = b->bytes_done,
    };
}

static void end(struct backup *b)
{
    pthread_join(b->thread, NULL);
    if (b->phase == BACKUP_HOLD)
        unpin(b);
    phase_enter(&b->phase, BACKUP_REST, next_phase);
    free(b->file);
    b->file = NULL;
    memcpy(b->last_path, b->path, sizeof b->path);
    memcpy(b->last_why, b->why, sizeof b->why);
    b->last = progress(b);
    b->last.error = b->error;
    b->last.path = slice_str(b->last_path);
    b->last.why = slice_str(b->last_why);
    b->end_due = true;
}

void backup_step(struct backup *b)
{
    if (b->phase == BACKUP_HOLD && atomic_load(&b->held)) {
        unpin(b);
        phase_enter(&b->phase, BACKUP_READ, next_phase);
    }
    if (b->phase != BACKUP_REST && atomic_load(&b->over))
        end(b);
}

void backup_ask(struct backup *b, uint64_t token, const struct manifest *about, struct slice path)
{
    struct asked *a = queue_push(&b->asked);
    size_t n = path.n < sizeof a->path ? path.n : sizeof a->path - 1;
    *a = (struct asked){.token = token, .begins = about != NULL};
    if (!about)
        return;
    a->about = *about;
    if (n > 0 && !memchr(path.p, 0, n)) /* a path with a NUL in it is refused as an empty one */
        memcpy(a->path, path.p, n);
}

static void answer(struct backup *b, struct asked *a, struct store_result *out)
{
    *out = (struct store_result){.kind = a->begins ? STORE_BACKUP_BEGUN : STORE_BACKUP_TOLD,
                                 .token = a->token};
    if (a->begins)
        out->error = begin(b, &a->about, a->path);
    b->answer = b->phase != BACKUP_REST ? progress(b) : b->last;
    if (out->error && out->error != ERR_BUSY)
        b->answer.why = slice_str(b->why);
}

bool backup_result(struct backup *b, struct store_result *out)
{
    struct asked *a = queue_peek(&b->asked);
    if (b->end_due) {
        *out = (struct store_result){.kind = STORE_BACKUP_ENDED};
        b->answer = b->last;
        b->end_due = false;
    } else if (a) {
        queue_pop(&b->asked); /* its bytes stay until the next push */
        answer(b, a, out);
    } else {
        return false;
    }
    out->backup = &b->answer;
    return true;
}

void backup_stop(struct backup *b)
{
    atomic_store(&b->stop, true);
    if (b->phase != BACKUP_REST)
        end(b);
    queue_close(&b->asked);
}

/* ---- On the thread: the directory ---- */

static void remove_partial(const struct backup *b, const char *name)
{
    int fd = openat(b->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        unlinkat(dirfd(d), e->d_name, 0); /* not the two dots, which are directories */
    if (d)
        closedir(d);
    unlinkat(b->parent, name, AT_REMOVEDIR);
}

/* Removes what killed backups of this member have left beside this one. */
static void remove_stale(const struct backup *b)
{
    char tail[32];
    int fd = openat(b->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    snprintf(tail, sizeof tail, ".partial-%016" PRIx64, b->about.member);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        size_t n = strlen(e->d_name), tail_n = strlen(tail);
        if (n > tail_n && strcmp(e->d_name + n - tail_n, tail) == 0)
            remove_partial(b, e->d_name);
    }
    if (d)
        closedir(d);
}

static int open_parent(struct backup *b)
{
    char parent[BACKUP_PATH_MAX];
    struct stat st, data;
    snprintf(parent, sizeof parent, "%.*s", (int)b->parent_n, b->path);
    b->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->parent < 0)
        return fail(b, ERR_REFUSED,
                    "cannot open %s, where the backup %s shall be: %s; make it first", parent,
                    b->path, strerror(errno));
    if (fstat(b->parent, &st) == 0 && fstat(b->dir, &data) == 0 && st.st_dev == data.st_dev &&
        st.st_ino == data.st_ino)
        return fail(b, ERR_REFUSED,
                    "%s would lie in the data directory itself: name a path outside of it",
                    b->path);
    if (fstatat(b->parent, b->path + b->parent_n, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return fail(b, ERR_REFUSED,
                    "%s exists already: name a path that does not, or remove that one", b->path);
    return 0;
}

static int make_partial(struct backup *b)
{
    remove_stale(b);
    if (mkdirat(b->parent, b->partial, 0700) != 0)
        return fail_on(b, "make", "the directory", errno);
    b->to = openat(b->parent, b->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return b->to < 0 ? fail_on(b, "open", "the directory", errno) : 0;
}

/* ---- On the thread: the files ---- */

static int stopped(struct backup *b)
{
    if (!atomic_load(&b->stop))
        return 0;
    return fail(b, ERR_CLOSED, "the node stopped before the backup %s was complete", b->path);
}

static int write_all(struct backup *b, int fd, const char *name, struct slice bytes, uint64_t at)
{
    struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
    return log_io_write(b->io, fd, &iov, 1, (off_t)at) ? fail_on(b, "write", name, errno) : 0;
}

/* Copies the bytes of a segment that belong to the backup: nothing changes them, though the segment
 * may grow. */
static int copy(struct backup *b, const struct backup_file *f, const char *name, uint8_t *block)
{
    int error = 0, fd = openat(b->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_on(b, "make", name, errno);
    for (uint32_t at = 0; !error && at < f->bytes;) {
        uint32_t left = f->bytes - at < MANIFEST_BLOCK ? f->bytes - at : MANIFEST_BLOCK;
        ssize_t n = segment_read(f->segment, b->io, block, left, at, 0);
        if (n != (ssize_t)left) {
            error = fail_on(b, "read the original", name, n < 0 ? (int)-n : EIO);
            break;
        }
        error = write_all(b, fd, name, slice_of(block, left), at);
        at += left;
        if (!error)
            error = stopped(b);
    }
    if (!error && b->io->fdatasync(fd) != 0)
        error = fail_on(b, "sync", name, errno);
    close(fd);
    return error;
}

/* Makes a link where the file will never change: it has ended, and has no bytes but those that
 * belong to the backup. */
static bool hold_by_link(const struct backup *b, const struct backup_file *f, const char *name)
{
    struct stat st;
    return f->ended && atomic_load(&f->segment->synced) >= f->bytes &&
           fstat(f->segment->fd, &st) == 0 && st.st_size == f->bytes &&
           linkat(b->dir, name, b->to, name, 0) == 0;
}

static int hold_all(struct backup *b, uint8_t *block)
{
    int error = 0;
    for (uint32_t i = 0; i < b->about.file_n && !error; i++) {
        char name[SEGMENT_NAME];
        segment_name(b->file[i].number, name);
        if (!hold_by_link(b, &b->file[i], name))
            error = copy(b, &b->file[i], name, block);
        if (!error)
            error = stopped(b);
    }
    atomic_store(&b->held, true);
    if (b->wake)
        b->wake(b->wake_arg);
    return error;
}

/* ---- On the thread: the checksums ---- */

/* Rests as long as a block took, so that half of the disk is left to others. */
static void rest(uint64_t us)
{
    struct timespec t = {0, (long)(us < REST_US_MAX ? us : REST_US_MAX) * 1000};
    nanosleep(&t, NULL);
}

static int sum(struct backup *b, const char *name, int fd, uint32_t bytes, uint8_t *block,
               uint64_t *out)
{
    int error = 0;
    *out = 0;
    for (uint32_t at = 0; at < bytes && !error;) {
        uint64_t began_us = keeper_clock_us();
        struct iovec iov = {block, bytes - at < MANIFEST_BLOCK ? bytes - at : MANIFEST_BLOCK};
        ssize_t n = b->io->preadv2(fd, &iov, 1, at, 0);
        if (n != (ssize_t)iov.iov_len)
            return fail_on(b, "read", name, n < 0 ? errno : EIO);
        *out = manifest_sum(*out, slice_of(block, iov.iov_len));
        at += (uint32_t)n;
        atomic_fetch_add(&b->bytes_done, (uint64_t)n);
        error = stopped(b);
        rest(keeper_clock_us() - began_us);
    }
    return error;
}

static int sum_all(struct backup *b, uint8_t *block, struct buf *text)
{
    int error =
        manifest_begin(text, &b->about) ? fail(b, ERR_NO_MEMORY, "out of memory for a backup") : 0;
    for (uint32_t i = 0; i < b->about.file_n && !error; i++) {
        char name[SEGMENT_NAME];
        struct manifest_file f = {.number = b->file[i].number, .size = b->file[i].bytes};
        segment_name(f.number, name);
        int fd = openat(b->to, name, O_RDONLY | O_CLOEXEC);
        error = fd < 0 ? fail_on(b, "open", name, errno) : sum(b, name, fd, f.size, block, &f.sum);
        if (!error && manifest_add(text, &f) != 0)
            error = fail(b, ERR_NO_MEMORY, "out of memory for a backup");
        if (fd >= 0)
            close(fd);
        atomic_fetch_add(&b->files_done, 1);
    }
    if (!error && manifest_end(text) != 0)
        error = fail(b, ERR_NO_MEMORY, "out of memory for a backup");
    return error;
}

/* ---- On the thread: the end ---- */

static int write_manifest(struct backup *b, struct slice text)
{
    int fd = openat(b->to, MANIFEST_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_on(b, "make", "the manifest", errno);
    int error = write_all(b, fd, "the manifest", text, 0);
    if (!error && b->io->fdatasync(fd) != 0)
        error = fail_on(b, "sync", "the manifest", errno);
    close(fd);
    if (!error && b->io->fsync(b->to) != 0)
        error = fail_on(b, "sync", "the directory", errno);
    return error;
}

static int give_name(struct backup *b)
{
    const char *name = b->path + b->parent_n;
    if (b->io->renameat(b->parent, b->partial, b->parent, name) != 0)
        return fail_on(b, "give the last name to", "the directory", errno);
    if (b->io->fsync(b->parent) == 0)
        return 0;
    int number = errno;
    /* whether the name would outlive a power cut is unknown */
    b->io->renameat(b->parent, name, b->parent, b->partial);
    return fail_on(b, "sync the parent", "directory", number);
}

static int make(struct backup *b, uint8_t *block, struct buf *text)
{
    int error = open_parent(b);
    if (!error)
        error = make_partial(b);
    if (!error)
        error = hold_all(b, block);
    if (!error)
        error = sum_all(b, block, text);
    if (!error)
        error = write_manifest(b, buf_view(text));
    return error ? error : give_name(b);
}

static void *run(void *arg)
{
    struct backup *b = arg;
    struct buf text;
    uint8_t *block = malloc(MANIFEST_BLOCK);
    buf_init(&text, MANIFEST_MAX);
    b->error = block ? make(b, block, &text) : fail(b, ERR_NO_MEMORY, "out of memory for a backup");
    if (b->error && b->to >= 0)
        remove_partial(b, b->partial);
    if (b->to >= 0)
        close(b->to);
    if (b->parent >= 0)
        close(b->parent);
    b->to = b->parent = -1;
    buf_close(&text);
    free(block);
    atomic_store(&b->over, true);
    if (b->wake)
        b->wake(b->wake_arg);
    return NULL;
}
