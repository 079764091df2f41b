#include "store/table/state.h"

#include <stdlib.h>

struct state *state_new(const struct record *r)
{
    struct state *s = malloc(sizeof *s + r->key.n + r->value.n);
    if (!s)
        return NULL;
    *s = (struct state){
        .version = r->version, .name_n = (uint32_t)r->key.n, .value_n = (uint32_t)r->value.n};
    if (r->key.n)
        memcpy(s->bytes, r->key.p, r->key.n);
    if (r->value.n)
        memcpy(s->bytes + r->key.n, r->value.p, r->value.n);
    return s;
}

struct state *state_find(struct state *list, struct slice name)
{
    for (struct state *s = list; s; s = s->next)
        if (slice_eq(state_name(s), name))
            return s;
    return NULL;
}

const struct state *state_merge(struct state **list, struct state *fresh)
{
    struct state **link = list;
    while (*link && !slice_eq(state_name(*link), state_name(fresh)))
        link = &(*link)->next;
    struct state *old = *link;
    if (old && version_cmp(&fresh->version, &old->version) < 0) {
        free(fresh);
        return old;
    }
    fresh->next = old ? old->next : NULL;
    *link = fresh;
    free(old);
    return fresh;
}

void state_free_all(struct state **list)
{
    while (*list) {
        struct state *next = (*list)->next;
        free(*list);
        *list = next;
    }
}
