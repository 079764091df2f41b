/* core_chain_world_test.c: a handful of chains in a bad world.
 *
 * The world: virtual time; messages are lost, delayed, reordered and doubled; links are cut; nodes
 * crash, and of what they had submitted to their disks a random first part is durable; disks fail
 * now and then; clients write. Checked after every call: one layout an epoch, no acknowledged write
 * without a read quorum that meets it. After healing: nobody is fenced, everybody has the same
 * layout, and each joiner is in it or was refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/chain/chain.h"
#include "core/ring/ring.h"

enum {
    NODES_MAX = 9,
    WRITES_MAX = 64,
    EPOCHS_MAX = 256,
    EVENTS_MAX = 4096,
    VNODES = 16,
    CHAOS_MS = 6000,
    HEAL_MS = 60000,
    TICK_CHAOS_MS = 20,
    TICK_HEAL_MS = 500,
};

#ifndef SEEDS
#define SEEDS 1000 /* for a longer search: -DSEEDS=100000 */
#endif

enum { STATE_CHAIN, STATE_LAYOUT, STATE_WRITE };

struct world_node {
    uint64_t id;
    struct cast cast;
    struct moment now;
    struct chain chain;
    bool up;
    bool joined; /* it asked to be let in, this time */
    bool refused;
    unsigned life;
    struct buf disk[2]; /* by STATE_: what is durable */
    uint64_t serial[2];
    bool wrote[WRITES_MAX]; /* durable */
    unsigned storing;       /* writes on their way to the disk */
    uint64_t disk_ms;       /* when the last submitted write is done: a disk works in order */
};

enum event_type { DELIVER, DELIVER_WRITE, DISK };

struct world_event {
    enum event_type type;
    uint64_t due_ms, seq;
    unsigned node, from, life;
    struct buf bytes; /* DELIVER: a message; DISK: a state record */
    unsigned what;    /* DISK: STATE_ */
    uint64_t token, serial;
    unsigned write;
    uint64_t epoch; /* DELIVER_WRITE */
    int error;
};

struct world_write {
    uint16_t vnode;
    uint64_t epoch;
    bool acked;
};

struct world {
    struct rng rng;
    uint64_t now_ms, seq;
    unsigned node_n;
    unsigned ghosts; /* the last nodes never come up: they ask to be let in, and that is all */
    struct world_node node[NODES_MAX];
    struct world_event event[EVENTS_MAX];
    unsigned event_n;
    struct layout decided[EPOCHS_MAX]; /* as the first to adopt it had it */
    struct world_write write[WRITES_MAX];
    unsigned write_n;
    bool cut[NODES_MAX][NODES_MAX]; /* one way */
    bool chaos, writing;
    unsigned formations, sames, crashes;
    struct out out;
};

static bool chance(struct world *w, unsigned percent)
{
    return rng_below(&w->rng, 100) < percent;
}

static const struct moment *at(struct world *w, unsigned node)
{
    struct world_node *n = &w->node[node];
    n->now.ms = w->now_ms;
    n->now.cast = &n->cast;
    return &n->now;
}

static struct addr addr_of(unsigned node)
{
    return (struct addr){.family = 4, .port = (uint16_t)(7400 + 10 * node), .ip = {127, 0, 0, 1}};
}

static unsigned node_of(const struct world *w, uint64_t id)
{
    for (unsigned i = 0; i < w->node_n; i++)
        if (w->node[i].id == id)
            return i;
    fail_msg("no such node");
    return 0;
}

/* ---- What must hold ---- */

static void check_write(const struct world *w, const struct world_write *write,
                        const struct layout *l)
{
    unsigned held = 0;

    for (unsigned i = 0; i < l->n; i++)
        held += w->node[node_of(w, layout_owner(l, write->vnode, i)->id)].wrote[write - w->write];
    assert_true(held >= l->w);
}

/* A node has a layout in force: the same as everybody had, and one that keeps what was
 * acknowledged. */
static void check_adopted(struct world *w, const struct layout *l)
{
    assert_true(l->epoch < EPOCHS_MAX);
    if (w->decided[l->epoch].epoch) {
        assert_int_equal(layout_hash(&w->decided[l->epoch]), layout_hash(l));
        return;
    }
    assert_int_equal(layout_copy(&w->decided[l->epoch], l), 0);
    if (l->epoch > 1 && w->decided[l->epoch - 1].epoch) {
        bool same = w->decided[l->epoch - 1].member_n == l->member_n;
        w->sames += same;
        w->formations += !same;
    }
    for (unsigned i = 0; i < w->write_n; i++)
        if (w->write[i].acked && w->write[i].epoch < l->epoch)
            check_write(w, &w->write[i], l);
}

