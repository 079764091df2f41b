/* heap.h: what will happen in the simulated world, in order of virtual time.
 *
 * Two things due at the same microsecond happen in the order in which they were planned: so a run
 * depends on its seed alone. */
#ifndef COVEY_SIM_HEAP_H
#define COVEY_SIM_HEAP_H

#include "base/slice.h"

enum sim_event_kind {
    SIM_NODE_TIMER,    /* node_deadline_ms of a node */
    SIM_NODE_INPUT,    /* a node has bytes from its clients */
    SIM_NODE_START,    /* first start, or restart after a crash */
    SIM_PACKET,        /* a datagram arrives */
    SIM_CONNECT,       /* a stream's opening is decided */
    SIM_STREAM,        /* the head of one direction of a stream arrives */
    SIM_STREAM_BROKEN, /* one end learns that its stream is gone */
    SIM_DISK,          /* a node's disk has synced */
    SIM_CLIENT,        /* a client acts */
    SIM_FAULT,         /* a fault of the schedule begins or ends */
};

struct sim_event {
    uint64_t at_us;
    uint64_t order;
    enum sim_event_kind kind;
    uint32_t node; /* the node; SIM_CLIENT: the client; SIM_FAULT: the index in the schedule */
    uint32_t peer; /* the other node of a packet or a stream */
    /* SIM_NODE_*, SIM_DISK: the node's life; SIM_CONNECT, SIM_STREAM: the stream's number;
     * SIM_FAULT: 1 where the fault ends */
    uint64_t life;
    uint8_t *bytes; /* SIM_PACKET: what it carries, owned */
    size_t n;
};

struct heap {
    struct sim_event *e;
    size_t n, cap;
    uint64_t next_order;
};

void heap_close(struct heap *h);

/* Plans an event; its order is set here. Takes over ev->bytes. Without memory the simulator
 * ends. */
void heap_push(struct heap *h, const struct sim_event *ev);

/* The next event; false when nothing is planned. */
bool heap_pop(struct heap *h, struct sim_event *ev);

#endif
