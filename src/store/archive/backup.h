/* backup.h: a copy of a running log, as of one moment, as a directory of its own: the log's files and a manifest. backup.c says
 * how, and what holds at every step.
 *
 * The loop begins it and looks in once a turn; a thread that lives as long as the backup does the rest. */
#ifndef COVEY_STORE_BACKUP_H
#define COVEY_STORE_BACKUP_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/archive/manifest.h"
#include "store/log/segments.h"

enum { BACKUP_PATH_MAX = 1024, BACKUP_WHY_MAX = BACKUP_PATH_MAX + 256 };

/* A file of the log as it was when the backup began. */
struct backup_file {
    struct segment *segment; /* pinned: its `reads` counts us */
    uint32_t number, bytes;
    bool ended; /* nothing is appended to it any more */
};

struct backup {
    /* set by the owner */
    struct segments *segments;
    const struct log_io *io;
    int dir;
    void (*wake)(void *arg); /* called on the thread when backup_step has something to do; may be NULL */
    void *wake_arg;
    /* its own */
    struct manifest about;
    char path[BACKUP_PATH_MAX];
    struct backup_file *file;
    uint64_t bytes;
    pthread_t thread;
    bool running; /* the loop's: begun, and its end not yet taken */
    bool pinned;
    uint32_t parent_n; /* of path: bytes up to its last slash, which is included */
    int parent, to;    /* the thread's: the directory that will hold the backup, and the one being filled; -1: not open */
    char partial[288]; /* its name until it is whole */
    int error;         /* of the last one, once it has ended, with ... */
    char why[BACKUP_WHY_MAX];
    _Atomic bool held; /* the files are held by links or copies: the log's own may go */
    _Atomic bool over, stop;
    _Atomic uint32_t files_done; /* read, and their checksums made */
    _Atomic uint64_t bytes_done;
};

void backup_init(struct backup *b);

/* Begins: `about` says whose it is (file_n and files are filled in here), path where it shall be. 0; ERR_BUSY
 * (one is under way); or with a sentence in b->why ERR_REFUSED (not now, or the path is none to use) or ERR_NO_MEMORY. What can
 * only be found on the disk comes later, in b->error. */
int backup_begin(struct backup *b, const struct manifest *about, const char *path);

/* Once a turn: lets go of what is no longer needed. True when it has ended just now: b->error and b->why say how. */
bool backup_step(struct backup *b);

/* Gives up one that is under way, removes what there is of it, and frees all. */
void backup_stop(struct backup *b);

#endif
