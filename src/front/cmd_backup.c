/* cmd_backup.c: BACKUP: a copy of what this node holds, made on the node's own machine.
 *
 * BACKUP starts the backup and returns at once, with its state. BACKUP STATUS reports the
 * progress and the outcome. Both run when all commands before them are answered: so what was
 * written before is stored when the backup begins. */
#include "front/cmd.h"

static const char *state_text(const struct backup_info *i)
{
    if (i->running)
        return "running";
    return i->taken_ms == 0 ? "none" : i->error ? "failed" : "done";
}

static void answer_backup(struct reply *r, struct session_op *op, const struct result *result)
{
    const struct backup_info *i = &result->backup;
    (void)op;
    reply_map(r, 8);
    reply_field_text(r, "state", state_text(i));
    reply_field_bulk(r, "path", i->path);
    reply_field_bulk(r, "error", i->why);
    /* seconds since 1970, as LASTSAVE has it */
    reply_field_integer(r, "taken_at", (int64_t)(i->taken_ms / 1000));
    reply_field_integer(r, "files", i->files);
    reply_field_integer(r, "files_done", i->files_done);
    reply_field_integer(r, "bytes", (int64_t)i->bytes);
    reply_field_integer(r, "bytes_done", (int64_t)i->bytes_done);
}

void cmd_backup(struct session *s)
{
    static const struct session_ask begin = {OP_BACKUP, FOLD_ONE, answer_backup};
    static const struct session_ask status = {OP_BACKUP_STATUS, FOLD_ONE, answer_backup};
    session_ask(s, cmd_is(s->request.arg[1], "status") ? &status : &begin);
}
