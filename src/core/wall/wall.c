/* wall.c: the wall clock, compared with those of the peers.
 *
 * The problem. Stamps come from wall clocks, and one that runs an hour ahead makes stamps that
 * everything else must outbid for an hour. No node knows what the time is, but a cluster can see
 * which of its clocks is alone with its opinion.
 *
 * The estimate. A packet says what its sender's two clocks showed when it left: the wall clock, and
 * the monotonic one. How long the packet took is unknown, but never negative. So the difference (a
 * clock of theirs - our monotonic one) is at most the true one, and the greatest of several is the
 * nearest: that of the packet that was the least delayed (the minimum filter of NTP; RFC 5905,
 * section 10).
 *
 * Such a filter is right for a difference that stays as it is. A wall clock that was set back would
 * be judged by its past: the greatest difference is that of before. So the filter is given the
 * monotonic clocks, which nobody sets. The greatest difference of the last 15 to 30 s counts, from
 * two windows, as minima over sliding windows are made. How far the peer's wall clock is from its
 * own monotonic clock needs no filter: a packet says it exactly, and the one that left last is
 * right. So a wall clock that is set, either way, changes its estimate with its next packet, and
 * the delay of that packet spoils nothing. Our own monotonic clock is the common measure: a step of
 * our wall clock shows at once against all peers.
 *
 *     n2's clocks:        came to us   monotonic difference,   wall -      estimate:
 *     wall, monotonic     at           the best (this one)     monotonic   best + that
 *     5000, 1000          201          799                     4000        4799
 *     8605000, 6000       5300         799 (700)               8599000     8599799: set ahead
 *     13100, 9100         8700         799 (400)               4000        4799: set right, at once
 *
 * Standstills. A monotonic clock stands still with its machine (a suspended laptop, a virtual
 * machine that is moved), and begins anew when that does. Either looks like a packet that took
 * long. But no network keeps a packet for WALL_WAIT_MAX_MS, and how long a packet can have waited
 * for us, where we stood still, is known: a difference that is below the best by more than both
 * begins the filter anew. Should it have been a delay all the same, the next packet mends it. A
 * packet with an earlier monotonic clock than one before it was overtaken, and its wall clock is
 * not what the peer's shows now.
 *
 * Old packets that waited while we stood still only give smaller differences, and change nothing;
 * unless they are all that a node has, because it stood still right after its start. So a packet
 * that may have waited gives a range of differences. Until a better packet comes, the peer's clock
 * is taken to be where ours is, as far as the range allows.
 *
 * The judgement. It is the median of all estimates, our own clock among them. Of three clocks the
 * odd one is outvoted. Of two the slower is believed, for it is stamping ahead that does harm. A
 * node alone believes itself. A silent peer counts for up to 30 s, or the clocks of a large
 * cluster, each of which is seen now and then, would be too few. But a peer whose clock was odd
 * when it was seen last counts for WALL_FRESH_MS only: wrong clocks are set right, and one that was
 * wrong and is silent would be a second vote for the next that goes wrong.
 *
 * What it is used for is up to the coordinator. It does not stamp while its clock is too far ahead,
 * and it judges whether a record's end has come by a time that is never further from the median
 * than the skew that the cluster allows. */
#include "core/wall/wall.h"

#include "base/check.h"
#include "base/limits.h"

/* no clock shows more: stamps have no room for it; sums of a few stay far below 2^63 */
static const uint64_t CLOCK_END_MS = 1ull << 48;

static bool windows_over(const struct wall_peer *p, uint64_t now_ms)
{
    return now_ms - p->since_ms >= 2 * (uint64_t)WALL_WINDOW_MS;
}

static int64_t own(const struct wall *w)
{
    return (int64_t)(w->wall_ms - w->now_ms);
}

/* The peer's wall clock less our monotonic one. */
static int64_t estimate(const struct wall *w, const struct wall_peer *p)
{
    if (p->has_before && p->before > p->best)
        return p->before + p->off;
    int64_t ours = own(w), least = p->best + p->off, most = least + p->slack;
    return ours < least ? least : ours > most ? most : ours;
}

static bool fresh(const struct wall *w, const struct wall_peer *p)
{
    return w->now_ms - p->left_ms < WALL_FRESH_MS;
}

static bool votes(const struct wall *w, const struct wall_peer *p)
{
    return p->id != 0 && !windows_over(p, w->now_ms) && (!p->odd || fresh(w, p));
}

/* Notes which peers are odd, among those whose clocks were seen lately. */
static void note_odd(struct wall *w)
{
    for (unsigned i = 0; i < WALL_PEERS; i++) {
        struct wall_peer *p = &w->peer[i];
        int64_t off = estimate(w, p) - w->median;
        if (votes(w, p) && fresh(w, p))
            p->odd = off > CLOCK_SKEW_MAX_MS || off < -CLOCK_SKEW_MAX_MS;
    }
}

