/* turn.c: one turn of a simulated node, as src/rt/turn.c is of a real one: an event is stepped, its actions are carried out, then
 * whatever the store and the clients have by now, then the flush. */
#include "sim/world_inner.h"

#include "base/check.h"
#include "sim/net.h"

enum { SYNC_US = 150 }; /* an fdatasync takes 150 to 600 us, now and then 10 ms */

static void act_reply(struct world *w, uint32_t i, const struct result *r)
{
    uint32_t c = (uint32_t)(r->token >> 32);
    if (c >= w->o.clients || !w->client[c].open || w->client[c].node != i)
        return;
    session_result(&w->client[c].session, r, world_now_ms(w));
    w->client[c].dirty = true;
}

static void act(struct world *w, uint32_t i, const struct action *a)
{
    struct sim_node *s = &w->node[i];
    if (w->watch.action)
        w->watch.action(w->watch.arg, i, a);
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
    case ACT_HANG_UP:
        net_hang_up(w, i, a->hang_up);
        break;
    case ACT_STORE_PUT:
        store_bring(s->store, a->put.token, &a->put.record, a->put.origin);
        break;
    case ACT_STORE_GET:
        store_get(s->store, a->get.token, a->get.key, a->get.wants);
        break;
    case ACT_STORE_COUNT:
        store_count(s->store, a->count.token, a->count.wall_ms);
        break;
    case ACT_HINT_PUT:
        hints_put(s->hints, a->hint.target, &a->hint.record);
        break;
    case ACT_HINT_READ:
        hints_read(s->hints, a->hint_read);
        break;
    case ACT_HINT_DROP:
        hints_drop(s->hints, a->hint_drop.target, a->hint_drop.up_to, a->hint_drop.n);
        break;
    case ACT_HINT_EXPIRE:
        hints_expire(s->hints, a->hint_expire_ms);
        break;
    case ACT_STORE_TREE:
        store_tree(s->store, a->tree.token, a->tree.vnodes, a->tree.leaves);
        break;
    case ACT_STORE_ERASABLE:
        store_erasable(s->store, a->erasable.token, a->erasable.vnodes, a->erasable.wall_ms, a->erasable.from);
        break;
    case ACT_STORE_HELD:
        store_held(s->store, a->held.token, a->held.entries);
        break;
    case ACT_STORE_LIST:
        store_list(s->store, a->list.token, a->list.vnode, a->list.ranges);
        break;
    case ACT_STORE_GREATEST:
        store_greatest(s->store, a->greatest.token);
        break;
    case ACT_STORE_DOUBT:
        atlas_noticed(&w->atlas, i, a->slots.p);
        store_doubt(s->store, a->slots);
        break;
    case ACT_STORE_HEAL:
        store_healed(s->store, a->slots);
        break;
    case ACT_REPLY:
        act_reply(w, i, &a->reply);
        break;
    case ACT_MEMBER:
        if (w->watch.member)
            w->watch.member(w->watch.arg, i, &a->member);
        break;
    case ACT_TRACE:
        if (a->trace.kind == TRACE_LAYOUT_ADOPTED)
            life_adopt_ring(w, i);
        if (w->watch.trace)
            w->watch.trace(w->watch.arg, i, &a->trace);
        break;
    case ACT_STOP:
        s->stopped = true;
        break;
    }
}

static void step(struct world *w, uint32_t i, struct event *ev)
{
    struct sim_node *s = &w->node[i];
    ev->now_ms = world_now_ms(w);
    ev->wall_ms = world_wall_ms(w, s);
    ev->position = store_position(s->store);
    ev->refuses = store_refuses(s->store);
    out_clear(&w->out);
    node_step(&s->node, ev, &w->out);
    w->steps++;
    for (unsigned a = 0; a < w->out.n; a++)
        act(w, i, &w->out.action[a]);
    if (w->o.check)
        node_check(&s->node);
    if (w->watch.stepped)
        w->watch.stepped(w->watch.arg, i);
}

