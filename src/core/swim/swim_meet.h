/* swim_meet.h: introductions: to whom we know by hearsay, to the dead, to who accuses us. Inside
 * SWIM only. */
#ifndef COVEY_CORE_SWIM_MEET_H
#define COVEY_CORE_SWIM_MEET_H

#include "core/swim/swim_table.h"

/* Adds to a packet: a ping that introduces us (our own alive), and what we hold against its
 * receiver, if anything. m may be NULL. */
void swim_meet_words(struct swim *s, struct packet *p, uint64_t id, const struct swim_member *m,
                     uint64_t seq);

/* An introduction to whoever lives there. False when this call may send no more. */
bool swim_meet_at(struct swim *s, uint64_t id, struct addr addr);

/* Plans the next introduction to an unverified member, in the pace of SWIM_INTRODUCE_MS; none after
 * SWIM_INTRODUCTIONS. */
void swim_meet_soon(struct swim *s, struct swim_member *m);

/* Its timer came: introduces us, and plans again. False when this call may send no more (the timer
 * stays). */
bool swim_meet_due(struct swim *s, struct swim_member *m);

/* One of the dead is pinged, now and again. */
void swim_meet_gone_tick(struct swim *s);
uint64_t swim_meet_gone_deadline_ms(const struct swim *s);

#endif
