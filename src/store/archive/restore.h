/* restore.h: a new data directory made of backups: that of a founder of a new cluster, with all the
 * values that counted.
 *
 * Of what the backups' nodes were nothing is kept (design section 4: a restored backup is a new
 * member, or a new cluster): a start finds no identity there, draws a member id and a cluster id,
 * and founds. Two states are written: `clock`, so that no stamp of the new cluster is below a
 * restored one, and RESTORED_NAME, so that a start knows what this is. */
#ifndef COVEY_STORE_RESTORE_H
#define COVEY_STORE_RESTORE_H

#include "store/archive/merged.h"

/* The state that marks the directory: u8 format (1), the id of the cluster that it was. */
#define RESTORED_NAME SLICE("restored")

enum { RESTORED_FORMAT = 1, RESTORED_BYTES = 17 };

/* Whether a directory may be made there: 0, or as restore_directory refuses it. To be asked before
 * all is read. */
int restore_allowed(struct merged *m, const char *path);

/* Makes the directory, which must not exist or be empty; it appears when it is whole. *keys: how
 * many it holds. 0; with a sentence in m->why: ERR_REFUSED (there is something), ERR_LOCKED,
 * ERR_IO, ERR_NO_SPACE, or an error of merged_each. */
int restore_directory(struct merged *m, const char *path, uint64_t *keys);

#endif
