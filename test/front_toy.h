/* front_toy.h: a node in a few lines, for the tests and the fuzzer of the front: keys in one table,
 * no owners, and answers in whatever order the test wants. It carries a request out when it ANSWERS
 * it, so a session that lets two commands of one key be under way together is found out by what it
 * reads. */
#ifndef COVEY_TEST_FRONT_TOY_H
#define COVEY_TEST_FRONT_TOY_H

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "front/session.h"

enum { TOY_KEYS = 8192 };

struct toy_bytes {
    uint8_t *p;
    size_t n;
};

struct toy {
    struct {
        struct toy_bytes key, value;
        bool present;
    } entry[TOY_KEYS];
    uint32_t entry_n;
    struct toy_asked {
        struct request request; /* with its own copies of key and value */
        struct toy_bytes key, value;
    } asked[SESSION_OPS_MAX];
    uint32_t asked_n;    /* requests under way */
    uint32_t asked_most; /* the most that ever were under way at a time */
    uint64_t asked_ever;
    struct rng rng;
    /* the error of every result, with 1 of 2 owners that answered; the next two go with it */
    int error;
    bool unstamped;
    struct owner_tally tally;
    struct status_info status;
};

static inline struct toy_bytes toy_copy(struct slice s)
{
    struct toy_bytes b = {malloc(s.n + 1), s.n};
    CHECK(b.p);
    if (s.n)
        memcpy(b.p, s.p, s.n);
    return b;
}

static inline struct slice toy_slice(struct toy_bytes b)
{
    return slice_of(b.p, b.n);
}

static inline void toy_init(struct toy *t, uint64_t seed)
{
    *t = (struct toy){.status = {.n_wanted = 3,
                                 .n = 3,
                                 .w = 2,
                                 .r = 2,
                                 .members = 3,
                                 .alive = 3,
                                 .vnodes = 1024,
                                 .may_die = 1,
                                 .epoch = 7}};
    t->status.cluster.b[0] = 0xcc;
    t->status.node = 0xa1;
    rng_init(&t->rng, seed);
}

static inline void toy_close(struct toy *t)
{
    for (uint32_t i = 0; i < TOY_KEYS; i++) {
        free(t->entry[i].key.p);
        free(t->entry[i].value.p);
    }
    for (uint32_t i = 0; i < t->asked_n; i++) {
        free(t->asked[i].key.p);
        free(t->asked[i].value.p);
    }
}

/* Takes a request as a node does: what it keeps, it copies. */
static inline void toy_take(struct toy *t, const struct request *r)
{
    CHECK(t->asked_n < SESSION_OPS_MAX);
    struct toy_asked *a = &t->asked[t->asked_n++];
    *a = (struct toy_asked){*r, toy_copy(r->key), toy_copy(r->value)};
    t->asked_ever++;
    if (t->asked_n > t->asked_most)
        t->asked_most = t->asked_n;
}

/* The place of a key, by linear probing. Beyond TOY_KEYS / 2 keys, which only the fuzzer has, keys
 * share places. */
static inline uint32_t toy_entry(struct toy *t, struct slice key)
{
    uint32_t i = (uint32_t)hash_bytes(key) % TOY_KEYS;

    while (t->entry[i].key.p && !slice_eq(toy_slice(t->entry[i].key), key)) {
        if (t->entry_n >= TOY_KEYS / 2)
            return i;
        i = (i + 1) % TOY_KEYS;
    }
    if (!t->entry[i].key.p) {
        t->entry[i].key = toy_copy(key);
        t->entry_n++;
    }
    return i;
}

static inline uint64_t toy_count(const struct toy *t)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < TOY_KEYS; i++)
        n += t->entry[i].present;
    return n;
}

static inline void toy_data(struct toy *t, const struct toy_asked *a, struct result *r)
{
    uint32_t i = toy_entry(t, toy_slice(a->key));

    r->existed = t->entry[i].present;
    if (a->request.kind == OP_PUT) {
        free(t->entry[i].value.p);
        t->entry[i].value = toy_copy(toy_slice(a->value));
        t->entry[i].present = true;
    } else if (a->request.kind == OP_DEL) {
        t->entry[i].present = false;
    } else if (r->existed) {
        r->record.kind = RECORD_VALUE;
        r->size = (uint32_t)t->entry[i].value.n;
        if (a->request.kind == OP_GET)
            r->record.value = toy_slice(t->entry[i].value);
    }
}

/* The cluster that the toy talks of: a, b and c, of which b has not been taken in yet and c is
 * dead. */
