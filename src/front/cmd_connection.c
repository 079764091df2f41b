/* cmd_connection.c: commands about the connection alone. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "front/cmd.h"

/* ---- Helpers ---- */

static char upper(uint8_t c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}

bool cmd_is(struct slice arg, const char *word)
{
    size_t i = 0;

    while (i < arg.n && word[i] && upper(arg.p[i]) == upper((uint8_t)word[i]))
        i++;
    return i == arg.n && !word[i];
}

int cmd_choice(const struct session *s, unsigned n, struct slice token)
{
    const struct command_argument *part = s->command->arguments[n].of;
    for (int i = 0; part[i].type != ARGUMENT_END; i++) {
        if (part[i].token && cmd_is(token, part[i].token))
            return i;
    }
    return -1;
}

const char *cmd_usage(const struct session *s, char out[COMMAND_USAGE_MAX])
{
    command_usage(s->command, out);
    for (size_t i = 0; s->command->name[i]; i++)
        out[i] = upper((uint8_t)out[i]);
    return out;
}

bool cmd_integer(struct slice arg, int64_t *n)
{
    bool negative = arg.n > 1 && arg.p[0] == '-';
    uint64_t most = (uint64_t)INT64_MAX + negative, sum = 0;
    size_t i = negative;

    if (arg.n == i || (arg.p[i] == '0' && arg.n > 1)) /* neither 007 nor -0, as in Redis */
        return false;
    for (; i < arg.n; i++) {
        uint64_t digit = (uint64_t)arg.p[i] - '0';
        if (digit > 9 || sum > (most - digit) / 10)
            return false;
        sum = 10 * sum + digit;
    }
    *n = negative ? -(int64_t)(sum - 1) - 1 : (int64_t)sum;
    return true;
}

bool cmd_name(struct session *s, struct slice arg, const char *what, char out[SESSION_NAME_MAX],
              uint8_t *out_n)
{
    for (size_t i = 0; i < arg.n; i++) {
        if (arg.p[i] < '!' || arg.p[i] > '~') {
            reply_error(&s->reply, "ERR %s cannot contain spaces, newlines or special characters.",
                        what);
            return false;
        }
    }
    if (arg.n > SESSION_NAME_MAX) {
        reply_error(&s->reply, "ERR %s of %zu bytes is over the limit of %d", what, arg.n,
                    SESSION_NAME_MAX);
        return false;
    }
    if (arg.n)
        memcpy(out, arg.p, arg.n);
    *out_n = (uint8_t)arg.n;
    return true;
}

/* ---- Hello and goodbye ---- */

void cmd_ping(struct session *s)
{
    struct reply *r = &s->reply;

    if (s->request.arg_n > 2) {
        reply_error(r, "ERR wrong number of arguments for 'ping' command");
    } else if (s->subscribed && s->proto == 2) {
        /* In the form of a message: a RESP2 client that subscribed expects nothing else. */
        reply_array(r, 2);
        reply_text(r, "pong");
        reply_bulk(r, s->request.arg_n == 2 ? s->request.arg[1] : SLICE(""));
    } else if (s->request.arg_n == 2) {
        reply_bulk(r, s->request.arg[1]);
    } else {
        reply_simple(r, "PONG");
    }
}

void cmd_echo(struct session *s)
{
    reply_bulk(&s->reply, s->request.arg[1]);
}

/* The user "default" has no password, as in a Redis without one: any password will do. There are
 * no other users. */
