/* world.h: the real world around one node: a libuv loop, sockets, a store on disk, clocks.
 *
 * The turn (design section 1, "Batching"). In one iteration of the loop everything that is readable
 * is read, each event steps the node at once, and its actions only fill buffers. Then, once, in
 * world_turn: the store's results are reaped and stepped until there is nothing left, the store
 * writes and syncs what the turn put (on its helper thread, overlapped with the next turn), and
 * each peer and each client that has something gets one write. So a system call, and an fsync, is
 * shared by all that came in together. */
#ifndef COVEY_RT_WORLD_H
#define COVEY_RT_WORLD_H

#include <stdatomic.h>

#include "core/node/node.h"
#include "rt/birth.h"
#include "rt/client.h"
#include "rt/gossip.h"
#include "rt/logger.h"
#include "rt/peer.h"
#include "rt/seeds.h"
#include "store/hints/hints_log.h"
#include "store/log/log.h"

enum {
    WHY_MAX = COVEY_WHY_MAX,
    /* what clients may wait for when the node stops: the deadline of an operation */
    DRAIN_MS = 2000,
    /* a turn that late is told to the operator: at this age probes of the node begin to fail */
    STALLED_MS = 500,
    GAUGES_MS = 1000,     /* how often the figures of INFO are measured */
    RECENT_MS = 10000,    /* the longest turn "lately" is that of the last 10 to 20 s */
    TIMER_STEPS_MAX = 64, /* steps of sliced work in one turn, so that sockets get theirs */
};

/* A link that went down while the node was being stepped: told right after the step. */
struct link_down {
    uint64_t peer;
    int seed, error;
    char why[WHY_MAX];
};

struct downs {
    struct link_down *at;
    size_t n, cap;
};

struct world {
    uv_loop_t loop;
    uv_check_t check;
    uv_timer_t timer;
    uv_async_t wake; /* the store's helper has results, or covey_stop was called */
    bool loop_open, node_open;
    bool power_lost; /* under the process before: the node does not know yet */
    atomic_bool stop_asked;

    struct settings settings;
    struct birth birth;
    struct logger logger;
    struct store *store;
    struct hints *hints;
    struct node node;
    struct out out;
    struct front front;
    struct gossip gossip;
    struct peers peers;
    struct clients clients;
    struct seeds seeds;
    struct downs downs;

    uint64_t now_ms, wall_ms; /* of this turn */
    uint64_t armed_ms;        /* when the timer is to fire; UINT64_MAX: never */
    uint64_t drain_until_ms;  /* 0 while not draining */
    uint64_t gauged_ms, gauged_commands;
    /* the window of RECENT_MS: when it began, its longest turn, that of the window before */
    uint64_t window_ms, window_longest_ms, before_longest_ms;
    uint64_t turns; /* of the loop so far */
    uint64_t steps; /* of the node so far */
    bool stepping;  /* inside world_step */
    bool closing;   /* nothing steps the node any more */
    int error;      /* why the node stopped by itself */
    char why[WHY_MAX];
    char run_id[41];

    void (*on_state)(void *arg, enum covey_state state, const char *sentence);
    void (*on_log)(void *arg, enum covey_log_level level, const char *line);
    void *arg;
};

/* ---- world.c: life ---- */

int world_open(struct world *w, const struct covey_options *o, char *why, size_t why_n);
/* Until it is told to stop (0), or cannot go on (w->error, w->why). */
int world_run(struct world *w);
void world_stop(struct world *w);
void world_close(struct world *w);

/* ---- turn.c: the turn ---- */

/* Sets the clocks to the time at which the loop woke: first thing in each callback of libuv. */
void world_clock(struct world *w);

/* End of turn, and the arming of the next. */
void world_turn(struct world *w);

/* ---- step.c: the node's door ---- */

/* Steps the node (the time is filled in) and carries out its actions; then tells it of links that
 * went down meanwhile. */
void world_step(struct world *w, struct event *ev);

/* EV_LINK_DOWN, now or right after the step that is under way. */
void world_link_down(struct world *w, uint64_t peer, int seed, int error, const char *why);

/* Steps the node with every result that the store and the hints have. True when there was one. */
bool world_reap(struct world *w);

/* A line in the log about something that is not the node's. */
void world_log(struct world *w, enum trace_level level, const char *event, const char *addr,
               const char *why);

#endif
