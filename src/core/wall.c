/* wall.c: the wall clock, held against those of the peers.
 *
 * The problem. Stamps come from wall clocks, and one that runs an hour ahead makes stamps that everything else must
 * outbid for an hour. Nobody can say what the time is, but a cluster can say which of its clocks is alone with its
 * opinion.
 *
 * The estimate. A packet says what its sender's clock showed when it left; how long it took is unknown, but never
 * negative. So the difference (their wall clock - our monotonic clock) is at most the true one, and the greatest of
 * several is the nearest: the packet that was the least delayed (the minimum filter of NTP; RFC 5905, section 10). The
 * greatest of the last 15 to 30 s is kept, in two windows, as minima over sliding windows are. Our own monotonic clock
 * is the common measure, so a step of our wall clock shows at once against all peers; a peer that steps forward shows
 * at once, one that steps back after the windows. Old packets that were waiting while we stood still only give smaller
 * differences, and change nothing; unless they are all that a node has, which stood still right after its start. So a packet
 * that may have waited gives a range, and until a better one comes the peer's clock is taken to be where in it ours is.
 *
 * The judgement. The median of all estimates, our own clock among them: of three clocks the odd one is outvoted, of
 * two the slower is believed, for it is stamping ahead that does harm. A node alone believes itself.
 *
 * What it is used for is up to the coordinator: it does not stamp while it is ahead too far, and it judges whether a
 * record's end has come by a time that is never further from the median than the skew that the cluster allows. */
#include "core/wall.h"

#include "base/limits.h"

static bool windows_over(const struct wall_peer *p, uint64_t now_ms)
{
    return now_ms - p->since_ms >= 2 * (uint64_t)WALL_WINDOW_MS;
}

static int64_t own(const struct wall *w)
{
    return (int64_t)(w->wall_ms - w->now_ms);
}

static int64_t estimate(const struct wall *w, const struct wall_peer *p)
{
    if (p->has_before && p->before > p->best)
        return p->before;
    int64_t ours = own(w), most = p->best + p->slack;
    return ours < p->best ? p->best : ours > most ? most : ours;
}

static void find_median(struct wall *w)
{
    int64_t sorted[WALL_PEERS + 1];
    unsigned n = 0;
    for (unsigned i = 0; i <= WALL_PEERS; i++) {
        const struct wall_peer *p = &w->peer[i];
        if (i < WALL_PEERS && (p->id == 0 || windows_over(p, w->now_ms)))
            continue;
        int64_t value = i < WALL_PEERS ? estimate(w, p) : own(w);
        unsigned at = n++;
        for (; at > 0 && sorted[at - 1] > value; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = value;
    }
    w->known = n > 1;
    w->median = sorted[(n - 1) / 2];
}

void wall_time(struct wall *w, uint64_t now_ms, uint64_t wall_ms)
{
    bool same = wall_ms - now_ms == w->wall_ms - w->now_ms;
    w->now_ms = now_ms;
    w->wall_ms = wall_ms;
    if (!same)
        find_median(w); /* our clock was set, or drifts; what goes out of its window meanwhile is seen with the next packet */
}

/* The peer's place: its own, a free one, or that of a peer not heard for longest. */
static struct wall_peer *place(struct wall *w, uint64_t id)
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

/* What two packets say together: the difference is at least the greater, and at most what both allow. */
static bool narrow(struct wall_peer *p, int64_t value, int64_t slack)
{
    int64_t most = p->best + p->slack < value + slack ? p->best + p->slack : value + slack;
    int64_t best = value > p->best ? value : p->best;
    bool same = best == p->best && most >= p->best + p->slack;
    p->best = best;
    p->slack = most > best ? most - best : 0;
    return !same;
}

void wall_heard(struct wall *w, uint64_t peer, uint64_t wall_ms)
{
    struct wall_peer *p = place(w, peer);
    int64_t value = (int64_t)(wall_ms - w->now_ms), slack = w->now_ms < w->late_until_ms ? (int64_t)w->late_ms : 0;
    if (p->id != peer || windows_over(p, w->now_ms)) {
        *p = (struct wall_peer){.id = peer, .best = value, .slack = slack, .since_ms = w->now_ms};
    } else if (w->now_ms - p->since_ms >= WALL_WINDOW_MS) {
        p->before = p->best;
        p->has_before = true;
        p->best = value;
        p->slack = slack;
        p->since_ms = w->now_ms;
    } else if (!narrow(p, value, slack)) {
        return; /* nothing has changed */
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
    int64_t allowed = off > CLOCK_SKEW_MAX_MS ? CLOCK_SKEW_MAX_MS : off < -CLOCK_SKEW_MAX_MS ? -CLOCK_SKEW_MAX_MS : off;
#ifdef CANARY_RAW_CLOCK
    allowed = off;
#endif
    return (uint64_t)((int64_t)w->now_ms + w->median + allowed);
}
