/* flush.c: see flush.h. */
#include "wire/flush.h"

#include "base/error.h"
#include "base/hlc.h"
#include "wire/bytes.h"

void flush_area_write(uint8_t p[FLUSH_AREA], const struct flush_area *a)
{
    p = put_u8(put_u8(p, a->space_first), a->space_last);
    put_u16(put_u16(p, a->slot_first), a->slot_last);
}

bool flush_area_read(struct slice bytes, struct flush_area *a)
{
    if (bytes.n != FLUSH_AREA)
        return false;
    *a = (struct flush_area){bytes.p[0], bytes.p[1], get_u16(bytes.p + 2), get_u16(bytes.p + 4)};
    return a->space_first <= a->space_last && a->space_last < SPACES_CLIENTS &&
           a->slot_first <= a->slot_last && a->slot_last < SLOTS;
}

int flush_run_append(struct buf *out, const struct flush_run *run)
{
    uint8_t bytes[FLUSH_RUN];
    flush_area_write(bytes, &run->area);
    put_u64(bytes + FLUSH_AREA, run->stamp);
    return buf_append(out, bytes, sizeof bytes);
}

int flush_run_next(struct slice *rest, struct flush_run *run)
{
    if (rest->n == 0)
        return 0;
    if (rest->n < FLUSH_RUN || !flush_area_read(slice_of(rest->p, FLUSH_AREA), &run->area))
        return ERR_BAD_MESSAGE;
    run->stamp = get_u64(rest->p + FLUSH_AREA);
    *rest = slice_of(rest->p + FLUSH_RUN, rest->n - FLUSH_RUN);
    return run->stamp > 0 && run->stamp <= STAMP_WIDE_MAX ? 1 : ERR_BAD_MESSAGE;
}

struct flush_run flush_run_at(struct slice runs, uint8_t space, uint16_t slot)
{
    struct flush_run run;
    while (flush_run_next(&runs, &run) == 1)
        if (space >= run.area.space_first && space <= run.area.space_last &&
            slot >= run.area.slot_first && slot <= run.area.slot_last)
            return run;
    return (struct flush_run){0};
}