static const struct member_info toy_member[] = {
    {.id = 0xa1,
     .name = {(const uint8_t *)"a", 1},
     .addr = {4, 7400, {127, 0, 0, 1}},
     .self = true,
     .in_layout = true,
     .adopted = true,
     .weight = 100,
     .incarnation = 1,
     .places = 4,
     .firsts = 2,
     .since_ms = 1500},
    {.id = 0xb1,
     .name = {(const uint8_t *)"b", 1},
     .addr = {4, 7410, {127, 0, 0, 1}},
     .weight = 100,
     .incarnation = 2},
    {.id = 0xc1,
     .name = {(const uint8_t *)"c", 1},
     .addr = {4, 7420, {127, 0, 0, 1}},
     .state = MEMBER_DEAD,
     .in_layout = true,
     .adopted = true,
     .weight = 100,
     .incarnation = 3,
     .places = 4,
     .firsts = 2,
     .zone = {(const uint8_t *)"z", 1}},
};
static const struct where_owner toy_owner[] = {
    {.id = 0xa1,
     .name = {(const uint8_t *)"a", 1},
     .answered = true,
     .record = {.kind = RECORD_VALUE,
                .version = {.stamp = (uint64_t)1700000000000 << 16 | 3,
                            .node = 0xc1,
                            .digest = 0xd}}},
    {.id = 0xc1, .name = {(const uint8_t *)"c", 1}, .state = MEMBER_DEAD},
};
static const struct hint_info toy_hints[] = {{.target = 0xc1,
                                              .name = {(const uint8_t *)"c", 1},
                                              .state = MEMBER_DEAD,
                                              .waiting = 12,
                                              .bytes = 3456,
                                              .kept = 20,
                                              .replayed = 7,
                                              .dropped = 1}};
static struct layout_member toy_layout_member[] = {{.id = 0xa1}, {.id = 0xc1}};
static uint16_t toy_layout_owner[] = {0, 1, 1, 0, 0, 1, 1, 0};
static const uint64_t toy_synced_ms[] = {1500, UINT64_MAX, 7, 3};
static const struct layout toy_layout = {.epoch = 7,
                                         .vnodes = 4,
                                         .n_wanted = 3,
                                         .n = 2,
                                         .w = 2,
                                         .r = 1,
                                         .member_n = 2,
                                         .member = toy_layout_member,
                                         .owner = toy_layout_owner};

static inline void toy_fill(struct toy *t, const struct toy_asked *a, struct result *r)
{
    switch (a->request.kind) {
    case OP_COUNT:
        r->count = toy_count(t);
        break;
    case OP_WHERE:
        r->where.owner = toy_owner;
        r->where.owner_n = 2;
        r->where.slot = 12182;
        break;
    case OP_MEMBERS:
    case OP_RING:
        r->members.member = toy_member;
        r->members.member_n = 3;
        r->members.layout = t->status.verdict == VERDICT_LOADING ? NULL : &toy_layout;
        r->members.synced_ms = toy_synced_ms;
        break;
    case OP_STATUS:
        r->status = t->status;
        break;
    case OP_HINTS:
        r->hints.target = toy_hints;
        r->hints.target_n = 1;
        r->hints.keeper = SLICE("a");
        break;
    case OP_REPAIR: /* what was asked for comes back, so that a test sees it */
        r->repair = (struct repair_info){
            .running = true, .vnodes = a->request.vnode, .vnodes_done = 3, .received = 7};
        break;
    case OP_BACKUP: /* likewise */
    case OP_BACKUP_STATUS:
        r->backup = (struct backup_info){
            .running = true, .path = toy_slice(a->value), .files = 3, .bytes = 70, .taken_ms = 1};
        break;
    default:
        toy_data(t, a, r);
    }
}

/* Answers request number i of those under way; the last one takes its place. */
static inline void toy_answer(struct toy *t, struct session *s, uint32_t i)
{
    CHECK(i < t->asked_n);
    struct toy_asked a = t->asked[i];
    t->asked[i] = t->asked[--t->asked_n];
    struct result r = {.token = a.request.token,
                       .kind = a.request.kind,
                       .error = t->error,
                       .answered = 1,
                       .needed = 2,
                       .unstamped = t->unstamped,
                       .tally = t->tally};

    if (!t->error)
        toy_fill(t, &a, &r);
    session_result(s, &r, 0);
    session_check(s);
    free(a.key.p);
    free(a.value.p);
}

/* Gives the session what it asks for, in random order, until it asks no more. */
static inline void toy_run(struct toy *t, struct session *s)
{
    struct request request;

    for (;;) {
        while (session_next(s, 5000, 1700000000123, &request)) {
            toy_take(t, &request);
            session_check(s);
        }
        session_check(s);
        if (t->asked_n == 0)
            return;
        toy_answer(t, s, (uint32_t)rng_below(&t->rng, t->asked_n));
    }
}

#endif
