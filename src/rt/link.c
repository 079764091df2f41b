/* link.c: see link.h. */
#include "rt/link.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"
#include "rt/endpoint.h"
#include "rt/peer.h"
#include "rt/world.h"

enum {
    /* room for one read: one frame and its header. Less would split every large chunk in two
     * reads */
    READ_LEAST = 64 * 1024,
    /* Bytes read from a stream in one turn: some 1,500 small writes, which take a few ms to step
     * and store. A stream that has more goes on in the next turn, when the others were read. (libuv
     * would read on, and what is read is stepped at once.) */
    TURN_BYTES = 256 * 1024,
};

/* ---- Life and death ---- */

/* The states that may follow each state: the diagram of link.h. */
static const uint32_t next_states[] = {
    [LINK_CONNECTING] = PHASE(LINK_HELLO) | PHASE(LINK_CLOSING),
    [LINK_HELLO] = PHASE(LINK_UP) | PHASE(LINK_CLOSING),
    [LINK_UP] = PHASE(LINK_CLOSING),
    [LINK_CLOSING] = 0,
};

static struct link *link_new(struct peers *ps, bool opened_here, int seed)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    if (uv_tcp_init(&ps->world->loop, &l->tcp)) {
        free(l);
        return NULL;
    }
    l->tcp.data = l;
    l->peers = ps;
    l->opened_here = opened_here;
    l->seed = seed;
    l->used_ms = ps->world->now_ms;
    frame_writer_init(&l->out, LINK_PENDING_MAX);
    frame_reader_init(&l->in);
    buf_init(&l->waiting, LINK_PENDING_MAX);
    peers_add_link(ps, l);
    return l;
}

static void link_free(uv_handle_t *h)
{
    struct link *l = h->data;
    frame_writer_close(&l->out);
    frame_reader_close(&l->in);
    buf_close(&l->waiting);
    free(l);
}

void link_close(struct link *l, int error, const char *why)
{
    if (l->state == LINK_CLOSING)
        return;
    enum link_state was = l->state;
    phase_enter(&l->state, LINK_CLOSING, next_states);
    uv_close((uv_handle_t *)&l->tcp, link_free);
    peers_link_closed(l->peers, l, was, error, why);
}

void link_up(struct link *l, uint64_t boot)
{
    phase_enter(&l->state, LINK_UP, next_states);
    l->boot = boot;
}

/* libuv reads straight into the frame reader's own buffer. */
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct link *l = h->data;
    uint8_t *space;
    size_t n;
    (void)suggested;
    if (frame_space(&l->in, READ_LEAST, &space, &n))
        *out = uv_buf_init(NULL, 0); /* libuv reports it to on_read as UV_ENOBUFS */
    else
        *out = uv_buf_init((char *)space, (unsigned)n);
}

/* ---- Hello ---- */

static int put_hello(struct link *l, uint64_t sought)
{
    struct message m = {.kind = MSG_HELLO};
    node_hello(&l->peers->world->node, &m.hello);
    m.hello.sought = sought;
    return frame_put(&l->out, &m);
}

/* Sends a refusal and closes. Its few bytes fit the empty socket buffer of a stream that has
 * carried nothing yet. */
static void refuse(struct link *l, int error, struct slice sentence)
{
    struct message m = {.kind = MSG_HELLO_NO,
                        .hello_no = {.error = (uint32_t)-error, .text = sentence}};
    char why[WHY_MAX];
    snprintf(why, sizeof why, "refused: %.*s", (int)sentence.n, (const char *)sentence.p);
    if (frame_put(&l->out, &m) == 0)
        link_write(l);
    /* a refused peer comes again each second: logged the 1st, 2nd, 4th, ... time */
    if (power_of_two(++l->peers->refused))
        world_log(l->peers->world, TRACE_WARN, "peer.refused", l->addr, why);
    link_close(l, error, why);
}

/* A member of another cluster connected to us. The node judges whether that was by mistake. */
static void step_stranger(struct world *w, const struct msg_hello *h)
{
    struct event ev = {.kind = EV_STRANGER, .link = {.hello = h}};
    world_step(w, &ev);
}

static void hello(struct link *l, const struct msg_hello *h)
{
    struct world *w = l->peers->world;
    struct buf why;
    buf_init(&why, WHY_MAX);
    int error = node_check_hello(&w->node, h, &why);
    if (!error && l->peer && l->peer->id != h->node) {
        error = ERR_NOT_A_MEMBER;
        buf_printf(&why, "%s was thought to be another node: its data directory was replaced",
                   l->addr);
    }
    if (error == ERR_OTHER_CLUSTER && !l->opened_here)
        step_stranger(w, h);
    if (error)
        refuse(l, error, buf_view(&why));
    else if (!l->opened_here && put_hello(l, 0))
        link_close(l, ERR_NO_MEMORY, "no memory for the hello");
    else
        peers_link_up(l->peers, l, h);
    buf_close(&why);
}

