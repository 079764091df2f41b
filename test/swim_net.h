/* swim_net.h: a small world for the tests of SWIM: many swims, virtual time, a network with loss,
 * delay, cuts, and processes that stop, die and come back. Not the simulator: no node, no store but
 * the incarnation, one header, used by core_swim_test.c alone. */
#ifndef COVEY_TEST_SWIM_NET_H
#define COVEY_TEST_SWIM_NET_H

#include "base/check.h"
#include "base/hash.h"
#include "core/swim/swim.h"

#include <stdio.h>
#include <stdlib.h>

enum { NET_NODES = 1024, NET_DELAY_MS = 5, NET_JITTER_MS = 10, NET_DISK_MS = 2, NET_SOCKET = 256 };

enum net_kind { NET_TIMER, NET_PACKET, NET_MESSAGE, NET_STORED };

struct net_event {
    uint64_t at_ms, order;
    enum net_kind kind;
    unsigned to, from;
    unsigned boot; /* the receiver's: what a process asked for is dropped when it has ended */
    uint64_t number;
    uint8_t *bytes;
    size_t n;
};

struct net_node {
    struct swim swim;
    bool up, mute_udp;
    unsigned boot;
    unsigned side;         /* of a partition; packets and streams pass between equal sides only */
    unsigned loss_percent; /* of what it sends and what it receives */
    uint64_t stopped_until_ms;
    unsigned waiting;         /* packets in its socket while it is stopped: NET_SOCKET at most */
    uint64_t timer_ms;        /* when its queued timer event is due */
    uint64_t durable, serial; /* its incarnation on disk, and the serial of that state */
    uint64_t writing;         /* the incarnation that the write under way holds */
    uint16_t port;
    struct slice name, meta;
};

struct net {
    struct net_node node[NET_NODES];
    unsigned n;
    enum swim_profile profile;
    uint64_t now_ms, order, hash;
    unsigned loss_percent;
    bool streams_down;
    struct rng rng;
    struct net_event *queue;
    size_t queue_n, queue_cap;
    struct out out;
    uint64_t packets, false_deaths, bytes_max;
    uint64_t first_death_ms; /* when the first death of `watched` was seen */
    unsigned watched;
};

static inline uint64_t net_id(unsigned i)
{
    return 0xa000u + i;
}

