/* life.c: the lives of a simulated node: power on, with what its disk holds, and power off. */
#include "sim/world_inner.h"

#include "base/check.h"
#include "glue/glue.h"
#include "sim/net.h"

static void close_client(struct world *w, uint32_t c)
{
    session_close(&w->client[c].session);
    w->client[c].open = false;
    if (w->watch.hung_up)
        w->watch.hung_up(w->watch.arg, c);
}

/* The disk lost the last write of the log, and no peer knows of it: the write is put back.
 * Otherwise nobody could notice the loss. */
static void spare_end(struct world *w, uint32_t i)
{
    struct mem_disk *d = &w->node[i].disk;
    uint64_t end;
    if (!mem_disk_lost_end(d, &end) || strike_announced(w, i, end))
        return;
    mem_disk_spare_end(d);
    atlas_silent(&w->atlas, i); /* nothing is lost, so there is nothing to notice */
}

struct store *world_disk(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    if (s->up)
        return s->store;
    if (!s->look) {
        spare_end(w, i);
        s->look = mem_open(&(struct mem_options){.disk = &s->disk});
    }
    CHECK(s->look);
    return s->look;
}

void life_stop_looking(struct world *w, uint32_t i)
{
    if (w->node[i].look)
        store_close(w->node[i].look);
    w->node[i].look = NULL;
}

void life_end(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    for (uint32_t c = 0; c < w->o.clients; c++)
        if (w->client[c].open && w->client[c].node == i)
            close_client(w, c);
    mem_crash(s->store);
    hints_close(s->hints);
    s->store = NULL;
    s->hints = NULL;
    s->lift = s->node.shard.log_end.lift;
    node_close(&s->node);
    s->up = false;
    s->syncing = false;
    s->timer_us = UINT64_MAX;
    s->life++;
}

void world_start_node(struct world *w, uint32_t i, uint64_t at_us)
{
    heap_push(&w->heap,
              &(struct sim_event){
                  .at_us = at_us, .kind = SIM_NODE_START, .node = i, .life = w->node[i].life});
}

static struct node_saved saved(struct sim_node *s, struct slice name)
{
    struct node_saved v = {0};
    (void)store_state(s->store, name, &v.bytes, &v.serial);
    return v;
}

/* Copies a state: the next call on the store may move it. */
static struct node_saved copy(struct node_saved v, struct buf *into)
{
    buf_init(into, MESSAGE_MAX * 2);
    CHECK(!buf_slice(into, v.bytes));
    return (struct node_saved){buf_view(into), v.serial};
}

/* Starts the node from the states that its disk holds. */
static void init_node(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    struct buf state[9];
    struct node_options o = {
        .id = s->id,
        .boot = rng_next(&w->seed_rng),
        .seed = rng_next(&w->seed_rng),
        .name = slice_str(s->name),
        .addr = s->addr,
        .seed_n = w->o.nodes < SEEDS_MAX ? w->o.nodes : SEEDS_MAX,
        .profile = w->o.profile,
        .cluster = w->cluster,
        .generation_id = 1,
        .secret = w->secret,
        .ops_max = 4096,
        .repair_manual = w->o.repair_manual,
        .erase_age_ms = w->o.erase_age_ms,
        .hint_age_ms = w->o.hint_age_ms,
        .cluster_saved = copy(saved(s, SLICE("cluster")), &state[0]),
        .incarnation = copy(saved(s, SLICE("incarnation")), &state[1]),
        .chain = copy(saved(s, SLICE("chain")), &state[2]),
        .layout = copy(saved(s, SLICE("layout")), &state[3]),
        .members = copy(saved(s, SLICE("members")), &state[4]),
        .healed = copy(saved(s, SLICE("healed")), &state[5]),
        .disk = s->id + s->disks,
        .clock = copy(saved(s, SLICE("clock")), &state[6]),
        .boots = copy(saved(s, SLICE("boots")), &state[7]),
        .ends = copy(saved(s, SLICE("ends")), &state[8]),
        .records = store_records(s->store),
        .position = store_position(s->store),
    };
    /* a founder that lost power before its layout was durable founds again */
    o.found = i == 0 && o.layout.bytes.n == 0 && !s->forgot;
    CHECK(node_init(&s->node, &o, world_now_ms(w)) == 0);
    for (unsigned k = 0; k < 9; k++)
        buf_close(&state[k]);
}

void life_begin(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    life_stop_looking(w, i);
    spare_end(w, i);
    s->store = mem_open(&(struct mem_options){.disk = &s->disk});
    s->hints = hints_mem_open(&s->hints_disk);
    CHECK(s->store && s->hints);
    init_node(w, i);
    glue_adopt(&s->node, s->store);
    front_init(&s->front);
    s->front.name = slice_str(s->name);
    s->front.node = s->id;
    s->up = true;
    s->started_us = w->now_us;
    s->stopped = false;
    if (s->disk.shortened)
        atlas_silent(&w->atlas, i);
    s->disk.shortened = false;
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
    life_end(w, i);
    net_crash(w, i);
    if (w->watch.life)
        w->watch.life(w->watch.arg, i, false);
}
