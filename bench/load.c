/* load.c: see load.h.
 *
 * Everything that can be made once is made once: the bytes of a request around the number of its
 * key, and a block of text in which each key's value is a window. A request is then two copies, and
 * a right reply one comparison; only another reply is parsed, to report what it is. So the
 * generator costs less than what it measures, on the same two cores. */
#include "bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/rng.h"
#include "wire/resp.h"

enum {
    READ_BYTES = 64 * 1024,
    HEAD_MAX = 64,   /* bytes of a request or reply before its value */
    KEY_DIGITS = 12, /* key:000000012345, as redis-benchmark's */
    WINDOWS = 4096,  /* different values */
    EVENTS_MAX = 64,
    /* bytes of a connection's buffer, besides a pipeline of requests or replies */
    BUFFER_SPARE = 4096,
};

struct conn {
    int fd;
    uint16_t port;
    unsigned left; /* replies to come; that of WAIT is the last */
    unsigned next; /* index in key[] of the next reply's key */
    uint32_t *key; /* of the requests under way */
    uint64_t sent_ns;
    struct buf in, out;
};

struct load {
    const struct load_options *o;
    struct load_report *report;
    char *why;
    int epoll_fd;
    struct conn *conn;
    unsigned busy; /* connections with replies to come */
    struct rng rng;
    uint32_t keys_sent; /* keys sent so far; with every_key */
    uint64_t now_ns, count_from_ns, count_until_ns, replied_ns;
    uint8_t *text; /* the values: that of a key is value_bytes from an offset below WINDOWS */
    char head[HEAD_MAX], mid[HEAD_MAX], reply[HEAD_MAX];
    /* bytes of "*3..key:", of "\r\n$100\r\n", and of what a reply begins with */
    size_t head_n, mid_n, reply_n;
    struct resp_reply parsed;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

__attribute__((format(printf, 3, 4))) static int fail(struct load *l, int error, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->why, LOAD_WHY, format, args);
    va_end(args);
    return error;
}

/* ---- Requests ---- */

static const uint8_t *value_of(const struct load *l, uint32_t key)
{
    return l->text + key * 31u % WINDOWS;
}

