/* turn.c: the turn of the loop. See README.md. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "rt/world.h"

/* libuv reads CLOCK_MONOTONIC once, when poll returns. The wall clock is read when that has moved,
 * and set back by the time since: else a process that was stopped between the two would find its
 * wall clock ahead of everybody's. (A process that is stopped between the two reads below finds it
 * behind, which does no harm.) */
void world_clock(struct world *w)
{
    struct timespec ts;
    uint64_t now_ms = uv_now(&w->loop);
    if (now_ms <= w->now_ms)
        return;
    w->now_ms = now_ms;
    clock_gettime(CLOCK_REALTIME, &ts);
    uint64_t wall_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000,
             since_ms = uv_hrtime() / 1000000;
    w->wall_ms = since_ms > now_ms ? wall_ms - (since_ms - now_ms) : wall_ms;
}

static uint64_t resident_bytes(void)
{
    unsigned long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Measures what INFO shows, once a second at most, in a turn that happens anyway. */
static void gauge(struct world *w)
{
    uint64_t ms = w->now_ms - w->gauged_ms;
    if (ms < GAUGES_MS)
        return;
    w->front.memory_rss = resident_bytes();
    w->front.ops_per_sec = (w->front.commands - w->gauged_commands) * 1000 / ms;
    w->gauged_commands = w->front.commands;
    w->gauged_ms = w->now_ms;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Notes how long the turn took, from waking up until now: so long the loop was away from its
 * sockets, and from the peers that probe it. */
static void time_turn(struct world *w, uint64_t ended_ms)
{
    uint64_t ms = ended_ms - w->now_ms;
    if (w->now_ms - w->window_ms >= RECENT_MS) {
        w->before_longest_ms = w->now_ms - w->window_ms >= 2 * RECENT_MS ? 0 : w->window_longest_ms;
        w->window_longest_ms = 0;
        w->window_ms = w->now_ms;
    }
    w->window_longest_ms = greater(w->window_longest_ms, ms);
    w->front.loop_recent_ms = greater(w->before_longest_ms, w->window_longest_ms);
    w->front.loop_longest_ms = greater(w->front.loop_longest_ms, ms);
}

/* A late timer means that this process, or the whole machine, stood still. The operator should know
 * why probes of the node fail. */
static void note_stall(struct world *w)
{
    if (w->armed_ms == UINT64_MAX || w->now_ms < w->armed_ms + STALLED_MS)
        return;
    struct trace t = {.kind = TRACE_NODE_STALLED, .a = w->now_ms - w->armed_ms};
    logger_trace(&w->logger, w->wall_ms, &t);
}

/* Does all that can be done without waiting: requests of clients, then results of the store, which
 * let clients go on, until there is neither. */
static void settle(struct world *w)
{
    bool more = true;
    while (more) {
        more = clients_run(&w->clients);
        more |= world_reap(w);
    }
}

static void run_timers(struct world *w)
{
    peers_tick(&w->peers, w->now_ms);
    for (unsigned i = 0; i < TIMER_STEPS_MAX && node_deadline_ms(&w->node) <= w->now_ms; i++) {
        struct event ev = {.kind = EV_TIMER};
        world_step(w, &ev);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void on_timer(uv_timer_t *t)
{
    world_turn(t->data); /* without a timer poll would sleep; the turn arms the next one */
}

/* again: work is left for another turn right after this one. */
static void arm(struct world *w, bool again)
{
    uint64_t at = least(node_deadline_ms(&w->node), peers_deadline_ms(&w->peers));
    if (w->drain_until_ms)
        at = least(at, w->drain_until_ms);
    if (again)
        at = w->now_ms;
    /* libuv counts a timer from its cached time, which a long turn made old */
    uv_update_time(&w->loop);
    uint64_t now_ms = uv_now(&w->loop);
    time_turn(w, now_ms);
    w->armed_ms = at > now_ms ? at : now_ms;
    if (at == UINT64_MAX)
        uv_timer_stop(&w->timer);
    else
        uv_timer_start(&w->timer, on_timer, at > now_ms ? at - now_ms : 0, 0);
}

/* When the node stops: requests of clients that came are answered, new ones are not read, and peers
 * are served until the end. */
static void drain(struct world *w)
{
    if (!atomic_load(&w->stop_asked) || w->error)
        return;
    if (!w->drain_until_ms) {
        w->drain_until_ms = w->now_ms + DRAIN_MS;
        uv_close((uv_handle_t *)&w->clients.listener, NULL);
        clients_drain(&w->clients);
        if (w->on_state)
            w->on_state(w->arg, COVEY_DRAINING, "stopping: what clients asked is being answered");
    }
    bool hints_kept = node_drain(&w->node);
    if (w->now_ms >= w->drain_until_ms ||
        (clients_drained(&w->clients) && !peers_pending(&w->peers) && hints_kept))
        uv_stop(&w->loop);
}

void world_turn(struct world *w)
{
    if (w->closing)
        return;
    world_clock(w);
    note_stall(w);
    do {
        settle(w);
        run_timers(w);
        store_commit(w->store);
        hints_commit(w->hints);
        /* under interval durability the store completes at once: answered in this same turn */
    } while (world_reap(w));
    uint64_t steps = w->steps;
    peers_write(&w->peers);
    clients_write(&w->clients);
    peers_resume(&w->peers);
    w->turns++;
    gauge(w);
    drain(w);
    /* a stream that broke as it was written stepped the node, and a client whose replies were
     * written may go on */
    arm(w, w->steps != steps || w->clients.runnable);
}
