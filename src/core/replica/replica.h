/* replica.h: what peers ask of this node's disk. Stateless but for the requests whose store results are awaited.
 *
 * A peer's PUT is answered in the step that receives its EV_STORED, never before. A replica that holds a greater
 * version says so, and that is no ack (design section 4). A request of an older layout epoch is refused; one of a newer
 * epoch too, until that layout is adopted here. */
#ifndef COVEY_CORE_REPLICA_H
#define COVEY_CORE_REPLICA_H

#include "core/event.h"
#include "core/slab.h"

enum { REPLICA_MAX = 65536 }; /* peers' requests awaiting the store; beyond it ERR_BUSY */

struct replica_ask {
    uint64_t peer;
    struct addr addr;
    uint64_t op;
    uint8_t kind;                /* enum message_kind: any that replica_message takes */
    uint32_t recovering, doubts; /* PUT, TREE_GET, ERASE_ASK, GREATEST_GET: see struct replica_view */
};

struct replica {
    struct slab asks; /* of struct replica_ask */
    uint32_t puts;    /* of these, puts and flushes: a formation must wait for none */
};

/* What the node knows when a request comes in. */
struct replica_view {
    uint64_t epoch; /* of the layout in force; 0 for none */
    bool fenced;    /* no write may be taken under it any more */
    /* GET, PUT: not 0: the key may be one that this node lost; ERASE_ASK, GREATEST_GET: any key may; TREE_GET: a bit for each
     * of the vnodes in the question: what we lack there, others may hold */
    uint32_t recovering;
    uint32_t doubts;          /* counts the vnodes that were ever found to lack something */
    uint64_t wall_ms;         /* by which it is judged what has expired */
    struct put_origin origin; /* of a PUT */
    int refusal;              /* of an ERASE_ASK: why it may not be asked for; 0: it may */
    uint64_t peer;
    struct addr addr; /* of the peer */
};

/* And when the store has answered it. */
struct replica_now {
    uint64_t epoch;
    uint64_t boot;     /* of this process */
    uint64_t position; /* what is told of the own log (reach.h) */
    uint32_t doubts;   /* when it is not the view's any more, whatever was asked may lack something */
    bool recovering;   /* a read key may be one that this node lost, as far as is known by now */
};

/* asks_max: 0 for REPLICA_MAX. 0 or ERR_NO_MEMORY. */
int replica_init(struct replica *r, uint32_t asks_max);
void replica_close(struct replica *r);

/* A PUT, FLUSH, GET, COUNT, TREE_GET, LIST_GET, ERASE_ASK or GREATEST_GET of a peer. At most 2 actions. */
void replica_message(struct replica *r, const struct replica_view *view, const struct message *m, struct out *out);

/* The store's answers to TOKEN_REPLICA tokens. One action each. */
void replica_stored(struct replica *r, const struct replica_now *now, uint64_t number, const struct event *ev, struct out *out);
void replica_read(struct replica *r, const struct replica_now *now, uint64_t number, const struct event *ev, struct out *out);
void replica_counted(struct replica *r, const struct replica_now *now, uint64_t number, struct slice counts, struct out *out);

void replica_told(struct replica *r, const struct replica_now *now, uint64_t number, const struct event *ev, struct out *out);

void replica_check(const struct replica *r);

#endif
