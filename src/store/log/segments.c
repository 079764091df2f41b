#include "store/log/segments.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "wire/bytes.h"

enum { LIST_HEAD = 4, LIST_ITEM = 8 };

void segments_init(struct segments *all)
{
    *all = (struct segments){.numbers = {.next = 1}};
    pthread_mutex_init(&all->numbers.lock, NULL);
}

void segments_close(struct segments *all)
{
    for (uint32_t i = 0; i < all->slot_n; i++)
        segment_close(all->slot[i]);
    free(all->slot);
    pthread_mutex_destroy(&all->numbers.lock);
}

/* ---- Slots ---- */

static uint32_t free_slot(const struct segments *all)
{
    uint32_t i = 0;
    while (i < all->slot_n && all->slot[i])
        i++;
    return i;
}

static bool grow_to(struct segments *all, uint32_t slot)
{
    if (slot > SLOTS_MAX)
        return false;
    if (slot < all->slot_n)
        return true;
    struct segment **grown = realloc(all->slot, (slot + 1) * sizeof *grown);
    if (!grown)
        return false;
    all->slot = grown;
    for (; all->slot_n <= slot; all->slot_n++)
        all->slot[all->slot_n] = NULL;
    return true;
}

bool segments_reserve(struct segments *all)
{
    return grow_to(all, all->n + 1);
}

void segments_add(struct segments *all, struct segment *s)
{
    uint32_t slot = free_slot(all);
    CHECK(slot < all->slot_n);
    s->slot = (uint16_t)slot;
    all->slot[slot] = s;
    all->n++;
}

int segments_add_at(struct segments *all, struct segment *s, uint16_t slot)
{
    if (!grow_to(all, slot))
        return ERR_NO_MEMORY;
    CHECK(all->slot[slot] == NULL);
    s->slot = slot;
    all->slot[slot] = s;
    all->n++;
    return 0;
}

static int number_cmp(const void *key, const void *item)
{
    uint32_t number = *(const uint32_t *)key, at = (*(struct segment *const *)item)->number;
    return (number > at) - (number < at);
}

struct segment *segments_numbered(struct segment *const *sorted, uint32_t n, uint32_t number)
{
    struct segment *const *place = bsearch(&number, sorted, n, sizeof *sorted, number_cmp);
    return place ? *place : NULL;
}

void segments_doom(struct segments *all, struct segment *s)
{
    CHECK(all->slot[s->slot] == s && s != all->active && s->stage == SEGMENT_USED);
    s->stage = SEGMENT_DOOMED;
    all->leaving++;
}

void segments_remove(struct segments *all, struct segment *s)
{
    CHECK(all->slot[s->slot] == s && s->stage == SEGMENT_PARTED);
    all->slot[s->slot] = NULL;
    all->n--;
    all->leaving--;
}

int segments_create(struct numbers *numbers, int dir, const struct segment *before, uint64_t base,
                    const struct log_io *io, struct segment **out)
{
    pthread_mutex_lock(&numbers->lock);
    int error = segment_create(dir, numbers->next, before, base, io, out);
    if (!error)
        numbers->next++;
    pthread_mutex_unlock(&numbers->lock);
    return error;
}

/* ---- The list ---- */

int segments_list(const struct segments *all, struct buf *out)
{
    int error = buf_reserve(out, LIST_HEAD + (size_t)all->n * LIST_ITEM);
    if (error)
        return error;
    uint8_t *p = put_u32(out->p + out->n, all->numbers.next);
    for (uint32_t i = 0; i < all->slot_n; i++) {
        const struct segment *s = all->slot[i];
        if (!s || s->stage != SEGMENT_USED)
            continue;
        p = put_u32(p, s->number);
        p = put_u32(p, s != all->active && s->ended ? s->end : 0);
    }
    out->n = (size_t)(p - out->p);
    return 0;
}

uint32_t segments_list_next(struct slice list)
{
    return list.n >= LIST_HEAD ? get_u32(list.p) : 1;
}

bool segments_listed(struct slice list, uint32_t i, uint32_t *number, uint32_t *end)
{
    size_t at = LIST_HEAD + (size_t)i * LIST_ITEM;
    if (at + LIST_ITEM > list.n)
        return false;
    *number = get_u32(list.p + at);
    *end = get_u32(list.p + at + 4);
    return true;
}
