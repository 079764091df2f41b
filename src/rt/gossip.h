/* gossip.h: the datagrams: one UDP socket at the peer port. The node knows a packet's sender by its
 * base address. */
#ifndef COVEY_RT_GOSSIP_H
#define COVEY_RT_GOSSIP_H

#include <uv.h>

#include "core/event.h"

struct world;

struct gossip {
    struct world *world;
    uv_udp_t udp;
    char *in;        /* where the system puts a run of datagrams (recvmmsg) */
    uint64_t unsent; /* datagrams that the system refused: lost, for the protocol */
};

/* Binds to the peer port of a base address and begins to receive. 0 or a libuv error. */
int gossip_open(struct gossip *g, struct addr base);

/* Sends a datagram to the peer port of a base address, or loses it. */
void gossip_send(struct gossip *g, struct addr base, const struct packet *p);

/* Frees the buffer, once libuv has let the socket go. */
void gossip_free(struct gossip *g);

#endif