static bool step_result(struct world *w, uint32_t i)
{
    struct store_result r;
    if (!store_reap(w->node[i].store, &r))
        return false;
    struct event ev = {0};
    if (r.kind == STORE_PUT_DONE) {
        ev.kind = EV_STORED;
        ev.stored.token = r.token;
        ev.stored.error = r.error;
        ev.stored.never_took = r.never_took;
        ev.stored.held = r.held;
    } else if (r.kind == STORE_GET_DONE) {
        ev.kind = EV_READ;
        ev.read.token = r.token;
        ev.read.error = r.error;
        ev.read.record = r.record;
        ev.read.size = r.size;
    } else if (r.kind == STORE_DAMAGED) {
        ev.kind = EV_DAMAGED;
        ev.damaged = r.told;
        atlas_noticed(&w->atlas, i, r.told.p);
    } else if (r.kind != STORE_COUNT_DONE) {
        ev.kind = EV_TOLD;
        ev.told.token = r.token;
        ev.told.error = r.error;
        ev.told.told = r.told;
        ev.told.floors = r.floors;
        ev.told.flushed = r.flushed;
        ev.told.upto = r.upto;
        ev.told.ticket = r.ticket;
        ev.told.dead = r.dead;
        ev.told.greatest = r.greatest;
    } else {
        ev.kind = EV_COUNTED;
        ev.counted.token = r.token;
        ev.counted.live = r.live;
        ev.counted.vnode_n = r.vnode_n;
    }
    if (ev.kind == EV_STORED && w->watch.result)
        w->watch.result(w->watch.arg, i, &ev);
    step(w, i, &ev);
    return true;
}

static bool step_hints(struct world *w, uint32_t i)
{
    struct hints_result r;
    if (!hints_reap(w->node[i].hints, &r))
        return false;
    struct event ev = {.kind = EV_HINTED};
    if (r.kind == HINTS_READ) {
        ev.kind = EV_HINTS;
        ev.hints.target = r.target;
        ev.hints.error = r.error;
        ev.hints.n = r.n;
        ev.hints.hint = r.batch;
    } else {
        ev.hinted.target = r.target;
        ev.hinted.kept = r.kind == HINTS_KEPT ? r.n : 0;
        ev.hinted.lost = r.kind == HINTS_LOST ? r.n : 0;
        ev.hinted.error = r.error;
        ev.hinted.waiting = r.waiting;
        ev.hinted.bytes = r.bytes;
    }
    if (w->watch.result)
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

static void plan_sync(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    store_flush(s->store);
    hints_flush(s->hints);
    if (s->syncing || (!mem_syncing(s->store) && !hints_mem_syncing(s->hints)))
        return;
    s->syncing = true;
    uint64_t us = SYNC_US + rng_below(&w->disk_rng, 3 * SYNC_US);
    if (rng_below(&w->disk_rng, 200) == 0)
        us += 10000;
    us += (uint64_t)s->sync_ms * 1000;
    heap_push(&w->heap, &(struct sim_event){.at_us = w->now_us + us, .kind = SIM_DISK, .node = i, .life = s->life});
}

static void plan_timer(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    uint64_t deadline = node_deadline_ms(&s->node);
    if (deadline == UINT64_MAX)
        return;
    uint64_t at = deadline * 1000;
    if (at <= w->now_us)
        at = w->now_us + 1; /* work is left: at once, but after what is planned for this moment */
    if (at >= s->timer_us)
        return; /* an earlier look is planned; it will plan the next */
    s->timer_us = at;
    heap_push(&w->heap, &(struct sim_event){.at_us = at, .kind = SIM_NODE_TIMER, .node = i, .life = s->life});
}

/* The rest of a turn: whatever the store and the clients have by now, then the flush. */
void turn_finish(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    s->front.ready = node_serves(&s->node);
    bool more;
    do {
        while (step_result(w, i) || step_hints(w, i)) {}
        plan_sync(w, i);
        more = step_result(w, i); /* a flush may settle puts at once */
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
    if (!s->lies || s->disk.faults.sync_fails || !mem_syncing(s->store) || !atlas_strike(&w->atlas, i, NULL))
        return;
    if (w->watch.striking)
        w->watch.striking(w->watch.arg, i);
    s->disk.faults.loses = true;
    s->disk.faults.misdirects = s->lies_where;
    s->lies = false;
    s->forgot = true; /* what it wrote may have been the node's own state */
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
