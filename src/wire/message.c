/* message.c: the code that message.def stands for.
 *
 * One rule makes it fast: the fixed bytes of a message (integers, and the lengths of its byte
 * strings) are counted at compile time and checked once, so decoding is straight loads. What a body
 * has beyond its fixed bytes is its slack: each byte string takes its length from the slack or the
 * message is bad, and whatever slack is left at the end is fields of a later release, skipped. A
 * later release may thus only add fields at the end, and give a new meaning a new number. */
#include "wire/message.h"

#include "base/check.h"
#include "base/error.h"
#include "base/limits.h"
#include "wire/bytes.h"

enum message_role message_role(uint8_t kind)
{
    static const uint8_t role[UINT8_MAX + 1] = {
#define MESSAGE(number, NAME, name, fields)
#define REQUEST(number, NAME, name, fields) [number] = ROLE_REQUEST,
#define ANSWER(number, NAME, name, fields)  [number] = ROLE_ANSWER,
#include "wire/message.def"
#undef MESSAGE
    };
    return (enum message_role)role[kind];
}

/* message.def's field macros, in terms of one FIELD(type, name) that each expansion below defines
 * anew. */
#define U8(f)       FIELD(u8, f)
#define U16(f)      FIELD(u16, f)
#define U32(f)      FIELD(u32, f)
#define U64(f)      FIELD(u64, f)
#define CID(f)      FIELD(cid, f)
#define ADDR(f)     FIELD(addr, f)
#define BYTES(f)    FIELD(bytes, f)
#define VERSION(f)  FIELD(version, f)
#define STAMP(f)    FIELD(stamp, f)
#define POSITION(f) FIELD(position, f)
#define RECORD(f)   FIELD(record, f)
#define KEY(f)      FIELD(key, f)
#define FOUND(f)    FIELD(found, f)

/* ---- Sizes: fixed bytes, and those beyond ---- */

enum {
    FIXED_u8 = 1,
    FIXED_u16 = 2,
    FIXED_u32 = 4,
    FIXED_u64 = 8,
    FIXED_stamp = 8,
    FIXED_position = 2 + 8,
    FIXED_cid = 16,
    FIXED_addr = 1 + 2 + 16,
    FIXED_bytes = 4,
    FIXED_version = 4 * 8 + 1,
    FIXED_key = FIXED_bytes,
    FIXED_found = 1 + FIXED_version + 8 + FIXED_bytes,
    FIXED_record = FIXED_found + FIXED_key,
};

enum {
#define FIELD(type, f)                      +FIXED_##type
#define MESSAGE(number, NAME, name, fields) FIXED_##NAME = 0 fields,
#include "wire/message.def"
#undef MESSAGE
#undef FIELD
};

#define EXTRA_u8(f)       0
#define EXTRA_u16(f)      0
#define EXTRA_u32(f)      0
#define EXTRA_u64(f)      0
#define EXTRA_stamp(f)    0
#define EXTRA_position(f) 0
#define EXTRA_cid(f)      0
#define EXTRA_addr(f)     0
#define EXTRA_version(f)  0
#define EXTRA_bytes(f)    ((f).n)
#define EXTRA_record(f)   ((f).key.n + (f).value.n)
#define EXTRA_key(f)      ((f).n)
#define EXTRA_found(f)    ((f).value.n)

#define FIELD(type, f) +EXTRA_##type(m->f)
#define MESSAGE(number, NAME, name, fields)                      \
    static inline size_t size_##name(const struct msg_##name *m) \
    {                                                            \
        (void)m;                                                 \
        return (size_t)FIXED_##NAME fields;                      \
    }
#include "wire/message.def"
#undef MESSAGE
#undef FIELD

static size_t body_size(const struct message *m)
{
    switch (m->kind) {
#define MESSAGE(number, NAME, name, fields) \
    case MSG_##NAME:                        \
        return size_##name(&m->name);
#include "wire/message.def"
#undef MESSAGE
    }
    check_failed(__FILE__, __LINE__, "a kind of message.def");
}

size_t message_size(const struct message *m)
{
    return MESSAGE_HEADER + body_size(m);
}

/* ---- Encoding ---- */

static inline uint8_t *encode_u8(uint8_t *p, const uint8_t *f)
{
    return put_u8(p, *f);
}

static inline uint8_t *encode_u16(uint8_t *p, const uint16_t *f)
{
    return put_u16(p, *f);
}

