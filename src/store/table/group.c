#include "store/table/group.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"

void group_init(struct group *g)
{
    *g = (struct group){0};
    buf_init(&g->bytes, GROUP_BYTES_MAX);
}

void group_close(struct group *g)
{
    group_reset(g);
    buf_close(&g->bytes);
    free(g->pending);
    g->pending = NULL;
    g->cap = 0;
}

void group_reset(struct group *g)
{
    for (uint32_t i = 0; g->states > 0 && i < g->n; i++)
        free(g->pending[i].state);
    g->bytes.n = 0;
    g->n = g->settled = g->decided = g->states = 0;
    buf_slim(&g->bytes);
}

int group_add(struct group *g, struct pending *p, const struct record *r)
{
    if (r->key.n > KEY_FULL_MAX || r->value.n > RECORD_VALUE_MAX)
        return ERR_TOO_BIG;
    struct pending *grown = array_room(g->pending, g->n, &g->cap, sizeof *grown);
    if (!grown)
        return ERR_NO_MEMORY;
    g->pending = grown;
    size_t offset = g->bytes.n;
    int error = record_encode_slot(&g->bytes, r, p->state ? record_slot(r) : p->slot);
    if (error)
        return error == ERR_TOO_BIG ? ERR_BUSY : error; /* too big for what is left of the group */
    p->item.offset = (uint32_t)offset;
    p->key_n = (uint32_t)r->key.n;
    g->states += p->state != NULL;
    g->pending[g->n++] = *p;
    return 0;
}

struct index_key group_key(const struct group *g, const struct pending *p)
{
    struct slice key = slice_of(g->bytes.p + p->item.offset + RECORD_HEADER, p->key_n);
    return (struct index_key){
        .key = key, .hash = p->hash, .key_hash = p->key_hash, .slot = p->slot};
}

void buf_slim(struct buf *b)
{
    if (b->cap > KEEP_BYTES_MAX)
        buf_close(b);
}
