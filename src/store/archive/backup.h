/* backup.h: a copy of a running log, as of one moment, as a directory of its own: the log's files
 * and a manifest. backup.c says how, and what holds at every step.
 *
 * The loop begins it and takes a step once a turn. A thread that lives as long as the backup does
 * the rest. */
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
    struct segment *segment; /* in phase HOLD its `reads` counts this backup */
    uint32_t number;
    uint32_t bytes; /* that belong to the backup: the first ones of the file */
    bool ended;     /* nothing is appended to it any more */
};

/* backup.c has the diagram. */
enum backup_phase { BACKUP_REST, BACKUP_HOLD, BACKUP_READ };

struct backup {
    /* set by the owner */
    struct segments *segments;
    const struct log_io *io;
    int dir;
    /* called on the thread when backup_step has something to do; may be NULL */
    void (*wake)(void *arg);
    void *wake_arg;
    /* its own */
    uint8_t phase;             /* enum backup_phase; the loop's */
    struct queue asked;        /* struct asked, of backup.c */
    struct backup_info answer; /* the last result points here */
    struct backup_info last;   /* the backup that has ended last; its texts are: */
    char last_path[BACKUP_PATH_MAX], last_why[BACKUP_WHY_MAX];
    bool end_due; /* the end of that backup is still to be reported */
    /* of the backup under way; set before its thread starts */
    struct manifest about;
    char path[BACKUP_PATH_MAX];
    uint32_t parent_n;        /* bytes of path up to its last slash, which is included */
    char partial[288];        /* the directory's name until it is complete */
    struct backup_file *file; /* about.file_n of them, by rising number */
    uint64_t bytes;           /* of all files */
    pthread_t thread;
    /* the thread's, while there is one */
    int parent; /* the directory that will hold the backup; -1: not open */
    int to;     /* the directory that is being filled; -1: not open */
    int error;
    char why[BACKUP_WHY_MAX]; /* a sentence; without a thread: why a backup was refused last */
    /* between the two */
    _Atomic bool held;           /* all files have links or copies: the log's own may go */
    _Atomic bool over;           /* the thread has ended */
    _Atomic bool stop;           /* the thread is to give up */
    _Atomic uint32_t files_done; /* files whose checksum is made */
    _Atomic uint64_t bytes_done; /* bytes of these and of the next */
};

void backup_init(struct backup *b);

/* Asks for a backup. about: whose it is (file_n and files are filled in here); NULL: only how a
 * backup goes is asked. path: where it shall be; copied. */
void backup_ask(struct backup *b, uint64_t token, const struct manifest *about, struct slice path);

/* The next answer, or the report that a backup has ended; false when there is none. What can be
 * found out without the disk is found before the answer: that the path cannot be used, or that
 * another backup is under way. All else is reported at the end. */
bool backup_result(struct backup *b, struct store_result *out);

/* Once a turn: unpins the segments when they are no longer needed, and notes the end. */
void backup_step(struct backup *b);

/* Gives up the backup that is under way, removes what there is of it, and frees all. */
void backup_stop(struct backup *b);

#endif
