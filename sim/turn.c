/* turn.c: one turn of a simulated node; src/rt/turn.c is that of a real one. An event is stepped,
 * and its actions are carried out. Then the results of the store and the requests of clients that
 * there are by now are stepped. In the end the store commits. */
#include "sim/world_inner.h"

#include "base/check.h"
#include "glue/glue.h"
#include "sim/net.h"

enum { SYNC_US = 150 }; /* an fdatasync takes 150 to 600 us, now and then 10 ms */

static void act_reply(struct world *w, uint32_t i, const struct result *r)
{
    uint32_t c = REQUEST_HANDLE(r->token);
    if (REQUEST_ASKER(r->token) != ASKER_CLIENT || !w->client[c].open || w->client[c].node != i)
        return;
    session_result(&w->client[c].session, r, world_now_ms(w));
    w->client[c].dirty = true;
}

static void act(struct world *w, uint32_t i, const struct action *a)
{
    struct sim_node *s = &w->node[i];
    if (w->watch.action)
        w->watch.action(w->watch.arg, i, a);
    if (a->kind == ACT_STORE_DOUBT)
        atlas_noticed(&w->atlas, i, a->slots.p);
    if (glue_carry(&s->node, s->store, s->hints, a))
        return;
    switch (a->kind) {
    case ACT_PACKET:
        net_packet(w, i, a->packet.to, a->packet.packet);
        break;
    case ACT_SEND:
        net_send(w, i, a->send.to, a->send.addr, &a->send.message);
        break;
    case ACT_SEED:
        net_seed(w, i, a->seed);
        break;
    case ACT_REPLY:
        act_reply(w, i, &a->reply);
        break;
    case ACT_MEMBER:
        if (w->watch.member)
            w->watch.member(w->watch.arg, i, &a->member);
        break;
    case ACT_TRACE:
        if (w->watch.trace)
            w->watch.trace(w->watch.arg, i, &a->trace);
        break;
    case ACT_STOP:
        s->stopped = true;
        break;
    default:
        CHECK(false); /* an action that nobody carries out */
    }
}

static void step(struct world *w, uint32_t i, struct event *ev)
{
    struct sim_node *s = &w->node[i];
    ev->now_ms = world_now_ms(w);
    ev->wall_ms = world_wall_ms(w, s);
    glue_step(&s->node, s->store, ev, &w->out);
    w->steps++;
    for (unsigned a = 0; a < w->out.n; a++)
        act(w, i, &w->out.action[a]);
    if (w->o.check)
        node_check(&s->node);
    if (w->watch.stepped)
        w->watch.stepped(w->watch.arg, i);
}

/* Steps the next result of the store or the hints. */
static bool step_result(struct world *w, uint32_t i)
{
    struct event ev;
    if (!glue_reap(w->node[i].store, w->node[i].hints, &ev))
        return false;
    if (ev.kind == EV_DAMAGED)
        atlas_noticed(&w->atlas, i, ev.damaged.bytes.p);
    if (w->watch.result && (ev.kind == EV_STORED || ev.kind == EV_HINTED || ev.kind == EV_HINTS))
        w->watch.result(w->watch.arg, i, &ev);
    step(w, i, &ev);
    return true;
}

/* Steps the requests of the clients connected here. */
static bool step_requests(struct world *w, uint32_t i)
{
    bool any = false;
    for (uint32_t c = 0; c < w->o.clients; c++) {
        struct sim_client *k = &w->client[c];
        if (!k->open || k->node != i || !k->dirty)
            continue;
        k->dirty = false;
        struct request r;
        while (session_next(&k->session, world_now_ms(w), world_wall_ms(w, &w->node[i]), &r)) {
            struct event ev = {.kind = EV_REQUEST, .request = &r};
            step(w, i, &ev);
            any = true;
        }
        if (k->session.out.n > 0)
            world_wake_client(w, c, w->now_us);
    }
    return any;
}

