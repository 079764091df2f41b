/* message.h: bytes <-> peer messages, generated from message.def.
 *
 * struct message is a tagged union; its slices are borrowed from whatever made it (the input when
 * decoded). */
#ifndef COVEY_WIRE_MESSAGE_H
#define COVEY_WIRE_MESSAGE_H

#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"
#include "wire/record.h"

/* The versions of what peers say to each other that this release speaks. Two releases whose
 * versions do not meet refuse each other in the hello. Version 1: data messages without a head, log
 * positions without a shard. */
enum { PROTOCOL_MIN = 2, PROTOCOL_MAX = 2 };

/* How far a log reaches. Each shard has a log of its own. */
struct log_position {
    uint16_t shard;
    uint64_t end; /* counts the bytes of puts (store.h); 0: nothing is said */
};

enum message_kind {
#define MESSAGE(number, NAME, name, fields) MSG_##NAME = (number),
#include "wire/message.def"
#undef MESSAGE
};

#define U8(f)       uint8_t f;
#define U16(f)      uint16_t f;
#define U32(f)      uint32_t f;
#define U64(f)      uint64_t f;
#define CID(f)      struct cluster_id f;
#define ADDR(f)     struct addr f;
#define BYTES(f)    struct slice f;
#define VERSION(f)  struct version f;
#define STAMP(f)    uint64_t f;
#define POSITION(f) struct log_position f;
#define RECORD(f)   struct record f;
#define KEY(f)      struct slice f;
#define FOUND(f)    struct record f;
#define MESSAGE(number, NAME, name, fields) \
    struct msg_##name {                     \
        fields                              \
    };
#include "wire/message.def"
#undef MESSAGE
#undef U8
#undef U16
#undef U32
#undef U64
#undef CID
#undef ADDR
#undef BYTES
#undef VERSION
#undef STAMP
#undef POSITION
#undef RECORD
#undef KEY
#undef FOUND

/* What message.def says that every request and every answer begins with; `error` in answers
 * alone. */
struct msg_head {
    uint64_t op, epoch;
    uint32_t error;
};

struct message {
    uint8_t kind; /* enum message_kind */
    union {
        struct msg_head head; /* of requests and answers */
#define MESSAGE(number, NAME, name, fields) struct msg_##name name;
#include "wire/message.def"
#undef MESSAGE
    };
};

enum { MESSAGE_HEADER = 5 }; /* u8 number, u32 body length */

enum message_role {
    ROLE_OTHER, /* of SWIM, of the chain: no head */
    ROLE_REQUEST,
    ROLE_ANSWER,
};

/* ROLE_OTHER for an unknown number, too. */
enum message_role message_role(uint8_t kind);

/* The kind that answers a request: its number plus one. */
static inline enum message_kind message_answer(uint8_t request)
{
    return (enum message_kind)(request + 1);
}

/* The epoch in its head; 0 where it has none. */
static inline uint64_t message_epoch(const struct message *m)
{
    return message_role(m->kind) != ROLE_OTHER ? m->head.epoch : 0;
}

/* Bytes that message_encode will write, header included. */
size_t message_size(const struct message *m);

/* Writes exactly message_size(m) bytes at p. */
void message_encode(const struct message *m, uint8_t *p);

/* Appends m to a buffer. Errors as buf_reserve. */
int message_append(struct buf *out, const struct message *m);

/* Reads the message at the start of bytes. Returns the bytes consumed, ERR_INCOMPLETE (bytes end
 * before it does), or ERR_BAD_MESSAGE. An unknown number is consumed too and gives kind 0. Of a
 * HELLO of other protocol versions only these are read, all else of it is 0. Slices of *out point
 * into bytes. Record kinds, spaces and lengths are checked; allocates nothing. */
int message_decode(struct slice bytes, struct message *out);

/* "PUT"; "?" for an unknown number. Static. */
const char *message_name(uint8_t kind);

#endif
