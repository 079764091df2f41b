/* model.c: see model.h. The states of one level (as many steps from the first) wait in an array,
 * those of the next level are gathered in another. A trace is made afterwards: from the first state
 * on the steps are taken again, each time the one that leads to the next fingerprint on the way. No
 * state on it is brought to its canonical form, so names stay what they were. */
#include "model.h"

#include "base/array.h"
#include "base/check.h"
#include "base/hash.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 160 };
static const uint32_t NOBODY = UINT32_MAX;

/* States as bytes, one after the other. */
struct level {
    uint8_t *state;
    uint32_t n, cap;
};

struct model_search {
    const struct model *model;
    uint64_t *print;  /* per state met: its fingerprint, */
    uint32_t *parent; /* and the state that it came from */
    uint32_t n, print_cap, parent_cap;
    uint32_t *bucket; /* a hash table of states, by fingerprint; NOBODY: free */
    uint32_t buckets; /* a power of two */
    struct level now, later;
    uint32_t current; /* the state whose steps are being said */
    uint32_t broken;  /* NOBODY while no state breaks a rule */
    const char *rule;
    uint8_t *scratch;
    /* while a trace is made */
    bool tracing, found;
    uint64_t wanted;
    uint8_t *after;
    char text[TEXT_MAX];
};

static uint64_t fingerprint(struct model_search *s, const void *state)
{
    memcpy(s->scratch, state, s->model->state_n);
    if (s->model->canonical)
        s->model->canonical(s->scratch);
    return hash_bytes(slice_of(s->scratch, s->model->state_n));
}

/* The bucket of a fingerprint: that of the state which has it, or a free one. */
static uint32_t *bucket_of(const struct model_search *s, uint64_t print)
{
    uint32_t at = (uint32_t)print & (s->buckets - 1);
    while (s->bucket[at] != NOBODY && s->print[s->bucket[at]] != print)
        at = (at + 1) & (s->buckets - 1);
    return &s->bucket[at];
}

static void grow_table(struct model_search *s)
{
    free(s->bucket);
    s->buckets = s->buckets ? 2 * s->buckets : 1024;
    s->bucket = malloc(s->buckets * sizeof *s->bucket);
    CHECK(s->bucket);
    memset(s->bucket, 0xff, s->buckets * sizeof *s->bucket);
    for (uint32_t i = 0; i < s->n; i++)
        *bucket_of(s, s->print[i]) = i;
}

/* A state that was not met before, in its canonical form in `scratch`. */
static void meet(struct model_search *s, uint64_t print)
{
    if (2 * s->n >= s->buckets)
        grow_table(s);
    s->print = array_room(s->print, s->n, &s->print_cap, sizeof *s->print);
    s->parent = array_room(s->parent, s->n, &s->parent_cap, sizeof *s->parent);
    s->later.state = array_room(s->later.state, s->later.n, &s->later.cap, s->model->state_n);
    CHECK(s->print && s->parent && s->later.state);
    memcpy(s->later.state + s->later.n++ * s->model->state_n, s->scratch, s->model->state_n);
    s->print[s->n] = print;
    s->parent[s->n] = s->current;
    *bucket_of(s, print) = s->n;
    const char *rule = s->model->broken(s->scratch);
    if (rule && s->broken == NOBODY) {
        s->broken = s->n;
        s->rule = rule;
    }
    s->n++;
}

void model_step(struct model_search *s, const void *state, const char *what, ...)
{
    uint64_t print = fingerprint(s, state);
    if (!s->tracing) {
        if (s->n == 0 || *bucket_of(s, print) == NOBODY)
            meet(s, print);
        return;
    }
    if (s->found || print != s->wanted)
        return;
    s->found = true;
    memcpy(s->after, state, s->model->state_n);
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(s->text, sizeof s->text, what, arguments);
    va_end(arguments);
}

static bool over(const struct model_search *s)
{
    return s->broken != NOBODY || s->n > s->model->states_max;
}

static void search(struct model_search *s)
{
    model_step(s, s->model->first, "the beginning");
    s->current = 0;
    while (s->later.n > 0 && !over(s)) {
        struct level done = s->now;
        s->now = s->later;
        s->later = done;
        s->later.n = 0;
        for (uint32_t i = 0; i < s->now.n && !over(s); i++) {
            s->model->next(s, s->now.state + i * s->model->state_n);
            s->current++;
        }
    }
}

/* Prints the way to a state, and counts its steps. */
static unsigned trace(struct model_search *s, uint32_t state)
{
    if (state == 0)
        return 0;
    unsigned step = trace(s, s->parent[state]) + 1;
    uint8_t before[s->model->state_n];
    memcpy(before, s->after, s->model->state_n);
    s->wanted = s->print[state];
    s->found = false;
    s->model->next(s, before);
    CHECK(s->found);
    printf("  %2u. %s\n", step, s->text);
    return step;
}

static void print_report(struct model_search *s, const char *name, enum model_result result,
                         struct model_report *report)
{
    static const char *const SAYS[] = {[MODEL_HOLDS] = "holds in all states",
                                       [MODEL_BROKEN] = "is broken",
                                       [MODEL_CAP] = "holds in the states that were met"};
    printf("%s: %s, %u states%s%s\n", name, SAYS[result], s->n, s->rule ? ": " : "",
           s->rule ? s->rule : "");
    report->states = s->n;
    report->steps = 0;
    if (result != MODEL_BROKEN)
        return;
    s->tracing = true;
    memcpy(s->after, s->model->first, s->model->state_n);
    report->steps = trace(s, s->broken);
}

enum model_result model_explore(const struct model *m, const char *name,
                                struct model_report *report)
{
    struct model_search s = {
        .model = m, .broken = NOBODY, .scratch = malloc(m->state_n), .after = malloc(m->state_n)};
    CHECK(s.scratch && s.after);
    search(&s);
    enum model_result result = s.broken != NOBODY    ? MODEL_BROKEN
                               : s.n > m->states_max ? MODEL_CAP
                                                     : MODEL_HOLDS;
    print_report(&s, name, result, report);
    free(s.print);
    free(s.parent);
    free(s.bucket);
    free(s.now.state);
    free(s.later.state);
    free(s.scratch);
    free(s.after);
    return result;
}
