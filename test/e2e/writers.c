/* writers.c: see writers.h. */
#include "writers.h"

#include "base/check.h"
#include "base/hash.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

enum {
    TURN_MS = 5,
    /* at most, between batches: some 2,000 commands a second in all */
    THINK_US = 30 * 1000,
    HANG_US = CLIENT_TIMEOUT_MS * 1000, /* above a node's own deadline */
    LATENCIES_MAX = 64 * 1024 * 1024,   /* never met: ten hours of commands */
    SET_PERCENT = 50,
    DELETE_PERCENT = 15, /* and the rest reads */
};

/* ---- Words ---- */

uint64_t writers_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

const char *writers_key(uint32_t key, char out[16])
{
    snprintf(out, 16, "k%" PRIu32, key);
    return out;
}

const char *writers_value(uint32_t value, char out[WRITERS_VALUE])
{
    uint64_t h = hash_seeded(slice_of(&value, sizeof value), 7);
    size_t dots = h % 8 == 0 ? h / 8 % 3000 : h / 8 % 40;
    size_t n = (size_t)snprintf(out, WRITERS_VALUE, "v%" PRIu32, value);
    memset(out + n, '.', dots);
    out[n + dots] = '\0';
    return out;
}

uint32_t writers_number(struct slice value)
{
    uint32_t number = 0;
    for (size_t i = 1; i < value.n && value.p[i] != '.'; i++)
        number = number * 10 + value.p[i] - '0';
    return number;
}

