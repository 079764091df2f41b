/* step.c: the node's door, seen from outside: events in, actions out into the world. See world.h.
 *
 * The node must not be stepped while its actions are being carried out, because they point into it. A stream that fails
 * at that moment therefore goes on a list, and is told when the actions are done. Everything else that actions cause (a
 * client's next request, the store's results) waits for its place in the turn. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/words.h"
#include "rt/backup.h"
#include "rt/figures.h"
#include "rt/world.h"

void world_log(struct world *w, enum trace_level level, const char *event, const char *addr, const char *why)
{
    logger_event(&w->logger, w->wall_ms, level, event, addr, why);
}

/* The node said that it cannot go on; the loop ends with this turn. */
static void node_stops(struct world *w, int error, struct slice why)
{
    size_t n = why.n < WHY_MAX ? why.n : WHY_MAX - 1;
    w->error = error ? error : ERR_REFUSED;
    if (n)
        memcpy(w->why, why.p, n);
    w->why[n] = 0;
    uv_stop(&w->loop);
}

static void adopt_vnodes(struct world *w)
{
    const struct layout *l = chain_layout(&w->node.member.chain);
    if (!l)
        return;
    store_set_vnodes(w->store, l->vnodes);
    store_set_cluster(w->store, w->node.member.cluster);
}

/* A trace is logged; two of them are also milestones. */
static void traced(struct world *w, const struct trace *t)
{
    char sentence[WHY_MAX], id[ADDR_TEXT];
    logger_trace(&w->logger, w->wall_ms, t);
    if (t->kind == TRACE_LAYOUT_ADOPTED)
        adopt_vnodes(w);
    if (t->kind != TRACE_NODE_READY || !w->on_state)
        return;
    snprintf(sentence, sizeof sentence, "%.*s is ready: one of %llu member%s, layout epoch %llu, cluster %s",
             (int)w->birth.name_n, (const char *)w->birth.name, (unsigned long long)t->b, words_s(t->b), (unsigned long long)t->a,
             cluster_id_text(w->node.member.cluster, id));
    w->on_state(w->arg, COVEY_READY, sentence);
}

static void carry_out(struct world *w, const struct action *a)
{
    switch (a->kind) {
    case ACT_PACKET:
        gossip_send(&w->gossip, a->packet.to, a->packet.packet);
        break;
    case ACT_SEND:
        peers_send(&w->peers, a->send.to, a->send.addr, &a->send.message);
        break;
    case ACT_SEED:
        seeds_try(&w->seeds, a->seed);
        break;
    case ACT_HANG_UP:
        peers_hang_up(&w->peers, a->hang_up);
        break;
    case ACT_STORE_PUT:
        store_bring(w->store, a->put.token, &a->put.record, a->put.origin);
        break;
    case ACT_STORE_GET:
        store_get(w->store, a->get.token, a->get.key, a->get.wants);
        break;
    case ACT_STORE_COUNT:
        store_count(w->store, a->count.token, a->count.wall_ms);
        break;
    case ACT_HINT_PUT:
        hints_put(w->hints, a->hint.target, &a->hint.record);
        break;
    case ACT_HINT_READ:
        hints_read(w->hints, a->hint_read);
        break;
    case ACT_HINT_DROP:
        hints_drop(w->hints, a->hint_drop.target, a->hint_drop.up_to, a->hint_drop.n);
        break;
    case ACT_HINT_EXPIRE:
        hints_expire(w->hints, a->hint_expire_ms);
        break;
    case ACT_STORE_TREE:
        store_tree(w->store, a->tree.token, a->tree.vnodes, a->tree.leaves);
        break;
    case ACT_STORE_LIST:
        store_list(w->store, a->list.token, a->list.vnode, a->list.ranges);
        break;
    case ACT_STORE_GREATEST:
        store_greatest(w->store, a->greatest.token);
        break;
    case ACT_STORE_DOUBT:
        store_doubt(w->store, a->slots);
        break;
    case ACT_STORE_HEAL:
        store_healed(w->store, a->slots);
        break;
    case ACT_STORE_ERASABLE:
        store_erasable(w->store, a->erasable.token, a->erasable.vnodes, a->erasable.wall_ms, a->erasable.from);
        break;
    case ACT_STORE_HELD:
        store_held(w->store, a->held.token, a->held.entries);
        break;
    case ACT_REPLY:
        if (a->reply.kind == OP_STATUS)
            figures_reply(w, &a->reply);
        else
            clients_reply(&w->clients, &a->reply);
        break;
    case ACT_MEMBER:
        clients_member(&w->clients, &a->member);
        break;
    case ACT_TRACE:
        traced(w, &a->trace);
        break;
    case ACT_STOP:
        node_stops(w, a->stop.error, a->stop.why);
        break;
    }
}

