#include "store/log_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"

const struct log_io log_io_os = {pwritev,  fdatasync, preadv2,        renameat,
                                 unlinkat, fsync,     posix_fallocate};

int log_io_error(int number)
{
    return number == ENOSPC || number == EDQUOT ? ERR_NO_SPACE : ERR_IO;
}

int log_io_write(const struct log_io *io, int fd, struct iovec *iov, int n, off_t at)
{
    for (size_t done = 0;;) {
        for (; n > 0 && done >= iov->iov_len; iov++, n--)
            done -= iov->iov_len;
        if (n == 0)
            return 0;
        iov->iov_base = (uint8_t *)iov->iov_base + done;
        iov->iov_len -= done;
        ssize_t wrote = io->pwritev(fd, iov, n, at);
        if (wrote == 0)
            errno = ENOSPC; /* the system gives no reason, and this is the likely one */
        if (wrote <= 0 && !(wrote < 0 && errno == EINTR))
            return log_io_error(errno);
        done = wrote > 0 ? (size_t)wrote : 0;
        at += (off_t)done;
    }
}

ssize_t log_io_read(const struct log_io *io, int fd, void *p, size_t n, off_t at, int flags)
{
    size_t got = 0;
    while (got < n) {
        struct iovec iov = {(uint8_t *)p + got, n - got};
        ssize_t r = io->preadv2(fd, &iov, 1, at + (off_t)got, flags);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return got > 0 ? (ssize_t)got : -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}
