/* swim_self.h: the own incarnation: stored, and raised in defence. Inside SWIM only. */
#ifndef COVEY_CORE_SWIM_SELF_H
#define COVEY_CORE_SWIM_SELF_H

#include "core/swim/swim_table.h"

/* Raises the incarnation above `seen`: submits it to the store, or does so as soon as the one that
 * is on its way there is durable. */
void swim_self_raise(struct swim *s, uint64_t seen);

/* An accusation of ourselves came: that we are suspect or dead (accuser == ourselves: that we
 * left). */
void swim_self_accused(struct swim *s, uint64_t incarnation, uint64_t accuser);

/* The state record with that number is durable. */
void swim_self_stored(struct swim *s, uint64_t number);

/* Submits again what was not confirmed in time. */
void swim_self_tick(struct swim *s);

/* When that is; UINT64_MAX: nothing is on its way to the store. */
uint64_t swim_self_deadline_ms(const struct swim *s);

/* Lifeguard's local health: d is +1 or more for signs that we are slow or cut off, -1 for one that
 * we are well. */
void swim_self_health(struct swim *s, int d);

#endif
