/* twin.c: one process at a time under a member's id.
 *
 * The problem. A data directory is copied, with the machine's image or by hand, and both copies are
 * started. Each is the member by all that it knows: same id, same promises, same records. Together
 * they acknowledge for one owner on two disks, promise twice, and outbid each other's incarnation
 * for ever.
 *
 * Every process draws a boot nonce, which stands in its hellos and datagrams. A boot that is new to
 * us is nearly always the member started again, which must not wait. At the same address it is that
 * for certain: two processes cannot hold one port. At another address the member has moved, or
 * there are two. Which, we ask: a PROBE to the first, on a stream, with the second's nonce for a
 * number, so that only an answer to this very question counts.
 *
 *     knock --(same address)------------------------------------> let in
 *       '---> asked --(answer)--------------------------> alive: refused, as long as that process knocks
 *               '-----(no stream, or TWIN_WAIT_MS)------> gone: let in
 *
 * A first that hangs for longer than that is taken for gone, and when it goes on it is the one that
 * knocks, and is refused: there is never more than one that we talk to. Whoever is refused stops,
 * for it cannot know which of its two selves others hold on to.
 *
 * Invariants: at most one process of a member is let in; which one changes only to one that
 * knocked. */
#include "core/cast/twin.h"

static void let_in(struct twin *t, uint64_t boot)
{
    *t = (struct twin){.boot = boot};
}

enum twin_verdict twin_knock(struct twin *t, uint64_t boot, bool moved, uint64_t now_ms)
{
    if (t->boot == boot)
        return TWIN_LET_IN;
    if (t->boot == 0 || !moved) {
        let_in(t, boot);
        return TWIN_LET_IN;
    }
    if (t->knock != boot) {
        t->knock = boot;
        t->since_ms = now_ms;
        t->first = TWIN_UNASKED;
    }
    if (t->first == TWIN_ALIVE)
        return TWIN_REFUSE;
    if (t->first != TWIN_GONE && now_ms < t->since_ms + TWIN_WAIT_MS)
        return TWIN_WAIT;
    let_in(t, boot);
    return TWIN_LET_IN;
}

bool twin_ask(struct twin *t)
{
    if (t->knock == 0 || t->first != TWIN_UNASKED)
        return false;
    t->first = TWIN_ASKED;
    return true;
}

void twin_answered(struct twin *t, uint64_t seq)
{
    if (t->knock != 0 && t->knock == seq && t->first == TWIN_ASKED)
        t->first = TWIN_ALIVE;
}

void twin_gone(struct twin *t)
{
    if (t->first == TWIN_ASKED)
        t->first = TWIN_GONE;
}
