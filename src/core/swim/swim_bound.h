/* swim_bound.h: how far an incarnation may lie above what is known, to be believed. Inside SWIM
 * only; the essay is in swim_bound.c. */
#ifndef COVEY_CORE_SWIM_BOUND_H
#define COVEY_CORE_SWIM_BOUND_H

#include "core/swim/swim_table.h"

/* Whether a datagram's number about that member is believed. One that is not is counted, and a
 * member that can know is asked over a stream. */
bool swim_bound_packet(struct swim *s, uint64_t member, uint64_t incarnation);

/* How much is believed of an incarnation that came on a stream. */
uint64_t swim_bound_stream(const struct swim *s, uint64_t member, uint64_t incarnation);

#endif
