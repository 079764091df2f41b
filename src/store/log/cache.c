#include "store/log/cache.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/fetch.h"

enum {
    FETCH_STEP = 64, /* bytes that the processor fetches at a time */
    /* So many bytes of a value are fetched: the processor fetches the rest of a longer one by
     * itself. */
    FETCH_BYTES = 4 * FETCH_STEP
};

void cache_init(struct cache *c)
{
    *c = (struct cache){0};
}

void cache_close(struct cache *c)
{
    free(c->ring);
    free(c->line);
    cache_init(c);
}

/* The one line for a value. A digest is a hash already; the stamp spreads equal values. */
static struct cache_line *line_of(const struct cache *c, const struct version *v)
{
    return &c->line[(v->digest ^ v->stamp * 0x9e3779b97f4a7c15u) >> 20 & (CACHE_LINES - 1)];
}

bool cache_find(const struct cache *c, const struct version *v, uint32_t n, struct slice *value)
{
    if (!c->line || n == 0 || n > CACHE_VALUE_MAX)
        return false;
    const struct cache_line *s = line_of(c, v);
    if (s->stamp != v->stamp || s->digest != v->digest || s->n != n || c->head - s->at > CACHE_RING)
        return false;
    CHECK(s->at % CACHE_RING + n <= CACHE_RING);
    *value = slice_of(c->ring + s->at % CACHE_RING, n);
    return true;
}

void cache_fetch(const struct cache *c, const struct version *v, unsigned n)
{
    if (!c->line)
        return;
    for (unsigned i = 0; i < n; i++)
        fetch_line(line_of(c, &v[i]));
    for (unsigned i = 0; i < n; i++) {
        const struct cache_line *s = line_of(c, &v[i]);
        for (uint32_t at = 0; s->stamp == v[i].stamp && at < s->n && at < FETCH_BYTES;
             at += FETCH_STEP)
            fetch_line(c->ring + (s->at + at) % CACHE_RING);
    }
}

static bool cache_make(struct cache *c)
{
    if (c->line)
        return true;
    c->ring = calloc(1, CACHE_RING); /* fresh from the system: pages come as they are touched */
    c->line = calloc(CACHE_LINES, sizeof *c->line);
    if (c->ring && c->line)
        return true;
    cache_close(c);
    return false;
}

void cache_add(struct cache *c, const struct version *v, struct slice value)
{
    if (value.n == 0 || value.n > CACHE_VALUE_MAX || !cache_make(c))
        return;
    uint64_t left = CACHE_RING - c->head % CACHE_RING;
    if (left < value.n)
        c->head += left; /* a value lies in one piece */
    *line_of(c, v) = (struct cache_line){
        .stamp = v->stamp, .digest = v->digest, .at = c->head, .n = (uint32_t)value.n};
    memcpy(c->ring + c->head % CACHE_RING, value.p, value.n);
    c->head += value.n;
    CHECK(c->head - line_of(c, v)->at <= CACHE_RING);
}
