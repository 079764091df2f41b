#include "sim/net.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <uthash.h>

enum stream_state { STREAM_OPENING, STREAM_OPEN };

/* One encoded message on its way. */
struct parcel {
    struct parcel *next;
    uint64_t due_us;
    size_t n;
    uint8_t bytes[];
};

struct direction {
    struct parcel *head, *tail;
    uint64_t last_due_us; /* when the last parcel is due: none overtakes another */
    uint64_t stalled_us;  /* since when its head cannot get through; 0: it can */
    bool moving;          /* a SIM_STREAM is planned for its head */
};

/* The stream between two nodes, a < b. At most one at a time: the simulator does not play the race
 * of two openings. */
struct stream {
    uint64_t pair; /* a << 32 | b */
    uint64_t number;
    enum stream_state state;
    uint32_t opener;
    int seed;                /* the seed that the opener asked for, or -1 */
    struct direction way[2]; /* 0: from a to b */
    UT_hash_handle hh;
};

static uint64_t pair_of(uint32_t x, uint32_t y)
{
    return x < y ? (uint64_t)x << 32 | y : (uint64_t)y << 32 | x;
}

static struct stream *stream_find(struct world *w, uint32_t x, uint32_t y)
{
    uint64_t pair = pair_of(x, y);
    struct stream *s;
    HASH_FIND(hh, w->streams, &pair, sizeof pair, s);
    return s;
}

static void stream_free(struct world *w, struct stream *s)
{
    for (unsigned d = 0; d < 2; d++)
        for (struct parcel *p = s->way[d].head, *next; p; p = next) {
            next = p->next;
            free(p);
        }
    HASH_DEL(w->streams, s);
    free(s);
}

void net_close(struct world *w)
{
    struct stream *s, *next;
    HASH_ITER(hh, w->streams, s, next)
    stream_free(w, s);
}

/* ---- How long things take ---- */

static uint64_t latency_us(struct world *w)
{
    if (w->o.steady)
        return w->o.latency_us;
    uint64_t us = w->o.latency_us + rng_below(&w->net_rng, 3 * (uint64_t)w->o.latency_us);
    if (rng_below(&w->net_rng, 100) == 0)
        us += rng_below(&w->net_rng, 20000); /* the tail */
    if (w->delay_ms)
        us += rng_below(&w->net_rng, (uint64_t)w->delay_ms * 1000);
    return us;
}

static bool is_cut(const struct world *w, uint32_t from, uint32_t to)
{
    return w->cuts[(size_t)from * w->o.nodes + to] > 0;
}

/* ---- Datagrams ---- */

static void packet_plan(struct world *w, uint32_t from, uint32_t to, const struct packet *p)
{
    struct sim_event ev = {.at_us = w->now_us + latency_us(w),
                           .kind = SIM_PACKET,
                           .node = to,
                           .peer = from,
                           .n = p->n};
    ev.bytes = malloc(p->n);
    CHECK(ev.bytes);
    memcpy(ev.bytes, p->bytes, p->n);
    if (w->flip && rng_below(&w->net_rng, 100) < w->flip) {
        uint64_t bit = rng_below(&w->net_rng, 8 * (uint64_t)p->n);
        ev.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    heap_push(&w->heap, &ev);
}

void net_packet(struct world *w, uint32_t from, struct addr to, const struct packet *p)
{
    struct sim_node *s = world_by_addr(w, to);
    w->packets++;
    if (!s)
        return;
    uint32_t i = world_index(w, s);
    if (is_cut(w, from, i) || s->udp_dead || w->node[from].udp_dead ||
        rng_below(&w->net_rng, 100) < w->loss)
        return;
    packet_plan(w, from, i, p);
    if (rng_below(&w->net_rng, 100) < w->duplicate)
        packet_plan(w, from, i, p);
}

static void packet_arrives(struct world *w, struct sim_event *ev)
{
    if (!w->node[ev->node].up)
        return;
    struct event e = {.kind = EV_PACKET};
    e.packet.from = w->node[ev->peer].addr;
    e.packet.bytes = slice_of(ev->bytes, ev->n);
    world_turn(w, ev->node, &e);
}

/* ---- Streams: opening ---- */

static void link_down(struct world *w, uint32_t i, uint64_t peer, int seed, int error,
                      struct slice why)
{
    if (!w->node[i].up)
        return;
    struct event e = {.kind = EV_LINK_DOWN};
    e.link.peer = peer;
    e.link.seed = seed;
    e.link.error = error;
    e.link.why = why;
    world_turn(w, i, &e);
}

static struct stream *stream_open(struct world *w, uint32_t from, uint32_t to, int seed)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s);
    s->pair = pair_of(from, to);
    s->number = ++w->next_stream;
    s->opener = from;
    s->seed = seed;
    HASH_ADD(hh, w->streams, pair, sizeof s->pair, s);
    uint64_t rtt = latency_us(w) + latency_us(w);
    struct sim_event ev = {
        .at_us = w->now_us + rtt, .kind = SIM_CONNECT, .node = from, .peer = to, .life = s->number};
    if (is_cut(w, from, to) || is_cut(w, to, from))
        ev.at_us = w->now_us + (uint64_t)CONNECT_TIMEOUT_MS * 1000;
    heap_push(&w->heap, &ev);
    return s;
}