/* A write is durable at one more node: acknowledged, once its quorum of its epoch has it. */
static void check_acked(struct world *w, unsigned i)
{
    struct world_write *write = &w->write[i];
    const struct layout *l = &w->decided[write->epoch];
    unsigned held = 0;

    for (unsigned k = 0; k < l->n; k++)
        held += w->node[node_of(w, layout_owner(l, write->vnode, k)->id)].wrote[i];
    if (held < l->w || write->acked)
        return;
    write->acked = true;
    for (uint64_t e = write->epoch; e < EPOCHS_MAX; e++)
        if (w->decided[e].epoch)
            check_write(w, write, &w->decided[e]);
}

/* ---- Events ---- */

static struct world_event *event_add(struct world *w, enum event_type type, unsigned node,
                                     uint64_t due_ms)
{
    assert_true(w->event_n < EVENTS_MAX);
    struct world_event *e = &w->event[w->event_n++];
    *e = (struct world_event){
        .type = type, .node = node, .due_ms = due_ms, .seq = w->seq++, .life = w->node[node].life};
    buf_init(&e->bytes, MESSAGE_MAX);
    return e;
}

static void event_remove(struct world *w, unsigned i)
{
    buf_close(&w->event[i].bytes);
    w->event[i] = w->event[--w->event_n];
}

/* Index of the next event; event_n when there is none. */
static unsigned event_next(const struct world *w)
{
    unsigned best = w->event_n;

    for (unsigned i = 0; i < w->event_n; i++) {
        const struct world_event *e = &w->event[i], *b = &w->event[best];
        if (best == w->event_n || e->due_ms < b->due_ms ||
            (e->due_ms == b->due_ms && e->seq < b->seq))
            best = i;
    }
    return best;
}

static uint64_t latency_ms(struct world *w)
{
    return 1 + rng_below(&w->rng, !w->chaos || chance(w, 70) ? 30 : chance(w, 90) ? 300 : 3000);
}

static bool lost(struct world *w, unsigned from, unsigned to)
{
    return w->chaos && (w->cut[from][to] || chance(w, 10));
}

static void act_send(struct world *w, unsigned from, const struct action *a)
{
    unsigned to = node_of(w, a->send.to);

    for (unsigned copies = w->chaos && chance(w, 5) ? 2 : 1; copies > 0; copies--) {
        if (lost(w, from, to))
            continue;
        struct world_event *e = event_add(w, DELIVER, to, w->now_ms + latency_ms(w));
        e->from = from;
        assert_int_equal(message_append(&e->bytes, &a->send.message), 0);
    }
}

static struct world_event *disk_submit(struct world *w, unsigned node, unsigned what)
{
    struct world_node *n = &w->node[node];

    n->disk_ms = (n->disk_ms > w->now_ms ? n->disk_ms : w->now_ms) + 1 +
                 rng_below(&w->rng, w->chaos && chance(w, 25) ? 300 : 20);
    struct world_event *e = event_add(w, DISK, node, n->disk_ms);
    e->what = what;
    e->error = what != STATE_WRITE && w->chaos && chance(w, 3) ? ERR_IO : 0;
    return e;
}

static void act_store(struct world *w, unsigned node, const struct action *a)
{
    bool chain = slice_eq(a->put.record.key, SLICE("chain"));
    struct world_event *e = disk_submit(w, node, chain ? STATE_CHAIN : STATE_LAYOUT);

    assert_true(chain || slice_eq(a->put.record.key, SLICE("layout")));
    e->token = a->put.token;
    e->serial = a->put.record.version.stamp;
    assert_int_equal(buf_slice(&e->bytes, a->put.record.value), 0);
}

/* Carries out what a call of a chain brought, and checks. */
static void carry_out(struct world *w, unsigned node)
{
    struct chain *c = &w->node[node].chain;
    struct slice why;

    assert_true(w->out.n <= CHAIN_OUT_MAX);
    for (unsigned i = 0; i < w->out.n; i++) {
        if (w->out.action[i].kind == ACT_SEND)
            act_send(w, node, &w->out.action[i]);
        else if (w->out.action[i].kind == ACT_STORE_PUT)
            act_store(w, node, &w->out.action[i]);
    }
    out_clear(&w->out);
    chain_protocol.check(c, at(w, node));
    if (chain_layout(c))
        check_adopted(w, chain_layout(c));
    w->node[node].refused = w->node[node].refused || chain_refused(c, &why);
}

