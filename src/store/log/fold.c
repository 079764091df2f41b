#include "store/log/fold.h"

static bool has_expiry(const struct record *r, const struct index_item *held)
{
    return r->version.expiry_stamp == held->version.expiry_stamp && r->expiry_ms == held->expiry_ms;
}

/* What is left of a value that has lapsed. */
static int fold_lapsed(struct buf *copy, struct slice key, const struct index_item *held)
{
    return record_encode(copy, &(struct record){.kind = RECORD_EXPIRY,
                                                .version = held->version,
                                                .expiry_ms = held->expiry_ms,
                                                .key = key});
}

int fold_record(struct buf *copy, struct slice bytes, const struct record_view *v,
                const struct index_item *held)
{
    if (held->kind == RECORD_TOMBSTONE && v->record.kind != RECORD_TOMBSTONE)
        return record_encode(copy, &(struct record){.kind = RECORD_TOMBSTONE,
                                                    .version = held->version,
                                                    .key = v->record.key});
    if (held->kind == RECORD_EXPIRY)
        return fold_lapsed(copy, v->record.key, held);
    size_t at = copy->n;
    int error = buf_slice(copy, bytes);
    if (!error && held->kind == RECORD_VALUE && !has_expiry(&v->record, held))
        record_set_expiry(copy->p + at, held->version.expiry_stamp, held->expiry_ms);
    return error;
}

int fold_expiry(struct buf *copy, const struct segment *s, const struct log_io *io,
                struct slice key, const struct index_item *held)
{
    struct record_view v;
    if (held->kind == RECORD_EXPIRY)
        return fold_lapsed(copy, key, held);
    size_t most = table_record_max(held, key.n), at = copy->n;
    int error = buf_reserve(copy, most);
    if (error)
        return error;
    ssize_t got = segment_read(s, io, copy->p + at, most, held->offset, 0);
    if (got < 0)
        return ERR_IO;
    int size = record_decode(slice_of(copy->p + at, (size_t)got), &v);
    if (size <= 0 || !slice_eq(v.record.key, key) ||
        version_value_cmp(&v.record.version, &held->version) != 0 || has_expiry(&v.record, held))
        return 0;
    record_set_expiry(copy->p + at, held->version.expiry_stamp, held->expiry_ms);
    copy->n += (size_t)size;
    return 0;
}
