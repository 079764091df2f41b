/* dir.h: the data directory: made, locked, and with a sentence for all that can be wrong with it. */
#ifndef COVEY_STORE_DIR_H
#define COVEY_STORE_DIR_H

#include <stddef.h>

struct dir {
    int fd;
    int lock_fd; /* holds the flock; DIR/lock has the pid of its holder */
};

/* Opens the directory, making it with mode 0700 where there is none, and locks it. 0, ERR_LOCKED, ERR_IO, ERR_NO_SPACE, with a
 * sentence in why. */
int dir_open(struct dir *d, const char *path, char *why, size_t why_n);

/* Closes it; the lock goes too. Does nothing to a directory that is not open (fd -1). */
void dir_close(struct dir *d);

#endif
