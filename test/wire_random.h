/* wire_random.h: messages with random fields, from the same declaration as the messages, and their
 * comparison field by field. */
#ifndef COVEY_TEST_WIRE_RANDOM_H
#define COVEY_TEST_WIRE_RANDOM_H

#include "base/limits.h"
#include "base/rng.h"
#include "wire/flush.h"
#include "wire/message.h"

static const uint8_t message_kinds[] = {
#define MESSAGE(number, NAME, name, fields) MSG_##NAME,
#include "wire/message.def"
#undef MESSAGE
};

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

/* Random bytes, `most` of them at most and often none; they live as long as the program. */
static inline struct slice random_slice(struct rng *rng, size_t most)
{
    static uint8_t pool[256 * 1024];
    if (!pool[0]) {
        for (size_t i = 0; i < sizeof pool; i++)
            pool[i] = (uint8_t)(rng_next(rng) >> 56);
        pool[0] = 1;
    }
    size_t n = rng_below(rng, 4) ? (size_t)rng_below(rng, most + 1) : 0;
    return slice_of(pool + rng_below(rng, sizeof pool - n), n);
}

static inline void random_u8(struct rng *rng, uint8_t *f)
{
    *f = (uint8_t)rng_next(rng);
}

static inline void random_u16(struct rng *rng, uint16_t *f)
{
    *f = (uint16_t)rng_next(rng);
}

static inline void random_u32(struct rng *rng, uint32_t *f)
{
    *f = (uint32_t)rng_next(rng);
}

static inline void random_u64(struct rng *rng, uint64_t *f)
{
    *f = rng_next(rng);
}

static inline void random_stamp(struct rng *rng, uint64_t *f)
{
    *f = rng_next(rng) >> 1;
}

static inline void random_position(struct rng *rng, struct log_position *f)
{
    random_u16(rng, &f->shard);
    random_u64(rng, &f->end);
}

static inline void random_cid(struct rng *rng, struct cluster_id *f)
{
    for (unsigned i = 0; i < sizeof f->b; i++)
        random_u8(rng, &f->b[i]);
}

static inline void random_addr(struct rng *rng, struct addr *f)
{
    *f = (struct addr){.family = (uint8_t[]){0, 4, 6}[rng_below(rng, 3)],
                       .port = (uint16_t)rng_next(rng)};
    for (unsigned i = 0; i < (f->family == 4 ? 4 : 16); i++)
        random_u8(rng, &f->ip[i]);
}

static inline void random_bytes(struct rng *rng, struct slice *f)
{
    *f = random_slice(rng, 100);
}

static inline void random_key(struct rng *rng, struct slice *f)
{
    static const uint8_t spaces[] = {0, 0, 1, SPACES_CLIENTS - 1, SPACE_SYSTEM, UINT8_MAX};
    static uint8_t pool[64 * 1024]; /* far more than any test looks at together */
    static size_t used;
    struct slice name = random_slice(rng, 60);
    used = used + name.n + 1 > sizeof pool ? 0 : used;
    *f = key_write(pool + used, spaces[rng_below(rng, sizeof spaces)], name);
    used += f->n;
}

static inline void random_version(struct rng *rng, struct version *f)
{
    *f = (struct version){rng_next(rng) >> 1,
                          rng_next(rng),
                          rng_next(rng),
                          rng_next(rng) >> 1,
                          (uint8_t)rng_below(rng, 2),
                          (uint8_t)rng_below(rng, 2)};
}

