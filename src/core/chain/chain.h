/* chain.h: the layout chain. Which layout is in force, and how the next one is agreed.
 *
 * Epoch e+1 is one single-decree Paxos (Lamport, "Paxos made simple", 2001) among the members of
 * epoch e. For now the only change is formation: new members join while no member holds a record. A
 * formation is chosen when EVERY member of epoch e accepted it; a member accepts it only while it
 * holds no record, and from that acceptance on takes no write under epoch e (it is fenced). A "same
 * members" value, which ends a formation that some member refused, is chosen by a majority. The
 * essay in chain.c says why that is safe.
 *
 * A node_step may give it at most one message or one answer of the store: what an action borrows
 * lives until the next one. */
#ifndef COVEY_CORE_CHAIN_H
#define COVEY_CORE_CHAIN_H

#include "base/rng.h"
#include "core/protocol.h"

enum {
    CHAIN_JOINERS = 64, /* that wait at once; one more is answered ERR_BUSY, and asks again */
    CHAIN_OUT_MAX = 48, /* actions that a call appends at most */
};

struct chain_options {
    uint64_t self;
    struct slice acceptor; /* the state record "chain"; empty: none; read during init only */
    uint64_t acceptor_serial;
    struct slice layout; /* the state record "layout"; likewise */
    uint64_t layout_serial;
    uint64_t seed; /* of the random delays */
};

struct chain; /* visible in chain_state.h, for embedding */

#include "core/chain/chain_state.h"

/* Borrows `now` for its whole life: its questions between two calls are answered by it. 0,
 * ERR_BAD_MESSAGE (a state record is malformed) or ERR_NO_MEMORY. Close it in each case. */
int chain_init(struct chain *c, const struct moment *now, const struct chain_options *o);

/* What the node calls it for: messages of its group (JOIN .. ACCEPTED); the store's answers to
 * TOKEN_CHAIN tokens, since promises, acceptances and adoptions leave only then; time. */
extern const struct protocol chain_protocol;

/* Founds a cluster: adopts `first` (epoch 1, this node its only member) once it is durable. Takes
 * the layout's tables over. */
void chain_found_take(struct chain *c, struct layout *first, struct out *out);

/* A peer is at `epoch`, by its hello, a packet header or a message: a layout of a higher epoch than
 * ours is fetched from it. */
void chain_seen(struct chain *c, const struct moment *now, uint64_t peer, uint64_t epoch,
                struct out *out);

/* The layout in force, NULL before the first. The pointer changes with the epoch; the layout before
 * stays readable until the next message that chain_protocol is given. */
const struct layout *chain_layout(const struct chain *c);

/* True while no write may be taken under the present epoch: from the moment when the acceptance of
 * a formation is submitted to the store, until the next epoch is adopted, or until another value
 * that superseded the formation is durable. */
bool chain_fenced(const struct chain *c);

/* True while a change is being agreed, as far as this node knows. */
bool chain_forming(const struct chain *c);

/* As a joiner: why this node was refused for good; 0 while it waits. *why is a sentence that lives
 * until the next call. */
int chain_refused(const struct chain *c, struct slice *why);

/* As a node without a layout: asks `peer`, just met, to be let in, and again until it is. */
void chain_join(struct chain *c, const struct moment *now, uint64_t peer, struct addr addr,
                const struct msg_join *join, struct out *out);

#endif
