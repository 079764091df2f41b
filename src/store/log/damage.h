/* damage.h: a set of slots whose records may be lost, and what is known of a record that cannot be
 * read. doubt.h says what becomes of it. */
#ifndef COVEY_STORE_DAMAGE_H
#define COVEY_STORE_DAMAGE_H

#include "base/hash.h"
#include "base/slice.h"

/* The name of the state record that says which slots are in doubt. */
#define DAMAGE_NAME SLICE("log.damaged")

struct damage {
    uint8_t slot[SLOTS / 8]; /* a bit each */
};

/* What is known of a record that fails its checksum. */
struct damage_finding {
    uint32_t size; /* bytes of the record; 0: nothing of it can be believed, not even its length */
    uint16_t slot; /* unless size is 0; then it may be any number */
    bool state;    /* the record is one of the node's own state */
    uint64_t serial;   /* of a state */
    struct slice name; /* of a state; else the key */
};

/* Looks at the bad record at the start of bytes. */
struct damage_finding damage_look(struct slice bytes);

/* Adds the slots that a finding puts in doubt: its own, or all of them. */
void damage_mark(struct damage *d, const struct damage_finding *f);

/* Whether there is any slot in the set. */
bool damage_any(const struct damage *d);

/* Whether there is a slot of vnode v of n in the set. */
bool damage_in(const struct damage *d, uint32_t v, uint32_t n);

#endif
