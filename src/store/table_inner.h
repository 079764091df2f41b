/* table_inner.h: what the files that make up the table share: table.c and burial.c. */
#ifndef COVEY_STORE_TABLE_INNER_H
#define COVEY_STORE_TABLE_INNER_H

#include "store/table.h"

/* Queues the answer of a put; held may be NULL. */
void table_answer_put(struct table *t, uint64_t token, int error, const struct version *held);

/* An item as it is once the flush is known: what is covered is a deletion. */
struct index_item table_flushed(const struct table *t, const struct index_item *item);

/* Lets an entry be what it is now: in the index, in its tree, and in the tallies of the segments. */
void table_change(struct table *t, const struct index_key *k, const struct index_spot *spot, const struct index_item *held,
                  const struct index_item *now);

#endif
