/* recent.h: which versions came to this store of late while nothing greater was visible for their
 * key.
 *
 * Why. A coordinator whose write meets a greater version must know which of two things happened.
 * Either that version was here before the write came: then the write was never held here, and its
 * coordinator may give it another stamp. Or the write was taken, and superseded since: readers may
 * have seen it, and to bring it back above what superseded it would turn their time around
 * (core/coord/coord_write.c). The index only knows what is held now; the difference is in the past.
 *
 * The last puts that were taken, as marks of eight bytes in two hash tables, of which the older
 * goes when the newer is full: to remember a put and to look for one is to touch a cache line or
 * two. It must remember more puts than coordinators have under way, or a busy cluster would forget
 * what it is asked for: that is what RECENT_PUTS is. How far back it reaches is a time, not a
 * number, to whoever asks: recent_reach_ms. */
#ifndef COVEY_STORE_RECENT_H
#define COVEY_STORE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/record.h"

enum {
    RECENT_PUTS = 64 * 1024,        /* at least so many; at most twice as many */
    RECENT_SLOTS = 2 * RECENT_PUTS, /* of each table: 1 MiB, touched as it fills */
};

struct recent {
    uint64_t *mark[2];    /* of key and version, by hash; 0: none. [0] is the newer */
    uint64_t greatest[2]; /* stamp in each, those forgotten by recent_forget included */
    uint64_t forgot;      /* the greatest stamp of all that was taken and is not remembered */
    uint32_t n;           /* in the newer one */
    /* part of every mark: those from before the last one match nothing, and go with their table */
    uint64_t forgets;
};

/* 0 or ERR_NO_MEMORY. */
int recent_init(struct recent *r);
void recent_close(struct recent *r);

/* Asks the cache for what recent_take will touch for these. */
void recent_fetch(const struct recent *r, uint64_t hash, const struct version *v);

/* A version was taken for the key of that hash. */
void recent_take(struct recent *r, uint64_t hash, const struct version *v);

/* Whether it was taken, as far as that is remembered; whether it certainly never was, since the
 * store was opened. (Neither: it may have been.) */
bool recent_took(const struct recent *r, uint64_t hash, const struct version *v);
bool recent_never_took(const struct recent *r, uint64_t hash, const struct version *v);

/* All is forgotten: some that were taken could not be stored after all; or lost records were
 * fetched again, and what was taken meanwhile was compared with less than was acknowledged, so that
 * to have taken it proves nothing about the order of writes. Costs nothing: on a full disk every
 * group fails. */
void recent_forget(struct recent *r);

#endif