static inline uint8_t *encode_u32(uint8_t *p, const uint32_t *f)
{
    return put_u32(p, *f);
}

static inline uint8_t *encode_u64(uint8_t *p, const uint64_t *f)
{
    return put_u64(p, *f);
}

static inline uint8_t *encode_stamp(uint8_t *p, const uint64_t *f)
{
    return put_u64(p, *f);
}

static inline uint8_t *encode_position(uint8_t *p, const struct log_position *f)
{
    p = put_u16(p, f->shard);
    return put_u64(p, f->end);
}

static inline uint8_t *encode_cid(uint8_t *p, const struct cluster_id *f)
{
    return put_bytes(p, f->b, sizeof f->b);
}

static inline uint8_t *encode_addr(uint8_t *p, const struct addr *f)
{
    p = put_u8(p, f->family);
    p = put_u16(p, f->port);
    return put_bytes(p, f->ip, sizeof f->ip);
}

static inline uint8_t *encode_bytes(uint8_t *p, const struct slice *f)
{
    p = put_u32(p, (uint32_t)f->n);
    return put_bytes(p, f->p, f->n);
}

static inline uint8_t *encode_version(uint8_t *p, const struct version *f)
{
    p = put_u64(p, f->stamp);
    p = put_u64(p, f->node);
    p = put_u64(p, f->digest);
    p = put_u64(p, f->expiry_stamp);
    return put_u8(p, version_marks(f));
}

static inline uint8_t *encode_key(uint8_t *p, const struct slice *f)
{
    return encode_bytes(p, f);
}

static inline uint8_t *encode_found(uint8_t *p, const struct record *f)
{
    p = put_u8(p, f->kind);
    p = encode_version(p, &f->version);
    p = put_u64(p, f->expiry_ms);
    return encode_bytes(p, &f->value);
}

static inline uint8_t *encode_record(uint8_t *p, const struct record *f)
{
    return encode_key(encode_found(p, f), &f->key);
}

#define FIELD(type, f) p = encode_##type(p, &m->f);
#define MESSAGE(number, NAME, name, fields)                                          \
    static inline uint8_t *encode_msg_##name(uint8_t *p, const struct msg_##name *m) \
    {                                                                                \
        fields return p;                                                             \
    }
#include "wire/message.def"
#undef MESSAGE
#undef FIELD

void message_encode(const struct message *m, uint8_t *p)
{
    uint8_t *body = p + MESSAGE_HEADER;
    uint8_t *end = NULL;
    switch (m->kind) {
#define MESSAGE(number, NAME, name, fields)      \
    case MSG_##NAME:                             \
        end = encode_msg_##name(body, &m->name); \
        break;
#include "wire/message.def"
#undef MESSAGE
    }
    CHECK(end);
    put_u32(put_u8(p, m->kind), (uint32_t)(end - body));
}

int message_append(struct buf *out, const struct message *m)
{
    size_t size = message_size(m);
    int error = buf_reserve(out, size);
    if (error)
        return error;
    message_encode(m, out->p + out->n);
    out->n += size;
    return 0;
}

/* ---- Decoding ---- */

/* A body being read. p never passes the end: the fixed bytes were checked before, the others are
 * taken from the slack. */
struct body {
    const uint8_t *p;
    size_t slack;
    bool bad;
};

static inline void decode_u8(struct body *b, uint8_t *f)
{
    *f = *b->p;
    b->p += 1;
}

static inline void decode_u16(struct body *b, uint16_t *f)
{
    *f = get_u16(b->p);
    b->p += 2;
}

static inline void decode_u32(struct body *b, uint32_t *f)
{
    *f = get_u32(b->p);
    b->p += 4;
}

static inline void decode_u64(struct body *b, uint64_t *f)
{
    *f = get_u64(b->p);
    b->p += 8;
}

static inline void decode_stamp(struct body *b, uint64_t *f)
{
    decode_u64(b, f);
    b->bad |= *f > STAMP_MAX;
}

static inline void decode_position(struct body *b, struct log_position *f)
{
    decode_u16(b, &f->shard);
    decode_u64(b, &f->end);
}

static inline void decode_cid(struct body *b, struct cluster_id *f)
{
    memcpy(f->b, b->p, sizeof f->b);
    b->p += sizeof f->b;
}

/* addr_eq compares all 16 bytes, so an IPv4 address with something in the last 12 would be a second
 * name of one address. */
