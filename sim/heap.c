#include "sim/heap.h"

#include "base/check.h"

#include <stdlib.h>

void heap_close(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->e[i].bytes);
    free(h->e);
    *h = (struct heap){0};
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void heap_push(struct heap *h, const struct sim_event *ev)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 1024;
        h->e = realloc(h->e, h->cap * sizeof *h->e);
        CHECK(h->e);
    }
    struct sim_event e = *ev;
    e.order = h->next_order++;
    size_t i = h->n++;
    for (size_t up; i > 0 && before(&e, &h->e[up = (i - 1) / 2]); i = up)
        h->e[i] = h->e[up];
    h->e[i] = e;
}

bool heap_pop(struct heap *h, struct sim_event *ev)
{
    if (h->n == 0)
        return false;
    *ev = h->e[0];
    struct sim_event last = h->e[--h->n];
    size_t i = 0;
    for (size_t down; (down = 2 * i + 1) < h->n; i = down) {
        if (down + 1 < h->n && before(&h->e[down + 1], &h->e[down]))
            down++;
        if (!before(&h->e[down], &last))
            break;
        h->e[i] = h->e[down];
    }
    if (h->n > 0)
        h->e[i] = last;
    return true;
}
