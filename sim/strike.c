/* strike.c: what the begin and the end of a fault do to the world. */
#include "sim/world_inner.h"

#include "base/check.h"

#include <stdlib.h>

static void cut(struct world *w, uint32_t from, uint32_t to, bool begins)
{
    uint16_t *c = &w->cuts[(size_t)from * w->o.nodes + to];
    CHECK(begins || *c > 0);
    *c = (uint16_t)(begins ? *c + 1 : *c - 1);
}

static void partition(struct world *w, const struct fault *f, bool begins)
{
    struct rng r; /* the same shuffle at its beginning and at its end */
    rng_init(&r, f->b);
    uint32_t *order = malloc(w->o.nodes * sizeof *order);
    CHECK(order);
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        uint32_t j = (uint32_t)rng_below(&r, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (uint32_t x = 0; x < f->a; x++)
        for (uint32_t y = f->a; y < w->o.nodes; y++) {
            cut(w, order[x], order[y], begins);
            cut(w, order[y], order[x], begins);
        }
    free(order);
}

static void change(uint32_t *value, uint32_t amount, bool begins)
{
    *value = begins ? *value + amount : *value - amount;
}

/* Power is cut, if it is on, and comes back at once. */
static void restart(struct world *w, uint32_t i)
{
    world_crash_node(w, i);
    life_begin(w, i);
}

static void set_clock(struct world *w, const struct fault *f, bool begins)
{
    struct sim_node *s = &w->node[f->a];
    bool wrong = begins && atlas_clock(&w->atlas, f->a, (uint64_t)f->until_ms * 1000);
    if (f->kind == FAULT_CLOCK_STEP) {
        s->step_ms = wrong ? (int64_t)f->amount - 10000 : 0;
        return;
    }
    s->drift_ms = wrong ? (int64_t)f->amount - 200 : 0;
    s->drift_from_ms = world_now_ms(w);
}

void world_fault(struct world *w, const struct fault *f, bool begins)
{
    switch (f->kind) {
    case FAULT_CRASH:
    case FAULT_AWAY:
        if (begins)
            world_crash_node(w, f->a);
        else if (!w->node[f->a].up)
            life_begin(w, f->a);
        break;
    case FAULT_WIPE:
        if (begins)
            strike_wipe(w, f->a);
        else if (!w->node[f->a].up)
            life_begin(w, f->a);
        break;
    case FAULT_PAUSE:
        if (begins && w->node[f->a].paused_until_us < (uint64_t)f->until_ms * 1000)
            w->node[f->a].paused_until_us = (uint64_t)f->until_ms * 1000;
        break;
    case FAULT_CUT:
        cut(w, f->a, f->b, begins);
        break;
    case FAULT_PARTITION:
        partition(w, f, begins);
        break;
    case FAULT_LOSS:
        change(&w->loss, f->amount, begins);
        break;
    case FAULT_DELAY:
        change(&w->delay_ms, f->amount, begins);
        break;
    case FAULT_DUPLICATE:
        change(&w->duplicate, f->amount, begins);
        break;
    case FAULT_FLIP:
        change(&w->flip, f->amount, begins);
        break;
    case FAULT_UDP_DEAD:
        w->node[f->a].udp_dead = begins;
        break;
    case FAULT_SLOW_STREAMS:
        w->node[f->a].slow_streams_ms = begins ? f->amount : 0;
        break;
    case FAULT_SLOW_DISK:
        w->node[f->a].sync_ms = begins ? f->amount : 0;
        break;
    case FAULT_STALL:
        if (begins && w->node[f->a].stalled_until_us < (uint64_t)f->until_ms * 1000)
            w->node[f->a].stalled_until_us = (uint64_t)f->until_ms * 1000;
        break;
    case FAULT_TORN:
        w->node[f->a].torn = begins ? f->amount : 0;
        if (!begins && !w->node[f->a].up)
            life_begin(w, f->a);
        break;
    case FAULT_SYNC_ERROR:
        w->node[f->a].disk.faults.sync_fails = begins;
        w->node[f->a].failed_stay = begins ? f->amount : 0;
        break;
    case FAULT_ROT:
        if (begins)
            strike_rot(w, f->a, f->amount);
        else
            restart(w, f->a);
        break;
    case FAULT_LOST:
    case FAULT_MISDIRECTED:
        w->node[f->a].lies = begins;
        w->node[f->a].lies_where = f->amount;
        if (!begins)
            restart(w, f->a);
        break;
    case FAULT_ROLLBACK:
        if (begins)
            strike_remember(w, f->a);
        else
            strike_roll_back(w, f->a);
        break;
    case FAULT_DISK_FULL:
        w->node[f->a].disk.faults.full = begins;
        break;
    case FAULT_CLOCK_STEP:
    case FAULT_CLOCK_DRIFT:
        set_clock(w, f, begins);
        break;
    case FAULT_KINDS:
        break;
    }
}
