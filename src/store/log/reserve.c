#include "store/log/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"

static const char NAME[] = "reserve";

int reserve_take(struct reserve *r)
{
    CHECK(r->bytes > 0);
    int fd = openat(r->dir, NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return log_io_error(errno);
    int number = r->io->fallocate(fd, 0, r->bytes);
    close(fd);
    if (number != 0) {
        r->io->unlinkat(r->dir, NAME, 0);
        return log_io_error(number);
    }
    atomic_store(&r->held, true);
    return 0;
}

bool reserve_release(struct reserve *r)
{
    if (!atomic_exchange(&r->held, false))
        return false;
    r->io->unlinkat(r->dir, NAME, 0);
    return true;
}
