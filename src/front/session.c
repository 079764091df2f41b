/* session.c: from bytes to commands. What becomes of their operations: session_ops.c.
 *
 * The input is a run of bytes with a mark, in_at: all before it is finished with. The command at
 * the mark, the present one, is parsed once and then kept until it is answered or made into its
 * last request. In between session_next may return many times, because a request went out, a key is
 * under way, or the ring is full. The arguments of the present command point into the input. When
 * the input has moved, the same bytes are parsed again, which costs no more than their number of
 * arguments.
 *
 * Commands are checked in Redis's order: unknown command, number of arguments, loading, subscribed.
 *
 * The error for a command of Redis that is not built begins with Redis's own words, which client
 * libraries look for, and then says that it is not built. No other command is suggested in its
 * place: it would do something else. */
#include "front/session.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "front/cmd.h"
#include "front/failure.h"
#include "front/transaction.h"

enum {
    /* bytes of the largest request, and of the one read that went beyond it */
    IN_MAX = RESP_REQUEST_MAX + 4 * 1024 * 1024,
    BUFFER_KEPT_BYTES = 1024 * 1024, /* an empty buffer larger than this is freed */
    ARGS_KEPT = 4096,                /* the same for the arguments of a request */
};

void front_init(struct front *f)
{
    *f = (struct front){.value_max = VALUE_MAX, .key_max = KEY_MAX, .next_client_id = 1};
}

void session_init(struct session *s, struct front *f, uint32_t handle, struct slice peer,
                  uint64_t now_ms)
{
    *s = (struct session){.front = f,
                          .handle = handle,
                          .id = f->next_client_id++,
                          .proto = 2,
                          .born_ms = now_ms,
                          .now_ms = now_ms};
    buf_init(&s->in, IN_MAX);
    buf_init(&s->out, SESSION_OUT_MAX);
    buf_init(&s->gather, SESSION_OUT_MAX);
    resp_request_init(&s->request);
    s->peer_n = (uint8_t)(peer.n < sizeof s->peer ? peer.n : sizeof s->peer);
    if (s->peer_n)
        memcpy(s->peer, peer.p, s->peer_n);
    s->read_bytes = f->value_max;
    /* Spread by an odd multiplier, so that two connections with one handle use different
     * numbers. */
    s->head = s->tail = (uint32_t)s->id * 2654435761u;

    s->next = f->sessions;
    if (s->next)
        s->next->prev = s;
    f->sessions = s;
    f->session_n++;
    f->connections++;
}

void session_close(struct session *s)
{
    struct front *f = s->front;

    if (s->prev)
        s->prev->next = s->next;
    else
        f->sessions = s->next;
    if (s->next)
        s->next->prev = s->prev;
    f->session_n--;
    session_ops_close(s);
    resp_request_close(&s->request);
    buf_close(&s->in);
    buf_close(&s->out);
}

int session_feed(struct session *s, struct slice bytes)
{
    return s->closing ? 0 : buf_slice(&s->in, bytes);
}

bool session_done(const struct session *s)
{
    return s->broken || (s->closing && s->head == s->tail);
}

bool session_full(const struct session *s)
{
    return s->closing || s->broken || s->out.n > SESSION_OUT_MAX / 2 ||
           (s->stalled && s->in.n - s->in_at > SESSION_BACKLOG_MAX);
}

/* ---- What is wrong with a command ---- */

static void unknown_command(struct session *s)
{
    const struct resp_request *q = &s->request;
    /* the last argument may begin at 127, and ends in a quote, a blank and a NUL */
    char args[128 + 4] = "";
    int n = 0;

    /* As in Redis: up to 128 bytes of arguments, each in quotes with a blank after it. */
    for (uint32_t i = 1; i < q->arg_n && n < 128; i++) {
        int shown = q->arg[i].n < (size_t)(128 - n) ? (int)q->arg[i].n : 128 - n;
        n += snprintf(args + n, sizeof args - (size_t)n, "'%.*s' ", shown,
                      (const char *)q->arg[i].p);
    }
    int name_n = q->arg[0].n < 128 ? (int)q->arg[0].n : 128;
    if (command_is_absent(q->arg[0], (struct slice){0}))
        reply_error(&s->reply,
                    "ERR unknown command '%.*s': this command of Redis is not built in covey yet; "
                    "nothing was done",
                    name_n, (const char *)q->arg[0].p);
    else
        reply_error(&s->reply, "ERR unknown command '%.*s', with args beginning with: %s", name_n,
                    (const char *)q->arg[0].p, args);
}