static inline struct addr net_addr(const struct net *w, unsigned i)
{
    return (struct addr){
        .family = 4, .port = w->node[i].port, .ip = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
}

/* ---- The queue of what is to happen: a heap by (time, order) ---- */

static inline bool net_before(const struct net_event *a, const struct net_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static inline void net_push(struct net *w, struct net_event e)
{
    if (w->queue_n == w->queue_cap) {
        w->queue_cap = w->queue_cap ? 2 * w->queue_cap : 1024;
        w->queue = realloc(w->queue, w->queue_cap * sizeof *w->queue);
        CHECK(w->queue);
    }
    e.order = w->order++;
    size_t i = w->queue_n++;
    for (; i && net_before(&e, &w->queue[(i - 1) / 2]); i = (i - 1) / 2)
        w->queue[i] = w->queue[(i - 1) / 2];
    w->queue[i] = e;
}

static inline struct net_event net_pop(struct net *w)
{
    struct net_event top = w->queue[0], last = w->queue[--w->queue_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < w->queue_n && net_before(&w->queue[child + 1], &w->queue[child]))
            child++;
        if (child >= w->queue_n || !net_before(&w->queue[child], &last))
            break;
        w->queue[i] = w->queue[child];
        i = child;
    }
    if (w->queue_n)
        w->queue[i] = last;
    return top;
}

/* ---- Carrying out what a swim wants ---- */

static inline bool net_lost(struct net *w, unsigned from, unsigned to)
{
    const struct net_node *a = &w->node[from], *b = &w->node[to];
    unsigned percent[] = {w->loss_percent, a->loss_percent, b->loss_percent};
    for (unsigned i = 0; i < 3; i++)
        if (percent[i] && rng_below(&w->rng, 100) < percent[i])
            return true;
    return false;
}

static inline void net_post(struct net *w, enum net_kind kind, unsigned from, unsigned to,
                            const void *bytes, size_t n)
{
    struct net_event e = {.kind = kind, .from = from, .to = to, .n = n, .boot = w->node[to].boot};
    e.at_ms = w->now_ms + NET_DELAY_MS + rng_below(&w->rng, NET_JITTER_MS + 1);
    e.bytes = malloc(n ? n : 1);
    CHECK(e.bytes);
    memcpy(e.bytes, bytes, n);
    net_push(w, e);
}

static inline void net_send_packet(struct net *w, unsigned from, const struct action *a)
{
    const struct packet *p = a->packet.packet;
    unsigned to = (unsigned)a->packet.to.ip[2] << 8 | a->packet.to.ip[3];
    CHECK(p->n <= PACKET_MAX);
    w->packets++;
    w->hash = hash_seeded(slice_of(p->bytes, p->n), w->hash ^ w->now_ms);
    if (p->n > w->bytes_max)
        w->bytes_max = p->n;
    if (to >= w->n || !w->node[to].up || w->node[to].port != a->packet.to.port ||
        w->node[from].side != w->node[to].side)
        return;
    if (w->node[from].mute_udp || w->node[to].mute_udp || net_lost(w, from, to))
        return;
    net_post(w, NET_PACKET, from, to, p->bytes, p->n);
}

static inline void net_send_message(struct net *w, unsigned from, const struct action *a)
{
    unsigned to = (unsigned)(a->send.to - net_id(0));
    if (w->streams_down || to >= w->n || !w->node[to].up || w->node[from].side != w->node[to].side)
        return;
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    CHECK(message_append(&b, &a->send.message) == 0);
    net_post(w, NET_MESSAGE, from, to, b.p, b.n);
    buf_close(&b);
}

static inline void net_store(struct net *w, unsigned i, const struct action *a)
{
    struct net_node *n = &w->node[i];
    n->writing = 0;
    for (unsigned b = 0; b < 8; b++)
        n->writing |= (uint64_t)a->put.record.value.p[b] << (8 * b);
    n->serial = a->put.record.version.stamp;
    net_push(w, (struct net_event){.kind = NET_STORED,
                                   .at_ms = w->now_ms + NET_DISK_MS,
                                   .to = i,
                                   .boot = n->boot,
                                   .number = TOKEN_NUMBER(a->put.token)});
}

static inline void net_note(struct net *w, const struct swim_view *v)
{
    const struct net_node *subject = &w->node[v->id - net_id(0)];
    if (v->state != MEMBER_DEAD || v->id - net_id(0) >= w->n)
        return;
    if (subject->up && subject->stopped_until_ms == 0 && subject->loss_percent == 0)
        w->false_deaths++;
    if (v->id == net_id(w->watched) && w->first_death_ms == 0)
        w->first_death_ms = w->now_ms;
}

/* After each call on node i: do what it wants, look at what changed, check it, plan its timer. */
static inline void net_after(struct net *w, unsigned i)
{
    struct net_node *n = &w->node[i];
    CHECK(w->out.n <= SWIM_OUT_MAX && w->out.packet_n <= SWIM_PACKETS_MAX);
    for (unsigned a = 0; a < w->out.n; a++) {
        if (w->out.action[a].kind == ACT_PACKET)
            net_send_packet(w, i, &w->out.action[a]);
        else if (w->out.action[a].kind == ACT_SEND)
            net_send_message(w, i, &w->out.action[a]);
        else if (w->out.action[a].kind == ACT_STORE_PUT)
            net_store(w, i, &w->out.action[a]);
    }
    out_clear(&w->out);
    for (struct swim_view v; swim_changed(&n->swim, &v);)
        net_note(w, &v);
    swim_protocol.check(&n->swim, NULL);
    uint64_t due_ms = swim_protocol.deadline_ms(&n->swim, NULL);
    if (due_ms < n->timer_ms) {
        n->timer_ms = due_ms > w->now_ms ? due_ms : w->now_ms;
        net_push(w, (struct net_event){
                        .kind = NET_TIMER, .at_ms = n->timer_ms, .to = i, .boot = n->boot});
    }
}

static inline void net_deliver_packet(struct net *w, const struct net_event *e)
{
    struct packet_header h;
    struct slice messages;
    CHECK(packet_open(slice_of(e->bytes, e->n), &h, &messages) == 0);
    swim_packet(&w->node[e->to].swim, &h, net_addr(w, e->from), messages, w->now_ms, &w->out);
}

static inline void net_deliver_message(struct net *w, const struct net_event *e)
{
    struct message m;
    CHECK(message_decode(slice_of(e->bytes, e->n), &m) == (int)e->n);
    CHECK(swim_protocol.message(&w->node[e->to].swim, &(struct moment){.ms = w->now_ms},
                                net_id(e->from), &m, &w->out));
}

static inline void net_deliver(struct net *w, const struct net_event *e)
{
    struct net_node *n = &w->node[e->to];
    switch (e->kind) {
    case NET_TIMER:
        if (e->at_ms != n->timer_ms)
            return; /* an earlier one was planned since */
        n->timer_ms = UINT64_MAX;
        if (swim_protocol.deadline_ms(&n->swim, NULL) <= w->now_ms)
            swim_protocol.tick(&n->swim, &(struct moment){.ms = w->now_ms}, &w->out);
        break;
    case NET_PACKET:
        net_deliver_packet(w, e);
        break;
    case NET_MESSAGE:
        net_deliver_message(w, e);
        break;
    case NET_STORED:
        n->durable = n->writing;
        swim_protocol.stored(&n->swim, &(struct moment){.ms = w->now_ms}, e->number,
                             &(struct event){.kind = EV_STORED}, &w->out);
        break;
    }
    net_after(w, e->to);
}

/* One event. What comes for a stopped process waits in its socket until it goes on. */
static inline void net_step(struct net *w)
{
    struct net_event e = net_pop(w);
    struct net_node *n = &w->node[e.to];
    w->now_ms = e.at_ms > w->now_ms ? e.at_ms : w->now_ms;
    if (n->up && n->stopped_until_ms > w->now_ms) {
        if (e.kind == NET_PACKET && n->waiting++ >= NET_SOCKET) {
            free(e.bytes);
            return;
        }
        e.at_ms = n->stopped_until_ms;
        if (e.kind == NET_TIMER)
            n->timer_ms = e.at_ms;
        net_push(w, e);
        return;
    }
    if (n->up && e.boot == n->boot)
        net_deliver(w, &e);
    free(e.bytes);
}

static inline void net_run(struct net *w, uint64_t ms)
{
    uint64_t end_ms = w->now_ms + ms;
    while (w->queue_n && w->queue[0].at_ms <= end_ms)
        net_step(w);
    w->now_ms = end_ms;
}

/* ---- What a test does ---- */

static inline struct net *net_new(enum swim_profile profile, uint64_t seed)
{
    struct net *w = calloc(1, sizeof *w);
    CHECK(w);
    w->profile = profile;
    w->now_ms = 1000;
    w->watched = NET_NODES;
    rng_init(&w->rng, seed);
    return w;
}

static inline void net_boot(struct net *w, unsigned i)
{
    struct net_node *n = &w->node[i];
    char name[16];
    int name_n = snprintf(name, sizeof name, "n%u", i);
    static const struct moment nothing_said;
    struct swim_options o = {
        .self = net_id(i),
        .addr = net_addr(w, i),
        .name = n->name.n ? n->name : slice_of(name, (size_t)name_n),
        .meta = n->meta,
        .profile = w->profile,
        .incarnation = n->durable,
        .serial = n->serial,
        .seed = rng_next(&w->rng),
        .now = &nothing_said,
    };
    CHECK(swim_init(&n->swim, &o, w->now_ms) == 0);
    n->up = true;
    n->boot++;
    n->timer_ms = UINT64_MAX;
    n->stopped_until_ms = 0;
    swim_start(&n->swim, &w->out);
    net_after(w, i);
}

static inline unsigned net_add(struct net *w)
{
    unsigned i = w->n++;
    CHECK(i < NET_NODES);
    w->node[i].port = 7400;
    net_boot(w, i);
    return i;
}

/* A stream between two that never met, or lost sight of each other. */
static inline void net_link(struct net *w, unsigned a, unsigned b)
{
    unsigned end[2] = {a, b};
    for (unsigned k = 0; k < 2; k++) {
        unsigned me = end[k], peer = end[1 - k];
        struct msg_hello hello = {.node = net_id(peer), .addr = net_addr(w, peer)};
        swim_link_up(&w->node[me].swim, &hello, w->now_ms, &w->out);
        net_after(w, me);
    }
}

static inline void net_kill(struct net *w, unsigned i)
{
    swim_protocol.close(&w->node[i].swim);
    w->node[i].up = false;
    w->node[i].boot++;
}

static inline void net_leave(struct net *w, unsigned i)
{
    swim_leave(&w->node[i].swim, w->now_ms, &w->out);
    net_after(w, i);
}

static inline void net_stop(struct net *w, unsigned i, uint64_t ms)
{
    w->node[i].stopped_until_ms = w->now_ms + ms;
    w->node[i].waiting = 0;
}

/* n nodes that know each other: node 0 is everybody's seed. */
static inline struct net *net_cluster(unsigned n, enum swim_profile profile, uint64_t seed)
{
    struct net *w = net_new(profile, seed);
    for (unsigned i = 0; i < n; i++) {
        net_add(w);
        if (i)
            net_link(w, i, 0);
    }
    return w;
}

/* A datagram from anybody, in the name of member `from`. */
static inline void net_forge(struct net *w, unsigned to, unsigned from, struct message m)
{
    struct packet_header h = {.from = net_id(from)};
    struct packet p;
    packet_begin(&p, &h);
    CHECK(packet_add(&p, &m));
    swim_packet(&w->node[to].swim, &h, net_addr(w, from),
                slice_of(p.bytes + PACKET_HEADER, (size_t)p.n - PACKET_HEADER), w->now_ms, &w->out);
    net_after(w, to);
}

/* Whether observer i sees j as it is: alive, or (down) not alive. */
static inline bool net_sees(const struct net *w, unsigned i, unsigned j)
{
    struct swim_view v;
    bool known = swim_find(&w->node[i].swim, net_id(j), &v) && v.verified;
    bool alive = known && v.state == MEMBER_ALIVE;
    if (!w->node[j].up)
        return !known || v.state >= MEMBER_DEAD;
    return alive && addr_eq(v.addr, net_addr(w, j));
}

static inline bool net_agrees(const struct net *w)
{
    for (unsigned i = 0; i < w->n; i++)
        for (unsigned j = 0; w->node[i].up && j < w->n; j++)
            if (!net_sees(w, i, j))
                return false;
    return true;
}

/* Runs until all agree with the truth, at most for limit_ms. Returns the ms it took, UINT64_MAX if
 * they never did. */
static inline uint64_t net_settle(struct net *w, uint64_t limit_ms)
{
    uint64_t start_ms = w->now_ms, step_ms = 50;
    while (!net_agrees(w)) {
        if (w->now_ms - start_ms >= limit_ms)
            return UINT64_MAX;
        net_run(w, step_ms);
    }
    return w->now_ms - start_ms;
}

/* Nobody holds a higher incarnation of a member that is up than it has itself. */
static inline void net_check_incarnations(const struct net *w)
{
    for (unsigned i = 0; i < w->n; i++)
        for (unsigned j = 0; j < w->n; j++) {
            struct swim_view seen, own;
            if (!w->node[i].up || !w->node[j].up || !swim_find(&w->node[i].swim, net_id(j), &seen))
                continue;
            CHECK(swim_find(&w->node[j].swim, net_id(j), &own));
            CHECK(seen.incarnation <= own.incarnation);
        }
}

static inline void net_free(struct net *w)
{
    net_check_incarnations(w);
    for (unsigned i = 0; i < w->n; i++)
        if (w->node[i].up)
            swim_protocol.close(&w->node[i].swim);
    for (size_t i = 0; i < w->queue_n; i++)
        free(w->queue[i].bytes);
    free(w->queue);
    free(w);
}

#endif