/* Takes the first message of a stream, which must be a hello, or the refusal of ours. */
static void greet(struct link *l, const struct message *m)
{
    char why[WHY_MAX];
    if (m->kind == MSG_HELLO) {
        hello(l, &m->hello);
    } else if (m->kind == MSG_HELLO_NO && l->opened_here) {
        int error = -(int)(m->hello_no.error & 0xff);
        snprintf(why, sizeof why, "the other side answers: %.*s",
                 (int)(m->hello_no.text.n < 400 ? m->hello_no.text.n : 400),
                 (const char *)m->hello_no.text.p);
        link_close(l, error ? error : ERR_REFUSED, why);
    } else {
        snprintf(why, sizeof why, "the stream began with %s instead of HELLO",
                 message_name(m->kind));
        peers_garbage(l->peers, l, ERR_BAD_MESSAGE, why);
    }
}

/* ---- Reading ---- */

static void on_message(struct link *l, const struct message *m)
{
    struct world *w = l->peers->world;
    l->used_ms = w->now_ms;
    if (l->state != LINK_UP) {
        greet(l, m);
        return;
    }
    /* only the fields of its kind are set: most of an event is room for results of the store */
    struct event ev;
    ev.kind = EV_MESSAGE;
    ev.message.from = l->peer->id;
    ev.message.message = m;
    world_step(w, &ev);
}

/* Counts what was read of the stream in this turn, and stops reading when that is enough. */
static void rest_if_enough(struct link *l, size_t n)
{
    uint64_t turn = l->peers->world->turns;
    l->turn_bytes = l->turn == turn ? l->turn_bytes + n : n;
    l->turn = turn;
    if (l->turn_bytes < TURN_BYTES)
        return;
    uv_read_stop((uv_stream_t *)&l->tcp);
    peers_rest(l->peers, l);
}

/* A client that has the wrong port begins with a letter or a RESP array: it is answered with the
 * right port, in RESP. No frame begins so, for its length would be far above the limit. */
static void answer_client(struct link *l)
{
    const struct settings *s = &l->peers->world->settings;
    uint8_t first = l->in.in.n > 0 && l->in.at == 0 ? l->in.in.p[0] : 0;
    bool text = first == '*' || (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
    char sentence[128];
    if (l->opened_here || l->state != LINK_HELLO || !text)
        return;
    int n = snprintf(sentence, sizeof sentence,
                     "-PEERPORT %u is the port for peers; clients use %u\r\n",
                     s->bind.port + PEER_PORT_OFFSET, s->client_bind.port);
    uv_buf_t b = uv_buf_init(sentence, (unsigned)n);
    /* fits the empty socket buffer; the stream is closed in any case */
    uv_try_write((uv_stream_t *)&l->tcp, &b, 1);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct link *l = s->data;
    struct message m;
    int got = 0;
    (void)b;
    if (n < 0) {
        link_close(l, ERR_CLOSED, n == UV_EOF ? "the peer closed the stream" : uv_strerror((int)n));
        return;
    }
    world_clock(l->peers->world);
    frame_received(&l->in, (size_t)n);
    rest_if_enough(l, (size_t)n);
    while (l->state != LINK_CLOSING && (got = frame_next(&l->in, &m)) == 1)
        on_message(l, &m);
    if (l->state != LINK_CLOSING && got < 0) {
        char why[WHY_MAX];
        answer_client(l);
        snprintf(why, sizeof why, "no frame of covey's: %s", error_sentence(got));
        peers_garbage(l->peers, l, got, why);
    }
}

void link_resume(struct link *l)
{
    int error = uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
    if (error)
        link_close(l, ERR_IO, uv_strerror(error));
}

static void link_read_on(struct link *l)
{
    phase_enter(&l->state, LINK_HELLO, next_states);
    l->deadline_ms = l->peers->world->now_ms + LINK_HELLO_MS;
    uv_tcp_nodelay(&l->tcp, 1);
    link_resume(l);
}

/* ---- Opening ---- */

static void on_connect(uv_connect_t *c, int status)
{
    struct link *l = c->data;
    if (l->state == LINK_CLOSING)
        return;
    world_clock(l->peers->world);
    if (status) {
        link_close(l, ERR_CLOSED, uv_strerror(status));
        return;
    }
    link_read_on(l);
    if (l->state != LINK_CLOSING) /* it could be read from */
        peers_dirty(l->peers, l);
}

struct link *link_open(struct peers *ps, struct addr base, int seed, uint64_t sought)
{
    struct sockaddr_storage sa;
    struct link *l = link_new(ps, true, seed);
    if (!l)
        return NULL;
    l->deadline_ms = ps->world->now_ms + LINK_CONNECT_MS;
    l->connect.data = l;
    struct addr shown = base;
    shown.port = (uint16_t)(base.port + PEER_PORT_OFFSET);
    addr_text(shown, l->addr);
    endpoint_sockaddr(base, PEER_PORT_OFFSET, &sa);
    if (put_hello(l, sought) ||
        uv_tcp_connect(&l->connect, &l->tcp, (const struct sockaddr *)&sa, on_connect)) {
        l->seed = -1; /* the caller gets NULL, and steps the node itself */
        link_close(l, ERR_IO, "");
        return NULL;
    }
    return l;
}

struct link *link_accept(struct peers *ps, uv_stream_t *listener)
{
    struct sockaddr_storage sa = {0};
    int n = sizeof sa;
    struct link *l = link_new(ps, false, -1);
    if (!l)
        return NULL;
    if (uv_accept(listener, (uv_stream_t *)&l->tcp)) {
        link_close(l, ERR_IO, "");
        return NULL;
    }
    uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&sa, &n);
    addr_text(endpoint_addr((const struct sockaddr *)&sa, 0), l->addr);
    link_read_on(l);
    return l->state == LINK_CLOSING ? NULL : l;
}

