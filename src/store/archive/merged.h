/* merged.h: what the backups of a cluster's nodes hold together: read, checked from end to end, and
 * merged by version.
 *
 * A backup has one node's share (backup.c). A write that was acknowledged stands at W of a key's N
 * owners, so any N-W+1 of them have it between them: the backups of two nodes of three hold all
 * that was acknowledged before the first of them was taken, and of more nodes it needs one of each
 * but W-1. Of several versions of a key the greatest counts, as in the cluster: what was deleted
 * stays deleted, what was flushed stays flushed. */
#ifndef COVEY_STORE_MERGED_H
#define COVEY_STORE_MERGED_H

#include "store/archive/manifest.h"
#include "store/table/table.h"

struct merged_file {
    struct slice bytes; /* mapped */
    const char *path;   /* of its backup */
    uint32_t number;
    uint16_t slot; /* its name in the index */
};

struct merged {
    /* set by the owner; may be NULL */
    void (*progress)(void *arg, uint64_t bytes_done, uint64_t bytes);
    void (*warn)(void *arg, const char *sentence);
    void *arg;
    /* its own */
    struct table table;
    struct merged_file *file;
    uint32_t file_n;
    struct manifest about;      /* of the first */
    uint64_t first_ms, last_ms; /* when they were taken */
    uint64_t bytes, done;       /* of all files; read by now */
    uint64_t greatest;          /* stamp met */
    char why[2560];             /* after an error: a sentence */
};

/* Reads the backups in these directories; the names stay the caller's and are kept. 0; with a
 * sentence in m->why: ERR_IO, ERR_CORRUPT (a file is not what its backup says; it is named),
 * ERR_BAD_FORMAT (of a later release), ERR_OTHER_CLUSTER (they are not of one cluster),
 * ERR_NO_MEMORY. merged_close in either case. */
int merged_open(struct merged *m, char *const *path, unsigned n);

/* Shows every value that counts, those whose end has come too, in the order of the files. `take`
 * returns 0 to go on; else that is the result. Else 0, ERR_CORRUPT or ERR_NO_MEMORY. */
int merged_each(struct merged *m, int (*take)(void *arg, const struct record *r), void *arg);

void merged_close(struct merged *m);

#endif
