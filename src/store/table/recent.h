/* recent.h: the memory of the puts that this store has taken of late. A put is taken when nothing
 * greater is visible for its key.
 *
 * Why. A coordinator whose write meets a greater version must know which of two things happened.
 * Either that version was here before the write came: then this store never held the write, and its
 * coordinator may give it another stamp. Or the write was taken, and superseded since: readers may
 * have seen it, and if it came back above what superseded it, they would see time run backwards
 * (core/coord/coord_write.c). The index knows only what is held now, and the two cases differ in
 * the past.
 *
 * How. Each put that was taken leaves a mark of eight bytes in a hash table. There are two tables.
 * When the newer one is full it becomes the older one, and the former older one is emptied. To
 * remember a put, or to look for one, touches a cache line or two.
 *
 * The *horizon* is how far back the memory goes: the greatest stamp of all puts that were taken and
 * forgotten. A put above the horizon that has no mark was certainly never taken. A put at or below
 * it that has no mark may have been. RECENT_PUTS is more than coordinators have under way, so that
 * a busy cluster does not forget what it will be asked about. */
#ifndef COVEY_STORE_RECENT_H
#define COVEY_STORE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/record.h"

enum {
    RECENT_PUTS = 64 * 1024,          /* puts that are remembered at least; twice as many at most */
    RECENT_BUCKETS = 2 * RECENT_PUTS, /* of each table: 1 MiB, touched as it fills */
};

struct recent {
    uint64_t *mark[2];    /* the tables, [0] the newer; a mark is a hash of key and version, or 0 */
    uint64_t greatest[2]; /* the greatest stamp in each table, forgotten marks included */
    uint64_t horizon;     /* the greatest stamp that was taken and is not remembered any more */
    uint32_t n;           /* marks in the newer table */
    /* How often all was forgotten. It is part of every mark, so a mark from before matches nothing;
     * it takes its bucket until its table is emptied. */
    uint64_t forgets;
};

/* 0 or ERR_NO_MEMORY. */
int recent_init(struct recent *r);
void recent_close(struct recent *r);

/* Asks the processor's cache for what recent_take will touch. */
void recent_fetch(const struct recent *r, uint64_t hash, const struct version *v);

/* A version was taken for the key of that hash. */
void recent_take(struct recent *r, uint64_t hash, const struct version *v);

/* Whether a version is remembered as taken; and whether it was certainly never taken since the
 * store was opened. Where both are false it may have been taken. */
bool recent_took(const struct recent *r, uint64_t hash, const struct version *v);
bool recent_never_took(const struct recent *r, uint64_t hash, const struct version *v);

/* Forgets all, for one of two reasons. A group that was taken could not be stored after all. Or
 * lost records have been fetched again: what was taken meanwhile was compared with less than was
 * acknowledged, so that it was taken proves nothing about the order of writes. Takes no time, for
 * on a full disk every group fails. */
void recent_forget(struct recent *r);

#endif
