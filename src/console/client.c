/* client.c: a poll loop around a non-blocking socket and the pure parsers of wire/resp.h. */
#include "console/client.h"

#include "base/error.h"
#include "console/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

__attribute__((format(printf, 3, 4))) static int fail(struct client *c, int error,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    return error;
}

void client_init(struct client *c)
{
    memset(c, 0, sizeof *c);
    c->fd = -1;
    buf_init(&c->in, CLIENT_BUFFER_MAX);
    buf_init(&c->out, CLIENT_BUFFER_MAX);
    resp_reply_init(&c->reply);
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->at = 0;
    buf_close(&c->in);
    buf_close(&c->out);
    resp_reply_close(&c->reply);
    resp_reply_init(&c->reply);
}

/* Waits until the socket is ready for one of `events`, or until the deadline; 0, ERR_INCOMPLETE or
 * ERR_IO. */
static int wait_ready(struct client *c, short events, uint64_t deadline_ms, short *ready)
{
    for (;;) {
        int64_t left = (int64_t)(deadline_ms - clock_ms());
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0) {
            *ready = p.revents;
            return 0;
        }
        if (n == 0)
            return ERR_INCOMPLETE;
        if (errno != EINTR)
            return fail(c, ERR_IO, "%s: %s", c->where, strerror(errno));
    }
}

static int try_address(struct client *c, const struct addrinfo *a)
{
    c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return errno;
    int on = 1, error = 0;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, a->ai_addr, a->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    short ready;
    if (wait_ready(c, POLLOUT, clock_ms() + CLIENT_TIMEOUT_MS, &ready) != 0)
        return ETIMEDOUT;
    socklen_t n = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    return error;
}

int client_connect(struct client *c, const char *host, uint16_t port)
{
    client_close(c);
    snprintf(c->where, sizeof c->where, "%s port %u", host, port);
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int bad = getaddrinfo(host, service, &hints, &list);
    if (bad != 0)
        return fail(c, ERR_IO,
                    "cannot resolve the host \"%s\": %s; give -h a host name or an address", host,
                    gai_strerror(bad));
    int error = 0;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        error = try_address(c, a);
        if (error == 0)
            break;
        client_close(c);
    }
    freeaddrinfo(list);
    if (error == 0)
        return 0;
    return fail(c, ERR_IO,
                "cannot reach a node at %s: %s; is it running (covey start --port %u)? -h and -p "
                "choose another",
                c->where, strerror(error), port);
}

/* Closes the connection but keeps `why`, which the caller has just written. */
static int drop(struct client *c, int error)
{
    client_close(c);
    return error;
}

/* What answered HELLO is no client port, or not covey's. */
static int refused(struct client *c)
{
    /* how a port for peers answers a client (rt/link.c) */
    static const char peers[] = "PEERPORT ";
    enum { PREFIX = sizeof peers - 1 };
    struct slice text = c->reply.v[0].text;
    int n = text.n > 200 ? 200 : (int)text.n;
    if (n > PREFIX && memcmp(text.p, peers, PREFIX) == 0)
        fail(c, ERR_BAD_MESSAGE, "%.*s", n - PREFIX, (const char *)text.p + PREFIX);
    else
        fail(c, ERR_BAD_MESSAGE,
             "%s refused HELLO 3: \"%.*s\"; is this the client port of a covey node?", c->where, n,
             (const char *)text.p);
    return drop(c, ERR_BAD_MESSAGE);
}

int client_open(struct client *c, const char *host, uint16_t port)
{
    int error = client_connect(c, host, port);
    if (error != 0)
        return error;
    error = client_ask(c, (const char *const[]){"HELLO", "3", NULL});
    if (error != 0)
        return drop(c, error);
    return c->reply.v[0].type == RESP_MAP ? 0 : refused(c);
}

int client_send(struct client *c, const struct slice *arg, uint32_t arg_n)
{
    size_t before = c->out.n;
    int error = resp_array(&c->out, arg_n);
    for (uint32_t i = 0; i < arg_n && error == 0; i++)
        error = resp_bulk(&c->out, arg[i]);
    if (error == 0)
        return 0;
    c->out.n = before; /* half a command must not be sent */
    return fail(c, error, "the command is too long to be sent to %s: %s", c->where,
                error_sentence(error));
}

