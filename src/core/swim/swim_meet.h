/* swim_meet.h: introductions: to members known by hearsay, to the dead, to our accusers. Inside
 * SWIM only. */
#ifndef COVEY_CORE_SWIM_MEET_H
#define COVEY_CORE_SWIM_MEET_H

#include "core/swim/swim_table.h"

/* Adds to a packet: a ping that introduces us (with our own alive), and our accusation of its
 * receiver m, if there is one. m may be NULL. */
void swim_meet_ping(struct swim *s, struct packet *p, uint64_t id, const struct swim_member *m,
                    uint64_t seq);

/* An introduction to whichever process lives there. False when this call may send no more. */
bool swim_meet_at(struct swim *s, uint64_t id, struct addr addr);

/* Plans the next introduction to an unverified member, in the pace of SWIM_INTRODUCE_MS; none after
 * SWIM_INTRODUCTIONS. */
void swim_meet_soon(struct swim *s, struct swim_member *m);

/* The member's timer came: introduces us, and plans the next. False when this call may send no
 * more: the timer stays. */
bool swim_meet_due(struct swim *s, struct swim_member *m);

/* Introduces us to one of the dead, when that is due. */
void swim_meet_gone_tick(struct swim *s);
uint64_t swim_meet_gone_deadline_ms(const struct swim *s);

#endif
