/* coord_stamp.c: stamps that never go back, not even over a restart with a clock that was set back.
 *
 * The clock (base/hlc.h) makes each stamp greater than the ones before, for as long as the process
 * lives. For the process after it the node stores a ceiling, ahead of time and in steps. No stamp
 * is given above the ceiling that is durable, and a process begins to stamp at the ceiling that it
 * finds. So whatever its wall clock is, its stamps are above all of those before. (It would not do
 * that the second stamp of coord_write.c outbids what owners hold: older stamps are also in hints,
 * in expiries and in floors.)
 *
 *     wall ms   ceiling on disk   stamps
 *     1000      1500              from 1000 on
 *     1251      1500              less than half of the step is left: 1752 is wanted
 *     1260      1752              it was stored meanwhile, and no write waited
 *     900       1752              restarted, with a clock that was set back: from 1752 on
 *
 * A step is long enough that a busy node stores a ceiling no more than some four times a second. It
 * is short enough that a node which restarts at once stamps within the skew that its peers believe
 * (CLOCK_SKEW_MAX_MS): stamps further ahead than that must be outbid, write by write. The next
 * ceiling is wanted when half of the step is used up, so that no write waits. After a pause the
 * first write waits for one sync. */
#include "base/check.h"
#include "base/limits.h"
#include "core/coord/coord_op.h"

enum { CEILING_STEP_MS = 500 };

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The wall ms of the next stamp, at most: 1 more than any of its causes, because a full counter
 * carries over. */
static uint64_t next_ms(const struct coord *c, uint64_t above)
{
    uint64_t far = c->now->wall_ms + CLOCK_SKEW_MAX_MS, floor = hlc_wall_ms(above);
    /* a stamp far ahead of our wall clock does not move the clock (base/hlc.h) */
    uint64_t believed = floor <= far ? floor : 0;
    return later(later(c->now->wall_ms, hlc_wall_ms(c->clock.last)), believed) + 1;
}

uint64_t op_stamp(struct coord *c, uint64_t above)
{
    uint64_t next = next_ms(c, above);
    bool fits = next <= c->ceiling_ms;
    c->ceiling_wanted |= !fits || c->ceiling_ms - next < CEILING_STEP_MS / 2;
    c->stamps_wait |= !fits;
    uint64_t stamp = fits ? hlc_stamp_above(&c->clock, above, c->now->wall_ms) : 0;
    CHECK(!fits || stamp > above || above >= STAMP_MAX);
    CHECK(!fits || hlc_wall_ms(c->clock.last) <= c->ceiling_ms);
    return stamp;
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
    return next_ms(c, 0) + CEILING_STEP_MS;
}
