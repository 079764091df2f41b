/* chain.h: the layout chain. Which layout is in force, and how the next one is agreed (design
 * section 3).
 *
 * Epoch e+1 is one single-decree Paxos (Lamport, "Paxos made simple", 2001) among the members of
 * epoch e. For now the only change is formation: new members join while no member holds a record. A
 * formation is chosen when EVERY member of epoch e accepted it; a member accepts it only while it
 * holds no record, and from that acceptance on takes no write under epoch e (it is fenced). A "same
 * members" value, which ends a formation that somebody refused, is chosen by a majority. The essay
 * in chain.c says why that is safe.
 *
 * A node_step may give it at most one message or one answer of the store: what an action borrows
 * lives until the next one. */
#ifndef COVEY_CORE_CHAIN_H
#define COVEY_CORE_CHAIN_H

#include "base/rng.h"
#include "core/protocol.h"

enum {
    CHAIN_JOINERS = 64, /* waiting at once; one more is told ERR_BUSY and asks again */
    CHAIN_OUT_MAX = 48, /* actions a call appends at most */
};

struct chain_options {
    uint64_t self;
    /* the state record "chain", empty when there is none; read during init only */
    struct slice acceptor;
    uint64_t acceptor_serial;
    struct slice layout; /* the state record "layout" */
    uint64_t layout_serial;
    uint64_t seed; /* of the random delays */
};

struct chain; /* visible in chain_state.h, for embedding */

#include "core/chain/chain_state.h"

/* `now` is kept, for what is asked between two calls. 0, ERR_BAD_MESSAGE (a state record is
 * malformed) or ERR_NO_MEMORY. Close it in either case. */
int chain_init(struct chain *c, const struct moment *now, const struct chain_options *o);

/* What it is told by the node: messages of its group (JOIN .. ACCEPTED); the store's answers to
 * TOKEN_CHAIN tokens, for promises, acceptances and adoptions leave only then; time. */
extern const struct protocol chain_protocol;

/* Founds: adopts `first` (epoch 1, this node its only member) once it is durable. Takes the
 * layout's tables over. */
void chain_found_take(struct chain *c, struct layout *first, struct out *out);

/* A peer is at `epoch`, by its hello or packet header: a higher one than ours is fetched from
 * it. */
void chain_seen(struct chain *c, const struct moment *now, uint64_t peer, uint64_t epoch,
                struct out *out);

/* The layout in force, NULL before the first. The pointer changes with the epoch; the layout before
 * stays readable until the next message that chain_protocol is given. */
const struct layout *chain_layout(const struct chain *c);

/* True from the durable acceptance (or its submission) of a formation value until its epoch is
 * adopted or it is durably superseded: no write under the present epoch may be taken. */
bool chain_fenced(const struct chain *c);

/* True while a change is being agreed, as far as this node knows. */
bool chain_forming(const struct chain *c);

/* As a joiner: 0 while waiting, else why this node was refused for good; *why is a sentence, living
 * until the next call. */
int chain_refused(const struct chain *c, struct slice *why);

/* As a node without a layout: asks `peer` (just met) to be let in, now and again until it is. */
void chain_join(struct chain *c, const struct moment *now, uint64_t peer, struct addr addr,
                const struct msg_join *join, struct out *out);

#endif