/* Browsers reach loopback: a page may POST to our port, and its body would be taken for
 * commands. As in Redis, the first words of an HTTP request end the connection before its body
 * is parsed. */
static bool is_http(const struct session *s)
{
    return cmd_is(s->request.arg[0], "post") || cmd_is(s->request.arg[0], "host:");
}

static void http_refused(struct session *s)
{
    reply_error(&s->reply, "ERR this is covey's port for Redis clients, it does not speak HTTP; "
                           "the connection is closed");
    s->front->rejected++;
    s->closing = true;
}

static void wrong_arity(struct session *s, const struct command *c)
{
    if (c->parent)
        reply_error(&s->reply, "ERR wrong number of arguments for '%s|%s' command", c->parent,
                    c->name);
    else
        reply_error(&s->reply, "ERR wrong number of arguments for '%s' command", c->name);
}

static void unknown_subcommand(struct session *s, const struct command *c)
{
    struct slice sub = s->request.arg[1];
    char parent[32];
    size_t n = 0;

    for (; c->name[n] && n < sizeof parent - 1; n++)
        parent[n] = (char)(c->name[n] - 32); /* names of parents have letters alone */
    parent[n] = 0;
    bool not_built = command_is_absent(s->request.arg[0], sub);
    reply_error(&s->reply, "ERR unknown subcommand '%.*s'%s. Try %s HELP.",
                sub.n < 128 ? (int)sub.n : 128, (const char *)sub.p,
                not_built ? ": this command of Redis is not built in covey yet; nothing was done"
                          : "",
                parent);
}

/* A RESP2 client cannot tell a message from a reply. So once it has subscribed it may only send
 * what cannot be mistaken. */
static bool allowed_when_subscribed(const struct command *c)
{
    return c->flags & COMMAND_PUBSUB || !strcmp(c->name, "ping") || !strcmp(c->name, "quit") ||
           !strcmp(c->name, "reset");
}

/* Whether the command cannot run now; then the reply says why. */
static bool refused(struct session *s, const struct command *c)
{
    if (!command_fits(c, s->request.arg_n))
        wrong_arity(s, c);
    else if (command_is_parent(c) && s->request.arg_n > 1)
        unknown_subcommand(s, c);
    else if (!s->front->ready && !(c->flags & COMMAND_LOADING))
        failure_loading(&s->reply, s->front->claimed);
    else if (s->subscribed && s->proto == 2 && !allowed_when_subscribed(c))
        reply_error(&s->reply,
                    "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
                    "/ RESET are allowed in this context",
                    c->name);
    else
        return false;
    return true;
}

/* ---- The command at the mark ---- */

/* The bytes are no command, and where the next one would begin is unknown: replies why, and
 * closes. */
static void protocol_error(struct session *s, int error)
{
    session_reply_begin(s);
    if (error == ERR_BAD_MESSAGE)
        reply_error(&s->reply, "ERR Protocol error: %s", s->request.why);
    else
        reply_error(&s->reply, "ERR %s", error_sentence(error));
    session_reply_end(s);
    s->front->rejected++;
    s->closing = true;
    /* its first requests went out before memory ended: the rest of its reply would never come */
    s->broken |= s->ask != NULL;
    s->ask = NULL;
    s->command_bytes = 0;
}

static void request_dropped(struct session *s)
{
    session_reply_begin(s);
    if (s->request.too_big > RESP_REQUEST_MAX)
        reply_error(&s->reply, "ERR request is %zu bytes, the limit is %d; split it",
                    s->request.too_big, RESP_REQUEST_MAX);
    else
        failure_value_too_big(&s->reply, s->request.too_big, s->front->value_max);
    session_reply_end(s);
}

