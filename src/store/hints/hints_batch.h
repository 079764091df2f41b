/* hints_batch.h: encoded records turned into the batch that a replay sends. Both implementations of
 * hints.h use it. */
#ifndef COVEY_STORE_HINTS_BATCH_H
#define COVEY_STORE_HINTS_BATCH_H

#include "store/hints.h"

struct hints_batch {
    struct located_record at[HINTS_BATCH];
    uint32_t n;
    struct buf values; /* values that had to be uncompressed */
    uint32_t used;     /* bytes that the records of the batch take, marks among them included */
};

void hints_batch_init(struct hints_batch *b);
void hints_batch_close(struct hints_batch *b);

/* Fills the batch from the start of `bytes`. `first` is the location of the first byte. The
 * location of a record is the one behind it, where the next begins. Records that are no hints (head
 * marks) are left out. The batch ends after HINTS_BATCH records or HINTS_BATCH_BYTES of values, at
 * a record that is not all there, or before a damaged one. It points into bytes and b->values. 0,
 * ERR_CORRUPT (the first record is damaged) or ERR_NO_MEMORY. */
int hints_batch_fill(struct hints_batch *b, struct slice bytes, uint64_t first);

/* Whether a record of a log of hints is a hint; else it is a head mark. */
bool hints_is_hint(const struct record *r);

#endif
