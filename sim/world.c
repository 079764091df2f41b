#include "sim/world.h"

#include "base/check.h"
#include "sim/net.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t EPOCH_MS = 1700000000000; /* the wall clock at virtual time 0 */

enum { SYNC_US = 150 }; /* an fdatasync takes 150 to 600 us, now and then 10 ms */

uint64_t world_now_ms(const struct world *w)
{
    return w->now_us / 1000;
}

static uint64_t wall_ms(const struct world *w, const struct sim_node *s)
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
    uint32_t i = (uint32_t)(id & 0xffff) - 1; /* ids end in the node's number + 1, so that stories read well */
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
    for (uint32_t i = 0; i < o->nodes; i++) {
        struct sim_node *s = &w->node[i];
        s->id = (rng_next(&w->seed_rng) << 16) | (i + 1);
        s->addr = (struct addr){.family = 4, .port = 7400, .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        s->skew_ms = (int64_t)rng_below(&w->seed_rng, 401) - 200;
        s->timer_us = UINT64_MAX;
        snprintf(s->name, sizeof s->name, "n%u", i);
        mem_disk_init(&s->disk);
    }
}

/* ---- Lives of nodes ---- */

static void close_client(struct world *w, uint32_t c)
{
    session_close(&w->client[c].session);
    w->client[c].open = false;
    if (w->watch.hung_up)
        w->watch.hung_up(w->watch.arg, c);
}

static void take_down(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    for (uint32_t c = 0; c < w->o.clients; c++)
        if (w->client[c].open && w->client[c].node == i)
            close_client(w, c);
    mem_crash(s->store);
    hints_close(s->hints);
    s->store = NULL;
    s->hints = NULL;
    node_close(&s->node);
    s->up = false;
    s->syncing = false;
    s->timer_us = UINT64_MAX;
    s->life++;
}

void world_close(struct world *w)
{
    w->watch = (struct world_watch){0};
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        if (w->node[i].up)
            take_down(w, i);
        mem_disk_close(&w->node[i].disk);
        hints_disk_close(&w->node[i].hints_disk);
    }
    net_close(w);
    heap_close(&w->heap);
    buf_close(&w->scratch);
    free(w->node);
    free(w->client);
    free(w->cuts);
}

void world_start_node(struct world *w, uint32_t i, uint64_t at_us)
{
    heap_push(&w->heap, &(struct sim_event){.at_us = at_us, .kind = SIM_NODE_START, .node = i, .life = w->node[i].life});
}

static struct node_saved saved(struct sim_node *s, struct slice name)
{
    struct node_saved v = {0};
    (void)store_state(s->store, name, &v.bytes, &v.serial);
    return v;
}

/* Copies a state record: the next question to the store may move it. */
static struct node_saved keep(struct node_saved v, struct buf *into)
{
    buf_init(into, MESSAGE_MAX * 2);
    CHECK(!buf_slice(into, v.bytes));
    return (struct node_saved){buf_view(into), v.serial};
}

static void turn_timer(struct world *w, uint32_t i)
{
    struct event e = {.kind = EV_TIMER};
    world_turn(w, i, &e);
}

/* A layout is in force: the store cuts its records as the ring is cut. */
static void adopt_ring(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    const struct layout *l = chain_layout(&s->node.chain);
    if (!l)
        return;
    store_set_vnodes(s->store, l->vnodes);
    store_set_cluster(s->store, s->node.cluster);
}

