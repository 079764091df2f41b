/* step.c: the node's door, seen from outside: events in, actions out into the world. See world.h.
 *
 * The node must not be stepped while its actions are carried out, because they point into it. So a
 * stream that fails at that moment goes on a list, and the node is stepped with it when the actions
 * are done. Everything else that actions cause (a client's next request, results of the store)
 * waits for its place in the turn. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/words.h"
#include "glue/glue.h"
#include "rt/figures.h"
#include "rt/world.h"

void world_log(struct world *w, enum trace_level level, const char *event, const char *addr,
               const char *why)
{
    logger_event(&w->logger, w->wall_ms, level, event, addr, why);
}

/* The node cannot go on: the loop ends with this turn. */
static void node_stops(struct world *w, int error, struct slice why)
{
    size_t n = why.n < WHY_MAX ? why.n : WHY_MAX - 1;
    w->error = error ? error : ERR_REFUSED;
    if (n)
        memcpy(w->why, why.p, n);
    w->why[n] = 0;
    uv_stop(&w->loop);
}

static void report_ready(struct world *w, const struct trace *t)
{
    char sentence[WHY_MAX], id[ADDR_TEXT];
    if (!w->on_state)
        return;
    snprintf(sentence, sizeof sentence,
             "%.*s is ready: one of %llu member%s, layout epoch %llu, cluster %s",
             (int)w->birth.name_n, (const char *)w->birth.name, (unsigned long long)t->b,
             words_s(t->b), (unsigned long long)t->a, cluster_id_text(w->node.member.cluster, id));
    w->on_state(w->arg, COVEY_READY, sentence);
}

/* Logs a trace. Some traces also change what INFO shows, or are reported to the host program. */
static void traced(struct world *w, const struct trace *t)
{
    logger_trace(&w->logger, w->wall_ms, t);
    if (t->kind == TRACE_NODE_READY)
        report_ready(w, t);
    w->front.backup_running |= t->kind == TRACE_BACKUP_BEGAN;
    if (t->kind != TRACE_BACKUP_DONE && t->kind != TRACE_BACKUP_FAILED)
        return;
    w->front.backup_running = false;
    w->front.backup_failed = t->kind == TRACE_BACKUP_FAILED;
    if (!w->front.backup_failed)
        w->front.backup_ms = t->a;
}

static void reply(struct world *w, const struct result *r)
{
    if (REQUEST_ASKER(r->token) != ASKER_CLIENT)
        return;
    if (r->kind == OP_STATUS)
        figures_reply(w, r);
    else
        clients_reply(&w->clients, r);
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
    case ACT_REPLY:
        reply(w, &a->reply);
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
    default:
        CHECK(false); /* no world carries out such an action */
    }
}

static void step_once(struct world *w, struct event *ev)
{
    CHECK(!w->stepping);
    w->stepping = true;
    w->steps++;
    ev->now_ms = w->now_ms;
    ev->wall_ms = w->wall_ms;
    glue_step(&w->node, w->store, ev, &w->out);
    for (unsigned i = 0; i < w->out.n; i++)
        if (!glue_carry(&w->node, w->store, w->hints, &w->out.action[i]))
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

static void step_downs(struct world *w)
{
    for (size_t i = 0; i < w->downs.n; i++) { /* the list may grow and move meanwhile */
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
    step_downs(w);
}

/* The actions of a step bound how many links can fail in it. Several failures of one peer count as
 * one. */
static void note_down(struct downs *ds, const struct link_down *d)
{
    for (size_t i = 0; i < ds->n; i++)
        if (ds->at[i].peer == d->peer && ds->at[i].seed == d->seed)
            return;
    if (ds->n == ds->cap) {
        size_t cap = ds->cap ? 2 * ds->cap : 16;
        struct link_down *at = realloc(ds->at, cap * sizeof *at);
        CHECK(at); /* a few KB; without the event the node would wait for ever */
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
        note_down(&w->downs, &d);
        return;
    }
    step_down(w, &d);
    step_downs(w);
}

bool world_reap(struct world *w)
{
    struct event ev;
    bool any = false;
    for (; glue_reap(w->store, w->hints, &ev); any = true)
        world_step(w, &ev);
    return any;
}
