/* restore.h: a new data directory made of backups: that of a founder of a new cluster, with all the
 * values that counted.
 *
 * Nothing stays of the identities of the backups' nodes, for a node under an old identity would
 * have forgotten what it promised since. A start finds no identity there, draws a member id and a
 * cluster id, and founds. Two states are written: `clock`, so that no stamp of the new cluster is
 * below a restored one, and RESTORED_NAME, by which a start knows what the directory is. */
#ifndef COVEY_STORE_RESTORE_H
#define COVEY_STORE_RESTORE_H

#include "store/archive/merged.h"

/* The state that marks the directory: u8 format (1), then the id of the cluster that the backups
 * are of. */
#define RESTORED_NAME SLICE("restored")

enum { RESTORED_FORMAT = 1, RESTORED_BYTES = 17 };

/* Whether a directory may be made there: 0, or as restore_directory refuses it. To be called before
 * all backups are read. */
int restore_allowed(struct merged *m, const char *path);

/* Makes the directory, which must not exist, or be empty; it appears when it is complete. *keys:
 * how many it holds. 0; with a sentence in m->why: ERR_REFUSED (there is something), ERR_LOCKED,
 * ERR_IO, ERR_NO_SPACE, or an error of merged_each. */
int restore_directory(struct merged *m, const char *path, uint64_t *keys);

#endif
