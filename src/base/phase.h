/* phase.h: a state machine's phases, and which may follow which.
 *
 * A machine lists its phases in an enum, at most 32, and for each one the phases that may come
 * next, as bits, in one static table beside its essay's diagram. Every change of phase goes through
 * phase_enter, so a step that the table does not have aborts where it is taken, and not where its
 * damage shows:
 *
 *     static const uint32_t next[] = {
 *         [REST] = PHASE(READ),
 *         [READ] = PHASE(JUDGE) | PHASE(REST),
 *         [JUDGE] = PHASE(REST),
 *     };
 *     phase_enter(&c->phase, READ, next);
 *
 * A phase that may follow itself has its own bit in its row. A machine is born in phase 0, by its
 * zeroed struct, and is not entered into it. */
#ifndef COVEY_BASE_PHASE_H
#define COVEY_BASE_PHASE_H

#include <stdint.h>

#include "base/check.h"

#define PHASE(p) (UINT32_C(1) << (p))

/* Changes *phase to `to`, which must be among the phases that may come next. */
static inline void phase_enter(uint8_t *phase, unsigned to, const uint32_t next[])
{
    CHECK(next[*phase] & PHASE(to));
    *phase = (uint8_t)to;
}

#endif
