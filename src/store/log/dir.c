#include "store/log/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "store/log_io.h"

static int fail(const char *path, const char *what, char *why, size_t why_n)
{
    int number = errno;
    switch (number) {
    case ENOTDIR:
        snprintf(why, why_n,
                 "%s cannot be a data directory: it, or something on its path, is a file; name "
                 "another directory with --data",
                 path);
        break;
    case ENOENT:
        snprintf(why, why_n,
                 "cannot make the data directory %s: its parent directory does not exist; make it, "
                 "or name another with --data",
                 path);
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        snprintf(why, why_n,
                 "cannot write in the data directory %s (%s): give the user that runs covey the "
                 "right to, or name another with --data",
                 path, strerror(number));
        break;
    default:
        snprintf(why, why_n, "cannot %s the data directory %s: %s", what, path, strerror(number));
    }
    return log_io_error(number);
}

int dir_sync_parent(const char *path)
{
    char *parent = strdup(path);
    if (!parent)
        return -1;
    size_t n = strlen(parent);
    while (n > 1 && parent[n - 1] == '/')
        parent[--n] = 0;
    char *cut = strrchr(parent, '/');
    if (cut)
        cut[cut == parent ? 1 : 0] = 0;
    int fd = open(cut ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    free(parent);
    return result;
}

static int lock(struct dir *d, const char *path, char *why, size_t why_n)
{
    d->lock_fd = openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return fail(path, "write in", why, why_n);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail(path, "lock", why, why_n);
        char pid[16] = "";
        ssize_t n = pread(d->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        snprintf(why, why_n,
                 "the data directory %s is in use by process %s: stop that one, or name another "
                 "directory with --data",
                 path, pid[0] ? pid : "unknown");
        return ERR_LOCKED;
    }
    char pid[16];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(d->lock_fd, 0) != 0 || pwrite(d->lock_fd, pid, (size_t)n, 0) != n)
        return fail(path, "write in", why, why_n);
    return 0;
}

int dir_open(struct dir *d, const char *path, char *why, size_t why_n)
{
    *d = (struct dir){-1, -1};
    if (mkdir(path, 0700) == 0) {
        if (dir_sync_parent(path) != 0)
            return fail(path, "sync the parent of", why, why_n);
    } else if (errno != EEXIST) {
        return fail(path, "make", why, why_n);
    }
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return fail(path, "open", why, why_n);
    int error = lock(d, path, why, why_n);
    CHECK(error || (d->fd >= 0 && d->lock_fd >= 0));
    if (error)
        dir_close(d);
    return error;
}

void dir_close(struct dir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    if (d->fd >= 0)
        close(d->fd);
    *d = (struct dir){-1, -1};
}
