/* log.c: the store on disk, put together: the table (which records are held), the segments (where
 * they stand), and the helper threads (committer, reader, keeper, backup).
 *
 * Which file does what:
 *
 *     log.c         the doors: reaping, doubt, backups, figures
 *     log_open.c    opening, replay, the helpers' start, the clean stop
 *     log_write.c   a put's way to the disk, and its failures
 *     log_read.c    values from the disk
 *     log_states.c  the node's own records at the head of each segment
 *     log_tend.c    the list of segments, healing, a slice of the upkeep in each turn
 *
 * One invariant holds for all of them: only the loop's thread touches the table and the ordinals of
 * the segments. A helper is given a job that holds all it needs, and gives it back. */
#include "store/log/log_inner.h"

#include "base/check.h"
#include "wire/bytes.h"

static void log_set_vnodes(struct store *s, uint16_t vnodes)
{
    struct log *l = log_of(s);
    int error = table_cut(&l->table, vnodes);
    if (error)
        log_report(
            l,
            "out of memory while cutting the index anew: counts are by the old number of vnodes");
}

static uint64_t log_position(const struct store *s)
{
    const struct segment *a = log_active((const struct log *)s);
    CHECK(a->base != SEGMENT_COPIES && a->published >= SEGMENT_HEADER);
    return a->base + a->published;
}

/* ---- Doubt ---- */

static bool log_damaged(const struct store *s, uint32_t vnode)
{
    const struct log *l = (const struct log *)s;
    return damage_in(&l->doubt.all, vnode, l->table.index.arc_n);
}

static void log_doubt(struct store *s, struct slice slots)
{
    struct log *l = log_of(s);
    doubt_raise(&l->doubt, slots);
    doubt_put(&l->doubt, &l->table, l->gather);
}

static void log_healed(struct store *s, struct slice slots)
{
    doubt_clear(&log_of(s)->doubt, slots);
    recent_forget(&log_of(s)->table.recent);
}

bool log_state_lost(const struct store *s, struct slice name)
{
    struct slice left = buf_view(&((const struct log *)s)->lost_states);
    while (left.n > 0) {
        struct slice one = slice_of(left.p + 12, get_u32(left.p + 8));
        CHECK(12 + one.n <= left.n);
        if (slice_eq(one, name))
            return true;
        left = slice_of(one.p + one.n, left.n - 12 - one.n);
    }
    return false;
}

static int log_refuses(const struct store *s)
{
    const struct log *l = (const struct log *)s;
    return l->failed ? l->failed : reserve_held(&l->reserve) ? 0 : ERR_NO_SPACE;
}

/* ---- Backups ---- */

static void log_backup(struct store *s, uint64_t token, const struct backup_ask *ask)
{
    struct log *l = log_of(s);
    struct manifest about = {
        .cluster = ask->cluster,
        .member = ask->member,
        .taken_ms = ask->taken_ms,
        .complete = ask->complete && !damage_any(&l->doubt.all),
        .keys = l->table.index.records,
    };
    backup_ask(&l->backup, token, ask->status ? NULL : &about, ask->path);
}

/* ---- Results ---- */

static bool log_reap(struct store *s, struct store_result *out)
{
    struct log *l = log_of(s);
    log_collect(l);
    buf_slim(&l->record);
    buf_slim(&l->value);
    if (table_answer(&l->table, out) || doubt_result(&l->doubt, out) ||
        backup_result(&l->backup, out) || log_read(l, out))
        return true;
    log_keep_up(l);
    /* that may have ended a backup, or answered puts that were in one group with the list */
    return table_answer(&l->table, out) || backup_result(&l->backup, out);
}

const struct store_vtable log_vtable = {
    .put = log_put,
    .backup = log_backup,
    .commit = log_commit,
    .reap = log_reap,
    .set_vnodes = log_set_vnodes,
    .position = log_position,
    .refuses = log_refuses,
    .damaged = log_damaged,
    .doubt = log_doubt,
    .healed = log_healed,
    .close = log_close,
};

/* ---- Figures ---- */

void log_stats(const struct store *s, struct log_stats *out)
{
    struct log *l = log_of((struct store *)(uintptr_t)s); /* counting syncs takes a lock */
    const struct index *ix = &l->table.index;
    *out = (struct log_stats){
        .resting = upkeep_resting(&l->upkeep),
        .records = ix->records,
        .index_bytes = ix->bytes + nodes_bytes(&ix->nodes),
        .key_bytes = ix->key_bytes,
        .segments = l->segments.n,
        .syncs = commit_syncs(&l->committer),
        .torn_bytes = l->torn_bytes,
        .copied_bytes = l->upkeep.compact.copied_bytes,
        .removed = l->upkeep.compact.removed,
        .snapshots = l->upkeep.snapshot.taken,
        .snapshot_bytes = l->upkeep.snapshot.last_bytes,
        .replayed_bytes = l->replayed_bytes,
    };
    uint32_t i = 0;
    for (struct segment *one; (one = segments_next(&l->segments, &i)) != NULL;)
        /* the end of a segment that is written to may belong to a helper just now */
        out->disk_bytes += one->ended ? one->end : atomic_load(&one->synced);
}
