/* packet.c: gossip datagrams. */
#include "wire/packet.h"

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

static const uint8_t packet_magic[3] = {'C', 'V', 'Y'};

enum { CHECKSUM_AT = 4, CHECKED_AT = 12 }; /* where the checksum stands, and what it covers begins */

static uint64_t checksum(struct slice datagram)
{
    return hash_bytes(slice_of(datagram.p + CHECKED_AT, datagram.n - CHECKED_AT));
}

void packet_begin(struct packet *p, const struct packet_header *h)
{
    uint8_t *at = put_bytes(p->bytes, packet_magic, sizeof packet_magic);
    at = put_u8(at, PACKET_FORMAT);
    at = put_u64(at, 0); /* packet_seal's */
    at = put_bytes(at, h->cluster.b, sizeof h->cluster.b);
    at = put_u64(at, h->from);
    at = put_u64(at, h->boot);
    at = put_u64(at, h->epoch);
    at = put_u64(at, h->layout_hash);
    at = put_u64(at, h->wall_ms);
    at = put_u64(at, h->mono_ms);
    at = put_u64(at, h->position);
    at = put_u16(at, h->recovering);
    at = put_u8(at, h->ills);
    CHECK(at == p->bytes + PACKET_HEADER);
    p->n = PACKET_HEADER;
}

bool packet_add(struct packet *p, const struct message *m)
{
    size_t size = message_size(m);
    if (size > (size_t)PACKET_MAX - p->n)
        return false;
    message_encode(m, p->bytes + p->n);
    p->n = (uint16_t)(p->n + size);
    return true;
}

void packet_seal(struct packet *p)
{
    put_u64(p->bytes + CHECKSUM_AT, checksum(slice_of(p->bytes, p->n)));
}

int packet_open(struct slice datagram, struct packet_header *h, struct slice *rest)
{
    if (datagram.n < PACKET_HEADER || datagram.n > PACKET_MAX)
        return ERR_BAD_MESSAGE;
    const uint8_t *p = datagram.p;
    if (memcmp(p, packet_magic, sizeof packet_magic) != 0)
        return ERR_BAD_MESSAGE;
    if (p[3] != PACKET_FORMAT)
        return ERR_BAD_FORMAT;
#ifndef CANARY_NUMBERS_BELIEVED
    if (get_u64(p + CHECKSUM_AT) != checksum(datagram))
        return ERR_CORRUPT;
#endif
    memcpy(h->cluster.b, p + 12, sizeof h->cluster.b);
    h->from = get_u64(p + 28);
    h->boot = get_u64(p + 36);
    h->epoch = get_u64(p + 44);
    h->layout_hash = get_u64(p + 52);
    h->wall_ms = get_u64(p + 60);
    h->mono_ms = get_u64(p + 68);
    h->position = get_u64(p + 76);
    h->recovering = get_u16(p + 84);
    h->ills = p[86];
    *rest = slice_of(p + PACKET_HEADER, datagram.n - PACKET_HEADER);
    return 0;
}

int packet_next(struct slice *rest, struct message *out)
{
    while (rest->n) {
        int n = message_decode(*rest, out);
        if (n < 0)
            return ERR_BAD_MESSAGE; /* an incomplete one too: a datagram has no sequel */
        *rest = slice_of(rest->p + n, rest->n - (size_t)n);
        if (out->kind)
            return 1;
    }
    return 0;
}
