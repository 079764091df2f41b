/* cmd_expire.c: values with an end: SET and its options, EXPIRE and its kin, TTL and its kin.
 * Semantics and words are Redis 7's.
 *
 * A time from now stays one until the coordinator takes the request: its clock, which it compares
 * with its peers', says what "now" is. The end itself is absolute. One in the past is allowed, as
 * in Redis: the key is gone at once. */
#include "front/cmd.h"

/* the year 10889, as far as stamps reach */
static const uint64_t EXPIRY_MS_MAX = (UINT64_C(1) << 48) - 1;

/* in the order of SET's options */
enum unit { SECONDS, MILLISECONDS, AT_SECONDS, AT_MILLISECONDS, KEEP };

/* An end that a client gave: fills in the form's expiry. False, with the error replied, when it is
 * none. */
static bool end_parse(struct session *s, struct slice arg, enum unit unit, bool past_allowed,
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
        least /= 1000; /* no end is so long ago; Redis refuses what it cannot multiply */
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

/* What NX, XX and GET need comes with CAS registers. Until then each is refused by name: to ignore
 * one would break a lock that is built on it. */
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

/* The options of SET, of which at most one end, or KEEPTTL, may be there. */
static bool set_options(struct session *s, struct request *form)
{
    const struct resp_request *q = &s->request;
    for (uint32_t i = 3; i < q->arg_n; i++) {
        bool first = form->expiry_ms == 0 && !form->keep_expiry;
        int unit = first ? cmd_choice(s, 2, q->arg[i]) : -1;
        if (unit == KEEP) {
            form->keep_expiry = true;
        } else if (unit >= 0 && i + 1 < q->arg_n) {
            if (!end_parse(s, q->arg[++i], (enum unit)unit, false, form))
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
    static const struct session_ask ask = {OP_PUT, FOLD_OK, cmd_answer_stored};
    session_ask_behind(s, &ask, between);
    s->form = *form;
}

void cmd_set(struct session *s, const struct command *c)
{
    struct request form = {.kind = OP_PUT};
    (void)c;
    if (set_options(s, &form))
        set(s, 0, &form);
}

static void set_until(struct session *s, enum unit unit)
{
    struct request form = {.kind = OP_PUT};
    if (end_parse(s, s->request.arg[2], unit, false, &form))
        set(s, 1, &form);
}

void cmd_setex(struct session *s, const struct command *c)
{
    (void)c;
    set_until(s, SECONDS);
}

void cmd_psetex(struct session *s, const struct command *c)
{
    (void)c;
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
    /* in the order of the options */
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
    if (!when_parse(s, &form.when) || !end_parse(s, s->request.arg[2], unit, true, &form))
        return;
    session_ask(s, &ask_expire);
    s->form = form;
}

void cmd_expire(struct session *s, const struct command *c)
{
    (void)c;
    expire(s, SECONDS);
}

void cmd_pexpire(struct session *s, const struct command *c)
{
    (void)c;
    expire(s, MILLISECONDS);
}

void cmd_expireat(struct session *s, const struct command *c)
{
    (void)c;
    expire(s, AT_SECONDS);
}

void cmd_pexpireat(struct session *s, const struct command *c)
{
    (void)c;
    expire(s, AT_MILLISECONDS);
}

void cmd_persist(struct session *s, const struct command *c)
{
    (void)c;
    session_ask(s, &ask_expire); /* with no end in its form: for ever */
}

/* ---- TTL ---- */

enum { NO_KEY = -2, NO_END = -1 };

/* The end of a key, as an absolute time or from now, in ms or in seconds, to the nearest as in
 * Redis. */
static int64_t end_of(const struct result *result, enum unit unit)
{
    if (result->record.kind != RECORD_VALUE)
        return NO_KEY;
    uint64_t ms = result->record.expiry_ms;
    if (ms == 0)
        return NO_END;
    if (unit == SECONDS || unit == MILLISECONDS)
        ms -= result->wall_ms; /* not in the past: then there would be no such key */
    return (int64_t)(unit == SECONDS || unit == AT_SECONDS ? (ms + 500) / 1000 : ms);
}

#define END_COMMAND(name, unit)                                                                    \
    static void answer_##name(struct reply *r, struct session_op *op, const struct result *result) \
    {                                                                                              \
        (void)op;                                                                                  \
        reply_integer(r, end_of(result, unit));                                                    \
    }                                                                                              \
    void cmd_##name(struct session *s, const struct command *c)                                    \
    {                                                                                              \
        static const struct session_ask ask = {OP_HEAD, FOLD_ONE, answer_##name};                  \
        (void)c;                                                                                   \
        session_ask(s, &ask);                                                                      \
    }

END_COMMAND(ttl, SECONDS)
END_COMMAND(pttl, MILLISECONDS)
END_COMMAND(expiretime, AT_SECONDS)
END_COMMAND(pexpiretime, AT_MILLISECONDS)
