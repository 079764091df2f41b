/* Any bytes as a gossip datagram, under the checksum that they should have: its messages fit a packet again, and its header
 * comes out as it went in. */
#include <stdlib.h>

#include "base/check.h"
#include "wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet_header h;
    struct slice rest;
    struct packet p, sealed;
    struct message m;
    packet_open(slice_of(data, size), &h, &rest); /* as they are: the checksum is hardly ever found by chance */
    if (size < PACKET_HEADER_LEAST || size > PACKET_MAX)
        return 0;
    memcpy(sealed.bytes, data, size);
    sealed.n = (uint16_t)size;
    packet_seal(&sealed);
    if (packet_open(slice_of(sealed.bytes, sealed.n), &h, &rest))
        return 0;
    size_t header = size - rest.n;
    packet_begin(&p, &h);
    while (packet_next(&rest, &m) == 1)
        CHECK(packet_add(&p, &m) || header < PACKET_HEADER);
    if (header != PACKET_HEADER)
        return 0;
    packet_begin(&p, &h);
    sealed.n = PACKET_HEADER;
    packet_seal(&sealed);
    packet_seal(&p);
    CHECK(memcmp(p.bytes, sealed.bytes, PACKET_HEADER) == 0);
    return 0;
}