/* ---- Nodes ---- */

static void note_records(struct world *w, unsigned node)
{
    struct world_node *n = &w->node[node];
    bool holds = n->storing > 0;

    for (unsigned i = 0; i < w->write_n; i++)
        holds = holds || n->wrote[i];
    n->now.own.holds = holds;
}

static void node_start(struct world *w, unsigned node)
{
    struct world_node *n = &w->node[node];
    struct chain_options o = {
        .self = n->id,
        .acceptor = buf_view(&n->disk[STATE_CHAIN]),
        .acceptor_serial = n->serial[STATE_CHAIN],
        .layout = buf_view(&n->disk[STATE_LAYOUT]),
        .layout_serial = n->serial[STATE_LAYOUT],
        .seed = rng_next(&w->rng),
    };

    n->up = true;
    n->joined = false;
    n->life++;
    n->disk_ms = w->now_ms;
    assert_int_equal(chain_init(&n->chain, at(w, node), &o), 0);
    carry_out(w, node);
}

static void disk_apply(struct world *w, const struct world_event *e)
{
    struct world_node *n = &w->node[e->node];

    if (e->error)
        return;
    if (e->what == STATE_WRITE) {
        n->wrote[e->write] = true;
        check_acked(w, e->write);
        return;
    }
    if (e->serial <= n->serial[e->what])
        fail_msg("a state record's serial did not grow");
    n->serial[e->what] = e->serial;
    n->disk[e->what].n = 0;
    assert_int_equal(buf_slice(&n->disk[e->what], buf_view(&e->bytes)), 0);
}

/* Power is lost: a random first part of what was submitted is durable, and no answer says so. */
static void node_crash(struct world *w, unsigned node)
{
    bool durable = true;

    for (;;) {
        unsigned first = w->event_n;
        for (unsigned i = 0; i < w->event_n; i++)
            if (w->event[i].type == DISK && w->event[i].node == node &&
                (first == w->event_n || w->event[i].seq < w->event[first].seq))
                first = i;
        if (first == w->event_n)
            break;
        durable = durable && chance(w, 50);
        if (durable)
            disk_apply(w, &w->event[first]);
        event_remove(w, first);
    }
    chain_protocol.close(&w->node[node].chain);
    w->node[node].up = false;
    w->node[node].storing = 0;
    w->crashes++;
}

static bool disk_busy(const struct world *w, unsigned node)
{
    return w->node[node].disk_ms > w->now_ms;
}

static void write_arrives(struct world *w, const struct world_event *e)
{
    struct world_node *n = &w->node[e->node];
    const struct layout *l = chain_layout(&n->chain);

    if (!l || l->epoch != e->epoch || chain_fenced(&n->chain))
        return;
    disk_submit(w, e->node, STATE_WRITE)->write = e->write;
    n->storing++;
}

static void message_arrives(struct world *w, const struct world_event *e)
{
    struct message m;

    assert_true(message_decode(buf_view(&e->bytes), &m) > 0);
    assert_true(chain_protocol.message(&w->node[e->node].chain, at(w, e->node), w->node[e->from].id,
                                       &m, &w->out));
}

static void disk_done(struct world *w, const struct world_event *e)
{
    struct world_node *n = &w->node[e->node];
    struct event ev = {.kind = EV_STORED, .stored = {.error = e->error}};

    disk_apply(w, e);
    if (e->what == STATE_WRITE)
        n->storing--;
    else
        chain_protocol.stored(&n->chain, at(w, e->node), TOKEN_NUMBER(e->token), &ev, &w->out);
}

static void event_happens(struct world *w, unsigned i)
{
    struct world_event e = w->event[i];

    buf_init(&w->event[i].bytes, 0); /* the copy owns the bytes */
    event_remove(w, i);
    if (w->node[e.node].up && (e.type != DISK || e.life == w->node[e.node].life)) {
        note_records(w, e.node);
        if (e.type == DELIVER)
            message_arrives(w, &e);
        else if (e.type == DELIVER_WRITE)
            write_arrives(w, &e);
        else
            disk_done(w, &e);
        carry_out(w, e.node);
    }
    buf_close(&e.bytes);
}

/* ---- What the rest of the node and the world do ---- */