/* ---- Writing ---- */

int link_put(struct link *l, const struct message *m)
{
    CHECK(l->state != LINK_CLOSING);
    l->used_ms = l->peers->world->now_ms;
    /* a small message may overtake large ones that wait for a channel: frames interleave for
     * that */
    if (l->state == LINK_UP && (l->waiting.n == 0 || message_size(m) <= FRAME_CHUNK)) {
        peers_dirty(l->peers, l);
        int error = frame_put(&l->out, m);
        if (error != ERR_BUSY)
            return error;
    }
    return message_append(&l->waiting, m) ? ERR_BUSY : 0;
}

/* Moves waiting messages into the writer while it has room. True when any moved. */
static bool refill(struct link *l)
{
    struct message m;
    bool moved = false;
    while (l->state == LINK_UP && l->waiting_at < l->waiting.n) {
        int n = message_decode(slice_of(l->waiting.p + l->waiting_at, l->waiting.n - l->waiting_at),
                               &m);
        CHECK(n > 0);
        if (frame_put(&l->out, &m))
            break;
        l->waiting_at += (size_t)n;
        moved = true;
    }
    if (l->waiting.n && l->waiting_at == l->waiting.n) {
        l->waiting_at = l->waiting.n = 0;
        if (l->waiting.cap > LINK_KEEP_MAX)
            buf_close(&l->waiting);
    }
    return moved;
}

static void on_written(uv_write_t *req, int status)
{
    struct link *l = req->data;
    if (l->state == LINK_CLOSING)
        return;
    l->writing = false;
    if (status) {
        link_close(l, ERR_CLOSED, uv_strerror(status));
        return;
    }
    struct slice bytes;
    if (frame_output(&l->out, &bytes) == 0)
        frame_sent(&l->out, bytes.n);
    peers_dirty(l->peers, l);
}

/* The socket is full. libuv writes the rest when there is room; the writer does not move those
 * bytes until then. */
static void write_later(struct link *l, struct slice bytes)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);
    l->write.data = l;
    l->writing = true;
    int error = uv_write(&l->write, (uv_stream_t *)&l->tcp, &b, 1, on_written);
    if (error)
        link_close(l, ERR_CLOSED, uv_strerror(error));
}

void link_write(struct link *l)
{
    while (!l->writing && l->state != LINK_CLOSING && l->state != LINK_CONNECTING) {
        struct slice bytes;
        if (frame_output(&l->out, &bytes)) {
            link_close(l, ERR_NO_MEMORY, "no memory for output");
            return;
        }
        if (bytes.n == 0) {
            if (!refill(l))
                return;
            continue;
        }
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);
        int n = uv_try_write((uv_stream_t *)&l->tcp, &b, 1);
        if (n < 0 && n != UV_EAGAIN) {
            link_close(l, ERR_CLOSED, uv_strerror(n));
            return;
        }
        size_t sent = n > 0 ? (size_t)n : 0;
        frame_sent(&l->out, sent);
        if (sent < bytes.n)
            write_later(l, slice_of(bytes.p + sent, bytes.n - sent));
    }
}
