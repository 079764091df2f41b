/* burial.c: see burial.h. */
#include "store/burial.h"

#include "base/hash.h"
#include "store/table_inner.h"

void burial_init(struct burial *b)
{
    *b = (struct burial){0};
    queue_init(&b->counts, sizeof(struct question));
}

void burial_close(struct burial *b)
{
    queue_close(&b->counts);
}

void burial_begin(struct burial *b)
{
    b->under_way = true;
    b->arc = b->bucket = 0;
}

static void bury(void *arg, const struct index_spot *spot, struct slice key)
{
    struct table *t = arg;
    struct index_item held = index_get(&t->index, spot), now = table_flushed(t, &held);
    if (held.kind == RECORD_NONE)
        return;
    struct index_key k = {.key = key, .slot = (uint16_t)(t->burial.arc * (SLOTS / t->index.arc_n))}; /* one of the arc's */
    if (version_cmp(&now.version, &held.version) != 0)
        table_change(t, &k, spot, &held, &now);
}

/* All is buried: now the living can be counted. */
static void finish(struct table *t)
{
    struct burial *b = &t->burial;
    b->under_way = false;
    for (const struct question *q; (q = queue_peek(&b->counts)); queue_pop(&b->counts))
        *(struct question *)queue_push(&t->questions) = *q;
}

bool burial_step(struct table *t, uint32_t buckets)
{
    struct burial *b = &t->burial;
    while (b->under_way && buckets > 0) {
        uint32_t n = index_visit(&t->index, b->arc, &b->bucket, buckets, bury, t);
        buckets -= n > 0 ? n : 1; /* an empty arc costs a little too */
        if (b->bucket == 0 && ++b->arc == t->index.arc_n)
            finish(t);
    }
    return b->under_way;
}
