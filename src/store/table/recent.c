#include "store/table/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fetch.h"

static const size_t TABLE_BYTES = RECENT_BUCKETS * sizeof(uint64_t);

int recent_init(struct recent *r)
{
    *r = (struct recent){.mark = {calloc(1, TABLE_BYTES), calloc(1, TABLE_BYTES)}};
    return r->mark[0] && r->mark[1] ? 0 : ERR_NO_MEMORY;
}

void recent_close(struct recent *r)
{
    free(r->mark[0]);
    free(r->mark[1]);
    *r = (struct recent){0};
}

/* The hash of a key is as good as random. Odd factors keep the parts of a version, and the count of
 * forgets, from cancelling each other out. Never 0, for that is an empty bucket. */
static uint64_t mark_of(const struct recent *r, uint64_t hash, const struct version *v)
{
    uint64_t mark = hash ^ r->forgets * 0x165667b19e3779f9u ^ v->stamp * 0x9e3779b97f4a7c15u ^
                    v->expiry_stamp * 0xc2b2ae3d27d4eb4fu ^ v->node ^ v->digest;
    return mark ? mark : 1;
}

static uint32_t first_bucket(uint64_t mark)
{
    return (uint32_t)(mark ^ mark >> 32) % RECENT_BUCKETS;
}

/* The bucket of a mark, or the empty one where it belongs. One is always empty: half of a table
 * is. */
static uint64_t *bucket_of(uint64_t *table, uint64_t mark)
{
    uint32_t i = first_bucket(mark);
    while (table[i] != 0 && table[i] != mark)
        i = (i + 1) % RECENT_BUCKETS;
    return &table[i];
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The newer table is full: it becomes the older one. */
static void turn_over(struct recent *r)
{
    uint64_t *older = r->mark[1];
    r->mark[1] = r->mark[0];
    r->mark[0] = memset(older, 0, TABLE_BYTES);
    r->horizon = greater(r->horizon, r->greatest[1]);
    r->greatest[1] = r->greatest[0];
    r->greatest[0] = 0;
    r->n = 0;
}

void recent_fetch(const struct recent *r, uint64_t hash, const struct version *v)
{
    fetch_line(&r->mark[0][first_bucket(mark_of(r, hash, v))]);
}

void recent_take(struct recent *r, uint64_t hash, const struct version *v)
{
    if (r->n == RECENT_PUTS)
        turn_over(r);
    r->n++;
    r->greatest[0] = greater(r->greatest[0], v->stamp);
    uint64_t mark = mark_of(r, hash, v);
    *bucket_of(r->mark[0], mark) = mark;
}

bool recent_took(const struct recent *r, uint64_t hash, const struct version *v)
{
    uint64_t mark = mark_of(r, hash, v);
    return *bucket_of(r->mark[0], mark) == mark || *bucket_of(r->mark[1], mark) == mark;
}

bool recent_never_took(const struct recent *r, uint64_t hash, const struct version *v)
{
    return v->stamp > r->horizon && !recent_took(r, hash, v);
}

void recent_forget(struct recent *r)
{
    r->forgets++;
    r->horizon = greater(r->horizon, greater(r->greatest[0], r->greatest[1]));
}
