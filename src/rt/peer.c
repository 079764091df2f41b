/* peer.c: see peer.h. */
#include "rt/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "rt/world.h"

/* ---- The table ---- */

/* Ids are random, so their low bits are the hash. */
static struct peer *peer_find(struct peers *ps, uint64_t id)
{
    struct peer *p;
    HASH_FIND_BYHASHVALUE(hh, ps->by_id, &id, sizeof id, (unsigned)id, p);
    return p;
}

static struct peer *peer_get(struct peers *ps, uint64_t id)
{
    struct peer *p = peer_find(ps, id);
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->id = id;
    HASH_ADD_BYHASHVALUE(hh, ps->by_id, id, sizeof p->id, (unsigned)id, p);
    if (peer_find(ps, id) == p)
        return p;
    free(p); /* the hash table could not grow */
    return NULL;
}

static void peer_attach(struct peer *p, struct link *l)
{
    l->peer = p;
    l->next_of_peer = p->links;
    p->links = l;
}

static void peer_detach(struct link *l)
{
    struct link **at = &l->peer->links;
    while (*at != l)
        at = &(*at)->next_of_peer;
    *at = l->next_of_peer;
}

/* The stream to write to: one that is up; of several the one that the smaller id opened, since both
 * ends choose so; else one that is opening. */
static struct link *peer_writer(const struct peers *ps, const struct peer *p)
{
    struct link *best = NULL;
    bool ours = ps->world->birth.id < p->id;
    for (struct link *l = p->links; l; l = l->next_of_peer)
        if (!best || (l->state == LINK_UP && best->state != LINK_UP) ||
            (l->state == LINK_UP && l->opened_here == ours && best->opened_here != ours))
            best = l;
    return best;
}

static unsigned peer_up_n(const struct peer *p)
{
    unsigned n = 0;
    for (const struct link *l = p->links; l; l = l->next_of_peer)
        n += l->state == LINK_UP;
    return n;
}

/* ---- What links report ---- */

void peers_add_link(struct peers *ps, struct link *l)
{
    l->next = ps->all;
    if (ps->all)
        ps->all->prev = l;
    ps->all = l;
    ps->opening_n++;
    ps->stranger_n += !l->opened_here;
}

/* A link is not opening any more: it is up, or closed before it was. */
static void ended_opening(struct peers *ps, const struct link *l)
{
    CHECK(ps->opening_n > 0 && (l->opened_here || ps->stranger_n > 0));
    ps->opening_n--;
    ps->stranger_n -= !l->opened_here;
}

void peers_dirty(struct peers *ps, struct link *l)
{
    if (l->dirty)
        return;
    l->dirty = true;
    l->next_dirty = ps->dirty;
    ps->dirty = l;
}

void peers_rest(struct peers *ps, struct link *l)
{
    if (l->resting)
        return;
    l->resting = true;
    l->next_resting = ps->resting;
    ps->resting = l;
}

static void peers_unlist(struct peers *ps, struct link *l)
{
    *(l->prev ? &l->prev->next : &ps->all) = l->next;
    if (l->next)
        l->next->prev = l->prev;
    for (struct link **at = &ps->dirty; l->dirty; at = &(*at)->next_dirty)
        if (*at == l) {
            *at = l->next_dirty;
            l->dirty = false;
            break;
        }
    for (struct link **at = &ps->resting; l->resting; at = &(*at)->next_resting)
        if (*at == l) {
            *at = l->next_resting;
            l->resting = false;
            break;
        }
}

static void close_older_boots(struct peer *p, uint64_t boot)
{
    struct link *l = p->links;
    while (l) {
        if (l->state == LINK_UP && l->boot != boot) {
            link_close(l, ERR_CLOSED, "the peer was started again");
            l = p->links;
        } else {
            l = l->next_of_peer;
        }
    }
}

void peers_link_up(struct peers *ps, struct link *l, const struct msg_hello *h)
{
    struct peer *p = peer_get(ps, h->node);
    if (!p || peer_up_n(p) >= PEER_LINKS_MAX) {
        link_close(l, ERR_BUSY, "too many streams with one peer");
        return;
    }
    ended_opening(ps, l);
    if (!l->peer)
        peer_attach(p, l);
    link_up(l, h->boot);
    ps->untidy = true;
    peers_dirty(ps, l);
    /* after the attach, so that the peer is not down: LINK_UP tells the node that messages may be
     * lost */
    close_older_boots(p, h->boot);
    struct event ev = {.kind = EV_LINK_UP, .link = {.peer = h->node, .seed = l->seed, .hello = h}};
    l->seed = -1;
    world_step(ps->world, &ev);
}

/* Messages that wait in a stream that never got up move to another stream of that peer. */
static void rescue(struct link *from, struct link *to)
{
    struct message m;
    while (from->waiting_at < from->waiting.n) {
        int n = message_decode(
            slice_of(from->waiting.p + from->waiting_at, from->waiting.n - from->waiting_at), &m);
        CHECK(n > 0);
        from->waiting_at += (size_t)n;
        int error = link_put(to, &m);
        if (error) {
            link_close(to, error, "too much waits for the peer");
            return;
        }
    }
}

