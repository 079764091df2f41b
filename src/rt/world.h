/* world.h: the real world around one node: a libuv loop, sockets, a store on disk, clocks.
 * src/rt/README.md describes the turn of the loop, and how a node starts and stops. */
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
    /* how long a stopping node goes on answering clients: the deadline of an operation */
    DRAIN_MS = 2000,
    /* a timer that is so late is logged: probes of the node begin to fail */
    STALLED_MS = 500,
    GAUGES_MS = 1000,  /* how often what INFO shows is measured */
    RECENT_MS = 10000, /* INFO's longest turn "lately" is that of the last 10 to 20 s */
    /* of the node in one turn, so that the sockets get their share of the time */
    TIMER_STEPS_MAX = 64,
};

/* A link that went down while the node was being stepped. The node is stepped with it right
 * after. */
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
    /* power was lost under the last process, and the node has not been stepped with it yet */
    bool power_lost;
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

    uint64_t now_ms, wall_ms; /* of the present turn */
    uint64_t armed_ms;        /* when the timer fires; UINT64_MAX: never */
    uint64_t drain_until_ms;  /* 0 while not draining */
    /* when INFO's figures were last measured, and the commands by then */
    uint64_t gauged_ms, gauged_commands;
    uint64_t window_ms;         /* when the present window of RECENT_MS began */
    uint64_t window_longest_ms; /* its longest turn */
    uint64_t before_longest_ms; /* the longest turn of the window before it */
    uint64_t turns;             /* of the loop, since the start */
    uint64_t steps;             /* of the node, since the start */
    bool stepping;              /* inside world_step */
    bool closing;               /* the node is not stepped any more */
    int error;                  /* why the node stopped by itself */
    char why[WHY_MAX];
    char run_id[41];

    void (*on_state)(void *arg, enum covey_state state, const char *sentence);
    void (*on_log)(void *arg, enum covey_log_level level, const char *line);
    void *arg;
};

/* ---- world.c: life ---- */

int world_open(struct world *w, const struct covey_options *o, char *why, size_t why_n);
/* Runs until world_stop (0), or until the node cannot go on (w->error, w->why). */
int world_run(struct world *w);
void world_stop(struct world *w);
void world_close(struct world *w);

/* Listens for streams at an address. 0 or a libuv error. */
int world_listen(struct world *w, uv_tcp_t *listener, struct addr at,
                 uv_connection_cb on_connection);

/* ---- turn.c: the turn ---- */

/* Sets now_ms and wall_ms to the time at which the loop woke. Every callback of libuv calls it
 * first. */
void world_clock(struct world *w);

/* Ends the turn, and arms the timer for the next. */
void world_turn(struct world *w);

/* ---- step.c: the node's door ---- */

/* Steps the node with an event, whose time is filled in, and carries out its actions. Then steps it
 * with the links that went down meanwhile. */
void world_step(struct world *w, struct event *ev);

/* Steps the node with EV_LINK_DOWN: now, or right after the step that is under way. */
void world_link_down(struct world *w, uint64_t peer, int seed, int error, const char *why);

/* Steps the node with every result that the store and the hints have. True when there was one. */
bool world_reap(struct world *w);

/* Logs something that the node knows nothing of. */
void world_log(struct world *w, enum trace_level level, const char *event, const char *addr,
               const char *why);

#endif