/* The stream is up at one end, which gets the other's hello as it travelled. */
static void link_up(struct world *w, uint32_t i, uint32_t peer, int seed,
                    const struct msg_hello *hello)
{
    struct message m = {.kind = MSG_HELLO, .hello = *hello}, copy;
    w->scratch.n = 0;
    CHECK(!message_append(&w->scratch, &m));
    struct buf bytes = w->scratch; /* the turn may use the scratch buffer */
    buf_init(&w->scratch, MESSAGE_MAX * 2);
    CHECK(message_decode(buf_view(&bytes), &copy) > 0);
    struct event e = {.kind = EV_LINK_UP};
    e.link.peer = w->node[peer].id;
    e.link.seed = seed;
    e.link.hello = &copy.hello;
    world_turn(w, i, &e);
    buf_close(&bytes);
}

/* Plans the arrival of the first parcel in the direction that starts at `from`. */
static void direction_plan(struct world *w, struct stream *s, uint32_t from, uint32_t to)
{
    struct direction *d = &s->way[from > to];
    if (d->moving || !d->head || s->state != STREAM_OPEN)
        return;
    d->moving = true;
    uint64_t at = d->head->due_us > w->now_us ? d->head->due_us : w->now_us;
    heap_push(&w->heap,
              &(struct sim_event){
                  .at_us = at, .kind = SIM_STREAM, .node = to, .peer = from, .life = s->number});
}

/* A node's hello, encoded when it is sent: the node may be in another state when the other end
 * reads it. */
static struct msg_hello hello_of(const struct sim_node *s, struct buf *bytes)
{
    struct message m = {.kind = MSG_HELLO}, copy;
    node_hello(&s->node, &m.hello);
    buf_init(bytes, MESSAGE_MAX);
    CHECK(!message_append(bytes, &m) && message_decode(buf_view(bytes), &copy) > 0);
    return copy.hello;
}

static void connect_decided(struct world *w, const struct sim_event *ev)
{
    if (ev->node == ev->peer) {
        link_down(w, ev->node, 0, (int)ev->peer, ERR_SELF, SLICE("the seed is this node itself"));
        return;
    }
    struct stream *s = stream_find(w, ev->node, ev->peer);
    if (!s || s->number != ev->life)
        return;
    struct sim_node *x = &w->node[ev->node], *y = &w->node[ev->peer];
    int error =
        is_cut(w, ev->node, ev->peer) || is_cut(w, ev->peer, ev->node) || !y->up ? ERR_CLOSED : 0;
    struct msg_hello hx, hy;
    struct buf why, x_bytes = {0}, y_bytes = {0};
    buf_init(&why, 1024);
    if (!error) {
        hx = hello_of(x, &x_bytes);
        hy = hello_of(y, &y_bytes);
        error = node_check_hello(&y->node, &hx, &why);
        error = error ? error : node_check_hello(&x->node, &hy, &why);
    }
    if (error) {
        int seed = s->seed;
        stream_free(w, s);
        link_down(w, ev->node, y->id, seed, error, buf_view(&why));
    } else {
        uint64_t number = s->number;
        int seed = s->seed;
        s->state = STREAM_OPEN;
        link_up(w, ev->peer, ev->node, -1, &hx);
        if (stream_find(w, ev->node, ev->peer) && x->up)
            link_up(w, ev->node, ev->peer, seed, &hy);
        s = stream_find(w, ev->node, ev->peer);
        if (s && s->number == number) {
            direction_plan(w, s, ev->node, ev->peer);
            direction_plan(w, s, ev->peer, ev->node);
        }
    }
    buf_close(&why);
    buf_close(&x_bytes);
    buf_close(&y_bytes);
}

/* ---- Streams: moving ---- */

/* When a parcel that is due then gets through. It is later where the streams of one end are slow
 * and this direction stands still in that turn. Which directions do is as good as random, and the
 * same for all that is sent in the turn. */
static uint64_t through_us(const struct world *w, uint32_t from, uint32_t to, uint64_t due_us)
{
    enum { ONE_IN = 3 };
    uint32_t ms = w->node[from].slow_streams_ms > w->node[to].slow_streams_ms
                      ? w->node[from].slow_streams_ms
                      : w->node[to].slow_streams_ms;
    uint64_t turn_us = (uint64_t)ms * 1000, turn = ms ? due_us / turn_us : 0;
    uint64_t mix[] = {from, to, turn};
    bool still = ms && hash_seeded(slice_of(mix, sizeof mix), w->o.seed) % ONE_IN == 0;
    return still ? (turn + 1) * turn_us : due_us;
}

