/* twin.h: one process at a time under a member's id: a second one, on a copy of the same data
 * directory, is refused (design section 4, "Recovering"). The essay is in twin.c. */
#ifndef COVEY_CORE_TWIN_H
#define COVEY_CORE_TWIN_H

#include <stdbool.h>
#include <stdint.h>

/* who does not answer for so long, on a stream, is gone: longer than a connection takes to fail */
enum { TWIN_WAIT_MS = 3000 };

enum twin_verdict {
    TWIN_LET_IN,
    TWIN_WAIT,   /* not yet: the one that was let in before is being asked whether it lives */
    TWIN_REFUSE, /* it does */
};

/* What is known of one member. Zeroed is nothing. */
struct twin {
    uint64_t boot;  /* of the process that was let in; 0: none yet */
    uint64_t knock; /* of another one that came after it; 0: none */
    uint64_t since_ms;
    /* what is known of the one that was let in */
    enum { TWIN_UNASKED, TWIN_ASKED, TWIN_ALIVE, TWIN_GONE } first;
};

/* A process says that it is this member. moved: it lives at another address than the one that was
 * let in. */
enum twin_verdict twin_knock(struct twin *t, uint64_t boot, bool moved, uint64_t now_ms);

/* True once after a knock: whoever lives at the address of the first is to be sent a PROBE whose
 * seq is t->knock. */
bool twin_ask(struct twin *t);

/* A PROBE_ACK came from the first. */
void twin_answered(struct twin *t, uint64_t seq);

/* No stream to the first can be had. */
void twin_gone(struct twin *t);

#endif
