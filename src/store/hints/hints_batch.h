/* hints_batch.h: a run of encoded records turned into the batch that a replay sends. What both
 * kinds of hints share. */
#ifndef COVEY_STORE_HINTS_BATCH_H
#define COVEY_STORE_HINTS_BATCH_H

#include "store/hints.h"

struct hints_batch {
    struct located_record at[HINTS_BATCH];
    uint32_t n;
    struct buf values; /* the values that had to be uncompressed */
    uint32_t used;     /* bytes of the run that were looked at: whole records */
};

void hints_batch_init(struct hints_batch *b);
void hints_batch_close(struct hints_batch *b);

/* Fills the batch from the start of `bytes`, where the byte at i stands at place first + i; a
 * record's place is that behind it, where the next begins. Records that no owner takes (marks) are
 * passed over. Stops after HINTS_BATCH records, HINTS_BATCH_BYTES of values or where the bytes end
 * in the middle of a record. The batch points into bytes and b->values. 0, ERR_CORRUPT when the
 * first record is damaged (what stands before a later one is given first), or ERR_NO_MEMORY. */
int hints_batch_fill(struct hints_batch *b, struct slice bytes, uint64_t first);

/* Whether a record of the log is a hint, or a mark of the log's own. */
bool hints_is_hint(const struct record *r);

#endif
