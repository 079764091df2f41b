/* gossip.c: see gossip.h. */
#include "rt/gossip.h"

#include <stdlib.h>

#include "rt/endpoint.h"
#include "rt/world.h"

/* libuv gives each datagram of a run 64 KiB; pages that no datagram touches take no memory. */
enum { DATAGRAM_ROOM = 64 * 1024, DATAGRAM_RUN = 8 };

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct gossip *g = h->data;
    (void)suggested;
    *out = uv_buf_init(g->in, DATAGRAM_ROOM * DATAGRAM_RUN);
}

static void on_packet(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                      unsigned flags)
{
    struct gossip *g = u->data;
    (void)flags;
    /* without a sender it is the end of a run, or the error of a datagram that we sent, which
     * counts as lost */
    if (n <= 0 || !from)
        return;
    struct event ev = {.kind = EV_PACKET,
                       .packet = {.from = endpoint_addr(from, PEER_PORT_OFFSET),
                                  .bytes = slice_of(b->base, (size_t)n)}};
    world_clock(g->world);
    if (ev.packet.from.family)
        world_step(g->world, &ev);
}

int gossip_open(struct gossip *g, struct addr base)
{
    struct sockaddr_storage sa;
    endpoint_sockaddr(base, PEER_PORT_OFFSET, &sa);
    g->in = malloc((size_t)DATAGRAM_ROOM * DATAGRAM_RUN);
    if (!g->in)
        return UV_ENOMEM;
    int error = uv_udp_init_ex(&g->world->loop, &g->udp, AF_UNSPEC | UV_UDP_RECVMMSG);
    g->udp.data = g;
    if (!error)
        error = uv_udp_bind(&g->udp, (const struct sockaddr *)&sa,
                            base.family == 6 ? UV_UDP_IPV6ONLY : 0);
    if (!error)
        error = uv_udp_recv_start(&g->udp, on_alloc, on_packet);
    return error;
}

void gossip_send(struct gossip *g, struct addr base, const struct packet *p)
{
    struct sockaddr_storage sa;
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p->bytes, p->n);
    endpoint_sockaddr(base, PEER_PORT_OFFSET, &sa);
    if (uv_udp_try_send(&g->udp, &b, 1, (const struct sockaddr *)&sa) < 0)
        g->unsent++;
}

void gossip_free(struct gossip *g)
{
    free(g->in);
    g->in = NULL;
}
