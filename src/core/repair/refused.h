/* refused.h: what a recovering node holds and sound owners would not take, because it is too old
 * for them (repair_recover.c says what follows from that).
 *
 * A bounded table: an entry for each (vnode, key, version, expiry), and by whom it was refused, a
 * bit for each place of an owner. When it is full the rest is heard another time: nothing is
 * forgotten without being asked to. */
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
    uint8_t by;   /* places of owners, a bit each; never 0 */
    bool leaving; /* its erasure is on its way to the store */
    struct version version;
    uint64_t expiry_ms;
};

struct refused {
    struct refused_entry *entry;
    unsigned n, cap;
    struct buf keys; /* of the entries, in their order */
};

void refused_init(struct refused *f);
void refused_close(struct refused *f);

/* The owner at that place of the vnode refused the record (its value does not matter; its key is
 * copied). 0, ERR_NO_MEMORY, or ERR_TOO_BIG: the table is full. */
int refused_add(struct refused *f, uint16_t vnode, unsigned place, const struct record *record);

/* What that owner refused is to be heard anew. */
void refused_forget(struct refused *f, uint16_t vnode, unsigned place);

/* All entries of the vnode go. */
void refused_drop(struct refused *f, uint16_t vnode);

/* Those that leave have left, or (failed) stay. */
void refused_left(struct refused *f, bool failed);

/* Whether `quorum` owners refused the entry, and whether there is such an entry in the vnode. */
bool refused_by(const struct refused_entry *e, unsigned quorum);
bool refused_any(const struct refused *f, uint16_t vnode, unsigned quorum);

/* The record that was refused, without its value. The key lives until the table changes. */
struct record refused_record(const struct refused *f, const struct refused_entry *e);

void refused_check(const struct refused *f);

#endif