static void client_writes(struct world *w)
{
    unsigned node = (unsigned)rng_below(&w->rng, w->node_n);
    const struct layout *l = w->node[node].up ? chain_layout(&w->node[node].chain) : NULL;

    if (!l || w->write_n == WRITES_MAX)
        return;
    struct world_write *write = &w->write[w->write_n];
    *write = (struct world_write){.vnode = (uint16_t)rng_below(&w->rng, VNODES), .epoch = l->epoch};
    for (unsigned i = 0; i < l->n; i++) {
        unsigned to = node_of(w, layout_owner(l, write->vnode, i)->id);
        if (lost(w, node, to))
            continue;
        struct world_event *e = event_add(w, DELIVER_WRITE, to, w->now_ms + latency_ms(w));
        e->write = w->write_n;
        e->epoch = l->epoch;
    }
    w->write_n++;
}

/* What `node` holds of another. */
static void believe(struct world *w, unsigned node, unsigned other, bool up)
{
    struct member *m = cast_make(&w->node[node].cast, w->node[other].id);
    assert_non_null(m);
    (void)cast_believe(m, addr_of(other), up ? MEMBER_ALIVE : MEMBER_DEAD, slice_of(NULL, 0));
}

static void node_gossips(struct world *w, unsigned node)
{
    struct chain *c = &w->node[node].chain;
    unsigned other = (unsigned)rng_below(&w->rng, w->node_n);

    note_records(w, node);
    for (unsigned i = 0; i < w->node_n; i++)
        if (i != node)
            believe(w, node, i, w->node[i].up != (w->chaos && chance(w, 5)));
    if (other == node || !w->node[other].up || lost(w, other, node))
        return;
    const struct layout *theirs = chain_layout(&w->node[other].chain);
    if (theirs)
        chain_seen(c, at(w, node), w->node[other].id, theirs->epoch, &w->out);
    if (theirs && !chain_layout(c) && !w->node[node].refused) {
        struct msg_join join = {
            .weight = 100, .zone = SLICE("z"), .name = SLICE("n"), .addr = addr_of(node)};
        if (!w->node[node].joined || chance(w, 5))
            chain_join(c, at(w, node), w->node[other].id, addr_of(other), &join, &w->out);
        w->node[node].joined = true;
    }
    carry_out(w, node);
}

/* Delays are policy, not safety: any of them may end at any time. */
static void node_hurries(struct world *w, unsigned node)
{
    struct chain *c = &w->node[node].chain;
    struct chain_round *r = &c->round;

    if (!chain_layout(c))
        return;
    if (r->phase != CHAIN_IDLE && chance(w, 70)) {
        r->patience_ms = r->resend_ms = w->now_ms;
        return;
    }
    r->phase = CHAIN_IDLE;
    c->propose_ms = w->now_ms;
}

/* Each member knows other joiners, so that all propose different values. */
static void ghost_asks(struct world *w, unsigned node)
{
    unsigned ghost = w->node_n - 1 - (unsigned)rng_below(&w->rng, w->ghosts);
    struct message m = {.kind = MSG_JOIN};

    m.join = (struct msg_join){
        .weight = 100, .zone = SLICE("z"), .name = SLICE("n"), .addr = addr_of(ghost)};
    if (chance(w, 50))
        w->node[node].chain.joiner_n = 0;
    note_records(w, node);
    chain_protocol.message(&w->node[node].chain, at(w, node), w->node[ghost].id, &m, &w->out);
    carry_out(w, node);
}

static void world_chaos(struct world *w)
{
    unsigned live = w->node_n - w->ghosts;
    unsigned a = (unsigned)rng_below(&w->rng, live), b = (unsigned)rng_below(&w->rng, live);

    if (w->ghosts && w->node[b].up && chance(w, 50))
        ghost_asks(w, b);
    if (chance(w, w->ghosts ? 10 : 1) && w->node[a].up && (chance(w, 20) || disk_busy(w, a)))
        node_crash(w, a);
    else if (chance(w, w->ghosts ? 50 : 10) && !w->node[a].up)
        node_start(w, a);
    if (chance(w, 2))
        w->cut[a][b] = !w->cut[a][b];
    if (chance(w, 10) && w->node[b].up)
        node_hurries(w, b);
    if (w->writing && chance(w, 20))
        client_writes(w);
}

static void world_tick(struct world *w)
{
    if (w->chaos)
        world_chaos(w);
    for (unsigned i = 0; i < w->node_n; i++)
        /* slow news, or wrong decisions would be nipped in the bud */
        if (w->node[i].up && (!w->chaos || chance(w, 5)))
            node_gossips(w, i);
}