static bool user_accepted(struct session *s, struct slice user)
{
    if (slice_eq(user, SLICE("default")))
        return true;
    reply_error(&s->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

void cmd_auth(struct session *s)
{
    if (s->request.arg_n > 3)
        reply_error(&s->reply, "ERR syntax error");
    else if (s->request.arg_n == 2)
        reply_error(&s->reply, "ERR AUTH <password> called without any password configured for the "
                               "default user. Are you sure your configuration is correct?");
    else if (user_accepted(s, s->request.arg[1]))
        reply_simple(&s->reply, "OK");
}

static void hello_reply(struct session *s)
{
    struct reply *r = &s->reply;

    r->proto = s->proto;
    reply_map(r, 8);
    reply_field_text(r, "server", "redis"); /* clients look for it */
    reply_field_text(r, "version", "7.0.15");
    reply_field_integer(r, "proto", s->proto);
    reply_field_integer(r, "id", (int64_t)s->id);
    reply_field_text(r, "mode", "standalone");
    reply_field_text(r, "role", "master");
    reply_text(r, "modules");
    reply_array(r, 0);
    reply_field_bulk(r, "covey", s->front->version);
}

/* Reads the options after the version; false, with an error replied, when one is wrong. Nothing
 * changes before all are read. */
static bool hello_options(struct session *s, char name[SESSION_NAME_MAX], uint8_t *name_n)
{
    const struct resp_request *q = &s->request;

    for (uint32_t i = 2; i < q->arg_n; i++) {
        uint32_t more = q->arg_n - 1 - i;
        if (cmd_is(q->arg[i], "auth") && more >= 2) {
            if (!user_accepted(s, q->arg[i + 1]))
                return false;
            i += 2;
        } else if (cmd_is(q->arg[i], "setname") && more >= 1) {
            if (!cmd_name(s, q->arg[++i], "Client names", name, name_n))
                return false;
        } else {
            int shown = q->arg[i].n < 128 ? (int)q->arg[i].n : 128;
            reply_error(&s->reply, "ERR Syntax error in HELLO option '%.*s'", shown,
                        (const char *)q->arg[i].p);
            return false;
        }
    }
    return true;
}

void cmd_hello(struct session *s)
{
    int64_t proto = s->proto;
    char name[SESSION_NAME_MAX];
    uint8_t name_n = s->name_n;

    memcpy(name, s->name, sizeof name);
    if (s->request.arg_n > 1 && !cmd_integer(s->request.arg[1], &proto)) {
        reply_error(&s->reply, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (proto != 2 && proto != 3) {
        reply_error(&s->reply, "NOPROTO unsupported protocol version");
        return;
    }
    if (!hello_options(s, name, &name_n))
        return;
    memcpy(s->name, name, sizeof name);
    s->name_n = name_n;
    s->proto = (uint8_t)proto;
    hello_reply(s);
}

void cmd_quit(struct session *s)
{
    s->closing = true;
    reply_simple(&s->reply, "OK");
}

void cmd_reset(struct session *s)
{
    s->proto = 2;
    s->subscribed = s->multi_refused = false;
    s->read_level = s->write_level = LEVEL_QUORUM;
    s->name_n = 0;
    reply_simple(&s->reply, "RESET");
}

void cmd_select(struct session *s)
{
    int64_t index;

    if (!cmd_integer(s->request.arg[1], &index))
        reply_error(&s->reply, "ERR value is not an integer or out of range");
    else if (index != 0)
        reply_error(&s->reply, "ERR DB index is out of range");
    else
        reply_simple(&s->reply, "OK");
}

/* ---- CLIENT ---- */

void cmd_client_id(struct session *s)
{
    reply_integer(&s->reply, (int64_t)s->id);
}

void cmd_client_getname(struct session *s)
{
    if (s->name_n)
        reply_bulk(&s->reply, slice_of(s->name, s->name_n));
    else
        reply_null(&s->reply);
}

void cmd_client_setname(struct session *s)
{
    if (cmd_name(s, s->request.arg[2], "Client names", s->name, &s->name_n))
        reply_simple(&s->reply, "OK");
}

void cmd_client_setinfo(struct session *s)
{
    const struct slice *arg = s->request.arg;
    bool set;

    if (cmd_is(arg[2], "lib-name")) {
        set = cmd_name(s, arg[3], "lib-name", s->lib_name, &s->lib_name_n);
    } else if (cmd_is(arg[2], "lib-ver")) {
        set = cmd_name(s, arg[3], "lib-ver", s->lib_version, &s->lib_version_n);
    } else {
        int shown = arg[2].n < 128 ? (int)arg[2].n : 128;
        reply_error(&s->reply, "ERR Unrecognized option '%.*s'", shown, (const char *)arg[2].p);
        return;
    }
    if (set)
        reply_simple(&s->reply, "OK");
}

void cmd_client_accept(struct session *s)
{
    if (cmd_choice(s, 0, s->request.arg[2]) >= 0)
        reply_simple(&s->reply, "OK");
    else
        reply_error(&s->reply, "ERR syntax error");
}

/* One line of CLIENT LIST, with Redis's field names; ages in seconds. */
static int client_line(struct buf *out, const struct session *s, uint64_t now_ms)
{
    const struct command *c = s->command;
    uint64_t age_s = now_ms > s->born_ms ? (now_ms - s->born_ms) / 1000 : 0;
    uint64_t idle_s = now_ms > s->now_ms ? (now_ms - s->now_ms) / 1000 : 0;

    int error = buf_printf(out,
                           "id=%" PRIu64 " addr=%.*s name=%.*s age=%" PRIu64 " idle=%" PRIu64
                           " flags=%s db=0 sub=%d",
                           s->id, s->peer_n, s->peer, s->name_n, s->name, age_s, idle_s,
                           s->subscribed ? "P" : "N", s->subscribed);
    error |= buf_printf(out, " qbuf=%zu obl=%zu ops=%u cmd=%s%s%s", s->in.n - s->in_at, s->out.n,
                        s->tail - s->head, c && c->parent ? c->parent : "",
                        c && c->parent ? "|" : "", c ? c->name : "NULL");
    error |= buf_printf(out, " user=default resp=%d lib-name=%.*s lib-ver=%.*s\n", s->proto,
                        s->lib_name_n, s->lib_name, s->lib_version_n, s->lib_version);
    return error;
}

void cmd_client_info(struct session *s)
{
    struct buf text;

    buf_init(&text, SESSION_OUT_MAX);
    if (client_line(&text, s, s->now_ms))
        s->reply.error = ERR_NO_MEMORY;
    reply_bulk(&s->reply, buf_view(&text));
    buf_close(&text);
}

void cmd_client_list(struct session *s)
{
    const struct session *last = s->front->sessions;
    struct buf text;

    buf_init(&text, SESSION_OUT_MAX);
    while (last && last->next)
        last = last->next;
    for (; last; last = last->prev) { /* the oldest first, as in Redis */
        if (client_line(&text, last, s->now_ms))
            s->reply.error = ERR_NO_MEMORY;
    }
    reply_bulk(&s->reply, buf_view(&text));
    buf_close(&text);
}