static uint64_t sync_us(struct world *w, const struct sim_node *s)
{
    uint64_t us = SYNC_US + (uint64_t)s->sync_ms * 1000;
    if (w->o.steady)
        return us;
    us += rng_below(&w->disk_rng, 3 * SYNC_US);
    return rng_below(&w->disk_rng, 200) == 0 ? us + 10000 : us;
}

static void plan_sync(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    store_commit(s->store);
    hints_commit(s->hints);
    if (s->syncing || (!mem_syncing(s->store) && !hints_mem_syncing(s->hints)))
        return;
    s->syncing = true;
    heap_push(&w->heap, &(struct sim_event){.at_us = w->now_us + sync_us(w, s),
                                            .kind = SIM_DISK,
                                            .node = i,
                                            .life = s->life});
}

static void plan_timer(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    uint64_t deadline = node_deadline_ms(&s->node);
    if (deadline == UINT64_MAX)
        return;
    uint64_t at = deadline * 1000;
    if (at <= w->now_us)
        at = w->now_us + 1; /* work is left: soon, but after what is planned for this moment */
    if (at >= s->timer_us)
        return; /* an earlier timer is planned, which plans the next */
    s->timer_us = at;
    heap_push(&w->heap,
              &(struct sim_event){.at_us = at, .kind = SIM_NODE_TIMER, .node = i, .life = s->life});
}

void turn_finish(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    s->front.ready = node_serves(&s->node);
    bool more;
    do {
        while (step_result(w, i)) {}
        plan_sync(w, i);
        more = step_result(w, i); /* a commit may end puts at once */
        more |= step_requests(w, i);
    } while (more);
    plan_timer(w, i);
    if (s->stopped)
        world_crash_node(w, i);
}

void world_turn(struct world *w, uint32_t i, struct event *ev)
{
    CHECK(w->node[i].up);
    step(w, i, ev);
    turn_finish(w, i);
}

void turn_timer(struct world *w, uint32_t i)
{
    struct event e = {.kind = EV_TIMER};
    world_turn(w, i, &e);
}

/* ---- What a turn waits for ---- */

bool turn_meant_for(const struct world *w, const struct sim_event *ev)
{
    const struct sim_node *s = &w->node[ev->node];
    return s->up && s->life == ev->life;
}

void turn_on_timer(struct world *w, const struct sim_event *ev)
{
    struct sim_node *s = &w->node[ev->node];
    if (!turn_meant_for(w, ev) || s->timer_us != ev->at_us)
        return;
    s->timer_us = UINT64_MAX;
    if (node_deadline_ms(&s->node) <= world_now_ms(w))
        turn_timer(w, ev->node);
    else
        plan_timer(w, ev->node);
}

/* The sync that should end now is half done when the power fails. */
static void tear(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    mem_tear(s->store, s->torn);
    hints_mem_tear(s->hints, s->torn);
    s->torn = 0;
    world_crash_node(w, i);
}

/* Whether the sync that ends now is one that loses what it wrote. */
static void begin_lie(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    if (!s->lies || s->disk.faults.sync_fails || !mem_syncing(s->store) ||
        !atlas_strike(&w->atlas, i, NULL))
        return;
    if (w->watch.striking)
        w->watch.striking(w->watch.arg, i);
    s->disk.faults.loses = true;
    s->disk.faults.misdirects = s->lies_where;
    s->lies = false;
    s->forgot = true; /* what it wrote may have been a state of the node's own */
}

void turn_on_disk(struct world *w, const struct sim_event *ev)
{
    struct sim_node *s = &w->node[ev->node];
    if (!turn_meant_for(w, ev))
        return;
    if (s->torn) {
        tear(w, ev->node);
        return;
    }
    s->syncing = false;
    if (s->disk.faults.sync_fails)
        s->disk.faults.failed_stays = rng_below(&w->disk_rng, 100) < s->failed_stay;
    begin_lie(w, ev->node);
    mem_sync(s->store);
    hints_mem_sync(s->hints);
    s->disk.faults.loses = false;
    turn_finish(w, ev->node);
}
