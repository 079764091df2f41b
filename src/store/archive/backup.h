/* backup.h: a copy of a running log, as of one moment, as a directory of its own: the log's files
 * and a manifest. backup.c says how, and what holds at every step.
 *
 * The loop begins it and looks in once a turn; a thread that lives as long as the backup does the
 * rest. */
#ifndef COVEY_STORE_BACKUP_H
#define COVEY_STORE_BACKUP_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/archive/manifest.h"
#include "store/log/segments.h"
#include "store/queue.h"
#include "wire/answer.h"

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
    /* called on the thread when backup_step has something to do; may be NULL */
    void (*wake)(void *arg);
    void *wake_arg;
    /* its own */
    struct queue asked;                                        /* struct asked, of backup.c */
    struct backup_info told;                                   /* what was answered last */
    struct backup_info last;                                   /* the last one that has ended, */
    char last_path[BACKUP_PATH_MAX], last_why[BACKUP_WHY_MAX]; /* and its texts */
    /* that it has, and it was not told yet */
    bool news;
    /* of the one under way */
    struct manifest about;
    char path[BACKUP_PATH_MAX];
    struct backup_file *file;
    uint64_t bytes;
    pthread_t thread;
    bool running; /* the loop's: begun, and its end not yet noted */
    bool pinned;
    uint32_t parent_n; /* of path: bytes up to its last slash, which is included */
    /* the thread's: the directory that will hold the backup, and the one being filled; -1: not
     * open */
    int parent, to;
    char partial[288]; /* its name until it is whole */
    /* the thread's, while there is one: what went wrong, and the sentence; */
    int error;
    char why[BACKUP_WHY_MAX]; /* else of the one that was refused last */
    _Atomic bool held;        /* the files are held by links or copies: the log's own may go */
    _Atomic bool over, stop;
    _Atomic uint32_t files_done; /* read, and their checksums made */
    _Atomic uint64_t bytes_done;
};

void backup_init(struct backup *b);

/* Asks for a backup: `about` says whose it is (file_n and files are filled in here), path where it
 * shall be, copied. Without `about` for how it goes. */
void backup_ask(struct backup *b, uint64_t token, const struct manifest *about, struct slice path);

/* The next answer, or the news that one has ended; false when there is none. What can be found out
 * without the disk is found before the answer: the path is none to use, or another backup is under
 * way. The rest is known at the end. */
bool backup_result(struct backup *b, struct store_result *out);

/* Once a turn: lets go of what is no longer needed, and notes the end. */
void backup_step(struct backup *b);

/* Gives up one that is under way, removes what there is of it, and frees all. */
void backup_stop(struct backup *b);

#endif
