#include "rt/backup.h"

#include <stdio.h>

#include "base/error.h"
#include "rt/world.h"
#include "store/archive/backup.h"
#include "store/log/log.h"

static int begin(struct world *w, struct slice path)
{
    char text[BACKUP_PATH_MAX];
    size_t n = path.n < sizeof text ? path.n : sizeof text - 1; /* one that was cut is refused for its length */
    memcpy(text, path.p, n);
    text[n] = 0;
    if (memchr(text, 0, n))
        text[0] = 0; /* a name with a NUL in it is none */
    struct log_backup o = {
        .path = text,
        .cluster = w->node.member.cluster,
        .member = w->birth.id,
        .taken_ms = w->wall_ms,
        .whole = !w->node.shard.recovering,
    };
    int error = log_backup(w->store, &o);
    w->front.backup_running |= error == 0;
    if (!error)
        world_log(w, TRACE_INFO, "backup.began", "", text);
    return error;
}

void backup_request(struct world *w, const struct request *r)
{
    struct log_backup_state s;
    struct result result = {.token = r->token, .kind = r->kind, .wall_ms = w->wall_ms};
    if (r->kind == OP_BACKUP)
        result.error = cluster_id_none(w->node.member.cluster) ? ERR_LOADING : begin(w, r->value);
    log_backup_state(w->store, &s);
    result.backup = (struct backup_info){
        .running = s.running,
        .error = s.error,
        .path = slice_str(s.path),
        .why = slice_str(s.why),
        .taken_ms = s.taken_ms,
        .files = s.files,
        .files_done = s.files_done,
        .bytes = s.bytes,
        .bytes_done = s.bytes_done,
    };
    clients_reply(&w->clients, &result);
}

void backup_look(struct world *w)
{
    struct log_backup_state s;
    if (!w->front.backup_running)
        return;
    log_backup_state(w->store, &s);
    if (s.running)
        return;
    w->front.backup_running = false;
    w->front.backup_failed = s.error != 0;
    if (!s.error)
        w->front.backup_ms = s.taken_ms;
    world_log(w, s.error ? TRACE_WARN : TRACE_INFO, s.error ? "backup.failed" : "backup.done", "", s.error ? s.why : s.path);
}