static inline void decode_addr(struct body *b, struct addr *f)
{
    static const uint8_t zero[12];
    decode_u8(b, &f->family);
    decode_u16(b, &f->port);
    memcpy(f->ip, b->p, sizeof f->ip);
    b->p += sizeof f->ip;
    if (f->family == 4)
        b->bad |= memcmp(f->ip + 4, zero, sizeof zero) != 0;
    else
        b->bad |= f->family != 0 && f->family != 6;
}

static inline void decode_bytes(struct body *b, struct slice *f)
{
    size_t n = get_u32(b->p);
    if (n > b->slack) {
        b->bad = true;
        n = 0;
    }
    *f = slice_of(b->p + 4, n);
    b->p += 4 + n;
    b->slack -= n;
}

static inline void decode_version(struct body *b, struct version *f)
{
    uint8_t marks;
    decode_u64(b, &f->stamp);
    decode_u64(b, &f->node);
    decode_u64(b, &f->digest);
    decode_u64(b, &f->expiry_stamp);
    decode_u8(b, &marks);
    b->bad |= !version_set_marks(f, marks) || !version_valid(f);
}

static inline void decode_key(struct body *b, struct slice *f)
{
    decode_bytes(b, f);
    b->bad |= !key_valid(*f);
}

static inline void decode_found_fields(struct body *b, struct record *f)
{
    decode_u8(b, &f->kind);
    decode_version(b, &f->version);
    decode_u64(b, &f->expiry_ms);
    decode_bytes(b, &f->value);
}

static inline void decode_found(struct body *b, struct record *f)
{
    decode_found_fields(b, f);
    f->key = slice_of(NULL, 0);
    b->bad |= !record_marks_valid(f);
}

static inline void decode_record(struct body *b, struct record *f)
{
    decode_found_fields(b, f);
    decode_bytes(b, &f->key); /* a state's has no space */
    b->bad |= !record_valid(f);
}

#define FIELD(type, f) decode_##type(&b, &m->f);
#define MESSAGE(number, NAME, name, fields)                                       \
    static inline bool decode_msg_##name(struct slice body, struct msg_##name *m) \
    {                                                                             \
        if (body.n < FIXED_##NAME)                                                \
            return false;                                                         \
        struct body b = {body.p, body.n - FIXED_##NAME, false};                   \
        fields return !b.bad;                                                     \
    }
#include "wire/message.def"
#undef MESSAGE
#undef FIELD

/* A hello begins with its sender's protocol versions, whatever they are. Where none of them is
 * ours, the rest may mean anything and is not read: so the refusal names the versions, and does not
 * say that the bytes are bad. */
static bool hello_of_others(struct slice body, struct msg_hello *h)
{
    if (body.n < 2 * FIXED_u16)
        return false;
    *h = (struct msg_hello){.protocol_min = get_u16(body.p),
                            .protocol_max = get_u16(body.p + FIXED_u16)};
    return h->protocol_min > PROTOCOL_MAX || h->protocol_max < PROTOCOL_MIN;
}

int message_decode(struct slice bytes, struct message *out)
{
    if (bytes.n < MESSAGE_HEADER)
        return ERR_INCOMPLETE;
    size_t n = get_u32(bytes.p + 1);
    if (n > MESSAGE_MAX - MESSAGE_HEADER)
        return ERR_BAD_MESSAGE;
    if (bytes.n < MESSAGE_HEADER + n)
        return ERR_INCOMPLETE;
    struct slice body = slice_of(bytes.p + MESSAGE_HEADER, n);
    bool good = true;
    out->kind = bytes.p[0];
    if (out->kind == MSG_HELLO && hello_of_others(body, &out->hello))
        return (int)(MESSAGE_HEADER + n);
    switch (out->kind) {
#define MESSAGE(number, NAME, name, fields)         \
    case MSG_##NAME:                                \
        good = decode_msg_##name(body, &out->name); \
        break;
#include "wire/message.def"
#undef MESSAGE
    default:
        out->kind = 0;
    }
    return good ? (int)(MESSAGE_HEADER + n) : ERR_BAD_MESSAGE;
}

/* ---- Names ---- */

const char *message_name(uint8_t kind)
{
    switch (kind) {
#define MESSAGE(number, NAME, name, fields) \
    case MSG_##NAME:                        \
        return #NAME;
#include "wire/message.def"
#undef MESSAGE
    }
    return "?";
}
