/* floor.c: the bare floor: three processes that do all that a replicated SET needs of a network,
 * and nothing else.
 *
 *     floor INDEX PORT PORT PORT
 *
 * It is process INDEX of three, with the clients' ports of all three; peers use PORT + 1, all on
 * 127.0.0.1.
 *
 * A ratio to a figure from another machine, or from another minute of a shared one, has little
 * meaning. So the benchmark runs these three beside the three nodes of covey, and divides. The
 * floor parses enough RESP for a load generator (SET, GET, PING), forwards each SET whole to both
 * peers over one TCP connection for each pair, and answers OK at the first ack. It has no record,
 * no checksum, no version, no membership, no deadline and no error: what is left is parsing,
 * copying, and the kernel. A GET is forwarded to one peer and answered at its ack, with as many
 * bytes as the last SET had: with three copies on three nodes every coordinator has one, and the
 * second owner only agrees.
 *
 * It is as fast as one thread can honestly be: raw epoll, and in each turn one read of each
 * readable connection, then one write for each peer and client that something is for. Each request
 * is acked by itself, by number, as a replica must.
 *
 * Requests are numbered as they arrive, and answered in that order. For SETs that costs nothing:
 * both peers ack in order, so what either has acked is a prefix. Only where SETs and GETs mix does
 * one wait for another. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

enum {
    NODES = 3,
    PEERS = NODES - 1,
    CONNS_MAX = 4096,
    PENDING_MAX = 1 << 20,     /* requests under way; a power of two. 4,000 clients with 256 each */
    READ_BYTES = 256 * 1024,   /* of one read: what the busiest peer sends in a turn */
    BUFFER_MAX = 1 << 29,      /* all requests of the largest load at once */
    VALUE_MAX_FLOOR = 1 << 20, /* bytes of a value */
    ARGS_MAX = 3,
    EVENTS_MAX = 256,
    RETRY_NS = 5 * 1000 * 1000, /* before a peer that is not up yet is tried again */
};

enum conn_kind { CONN_FREE, CONN_CLIENT_LISTENER, CONN_PEER_LISTENER, CONN_CLIENT, CONN_PEER };

struct conn {
    enum conn_kind kind;
    int fd;
    uint32_t generation; /* a reply for a client that is gone finds another generation */
    bool dirty;          /* in the list of connections to write at the end of the turn */
    bool blocked;        /* the socket was full: EPOLLOUT is asked for */
    bool dead;
    struct buf in, out;
};

enum frame_kind { FRAME_SET, FRAME_GET, FRAME_ACK };

/* A frame on a peer's connection. The three processes are one program on one machine, so the
 * struct's layout is the format. */
struct frame {
    uint32_t kind;
    uint32_t number;
    uint32_t key_n;
    uint32_t value_n;
};

struct pending {
    uint32_t conn, generation;
    bool done;
    enum { ANSWER_OK, ANSWER_VALUE, ANSWER_PONG } answer;
};

static struct conn conns[CONNS_MAX];
static struct conn *peers[PEERS];
static struct conn *dirty[CONNS_MAX];
static unsigned dirty_n;
static struct pending pending[PENDING_MAX];
static uint32_t first, next; /* number of the oldest request under way, and of the next one */
static uint8_t value[VALUE_MAX_FLOOR];
static uint32_t value_n = 100;
static int epoll_fd;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- Connections ---- */

static struct conn *conn_add(int fd, enum conn_kind kind)
{
    struct conn *c = conns;
    int on = 1;
    while (c < conns + CONNS_MAX && c->kind != CONN_FREE)
        c++;
    CHECK(c < conns + CONNS_MAX);
    if (kind == CONN_CLIENT || kind == CONN_PEER)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *c = (struct conn){.kind = kind, .fd = fd, .generation = c->generation + 1};
    buf_init(&c->in, BUFFER_MAX);
    buf_init(&c->out, BUFFER_MAX);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll_ctl");
    return c;
}

static void touch(struct conn *c)
{
    if (!c->dirty)
        dirty[dirty_n++] = c;
    c->dirty = true;
}

/* Marks a connection to be closed at the end of the turn: events of this turn may still point to
 * it. */
static void conn_kill(struct conn *c)
{
    c->dead = true;
    touch(c);
}

static void conn_free(struct conn *c)
{
    if (c->kind == CONN_PEER)
        exit(0); /* the others are gone, so the run is over */
    close(c->fd);
    buf_close(&c->in);
    buf_close(&c->out);
    c->kind = CONN_FREE;
}

static void put(struct conn *c, const void *p, size_t n)
{
    if (buf_append(&c->out, p, n) != 0)
        conn_kill(c);
    touch(c);
}

