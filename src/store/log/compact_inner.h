/* compact_inner.h: the doors between the files of compaction: compact.c (the machine),
 * compact_choose.c (which segment), compact_jobs.c (on the keeper's thread), compact_judge.c (what
 * counts). Others use compact.h. */
#ifndef COVEY_STORE_COMPACT_INNER_H
#define COVEY_STORE_COMPACT_INNER_H

#include "store/log/compact.h"

/* Read at once: a millisecond of disk, and 6,000 small records. */
enum { CHUNK_BYTES = 1024 * 1024 };

/* ---- compact_choose.c ---- */

/* The next victim; NULL when there is none, or too little has died since they were looked for
 * last. */
struct segment *compact_victim(struct compact *c);

/* Whether no record in the segment can matter: then it goes without being read. */
bool compact_lifeless(const struct tally *t, const struct segment *s);

/* Whether the erasures that were carried to the segment may go. */
bool compact_carried_may_go(const struct compact *c, const struct segment *s);

/* ---- compact_jobs.c: jobs of the keeper's thread; arg is the struct compact ---- */

/* Reads the chunk at c->at, and lists its records and what of it cannot be read. */
void compact_read_chunk(struct keeper *k, void *arg);

/* Writes and syncs the copies of what counts, and notes their offsets in c->item. May make
 * c->fresh. */
void compact_copy_chunk(struct keeper *k, void *arg);

/* Unlinks the file of c->gone, or sets it aside, durably. */
void compact_unlink_file(struct keeper *k, void *arg);

/* ---- compact_judge.c: slices; each moves c->next on, which is c->item_n when all is done ---- */

/* Gives records their standing. May end the chunk early. */
void compact_judge_slice(struct compact *c);

/* Lets entries name the copies. */
void compact_move_slice(struct compact *c);

#endif
