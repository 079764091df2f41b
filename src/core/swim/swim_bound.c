/* swim_bound.c: which incarnations can be true.
 *
 * The problem. A member answers an accusation with a higher incarnation, and everybody holds it to
 * the highest that was ever received, on disk too. So a number that is believed is never taken
 * back; it can only be passed. One datagram, "n2 is dead at incarnation 2^64 - 1", leaves nothing
 * to pass it with: n2 is dead for ever, at every start of every member. It needs no attacker: a
 * flipped bit is enough.
 *
 * What can be true. Only its subject raises an incarnation, by one for each start and for each
 * accusation, and stores it before it sends it. So between two messages about a member its number
 * grows by no more than that many durable writes; and there must always be room above.
 *
 *   - INCARNATION_NEAR, 2^10. A datagram can come from anybody: its number is believed up to so far
 *     above the known one. (Of a member that nothing is known of the known one is 0; of ourselves,
 *     the durable one.) A member that refutes ten times a second, and reaches us neither by
 *     datagrams nor by push-pull, has passed it in 100 s.
 *   - INCARNATION_FAR, 2^40. On a stream a number is believed by so much at a time; what lies
 *     further counts as that. No history is so long: at a thousand durable writes a second it is 35
 *     years.
 *   - INCARNATION_MAX, 2^62. No number is believed from there on, whichever way it came.
 *
 * Nothing true is refused for good. A datagram with a number that is too far off makes us ask, over
 * a stream, a member that can know, for its table. About another member that is the member itself,
 * whose own entry says what its incarnation is. About ourselves it is the sender of the datagram,
 * whose table says what it believes of us, and what we must pass. (A stream is opened to a member
 * at its own address, so a forged datagram does not choose who answers. We ask once within a
 * period, however many datagrams give a reason to.) Until the answer comes we believe what we
 * believed before, which does no harm. An accusation that was passed over though it is true is
 * found out by our own probes.
 *
 * Nothing false lasts. Whatever was believed lies INCARNATION_NEAR above something that was known
 * before, so its subject can pass it: at once, where it lies as near to its own, else after it has
 * asked. Repeated, each time as far as is believed, a lie climbs by INCARNATION_NEAR a datagram,
 * and its subject climbs after it, by up to INCARNATION_FAR with each answer:
 *
 *     n2 is at 7           n1 knows of n2    n2's own
 *     "n2 dead, 7 + 2^10"  dead, 7 + 2^10    7          n1 gossips it, or sends it when n2 pings it
 *                          dead, 7 + 2^10    8 + 2^10   n2 has it, stores a higher one, is alive
 *     that, 2^20 times     dead, 2^30        8 + 2^10   n2 gets a number too far off, and asks n1
 *                          dead, 2^30        1 + 2^30   n1's table says 2^30: n2 is alive again
 *
 * To use up the room takes 2^52 datagrams, at a million a second 140 years. When they stop, the
 * member is alive again within a few round trips. (While they last it is not: whoever can send that
 * many can silence a member without any of them.)
 *
 * Invariant (swim_check): no incarnation is above INCARNATION_MAX, our own among them. */
#include "core/swim/swim_bound.h"

#include "core/swim/swim_sync.h"

static uint64_t known(const struct swim *s, uint64_t id)
{
    const struct swim_member *m = swim_member(s, id);
    return m ? m->incarnation : 0;
}

/* Asks a member for its table. Not one known by hearsay alone: a datagram would have us open
 * streams to wherever it likes. */
static void ask(struct swim *s, uint64_t id)
{
    const struct swim_member *m = swim_member(s, id);
    if (m && m != s->self && swim_shown(m))
        swim_sync_with(s, m);
}

bool swim_bound_packet(struct swim *s, uint64_t member, uint64_t incarnation)
{
#ifdef CANARY_NUMBERS_BELIEVED
    return incarnation < INCARNATION_MAX;
#endif
    if (incarnation < INCARNATION_MAX && incarnation <= known(s, member) + INCARNATION_NEAR)
        return true;
    s->counters.unbelieved++;
    ask(s, member == s->self->id ? s->source.id : member);
    return false;
}

uint64_t swim_bound_stream(const struct swim *s, uint64_t member, uint64_t incarnation)
{
    uint64_t most = known(s, member) + INCARNATION_FAR;
    most = most < INCARNATION_MAX ? most : INCARNATION_MAX - 1;
    return incarnation < most ? incarnation : most;
}
