/* refused.h: what a recovering node holds and sound owners refuse, because it is too old for them.
 * repair_recover.c argues what follows from that.
 *
 * A bounded table with an entry for each (vnode, key, version, expiry), and by which owners it was
 * refused, a bit for each rank. An entry stays until the caller takes it out. When the table is
 * full the rest of a comparison does not fit, and comes another time. */
#ifndef COVEY_CORE_REFUSED_H
#define COVEY_CORE_REFUSED_H

#include "wire/record.h"

enum {
    /* entries, of 72 bytes: an add looks at all of them, in some microseconds */
    REFUSED_MAX = 4096,
    REFUSED_KEY_BYTES_MAX = 512 * 1024, /* of all their keys */
};

struct refused_entry {
    uint64_t key_at; /* in the table's keys */
    uint32_t key_n;
    uint16_t vnode;
    uint8_t by;   /* the owners that refused it, a bit for each rank; never 0 */
    bool erasing; /* its erasure is on its way to the store */
    struct version version;
    uint64_t expiry_ms;
};

struct refused {
    struct refused_entry *entry;
    unsigned n, cap;
    struct buf keys; /* the entries' keys, in the order of the entries */
};

void refused_init(struct refused *f);
void refused_close(struct refused *f);

/* The vnode's owner of that rank refused the record (its value does not matter; its key is copied).
 * 0, ERR_NO_MEMORY, or ERR_TOO_BIG: the table is full. */
int refused_add(struct refused *f, uint16_t vnode, unsigned rank, const struct record *record);

/* Forgets what that owner refused: it is about to be compared with again. */
void refused_forget(struct refused *f, uint16_t vnode, unsigned rank);

/* Takes out all entries of the vnode. */
void refused_drop(struct refused *f, uint16_t vnode);

/* The erasures under way are stored: takes out their entries; or one of them failed: all stay. */
void refused_erased(struct refused *f, bool failed);

/* Whether `quorum` owners refused the entry. */
bool refused_by(const struct refused_entry *e, unsigned quorum);

/* Whether the vnode has an entry that `quorum` owners refused. */
bool refused_any(const struct refused *f, uint16_t vnode, unsigned quorum);

/* The record that was refused, without its value. The key lives until the table changes. */
struct record refused_record(const struct refused *f, const struct refused_entry *e);

void refused_check(const struct refused *f);

#endif
