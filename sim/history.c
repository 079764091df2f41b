#include "sim/history.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

void history_init(struct history *h, uint32_t keys)
{
    *h = (struct history){.key_n = keys};
    buf_init(&h->why, 4096);
    h->key = calloc(keys, sizeof *h->key);
    CHECK(h->key);
    for (uint32_t k = 0; k < keys; k++) {
        uint32_t first = history_begin(h, k, HISTORY_ABSENT, 0);
        history_end(h, k, first, OUTCOME_OK, 0);
    }
}

void history_close(struct history *h)
{
    for (uint32_t k = 0; k < h->key_n; k++) {
        free(h->key[k].w);
        free(h->key[k].expiry);
    }
    free(h->key);
    buf_close(&h->why);
}

uint32_t history_begin(struct history *h, uint32_t key, uint32_t value, uint64_t now_us)
{
    struct history_key *k = &h->key[key];
    CHECK(k->n == 0 || k->w[k->n - 1].begin_us <= now_us);
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 8;
        k->w = realloc(k->w, k->cap * sizeof *k->w);
        CHECK(k->w);
    }
    k->w[k->n] = (struct history_write){.value = value,
                                        .begin_us = now_us,
                                        .end_us = UINT64_MAX,
                                        .ack_us = UINT64_MAX,
                                        .gone_us = UINT64_MAX};
    return k->n++;
}

void history_end(struct history *h, uint32_t key, uint32_t write, enum outcome outcome,
                 uint64_t now_us)
{
    struct history_write *w = &h->key[key].w[write];
    CHECK(w->outcome == OUTCOME_PENDING);
    w->outcome = outcome;
    if (outcome != OUTCOME_OK)
        return;
    w->ack_us = now_us;
    if (now_us < w->end_us)
        w->end_us = now_us;
}

void history_lives(struct history *h, uint32_t key, uint32_t write, uint64_t life_us)
{
    h->key[key].w[write].life_us = life_us;
}

uint32_t history_expire_begin(struct history *h, uint32_t key, uint64_t life_us, uint64_t now_us)
{
    struct history_key *k = &h->key[key];
    if (k->expiry_n == k->expiry_cap) {
        k->expiry_cap = k->expiry_cap ? k->expiry_cap * 2 : 8;
        k->expiry = realloc(k->expiry, k->expiry_cap * sizeof *k->expiry);
        CHECK(k->expiry);
    }
    k->expiry[k->expiry_n] = (struct history_expiry){
        .begin_us = now_us, .end_us = now_us + HISTORY_LATE_US, .life_us = life_us};
    return k->expiry_n++;
}

