/* verdict.h: what STATUS says of the cluster: a pure function over what a node knows of the
 * members.
 *
 * The facts come from the failure detector (is it alive), from the coordinator (is a stream to it
 * up, does it answer writes), and from the member's own packets (does its disk take writes, is it
 * recovering, does it keep hints). The essay is in verdict.c. */
#ifndef COVEY_CORE_VERDICT_H
#define COVEY_CORE_VERDICT_H

#include "core/event.h"

/* What is known of a member, or'ed; the reason of the same name says what it means. */
enum fact {
    FACT_DOWN = 1,
    FACT_CUT = 2,
    FACT_FAILS = 4,
    FACT_FULL = 8,
    FACT_MUTE = 16,
    FACT_RECOVERS = 32,
    FACT_OWES = 64,
    FACT_BEHIND = 128,
};

struct verdict_member {
    struct slice name;
    bool self;
    uint8_t facts;       /* enum fact */
    uint16_t recovering; /* with FACT_RECOVERS: in how many vnodes it is recovering */
};

/* Fills the verdict, its reasons, and the counts of vnodes and members. member[] is parallel to
 * l->member; s->forming says whether a layout is being agreed, `ready` whether clients are
 * answered. Without a layout the verdict is LOADING. */
void verdict_judge(const struct layout *l, const struct verdict_member *member, bool ready,
                   struct status_info *s);

#endif
