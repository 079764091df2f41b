#include "store/log/damage.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "wire/bytes.h"
#include "wire/record.h"

/* Whether the bad record at the start of bytes has `size` bytes, as its header says: then another
 * record begins behind it. Where that cannot be found out (the bytes end there, or zeros follow)
 * the lengths in the header must agree. A wrong size, if it were believed, would make the caller
 * pass over good records of other slots, which nobody would put in doubt. */
static bool size_holds(struct slice bytes, size_t size)
{
    static const uint8_t zeros[RECORD_HEADER];
    struct record_view v;
    struct slice behind = slice_of(bytes.p + size, bytes.n - size);
    int next = record_decode(behind, &v);
    if (next > 0)
        return true;
    if (next != ERR_INCOMPLETE && memcmp(behind.p, zeros, RECORD_HEADER) != 0)
        return false;
    return record_lengths_agree(bytes);
}

/* Where a record's key (a state's name) hashes to the slot that its header says, both are believed,
 * wherever else the record is damaged. By chance that happens once in 16,384 times. */
struct damage_finding damage_look(struct slice bytes)
{
    struct damage_finding f = {0};
    if (bytes.n < RECORD_HEADER)
        return f;
    size_t size = get_u32(bytes.p + 8), key_n = get_u32(bytes.p + 56);
    if (size < RECORD_HEADER || size > bytes.n || key_n > KEY_FULL_MAX ||
        key_n > size - RECORD_HEADER)
        return f;
    f.name = slice_of(bytes.p + RECORD_HEADER, key_n);
    f.slot = get_u16(bytes.p + 14);
    bool state = bytes.p[12] == RECORD_STATE;
    if ((state ? slot_of_name(f.name) : slot_of_key(f.name)) != f.slot || !size_holds(bytes, size))
        return f;
    f.state = state;
    f.serial = get_u64(bytes.p + 16);
    f.size = (uint32_t)size;
    CHECK(f.size <= bytes.n && f.slot < SLOTS);
    return f;
}

void damage_mark(struct damage *d, const struct damage_finding *f)
{
    CHECK(f->size == 0 || f->slot < SLOTS);
    if (f->size > 0)
        bit_set(d->slot, f->slot);
    else
        memset(d->slot, 0xff, sizeof d->slot);
}

bool damage_any(const struct damage *d)
{
    return damage_in(d, 0, 1);
}

bool damage_in(const struct damage *d, uint32_t v, uint32_t n)
{
    CHECK(v < n && n <= SLOTS);
    for (uint32_t slot = v * (SLOTS / n); slot < (v + 1) * (SLOTS / n); slot++)
        if (bit_at(d->slot, slot))
            return true;
    return false;
}
