/* store_fault.h: a log over system calls that fail, or that the process dies in. */
#ifndef COVEY_TEST_STORE_FAULT_H
#define COVEY_TEST_STORE_FAULT_H

#include "store_fixture.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "store/log_io.h"

/* What is to go wrong. The first four numbers count down, at each call of their kind: the call
 * that brings one to 0 fails, and from then on none does. The log's helper threads make such
 * calls too. */
static struct {
    _Atomic int write_fails, sync_fails;
    _Atomic int call_fails;    /* counts all calls that change something */
    _Atomic int dies;          /* counts the same; the process ends in the call */
    _Atomic bool broken;       /* every write fails */
    _Atomic bool full;         /* there is no room for a reserve */
    _Atomic int reserve_tries; /* how often a reserve was asked for */
    int number;                /* the errno of a failure */
    size_t write_max;          /* how many bytes one write takes; 0: all */
    bool uncached;             /* no read finds its bytes in the page cache */
    bool read_fails;
} fault;

/* Counts a call that changes something; true when it is to fail. */
static inline bool fault_call(void)
{
    if (fault.dies > 0 && --fault.dies == 0)
        _exit(0);
    if (fault.call_fails <= 0 || --fault.call_fails > 0)
        return false;
    errno = fault.number;
    return true;
}

static inline ssize_t faulty_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (fault.broken || (fault.write_fails > 0 && --fault.write_fails == 0)) {
        errno = fault.number;
        return -1;
    }
    if (fault.dies == 1) /* half a write is the worst */
        _exit(pwrite(fd, iov->iov_base, iov->iov_len / 2, at) < 0);
    if (fault_call())
        return -1;
    if (fault.write_max == 0)
        return pwritev(fd, iov, n, at);
    while (n > 1 && iov->iov_len == 0)
        iov++, n--;
    return pwrite(fd, iov->iov_base,
                  iov->iov_len < fault.write_max ? iov->iov_len : fault.write_max, at);
}

static inline int faulty_fdatasync(int fd)
{
    if (fault.sync_fails > 0 && --fault.sync_fails == 0) {
        errno = fault.number;
        return -1;
    }
    return fault_call() ? -1 : fdatasync(fd);
}

static inline ssize_t faulty_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    if (fault.uncached && (flags & RWF_NOWAIT)) {
        errno = EAGAIN;
        return -1;
    }
    if (fault.read_fails) {
        errno = EIO;
        return -1;
    }
    return preadv2(fd, iov, n, at, flags);
}

static inline int faulty_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return fault_call() ? -1 : renameat(from_dir, from, to_dir, to);
}

static inline int faulty_unlinkat(int dir, const char *name, int flags)
{
    return fault_call() ? -1 : unlinkat(dir, name, flags);
}

static inline int faulty_fsync(int fd)
{
    return fault_call() ? -1 : fsync(fd);
}

static inline int faulty_fallocate(int fd, off_t at, off_t n)
{
    fault.reserve_tries++;
    return fault.full ? ENOSPC : fault_call() ? fault.number : posix_fallocate(fd, at, n);
}

static const struct log_io faulty = {
    faulty_pwritev,  faulty_fdatasync, faulty_preadv2,   faulty_renameat,
    faulty_unlinkat, faulty_fsync,     faulty_fallocate,
};

static inline void open_faulty(struct fixture *f)
{
    memset(&fault, 0, sizeof fault);
    if (log_open_io(&f->options, &faulty, &f->store, f->why, sizeof f->why) != 0)
        fail_msg("log_open: %s", f->why);
}

#endif
