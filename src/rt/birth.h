/* birth.h: who this node is. That is decided once, when its data directory is used for the first
 * time, and read from it ever after.
 *
 * The state record "identity" has the node's random id and its name. A founder's has also the id,
 * the generation's id and the secret that it drew for its cluster: a founder that dies before its
 * first layout is durable goes on to found the same cluster.
 *
 * A cluster is founded only when somebody asks for it (--new), once. Suppose that a node founded
 * whenever it found no log: after the loss of its disk it would be a second cluster at the address
 * of the first, and clients would believe it. */
#ifndef COVEY_RT_BIRTH_H
#define COVEY_RT_BIRTH_H

#include "rt/settings.h"
#include "store/store.h"
#include "wire/layout.h"

struct birth {
    uint64_t id;                 /* never 0 */
    bool found;                  /* this start founds a cluster, or goes on founding it */
    struct cluster_id cluster;   /* of a founder */
    uint64_t generation_id;      /* of a founder */
    struct layout_secret secret; /* of a founder */
    uint8_t name_n;
    uint8_t name[NODE_NAME_MAX];
};

/* Whether a start with these settings may use the data directory; asked before anything is made in
 * it. 0, or ERR_REFUSED with a sentence in why: the directory is empty, and the settings ask
 * neither to found nor to join; or it is neither empty nor a member's (a backup, the remains of a
 * lost log, other files). */
int birth_allowed(const struct settings *s, char *why, size_t why_n);

/* Reads the identity from the store; or draws one, stores it, and waits until it is durable. 0;
 * ERR_REFUSED (the settings do not fit the directory), ERR_CORRUPT or ERR_IO, with a sentence in
 * why. */
int birth_of(struct birth *b, const struct settings *s, struct store *store, char *why,
             size_t why_n);

#endif
