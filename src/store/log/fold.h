/* fold.h: what compaction writes of a record that counts: the record as it is by now, in one piece.
 *
 * A value and its expiry are two records on disk until one of them is copied: then the copy is the
 * value with its expiry, and the other has nothing left to say. Of a value that has lapsed
 * (table.h) the expiry alone is copied. A record that a flush covers is copied as the deletion that
 * it has become. */
#ifndef COVEY_STORE_FOLD_H
#define COVEY_STORE_FOLD_H

#include "store/log/segment.h"
#include "store/table/table.h"

/* Appends the copy of a record of the ring, encoded in bytes, that stands where the index says
 * (`held`). 0, or an error of buf_reserve. */
int fold_record(struct buf *copy, struct slice bytes, const struct record_view *v,
                const struct index_item *held);

/* Appends the value that an expiry is for, with that expiry: read from `s`, where `held` says that
 * it stands. Nothing, when the value has it already, or cannot be read whole any more (then what it
 * was is for damage.h, not for us). 0, ERR_IO, or an error of buf_reserve. */
int fold_expiry(struct buf *copy, const struct segment *s, const struct log_io *io,
                struct slice key, const struct index_item *held);

#endif
