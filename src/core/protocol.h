/* protocol.h: what a node asks of its protocols, the same of each.
 *
 * A protocol is a struct that the node embeds, and a const struct protocol: a table of the hooks
 * that the node calls. core/node/protocols.c has a line for each protocol, and whatever comes in
 * goes through that table: nothing else calls a protocol for these things. `p` is the protocol's
 * own struct. A hook that a protocol does not need is NULL. No hook is called before the protocol
 * was initialised. */
#ifndef COVEY_CORE_PROTOCOL_H
#define COVEY_CORE_PROTOCOL_H

#include "core/moment.h"

struct protocol {
    /* A step begins: what the actions of the last step pointed to may be freed. */
    void (*begin)(void *p);

    /* Another layout is in force, or the first one: now->layout. 0 or ERR_NO_MEMORY. */
    int (*layout)(void *p, const struct moment *now);

    /* Something changed of what bars writes or reads: now->fenced, or whether this node is
     * recovering anywhere. */
    void (*barred)(void *p, const struct moment *now);

    /* Something changed about a member: enum cast_change, or'ed. */
    void (*member)(void *p, const struct moment *now, const struct member *m, unsigned change);

    /* A message came that is neither request nor answer: true when it was this protocol's. */
    bool (*message)(void *p, const struct moment *now, uint64_t from, const struct message *m,
                    struct out *out);

    /* A peer answers a question that had one of this protocol's tokens. */
    void (*answer)(void *p, const struct moment *now, uint64_t from, const struct message *m,
                   struct out *out);

    /* The own store answers such a question, of that number: EV_STORED, EV_READ, EV_COUNTED or
     * EV_ANSWERED. */
    void (*stored)(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                   struct out *out);

    /* Does a bounded piece of what is due by now. */
    void (*tick)(void *p, const struct moment *now, struct out *out);

    /* When something is due next, in monotonic ms: now or earlier while a piece of work is left,
     * UINT64_MAX for never. */
    uint64_t (*deadline_ms)(const void *p, const struct moment *now);

    /* Its invariants: aborts when one is broken. */
    void (*check)(const void *p, const struct moment *now);

    void (*close)(void *p);
};

#endif
