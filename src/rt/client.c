/* client.c: see client.h. */
#include "rt/client.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "rt/endpoint.h"
#include "rt/world.h"

/* ---- The table ---- */

int clients_init(struct clients *cs, uint32_t n_max)
{
    CHECK(n_max <= CLIENTS_LIMIT);
    cs->n_max = n_max;
    cs->cell = calloc(n_max, sizeof *cs->cell);
    cs->generation = calloc(n_max, sizeof *cs->generation);
    return cs->cell && cs->generation ? 0 : ERR_NO_MEMORY;
}

void clients_free(struct clients *cs)
{
    free(cs->cell);
    free(cs->generation);
    cs->cell = NULL;
    cs->generation = NULL;
}

static struct client *client_find(const struct clients *cs, uint32_t handle)
{
    uint32_t i = handle & 0xffff;
    struct client *c = i < cs->n_max ? cs->cell[i] : NULL;
    return c && c->handle == handle ? c : NULL;
}

/* Gives a client a cell and its handle; there is room. */
static void client_enter(struct clients *cs, struct client *c)
{
    CHECK(cs->n < cs->n_max);
    while (cs->cell[cs->search])
        cs->search = (cs->search + 1) % cs->n_max;
    cs->cell[cs->search] = c;
    c->handle = (uint32_t)++cs->generation[cs->search] << 16 | cs->search;
    cs->n++;
}

static void mark_dirty(struct client *c)
{
    if (c->dirty || c->closing)
        return;
    c->dirty = true;
    c->next_dirty = c->clients->dirty;
    c->clients->dirty = c;
}

static void mark_runnable(struct client *c)
{
    mark_dirty(c);
    if (c->runnable || c->closing)
        return;
    c->runnable = true;
    c->next_runnable = c->clients->runnable;
    c->clients->runnable = c;
}

/* ---- Death ---- */

static void client_free(uv_handle_t *h)
{
    struct client *c = h->data;
    buf_close(&c->writing);
    free(c);
}

static void client_close(struct client *c)
{
    struct clients *cs = c->clients;
    if (c->closing)
        return;
    CHECK(client_find(cs, c->handle) == c);
    c->closing = true;
    session_close(&c->session);
    for (struct client **at = &cs->runnable; c->runnable; at = &(*at)->next_runnable)
        if (*at == c) {
            *at = c->next_runnable;
            c->runnable = false;
            break;
        }
    for (struct client **at = &cs->dirty; c->dirty; at = &(*at)->next_dirty)
        if (*at == c) {
            *at = c->next_dirty;
            c->dirty = false;
            break;
        }
    cs->cell[c->handle & 0xffff] = NULL;
    cs->n--;
    uv_close((uv_handle_t *)&c->tcp, client_free);
}

/* ---- Reading ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct client *c = h->data;
    struct buf *in = &c->session.in;
    (void)suggested;
    /* room grows with what an unfinished command has already: a large value arrives in few reads */
    size_t least = in->n < CLIENT_READ_LEAST  ? CLIENT_READ_LEAST
                   : in->n < CLIENT_READ_MOST ? in->n
                                              : CLIENT_READ_MOST;
    if (in->max - in->n < least)
        least = in->max - in->n;
    if (least == 0 || buf_reserve(in, least))
        *out = uv_buf_init(NULL, 0); /* libuv reports it to on_read as UV_ENOBUFS */
    else
        *out = uv_buf_init((char *)in->p + in->n, (unsigned)(in->cap - in->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct client *c = s->data;
    (void)b;
    if (n < 0) {
        client_close(c);
        return;
    }
    world_clock(c->clients->world);
    c->session.in.n += (size_t)n;
    mark_runnable(c);
}

/* Reads, or stops: a session that is full leaves the bytes in the socket, and TCP slows the client
 * down. */
static void read_if_room(struct client *c)
{
    bool want = !c->clients->draining && !session_full(&c->session) && !session_done(&c->session);
    if (c->closing || want == c->reading)
        return;
    c->reading = want;
    if (want)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

static void client_run(struct client *c)
{
    struct world *w = c->clients->world;
    struct request request;
    /* only the fields of its kind are set: most of an event is room for results of the store */
    struct event ev;
    ev.kind = EV_REQUEST;
    ev.request = &request;
    while (session_next(&c->session, w->now_ms, w->wall_ms, &request))
        world_step(w, &ev);
    if (c->session.in.n == 0 && c->session.in.cap > CLIENT_KEEP_MAX)
        buf_close(&c->session.in);
    read_if_room(c);
}

bool clients_run(struct clients *cs)
{
    bool any = cs->runnable;
    while (cs->runnable) {
        struct client *c = cs->runnable;
        cs->runnable = c->next_runnable;
        c->runnable = false;
        client_run(c);
    }
    return any;
}

void clients_reply(struct clients *cs, const struct result *r)
{
    struct client *c = client_find(cs, REQUEST_HANDLE(r->token));
    if (!c)
        return; /* it has disconnected */
    session_result(&c->session, r, cs->world->now_ms);
    mark_runnable(c);
}

void clients_member(struct clients *cs, const struct member_info *m)
{
    for (uint32_t i = 0; i < cs->n_max; i++)
        if (cs->cell[i] && cs->cell[i]->session.subscribed) {
            session_member(&cs->cell[i]->session, m);
            mark_dirty(cs->cell[i]);
        }
}

/* ---- Writing ---- */

static void on_written(uv_write_t *req, int status)
{
    struct client *c = req->data;
    if (c->closing)
        return;
    c->busy = false;
    c->writing.n = 0;
    if (c->writing.cap > CLIENT_KEEP_MAX)
        buf_close(&c->writing);
    if (status) {
        client_close(c);
        return;
    }
    world_clock(c->clients->world);
    mark_runnable(c); /* the session may have waited for room in its output */
}

/* The socket is full: libuv gets the buffer, from byte `sent` on, and the session an empty one. */
static void write_later(struct client *c, size_t sent)
{
    struct buf rest = c->session.out;
    c->session.out = c->writing;
    c->writing = rest;
    c->busy = true;
    c->write.data = c;
    uv_buf_t b = uv_buf_init((char *)rest.p + sent, (unsigned)(rest.n - sent));
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written))
        client_close(c);
}

