/* coord_stamp.c: stamps that never go back, not even over a restart with a clock that was set back.
 *
 * The clock (base/hlc.h) makes each stamp greater than the ones before, as long as the process
 * lives. For the next life the node keeps a ceiling on disk, written ahead in steps: no stamp is
 * given above the durable one, and a start begins at it. So whatever the wall clock says then, the
 * new stamps are above all old ones. (That the second stamp of coord_write.c would outbid what is
 * held does not suffice: the past also lives in hints, in expiries and in floors.)
 *
 * A step is long enough that a busy node stores a ceiling no more than some four times a second,
 * and short enough that one which restarts at once stamps within the skew that its peers believe
 * (CLOCK_SKEW_MAX_MS): what is stamped further ahead must be outbid, write by write. The next
 * ceiling is asked for when half of the step is used up, so that nobody waits; after a pause the
 * first write waits for one sync. */
#include "base/limits.h"
#include "core/coord/coord_op.h"

enum { CEILING_STEP_MS = 500 };

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The wall ms that the next stamp may reach: 1 more than any of its causes, for a full counter
 * carries. */
static uint64_t reach_ms(const struct coord *c, uint64_t above)
{
    uint64_t far = c->now->wall_ms + CLOCK_SKEW_MAX_MS, floor = hlc_wall_ms(above);
    /* a stamp out of a far year does not pull the clock */
    uint64_t believed = floor < far ? floor : 0;
    return later(later(c->now->wall_ms, hlc_wall_ms(c->clock.last)), believed) + 1;
}

uint64_t op_stamp(struct coord *c, uint64_t above)
{
    uint64_t reach = reach_ms(c, above);
    bool fits = reach <= c->ceiling_ms;
    c->ceiling_wanted |= !fits || c->ceiling_ms - reach < CEILING_STEP_MS / 2;
    c->stamps_wait |= !fits;
    return fits ? hlc_stamp_above(&c->clock, above, c->now->wall_ms) : 0;
}

void coord_ceiling_recall(struct coord *c, uint64_t ms)
{
    c->ceiling_ms = ms;
    c->clock.last = later(c->clock.last, ms << 16);
}

uint64_t coord_ceiling_wanted(struct coord *c, const struct moment *now)
{
    c->now = now;
    if (!c->ceiling_wanted)
        return 0;
    c->ceiling_wanted = false;
    return reach_ms(c, 0) + CEILING_STEP_MS;
}