static void start(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    s->store = mem_open(&(struct mem_options){.disk = &s->disk});
    s->hints = hints_mem_open(&s->hints_disk);
    CHECK(s->store && s->hints);
    struct buf kept[7];
    struct node_options o = {
        .id = s->id,
        .boot = rng_next(&w->seed_rng),
        .seed = rng_next(&w->seed_rng),
        .name = slice_str(s->name),
        .addr = s->addr,
        .seed_n = w->o.nodes < SEEDS_MAX ? w->o.nodes : SEEDS_MAX,
        .profile = w->o.profile,
        .cluster = w->cluster,
        .generation = 1,
        .ops_max = 4096,
        .repair_manual = w->o.repair_manual,
        .cluster_saved = keep(saved(s, SLICE("cluster")), &kept[0]),
        .incarnation = keep(saved(s, SLICE("incarnation")), &kept[1]),
        .chain = keep(saved(s, SLICE("chain")), &kept[2]),
        .layout = keep(saved(s, SLICE("layout")), &kept[3]),
        .members = keep(saved(s, SLICE("members")), &kept[4]),
        .whole = keep(saved(s, SLICE("whole")), &kept[5]),
        .disk = s->id + s->wiped,
        .clock = keep(saved(s, SLICE("clock")), &kept[6]),
        .records = store_records(s->store),
    };
    o.found =
        i == 0 && o.layout.bytes.n == 0 && !s->wiped; /* a founder that lost power before its layout was durable founds again */
    CHECK(node_init(&s->node, &o, world_now_ms(w)) == 0);
    for (unsigned k = 0; k < 7; k++)
        buf_close(&kept[k]);
    adopt_ring(w, i);
    front_init(&s->front);
    s->front.name = slice_str(s->name);
    s->front.node = s->id;
    s->up = true;
    s->stopped = false;
    if (w->watch.life)
        w->watch.life(w->watch.arg, i, true);
    turn_timer(w, i);
}

void world_crash_node(struct world *w, uint32_t i)
{
    if (!w->node[i].up)
        return;
    if (w->watch.losing)
        w->watch.losing(w->watch.arg, i);
    take_down(w, i);
    net_crash(w, i);
    if (w->watch.life)
        w->watch.life(w->watch.arg, i, false);
}

/* ---- A turn ---- */

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
        store_put(s->store, a->put.token, &a->put.record);
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
        if (w->watch.action)
            w->watch.action(w->watch.arg, i, a);
        hints_drop(s->hints, a->hint_drop.target, a->hint_drop.up_to, a->hint_drop.n);
        break;
    case ACT_HINT_EXPIRE:
        hints_expire(s->hints, a->hint_expire_ms);
        break;
    case ACT_STORE_TREE:
        store_tree(s->store, a->tree.token, a->tree.vnodes, a->tree.leaves);
        break;
    case ACT_STORE_LIST:
        store_list(s->store, a->list.token, a->list.vnode, a->list.ranges);
        break;
    case ACT_STORE_DOUBT:
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
            adopt_ring(w, i);
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
    ev->wall_ms = wall_ms(w, s);
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
        ev.stored.reach_ms = r.reach_ms;
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
    } else if (r.kind != STORE_COUNT_DONE) {
        ev.kind = EV_TOLD;
        ev.told.token = r.token;
        ev.told.error = r.error;
        ev.told.told = r.told;
        ev.told.upto = r.upto;
    } else {
        ev.kind = EV_COUNTED;
        ev.counted.token = r.token;
        ev.counted.live = r.live;
        ev.counted.vnode_n = r.vnode_n;
    }
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
        while (session_next(&k->session, world_now_ms(w), wall_ms(w, &w->node[i]), &r)) {
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
    s->store->now_ms = world_now_ms(w);
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
static void finish_turn(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    s->front.ready = node_ready(&s->node);
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
    finish_turn(w, i);
}

/* ---- What happens next ---- */

static bool meant_for(const struct world *w, const struct sim_event *ev)
{
    const struct sim_node *s = &w->node[ev->node];
    return s->up && s->life == ev->life;
}

static void do_timer(struct world *w, const struct sim_event *ev)
{
    struct sim_node *s = &w->node[ev->node];
    if (!meant_for(w, ev) || s->timer_us != ev->at_us)
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
    s->torn = 0;
    world_crash_node(w, i);
}

static void do_disk(struct world *w, const struct sim_event *ev)
{
    struct sim_node *s = &w->node[ev->node];
    if (!meant_for(w, ev))
        return;
    if (s->torn) {
        tear(w, ev->node);
        return;
    }
    s->syncing = false;
    if (s->disk.faults.sync_fails)
        s->disk.faults.failed_stays = rng_below(&w->disk_rng, 100) < s->failed_stay;
    mem_sync(s->store);
    hints_mem_sync(s->hints);
    finish_turn(w, ev->node);
}

static void do_event(struct world *w, struct sim_event *ev)
{
    switch (ev->kind) {
    case SIM_NODE_TIMER:
        do_timer(w, ev);
        break;
    case SIM_NODE_START:
        if (!w->node[ev->node].up)
            start(w, ev->node);
        break;
    case SIM_DISK:
        do_disk(w, ev);
        break;
    case SIM_NODE_INPUT:
        if (meant_for(w, ev))
            finish_turn(w, ev->node);
        break;
    case SIM_CLIENT:
        if (w->watch.client)
            w->watch.client(w->watch.arg, ev->node);
        break;
    case SIM_FAULT: /* the run's: it reads it from world_next */
        break;
    default:
        net_event(w, ev);
        break;
    }
}

/* A paused node hears of nothing before it goes on; a stalled disk ends no sync. */
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
    if (ev->kind == SIM_NODE_TIMER && meant_for(w, ev))
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

/* ---- Faults ---- */

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

/* Whether every node takes part: before, a wiped one would be a node that was never there. */
static bool formed(const struct world *w)
{
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        const struct layout *l = w->node[i].up ? chain_layout(&w->node[i].node.chain) : NULL;
        if (w->node[i].up && (!l || l->member_n < w->o.nodes))
            return false;
    }
    return true;
}

