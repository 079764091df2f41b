/* transaction.c: transactions, refused.
 *
 * A client sends MULTI, its commands and EXEC in one go, and looks at the replies afterwards. To
 * Redis the commands between are no commands yet: they are queued. Where MULTI is unknown they
 * would be carried out one by one, though the client wanted all or nothing, and it would learn of
 * that from an error for MULTI when it is too late.
 *
 *      PLAIN --MULTI: refused--> REFUSED --EXEC: EXECABORT, DISCARD: OK, RESET--> PLAIN
 *                                 |   ^
 *                                 +---+ all else, but for QUIT: refused
 *
 * What EXEC answers is what Redis says after a command that it could not queue, so that client
 * libraries know what to do with it: they raise the first error they were given, which is MULTI's
 * and says why. */
#include "front/transaction.h"

#include "front/cmd.h"

/* With the number of arguments that Redis takes, which is none; the other case is told the
 * client. */
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
                           "covey yet; all up to EXEC or DISCARD is "
                           "refused too");
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

/* Redis queues neither: they end the transaction. */
static bool ends_it(const struct command *c)
{
    return c && (c->run == cmd_quit || c->run == cmd_reset);
}

bool transaction_answers(struct session *s, const struct command *c)
{
    if (!s->multi_refused && c)
        return false; /* the usual case: none of the three is in the table */
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