void peers_link_closed(struct peers *ps, struct link *l, enum link_state was, int error,
                       const char *why)
{
    peers_unlist(ps, l);
    ps->untidy = true;
    if (was != LINK_UP)
        ended_opening(ps, l);
    if (!l->peer) {
        if (l->seed >= 0)
            seeds_down(&ps->world->seeds, l->seed, error, why);
        return;
    }
    struct peer *p = l->peer;
    peer_detach(l);
    struct link *other = peer_writer(ps, p);
    if (was != LINK_UP && other) {
        rescue(l, other);
        return;
    }
    if (peer_up_n(p) == 0)
        world_link_down(ps->world, p->id, -1, error, why);
}

void peers_garbage(struct peers *ps, struct link *l, int error, const char *why)
{
    ps->garbage++;
    world_log(ps->world, TRACE_WARN, "peer.garbage", l->addr, why);
    link_close(l, error, why);
}

/* ---- What the node asks ---- */

void peers_send(struct peers *ps, uint64_t to, struct addr base, const struct message *m)
{
    struct peer *p = peer_get(ps, to);
    struct link *l = p ? peer_writer(ps, p) : NULL;
    if (p && !l) {
        l = link_open(ps, base, -1, to);
        if (l)
            peer_attach(p, l);
    }
    if (!l) {
        world_link_down(ps->world, to, -1, ERR_CLOSED, "no stream could be opened");
        return;
    }
    int error = link_put(l, m);
    if (error)
        link_close(l, error, "too much waits for the peer");
}

void peers_open_seed(struct peers *ps, int seed, struct addr base)
{
    if (!link_open(ps, base, seed, 0))
        seeds_down(&ps->world->seeds, seed, ERR_IO, "no stream could be opened");
}

/* ---- Time ---- */

static bool link_overdue(const struct peers *ps, const struct link *l, uint64_t now_ms, int *error,
                         const char **why)
{
    *error = ERR_CLOSED;
    *why = l->state == LINK_CONNECTING ? "no connection within 1 s" : "no hello within 3 s";
    if (l->state != LINK_UP)
        return now_ms >= l->deadline_ms;
    *why = "idle";
    return peer_writer(ps, l->peer) != l && now_ms >= l->used_ms + PEER_IDLE_MS &&
           !frame_pending(&l->out) && l->waiting.n == 0;
}

static void free_linkless(struct peers *ps)
{
    struct peer *p, *next;
    HASH_ITER(hh, ps->by_id, p, next)
    {
        if (!p->links) {
            HASH_DEL(ps->by_id, p);
            free(p);
        } else if (p->links->next_of_peer) {
            ps->untidy = true; /* a second link, which may become idle */
        }
    }
}

void peers_tick(struct peers *ps, uint64_t now_ms)
{
    const char *why;
    int error;
    if (now_ms < peers_deadline_ms(ps))
        return;
    ps->ticked_ms = now_ms;
    ps->untidy = false;
    for (struct link *l = ps->all; l;) {
        if (link_overdue(ps, l, now_ms, &error, &why)) {
            /* this steps the node, which may close any other link: begin again */
            link_close(l, error, why);
            l = ps->all;
        } else {
            l = l->next;
        }
    }
    free_linkless(ps);
}

uint64_t peers_deadline_ms(const struct peers *ps)
{
    if (ps->opening_n)
        return ps->ticked_ms + PEER_TICK_MS;
    return ps->untidy ? ps->ticked_ms + 10 * PEER_TICK_MS : UINT64_MAX;
}

void peers_write(struct peers *ps)
{
    while (ps->dirty) {
        struct link *l = ps->dirty;
        ps->dirty = l->next_dirty;
        l->dirty = false;
        link_write(l);
    }
}

void peers_resume(struct peers *ps)
{
    while (ps->resting) {
        struct link *l = ps->resting;
        ps->resting = l->next_resting;
        l->resting = false;
        link_resume(l);
    }
}

bool peers_pending(const struct peers *ps)
{
    for (const struct link *l = ps->all; l; l = l->next)
        if (l->state == LINK_UP && frame_pending(&l->out))
            return true;
    return false;
}

/* ---- Listening ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct peers *ps = listener->data;
    if (status < 0) {
        world_log(ps->world, TRACE_WARN, "peer.accept_failed", "", uv_strerror(status));
        return;
    }
    world_clock(ps->world);
    struct link *l = link_accept(ps, listener);
    if (l && ps->stranger_n > PEER_STRANGERS_MAX)
        link_close(l, ERR_BUSY, "too many streams without a hello");
}

int peers_listen(struct peers *ps, struct addr base)
{
    base.port = (uint16_t)(base.port + PEER_PORT_OFFSET);
    ps->listener.data = ps;
    return world_listen(ps->world, &ps->listener, base, on_connection);
}

void peers_close(struct peers *ps)
{
    while (ps->all)
        link_close(ps->all, ERR_CLOSED, "the node stops");
}

void peers_free(struct peers *ps)
{
    struct peer *p, *next;
    HASH_ITER(hh, ps->by_id, p, next)
    {
        HASH_DEL(ps->by_id, p);
        free(p);
    }
}
