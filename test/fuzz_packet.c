/* Any bytes as a gossip datagram, under the checksum that they should have: no message of it is
 * larger than the bytes that it came from, and its header comes out as it went in.
 *
 * One message may be larger: a HELLO of other versions. All but its versions is left unread, so
 * its four bytes become a HELLO of ours, with every field that it has. */
#include <stdlib.h>

#include "base/check.h"
#include "wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool of_other_versions(const struct message *m)
{
    return m->kind == MSG_HELLO &&
           (m->hello.protocol_min > PROTOCOL_MAX || m->hello.protocol_max < PROTOCOL_MIN);
}

static void check_messages(struct slice rest)
{
    struct message m;
    size_t before = rest.n;
    while (packet_next(&rest, &m) == 1) {
        CHECK(message_size(&m) <= before - rest.n || of_other_versions(&m));
        before = rest.n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet_header h;
    struct slice rest;
    struct packet p, sealed;
    /* as they are: the checksum is hardly ever found by chance */
    packet_open(slice_of(data, size), &h, &rest);
    if (size < PACKET_HEADER_LEAST || size > PACKET_MAX)
        return 0;
    memcpy(sealed.bytes, data, size);
    sealed.n = (uint16_t)size;
    packet_seal(&sealed);
    if (packet_open(slice_of(sealed.bytes, sealed.n), &h, &rest))
        return 0;
    check_messages(rest);
    if (size - rest.n != PACKET_HEADER)
        return 0;
    packet_begin(&p, &h);
    sealed.n = PACKET_HEADER;
    packet_seal(&sealed);
    packet_seal(&p);
    CHECK(memcmp(p.bytes, sealed.bytes, PACKET_HEADER) == 0);
    return 0;
}