static void client_write(struct client *c)
{
    struct buf *out = &c->session.out;
    if (!c->busy && out->n > 0) {
        bool was_full = session_full(&c->session);
        uv_buf_t b = uv_buf_init((char *)out->p, (unsigned)out->n);
        int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
        size_t sent = n > 0 ? (size_t)n : 0;
        if (n < 0 && n != UV_EAGAIN) {
            client_close(c);
            return;
        }
        if (sent < out->n) {
            write_later(c, sent);
            return;
        }
        buf_consume(out, sent);
        if (out->cap > CLIENT_KEEP_MAX)
            buf_close(out);
        if (was_full)
            mark_runnable(c); /* the next turn goes on with what waited for room */
    }
    if (session_done(&c->session) && out->n == 0 && !c->busy)
        client_close(c);
}

void clients_write(struct clients *cs)
{
    struct client *c = cs->dirty;
    cs->dirty = NULL; /* what becomes dirty meanwhile is for the next turn */
    while (c) {
        struct client *next = c->next_dirty;
        c->dirty = false;
        client_write(c);
        c = next;
    }
}

/* ---- Listening ---- */

static void turn_away(struct client *c)
{
    static char sentence[] = "-ERR max number of clients reached\r\n";
    uv_buf_t b = uv_buf_init(sentence, sizeof sentence - 1);
    uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    c->closing = true;
    c->clients->world->front.rejected++;
    uv_close((uv_handle_t *)&c->tcp, client_free);
}

static void admit(struct client *c)
{
    struct clients *cs = c->clients;
    struct sockaddr_storage sa = {0};
    int n = sizeof sa;
    char text[ADDR_TEXT];
    uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &n);
    addr_text(endpoint_addr((const struct sockaddr *)&sa, 0), text);
    uv_tcp_nodelay(&c->tcp, 1);
    client_enter(cs, c);
    session_init(&c->session, &cs->world->front, c->handle, slice_str(text), cs->world->now_ms);
    buf_init(&c->writing, c->session.out.max);
    read_if_room(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct clients *cs = listener->data;
    world_clock(cs->world);
    struct client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    if (!c || uv_tcp_init(&cs->world->loop, &c->tcp)) {
        world_log(cs->world, TRACE_WARN, "client.accept_failed", "",
                  status < 0 ? uv_strerror(status) : "out of memory");
        free(c);
        return;
    }
    c->tcp.data = c;
    c->clients = cs;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp)) {
        c->closing = true;
        uv_close((uv_handle_t *)&c->tcp, client_free);
    } else if (cs->n == cs->n_max) {
        turn_away(c);
    } else {
        admit(c);
    }
}

int clients_listen(struct clients *cs, struct addr base)
{
    cs->listener.data = cs;
    return world_listen(cs->world, &cs->listener, base, on_connection);
}

/* ---- The end ---- */

void clients_drain(struct clients *cs)
{
    cs->draining = true;
    for (uint32_t i = 0; i < cs->n_max; i++)
        if (cs->cell[i])
            read_if_room(cs->cell[i]);
}

bool clients_drained(const struct clients *cs)
{
    for (uint32_t i = 0; i < cs->n_max; i++) {
        const struct client *c = cs->cell[i];
        if (c && (c->busy || c->session.out.n > 0 || c->session.head != c->session.tail))
            return false;
    }
    return true;
}

void clients_close(struct clients *cs)
{
    for (uint32_t i = 0; i < cs->n_max; i++)
        if (cs->cell[i])
            client_close(cs->cell[i]);
}