static void find_median(struct wall *w)
{
    int64_t sorted[WALL_PEERS + 1];
    unsigned n = 0;
    for (unsigned i = 0; i <= WALL_PEERS; i++) {
        if (i < WALL_PEERS && !votes(w, &w->peer[i]))
            continue;
        int64_t value = i < WALL_PEERS ? estimate(w, &w->peer[i]) : own(w);
        unsigned at = n++;
        for (; at > 0 && sorted[at - 1] > value; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = value;
    }
    w->known = n > 1;
    w->median = sorted[(n - 1) / 2];
    note_odd(w);
}

void wall_time(struct wall *w, uint64_t now_ms, uint64_t wall_ms)
{
    CHECK(now_ms >= w->now_ms);
    bool same = wall_ms - now_ms == w->wall_ms - w->now_ms;
    w->now_ms = now_ms;
    w->wall_ms = wall_ms;
    if (!same) /* our clock was set, or drifts; windows that end are noticed with the next packet */
        find_median(w);
}

/* The peer's entry: its own, a free one, or that of the peer whose window is the oldest. */
static struct wall_peer *entry(struct wall *w, uint64_t id)
{
    struct wall_peer *oldest = &w->peer[0];
    for (unsigned i = 0; i < WALL_PEERS; i++) {
        struct wall_peer *p = &w->peer[i];
        if (p->id == id)
            return p;
        if (p->id == 0 || (oldest->id != 0 && p->since_ms < oldest->since_ms))
            oldest = p;
    }
    return oldest;
}

void wall_late(struct wall *w, uint64_t now_ms, uint64_t late_ms)
{
    w->late_ms = late_ms;
    w->late_until_ms = now_ms + WALL_BACKLOG_MS;
}

/* What two packets say together: the difference is at least the greater of theirs, and at most what
 * both allow. */
static void narrow(struct wall_peer *p, int64_t value, int64_t slack)
{
    int64_t most = p->best + p->slack < value + slack ? p->best + p->slack : value + slack;
    p->best = value > p->best ? value : p->best;
    p->slack = most > p->best ? most - p->best : 0;
}

/* Whether the monotonic clocks are further apart than a packet's way can explain. */
static bool stood_still(const struct wall_peer *p, int64_t value, int64_t slack)
{
    int64_t best = p->has_before && p->before > p->best ? p->before : p->best;
    return value + slack + WALL_WAIT_MAX_MS < best;
}

/* What the packet says of the monotonic clocks. */
static void compare(struct wall *w, struct wall_peer *p, uint64_t id, int64_t value, int64_t slack)
{
    if (p->id != id || windows_over(p, w->now_ms) || stood_still(p, value, slack)) {
        *p = (struct wall_peer){.id = id, .best = value, .slack = slack, .since_ms = w->now_ms};
    } else if (w->now_ms - p->since_ms >= WALL_WINDOW_MS) {
        p->before = p->best;
        p->has_before = true;
        p->best = value;
        p->slack = slack;
        p->since_ms = w->now_ms;
    } else {
        narrow(p, value, slack);
    }
}

void wall_sample(struct wall *w, uint64_t peer, struct wall_reading shown)
{
    if (shown.wall_ms >= CLOCK_END_MS || shown.mono_ms >= CLOCK_END_MS)
        return;
    struct wall_peer *p = entry(w, peer);
    uint64_t slack_ms = w->now_ms < w->late_until_ms ? w->late_ms : 0;
    compare(w, p, peer, (int64_t)(shown.mono_ms - w->now_ms), (int64_t)slack_ms);
    if (shown.mono_ms >= p->mono_ms) {
        int64_t off = (int64_t)(shown.wall_ms - shown.mono_ms);
#ifdef CANARY_STEP_BACK_UNSEEN
        off = p->mono_ms && p->off > off ? p->off : off;
#endif
        p->off = off;
        p->mono_ms = shown.mono_ms;
        p->left_ms = w->now_ms > slack_ms ? w->now_ms - slack_ms : 0;
    }
    find_median(w);
}

uint64_t wall_ahead_ms(const struct wall *w)
{
    return w->known && own(w) > w->median ? (uint64_t)(own(w) - w->median) : 0;
}

uint64_t wall_believed_ms(const struct wall *w)
{
    if (!w->known)
        return w->wall_ms;
    int64_t off = own(w) - w->median;
    int64_t allowed = off > CLOCK_SKEW_MAX_MS    ? CLOCK_SKEW_MAX_MS
                      : off < -CLOCK_SKEW_MAX_MS ? -CLOCK_SKEW_MAX_MS
                                                 : off;
#ifdef CANARY_RAW_CLOCK
    allowed = off;
#endif
    return (uint64_t)((int64_t)w->now_ms + w->median + allowed);
}
