/* log_io.h: the system calls that make the log durable, as a table, so that a test can fail the
 * n-th of them, or die in it. Inside store/ and its tests only. */
#ifndef COVEY_STORE_LOG_IO_H
#define COVEY_STORE_LOG_IO_H

#include <sys/types.h>
#include <sys/uio.h>

struct log_io {
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t at);
    int (*fdatasync)(int fd);
    ssize_t (*preadv2)(int fd, const struct iovec *iov, int n, off_t at, int flags);
    int (*renameat)(int dir, const char *from, int to_dir, const char *to);
    int (*unlinkat)(int dir, const char *name, int flags);
    int (*fsync)(int fd); /* of a directory */
    int (*fallocate)(int fd, off_t at, off_t n);
};

/* The real ones. */
extern const struct log_io log_io_os;

/* The enum error of an errno that a write gave: ERR_NO_SPACE or ERR_IO. */
int log_io_error(int number);

#endif
