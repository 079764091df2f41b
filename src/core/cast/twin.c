/* twin.c: one process at a time under a member's id.
 *
 * The problem. A data directory is copied, with the machine's image or by hand, and both copies are
 * started. Each process takes itself for the same member, with the same promises and the same
 * records. Together they acknowledge writes for one owner on two disks, vote twice, and outbid each
 * other's incarnation for ever.
 *
 * Every process draws a boot nonce, which stands in its hellos and datagrams. A boot that is new to
 * us is nearly always the member started again, which must not wait. At the same address it is that
 * for certain: two processes cannot hold one port. At another address the member has moved, or
 * there are two. To find out we ask the process that was let in first: we send a PROBE on a stream,
 * with the nonce of the second process for a number, so that only an answer to this very question
 * counts.
 *
 *     a second process knocks --(at the same address)--------------> it is let in
 *         |
 *      UNASKED --(probe)--> ASKED --(answer)---------------------> ALIVE: it is refused
 *                             '-----(no stream)------------------> GONE: it is let in
 *         any but ALIVE ------------(TWIN_WAIT_MS)---------------> it is let in
 *         any ----------------------(a third process knocks)-----> UNASKED
 *
 * A first process that hangs for longer than TWIN_WAIT_MS is taken for gone. When it goes on, it is
 * the one that knocks, and it is refused: there is never more than one that we talk to. A process
 * that is refused stops, for it cannot know to which of the two the other members talk.
 *
 * Invariants: at most one process of a member is let in; which one changes only to one that
 * knocked. */
#include "core/cast/twin.h"

#include "base/phase.h"

static const uint32_t next[] = {
    [TWIN_UNASKED] = PHASE(TWIN_UNASKED) | PHASE(TWIN_ASKED),
    [TWIN_ASKED] = PHASE(TWIN_UNASKED) | PHASE(TWIN_ALIVE) | PHASE(TWIN_GONE),
    [TWIN_ALIVE] = PHASE(TWIN_UNASKED),
    [TWIN_GONE] = PHASE(TWIN_UNASKED),
};

static enum twin_verdict let_in(struct twin *t, uint64_t boot)
{
    *t = (struct twin){.boot = boot};
    return TWIN_LET_IN;
}

enum twin_verdict twin_knock(struct twin *t, uint64_t boot, bool moved, uint64_t now_ms)
{
    if (t->boot == boot)
        return TWIN_LET_IN;
    if (t->boot == 0 || !moved)
        return let_in(t, boot);
    if (t->knock != boot) {
        t->knock = boot;
        t->since_ms = now_ms;
        phase_enter(&t->first, TWIN_UNASKED, next);
    }
    if (t->first == TWIN_ALIVE)
        return TWIN_REFUSE;
    if (t->first != TWIN_GONE && now_ms < t->since_ms + TWIN_WAIT_MS)
        return TWIN_WAIT;
    return let_in(t, boot);
}

bool twin_ask(struct twin *t)
{
    if (t->knock == 0 || t->first != TWIN_UNASKED)
        return false;
    phase_enter(&t->first, TWIN_ASKED, next);
    return true;
}

void twin_answered(struct twin *t, uint64_t seq)
{
    if (t->knock == seq && t->first == TWIN_ASKED)
        phase_enter(&t->first, TWIN_ALIVE, next);
}

void twin_gone(struct twin *t)
{
    if (t->first == TWIN_ASKED)
        phase_enter(&t->first, TWIN_GONE, next);
}
