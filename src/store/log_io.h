/* log_io.h: the system calls that make the log durable, as a table, so that a test can fail the
 * n-th of them, or die in it; and reads and writes that go through the table. Inside store/ and its
 * tests only. */
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

/* The calls of the system. */
extern const struct log_io log_io_os;

/* The enum error of an errno that a write gave: ERR_NO_SPACE or ERR_IO. */
int log_io_error(int number);

/* Writes all of iov at `at`; a short write is continued, so the array is used up. 0, ERR_NO_SPACE
 * or ERR_IO; then errno says more. */
int log_io_write(const struct log_io *io, int fd, struct iovec *iov, int n, off_t at);

/* Reads up to n bytes at `at`, with the flags of preadv2. Bytes read (fewer only at the end of the
 * file, or of what is cached), or -errno. */
ssize_t log_io_read(const struct log_io *io, int fd, void *p, size_t n, off_t at, int flags);

#endif
