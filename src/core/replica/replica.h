/* replica.h: what peers ask of this node's disk. Stateless but for the requests whose store results
 * are awaited.
 *
 * A peer's PUT is answered in the step that receives its EV_STORED, never before. A replica that
 * holds a greater version says so, and that is no ack (design section 4). A request of an older
 * layout epoch is refused; one of a newer epoch too, until that layout is adopted here. */
#ifndef COVEY_CORE_REPLICA_H
#define COVEY_CORE_REPLICA_H

#include "core/protocol.h"
#include "core/slab.h"

enum { REPLICA_MAX = 65536 }; /* peers' requests awaiting the store; beyond it ERR_BUSY */

struct replica_ask {
    uint64_t peer;
    uint64_t op;
    uint8_t kind; /* enum message_kind: any that replica_message takes */
    /* What this node may have lost of what is asked, when it came. GET, PUT: not 0: the record.
     * ERASE_ASK, GREATEST_GET: not 0: any record. TREE_GET: a bit for each vnode of the
     * question. */
    uint32_t recovering;
    /* the moment's then: when it is another later, whatever was asked may lack something */
    uint32_t doubts;
};

struct replica {
    struct slab asks; /* of struct replica_ask */
    uint32_t puts;    /* of these, puts and flushes: a formation must wait for none */
};

/* asks_max: 0 for REPLICA_MAX. 0 or ERR_NO_MEMORY. */
int replica_init(struct replica *r, uint32_t asks_max);

/* A PUT, FLUSH, GET, COUNT, TREE_GET, LIST_GET, ERASE_ASK or GREATEST_GET of a peer. At most 2
 * actions. */
void replica_message(struct replica *r, const struct moment *now, uint64_t from,
                     const struct message *m, struct out *out);

/* The store's answers to TOKEN_REPLICA tokens: one action each. */
extern const struct protocol replica_protocol;

#endif
