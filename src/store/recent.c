#include "store/recent.h"

#include <string.h>

/* The hash of a key is as good as random; a version's parts are told apart by odd factors. Never 0, which is no mark. */
static uint64_t mark_of(uint64_t hash, const struct version *v)
{
    uint64_t mark = hash ^ v->stamp * 0x9e3779b97f4a7c15u ^ v->expiry_stamp * 0xc2b2ae3d27d4eb4fu ^ v->node ^ v->digest;
    return mark ? mark : 1;
}

void recent_take(struct recent *r, uint64_t hash, const struct version *v, uint64_t now_ms)
{
    uint64_t *last_ms = &r->last_ms[r->next / RECENT_BLOCK];
    if (r->next % RECENT_BLOCK == 0 && *last_ms > r->forgot_ms)
        r->forgot_ms = *last_ms;
    r->mark[r->next] = mark_of(hash, v);
    *last_ms = now_ms;
    r->next = (r->next + 1) % RECENT_PUTS;
}

bool recent_took(const struct recent *r, uint64_t hash, const struct version *v)
{
    uint64_t mark = mark_of(hash, v);
    bool found = false;
    for (unsigned i = 0; i < RECENT_PUTS; i++)
        found |= r->mark[i] == mark; /* no way out: so it is done several at a time */
    return found;
}

uint32_t recent_reach_ms(const struct recent *r, uint64_t now_ms)
{
    uint64_t reach = now_ms > r->forgot_ms ? now_ms - r->forgot_ms : 0;
    return reach < UINT32_MAX ? (uint32_t)reach : UINT32_MAX;
}

void recent_forget(struct recent *r, uint64_t now_ms)
{
    memset(r->mark, 0, sizeof r->mark);
    r->forgot_ms = now_ms;
}
