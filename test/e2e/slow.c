/* slow.c: see slow.h. */
#include "slow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "writers.h"

enum {
    PEERS = 1, /* from a node's port for clients to that for peers */
    /* from a node's ports to those of its proxy; both are in the block that the story has taken */
    PROXY_PORTS = 50,
    STREAMS = 64,       /* at once: ten pairs of nodes, and some that are being replaced */
    PIECE = 256 * 1024, /* bytes of a direction under way */
    STILL_MS_MIN = 100, /* a direction stands still for so long at least, */
    STILL_MS_MAX = 400, /* at most, */
    FLOW_MS_MAX = 200,  /* and then passes on for so long at most, before it stands still again */
    TURN_MS = 5,
};

/* One direction of a stream: what was read and not yet written. */
struct way {
    int from, to;
    size_t at, n;
    bool still;
    uint64_t turns_us; /* when it stands still, or passes on, next */
    uint8_t bytes[PIECE];
};

struct stream {
    bool open;
    unsigned node; /* that was dialed */
    struct way way[2];
};

struct proxy {
    struct cluster *c;
    struct rng rng;
    int control, listener[E2E_NODES], udp[E2E_NODES];
    unsigned slow; /* a node, or E2E_NODES */
    struct stream stream[STREAMS];
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static unsigned peer_port(const struct cluster *c, unsigned node)
{
    return e2e_port(c, node) + PEERS;
}

static int listen_at(struct cluster *c, unsigned port, int type)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    e2e_check(c, fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    e2e_check(c, bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
                     (type == SOCK_DGRAM || listen(fd, STREAMS) == 0));
    return fd;
}

/* ---- Datagrams: a node's leave the proxy at the node's own proxy port, so that they come from
 * where it is said to be ---- */

static void pass_datagrams(struct proxy *p, unsigned to)
{
    uint8_t bytes[2048];
    for (;;) {
        struct sockaddr_in from, at = loopback(peer_port(p->c, to));
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(p->udp[to], bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
        if (n < 0)
            return;
        for (unsigned i = 0; i < E2E_NODES; i++)
            if (ntohs(from.sin_port) == peer_port(p->c, i))
                /* may be lost, as datagrams may */
                sendto(p->udp[i], bytes, (size_t)n, 0, (struct sockaddr *)&at, sizeof at);
    }
}

/* ---- Streams ---- */

static void hang_up(struct stream *s)
{
    close(s->way[0].from);
    close(s->way[0].to);
    s->open = false;
}

static void take(struct proxy *p, unsigned node)
{
    int from = accept4(p->listener[node], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct sockaddr_in a = loopback(peer_port(p->c, node));
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stream *s = p->stream;
    while (s < p->stream + STREAMS && s->open)
        s++;
    if (from < 0 || s == p->stream + STREAMS || connect(to, (struct sockaddr *)&a, sizeof a) != 0) {
        close(from);
        close(to);
        return; /* its peer dials again */
    }
    s->open = true;
    s->node = node;
    for (unsigned k = 0; k < 2; k++) {
        struct way *w = &s->way[k];
        w->from = k ? to : from;
        w->to = k ? from : to;
        w->at = w->n = 0;
        w->still = false;
        w->turns_us = 0;
    }
}

/* Moves what can be moved; false when the stream has ended. */
static bool move(struct way *w)
{
    if (w->at == w->n) {
        ssize_t got = recv(w->from, w->bytes, sizeof w->bytes, MSG_DONTWAIT);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        w->at = 0;
        w->n = (size_t)got;
    }
    ssize_t sent = send(w->to, w->bytes + w->at, w->n - w->at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN;
    w->at += (size_t)sent;
    return true;
}

/* Whether a direction stands still now. */
static bool still(struct proxy *p, const struct stream *s, struct way *w)
{
    uint64_t now_us = writers_now_us();
    if (s->node != p->slow) {
        w->still = false;
        w->turns_us = 0;
    } else if (w->turns_us <= now_us) {
        uint64_t ms = w->still ? rng_below(&p->rng, FLOW_MS_MAX)
                               : STILL_MS_MIN + rng_below(&p->rng, STILL_MS_MAX - STILL_MS_MIN);
        w->still = !w->still;
        w->turns_us = now_us + ms * 1000;
    }
    return w->still;
}

static void pass_streams(struct proxy *p)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        struct stream *s = &p->stream[i];
        for (unsigned k = 0; k < 2 && s->open; k++)
            if (!still(p, s, &s->way[k]) && !move(&s->way[k]))
                hang_up(s);
    }
}

/* ---- The process ---- */

/* Until something comes, or a direction may go on. A direction that holds bytes waits for its other
 * end. */
static void wait_for_something(struct proxy *p)
{
    struct pollfd fd[1 + 2 * E2E_NODES + 2 * STREAMS];
    nfds_t n = 0;
    fd[n++] = (struct pollfd){.fd = p->control, .events = POLLIN};
    for (unsigned i = 0; i < E2E_NODES; i++) {
        fd[n++] = (struct pollfd){.fd = p->listener[i], .events = POLLIN};
        fd[n++] = (struct pollfd){.fd = p->udp[i], .events = POLLIN};
    }
    for (unsigned i = 0; i < STREAMS; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct way *w = &p->stream[i].way[k];
            bool waits = w->at == w->n;
            if (p->stream[i].open && !w->still)
                fd[n++] = (struct pollfd){.fd = waits ? w->from : w->to,
                                          .events = waits ? POLLIN : POLLOUT};
        }
    poll(fd, n, p->slow < E2E_NODES ? TURN_MS : -1);
}

static _Noreturn void run(struct proxy *p)
{
    for (;;) {
        uint8_t node;
        wait_for_something(p);
        ssize_t told = recv(p->control, &node, 1, MSG_DONTWAIT);
        if (told == 0)
            _exit(0);
        if (told == 1)
            p->slow = node;
        for (unsigned i = 0; i < E2E_NODES; i++) {
            pass_datagrams(p, i);
            struct pollfd dialed = {.fd = p->listener[i], .events = POLLIN};
            if (poll(&dialed, 1, 0) == 1)
                take(p, i);
        }
        pass_streams(p);
    }
}

void slow_open(struct slow *s, struct cluster *c, uint64_t seed)
{
    static struct proxy p; /* large */
    int pair[2];
    e2e_check(c, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    p = (struct proxy){.c = c, .control = pair[1], .slow = E2E_NODES};
    rng_init(&p.rng, seed);
    for (unsigned i = 0; i < E2E_NODES; i++) {
        p.listener[i] = listen_at(c, peer_port(c, i) + PROXY_PORTS, SOCK_STREAM);
        p.udp[i] = listen_at(c, peer_port(c, i) + PROXY_PORTS, SOCK_DGRAM);
    }
    *s = (struct slow){.pid = fork(), .control = pair[0]};
    e2e_check(c, s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        run(&p);
    }
    close(pair[1]);
    for (unsigned i = 0; i < E2E_NODES; i++) {
        close(p.listener[i]);
        close(p.udp[i]);
    }
}

void slow_close(struct slow *s)
{
    if (s->pid == 0)
        return;
    close(s->control);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void slow_start(struct cluster *c)
{
    char seed[32], advertised[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0) + PROXY_PORTS);
    for (unsigned i = 0; i < E2E_NODES; i++) {
        snprintf(advertised, sizeof advertised, "127.0.0.1:%u", e2e_port(c, i) + PROXY_PORTS);
        if (i == 0)
            e2e_start(c, i, "--advertise", advertised, "--new", NULL);
        else
            e2e_start(c, i, "--advertise", advertised, "--seed", seed, NULL);
    }
    e2e_await_healthy(c, E2E_NODES);
}

void slow_strike(struct slow *s, struct cluster *c, unsigned node)
{
    uint8_t byte = (uint8_t)node;
    e2e_check(c, send(s->control, &byte, 1, MSG_NOSIGNAL) == 1);
}
