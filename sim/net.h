/* net.h: the simulated network. Datagrams get lost, come late, twice, out of order or damaged.
 * Streams deliver in order, or break.
 *
 * A stream stalls while one direction is cut: its bytes are sent again until the cut ends. When it
 * has stalled for STREAM_PATIENCE_MS it breaks, and each end learns that by itself. The streams of
 * a node that loses power break at their other ends. */
#ifndef COVEY_SIM_NET_H
#define COVEY_SIM_NET_H

#include "sim/world.h"

enum {
    STREAM_PATIENCE_MS = 4000, /* like TCP_USER_TIMEOUT on the peers' streams */
    STREAM_RETRY_MS = 100,     /* between tries to get through a cut */
    CONNECT_TIMEOUT_MS = 1000,
};

void net_close(struct world *w);

/* Actions of node `from`. */
void net_packet(struct world *w, uint32_t from, struct addr to, const struct packet *p);
void net_send(struct world *w, uint32_t from, uint64_t to, struct addr addr,
              const struct message *m);
void net_seed(struct world *w, uint32_t from, int seed);

/* Events of kind SIM_PACKET, SIM_CONNECT, SIM_STREAM, SIM_STREAM_BROKEN. */
void net_event(struct world *w, struct sim_event *ev);

/* A node lost power: its streams are gone. */
void net_crash(struct world *w, uint32_t i);

#endif
