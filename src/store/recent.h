/* recent.h: which versions came to this store of late while nothing greater was visible for their key.
 *
 * Why. A coordinator whose write meets a greater version must know which of two things happened. Either that version was
 * here before the write came: then the write was never held here, and its coordinator may give it another stamp. Or the
 * write was taken, and superseded since: readers may have seen it, and to bring it back above what superseded it would
 * turn their time around (core/coord_write.c). The index only knows what is held now; the difference is in the past.
 *
 * The last few thousand puts that were taken, in the order in which they came: to remember one is to write eight bytes
 * behind the last, and only a put that is superseded pays for a search. How far back this reaches is a time, not a number,
 * to whoever asks: recent_reach_ms. */
#ifndef COVEY_STORE_RECENT_H
#define COVEY_STORE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/record.h"

enum {
    RECENT_PUTS = 8192, /* 20 ms at 400,000 a second: longer than a put is under way at such a rate */
    RECENT_BLOCK = 64,  /* this many are forgotten at a time */
};

struct recent {
    uint64_t mark[RECENT_PUTS];                   /* of key and version */
    uint64_t last_ms[RECENT_PUTS / RECENT_BLOCK]; /* when the last of each block came */
    uint64_t forgot_ms; /* what came up to then is forgotten: at first, all that came before the store was opened */
    uint32_t next;
};

/* A version was taken for the key of that hash. Times are monotonic ms. */
void recent_take(struct recent *r, uint64_t hash, const struct version *v, uint64_t now_ms);

/* Whether it was taken, as far as that is remembered. */
bool recent_took(const struct recent *r, uint64_t hash, const struct version *v);

/* All that came less than so many ms ago is remembered. */
uint32_t recent_reach_ms(const struct recent *r, uint64_t now_ms);

/* Some that were taken could not be stored after all: all is forgotten. */
void recent_forget(struct recent *r, uint64_t now_ms);

#endif
