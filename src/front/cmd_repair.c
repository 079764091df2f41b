/* cmd_repair.c: REPAIR: anti-entropy on demand, and its progress.
 *
 * REPAIR starts comparisons and returns at once, with their state. REPAIR STATUS reports the
 * state alone. The counts begin with the last REPAIR that found this node idle. RING VNODES
 * shows when each vnode was compared last. */
#include "front/cmd.h"

enum { SHOWN_MAX = 32 }; /* bytes of a wrong argument that the error repeats */

static void answer_repair(struct reply *r, struct session_op *op, const struct result *result)
{
    const struct repair_info *i = &result->repair;
    (void)op;
    reply_map(r, 9);
    reply_field_bool(r, "running", i->running);
    reply_field_integer(r, "comparisons", i->vnodes);
    reply_field_integer(r, "done", i->vnodes_done);
    reply_field_integer(r, "unreachable", i->unreachable);
    reply_field_integer(r, "incomplete", (int64_t)i->incomplete);
    reply_field_integer(r, "sent", (int64_t)i->sent);
    reply_field_integer(r, "received", (int64_t)i->received);
    reply_field_integer(r, "bytes", (int64_t)i->bytes);
    reply_field_integer(r, "messages", (int64_t)i->messages);
}

/* Reads which vnode the command names; false when it names none. */
static bool parse(struct session *s)
{
    int64_t n;
    s->vnode = REPAIR_ALL;
    if (s->request.arg_n == 1)
        return true;
    if (s->request.arg_n > 2)
        return false;
    if (cmd_is(s->request.arg[1], "status")) {
        s->vnode = REPAIR_NONE;
        return true;
    }
    if (!cmd_integer(s->request.arg[1], &n) || n < 0 || n >= VNODES_MAX)
        return false;
    s->vnode = (uint32_t)n;
    return true;
}

void cmd_repair(struct session *s)
{
    static const struct session_ask ask = {OP_REPAIR, FOLD_ONE, answer_repair};
    const struct slice *arg = s->request.arg;
    char usage[COMMAND_USAGE_MAX];
    if (parse(s))
        session_ask(s, &ask);
    else if (s->request.arg_n == 2)
        reply_error(&s->reply, "ERR no vnode '%.*s': it is %s, with a vnode from RING VNODES",
                    (int)(arg[1].n < SHOWN_MAX ? arg[1].n : SHOWN_MAX), (const char *)arg[1].p,
                    cmd_usage(s, usage));
    else
        reply_error(&s->reply, "ERR syntax error, it is %s, with a vnode from RING VNODES",
                    cmd_usage(s, usage));
}