/* Power is lost, and the disk with it; the id stays. Once in a run at most: two disks of three may be more than the third can
 * make up for. */
static void wipe(struct world *w, uint32_t i)
{
    bool lost = w->node[i].up && !w->wiped && formed(w);
    world_crash_node(w, i);
    if (!lost)
        return;
    mem_disk_close(&w->node[i].disk);
    mem_disk_init(&w->node[i].disk);
    hints_disk_close(&w->node[i].hints_disk);
    w->wiped = w->node[i].wiped = true;
    w->node[i].wiped_us = w->now_us;
}

void world_fault(struct world *w, const struct fault *f, bool begins)
{
    switch (f->kind) {
    case FAULT_CRASH:
        if (begins)
            world_crash_node(w, f->a);
        else if (!w->node[f->a].up)
            start(w, f->a);
        break;
    case FAULT_WIPE:
        if (begins)
            wipe(w, f->a);
        else if (!w->node[f->a].up)
            start(w, f->a);
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
    case FAULT_UDP_DEAD:
        w->node[f->a].udp_dead = begins;
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
            start(w, f->a);
        break;
    case FAULT_SYNC_ERROR:
        w->node[f->a].disk.faults.sync_fails = begins;
        w->node[f->a].failed_stay = begins ? f->amount : 0;
        break;
    case FAULT_DISK_FULL:
        w->node[f->a].disk.faults.full = begins;
        break;
    case FAULT_CLOCK_STEP:
        w->node[f->a].step_ms = begins ? (int64_t)f->amount - 10000 : 0;
        break;
    case FAULT_CLOCK_DRIFT:
        w->node[f->a].drift_ms = begins ? (int64_t)f->amount - 200 : 0;
        w->node[f->a].drift_from_ms = world_now_ms(w);
        break;
    case FAULT_KINDS:
        break;
    }
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
    heap_push(&w->heap,
              &(struct sim_event){.at_us = w->now_us, .kind = SIM_NODE_INPUT, .node = c->node, .life = w->node[c->node].life});
}

void world_wake_client(struct world *w, uint32_t client, uint64_t at_us)
{
    heap_push(&w->heap, &(struct sim_event){.at_us = at_us, .kind = SIM_CLIENT, .node = client});
}
