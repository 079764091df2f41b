#include "store/log/cache.h"

#include <stdlib.h>

#include "base/fetch.h"

enum {
    LINE = 64, /* bytes of a line of the processor's cache, */
    /* and how many of a value are asked for: the processor sees by itself how a longer one goes
     * on */
    LINES_FETCHED = 4
};

void cache_init(struct cache *c)
{
    *c = (struct cache){0};
}

void cache_close(struct cache *c)
{
    free(c->ring);
    free(c->slot);
    cache_init(c);
}

/* The one place in the table where a value may be noted. Digests are hashes already; the stamp
 * spreads equal values. */
static struct cache_slot *slot_of(const struct cache *c, const struct version *v)
{
    return &c->slot[(v->digest ^ v->stamp * 0x9e3779b97f4a7c15u) >> 20 & (CACHE_SLOTS - 1)];
}

bool cache_find(const struct cache *c, const struct version *v, uint32_t n, struct slice *value)
{
    if (!c->slot || n == 0 || n > CACHE_VALUE_MAX)
        return false;
    const struct cache_slot *s = slot_of(c, v);
    if (s->stamp != v->stamp || s->digest != v->digest || s->n != n || c->head - s->at > CACHE_RING)
        return false;
    *value = slice_of(c->ring + s->at % CACHE_RING, n);
    return true;
}

void cache_fetch(const struct cache *c, const struct version *v, unsigned n)
{
    if (!c->slot)
        return;
    for (unsigned i = 0; i < n; i++)
        fetch_line(slot_of(c, &v[i]));
    for (unsigned i = 0; i < n; i++) {
        const struct cache_slot *s = slot_of(c, &v[i]);
        for (uint32_t at = 0; s->stamp == v[i].stamp && at < s->n && at < LINES_FETCHED * LINE;
             at += LINE)
            fetch_line(c->ring + (s->at + at) % CACHE_RING);
    }
}

static bool cache_make(struct cache *c)
{
    if (c->slot)
        return true;
    c->ring = calloc(1, CACHE_RING); /* fresh from the system: pages come as they are touched */
    c->slot = calloc(CACHE_SLOTS, sizeof *c->slot);
    if (c->ring && c->slot)
        return true;
    cache_close(c);
    return false;
}

void cache_keep(struct cache *c, const struct version *v, struct slice value)
{
    if (value.n == 0 || value.n > CACHE_VALUE_MAX || !cache_make(c))
        return;
    uint64_t left = CACHE_RING - c->head % CACHE_RING;
    if (left < value.n)
        c->head += left; /* a value lies in one piece */
    *slot_of(c, v) = (struct cache_slot){
        .stamp = v->stamp, .digest = v->digest, .at = c->head, .n = (uint32_t)value.n};
    memcpy(c->ring + c->head % CACHE_RING, value.p, value.n);
    c->head += value.n;
}
