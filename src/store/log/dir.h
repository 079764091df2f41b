/* dir.h: the data directory: it is looked at, made, and locked. For all that can be wrong with it
 * there is a sentence. */
#ifndef COVEY_STORE_DIR_H
#define COVEY_STORE_DIR_H

#include <stddef.h>

struct dir {
    int fd;
    int lock_fd; /* has the flock; the file DIR/lock says the pid of the process that has it */
};

/* What stands in a directory. */
enum dir_holds {
    DIR_NOTHING, /* it is missing or empty, or a start in it was cut short before it had a log */
    DIR_LOG,     /* a log */
    DIR_BACKUP,  /* a backup */
    DIR_REMAINS, /* no log, but other files that a node makes beside its log: the log was lost */
    DIR_FOREIGN, /* no log, and nothing but files that no node makes */
    DIR_UNKNOWN, /* it cannot be listed: dir_open says why */
};

enum { DIR_NAMES = 128 };

/* Looks, and changes nothing. names: for DIR_REMAINS and DIR_FOREIGN, the files that were found,
 * with commas between them; a long list is cut. */
enum dir_holds dir_look(const char *path, char names[DIR_NAMES]);

/* Opens the directory and locks it; makes it, with mode 0700, where there is none. 0; ERR_LOCKED,
 * ERR_IO or ERR_NO_SPACE with a sentence in why. */
int dir_open(struct dir *d, const char *path, char *why, size_t why_n);

/* Closes it; the lock goes too. Does nothing to a directory that is not open (fd -1). */
void dir_close(struct dir *d);

/* Syncs the directory that holds `path`, so that a new name in it is still there after a loss of
 * power. 0, or -1 with errno. */
int dir_sync_parent(const char *path);

#endif
