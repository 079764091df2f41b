/* compact_choose.c: which segment is compacted next, and whether it is time to look for one.
 *
 * The table knows for each segment what was written and what of it still counts (tally.h). The
 * segment with the greatest dead share is the victim once that share is DEAD_PERCENT: a copy then
 * buys at least two thirds of what it costs (the cost-benefit question of Rosenblum and Ousterhout,
 * "The design and implementation of a log-structured file system", 1992). Age, their other term,
 * counts while writes are many: a segment that ended lately is left alone for a while, for under a
 * load on few keys it dies by itself, and a segment without anything alive goes unread. What that
 * may cost is bounded in time and in bytes; an output is not young, it holds what was old already.
 *
 * Before any share come segments that must be carried out, because they hold damage, or what could
 * not be synced. And on a full disk less must be dead, but what is alive must fit the room that the
 * reserve has for copies. */
#include "store/log/compact_inner.h"

enum {
    /* of a segment, before it is worth a copy: keeps the log below 1.7 times the live bytes */
    DEAD_PERCENT = 40,
    /* DEAD_PERCENT of a full disk: less would be copied over and over for nothing */
    URGENT_PERCENT = 10,
    ACTIVE_SHARE = 64, /* of a segment, dead, before the one in use is ended for it: a MiB */
    /* for each segment, that must have died before victims are looked for again */
    LOOK_BYTES = 4096,
    /* written since a segment ended, and it is not young any more: 256 MiB of disk at most */
    YOUNG_SEGMENTS = 4,
};

/* The least number of all segments but one. */
static uint32_t least_number(const struct segments *all, const struct segment *but)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < all->slot_n; i++)
        if (all->slot[i] && all->slot[i] != but && all->slot[i]->number < least)
            least = all->slot[i]->number;
    return least;
}

bool compact_kept_may_go(const struct compact *c, const struct segment *s)
{
    return least_number(c->segments, s) >= s->kept.until;
}

static uint64_t dead_bytes(const struct compact *c, const struct segment *s, const struct tally *t)
{
    uint64_t dead = t->all - t->live - s->pinned;
    return s->kept.n > 0 && !compact_kept_may_go(c, s) ? dead - s->kept.bytes : dead;
}

/* Whether a segment has died enough for a copy. On a full disk the copy must fit what the reserve
 * has for it: one that does not would eat up the room for deletions and come to nothing. */
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

/* Not a segment that the node's own state stands in: it is written anew to the one in use before
 * long (log_states.c). */
static bool eligible(const struct compact *c, const struct segment *s)
{
    return s && s != c->segments->active && s != c->output && s->stage == SEGMENT_USED &&
           !table_state_stands(c->table, s->slot);
}

bool compact_lifeless(const struct tally *t, const struct segment *s)
{
    return t->live == 0 && t->others == 0 && !s->aside;
}

/* When a segment stops being young, in keeper time; 0: it is not. */
static uint64_t young_until_us(const struct compact *c, const struct segment *s, uint64_t now_us)
{
    uint64_t until_us = s->ended_us + (uint64_t)c->patience_ms * 1000;
    bool few =
        c->table->tallies.written - s->ended_written < (uint64_t)YOUNG_SEGMENTS * c->segment_bytes;
    return !c->urgent && few && until_us > now_us ? until_us : 0;
}

/* The segment most worth compacting; NULL when none is. *again_us: when a young one that is worth
 * it will be old; 0: there is none. */
static struct segment *choose(const struct compact *c, uint64_t now_us, uint64_t *again_us)
{
    struct segment *best = NULL;
    uint64_t best_dead = 0, best_all = 1;
    *again_us = 0;
    for (uint32_t i = 0; i < c->segments->slot_n; i++) {
        struct segment *s = c->segments->slot[i];
        const struct tally *t = &c->table->tallies.of[i];
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
    s->first = s->aside = true;
    c->seen_n = 0; /* let victims be looked for, though nothing has died */
}

bool compact_wants_active(const struct compact *c)
{
    const struct segment *s = c->segments->active;
    const struct tally *t = &c->table->tallies.of[s->slot];
    uint64_t dead = dead_bytes(c, s, t), again_us;
    return !s->ended && dead >= c->segment_bytes / ACTIVE_SHARE && worth(c, t, dead) &&
           !choose(c, keeper_clock_us(), &again_us);
}

bool compact_due(const struct compact *c)
{
    uint64_t again_us;
    return worth_a_look(c) && choose(c, keeper_clock_us(), &again_us) != NULL;
}