/* Runs the timers that are due now. */
static void world_timers(struct world *w)
{
    for (unsigned i = 0; i < w->node_n; i++) {
        struct chain *c = &w->node[i].chain;
        unsigned ticks = 0;
        while (w->node[i].up && chain_protocol.deadline_ms(c, at(w, i)) <= w->now_ms) {
            assert_true(++ticks < 100);
            note_records(w, i);
            chain_protocol.tick(c, at(w, i), &w->out);
            carry_out(w, i);
        }
    }
}

static void world_run(struct world *w, uint64_t until_ms)
{
    uint64_t tick_ms = w->now_ms;

    while (w->now_ms < until_ms) {
        uint64_t next = tick_ms;
        unsigned e = event_next(w);
        if (e < w->event_n && w->event[e].due_ms < next)
            next = w->event[e].due_ms;
        for (unsigned i = 0; i < w->node_n; i++)
            if (w->node[i].up && chain_protocol.deadline_ms(&w->node[i].chain, at(w, i)) < next)
                next = chain_protocol.deadline_ms(&w->node[i].chain, at(w, i));
        if (next > w->now_ms)
            w->now_ms = next;
        if (e < w->event_n && w->event[e].due_ms <= w->now_ms)
            event_happens(w, e);
        if (tick_ms <= w->now_ms) {
            world_tick(w);
            tick_ms += w->chaos ? TICK_CHAOS_MS : TICK_HEAL_MS;
        }
        world_timers(w);
    }
}

static void world_init(struct world *w, uint64_t seed, unsigned node_n)
{
    rng_init(&w->rng, seed);
    w->now_ms = 1000;
    w->node_n = node_n;
    for (unsigned i = 0; i < node_n; i++) {
        w->node[i].id = 1 + rng_next(&w->rng) % 1000000;
        buf_init(&w->node[i].disk[0], MESSAGE_MAX);
        buf_init(&w->node[i].disk[1], MESSAGE_MAX);
    }
}

static void first_layout(const struct world *w, unsigned members, struct layout *l)
{
    struct layout_member member[NODES_MAX];
    struct ring_change change = {
        .member = member, .n_wanted = 3, .vnodes = VNODES, .generation_id = 7};

    for (unsigned i = 0; i < members; i++)
        member[change.member_n++] = (struct layout_member){.id = w->node[i].id, .weight = 100};
    layout_init(l);
    assert_int_equal(ring_compute(&change, l), 0);
}

/* The first `members` nodes have a layout already, as after a founding and a formation; the others
 * are joiners. */
static struct world *world_new(uint64_t seed, unsigned node_n, unsigned members, unsigned ghosts)
{
    struct world *w = calloc(1, sizeof *w);
    struct layout l;

    assert_non_null(w);
    world_init(w, seed, node_n);
    w->ghosts = ghosts;
    first_layout(w, members, &l);
    for (unsigned i = 0; i < node_n; i++) {
        if (i < members)
            assert_int_equal(layout_encode(&w->node[i].disk[STATE_LAYOUT], &l), 0);
        w->node[i].serial[STATE_LAYOUT] = i < members;
        if (i < node_n - ghosts)
            node_start(w, i);
    }
    layout_close(&l);
    return w;
}

static void world_free(struct world *w)
{
    while (w->event_n > 0)
        event_remove(w, 0);
    for (unsigned i = 0; i < w->node_n; i++) {
        if (w->node[i].up)
            chain_protocol.close(&w->node[i].chain);
        cast_close(&w->node[i].cast);
        buf_close(&w->node[i].disk[0]);
        buf_close(&w->node[i].disk[1]);
    }
    for (unsigned e = 0; e < EPOCHS_MAX; e++)
        layout_close(&w->decided[e]);
    free(w);
}

static void world_heal(struct world *w)
{
    w->chaos = false;
    for (unsigned i = 0; i < w->node_n - w->ghosts; i++)
        if (!w->node[i].up)
            node_start(w, i);
    world_run(w, w->now_ms + HEAL_MS);
}

static void check_settled(const struct world *w)
{
    uint64_t epoch = chain_layout(&w->node[0].chain)->epoch;

    for (unsigned i = 0; i < w->node_n; i++) {
        const struct chain *c = &w->node[i].chain;
        assert_false(chain_fenced(c));
        assert_false(chain_forming(c));
        assert_true(chain_layout(c) || w->node[i].refused);
        if (chain_layout(c))
            assert_int_equal(chain_layout(c)->epoch, epoch);
    }
}