/* Reads what is there. 0, ERR_CLOSED or ERR_IO. */
static int fill(struct client *c)
{
    if (c->at > 0) { /* only here, since c->reply points into `in` */
        buf_consume(&c->in, c->at);
        c->at = 0;
    }
    int error = buf_reserve(&c->in, READ_BYTES);
    if (error != 0)
        return fail(c, ERR_IO, "the reply of %s: %s", c->where, error_sentence(error));
    ssize_t n = recv(c->fd, c->in.p + c->in.n, READ_BYTES, 0);
    if (n > 0) {
        c->in.n += (size_t)n;
        return 0;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    /* a node that dies with requests unread resets the connection */
    if (n == 0 || errno == ECONNRESET)
        return fail(c, ERR_CLOSED, "%s closed the connection", c->where);
    return fail(c, ERR_IO, "%s: %s", c->where, strerror(errno));
}

int client_write(struct client *c)
{
    if (c->fd < 0)
        return fail(c, ERR_CLOSED, "not connected");
    size_t sent = 0;
    uint64_t deadline_ms = clock_ms() + CLIENT_TIMEOUT_MS;
    int error = 0;
    while (sent < c->out.n && error == 0) {
        ssize_t n = send(c->fd, c->out.p + sent, c->out.n - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            deadline_ms = clock_ms() + CLIENT_TIMEOUT_MS;
            continue;
        }
        if (errno == EINTR)
            continue;
        short ready = 0;
        if (errno != EAGAIN)
            error = fail(c, ERR_CLOSED, "%s closed the connection: %s", c->where, strerror(errno));
        else
            error = wait_ready(c, POLLOUT | POLLIN, deadline_ms, &ready);
        if (error == 0 && (ready & POLLIN))
            error = fill(c);
    }
    buf_consume(&c->out, sent);
    return error;
}

int client_receive(struct client *c, int timeout_ms)
{
    if (c->fd < 0)
        return fail(c, ERR_CLOSED, "not connected");
    uint64_t deadline_ms = clock_ms() + (uint64_t)timeout_ms;
    for (;;) {
        int n = resp_parse_reply(&c->reply, slice_of(c->in.p + c->at, c->in.n - c->at));
        if (n >= 0) {
            c->at += (size_t)n;
            return 0;
        }
        if (n != ERR_INCOMPLETE) {
            fail(
                c, n,
                "%s sent something that is not RESP (%s); is this the client port of a covey node?",
                c->where, error_sentence(n));
            return drop(c, ERR_BAD_MESSAGE);
        }
        short ready;
        int error = wait_ready(c, POLLIN, deadline_ms, &ready);
        if (error == ERR_INCOMPLETE)
            return fail(c, ERR_INCOMPLETE, "%s did not answer within %d ms", c->where, timeout_ms);
        if (error == 0)
            error = fill(c);
        if (error != 0)
            return drop(c, error);
    }
}

/* Whether a command's reply is a push itself, as UNSUBSCRIBE's is. */
static bool replies_by_push(struct slice command)
{
    static const char name[] = "unsubscribe";
    return command.n == sizeof name - 1 &&
           strncasecmp((const char *)command.p, name, command.n) == 0;
}

int client_call(struct client *c, const struct slice *arg, uint32_t arg_n)
{
    bool push = replies_by_push(arg[0]);
    int error = client_send(c, arg, arg_n);
    if (error == 0)
        error = client_write(c);
    do {
        if (error == 0)
            error = client_receive(c, CLIENT_TIMEOUT_MS);
    } while (error == 0 && c->reply.v[0].type == RESP_PUSH && !push);
    return error == 0 ? 0 : drop(c, error);
}

int client_ask(struct client *c, const char *const *word)
{
    enum { WORDS_MAX = 16 };
    struct slice arg[WORDS_MAX];
    uint32_t n = 0;
    while (n < WORDS_MAX && word[n] != NULL) {
        arg[n] = slice_str(word[n]);
        n++;
    }
    return client_call(c, arg, n);
}

uint32_t client_field(const struct client *c, uint32_t map, const char *name)
{
    const struct resp_reply *r = &c->reply;
    if (map >= r->n || r->v[map].type != RESP_MAP)
        return 0;
    uint32_t i = map + 1;
    for (uint32_t pair = 0; pair < r->v[map].count / 2; pair++) {
        uint32_t value = resp_after(r, i);
        if (slice_eq(r->v[i].text, slice_str(name)))
            return value;
        i = resp_after(r, value);
    }
    return 0;
}

uint32_t client_row(const struct client *c, const char *group, const char *name)
{
    uint32_t map = client_field(c, 0, group);
    return map ? client_field(c, map, name) : 0;
}

int64_t client_number(const struct client *c, const char *name)
{
    uint32_t i = client_field(c, 0, name);
    return i ? c->reply.v[i].integer : 0;
}

bool client_port(const char *text, uint16_t *port)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > 65535)
        return false;
    *port = (uint16_t)n;
    return true;
}

bool client_address(struct slice text, char host[CLIENT_HOST_MAX], uint16_t *port)
{
    char port_text[8];
    const uint8_t *colon = text.n > 0 ? memrchr(text.p, ':', text.n) : NULL;
    size_t n = colon != NULL ? (size_t)(colon - text.p) : 0;
    bool brackets = n > 2 && text.p[0] == '[' && text.p[n - 1] == ']';
    if (n == 0 || n >= CLIENT_HOST_MAX || text.n - n > sizeof port_text)
        return false;
    snprintf(port_text, sizeof port_text, "%.*s", (int)(text.n - n - 1), (const char *)colon + 1);
    snprintf(host, CLIENT_HOST_MAX, "%.*s", (int)(brackets ? n - 2 : n),
             (const char *)text.p + brackets);
    return client_port(port_text, port);
}
