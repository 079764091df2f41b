/* burial.c: see burial.h. */
#include "store/table/burial.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/phase.h"
#include "store/table/table_inner.h"

static const uint32_t next[] = {
    [BURIAL_REST] = PHASE(BURIAL_BLIND),
    [BURIAL_BLIND] = PHASE(BURIAL_BLIND) | PHASE(BURIAL_COUNTED) | PHASE(BURIAL_REST),
    [BURIAL_COUNTED] = PHASE(BURIAL_BLIND) | PHASE(BURIAL_REST),
};

/* Enters a phase in which nothing is counted. */
static void enter(struct burial *b, enum burial_phase phase)
{
    phase_enter(&b->phase, phase, next);
    free(b->covered);
    b->covered = NULL;
}

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
    enter(b, BURIAL_BLIND);
    b->arc = b->bucket = 0;
}

void burial_covers_all(struct table *t)
{
    struct burial *b = &t->burial;
    b->covered = calloc(t->index.arc_n, sizeof *b->covered);
    if (!b->covered)
        return; /* counts wait */
    phase_enter(&b->phase, BURIAL_COUNTED, next);
    for (uint32_t i = 0; i < t->index.arc_n; i++)
        b->covered[i] = index_arc_records(&t->index, i) - index_arc_dead(&t->index, i);
}

void burial_leave_out(const struct burial *b, uint32_t *live, uint32_t n)
{
    for (uint32_t i = 0; b->phase == BURIAL_COUNTED && i < n; i++)
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

/* All is buried: the counts that waited are asked again. */
static void finish(struct table *t)
{
    struct burial *b = &t->burial;
    enter(b, BURIAL_REST);
    for (const struct question *q; (q = queue_peek(&b->counts)); queue_pop(&b->counts))
        *(struct question *)queue_push(&t->questions) = *q;
}

bool burial_step(struct table *t, uint32_t buckets)
{
    struct burial *b = &t->burial;
    while (burial_under_way(b) && buckets > 0) {
        CHECK(b->arc < t->index.arc_n);
        uint32_t n = index_visit(&t->index, b->arc, &b->bucket, buckets, bury, t);
        buckets -= n > 0 ? n : 1; /* an empty arc costs a little too */
        if (b->bucket > 0)
            continue;
        if (b->phase == BURIAL_COUNTED)
            b->covered[b->arc] = 0; /* what is left was erased or lost meanwhile */
        if (++b->arc == t->index.arc_n)
            finish(t);
    }
    return burial_under_way(b);
}
