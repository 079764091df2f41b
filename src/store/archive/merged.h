/* merged.h: what the backups of a cluster's nodes hold together: read, checked from end to end, and
 * merged by version.
 *
 * A backup has what one node held (backup.c). A write that was acknowledged stands at W of a key's
 * N owners, so any N-W+1 owners have it between them. With N = 3 and W = 2 the backups of two of
 * three nodes hold all that was acknowledged before the first of them was taken; in a larger
 * cluster the backups of all nodes but W-1 are needed. Of several versions of a key the greatest
 * counts, as in the cluster: what was deleted stays deleted, what was flushed stays flushed. */
#ifndef COVEY_STORE_MERGED_H
#define COVEY_STORE_MERGED_H

#include "store/archive/manifest.h"
#include "store/table/table.h"

struct merged_file {
    struct slice bytes; /* mapped */
    const char *path;   /* of its backup */
    uint32_t number;
    uint16_t ordinal; /* its number in the index */
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
    struct manifest about;      /* of the first backup */
    uint64_t first_ms, last_ms; /* when the first and the last of them were taken */
    uint64_t bytes;             /* of all files */
    uint64_t done;              /* bytes read in this pass */
    uint64_t greatest;          /* the greatest stamp that was met */
    char why[2560];             /* after an error: a sentence */
};

/* Reads the backups in these directories. The names stay the caller's, and must live as long as m.
 * 0; with a sentence in m->why: ERR_IO, ERR_CORRUPT (a file is not what its backup says; the
 * sentence names it), ERR_BAD_FORMAT (of a later release), ERR_OTHER_CLUSTER (they are not of one
 * cluster), ERR_NO_MEMORY. Call merged_close in either case. */
int merged_open(struct merged *m, char *const *path, unsigned n);

/* Shows every value that counts, also those that are over, in the order of the files. `take`
 * returns 0 to go on; any other result ends it, and is the result. Else 0, ERR_CORRUPT or
 * ERR_NO_MEMORY. */
int merged_each(struct merged *m, int (*take)(void *arg, const struct record *r), void *arg);

void merged_close(struct merged *m);

#endif
