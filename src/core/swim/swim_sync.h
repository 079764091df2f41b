/* swim_sync.h: push-pull: two nodes compare their tables, and exchange them where they differ.
 * Inside SWIM only. */
#ifndef COVEY_CORE_SWIM_SYNC_H
#define COVEY_CORE_SWIM_SYNC_H

#include "core/swim/swim_table.h"

/* A push-pull with a random member, when that is due. */
void swim_sync_tick(struct swim *s);
uint64_t swim_sync_deadline_ms(const struct swim *s);

/* One with this member, unless there was another within a period. */
void swim_sync_with(struct swim *s, const struct swim_member *m);

/* A hash; and a table. Both are those of s->source. */
void swim_sync_hash(struct swim *s, const struct msg_sync_hash *h);
void swim_sync_table(struct swim *s, const struct msg_sync_table *t);

#endif