/* ---- Tests in the world ---- */

static void test_quiet_formation(void **state)
{
    (void)state;
    struct world *w = world_new(1, 3, 1, 0);
    world_run(w, w->now_ms + 5000);
    check_settled(w);
    const struct layout *l = chain_layout(&w->node[2].chain);
    assert_non_null(l);
    assert_int_equal(l->member_n, 3);
    assert_true(l->epoch <= 3); /* nodes that waited together were let in together */
    assert_int_equal(w->sames, 0);
    world_free(w);
}

static void test_records_refuse_joiners(void **state)
{
    struct slice why;

    (void)state;
    struct world *w = world_new(2, 2, 1, 0);
    w->node[0].wrote[0] = true;
    w->write_n = 1;
    world_run(w, w->now_ms + 3000);
    assert_int_equal(chain_refused(&w->node[1].chain, &why), ERR_HOLDS_RECORDS);
    assert_non_null(memmem(why.p, why.n, "start all members before the first write", 40));
    assert_int_equal(chain_layout(&w->node[0].chain)->epoch, 1);
    assert_false(chain_fenced(&w->node[0].chain));
    world_free(w);
}

/* A member that never comes back: nobody is let in, and nobody stays fenced. */
static void test_dead_member(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world *w = world_new(seed, 4, 1, 0);
        world_run(w, w->now_ms + 250 + rng_below(&w->rng, 400));
        unsigned dead = 1 + (unsigned)rng_below(&w->rng, 3);
        node_crash(w, dead);
        world_run(w, w->now_ms + HEAL_MS);
        const struct layout *l = chain_layout(&w->node[0].chain);
        for (unsigned i = 0; i < w->node_n; i++)
            if (w->node[i].up && chain_layout(&w->node[i].chain) &&
                layout_find(l, w->node[dead].id) < 0)
                assert_false(chain_fenced(&w->node[i].chain));
        node_start(w, dead);
        world_run(w, w->now_ms + HEAL_MS);
        check_settled(w);
        assert_int_equal(chain_layout(&w->node[0].chain)->member_n, 4);
        world_free(w);
    }
}

/* Many proposers, each with a value of its own, and no patience. */
static void test_contention(void **state)
{
    unsigned sames = 0, formations = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
        unsigned members = (unsigned)(3 + seed % 2);
        struct world *w = world_new(seed, members + 4, members, 4);
        w->chaos = true;
        world_run(w, w->now_ms + CHAOS_MS / 4);
        w->writing = seed % 2;
        world_run(w, w->now_ms + CHAOS_MS / 8);
        world_heal(w);
        for (unsigned i = 0; i < members; i++)
            assert_int_equal(chain_layout(&w->node[i].chain)->epoch,
                             chain_layout(&w->node[0].chain)->epoch);
        sames += w->sames;
        formations += w->formations;
        world_free(w);
    }
    print_message("%u formations, %u unchanged\n", formations, sames);
    assert_true(formations > SEEDS && sames > SEEDS / 2);
}

static void test_chaos(void **state)
{
    unsigned formations = 0, sames = 0, crashes = 0, acked = 0, refused = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        unsigned node_n = (unsigned)(2 + seed % (NODES_MAX - 3)),
                 members = (unsigned)(1 + seed / 8 % (node_n - 1));
        struct world *w = world_new(seed, node_n, members, 0);
        w->chaos = true;
        world_run(w, w->now_ms + rng_below(&w->rng, CHAOS_MS));
        w->writing = seed % 4 > 0;
        world_run(w, w->now_ms + CHAOS_MS);
        world_heal(w);
        check_settled(w);
        for (unsigned i = 0; i < w->node_n; i++) {
            refused += w->node[i].refused;
            assert_true(w->writing || !w->node[i].refused);
        }
        for (unsigned i = 0; i < w->write_n; i++)
            acked += w->write[i].acked;
        formations += w->formations;
        sames += w->sames;
        crashes += w->crashes;
        world_free(w);
    }
    print_message(
        "%u formations, %u unchanged, %u crashes, %u writes acknowledged, %u joiners refused\n",
        formations, sames, crashes, acked, refused);
    assert_true(formations > SEEDS / 2 && sames > SEEDS / 8 && crashes > SEEDS && acked > SEEDS &&
                refused > SEEDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet_formation), cmocka_unit_test(test_records_refuse_joiners),
        cmocka_unit_test(test_dead_member),     cmocka_unit_test(test_contention),
        cmocka_unit_test(test_chaos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
