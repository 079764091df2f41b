/* hlc.c: see hlc.h. */
#include "base/hlc.h"

#include "base/check.h"
#include "base/limits.h"

enum { COUNTER_BITS = 16 };

/* A full counter carries into the milliseconds: 65,536 stamps within a ms push it 1 ms ahead, well
 * inside the skew bound. */
static uint64_t above(uint64_t stamp, uint64_t wall_ms)
{
    CHECK(wall_ms < UINT64_C(1) << (64 - COUNTER_BITS));
    uint64_t wall = wall_ms << COUNTER_BITS;
    return stamp < wall ? wall : stamp + 1;
}

static bool believed(uint64_t stamp, uint64_t wall_ms, uint64_t skew_max_ms)
{
    return hlc_wall_ms(stamp) <= wall_ms || hlc_wall_ms(stamp) - wall_ms <= skew_max_ms;
}

uint64_t hlc_stamp(struct hlc *c, uint64_t wall_ms)
{
    c->last = above(c->last, wall_ms);
    return c->last;
}

bool hlc_see(struct hlc *c, uint64_t stamp, uint64_t wall_ms, uint64_t skew_max_ms)
{
    if (!believed(stamp, wall_ms, skew_max_ms))
        return false;
    if (stamp > c->last)
        c->last = stamp;
    return true;
}

uint64_t hlc_stamp_above(struct hlc *c, uint64_t floor, uint64_t wall_ms)
{
    if (hlc_see(c, floor, wall_ms, CLOCK_SKEW_MAX_MS))
        return hlc_stamp(c, wall_ms);
    if (floor < c->last)
        /* our own clock is further ahead still: the wall was set back */
        return hlc_stamp(c, wall_ms);
    return floor >= STAMP_MAX ? floor : floor + 1;
}
