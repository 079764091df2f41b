/* burial.c: see burial.h. */
#include "store/burial.h"

#include "base/error.h"
#include "base/hash.h"
#include "store/table_inner.h"

struct mourner {
    uint64_t token, stamp;
};

void burial_init(struct burial *b)
{
    *b = (struct burial){0};
    queue_init(&b->waiting, sizeof(struct mourner));
    queue_init(&b->counts, sizeof(struct question));
}

void burial_close(struct burial *b)
{
    queue_close(&b->waiting);
    queue_close(&b->counts);
}

void burial_begin(struct burial *b)
{
    b->under_way = true;
    b->arc = b->bucket = 0;
    b->greatest = 0;
}

void burial_answer_later(struct burial *b, uint64_t token, uint64_t stamp)
{
    struct mourner *m = queue_push(&b->waiting);
    *m = (struct mourner){token, stamp};
}

static void bury(void *arg, const struct index_spot *spot, struct slice key)
{
    struct table *t = arg;
    struct index_item held = index_get(&t->index, spot), now = table_flushed(t, &held);
    if (held.kind == RECORD_NONE)
        return;
    if (held.version.stamp > t->burial.greatest)
        t->burial.greatest = held.version.stamp;
    struct index_key k = {.key = key, .slot = (uint16_t)(t->burial.arc * (SLOTS / t->index.arc_n))}; /* one of the arc's */
    if (version_cmp(&now.version, &held.version) != 0)
        table_change(t, &k, spot, &held, &now);
}

/* All is buried: whoever waits hears the greatest stamp there was, or that of its own flush. */
static void finish(struct table *t)
{
    struct burial *b = &t->burial;
    const struct mourner *m;
    b->under_way = false;
    while ((m = queue_peek(&b->waiting))) {
        uint64_t greatest = b->greatest > t->flushed ? b->greatest : t->flushed;
        struct version held = {.stamp = greatest};
        table_answer_put(t, m->token, m->stamp < greatest ? ERR_SUPERSEDED : 0, &held);
        queue_pop(&b->waiting);
    }
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
