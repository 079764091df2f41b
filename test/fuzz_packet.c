/* Any bytes as a gossip datagram: its messages fit a packet again, and its header comes out as it went in. */
#include <stdlib.h>

#include "base/check.h"
#include "wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet_header h;
    struct slice rest;
    if (packet_open(slice_of(data, size), &h, &rest))
        return 0;
    struct packet p;
    struct message m;
    packet_begin(&p, &h);
    CHECK(memcmp(p.bytes, data, PACKET_HEADER) == 0);
    while (packet_next(&rest, &m) == 1)
        CHECK(packet_add(&p, &m));
    return 0;
}
