/* burial.c: see burial.h. */
#include "store/table/burial.h"

#include <stdlib.h>

#include "base/hash.h"
#include "store/table/table_inner.h"

void burial_init(struct burial *b)
{
    *b = (struct burial){0};
    queue_init(&b->counts, sizeof(struct question));
}

void burial_close(struct burial *b)
{
    free(b->covered);
    queue_close(&b->counts);
}

void burial_begin(struct burial *b)
{
    b->under_way = true;
    b->arc = b->bucket = 0;
    free(b->covered);
    b->covered = NULL;
}

void burial_covers_all(struct table *t)
{
    struct burial *b = &t->burial;
    b->covered = calloc(t->index.arc_n, sizeof *b->covered);
    for (uint32_t i = 0; b->covered && i < t->index.arc_n; i++)
        b->covered[i] = index_arc_records(&t->index, i) - index_arc_dead(&t->index, i);
}

void burial_leave_out(const struct burial *b, uint32_t *live, uint32_t n)
{
    for (uint32_t i = 0; b->covered && i < n; i++)
        live[i] -= b->covered[i] < live[i] ? b->covered[i] : live[i];
}

static void bury(void *arg, const struct index_spot *spot, struct slice key)
{
    struct table *t = arg;
    struct index_key k = {.key = key, .slot = slot_of_key(key)};
    struct index_item held = index_get(&t->index, spot), now = table_flushed(t, &k, &held);
    if (held.kind == RECORD_NONE)
        return;
    if (version_cmp(&now.version, &held.version) != 0)
        table_change(t, &k, spot, &held, &now);
}

/* All is buried: now the living can be counted. */
static void finish(struct table *t)
{
    struct burial *b = &t->burial;
    b->under_way = false;
    free(b->covered);
    b->covered = NULL;
    for (const struct question *q; (q = queue_peek(&b->counts)); queue_pop(&b->counts))
        *(struct question *)queue_push(&t->questions) = *q;
}

bool burial_step(struct table *t, uint32_t buckets)
{
    struct burial *b = &t->burial;
    while (b->under_way && buckets > 0) {
        uint32_t n = index_visit(&t->index, b->arc, &b->bucket, buckets, bury, t);
        buckets -= n > 0 ? n : 1; /* an empty arc costs a little too */
        if (b->bucket > 0)
            continue;
        if (b->covered)
            b->covered[b->arc] = 0; /* what is left of it was over before it was buried */
        if (++b->arc == t->index.arc_n)
            finish(t);
    }
    return b->under_way;
}