/* An argument over this size is dropped while it arrives. Which limit an argument has is checked
 * once it is here. */
static size_t bulk_max(const struct front *f)
{
    return f->value_max > f->key_max ? f->value_max : f->key_max;
}

/* Parses the present command, unless that is done. False: it is not complete, or was no command. */
static bool parse_command(struct session *s)
{
    while (!s->closing && s->in_at < s->in.n) {
        struct slice rest = {s->in.p + s->in_at, s->in.n - s->in_at};
        if (s->command_bytes && s->command_at == rest.p)
            return true;
        if (session_ops_room(s))
            return false;
        int used = resp_parse_request(&s->request, rest, bulk_max(s->front));
        if (used == ERR_INCOMPLETE)
            return false;
        if (used < 0) {
            protocol_error(s, used);
            return false;
        }
        if (s->request.arg_n) {
            s->command_bytes = (size_t)used;
            s->command_at = rest.p;
            return true;
        }
        s->in_at += (size_t)used;
        if (s->request.too_big)
            request_dropped(s);
    }
    return false;
}

/* The present command is finished. */
static void finish_command(struct session *s)
{
    s->in_at += s->command_bytes;
    s->command_bytes = 0;
}

/* Runs the present command. False: it must wait until all before it are answered. */
static bool run(struct session *s)
{
    const struct resp_request *q = &s->request;
    const struct command *c = command_find(q->arg[0], q->arg_n > 1 ? q->arg[1] : (struct slice){0});

    if (c && c->flags & COMMAND_ALONE && s->head != s->tail)
        return false;
    s->command = c;
    s->front->commands++;
    session_reply_begin(s);
    if (!c && is_http(s)) {
        http_refused(s);
    } else if (transaction_answers(s, c)) {
        s->command = NULL;
    } else if (c) {
        if (!refused(s, c))
            c->run(s);
    } else {
        unknown_command(s);
    }
    if (!s->ask)
        session_reply_end(s);
    return true;
}

/* Frees what an unusually large command or reply needed. Moves the rest of the input to the
 * front once that rest is the smaller part: so each byte is moved once at most, on average,
 * however many commands wait for one key. */
static void tidy(struct session *s)
{
    if (s->closing)
        s->in_at = s->in.n;
    if (s->in_at >= s->in.n - s->in_at && s->in_at) {
        buf_consume(&s->in, s->in_at);
        s->in_at = 0;
    }
    if (s->in.n == 0 && s->in.cap > BUFFER_KEPT_BYTES)
        buf_close(&s->in);
    if (s->out.n == 0 && s->out.cap > BUFFER_KEPT_BYTES)
        buf_close(&s->out);
    if (!s->command_bytes && s->request.arg_cap > ARGS_KEPT && s->in.n == 0) {
        resp_request_close(&s->request);
        resp_request_init(&s->request);
    }
}

/* Whether the next command, or the next request of the present one, may start at all. */
static bool may_start(struct session *s)
{
    int error = session_ops_room(s);

    if (error == ERR_NO_MEMORY && s->op_cap == 0)
        s->broken = true;
    if (error || s->broken || (s->alone && s->head != s->tail))
        return false;
    /* In the middle of a command it always may: it would wait for its own replies. */
    return s->ask || s->out.n + s->parked_bytes <= SESSION_OUT_MAX / 2;
}

bool session_next(struct session *s, uint64_t now_ms, uint64_t wall_ms, struct request *request)
{
    bool issued = false;

    s->now_ms = now_ms;
    s->wall_ms = wall_ms;
    s->stalled = true;
    while (!issued && may_start(s)) {
        if (!parse_command(s)) {
            s->stalled = false;
            break;
        }
        if (!s->ask && !run(s))
            break;
        if (s->ask) {
            issued = session_ops_issue(s, request);
            if (!issued)
                break;
        }
        if (!s->ask)
            finish_command(s);
    }
    if (!issued)
        tidy(s);
    return issued;
}
