/* cmd_data.c: keys and values, and how many owners must answer for them. */
#include "front/cmd.h"

static bool is_value(const struct record *record)
{
    return record->kind == RECORD_VALUE;
}

/* ---- Answers of the node ---- */

static void answer_value(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    if (is_value(&result->record))
        reply_bulk(r, result->record.value);
    else
        reply_null(r);
}

static void answer_deleted(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)r;
    op->n = result->existed;
}

static void answer_exists(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)r;
    op->n = is_value(&result->record);
}

static void answer_size(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_integer(r, is_value(&result->record) ? result->size : 0);
}

static void answer_type(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_simple(r, is_value(&result->record) ? "string" : "none");
}

static void answer_count(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_integer(r, (int64_t)result->count);
}

/* ---- Commands ---- */

CMD_ASKS(cmd_get, OP_GET, FOLD_ONE, answer_value)
CMD_ASKS(cmd_mget, OP_GET, FOLD_ARRAY, answer_value)

void cmd_mset(struct session *s)
{
    static const struct session_ask ask = {OP_PUT, FOLD_OK, NULL};
    if (s->request.arg_n % 2 == 0)
        reply_error(&s->reply, "ERR wrong number of arguments for 'mset' command");
    else
        session_ask(s, &ask);
}

CMD_ASKS(cmd_del, OP_DEL, FOLD_SUM, answer_deleted)
CMD_ASKS(cmd_exists, OP_HEAD, FOLD_SUM, answer_exists)
CMD_ASKS(cmd_strlen, OP_HEAD, FOLD_ONE, answer_size)
CMD_ASKS(cmd_type, OP_HEAD, FOLD_ONE, answer_type)
CMD_ASKS(cmd_dbsize, OP_COUNT, FOLD_ONE, answer_count)

/* In Redis ASYNC and SYNC say when the memory is freed. Here OK always means that the flush is
 * durable. */
void cmd_flush(struct session *s)
{
    static const struct session_ask ask = {OP_FLUSH, FOLD_OK, NULL};
    const struct resp_request *q = &s->request;
    if (q->arg_n > 2 || (q->arg_n == 2 && cmd_choice(s, 0, q->arg[1]) < 0))
        reply_error(&s->reply, "ERR syntax error");
    else
        session_ask(s, &ask);
}

/* ---- CONSISTENCY ---- */

static const char *level_name(enum consistency level)
{
    static const char *const name[] = {
        [LEVEL_QUORUM] = "quorum", [LEVEL_ONE] = "one", [LEVEL_ALL] = "all"};
    return name[level];
}

static bool level_parse(struct slice word, enum consistency *level)
{
    for (enum consistency each = LEVEL_QUORUM; each <= LEVEL_ALL; each++) {
        if (cmd_is(word, level_name(each))) {
            *level = each;
            return true;
        }
    }
    return false;
}

static void consistency_shown(struct session *s)
{
    reply_map(&s->reply, 2);
    reply_field_text(&s->reply, "read", level_name(s->read_level));
    reply_field_text(&s->reply, "write", level_name(s->write_level));
}

void cmd_consistency(struct session *s)
{
    const struct resp_request *q = &s->request;
    enum consistency read = s->read_level, write = s->write_level;
    char usage[COMMAND_USAGE_MAX];

    if (q->arg_n == 1) {
        consistency_shown(s);
        return;
    }
    for (uint32_t i = 1; i < q->arg_n; i += 2) {
        bool is_read = cmd_is(q->arg[i], "read");
        if (i + 1 == q->arg_n || (!is_read && !cmd_is(q->arg[i], "write")) ||
            !level_parse(q->arg[i + 1], is_read ? &read : &write)) {
            reply_error(&s->reply, "ERR syntax error, it is %s", cmd_usage(s, usage));
            return;
        }
    }
    if (write == LEVEL_ONE) {
        reply_error(&s->reply, "ERR a write at one owner could be lost with it: CONSISTENCY WRITE "
                               "takes QUORUM or ALL");
        return;
    }
    s->read_level = read;
    s->write_level = write;
    reply_simple(&s->reply, "OK");
}