static inline void random_record(struct rng *rng, struct record *f)
{
    static const uint8_t kinds[] = {RECORD_NONE,  RECORD_VALUE, RECORD_TOMBSTONE, RECORD_ROW,
                                    RECORD_FLOOR, RECORD_FLUSH, RECORD_STATE};
    f->kind = kinds[rng_below(rng, sizeof kinds)];
    random_version(rng, &f->version);
    f->expiry_ms = rng_next(rng);
    if (f->kind == RECORD_STATE)
        f->key = random_slice(rng, 60);
    else
        random_key(rng, &f->key);
    f->value = random_slice(rng, 2000);
    if (f->kind == RECORD_VALUE || f->kind == RECORD_ROW)
        f->version.deleted = 0;
    if (f->kind == RECORD_ROW)
        f->version.ordered = 1;
    if (f->kind == RECORD_FLUSH)
        f->version.ordered = 0;
    if (f->kind == RECORD_STATE || f->kind == RECORD_NONE)
        f->version.deleted = f->version.ordered = 0;
    if (f->kind == RECORD_TOMBSTONE) {
        f->expiry_ms |= 1; /* it may be of a value that has lapsed */
        f->value.n = 0;
    }
    if (f->kind == RECORD_FLOOR) {
        f->version.stamp = f->version.stamp >> 1 | 1;
        f->value.n = 0;
    }
    if (f->kind == RECORD_FLUSH) {
        f->version.stamp >>= 1;
        f->key.n = 0;
        f->version.deleted = 1;
        f->value = FLUSH_EVERYTHING_BYTES;
    }
}

static inline void random_found(struct rng *rng, struct record *f)
{
    random_record(rng, f);
    f->key = slice_of(NULL, 0);
}

static inline bool equal_version(const struct version *a, const struct version *b)
{
    return a->stamp == b->stamp && a->node == b->node && a->digest == b->digest &&
           a->expiry_stamp == b->expiry_stamp && a->deleted == b->deleted &&
           a->ordered == b->ordered;
}

static inline bool equal_record(const struct record *a, const struct record *b)
{
    return a->kind == b->kind && equal_version(&a->version, &b->version) &&
           a->expiry_ms == b->expiry_ms && slice_eq(a->key, b->key) && slice_eq(a->value, b->value);
}

#define EQUAL_u8(a, b)       ((a) == (b))
#define EQUAL_u16(a, b)      ((a) == (b))
#define EQUAL_u32(a, b)      ((a) == (b))
#define EQUAL_u64(a, b)      ((a) == (b))
#define EQUAL_stamp(a, b)    ((a) == (b))
#define EQUAL_position(a, b) ((a).shard == (b).shard && (a).end == (b).end)
#define EQUAL_cid(a, b)      cluster_id_eq(a, b)
#define EQUAL_addr(a, b)     addr_eq(a, b)
#define EQUAL_bytes(a, b)    slice_eq(a, b)
#define EQUAL_version(a, b)  equal_version(&(a), &(b))
#define EQUAL_record(a, b)   equal_record(&(a), &(b))
#define EQUAL_key(a, b)      slice_eq(a, b)
#define EQUAL_found(a, b)    equal_record(&(a), &(b))

static inline struct message random_message(struct rng *rng, uint8_t kind)
{
    struct message message = {.kind = kind};
    switch (kind) {
#define FIELD(type, f) random_##type(rng, &m->f);
#define MESSAGE(number, NAME, name, fields)   \
    case MSG_##NAME: {                        \
        struct msg_##name *m = &message.name; \
        fields break;                         \
    }
#include "wire/message.def"
#undef MESSAGE
#undef FIELD
    }
    if (kind == MSG_HELLO) { /* of other versions nothing else is read */
        message.hello.protocol_min = PROTOCOL_MIN;
        message.hello.protocol_max = PROTOCOL_MAX;
    }
    return message;
}

static inline bool equal_message(const struct message *x, const struct message *y)
{
    if (x->kind != y->kind)
        return false;
    switch (x->kind) {
#define FIELD(type, f) &&EQUAL_##type(a->f, b->f)
#define MESSAGE(number, NAME, name, fields)                   \
    case MSG_##NAME: {                                        \
        const struct msg_##name *a = &x->name, *b = &y->name; \
        return true fields;                                   \
    }
#include "wire/message.def"
#undef MESSAGE
#undef FIELD
    }
    return false;
}

/* A copy in memory of exactly its size, so that a sanitizer sees a read past its end. Freed by the
 * caller. */
static inline uint8_t *exact_copy(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, p, n);
    /* of none: the address behind one byte, so that reading there is seen too */
    return n ? copy : copy + 1;
}

static inline void exact_free(uint8_t *copy, size_t n)
{
    free(n ? copy : copy - 1);
}

#endif
