/* twin.h: one process at a time under a member's id: a second one, on a copy of the same data
 * directory, is refused. The essay is in twin.c. */
#ifndef COVEY_CORE_TWIN_H
#define COVEY_CORE_TWIN_H

#include <stdbool.h>
#include <stdint.h>

/* A process that does not answer on a stream for so long is taken for gone: longer than the attempt
 * to open a connection takes to fail. */
enum { TWIN_WAIT_MS = 3000 };

enum twin_verdict {
    TWIN_LET_IN,
    TWIN_WAIT,   /* not yet: the process that was let in before is being asked whether it lives */
    TWIN_REFUSE, /* the process that was let in before lives */
};

/* What is known of the process that was let in, while another one knocks. */
enum twin_first { TWIN_UNASKED, TWIN_ASKED, TWIN_ALIVE, TWIN_GONE };

/* What is known of one member. Zeroed is nothing. */
struct twin {
    uint64_t boot;     /* boot nonce of the process that was let in; 0: none was yet */
    uint64_t knock;    /* boot nonce of another process that came after it; 0: none did */
    uint64_t since_ms; /* when that one knocked first */
    uint8_t first;     /* enum twin_first */
};

/* A process says that it is this member. moved: it lives at another address than the one that was
 * let in. */
enum twin_verdict twin_knock(struct twin *t, uint64_t boot, bool moved, uint64_t now_ms);

/* True once after a knock: a PROBE, with t->knock as its seq, is to be sent to the address of the
 * process that was let in. */
bool twin_ask(struct twin *t);

/* A PROBE_ACK with that seq came from the process that was let in. */
void twin_answered(struct twin *t, uint64_t seq);

/* No stream to the process that was let in can be opened. */
void twin_gone(struct twin *t);

#endif