static bool begins(struct slice s, const char *with)
{
    return s.n >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

/* ---- Violations ---- */

__attribute__((format(printf, 2, 3))) static void violation(struct writers *w, const char *format,
                                                            ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (w->why.n == 0)
        CHECK(!buf_printf(&w->why, "%s", text));
}

static bool excused(const struct writers *w, unsigned node, uint64_t begin_us)
{
    return begin_us <= w->weather[node].excused_until_us;
}

/* A request that began then at that node ended so: is there a reason? */
static void needs_excuse(struct writers *w, unsigned node, uint64_t begin_us, const char *what)
{
    if (!excused(w, node, begin_us))
        violation(w, "%s was left alone, with a quorum beside it, and still: %s", e2e_name(node),
                  what);
}

/* A SET may end UNKNOWN through a node that was left alone, if another owner fell silent after it
 * began and the remaining two did not settle its order (core/coord/coord_write.c). What asks first,
 * and what begins when the silence is known, has no such excuse. */
static bool contested(const struct writers *w, const struct asked *a, struct slice answer)
{
    for (unsigned i = 0; i < WRITERS_NODES; i++)
        if (a->kind == 'S' && begins(answer, "UNKNOWN ") && excused(w, i, a->begin_us))
            return true;
    return false;
}

/* ---- Opening and closing ---- */

void writers_open(struct writers *w, struct cluster *c, uint64_t seed)
{
    *w = (struct writers){.cluster = c, .running = true, .next_value = 1};
    history_init(&w->history, WRITERS_KEYS);
    rng_init(&w->rng, seed ^ 0x3217e5);
    buf_init(&w->why, 4096);
    for (unsigned i = 0; i < WRITERS; i++) {
        client_init(&w->writer[i].client);
        w->writer[i].node = i % WRITERS_NODES;
    }
}

void writers_close(struct writers *w)
{
    for (unsigned i = 0; i < WRITERS; i++)
        client_close(&w->writer[i].client);
    history_close(&w->history);
    buf_close(&w->why);
    free(w->calm.us);
    free(w->rough.us);
}

/* ---- Hearing ---- */

static void latency_add(struct latencies *l, uint64_t us)
{
    if (l->n == l->cap) {
        CHECK(l->cap < LATENCIES_MAX);
        l->cap = l->cap ? l->cap * 2 : 4096;
        l->us = realloc(l->us, l->cap * sizeof *l->us);
        CHECK(l->us);
    }
    l->us[l->n++] = (uint32_t)us;
}

/* An error's meaning: it must be one of those that a client is promised when members are down. */
static enum outcome take_error(struct writers *w, const struct writer *k, const struct asked *a,
                               struct slice text)
{
    char words[256];
    snprintf(words, sizeof words, "%c k%" PRIu32 ": %.*s", a->kind, a->key, (int)text.n,
             (const char *)text.p);
    if (!contested(w, a, text))
        needs_excuse(w, k->node, a->begin_us, words);
    bool unknown = begins(text, "UNKNOWN ");
    if (!unknown && !begins(text, "NOQUORUM ") && !begins(text, "LOADING "))
        violation(w, "%s said what no client is promised: %s", e2e_name(k->node), words);
    w->unknown += unknown;
    w->refused += !unknown;
    return unknown ? OUTCOME_UNKNOWN : OUTCOME_FAILED;
}

static bool fits(char kind, enum resp_type type)
{
    return kind == 'S'   ? type == RESP_SIMPLE
           : kind == 'D' ? type == RESP_INTEGER
                         : type == RESP_BULK || type == RESP_NULL;
}

static void take_reply(struct writers *w, struct writer *k, uint64_t now_us)
{
    const struct resp_value *v = &k->client.reply.v[0];
    const struct asked *a = &k->asked[k->answered_n++];
    enum outcome outcome = OUTCOME_OK;
    if (v->type == RESP_ERROR)
        outcome = take_error(w, k, a, v->text);
    else if (!fits(a->kind, v->type))
        violation(w, "the reply to %c has type %d", a->kind, (int)v->type);
    if (outcome == OUTCOME_OK) {
        w->done++;
        latency_add(excused(w, k->node, a->begin_us) ? &w->rough : &w->calm, now_us - a->begin_us);
    }
    if (a->kind != 'G')
        history_end(&w->history, a->key, a->write, outcome, now_us);
    else if (outcome == OUTCOME_OK)
        history_read(&w->history, a->key,
                     v->type == RESP_NULL ? HISTORY_ABSENT : writers_number(v->text), a->begin_us,
                     now_us);
}

static void think(struct writers *w, struct writer *k, uint64_t now_us)
{
    k->asked_n = k->answered_n = 0;
    k->wakes_us = now_us + rng_below(&w->rng, THINK_US);
}

/* The connection is gone. Only a killed node may do that, and only to what it was asked before. */
static void take_end(struct writers *w, struct writer *k, uint64_t now_us)
{
    for (unsigned i = k->answered_n; i < k->asked_n; i++) {
        const struct asked *a = &k->asked[i];
        if (a->begin_us > w->weather[k->node].killed_us)
            violation(w, "%s, which was not killed meanwhile, ended a connection: %s",
                      e2e_name(k->node), k->client.why);
        if (a->kind != 'G')
            history_end(&w->history, a->key, a->write, OUTCOME_UNKNOWN, now_us);
        w->cut++;
    }
    client_close(&k->client);
    think(w, k, now_us);
}

static void hear(struct writers *w, struct writer *k)
{
    int error = 0;
    while (k->client.fd >= 0 && error == 0) {
        error = client_receive(&k->client, 0);
        if (error == 0 && k->answered_n == k->asked_n)
            violation(w, "%s answered more than it was asked", e2e_name(k->node));
        else if (error == 0)
            take_reply(w, k, writers_now_us());
    }
    if (error != 0 && error != ERR_INCOMPLETE)
        take_end(w, k, writers_now_us());
    else if (k->asked_n > 0 && k->answered_n == k->asked_n)
        think(w, k, writers_now_us());
}

/* ---- Saying ---- */

static void say(struct writers *w, struct writer *k)
{
    char key[16], value[WRITERS_VALUE];
    struct asked *a = &k->asked[k->asked_n++];
    uint64_t die = rng_below(&w->rng, 100);
    a->kind = die < SET_PERCENT ? 'S' : die < SET_PERCENT + DELETE_PERCENT ? 'D' : 'G';
    a->key = (uint32_t)rng_below(&w->rng, WRITERS_KEYS);
    a->value = a->kind == 'S' ? w->next_value++ : HISTORY_ABSENT;
    a->begin_us = writers_now_us();
    if (a->kind != 'G')
        a->write = history_begin(&w->history, a->key, a->value, a->begin_us);
    const char *verb = a->kind == 'S' ? "SET" : a->kind == 'D' ? "DEL" : "GET";
    struct slice word[3] = {slice_str(verb), slice_str(writers_key(a->key, key)),
                            slice_str(writers_value(a->value, value))};
    CHECK(client_send(&k->client, word, a->kind == 'S' ? 3 : 2) == 0);
}

static void say_batch(struct writers *w, struct writer *k)
{
    uint64_t now_us = writers_now_us();
    if (k->client.fd < 0 &&
        client_connect(&k->client, w->cluster->host, e2e_port(w->cluster, k->node)) != 0) {
        needs_excuse(w, k->node, now_us, k->client.why);
        think(w, k, now_us);
        return;
    }
    for (unsigned n = 1 + (unsigned)rng_below(&w->rng, WRITERS_BATCH); n > 0; n--)
        say(w, k);
    if (client_write(&k->client) != 0)
        take_end(w, k, writers_now_us());
}

/* ---- The loop ---- */

static void check_hanging(struct writers *w, const struct writer *k, uint64_t now_us)
{
    const struct weather *x = &w->weather[k->node];
    if (k->answered_n == k->asked_n || x->stopped)
        return;
    const struct asked *a = &k->asked[k->answered_n];
    uint64_t since_us = a->begin_us > x->resumed_us ? a->begin_us : x->resumed_us;
    if (now_us > since_us + HANG_US)
        violation(w, "%s has not answered %c k%" PRIu32 " for %d ms", e2e_name(k->node), a->kind,
                  a->key, CLIENT_TIMEOUT_MS);
}

void writers_turn(struct writers *w)
{
    struct pollfd p[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
        p[i] = (struct pollfd){.fd = w->writer[i].client.fd, .events = POLLIN}; /* -1 is skipped */
    poll(p, WRITERS, TURN_MS);
    for (unsigned i = 0; i < WRITERS; i++) {
        struct writer *k = &w->writer[i];
        if (p[i].revents != 0)
            hear(w, k);
        check_hanging(w, k, writers_now_us());
        if (w->running && k->asked_n == 0 && k->wakes_us <= writers_now_us())
            say_batch(w, k);
    }
    if (w->why.n > 0 || w->history.why.n > 0)
        e2e_fail(w->cluster, __FILE__, __LINE__, "%.*s %.*s", (int)w->why.n, (const char *)w->why.p,
                 (int)w->history.why.n, (const char *)w->history.why.p);
}

static bool pending(const struct writers *w)
{
    for (unsigned i = 0; i < WRITERS; i++)
        if (w->writer[i].asked_n > 0)
            return true;
    return false;
}

void writers_finish(struct writers *w)
{
    w->running = false;
    while (pending(w))
        writers_turn(w); /* ends: what hangs is a violation */
}

/* ---- The weather ---- */

void writers_trouble(struct writers *w, unsigned node)
{
    unsigned n = 0;
    w->weather[node].excused_until_us = UINT64_MAX;
    for (unsigned i = 0; i < WRITERS_NODES; i++)
        n += w->weather[i].excused_until_us == UINT64_MAX;
    for (unsigned i = 0; i < WRITERS_NODES && n > 1; i++)
        w->weather[i].excused_until_us = UINT64_MAX;
}

void writers_killed(struct writers *w, unsigned node)
{
    w->weather[node].killed_us = writers_now_us();
    w->weather[node].stopped = false;
}

void writers_stopped(struct writers *w, unsigned node)
{
    w->weather[node].stopped = true;
}

void writers_resumed(struct writers *w, unsigned node)
{
    w->weather[node].stopped = false;
    w->weather[node].resumed_us = writers_now_us();
}

void writers_well(struct writers *w)
{
    for (unsigned i = 0; i < WRITERS_NODES; i++)
        if (w->weather[i].excused_until_us == UINT64_MAX)
            w->weather[i].excused_until_us = writers_now_us();
}

/* ---- The report ---- */

static int by_size(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void report_latencies(struct latencies *l, const char *title)
{
    if (l->n == 0)
        return;
    qsort(l->us, l->n, sizeof *l->us, by_size);
    printf("  %s: %" PRIu32 " done, p50 %.1f ms, p99 %.1f ms, greatest %.1f ms\n", title, l->n,
           l->us[l->n / 2] / 1e3, l->us[(uint64_t)l->n * 99 / 100] / 1e3, l->us[l->n - 1] / 1e3);
    l->n = 0;
}

void writers_report(struct writers *w, const char *title)
{
    printf("%s: %" PRIu64 " done, %" PRIu64 " refused, %" PRIu64 " unknown, %" PRIu64 " cut\n",
           title, w->done, w->refused, w->unknown, w->cut);
    report_latencies(&w->calm, "through nodes left alone");
    report_latencies(&w->rough, "through nodes in trouble");
}
