/* protocol.h: what a node asks of its protocols, the same of each.
 *
 * A protocol is a struct that the node embeds, and one of these, const, that says what it can be
 * told. core/node/protocols.c has a line for each, and whatever comes in goes through that table:
 * nobody else calls a protocol for these things. `p` is the protocol's own struct; what a hook is
 * not interested in is NULL. Nothing here is called before the protocol was initialised. */
#ifndef COVEY_CORE_PROTOCOL_H
#define COVEY_CORE_PROTOCOL_H

#include "core/moment.h"

struct protocol {
    /* A step begins: what the actions of the last one pointed to may go. */
    void (*begin)(void *p);

    /* Another layout is in force: now->layout. The first time too. 0 or ERR_NO_MEMORY. */
    int (*layout)(void *p, const struct moment *now);

    /* now->fenced, or whether this node is recovering anywhere, is not what it was. */
    void (*barred)(void *p, const struct moment *now);

    /* Something changed about a member: enum cast_change, or'ed. */
    void (*member)(void *p, const struct moment *now, const struct member *who, unsigned change);

    /* A message that is neither request nor answer: true when it was this protocol's. */
    bool (*message)(void *p, const struct moment *now, uint64_t from, const struct message *m,
                    struct out *out);

    /* A peer answers a question that bore one of this protocol's tokens. */
    void (*answer)(void *p, const struct moment *now, uint64_t from, const struct message *m,
                   struct out *out);

    /* So does the own store, or the disk: EV_STORED, EV_READ, EV_COUNTED or EV_TOLD, by the token's
     * number. */
    void (*stored)(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                   struct out *out);

    /* A bounded piece of what time asks for; and when that is, in monotonic ms: "now" or earlier
     * while sliced work is left, UINT64_MAX for never. */
    void (*tick)(void *p, const struct moment *now, struct out *out);
    uint64_t (*deadline_ms)(const void *p, const struct moment *now);

    /* Its invariants: aborts when one is broken. */
    void (*check)(const void *p, const struct moment *now);

    void (*close)(void *p);
};

#endif