void net_send(struct world *w, uint32_t from, uint64_t to_id, struct addr addr,
              const struct message *m)
{
    struct sim_node *t = world_by_id(w, to_id);
    w->messages++;
    if (!t || (addr.family && world_by_addr(w, addr) != t))
        return;
    uint32_t to = world_index(w, t);
    struct stream *s = stream_find(w, from, to);
    if (!s)
        s = stream_open(w, from, to, -1);
    struct direction *d = &s->way[from > to];
    size_t n = message_size(m);
    w->bytes += n;
    struct parcel *p = malloc(sizeof *p + n);
    CHECK(p);
    message_encode(m, p->bytes);
    p->n = n;
    p->next = NULL;
    p->due_us = through_us(w, from, to, w->now_us + latency_us(w));
    if (p->due_us < d->last_due_us)
        p->due_us = d->last_due_us;
    d->last_due_us = p->due_us;
    if (d->tail)
        d->tail->next = p;
    else
        d->head = p;
    d->tail = p;
    direction_plan(w, s, from, to);
}

void net_seed(struct world *w, uint32_t from, int seed)
{
    uint32_t to = (uint32_t)seed;
    struct stream *s = to == from ? NULL : stream_find(w, from, to);
    struct sim_event ev = {
        .at_us = w->now_us + latency_us(w), .kind = SIM_CONNECT, .node = from, .peer = to};
    if (s && s->state == STREAM_OPEN) {
        /* Another stream takes the place of the first. Only the hellos show that. */
        s->seed = seed;
        ev.life = s->number;
        heap_push(&w->heap, &ev);
    } else if (!s && to != from) {
        stream_open(w, from, to, seed);
    } else if (to == from) {
        heap_push(&w->heap, &ev);
    }
}

/* Both ends learn that the stream is gone, each after a delay of its own. */
static void stream_break(struct world *w, struct stream *s)
{
    uint32_t a = (uint32_t)(s->pair >> 32), b = (uint32_t)s->pair;
    heap_push(&w->heap, &(struct sim_event){.at_us = w->now_us + latency_us(w),
                                            .kind = SIM_STREAM_BROKEN,
                                            .node = a,
                                            .peer = b});
    heap_push(&w->heap, &(struct sim_event){.at_us = w->now_us + latency_us(w),
                                            .kind = SIM_STREAM_BROKEN,
                                            .node = b,
                                            .peer = a});
    stream_free(w, s);
}

static void stream_arrives(struct world *w, const struct sim_event *ev)
{
    struct stream *s = stream_find(w, ev->node, ev->peer);
    if (!s || s->number != ev->life)
        return;
    struct direction *d = &s->way[ev->peer > ev->node];
    d->moving = false;
    if (is_cut(w, ev->peer, ev->node)) {
        if (!d->stalled_us)
            d->stalled_us = w->now_us;
        if (w->now_us - d->stalled_us > (uint64_t)STREAM_PATIENCE_MS * 1000) {
            stream_break(w, s);
            return;
        }
        d->moving = true;
        struct sim_event again = *ev;
        again.at_us = w->now_us + (uint64_t)STREAM_RETRY_MS * 1000;
        heap_push(&w->heap, &again);
        return;
    }
    d->stalled_us = 0;
    struct parcel *p = d->head;
    d->head = p->next;
    if (!d->head)
        d->tail = NULL;
    direction_plan(w, s, ev->peer, ev->node);
    struct message m;
    CHECK(message_decode(slice_of(p->bytes, p->n), &m) == (int)p->n);
    struct event e = {.kind = EV_MESSAGE};
    e.message.from = w->node[ev->peer].id;
    e.message.message = &m;
    world_turn(w, ev->node, &e);
    free(p);
}

void net_crash(struct world *w, uint32_t i)
{
    struct stream *s, *next;
    HASH_ITER(hh, w->streams, s, next)
    if ((uint32_t)(s->pair >> 32) == i || (uint32_t)s->pair == i)
        stream_break(w, s);
}

void net_event(struct world *w, struct sim_event *ev)
{
    switch (ev->kind) {
    case SIM_PACKET:
        packet_arrives(w, ev);
        break;
    case SIM_CONNECT:
        connect_decided(w, ev);
        break;
    case SIM_STREAM:
        stream_arrives(w, ev);
        break;
    default:
        if (!stream_find(w, ev->node, ev->peer)) /* a new stream may be up already */
            link_down(w, ev->node, w->node[ev->peer].id, -1, ERR_CLOSED, slice_of(NULL, 0));
        break;
    }
}
