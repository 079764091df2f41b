/* damage.h: what of the ring is in doubt because a record of the log could not be read.
 *
 * By slot, so that it outlives a new cut of the ring; kept as a state record from the start that
 * found it until the owner says that a vnode has been fetched again. */
#ifndef COVEY_STORE_DAMAGE_H
#define COVEY_STORE_DAMAGE_H

#include "base/hash.h"
#include "base/slice.h"

/* The name of the state record. */
#define DAMAGE_NAME SLICE("log.damaged")

struct damage {
    uint8_t slot[SLOTS / 8]; /* a bit each */
};

/* What can be said of a record that fails its checksum. */
struct damage_finding {
    uint32_t size; /* of the record; 0: nothing of it can be believed, its length neither */
    bool state;    /* of the node's own state, with this name and at least this serial */
    uint16_t slot;
    uint64_t serial;
    struct slice name;
};

/* Looks at the bad record at the start of bytes. */
struct damage_finding damage_look(struct slice bytes);

/* Marks what a finding puts in doubt: its slot, or all of them. */
void damage_mark(struct damage *d, const struct damage_finding *f);

bool damage_any(const struct damage *d);

/* Vnode v of n. */
bool damage_in(const struct damage *d, uint32_t v, uint32_t n);

#endif