/* ---- Answers ---- */

static void answer(struct conn *c, const struct pending *q)
{
    char head[32];
    if (q->answer == ANSWER_OK) {
        put(c, "+OK\r\n", 5);
    } else if (q->answer == ANSWER_PONG) {
        put(c, "+PONG\r\n", 7);
    } else {
        put(c, head, (size_t)snprintf(head, sizeof head, "$%u\r\n", value_n));
        put(c, value, value_n);
        put(c, "\r\n", 2);
    }
}

/* Answers all requests that are done, in their order. */
static void answer_done(void)
{
    for (; first != next && pending[first % PENDING_MAX].done; first++) {
        struct pending *q = &pending[first % PENDING_MAX];
        struct conn *c = &conns[q->conn];
        if (c->kind == CONN_CLIENT && c->generation == q->generation && !c->dead)
            answer(c, q);
    }
}

/* ---- Peers ---- */

static void forward(struct conn *peer, const struct frame *f, struct slice key,
                    struct slice payload)
{
    put(peer, f, sizeof *f);
    put(peer, key.p, key.n);
    put(peer, payload.p, payload.n);
}

static void take_frame(struct conn *c, const struct frame *f)
{
    struct frame ack = {.kind = FRAME_ACK, .number = f->number};
    if (f->kind == FRAME_SET)
        value_n = f->value_n;
    if (f->kind != FRAME_ACK)
        put(c, &ack, sizeof ack);
    else if (f->number - first < next - first) /* else the other peer's ack came first */
        pending[f->number % PENDING_MAX].done = true;
}

static void take_frames(struct conn *c)
{
    size_t at = 0;
    struct frame f;
    while (c->in.n - at >= sizeof f) {
        memcpy(&f, c->in.p + at, sizeof f);
        size_t n = sizeof f + f.key_n + f.value_n;
        if (c->in.n - at < n)
            break;
        take_frame(c, &f);
        at += n;
    }
    buf_consume(&c->in, at);
    answer_done();
}

/* ---- Clients ---- */

/* Parses the number of "$3\r\n" or "*3\r\n", and moves *at behind the line. False: incomplete, or
 * bad; *at is SIZE_MAX when bad. */
static bool parse_count(struct slice in, size_t *at, uint8_t mark, uint32_t *out)
{
    size_t i = *at;
    uint32_t n = 0;
    if (i < in.n && in.p[i] != mark)
        *at = SIZE_MAX;
    if (i >= in.n || in.p[i++] != mark)
        return false;
    while (i < in.n && in.p[i] >= '0' && in.p[i] <= '9' && n <= VALUE_MAX_FLOOR)
        n = n * 10 + in.p[i++] - '0';
    if ((i < in.n && in.p[i] != '\r') || n > VALUE_MAX_FLOOR)
        *at = SIZE_MAX;
    if (*at == SIZE_MAX || i + 2 > in.n)
        return false;
    *at = i + 2;
    *out = n;
    return true;
}

/* Parses one request at *at. Returns its number of arguments; 0 when it is incomplete (*at
 * unchanged); -1 when it is none. */
static int parse_request(struct slice in, size_t *at, struct slice arg[ARGS_MAX])
{
    size_t i = *at;
    uint32_t arg_n, n;
    if (!parse_count(in, &i, '*', &arg_n))
        return i == SIZE_MAX ? -1 : 0;
    if (arg_n == 0 || arg_n > ARGS_MAX)
        return -1;
    for (uint32_t k = 0; k < arg_n; k++) {
        if (!parse_count(in, &i, '$', &n))
            return i == SIZE_MAX ? -1 : 0;
        if (in.n - i < (size_t)n + 2)
            return 0;
        arg[k] = slice_of(in.p + i, n);
        i += (size_t)n + 2;
    }
    *at = i;
    return (int)arg_n;
}

static void run_request(struct conn *c, const struct slice *arg, int arg_n)
{
    if (next - first == PENDING_MAX) {
        conn_kill(c);
        return;
    }
    uint32_t number = next++;
    struct pending *q = &pending[number % PENDING_MAX];
    *q = (struct pending){.conn = (uint32_t)(c - conns), .generation = c->generation};
    if (arg_n == 3 && slice_eq(arg[0], SLICE("SET"))) {
        struct frame f = {FRAME_SET, number, (uint32_t)arg[1].n, (uint32_t)arg[2].n};
        value_n = f.value_n;
        for (unsigned i = 0; i < PEERS; i++)
            forward(peers[i], &f, arg[1], arg[2]);
    } else if (arg_n == 2 && slice_eq(arg[0], SLICE("GET"))) {
        struct frame f = {FRAME_GET, number, (uint32_t)arg[1].n, 0};
        q->answer = ANSWER_VALUE;
        forward(peers[0], &f, arg[1], slice_of(NULL, 0));
    } else if (arg_n == 1 && slice_eq(arg[0], SLICE("PING"))) {
        q->answer = ANSWER_PONG;
        q->done = true;
    } else {
        q->done = true; /* no client will take the answer, and nothing may wait for it */
        conn_kill(c);
    }
}

