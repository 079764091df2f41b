/* hints_batch.c: see hints_batch.h. */
#include "store/hints/hints_batch.h"

#include "base/error.h"

/* bytes of the values in one batch: the first may be as large as a value can be */
enum { VALUES_MAX = HINTS_BATCH_BYTES + RECORD_VALUE_MAX };

void hints_batch_init(struct hints_batch *b)
{
    b->n = b->used = 0;
    buf_init(&b->values, VALUES_MAX);
}

void hints_batch_close(struct hints_batch *b)
{
    buf_close(&b->values);
}

bool hints_is_hint(const struct record *r)
{
    return r->kind == RECORD_VALUE || r->kind == RECORD_TOMBSTONE || r->kind == RECORD_FLUSH;
}

/* The value of a record, uncompressed behind the other values, for which there is room. */
static int take_value(struct hints_batch *b, const struct record_view *v, struct slice *value)
{
    if (!v->lz4) {
        *value = v->record.value;
        return 0;
    }
    struct buf part = {.p = b->values.p + b->values.n, .cap = v->value_size, .max = v->value_size};
    int error = record_value(v, &part, value);
    if (!error)
        b->values.n += part.n;
    return error;
}

/* Finds how many bytes belong to the batch, and how much room its uncompressed values need. */
static int measure(struct hints_batch *b, struct slice bytes, size_t *room)
{
    uint32_t n = 0;
    size_t values = 0;
    *room = 0;
    while (n < HINTS_BATCH && b->used < bytes.n) {
        struct record_view v;
        int size = record_decode(slice_of(bytes.p + b->used, bytes.n - b->used), &v);
        if (size <= 0)
            return size == ERR_CORRUPT && b->used == 0 ? ERR_CORRUPT : 0;
        bool hint = hints_is_hint(&v.record);
        if (hint && n > 0 && values + v.value_size > HINTS_BATCH_BYTES)
            return 0;
        values += hint ? v.value_size : 0;
        *room += hint && v.lz4 ? v.value_size : 0;
        n += hint;
        b->used += (uint32_t)size;
    }
    return 0;
}

int hints_batch_fill(struct hints_batch *b, struct slice bytes, uint64_t first)
{
    size_t room;
    b->n = b->used = 0;
    b->values.n = 0;
    int error = measure(b, bytes, &room);
    error = error ? error : buf_reserve(&b->values, room);
    for (uint32_t at = 0; !error && at < b->used;) {
        struct record_view v;
        at += (uint32_t)record_decode(slice_of(bytes.p + at, bytes.n - at), &v);
        if (!hints_is_hint(&v.record))
            continue;
        struct located_record *p = &b->at[b->n++];
        *p = (struct located_record){first + at, v.record};
        error = take_value(b, &v, &p->record.value);
    }
    if (error)
        b->n = 0;
    return error;
}