static void step_once(struct world *w, struct event *ev)
{
    CHECK(!w->stepping);
    w->stepping = true;
    w->steps++;
    ev->now_ms = w->now_ms;
    ev->wall_ms = w->wall_ms;
    ev->position = store_position(w->store);
    ev->refuses = store_refuses(w->store);
    out_clear(&w->out);
    node_step(&w->node, ev, &w->out);
    for (unsigned i = 0; i < w->out.n; i++)
        carry_out(w, &w->out.action[i]);
    w->front.ready = node_serves(&w->node);
    w->front.claimed = node_ready(&w->node) && !node_serves(&w->node);
    w->front.packets_rejected = w->node.member.bad_packets;
    w->front.numbers_unbelieved = w->node.member.swim.counters.unbelieved;
    w->stepping = false;
}

static void step_down(struct world *w, const struct link_down *d)
{
    struct event ev = {
        .kind = EV_LINK_DOWN,
        .link = {.peer = d->peer, .seed = d->seed, .error = d->error, .why = slice_str(d->why)},
    };
    step_once(w, &ev);
}

static void tell_downs(struct world *w)
{
    for (size_t i = 0; i < w->downs.n; i++) { /* the list may grow meanwhile, and move */
        struct link_down d = w->downs.at[i];
        step_down(w, &d);
    }
    w->downs.n = 0;
}

void world_step(struct world *w, struct event *ev)
{
    if (w->closing)
        return;
    step_once(w, ev);
    tell_downs(w);
}

/* The list grows with the links that fail in one step, which the actions of a step bound; many failures of one peer are
 * one. */
static void remember_down(struct downs *ds, const struct link_down *d)
{
    for (size_t i = 0; i < ds->n; i++)
        if (ds->at[i].peer == d->peer && ds->at[i].seed == d->seed)
            return;
    if (ds->n == ds->cap) {
        size_t cap = ds->cap ? 2 * ds->cap : 16;
        struct link_down *at = realloc(ds->at, cap * sizeof *at);
        CHECK(at); /* a few KB: without the event the node would wait for ever */
        ds->at = at;
        ds->cap = cap;
    }
    ds->at[ds->n++] = *d;
}

void world_link_down(struct world *w, uint64_t peer, int seed, int error, const char *why)
{
    struct link_down d = {.peer = peer, .seed = seed, .error = error};
    if (w->closing)
        return;
    snprintf(d.why, sizeof d.why, "%s", why);
    if (w->stepping) {
        remember_down(&w->downs, &d);
        return;
    }
    step_down(w, &d);
    tell_downs(w);
}

/* ---- The store's answers ---- */

static void step_result(struct world *w, const struct store_result *r)
{
    struct event ev = {0};
    switch (r->kind) {
    case STORE_PUT_DONE:
        ev.kind = EV_STORED;
        ev.stored.token = r->token;
        ev.stored.error = r->error;
        ev.stored.never_took = r->never_took;
        ev.stored.held = r->held;
        break;
    case STORE_GET_DONE:
        ev.kind = EV_READ;
        ev.read.token = r->token;
        ev.read.error = r->error;
        ev.read.record = r->record;
        ev.read.size = r->size;
        break;
    case STORE_COUNT_DONE:
        ev.kind = EV_COUNTED;
        ev.counted.token = r->token;
        ev.counted.live = r->live;
        ev.counted.vnode_n = r->vnode_n;
        break;
    case STORE_TREE_DONE:
    case STORE_LIST_DONE:
    case STORE_ERASABLE_DONE:
    case STORE_HELD_DONE:
    case STORE_GREATEST_DONE:
        ev.kind = EV_TOLD;
        ev.told.token = r->token;
        ev.told.error = r->error;
        ev.told.told = r->told;
        ev.told.floors = r->floors;
        ev.told.flushed = r->flushed;
        ev.told.upto = r->upto;
        ev.told.ticket = r->ticket;
        ev.told.dead = r->dead;
        ev.told.greatest = r->greatest;
        break;
    case STORE_DAMAGED:
        ev.kind = EV_DAMAGED;
        ev.damaged = r->told;
        break;
    }
    world_step(w, &ev);
}

static void step_hints(struct world *w, const struct hints_result *r)
{
    struct event ev = {.kind = EV_HINTED};
    if (r->kind == HINTS_READ) {
        ev.kind = EV_HINTS;
        ev.hints.target = r->target;
        ev.hints.error = r->error;
        ev.hints.n = r->n;
        ev.hints.hint = r->batch;
    } else {
        ev.hinted.target = r->target;
        ev.hinted.kept = r->kind == HINTS_KEPT ? r->n : 0;
        ev.hinted.lost = r->kind == HINTS_LOST ? r->n : 0;
        ev.hinted.error = r->error;
        ev.hinted.waiting = r->waiting;
        ev.hinted.bytes = r->bytes;
    }
    world_step(w, &ev);
}

bool world_reap(struct world *w)
{
    struct store_result r;
    struct hints_result h;
    bool any = false;
    while (store_reap(w->store, &r)) {
        step_result(w, &r);
        any = true;
    }
    while (hints_reap(w->hints, &h)) {
        step_hints(w, &h);
        any = true;
    }
    backup_look(w);
    return any;
}