static void take_requests(struct conn *c)
{
    size_t at = 0;
    int arg_n = 0;
    struct slice arg[ARGS_MAX];
    while (!c->dead && (arg_n = parse_request(buf_view(&c->in), &at, arg)) > 0)
        run_request(c, arg, arg_n);
    if (arg_n < 0)
        conn_kill(c);
    buf_consume(&c->in, at);
    answer_done();
}

/* ---- The turn ---- */

/* Reads once: level-triggered epoll comes back for the rest, after the others had their turn. */
static void on_readable(struct conn *c)
{
    if (buf_reserve(&c->in, READ_BYTES) != 0) {
        conn_kill(c);
        return;
    }
    ssize_t n = read(c->fd, c->in.p + c->in.n, READ_BYTES);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            conn_kill(c);
        return;
    }
    c->in.n += (size_t)n;
    if (c->kind == CONN_PEER)
        take_frames(c);
    else
        take_requests(c);
}

static void write_out(struct conn *c)
{
    ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        c->dead = true;
        return;
    }
    buf_consume(&c->out, n > 0 ? (size_t)n : 0);
    if (c->blocked == (c->out.n > 0))
        return;
    c->blocked = c->out.n > 0;
    struct epoll_event ev = {.events = c->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

static void write_all(void)
{
    for (unsigned i = 0; i < dirty_n; i++) {
        struct conn *c = dirty[i];
        c->dirty = false;
        if (!c->dead && c->out.n > 0)
            write_out(c);
        if (c->dead)
            conn_free(c);
    }
    dirty_n = 0;
}

/* ---- Meeting the others ---- */

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void listen_at(unsigned port, enum conn_kind kind)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = loopback(port);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0)
        die("cannot listen");
    conn_add(fd, kind);
}

/* peers[0] is the next process in a circle, so that GETs load all three alike. */
static void meet(unsigned self, unsigned other, int fd)
{
    peers[(other + NODES - self) % NODES - 1] = conn_add(fd, CONN_PEER);
}

/* A process connects to those before it, and sends its index in one byte. */
static void call_peer(unsigned self, unsigned other, unsigned port)
{
    struct sockaddr_in a = loopback(port);
    uint8_t hello = (uint8_t)self;
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            die("socket");
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
            send(fd, &hello, 1, MSG_NOSIGNAL) == 1) {
            meet(self, other, fd);
            return;
        }
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
}

static void accept_conn(struct conn *listener, unsigned self)
{
    uint8_t hello;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        die("accept");
    if (listener->kind == CONN_CLIENT_LISTENER)
        conn_add(fd, CONN_CLIENT);
    else if (recv(fd, &hello, 1, MSG_WAITALL) == 1 && hello < NODES && hello != self)
        meet(self, hello, fd);
    else
        close(fd);
}

/* Clients may connect when both peers have. */
static void run(unsigned self, unsigned port)
{
    bool open = false;
    struct epoll_event ev[EVENTS_MAX];
    for (;;) {
        if (!open && peers[0] && peers[1]) {
            listen_at(port, CONN_CLIENT_LISTENER);
            open = true;
        }
        int n = epoll_wait(epoll_fd, ev, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            if (c->kind == CONN_CLIENT_LISTENER || c->kind == CONN_PEER_LISTENER)
                accept_conn(c, self);
            else if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(c);
            else
                touch(c);
        }
        write_all();
    }
}

int main(int argc, char **argv)
{
    unsigned port[NODES] = {0};
    unsigned self = argc == 2 + NODES ? (unsigned)strtoul(argv[1], NULL, 10) : NODES;
    for (unsigned i = 0; i < NODES && self < NODES; i++)
        port[i] = (unsigned)strtoul(argv[2 + i], NULL, 10);
    if (self >= NODES || !port[0] || !port[1] || !port[2]) {
        fprintf(stderr, "usage: floor 0|1|2 PORT PORT PORT\n");
        return 2;
    }
    memset(value, 'x', sizeof value);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    listen_at(port[self] + 1, CONN_PEER_LISTENER);
    for (unsigned i = 0; i < self; i++)
        call_peer(self, i, port[i] + 1);
    run(self, port[self]);
}
