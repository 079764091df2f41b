/* endpoint.h: addresses as people and the system write them, made into ours and back.
 *
 * People write HOST:PORT, with a numeric address, "localhost" or a host name; an IPv6 address
 * stands in brackets. The port is always the BASE port P: clients at P, peers at P +
 * PEER_PORT_OFFSET (TCP and UDP). The system has struct sockaddr; the core has struct addr
 * (base/id.h). */
#ifndef COVEY_RT_ENDPOINT_H
#define COVEY_RT_ENDPOINT_H

#include <netinet/in.h>

#include "base/id.h"

enum {
    PEER_PORT_OFFSET = 1,
    PORT_MAX = 65533, /* the greatest base port: peers use P + 1, and P + 2 is reserved for HTTP */
    HOST_MAX = 253,   /* bytes of a host name (RFC 1035), without NUL */
};

struct endpoint {
    char host[HOST_MAX + 1]; /* without brackets */
    uint16_t port;
};

/* Parses HOST:PORT or [IPV6]:PORT. 0 or ERR_BAD_ADDRESS (form, host longer than HOST_MAX, port
 * outside 1 .. PORT_MAX). */
int endpoint_parse(const char *text, struct endpoint *out);

/* The address of a host that needs no resolving: numeric, or "localhost" (127.0.0.1). 0 or
 * ERR_BAD_ADDRESS. */
int endpoint_literal(const char *host, uint16_t port, struct addr *out);

/* 127.0.0.0/8 and ::1. */
bool endpoint_loopback(struct addr a);

/* Fills sa with the address of a, and the port of a + offset. */
void endpoint_sockaddr(struct addr a, unsigned offset, struct sockaddr_storage *sa);

/* The address of an IPv4 or IPv6 socket address, with its port - offset. Family 0 for any other
 * family, and for a port that is not above offset. */
struct addr endpoint_addr(const struct sockaddr *sa, unsigned offset);

#endif
