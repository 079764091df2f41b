/* compact_choose.c: which segment is compacted next, and whether it is time to look for one.
 *
 * The table knows for each segment what was written and what of it still counts (tally.h). The
 * segment with the greatest dead share is the victim once that share is DEAD_PERCENT: a copy then
 * buys at least two thirds of what it costs (the cost-benefit question of Rosenblum and Ousterhout,
 * "The design and implementation of a log-structured file system", 1992).
 *
 * Age, their other term, counts while writes are many: a segment that ended lately is left alone
 * for a while. Under a load on few keys all of it dies meanwhile, and a segment in which nothing is
 * alive goes without being read. What the wait may cost is bounded in time and in bytes. An output
 * of compaction is not young: what it holds was old already.
 *
 * Two cases go before the share. A segment that holds damage, or what could not be synced, is
 * emptied at once (`first`). And on a full disk less must be dead, but what is alive must fit the
 * room that the reserve has for copies. */
#include "store/log/compact_inner.h"

#include "base/check.h"

enum {
    /* So much of a segment is dead before it is worth a copy: the log stays below 1.7 times the
     * live bytes. */
    DEAD_PERCENT = 40,
    /* The same on a full disk: with less, the rest would be copied over and over for nothing. */
    URGENT_PERCENT = 10,
    /* The active segment is ended for its dead bytes when they are one part in so many: a MiB. */
    ACTIVE_SHARE = 64,
    /* Victims are looked for again when so many bytes have died for each segment that there is. */
    LOOK_BYTES = 4096,
    /* A segment is young no more when the log has written so many segments since it ended: that
     * costs 256 MiB of disk at most. */
    YOUNG_SEGMENTS = 4,
};

/* The least number of all segments but one. */
static uint32_t least_number(const struct segments *all, const struct segment *but)
{
    uint32_t least = UINT32_MAX, i = 0;
    for (const struct segment *s; (s = segments_next(all, &i)) != NULL;)
        if (s != but && s->number < least)
            least = s->number;
    return least;
}

bool compact_carried_may_go(const struct compact *c, const struct segment *s)
{
    return least_number(c->segments, s) >= s->carried.until;
}

static uint64_t dead_bytes(const struct compact *c, const struct segment *s, const struct tally *t)
{
    CHECK(t->live <= t->all);
    uint64_t dead = t->all - t->live - s->pinned;
    return s->carried.n > 0 && !compact_carried_may_go(c, s) ? dead - s->carried.bytes : dead;
}

/* Whether enough of a segment is dead for a copy. On a full disk the copy must fit what the reserve
 * has for it: one that does not would use up the room for deletions and come to nothing. */
static bool worth(const struct compact *c, const struct tally *t, uint64_t dead)
{
    uint64_t percent = c->urgent         ? URGENT_PERCENT
                       : c->dead_percent ? c->dead_percent
                                         : DEAD_PERCENT;
    if (t->all == 0)
        return true;
    return dead * 100 >= t->all * percent &&
           (!c->urgent || t->live <= reserve_for_copies(c->reserve));
}

/* Whether a segment may be the victim. One in which a record of the node's own state stands may
 * not: that record is written anew to the active segment before long (log_states.c). */
static bool eligible(const struct compact *c, const struct segment *s)
{
    return s != c->segments->active && s != c->output && s->phase == SEGMENT_USED &&
           !table_state_stands(c->table, s->ordinal);
}

bool compact_lifeless(const struct tally *t, const struct segment *s)
{
    return t->live == 0 && t->others == 0 && !s->aside;
}

/* When a segment stops being young, by the keeper's clock; 0: it is not young. */
static uint64_t young_until_us(const struct compact *c, const struct segment *s, uint64_t now_us)
{
    CHECK(s->ended_written <= c->table->tallies.written);
    uint64_t until_us = s->ended_us + (uint64_t)c->patience_ms * 1000;
    bool few =
        c->table->tallies.written - s->ended_written < (uint64_t)YOUNG_SEGMENTS * c->segment_bytes;
    return !c->urgent && few && until_us > now_us ? until_us : 0;
}

/* The segment most worth compacting; NULL when none is. *again_us: when the first of those that are
 * too young for it is old; 0: there is none. */
static struct segment *choose(const struct compact *c, uint64_t now_us, uint64_t *again_us)
{
    struct segment *best = NULL;
    uint64_t best_dead = 0, best_all = 1;
    uint32_t at = 0;
    *again_us = 0;
    for (struct segment *s; (s = segments_next(c->segments, &at)) != NULL;) {
        const struct tally *t = &c->table->tallies.of[s->ordinal];
        if (!eligible(c, s))
            continue;
        if (s->first)
            return s;
        uint64_t dead = dead_bytes(c, s, t), all = t->all ? t->all : 1;
        if (!worth(c, t, dead) || (best && dead * best_all <= best_dead * all))
            continue;
        uint64_t young_us = compact_lifeless(t, s) ? 0 : young_until_us(c, s, now_us);
        if (young_us) {
            *again_us = *again_us && *again_us < young_us ? *again_us : young_us;
            continue;
        }
        best = s;
        best_dead = dead;
        best_all = all;
    }
    return best;
}

/* Looking costs a little for each segment, so it is done when enough has died to pay for that. */
static bool worth_a_look(const struct compact *c)
{
    CHECK(c->seen_died <= c->table->tallies.died);
    uint64_t died = c->table->tallies.died - c->seen_died;
    return c->urgent || c->seen_n != c->segments->n ||
           died > (uint64_t)c->segments->n * LOOK_BYTES ||
           (c->again_us && keeper_clock_us() >= c->again_us);
}

struct segment *compact_victim(struct compact *c)
{
    if (!worth_a_look(c))
        return NULL;
    c->seen_n = c->segments->n;
    c->seen_died = c->table->tallies.died;
    struct segment *s = choose(c, keeper_clock_us(), &c->again_us);
    if (s)
        c->seen_n = 0; /* there may be another */
    return s;
}

void compact_first(struct compact *c, struct segment *s)
{
    CHECK(s->phase == SEGMENT_USED);
    s->first = s->aside = true;
    c->seen_n = 0; /* so that victims are looked for, though nothing has died */
}

bool compact_wants_active(const struct compact *c)
{
    const struct segment *s = c->segments->active;
    const struct tally *t = &c->table->tallies.of[s->ordinal];
    uint64_t dead = dead_bytes(c, s, t), again_us;
    return !s->ended && dead >= c->segment_bytes / ACTIVE_SHARE && worth(c, t, dead) &&
           !choose(c, keeper_clock_us(), &again_us);
}

bool compact_due(const struct compact *c)
{
    uint64_t again_us;
    return worth_a_look(c) && choose(c, keeper_clock_us(), &again_us) != NULL;
}
