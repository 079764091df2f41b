/* manifest.h: the file MANIFEST of a backup, which says what the backup is, as text, so that a
 * person can read it too.
 *
 *     covey-backup 2                        the format version
 *     cluster 5c0f...                       32 hex digits: whose data it is
 *     member 91ab...                        16 hex digits: which member's share
 *     taken 1764000000000                   wall ms since 1970
 *     complete 1                            0: the member lacked some of its records
 *     keys 34924                            keys held, deleted ones included
 *     files 2                               files of the log, by rising number:
 *     file 7 67108864 0123456789abcdef      number in its name, bytes, checksum
 *     file 9 118208 0123456789abcdef
 *     sum 0123456789abcdef                  XXH3-64 of all before this line
 *
 * A file's checksum is folded over its blocks of MANIFEST_BLOCK bytes (manifest_sum), so that it
 * can be made without the file in memory. There is one spelling of each manifest: no spare blanks,
 * no leading zeros. Pure functions. */
#ifndef COVEY_STORE_MANIFEST_H
#define COVEY_STORE_MANIFEST_H

#include "base/buf.h"
#include "base/id.h"

#define MANIFEST_NAME "MANIFEST"

enum {
    MANIFEST_FORMAT = 2,
    MANIFEST_BLOCK = 1024 * 1024,
    MANIFEST_FILES_MAX = 65535, /* as many as a log can have */
    /* Bytes of a manifest, checked before anything is read; a file's line has 48 at most. */
    MANIFEST_MAX = 4 * 1024 * 1024,
};

struct manifest {
    struct cluster_id cluster;
    uint64_t member, taken_ms, keys;
    bool complete;   /* the node held all that it should */
    uint32_t format; /* decoded, with ERR_BAD_FORMAT too */
    uint32_t file_n;
    struct slice files; /* decoded: the files' lines, for manifest_next; borrowed from the text */
};

struct manifest_file {
    uint32_t number, size;
    uint64_t sum;
};

/* The checksum of a file: begin with 0, and fold in one block after the other. */
uint64_t manifest_sum(uint64_t so_far, struct slice block);

/* Appends the head (m->file_n files will follow), a file, the end. 0 or ERR_NO_MEMORY,
 * ERR_TOO_BIG. */
int manifest_begin(struct buf *out, const struct manifest *m);
int manifest_add(struct buf *out, const struct manifest_file *f);
int manifest_end(struct buf *out);

/* Reads a manifest. 0, ERR_BAD_FORMAT (this release does not know its format) or ERR_CORRUPT (it is
 * damaged, or no manifest). */
int manifest_decode(struct slice text, struct manifest *out);

/* Takes the first file off the lines. False when there is none left. */
bool manifest_next(struct slice *files, struct manifest_file *f);

#endif
