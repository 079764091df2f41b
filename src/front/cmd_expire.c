/* cmd_expire.c: values that expire: SET and its options, EXPIRE and its kin, TTL and its kin.
 * Semantics and error texts are Redis 7's.
 *
 * A time from now (EX, EXPIRE) stays relative until the coordinator takes the request. The
 * coordinator makes an absolute expiry of it by its own clock, which it compares with its peers'.
 * An expiry in the past is allowed, as in Redis: the key is gone at once. */
#include "front/cmd.h"

/* the year 10889, as far as stamps go */
static const uint64_t EXPIRY_MS_MAX = (UINT64_C(1) << 48) - 1;

/* in the order of SET's options in command.def */
enum unit { SECONDS, MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, KEEP };

/* Parses an expiry that a client gave into the form. False, with an error replied, when it is
 * none. */
static bool expiry_parse(struct session *s, struct slice arg, enum unit unit, bool past_allowed,
                         struct request *form)
{
    bool relative = unit == SECONDS || unit == MILLISECONDS;
    int64_t most = (int64_t)(relative ? EXPIRY_MS_MAX - s->wall_ms : EXPIRY_MS_MAX),
            least = INT64_MIN, n;
    if (!cmd_integer(arg, &n)) {
        reply_error(&s->reply, "ERR value is not an integer or out of range");
        return false;
    }
    if (unit == SECONDS || unit == AT_SECONDS) {
        most /= 1000;
        least /= 1000; /* no time is so long ago; Redis refuses what it cannot multiply */
    }
    if (n < least || n > most || (n <= 0 && !past_allowed)) {
        reply_error(&s->reply, "ERR invalid expire time in '%s' command", s->command->name);
        return false;
    }
    form->expiry_relative = relative && n > 0;
    form->expiry_ms = n <= 0 ? 1 : (uint64_t)n * (unit == SECONDS || unit == AT_SECONDS ? 1000 : 1);
    return true;
}

/* ---- SET ---- */

/* NX, XX and GET need compare-and-set, which is not built. Until then each is refused by name:
 * to ignore one would break a lock that is built on it. */
static void option_refused(struct session *s, struct slice option)
{
    const char *const *lacks = s->command->lacks;
    for (unsigned i = 0; i < COMMAND_LACKS_MAX && lacks[i]; i++) {
        if (cmd_is(option, lacks[i])) {
            reply_error(&s->reply, "ERR SET with %s is not built yet in this release of covey",
                        lacks[i]);
            return;
        }
    }
    reply_error(&s->reply, "ERR syntax error");
}

/* Reads the options of SET: at most one expiry, or KEEPTTL. */
static bool set_options(struct session *s, struct request *form)
{
    const struct resp_request *q = &s->request;
    for (uint32_t i = 3; i < q->arg_n; i++) {
        bool first = form->expiry_ms == 0 && !form->keep_expiry;
        int unit = first ? cmd_choice(s, 2, q->arg[i]) : -1;
        if (unit == KEEP) {
            form->keep_expiry = true;
        } else if (unit >= 0 && i + 1 < q->arg_n) {
            if (!expiry_parse(s, q->arg[++i], (enum unit)unit, false, form))
                return false;
        } else {
            option_refused(s, q->arg[i]);
            return false;
        }
    }
    return true;
}

/* Stores argument 2 + between under the key. */
static void set(struct session *s, uint8_t between, const struct request *form)
{
    static const struct session_ask ask = {OP_PUT, FOLD_OK, NULL};
    session_ask_behind(s, &ask, between);
    s->form = *form;
}

void cmd_set(struct session *s)
{
    struct request form = {.kind = OP_PUT};
    if (set_options(s, &form))
        set(s, 0, &form);
}

static void set_until(struct session *s, enum unit unit)
{
    struct request form = {.kind = OP_PUT};
    if (expiry_parse(s, s->request.arg[2], unit, false, &form))
        set(s, 1, &form);
}

void cmd_setex(struct session *s)
{
    set_until(s, SECONDS);
}

void cmd_psetex(struct session *s)
{
    set_until(s, MILLISECONDS);
}

/* ---- EXPIRE ---- */

static void answer_changed(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_integer(r, result->existed);
}

static const struct session_ask ask_expire = {OP_EXPIRE, FOLD_ONE, answer_changed};

static bool when_parse(struct session *s, uint8_t *when)
{
    /* in the order of the options in command.def */
    static const uint8_t flag[] = {EXPIRE_NX, EXPIRE_XX, EXPIRE_GT, EXPIRE_LT};
    for (uint32_t i = 3; i < s->request.arg_n; i++) {
        struct slice arg = s->request.arg[i];
        int option = cmd_choice(s, 2, arg);
        if (option < 0) {
            reply_error(&s->reply, "ERR Unsupported option %.*s", (int)(arg.n < 128 ? arg.n : 128),
                        (const char *)arg.p);
            return false;
        }
        *when |= flag[option];
    }
    if (*when & EXPIRE_NX && *when != EXPIRE_NX)
        reply_error(&s->reply,
                    "ERR NX and XX, GT or LT options at the same time are not compatible");
    else if (*when & EXPIRE_GT && *when & EXPIRE_LT)
        reply_error(&s->reply, "ERR GT and LT options at the same time are not compatible");
    else
        return true;
    return false;
}

static void expire(struct session *s, enum unit unit)
{
    struct request form = {.kind = OP_EXPIRE};
    if (!when_parse(s, &form.when) || !expiry_parse(s, s->request.arg[2], unit, true, &form))
        return;
    session_ask(s, &ask_expire);
    s->form = form;
}

void cmd_expire(struct session *s)
{
    expire(s, SECONDS);
}

void cmd_pexpire(struct session *s)
{
    expire(s, MILLISECONDS);
}

void cmd_expireat(struct session *s)
{
    expire(s, AT_SECONDS);
}

void cmd_pexpireat(struct session *s)
{
    expire(s, AT_MILLISECONDS);
}

void cmd_persist(struct session *s)
{
    session_ask(s, &ask_expire); /* the form has no expiry: the value stays for ever */
}

/* ---- TTL ---- */

enum { NO_KEY = -2, NO_EXPIRY = -1 };

/* The expiry of a key, absolute or from now, in ms or to the nearest second, as in Redis. */
static int64_t expiry_of(const struct result *result, enum unit unit)
{
    if (result->record.kind != RECORD_VALUE)
        return NO_KEY;
    uint64_t ms = result->record.expiry_ms;
    if (ms == 0)
        return NO_EXPIRY;
    if (unit == SECONDS || unit == MILLISECONDS)
        ms -= result->wall_ms; /* it is not in the past: the coordinator would have found no key */
    return (int64_t)(unit == SECONDS || unit == AT_SECONDS ? (ms + 500) / 1000 : ms);
}

#define EXPIRY_COMMAND(name, unit)                                                                 \
    static void answer_##name(struct reply *r, struct session_op *op, const struct result *result) \
    {                                                                                              \
        (void)op;                                                                                  \
        reply_integer(r, expiry_of(result, unit));                                                 \
    }                                                                                              \
    CMD_ASKS(cmd_##name, OP_HEAD, FOLD_ONE, answer_##name)

EXPIRY_COMMAND(ttl, SECONDS)
EXPIRY_COMMAND(pttl, MILLISECONDS)
EXPIRY_COMMAND(expiretime, AT_SECONDS)
EXPIRY_COMMAND(pexpiretime, AT_MILLISECONDS)
