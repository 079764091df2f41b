/* swim_bound.c: which incarnations can be true.
 *
 * The problem. A member answers an accusation with a higher incarnation, and everybody holds it to
 * the highest that was ever heard, on disk too. So a number that is believed is never taken back;
 * it can only be passed. One datagram, "n2 is dead at incarnation 2^64 - 1", leaves nothing to pass
 * it with: n2 is dead for ever, at every start of every member. It needs no attacker: a flipped bit
 * is enough.
 *
 * What can be true. Only its subject raises an incarnation, by one for each start and for each
 * accusation, and stores it before it says so. So between two words about a member its number grows
 * by no more than that many durable writes; and there must always be room above.
 *
 *   INCARNATION_NEAR, 2^10: in a datagram, which anybody can have sent, a number is heard up to so
 *   far above the known one. (Of
 *       a member nothing is known of, 0 is known; of ourselves, what is durable.) Who refutes ten times a second, and reaches
 *       us neither by datagrams nor by push-pull, has passed it in 100 s.
 *   INCARNATION_FAR, 2^40: on a stream it is believed by so much at a time, and what lies further
 *   counts as that. No history is
 *       so long: at a thousand durable writes a second it is 35 years.
 *   INCARNATION_MAX, 2^62: no number is believed from there on, by whatever way it came.
 *
 * Nothing true is refused for good. A datagram that says more than is heard is a question: whoever
 * can know is asked for its table, over a stream. About another that is its subject, whose own
 * entry says what it is; about ourselves the sender of the datagram, who says what it holds of us,
 * and which we must pass. (A stream is opened to a member at its own address, so a forged datagram
 * does not choose who answers. One such question is asked within a period, however many datagrams
 * ask for it.) To believe less than the truth is no harm meanwhile: it is what we believed before.
 * An accusation that is passed over while it is true is found out by our own probes.
 *
 * Nothing false lasts. Whatever was believed lies INCARNATION_NEAR above something that was held
 * before, so its subject can pass it: at once, where it lies as near to its own, else by way of the
 * question. Repeated, each time as far as is heard, a lie climbs by INCARNATION_NEAR a datagram,
 * and its subject climbs after it, by up to INCARNATION_FAR with each answer:
 *
 *     n2 is at 7            held of n2 by n1      n2's own
 *     "n2 dead, 7 + 2^10"   dead, 7 + 2^10        7             n1 passes it on, or says it when n2 pings it: n2 hears it
 *                           dead, 7 + 2^10        8 + 2^10      stored, and said: alive again
 *     the same, 2^20 times  dead, 2^30            8 + 2^10      n2 hears of a number too far off, asks n1, which says 2^30
 *                           dead, 2^30            1 + 2^30      alive again
 *
 * To use up the room takes 2^52 datagrams, at a million a second 140 years; when they stop, the
 * member is alive again within a few round trips. (While they last it is not: whoever can send that
 * many can silence a member without any of them.)
 *
 * Invariant (swim_check): no incarnation above INCARNATION_MAX, its own among them. */
#include "core/swim/swim_bound.h"

#include "core/swim/swim_sync.h"

static uint64_t known(const struct swim *s, uint64_t id)
{
    const struct swim_member *m = swim_member(s, id);
    return m ? m->incarnation : 0;
}

/* Asks a member for its table. Not one that is hearsay: a datagram would have us open streams to
 * wherever it likes. */
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
