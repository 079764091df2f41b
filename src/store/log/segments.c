#include "store/log/segments.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/phase.h"
#include "wire/bytes.h"

enum { LIST_HEAD = 4, LIST_ITEM = 8 };

static const uint32_t next_phase[] = {
    [SEGMENT_USED] = PHASE(SEGMENT_DOOMED),
    [SEGMENT_DOOMED] = PHASE(SEGMENT_UNLISTING),
    [SEGMENT_UNLISTING] = PHASE(SEGMENT_UNLISTED) | PHASE(SEGMENT_DOOMED),
    [SEGMENT_UNLISTED] = 0,
};

void segments_init(struct segments *all)
{
    *all = (struct segments){.numbers = {.next = 1}};
    pthread_mutex_init(&all->numbers.lock, NULL);
}

void segments_close(struct segments *all)
{
    for (uint32_t i = 0; i < all->ordinal_n; i++)
        segment_close(all->of[i]);
    free(all->of);
    pthread_mutex_destroy(&all->numbers.lock);
}

/* What holds between any two calls. It takes a look at each segment, so it is checked where one
 * leaves, and not where thousands are opened. */
static void check(const struct segments *all)
{
    uint32_t n = 0, leaving = 0, i = 0;
    for (const struct segment *s; (s = segments_next(all, &i)) != NULL; n++) {
        CHECK(s->ordinal == i - 1);
        leaving += s->phase != SEGMENT_USED;
    }
    CHECK(n == all->n && leaving == all->leaving);
    CHECK(!all->active || (segments_have(all, all->active) && all->active->phase == SEGMENT_USED));
}

/* ---- Ordinals ---- */

static bool grow_to(struct segments *all, uint32_t ordinal)
{
    if (ordinal > SEGMENTS_MAX)
        return false;
    if (ordinal < all->ordinal_n)
        return true;
    struct segment **grown = realloc(all->of, (ordinal + 1) * sizeof *grown);
    if (!grown)
        return false;
    all->of = grown;
    for (; all->ordinal_n <= ordinal; all->ordinal_n++)
        all->of[all->ordinal_n] = NULL;
    return true;
}

bool segments_reserve(struct segments *all)
{
    return grow_to(all, all->n + 1);
}

static void put_at(struct segments *all, struct segment *s, uint32_t ordinal)
{
    CHECK(ordinal < all->ordinal_n && all->of[ordinal] == NULL);
    s->ordinal = (uint16_t)ordinal;
    all->of[ordinal] = s;
    all->n++;
}

void segments_add(struct segments *all, struct segment *s)
{
    uint32_t ordinal = 0;
    while (ordinal < all->ordinal_n && all->of[ordinal])
        ordinal++;
    put_at(all, s, ordinal);
}

int segments_add_at(struct segments *all, struct segment *s, uint16_t ordinal)
{
    if (!grow_to(all, ordinal))
        return ERR_NO_MEMORY;
    put_at(all, s, ordinal);
    return 0;
}

static int number_cmp(const void *key, const void *item)
{
    uint32_t number = *(const uint32_t *)key, at = (*(struct segment *const *)item)->number;
    return (number > at) - (number < at);
}

struct segment *segments_numbered(struct segment *const *sorted, uint32_t n, uint32_t number)
{
    struct segment *const *found = bsearch(&number, sorted, n, sizeof *sorted, number_cmp);
    return found ? *found : NULL;
}

/* ---- Leaving ---- */

void segments_doom(struct segments *all, struct segment *s)
{
    CHECK(segments_have(all, s) && s != all->active);
    phase_enter(&s->phase, SEGMENT_DOOMED, next_phase);
    all->leaving++;
    check(all);
}

void segments_advance(struct segments *all, enum segment_phase from, enum segment_phase to)
{
    uint32_t i = 0;
    CHECK(from != SEGMENT_USED && to != SEGMENT_USED);
    for (struct segment *s; (s = segments_next(all, &i)) != NULL;)
        if (s->phase == from)
            phase_enter(&s->phase, to, next_phase);
}

void segments_remove(struct segments *all, struct segment *s)
{
    CHECK(segments_have(all, s) && s->phase == SEGMENT_UNLISTED && s->reads == 0);
    all->of[s->ordinal] = NULL;
    all->n--;
    all->leaving--;
    check(all);
}

int segments_create(struct numbers *numbers, int dir, const struct segment *before, uint64_t base,
                    const struct log_io *io, struct segment **out)
{
    pthread_mutex_lock(&numbers->lock);
    CHECK(!before || before->number < numbers->next);
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
    uint32_t i = 0;
    for (const struct segment *s; (s = segments_next(all, &i)) != NULL;) {
        if (s->phase != SEGMENT_USED)
            continue;
        CHECK(s->number < all->numbers.next);
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
