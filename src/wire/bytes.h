/* bytes.h: little-endian integers in unaligned bytes, as straight loads and stores.
 *
 * Each put returns the place after what it wrote. memcpy of a known size is how C spells an
 * unaligned access: it compiles to one instruction. The caller has checked the room. */
#ifndef COVEY_WIRE_BYTES_H
#define COVEY_WIRE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES_LE16(v) (v)
#define BYTES_LE32(v) (v)
#define BYTES_LE64(v) (v)
#else
#define BYTES_LE16(v) __builtin_bswap16(v)
#define BYTES_LE32(v) __builtin_bswap32(v)
#define BYTES_LE64(v) __builtin_bswap64(v)
#endif

static inline uint8_t *put_u8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}

static inline uint8_t *put_u16(uint8_t *p, uint16_t v)
{
    v = BYTES_LE16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    v = BYTES_LE32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    v = BYTES_LE64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

/* n may be 0, and from then NULL. */
static inline uint8_t *put_bytes(uint8_t *p, const void *from, size_t n)
{
    if (n)
        memcpy(p, from, n);
    return p + n;
}

static inline uint16_t get_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return BYTES_LE16(v);
}

static inline uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return BYTES_LE32(v);
}

static inline uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return BYTES_LE64(v);
}

#endif