void history_expire_end(struct history *h, uint32_t key, uint32_t expiry, enum outcome outcome,
                        uint64_t now_us)
{
    if (outcome != OUTCOME_UNKNOWN)
        h->key[key].expiry[expiry].end_us = now_us;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The first moment at which the value of a write may be over. */
static uint64_t ends_from(const struct history_key *k, const struct history_write *w)
{
    uint64_t at = w->life_us ? w->begin_us + w->life_us : UINT64_MAX;
    for (uint32_t i = 0; i < k->expiry_n; i++) {
        const struct history_expiry *e = &k->expiry[i];
        if (w->begin_us <= e->end_us && e->begin_us + e->life_us < at)
            at = e->begin_us + e->life_us;
    }
    return at == UINT64_MAX ? at : at < HISTORY_SKEW_US ? 0 : at - HISTORY_SKEW_US;
}

/* The moment from which no read may see the value any more; UINT64_MAX where it has no expiry of
 * its own, or where an EXPIRE may have given it another. */
static uint64_t ends_until(const struct history_key *k, const struct history_write *w)
{
    if (!w->life_us)
        return UINT64_MAX;
    for (uint32_t i = 0; i < k->expiry_n; i++)
        if (w->begin_us <= k->expiry[i].end_us)
            return UINT64_MAX;
    return sum(w->ack_us, w->life_us + HISTORY_SKEW_US);
}

/* A finished read, as far as the judgement needs it. */
struct seen {
    uint32_t key, value;
    uint64_t begin_us, now_us;
};

static void violation(struct history *h, const struct seen *r, const char *what,
                      const struct history_write *got, const struct history_write *other)
{
    if (h->why.n > 0)
        return;
    CHECK(!buf_printf(&h->why,
                      "key k%" PRIu32 ": the read of %" PRIu64 " .. %" PRIu64 " us returned ",
                      r->key, r->begin_us, r->now_us));
    if (!got)
        CHECK(!buf_printf(&h->why, "something nobody wrote"));
    else
        CHECK(!buf_printf(&h->why,
                          "%sv%" PRIu32 " (written from %" PRIu64
                          " us, outcome %d, known since %" PRIu64 " us)",
                          got->value == r->value ? "" : "nothing, as after the end of ", got->value,
                          got->begin_us, (int)got->outcome, got->end_us));
    CHECK(!buf_printf(&h->why, ": %s", what));
    if (other)
        CHECK(!buf_printf(&h->why,
                          " v%" PRIu32 " (written from %" PRIu64
                          " us, outcome %d, known since %" PRIu64 " us)",
                          other->value, other->begin_us, (int)other->outcome, other->end_us));
}

/* The write that a read which begins at begin_us must have seen, or a later one: of those that were
 * known by then the one that began last. Writes stand in the order in which they began, so it is
 * near the end however many there were. */
static const struct history_write *must_know(const struct history_key *k, uint64_t begin_us)
{
    uint32_t i = k->n - 1;
    while (i > 0 && k->w[i].end_us >= begin_us)
        i--;
    return &k->w[i];
}

/* Whether a read of that value at that time can have seen this write: the value is its own, or it
 * is over and nothing was found. */
static bool means(const struct history_key *k, const struct history_write *w, uint32_t value,
                  uint64_t now_us)
{
    return w->value == value || (value == HISTORY_ABSENT && ends_from(k, w) <= now_us);
}

/* The one write of a value; -1 when there is none. Most reads return one of the last, so the search
 * begins there. */
static int64_t writer_of(const struct history_key *k, uint32_t value)
{
    int64_t i = (int64_t)k->n - 1;
    while (i >= 0 && k->w[i].value != value)
        i--;
    return i;
}

/* The write that explains a read; -1: there is none. Where the read found nothing, one that could
 * have been the last is taken if there is one. */
static int64_t explain(const struct history_key *k, uint32_t value,
                       const struct history_write *known, uint64_t now_us)
{
    int64_t found = -1;
    if (value != HISTORY_ABSENT)
        return writer_of(k, value);
    for (uint32_t i = 0; i < k->n; i++) {
        if (!means(k, &k->w[i], value, now_us))
            continue;
        found = i;
        if (k->w[i].outcome != OUTCOME_FAILED && k->w[i].end_us >= known->begin_us)
            return i;
    }
    return found;
}

/* Whether all later reads must see that write or a later one, now that one has seen it. */
static bool binds(const struct history *h, const struct history_write *w)
{
    return w->value != HISTORY_ABSENT && (!h->only_acks || w->outcome == OUTCOME_OK);
}

/* A read saw write i, and began when a read of another write had ended. That other write is gone
 * for good: each is written once. */
static void supersede(const struct history *h, struct history_key *k, uint32_t i, uint64_t now_us)
{
    struct history_write *before = &k->w[k->last_seen];
    if (!binds(h, before) || !binds(h, &k->w[i]) || before->gone_us <= now_us)
        return;
    before->gone_us = now_us;
    before->gone_by = i;
}

bool history_read(struct history *h, uint32_t key, uint32_t value, uint64_t begin_us,
                  uint64_t now_us)
{
    struct history_key *k = &h->key[key];
    const struct seen r = {key, value, begin_us, now_us};
    k->reads++;
    const struct history_write *known = must_know(k, begin_us);
    int64_t i = explain(k, value, known, now_us);
    struct history_write *w = i < 0 ? NULL : &k->w[i];
    if (!w)
        violation(h, &r, "no such write", NULL, NULL);
    else if (w->outcome == OUTCOME_FAILED)
        violation(h, &r, "its client got the answer that nothing was stored", w, NULL);
    else if (w->end_us < known->begin_us)
        violation(h, &r, "older than what was known before the read began:", w, known);
    else if (value != HISTORY_ABSENT && begin_us >= ends_until(k, w))
        violation(h, &r, "its expiry has passed", w, NULL);
    else if (value != HISTORY_ABSENT && w->gone_us < begin_us)
        violation(h, &r, "earlier reads saw it superseded by", w, &k->w[w->gone_by]);
    if (h->why.n > 0)
        return false;
    if (value != HISTORY_ABSENT && k->last_seen_us < begin_us && k->last_seen != (uint32_t)i)
        supersede(h, k, (uint32_t)i, now_us);
    if (w->end_us > now_us && w->value == value && binds(h, w))
        w->end_us = now_us; /* R owners hold it now, whatever its writer got for an answer */
    k->last_seen = value == HISTORY_ABSENT ? 0 : (uint32_t)i;
    k->last_seen_us = now_us;
    return true;
}

bool history_covers(const struct history *h, uint32_t key, uint32_t value, uint32_t write)
{
    const struct history_key *k = &h->key[key];
    for (uint32_t i = 0; i < k->n; i++)
        if (k->w[i].value == value && k->w[i].end_us >= k->w[write].begin_us)
            return true;
    return false;
}
