/* packet.c: gossip datagrams. */
#include "wire/packet.h"

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

static const uint8_t packet_magic[3] = {'C', 'V', 'Y'};

enum {
    CHECKSUM_AT = 4,
    LENGTH_AT = 12,
    CHECKED_AT = LENGTH_AT, /* where begins what the checksum covers */
};

static uint64_t checksum(struct slice datagram)
{
    return hash_bytes(slice_of(datagram.p + CHECKED_AT, datagram.n - CHECKED_AT));
}

void packet_begin(struct packet *p, const struct packet_header *h)
{
    uint8_t *at = put_bytes(p->bytes, packet_magic, sizeof packet_magic);
    at = put_u8(at, PACKET_FORMAT);
    at = put_u64(at, 0); /* packet_seal's */
    at = put_u16(at, PACKET_HEADER);
    at = put_bytes(at, h->cluster.b, sizeof h->cluster.b);
    at = put_u64(at, h->from);
    at = put_u64(at, h->boot);
    at = put_u64(at, h->epoch);
    at = put_u64(at, h->layout_hash);
    at = put_u64(at, h->wall_ms);
    at = put_u64(at, h->mono_ms);
    at = put_u16(at, h->position.shard);
    at = put_u64(at, h->position.end);
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

/* p has PACKET_HEADER bytes. */
static void header_get(const uint8_t *p, struct packet_header *h)
{
    memcpy(h->cluster.b, p + 14, sizeof h->cluster.b);
    h->from = get_u64(p + 30);
    h->boot = get_u64(p + 38);
    h->epoch = get_u64(p + 46);
    h->layout_hash = get_u64(p + 54);
    h->wall_ms = get_u64(p + 62);
    h->mono_ms = get_u64(p + 70);
    h->position = (struct log_position){.shard = get_u16(p + 78), .end = get_u64(p + 80)};
    h->recovering = get_u16(p + 88);
    h->ills = p[90];
}

int packet_open(struct slice datagram, struct packet_header *h, struct slice *rest)
{
    const uint8_t *p = datagram.p;
    uint8_t known[PACKET_HEADER] = {0}; /* the header as far as it goes, and as we know it */
    if (datagram.n <= sizeof packet_magic || datagram.n > PACKET_MAX)
        return ERR_BAD_MESSAGE;
    if (memcmp(p, packet_magic, sizeof packet_magic) != 0)
        return ERR_BAD_MESSAGE;
    if (p[sizeof packet_magic] != PACKET_FORMAT)
        return ERR_BAD_FORMAT;
    if (datagram.n < PACKET_HEADER_LEAST)
        return ERR_BAD_MESSAGE;
#ifndef CANARY_NUMBERS_BELIEVED
    if (get_u64(p + CHECKSUM_AT) != checksum(datagram))
        return ERR_CORRUPT;
#endif
    size_t n = get_u16(p + LENGTH_AT);
    if (n < PACKET_HEADER_LEAST || n > datagram.n)
        return ERR_BAD_MESSAGE;
    memcpy(known, p, n < sizeof known ? n : sizeof known);
    header_get(known, h);
    *rest = slice_of(p + n, datagram.n - n);
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
