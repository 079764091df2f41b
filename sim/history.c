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
        free(h->key[k].edge);
    }
    free(h->key);
    buf_close(&h->why);
}

uint32_t history_begin(struct history *h, uint32_t key, uint32_t value, uint64_t now_us)
{
    struct history_key *k = &h->key[key];
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 8;
        k->w = realloc(k->w, k->cap * sizeof *k->w);
        CHECK(k->w);
    }
    k->w[k->n] = (struct history_write){.value = value, .begin_us = now_us, .end_us = UINT64_MAX};
    return k->n++;
}

void history_end(struct history *h, uint32_t key, uint32_t write, enum outcome outcome, uint64_t now_us)
{
    struct history_write *w = &h->key[key].w[write];
    CHECK(w->outcome == OUTCOME_PENDING);
    w->outcome = outcome;
    if (outcome == OUTCOME_OK && now_us < w->end_us)
        w->end_us = now_us;
}

static void violation(struct history *h, uint32_t key, const char *what, const struct history_write *got,
                      const struct history_write *other, uint64_t begin_us, uint64_t now_us)
{
    if (h->why.n > 0)
        return;
    CHECK(!buf_printf(&h->why, "key k%" PRIu32 ": the read of %" PRIu64 " .. %" PRIu64 " us returned ", key, begin_us, now_us));
    if (!got)
        CHECK(!buf_printf(&h->why, "something nobody wrote"));
    else
        CHECK(!buf_printf(&h->why, "v%" PRIu32 " (written from %" PRIu64 " us, outcome %d, known since %" PRIu64 " us)",
                          got->value, got->begin_us, (int)got->outcome, got->end_us));
    CHECK(!buf_printf(&h->why, ": %s", what));
    if (other)
        CHECK(!buf_printf(&h->why, " v%" PRIu32 " (written from %" PRIu64 " us, outcome %d, known since %" PRIu64 " us)",
                          other->value, other->begin_us, (int)other->outcome, other->end_us));
}

/* The write that a read beginning at begin_us may not be older than: the one that was known by then and began last. */
static const struct history_write *must_know(const struct history_key *k, uint64_t begin_us)
{
    const struct history_write *last = &k->w[0];
    for (uint32_t i = 1; i < k->n; i++)
        if (k->w[i].end_us < begin_us && k->w[i].begin_us > last->begin_us)
            last = &k->w[i];
    return last;
}

/* The write that gave the value, preferring, among deletions, one that explains the read; -1 when there is none. */
static int64_t explain(const struct history_key *k, uint32_t value, const struct history_write *known)
{
    int64_t found = -1;
    for (uint32_t i = 0; i < k->n; i++) {
        if (k->w[i].value != value)
            continue;
        found = i;
        if (k->w[i].outcome != OUTCOME_FAILED && k->w[i].end_us >= known->begin_us)
            return i;
    }
    return found;
}

static bool edge_add(struct history_key *k, uint32_t earlier, uint32_t later)
{
    for (uint32_t i = 0; i < k->edge_n; i++) {
        if (k->edge[i].earlier == later && k->edge[i].later == earlier)
            return false;
        if (k->edge[i].earlier == earlier && k->edge[i].later == later)
            return true;
    }
    if (k->edge_n == k->edge_cap) {
        k->edge_cap = k->edge_cap ? k->edge_cap * 2 : 8;
        k->edge = realloc(k->edge, k->edge_cap * sizeof *k->edge);
        CHECK(k->edge);
    }
    k->edge[k->edge_n++] = (struct history_edge){earlier, later};
    return true;
}

/* Whether that write is what all later reads must know, now that one has seen it. */
static bool binds(const struct history *h, const struct history_write *w)
{
    return w->value != HISTORY_ABSENT && (!h->only_acks || w->outcome == OUTCOME_OK);
}

bool history_read(struct history *h, uint32_t key, uint32_t value, uint64_t begin_us, uint64_t now_us)
{
    struct history_key *k = &h->key[key];
    k->reads++;
    const struct history_write *known = must_know(k, begin_us);
    int64_t i = explain(k, value, known);
    struct history_write *w = i < 0 ? NULL : &k->w[i];
    if (!w)
        violation(h, key, "no such write", NULL, NULL, begin_us, now_us);
    else if (w->outcome == OUTCOME_FAILED)
        violation(h, key, "its client was told that nothing was stored", w, NULL, begin_us, now_us);
    else if (w->end_us < known->begin_us)
        violation(h, key, "older than what was known before the read began:", w, known, begin_us, now_us);
    else if (value != HISTORY_ABSENT && k->last_seen_us < begin_us && binds(h, &k->w[k->last_seen]) &&
             k->last_seen != (uint32_t)i && !edge_add(k, k->last_seen, (uint32_t)i))
        violation(h, key, "earlier reads saw it superseded by", w, &k->w[k->last_seen], begin_us, now_us);
    if (h->why.n > 0)
        return false;
    if (w->end_us > now_us && binds(h, w))
        w->end_us = now_us; /* R owners hold it now, whatever its writer was told */
    k->last_seen = (uint32_t)i;
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