/* Appends to a buffer that has room. */
static void add(struct buf *b, const void *p, size_t n)
{
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void add_request(struct load *l, struct buf *out, uint32_t key)
{
    uint8_t digits[KEY_DIGITS];
    uint32_t rest = key;
    for (unsigned i = KEY_DIGITS; i-- > 0; rest /= 10)
        digits[i] = (uint8_t)('0' + rest % 10);
    add(out, l->head, l->head_n);
    add(out, digits, sizeof digits);
    add(out, l->mid, l->mid_n);
    if (l->o->op == LOAD_SET) {
        add(out, value_of(l, key), l->o->value_bytes);
        add(out, "\r\n", 2);
    }
}

static uint32_t next_key(struct load *l)
{
    return l->o->every_key ? l->keys_sent++ : (uint32_t)rng_below(&l->rng, l->o->keys);
}

/* Whether another pipeline is to be sent. */
static bool goes_on(const struct load *l)
{
    return l->o->every_key ? l->keys_sent < l->o->keys : l->now_ns < l->count_until_ns;
}

static void send_pipeline(struct load *l, struct conn *c)
{
    static const char wait[] = "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n1000\r\n";
    unsigned n = l->o->pipeline;
    if (l->o->every_key && l->o->keys - l->keys_sent < n)
        n = l->o->keys - l->keys_sent;
    for (unsigned i = 0; i < n; i++) {
        c->key[i] = next_key(l);
        add_request(l, &c->out, c->key[i]);
    }
    if (l->o->wait)
        add(&c->out, wait, sizeof wait - 1);
    c->next = 0;
    c->left = n + l->o->wait;
    c->sent_ns = l->now_ns;
    l->busy++;
}

/* Writes; what the socket does not take waits for EPOLLOUT: a server that is behind stops
 * reading. */
static int write_out(struct load *l, struct conn *c)
{
    ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return fail(l, ERR_IO, "cannot write to port %u: %s", c->port, strerror(errno));
    bool all_sent = n == (ssize_t)c->out.n;
    buf_consume(&c->out, n > 0 ? (size_t)n : 0);
    struct epoll_event ev = {.events = all_sent ? EPOLLIN : EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (!all_sent)
        epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
    return 0;
}

/* ---- Replies ---- */

static void wrong(struct load *l, const struct conn *c, const char *what, struct slice text)
{
    if (l->report->errors++ == 0)
        snprintf(l->report->error, LOAD_WHY, "port %u: %s%.*s", c->port, what,
                 (int)(text.n < 160 ? text.n : 160), text.n ? (const char *)text.p : "");
}

/* How many bytes the reply at the start of `in` has when it is the one expected for the key; 0 when
 * it is another, or incomplete. */
static size_t match(const struct load *l, uint32_t key, struct slice in)
{
    size_t n = l->reply_n;
    if (in.n < n || memcmp(in.p, l->reply, n) != 0)
        return 0;
    if (l->o->op != LOAD_GET)
        return n;
    size_t size = l->o->value_bytes;
    if (in.n < n + size + 2 ||
        (!l->o->any_content && memcmp(in.p + n, value_of(l, key), size) != 0))
        return 0;
    return n + size + 2;
}

/* Takes a reply that is not the expected one: counts it, and notes the first for the report.
 * Returns its bytes; 0 when it is incomplete; or an error. */
static int take_other(struct load *l, const struct conn *c, struct slice in)
{
    int n = resp_parse_reply(&l->parsed, in);
    if (n == ERR_INCOMPLETE)
        return 0;
    if (n < 0)
        return fail(l, ERR_BAD_MESSAGE, "port %u answers with something that is no RESP", c->port);
    const struct resp_value *v = &l->parsed.v[0];
    bool is_wait = c->left == 1 && l->o->wait;
    if (is_wait && v->type == RESP_INTEGER && v->integer >= 1)
        return n;
    if (v->type == RESP_ERROR)
        wrong(l, c, "", v->text);
    else if (is_wait)
        wrong(l, c, "no replica answered WAIT", SLICE(""));
    else if (v->type == RESP_NULL)
        wrong(l, c, "a key that was written is missing", SLICE(""));
    else
        wrong(l, c, "another reply than the expected one: ", v->text);
    return n;
}

static int take_replies(struct load *l, struct conn *c)
{
    size_t at = 0;
    uint64_t right = 0;
    while (c->left > 0) {
        struct slice in = slice_of(c->in.p + at, c->in.n - at);
        bool is_wait = c->left == 1 && l->o->wait;
        size_t n = in.n == 0 || is_wait ? 0 : match(l, c->key[c->next], in);
        right += n > 0;
        if (n == 0) {
            int other = in.n == 0 ? 0 : take_other(l, c, in);
            if (other < 0)
                return other;
            n = (size_t)other;
        }
        if (n == 0)
            break;
        at += n;
        c->next++;
        c->left--;
    }
    buf_consume(&c->in, at);
    if (c->left == 0 && c->in.n > 0)
        return fail(l, ERR_BAD_MESSAGE, "port %u sends more replies than it was asked for",
                    c->port);
    if (right > 0 &&
        (l->o->every_key || (l->now_ns >= l->count_from_ns && l->now_ns < l->count_until_ns))) {
        l->report->replies += right;
        histogram_add(&l->report->latency, l->now_ns - c->sent_ns, right);
    }
    return 0;
}

static int on_readable(struct load *l, struct conn *c)
{
    if (buf_reserve(&c->in, READ_BYTES) != 0)
        return fail(l, ERR_NO_MEMORY, "no memory for a reply");
    ssize_t n = read(c->fd, c->in.p + c->in.n, READ_BYTES);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return fail(l, ERR_IO, "port %u closed a connection%s%s", c->port, n < 0 ? ": " : "",
                    n < 0 ? strerror(errno) : "");
    c->in.n += (size_t)n;
    l->now_ns = l->replied_ns = now_ns();
    int error = take_replies(l, c);
    if (error || c->left > 0)
        return error;
    l->busy--;
    if (!goes_on(l))
        return 0;
    send_pipeline(l, c);
    return write_out(l, c);
}

/* ---- The run ---- */

static int on_event(struct load *l, const struct epoll_event *ev)
{
    struct conn *c = ev->data.ptr;
    int error = 0;
    if (ev->events & EPOLLOUT) {
        struct epoll_event quiet = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &quiet);
        error = write_out(l, c);
    }
    if (!error && (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        error = on_readable(l, c);
    return error;
}

static int run(struct load *l)
{
    struct epoll_event ev[EVENTS_MAX];
    l->replied_ns = l->now_ns = now_ns();
    l->count_from_ns = l->now_ns + (uint64_t)l->o->warm_ms * 1000000u;
    l->count_until_ns = l->count_from_ns + (uint64_t)l->o->count_ms * 1000000u;
    uint64_t start_ns = l->now_ns;
    for (unsigned i = 0; i < l->o->connections && goes_on(l); i++) {
        send_pipeline(l, &l->conn[i]);
        int error = write_out(l, &l->conn[i]);
        if (error)
            return error;
    }
    while (l->busy > 0) {
        if (l->o->stop && *l->o->stop)
            return fail(l, ERR_INCOMPLETE, "stopped");
        int n = epoll_wait(l->epoll_fd, ev, EVENTS_MAX, 1000);
        for (int i = 0; i < n; i++) {
            int error = on_event(l, &ev[i]);
            if (error)
                return error;
        }
        l->now_ns = now_ns();
        if (l->now_ns - l->replied_ns > (uint64_t)LOAD_SILENCE_MS * 1000000u)
            return fail(l, ERR_INCOMPLETE, "no reply for %d s, %u connections wait",
                        LOAD_SILENCE_MS / 1000, l->busy);
    }
    l->report->ns = l->o->every_key ? l->now_ns - start_ns : l->count_until_ns - l->count_from_ns;
    return 0;
}

/* ---- Before and after ---- */

static int open_conn(struct load *l, struct conn *c, uint16_t port)
{
    const struct load_options *o = l->o;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->port = port;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0)
        return fail(l, ERR_IO, "cannot connect to port %u: %s", port, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    size_t pipeline_bytes = (size_t)(o->pipeline + 1) * (2 * HEAD_MAX + o->value_bytes);
    buf_init(&c->out, pipeline_bytes);
    buf_init(&c->in, 2 * pipeline_bytes + READ_BYTES + BUFFER_SPARE);
    c->key = calloc(o->pipeline, sizeof *c->key);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (!c->key || buf_reserve(&c->out, pipeline_bytes) != 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
        return fail(l, ERR_NO_MEMORY, "no memory for %u connections", o->connections);
    return 0;
}

static void prepare(struct load *l)
{
    const struct load_options *o = l->o;
    struct rng letters;
    rng_init(&l->rng, o->seed);
    rng_init(&letters, 1); /* the same values in every run */
    for (size_t i = 0; i < WINDOWS + o->value_bytes; i++)
        l->text[i] = (uint8_t)('a' + rng_below(&letters, 26));
    char size[32];
    const char *name = "*3\r\n$3\r\nSET", *mid = size, *reply = "+OK\r\n";
    snprintf(size, sizeof size, "$%u\r\n", o->value_bytes);
    if (o->op == LOAD_GET) {
        name = "*2\r\n$3\r\nGET";
        mid = "";
        reply = size;
    } else if (o->op == LOAD_EXPIRE) {
        name = "*3\r\n$6\r\nEXPIRE";
        mid = "$5\r\n86400\r\n";
        reply = ":1\r\n";
    }
    l->head_n = (size_t)snprintf(l->head, HEAD_MAX, "%s\r\n$%d\r\nkey:", name, 4 + KEY_DIGITS);
    l->mid_n = (size_t)snprintf(l->mid, HEAD_MAX, "\r\n%s", mid);
    l->reply_n = (size_t)snprintf(l->reply, HEAD_MAX, "%s", reply);
}

static int open_all(struct load *l)
{
    const struct load_options *o = l->o;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->text = malloc(WINDOWS + o->value_bytes);
    l->conn = calloc(o->connections, sizeof *l->conn);
    if (l->epoll_fd < 0 || !l->text || !l->conn)
        return fail(l, ERR_NO_MEMORY, "no memory for %u connections", o->connections);
    prepare(l);
    for (unsigned i = 0; i < o->connections; i++)
        l->conn[i].fd = -1;
    for (unsigned i = 0; i < o->connections; i++) {
        int error = open_conn(l, &l->conn[i], o->port[i % o->port_n]);
        if (error)
            return error;
    }
    return 0;
}

static void close_all(struct load *l)
{
    for (unsigned i = 0; l->conn && i < l->o->connections; i++) {
        struct conn *c = &l->conn[i];
        if (c->fd >= 0)
            close(c->fd);
        buf_close(&c->in);
        buf_close(&c->out);
        free(c->key);
    }
    free(l->conn);
    free(l->text);
    resp_reply_close(&l->parsed);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
}

int load_run(const struct load_options *o, struct load_report *out, char *why)
{
    struct load l = {.o = o, .report = out, .why = why, .epoll_fd = -1};
    memset(out, 0, sizeof *out);
    resp_reply_init(&l.parsed);
    int error = open_all(&l);
    if (!error)
        error = run(&l);
    close_all(&l);
    return error;
}
