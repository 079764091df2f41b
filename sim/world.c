#include "sim/world_inner.h"

#include "base/check.h"
#include "sim/net.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t EPOCH_MS = 1700000000000; /* the wall clock at virtual time 0 */

uint64_t world_now_ms(const struct world *w)
{
    return w->now_us / 1000;
}

uint64_t world_wall_ms(const struct world *w, const struct sim_node *s)
{
    int64_t drifted_ms = s->drift_ms * (int64_t)(world_now_ms(w) - s->drift_from_ms) / 1000;
    return EPOCH_MS + world_now_ms(w) + (uint64_t)(s->skew_ms + s->step_ms + drifted_ms);
}

struct sim_node *world_by_addr(struct world *w, struct addr a)
{
    uint32_t i = (uint32_t)a.ip[1] << 16 | (uint32_t)a.ip[2] << 8 | a.ip[3];
    return a.family == 4 && i < w->o.nodes && addr_eq(w->node[i].addr, a) ? &w->node[i] : NULL;
}

struct sim_node *world_by_id(struct world *w, uint64_t id)
{
    /* an id ends in the node's number + 1 */
    uint32_t i = (uint32_t)(id & 0xffff) - 1;
    return i < w->o.nodes && w->node[i].id == id ? &w->node[i] : NULL;
}

void world_init(struct world *w, const struct world_options *o)
{
    *w = (struct world){.o = *o};
    if (!w->o.latency_us)
        w->o.latency_us = 250;
    rng_init(&w->net_rng, o->seed ^ 0x4e45);
    rng_init(&w->disk_rng, o->seed ^ 0xd15c);
    rng_init(&w->seed_rng, o->seed);
    buf_init(&w->scratch, MESSAGE_MAX * 2);
    w->node = calloc(o->nodes, sizeof *w->node);
    w->client = calloc(o->clients ? o->clients : 1, sizeof *w->client);
    w->cuts = calloc((size_t)o->nodes * o->nodes, sizeof *w->cuts);
    CHECK(w->node && w->client && w->cuts);
    for (unsigned b = 0; b < sizeof w->cluster.b; b++)
        w->cluster.b[b] = (uint8_t)(1 + rng_below(&w->seed_rng, 255));
    struct rng secret_rng;
    rng_init(&secret_rng, o->seed ^ 0x5ec7e7);
    for (unsigned b = 0; b < sizeof w->secret.b; b++)
        w->secret.b[b] = (uint8_t)rng_next(&secret_rng);
    for (uint32_t i = 0; i < o->nodes; i++) {
        struct sim_node *s = &w->node[i];
        s->id = (rng_next(&w->seed_rng) << 16) | (i + 1);
        s->addr = (struct addr){.family = 4,
                                .port = 7400,
                                .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        s->skew_ms = (int64_t)rng_below(&w->seed_rng, 401) - 200;
        s->timer_us = UINT64_MAX;
        snprintf(s->name, sizeof s->name, "n%u", i);
        mem_disk_init(&s->disk);
        s->hints_disk.faults = &s->disk.faults;
    }
    atlas_init(&w->atlas, w);
}

void world_close(struct world *w)
{
    w->watch = (struct world_watch){0};
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        if (w->node[i].up)
            life_end(w, i);
        life_stop_looking(w, i);
        strike_forget(w, i);
        mem_disk_close(&w->node[i].disk);
        hints_disk_close(&w->node[i].hints_disk);
    }
    net_close(w);
    atlas_close(&w->atlas);
    heap_close(&w->heap);
    buf_close(&w->scratch);
    free(w->node);
    free(w->client);
    free(w->cuts);
}

/* ---- What happens next ---- */

static void do_event(struct world *w, struct sim_event *ev)
{
    switch (ev->kind) {
    case SIM_NODE_TIMER:
        turn_on_timer(w, ev);
        break;
    case SIM_NODE_START:
        if (!w->node[ev->node].up)
            life_begin(w, ev->node);
        break;
    case SIM_DISK:
        turn_on_disk(w, ev);
        break;
    case SIM_NODE_INPUT:
        if (turn_meant_for(w, ev))
            turn_finish(w, ev->node);
        break;
    case SIM_CLIENT:
        if (w->watch.client)
            w->watch.client(w->watch.arg, ev->node);
        break;
    case SIM_FAULT: /* whoever called world_next plays it */
        break;
    default:
        net_event(w, ev);
        break;
    }
}

/* Puts off what happens at a paused node until it goes on, and the end of a sync while its disk
 * stalls. */
static bool put_off(struct world *w, const struct sim_event *ev)
{
    if (ev->kind == SIM_CLIENT || ev->kind == SIM_FAULT)
        return false;
    struct sim_event later = *ev;
    later.at_us = w->node[ev->node].paused_until_us;
    if (ev->kind == SIM_DISK && w->node[ev->node].stalled_until_us > later.at_us)
        later.at_us = w->node[ev->node].stalled_until_us;
    if (later.at_us <= w->now_us)
        return false;
    if (ev->kind == SIM_NODE_TIMER && turn_meant_for(w, ev))
        w->node[ev->node].timer_us = later.at_us;
    heap_push(&w->heap, &later);
    return true;
}

bool world_next(struct world *w, uint64_t until_us, struct sim_event *ev)
{
    if (w->heap.n == 0 || w->heap.e[0].at_us > until_us) {
        w->now_us = until_us;
        return false;
    }
    CHECK(heap_pop(&w->heap, ev));
    CHECK(ev->at_us >= w->now_us);
    w->now_us = ev->at_us;
    if (put_off(w, ev))
        return true;
    w->events++;
    do_event(w, ev);
    free(ev->bytes);
    ev->bytes = NULL;
    return true;
}
/* ---- Clients ---- */

void world_connect(struct world *w, uint32_t client, uint32_t node)
{
    struct sim_client *c = &w->client[client];
    CHECK(!c->open && w->node[node].up);
    session_init(&c->session, &w->node[node].front, client, slice_str("sim:0"), world_now_ms(w));
    c->open = true;
    c->dirty = false;
    c->node = node;
}

void world_say(struct world *w, uint32_t client, struct slice bytes)
{
    struct sim_client *c = &w->client[client];
    CHECK(c->open && !session_feed(&c->session, bytes));
    c->dirty = true;
    heap_push(&w->heap, &(struct sim_event){.at_us = w->now_us,
                                            .kind = SIM_NODE_INPUT,
                                            .node = c->node,
                                            .life = w->node[c->node].life});
}

void world_wake_client(struct world *w, uint32_t client, uint64_t at_us)
{
    heap_push(&w->heap, &(struct sim_event){.at_us = at_us, .kind = SIM_CLIENT, .node = client});
}
