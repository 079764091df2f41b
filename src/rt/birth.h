/* birth.h: who this node is. Decided once, when its data directory is used for the first time, and
 * read back ever after (design section 3).
 *
 * The state record "identity" holds the node's random id, its name, and, in a founder's directory,
 * the id, the generation's id and the secret that it drew for its cluster: a founder that dies
 * before its first layout is durable goes on founding the same cluster.
 *
 * A cluster is founded only when somebody asks for it (--new), once. A node that founded whenever
 * it found no log would, after the loss of its disk, be a second cluster at the address of the
 * first, and clients would believe it. */
#ifndef COVEY_RT_BIRTH_H
#define COVEY_RT_BIRTH_H

#include "rt/settings.h"
#include "store/store.h"
#include "wire/layout.h"

struct birth {
    uint64_t id;                 /* never 0 */
    bool found;                  /* this start founds (or goes on founding) a cluster */
    struct cluster_id cluster;   /* of a founder */
    uint64_t generation_id;      /* of a founder */
    struct layout_secret secret; /* of a founder */
    uint8_t name_n;
    uint8_t name[NODE_NAME_MAX];
};

/* Looks at the data directory before anything is made in it: may a start with these settings use
 * it? 0, or ERR_REFUSED with a sentence in why: it is empty, and neither founding nor joining was
 * asked for; or it is neither empty nor a member's (a backup, what a lost log left behind, files
 * that are not covey's). */
int birth_allowed(const struct settings *s, char *why, size_t why_n);

/* Reads the identity from the store, or draws and stores one and waits until it is durable. 0;
 * ERR_REFUSED (the settings do not fit the directory), ERR_CORRUPT, ERR_IO, with a sentence in
 * why. */
int birth_of(struct birth *b, const struct settings *s, struct store *store, char *why,
             size_t why_n);

#endif
