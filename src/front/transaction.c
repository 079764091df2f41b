/* transaction.c: transactions are refused, all of them.
 *
 * A client sends MULTI, its commands and EXEC in one go, and reads the replies afterwards. Redis
 * queues the commands between. If MULTI were an unknown command here, they would run one by one,
 * although the client wanted all or nothing, and the error for MULTI would reach it too late.
 *
 *      PLAIN --MULTI: refused--> REFUSED --EXEC: EXECABORT, DISCARD: OK, RESET--> PLAIN
 *                                 |   ^
 *                                 +---+ any other command but QUIT: refused
 *
 * EXEC answers as Redis does after a command that it could not queue. Client libraries then
 * raise the first error of the transaction, which is MULTI's and gives the reason. */
#include "front/transaction.h"

#include "front/cmd.h"

/* Whether the command has no arguments, as Redis demands; else replies an error. */
static bool bare(struct session *s, const char *name)
{
    if (s->request.arg_n == 1)
        return true;
    reply_error(&s->reply, "ERR wrong number of arguments for '%s' command", name);
    return false;
}

static void multi(struct session *s)
{
    if (!bare(s, "multi"))
        return;
    s->multi_refused = true;
    reply_error(&s->reply, "ERR unknown command 'MULTI': transactions of Redis are not built in "
                           "covey yet; all up to EXEC or DISCARD is refused too");
}

static void exec(struct session *s)
{
    if (!bare(s, "exec"))
        return;
    if (s->multi_refused)
        reply_error(&s->reply, "EXECABORT Transaction discarded because of previous errors.");
    else
        reply_error(&s->reply, "ERR EXEC without MULTI");
    s->multi_refused = false;
}

static void discard(struct session *s)
{
    if (!bare(s, "discard"))
        return;
    if (s->multi_refused)
        reply_simple(&s->reply, "OK");
    else
        reply_error(&s->reply, "ERR DISCARD without MULTI");
    s->multi_refused = false;
}

/* Redis does not queue QUIT and RESET: they end the transaction. */
static bool ends_it(const struct command *c)
{
    return c && (c->run == cmd_quit || c->run == cmd_reset);
}

bool transaction_answers(struct session *s, const struct command *c)
{
    if (!s->multi_refused && c)
        return false; /* the usual case: MULTI, EXEC and DISCARD are not in the table */
    struct slice name = s->request.arg[0];
    if (cmd_is(name, "exec"))
        exec(s);
    else if (cmd_is(name, "discard"))
        discard(s);
    else if (!s->multi_refused && cmd_is(name, "multi"))
        multi(s);
    else if (s->multi_refused && !ends_it(c))
        reply_error(&s->reply,
                    "ERR refused, as MULTI was: nothing up to EXEC or DISCARD is carried out");
    else
        return false;
    return true;
}
