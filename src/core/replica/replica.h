/* replica.h: what peers ask of this node's store. Its only state are the requests that wait for the
 * store's answer.
 *
 * A peer's PUT is answered in the step that receives its EV_STORED, never before. An owner that
 * holds a greater version answers that, and whether it ever took the one that was put: the
 * coordinator decides what that means (core/coord/coord_write.c). A request of an older layout
 * epoch is refused. So is one of a newer epoch, until that layout is adopted here. */
#ifndef COVEY_CORE_REPLICA_H
#define COVEY_CORE_REPLICA_H

#include "core/protocol.h"
#include "core/slab.h"

enum { REPLICA_MAX = 65536 }; /* requests that wait for the store; one more gets ERR_BUSY */

/* A request of a peer. */
struct replica_ask {
    uint64_t peer;
    uint64_t op;  /* the peer's token, which goes back with the answer */
    uint8_t kind; /* enum message_kind: any that replica_message takes */
    /* What this node may have lost of what is asked, when the request came. GET, PUT: not 0 where
     * it may be the record. ERASE_ASK, GREATEST_GET: not 0 where it may be any record. TREE_GET: a
     * bit for each vnode of the question. */
    uint32_t recovering;
    /* own_records.doubts (core/moment.h) when the request came. Where it has grown by the time of
     * the answer, this node may have lost some of what was asked. */
    uint32_t doubts;
};

struct replica {
    struct slab asks; /* of struct replica_ask */
    uint32_t puts;    /* PUTs and FLUSHes among these: a formation waits until there is none */
};

/* asks_max: 0 for REPLICA_MAX. 0 or ERR_NO_MEMORY. */
int replica_init(struct replica *r, uint32_t asks_max);

/* A PUT, FLUSH, GET, COUNT, TREE_GET, LIST_GET, ERASE_ASK or GREATEST_GET of a peer. Appends at
 * most 2 actions. */
void replica_message(struct replica *r, const struct moment *now, uint64_t from,
                     const struct message *m, struct out *out);

/* The store's answers to TOKEN_REPLICA tokens: each makes one action. */
extern const struct protocol replica_protocol;

#endif
