/* wall.h: whether this node's wall clock can be believed, judged by those of its peers.
 *
 * Each packet carries its sender's wall clock and its monotonic one. What a peer's wall clock shows
 * now is estimated from its packets, and our own is compared with the median of all. Two things
 * come of it: how far our clock is ahead, and what time ends are judged by. The essay is in
 * wall.c. */
#ifndef COVEY_CORE_WALL_H
#define COVEY_CORE_WALL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    /* an odd number less ours: as many clocks show the time as well as thousands do */
    WALL_PEERS = 31,
    WALL_WINDOW_MS = 15000, /* the least delayed packet of the last one to two windows counts */
    /* for how long after a standstill packets may come that waited for its end */
    WALL_BACKLOG_MS = 100,
    /* no network keeps a packet longer: a clock that seems slower by more has stood still */
    WALL_WAIT_MAX_MS = 2000,
    /* for how long a peer's clock that was odd counts; one that was right counts longer */
    WALL_FRESH_MS = 2000,
};

/* A reading of a node's two clocks, both of one moment, in ms. */
struct wall_reading {
    uint64_t wall_ms; /* since 1970; may step either way */
    uint64_t mono_ms; /* since any beginning; never steps while its machine runs */
};

/* What is known of a peer's clocks. Differences are in ms. */
struct wall_peer {
    uint64_t id;       /* 0: a free entry */
    int64_t best;      /* its monotonic clock less ours: the greatest seen in this window */
    int64_t before;    /* the same, of the window before */
    bool has_before;   /* there was a window before */
    int64_t slack;     /* by how much at most the true difference may be greater than best */
    uint64_t since_ms; /* when this window began */
    int64_t off;       /* its wall clock less its monotonic one, in the packet that left it last */
    uint64_t mono_ms;  /* its monotonic clock in that packet */
    /* our monotonic clock when that packet came, less what it may have waited for us */
    uint64_t left_ms;
    /* in that packet it was further from the median than the skew that is allowed */
    bool odd;
};

struct wall {
    struct wall_peer peer[WALL_PEERS];
    uint64_t now_ms, wall_ms; /* of the last wall_time */
    uint64_t late_ms;         /* how long the last standstill was */
    uint64_t late_until_ms;   /* until when packets may have waited for as long */
    int64_t median;           /* of all wall clocks, ours among them, less our monotonic one */
    bool known;               /* some peer's clock was seen lately */
};

/* Sets the present; first in each step. */
void wall_time(struct wall *w, uint64_t now_ms, uint64_t wall_ms);

/* The step at now_ms comes late_ms late: the process stood still, and packets may have waited as
 * long. */
void wall_late(struct wall *w, uint64_t now_ms, uint64_t late_ms);

/* A packet of that peer came, which left it when its clocks showed that. A reading that no clock
 * shows (2^48 ms and more) is ignored. */
void wall_sample(struct wall *w, uint64_t peer, struct wall_reading shown);

/* How far our clock is ahead of the median, in ms; 0 when it is not, or when no other is known. */
uint64_t wall_ahead_ms(const struct wall *w);

/* The time by which ends are judged: our wall clock, but no further than CLOCK_SKEW_MAX_MS from the
 * median. */
uint64_t wall_believed_ms(const struct wall *w);

#endif
