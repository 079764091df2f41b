/* swim_table.c: the members.
 *
 * Every member but the node itself stands in one of two lists: live (alive or suspect) or gone
 * (dead or left). SWIM walks a list round robin, in an order that is shuffled anew for each round;
 * a joiner is inserted at a random index. So every member is probed within 2N - 1 periods (paper,
 * section 4.3). All orders come from the lists, never from the hash tables, so that the same
 * seed gives the same run.
 *
 * (incarnation, state) of a member only grows, alive < suspect < dead < left: swim_member_move
 * checks it. A member known by hearsay alone is unverified: until it has answered it is not passed
 * on, is not in the hash of the table, and is shown only if the layout has it (it is pinned). For
 * example, a peer that slept for a week tells of members that left meanwhile, and that the others
 * have forgotten. They do not answer, so they do not come back.
 *
 * A name belongs to one member, its holder, which by_name has under it. Another member that claims
 * the name is a member all the same, for ids tell members apart and names are for people. But it is
 * shown without a name until the holder has left, or has been dead for SWIM_RECLAIM_MS. */
#include "core/swim/swim_table.h"

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

#include <stdlib.h>

/* ---- Queues ---- */

void swim_queue_push(struct swim_queue *q, enum swim_link_kind kind, struct swim_member *m)
{
    CHECK(!m->listed[kind]);
    m->listed[kind] = true;
    m->prev[kind] = q->last;
    m->next[kind] = NULL;
    if (q->last)
        q->last->next[kind] = m;
    else
        q->first = m;
    q->last = m;
}

void swim_queue_remove(struct swim_queue *q, enum swim_link_kind kind, struct swim_member *m)
{
    CHECK(m->listed[kind]);
    struct swim_member *prev = m->prev[kind], *next = m->next[kind];
    *(prev ? &prev->next[kind] : &q->first) = next;
    *(next ? &next->prev[kind] : &q->last) = prev;
    m->listed[kind] = false;
}

/* ---- Lists ---- */

static void list_put(struct swim_list *l, uint32_t at, struct swim_member *m)
{
    l->m[at] = m;
    m->list_at = at;
}

/* Inserts a member at a random index, each as likely. If that is before the cursor, the new member
 * waits for the next round. No member that had its turn in this round is moved to where it would
 * get another. */
static void list_insert(struct swim *s, struct swim_list *l, struct swim_member *m)
{
    uint32_t at = (uint32_t)rng_below(&s->rng, l->n + 1);
    uint32_t hole = l->n++;
    if (at < l->cursor) {
        if (hole != l->cursor)
            list_put(l, hole, l->m[l->cursor]);
        hole = l->cursor++;
    }
    if (hole != at)
        list_put(l, hole, l->m[at]);
    list_put(l, at, m);
}

static void list_remove(struct swim_list *l, struct swim_member *m)
{
    uint32_t hole = m->list_at;
    CHECK(hole < l->n && l->m[hole] == m);
    if (hole < l->cursor) {
        list_put(l, hole, l->m[--l->cursor]);
        hole = l->cursor;
    }
    if (hole != --l->n)
        list_put(l, hole, l->m[l->n]);
    m->list_at = SWIM_NOWHERE;
}

static void list_shuffle(struct swim *s, struct swim_list *l)
{
    for (uint32_t i = l->n; i > 1; i--) {
        uint32_t j = (uint32_t)rng_below(&s->rng, i);
        struct swim_member *m = l->m[j];
        list_put(l, j, l->m[i - 1]);
        list_put(l, i - 1, m);
    }
}

struct swim_member *swim_list_next(struct swim *s, struct swim_list *l)
{
    if (l->n == 0)
        return NULL;
    if (l->cursor >= l->n) {
        list_shuffle(s, l);
        l->cursor = 0;
    }
    return l->m[l->cursor++];
}

static bool among(struct swim_member *const *set, unsigned n, const struct swim_member *m)
{
    for (unsigned i = 0; i < n; i++)
        if (set[i] == m)
            return true;
    return false;
}

/* Each pick starts at a random index and goes on from there for a few steps: small tables are
 * covered completely, large ones cost O(1). */
unsigned swim_pick(struct swim *s, unsigned want, uint64_t except, bool alive_only,
                   struct swim_member **out)
{
    enum { STEPS = 8 };
    const struct swim_list *l = &s->live;
    unsigned n = 0;
    for (unsigned pick = 0; pick < want && l->n; pick++) {
        uint32_t at = (uint32_t)rng_below(&s->rng, l->n);
        for (uint32_t step = 0; step < STEPS && step < l->n; step++, at++) {
            struct swim_member *m = l->m[at % l->n];
            if (m->verified && m->id != except && !(alive_only && m->state != MEMBER_ALIVE) &&
                !among(out, n, m)) {
                out[n++] = m;
                break;
            }
        }
    }
    return n;
}

/* ---- The timer heap ---- */

static bool timer_before(const struct swim_member *a, const struct swim_member *b)
{
    return a->timer_ms != b->timer_ms ? a->timer_ms < b->timer_ms : a->id < b->id;
}

static void timer_put(struct swim *s, uint32_t at, struct swim_member *m)
{
    s->timer[at] = m;
    m->timer_at = at;
}

static void timer_sift(struct swim *s, struct swim_member *m)
{
    uint32_t at = m->timer_at;
    for (; at > 0 && timer_before(m, s->timer[(at - 1) / 2]); at = (at - 1) / 2)
        timer_put(s, at, s->timer[(at - 1) / 2]);
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < s->timer_n && timer_before(s->timer[child + 1], s->timer[child]))
            child++;
        if (child >= s->timer_n || !timer_before(s->timer[child], m))
            break;
        timer_put(s, at, s->timer[child]);
        at = child;
    }
    timer_put(s, at, m);
}

void swim_timer_set(struct swim *s, struct swim_member *m, uint64_t at_ms)
{
    m->timer_ms = at_ms;
    if (m->timer_at == SWIM_NOWHERE)
        timer_put(s, s->timer_n++, m);
    timer_sift(s, m);
}

void swim_timer_clear(struct swim *s, struct swim_member *m)
{
    uint32_t at = m->timer_at;
    if (at == SWIM_NOWHERE)
        return;
    m->timer_at = SWIM_NOWHERE;
    struct swim_member *last = s->timer[--s->timer_n];
    if (last != m) {
        timer_put(s, at, last);
        timer_sift(s, last);
    }
}

/* ---- What a member counts for ---- */

/* A member's part of the hash that push-pull compares: 0 unless it is live and has answered.
 * Members that are gone are left out, because each node forgets them at a time of its own. If a
 * peer still believes such a member to be alive, its hash has that member and ours has not, so the
 * two differ all the same. */
static uint64_t hash_share(const struct swim_member *m)
{
    if (!m->verified || swim_gone(m))
        return 0;
    uint8_t bytes[3 * 8];
    put_u64(put_u64(put_u64(bytes, m->id), m->incarnation), m->state);
    return hash_bytes(slice_of(bytes, sizeof bytes));
}

uint64_t swim_table_hash(const struct swim *s)
{
    uint64_t hash = hash_share(s->self);
    for (uint32_t i = 0; i < s->live.n; i++)
        hash ^= hash_share(s->live.m[i]);
    return hash;
}

static uint32_t hidden_share(const struct swim_member *m)
{
    return swim_shown(m) ? 0 : 1;
}

/* s->hash and s->hidden_n are sums over the members. Before a member changes it is taken out of
 * them, with what it counts for; after the change it is put in again by sums_enter. */
static void sums_leave(struct swim *s, const struct swim_member *m)
{
    s->hash ^= hash_share(m);
    s->hidden_n -= hidden_share(m);
}

static void sums_enter(struct swim *s, const struct swim_member *m)
{
    s->hash ^= hash_share(m);
    s->hidden_n += hidden_share(m);
}

/* ---- Names ---- */

static void discard_text(struct swim *s, struct swim_text *t)
{
    if (!t)
        return;
    t->next = s->trash;
    s->trash = t;
    s->trash_ms = s->now_ms;
}

static void name_release(struct swim *s, struct swim_member *m)
{
    if (m->named)
        HASH_DELETE(hh_name, s->by_name, m);
    m->named = false;
}

static bool name_free(const struct swim *s, const struct swim_member *holder)
{
    return holder->state == MEMBER_LEFT ||
           (holder->state == MEMBER_DEAD && s->now_ms - holder->since_ms >= SWIM_RECLAIM_MS);
}

void swim_member_claim(struct swim *s, struct swim_member *m)
{
    struct slice name = swim_name(m);
    if (m->named || name.n == 0 || !swim_shown(m))
        return; /* hearsay takes no name away */
    struct swim_member *holder = NULL;
    HASH_FIND(hh_name, s->by_name, name.p, name.n, holder);
    if (holder && !name_free(s, holder))
        return;
    if (holder)
        name_release(s, holder);
    m->hh_name.tbl = NULL;
    HASH_ADD_KEYPTR(hh_name, s->by_name, name.p, name.n, m);
    /* when memory is out it stays nameless until it is probed next */
    m->named = m->hh_name.tbl != NULL;
}

bool swim_member_describe(struct swim *s, struct swim_member *m, struct slice name,
                          struct slice meta)
{
    if (m->text && slice_eq(swim_name(m), name) && slice_eq(swim_meta(m), meta))
        return true;
    struct swim_text *t = malloc(sizeof *t + name.n + meta.n);
    if (!t)
        return false;
    t->name_n = (uint16_t)name.n;
    t->meta_n = (uint16_t)meta.n;
    if (name.n)
        memcpy(t->bytes, name.p, name.n);
    if (meta.n)
        memcpy(t->bytes + name.n, meta.p, meta.n);
    name_release(s, m);
    discard_text(s, m->text);
    m->text = t;
    swim_member_claim(s, m);
    return true;
}

/* ---- Members ---- */

struct swim_member *swim_member(const struct swim *s, uint64_t id)
{
    struct swim_member *m = NULL;
    /* ids are random: their low bits are a hash */
    HASH_FIND_BYHASHVALUE(hh, s->by_id, &id, sizeof id, (unsigned)id, m);
    return m;
}

static bool grow(struct swim *s)
{
    uint32_t cap = s->cap ? 2 * s->cap : 8;
    struct swim_member ***arrays[] = {&s->live.m, &s->gone.m, &s->timer};
    for (unsigned i = 0; i < 3; i++) {
        struct swim_member **wider = realloc(*arrays[i], cap * sizeof **arrays[i]);
        if (!wider)
            return false;
        *arrays[i] = wider;
    }
    s->cap = cap;
    return true;
}

/* The member that is dropped when the table is full: one that is not shown, else the one that has
 * been gone for longest. Walks the lists, but only in a table of MEMBERS_MAX members. */
static struct swim_member *least_useful(const struct swim *s)
{
    struct swim_member *oldest = NULL;
    for (uint32_t i = 0; i < s->live.n && s->hidden_n; i++)
        if (!swim_shown(s->live.m[i]))
            return s->live.m[i];
    for (uint32_t i = 0; i < s->gone.n; i++) {
        struct swim_member *m = s->gone.m[i];
        if (!m->pinned && (!oldest || m->since_ms < oldest->since_ms))
            oldest = m;
    }
    return oldest;
}

static struct swim_member *member_new(struct swim *s, uint64_t id, uint64_t incarnation)
{
    struct swim_member *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->id = id;
    m->incarnation = incarnation;
    m->since_ms = s->now_ms;
    m->timer_at = m->list_at = SWIM_NOWHERE;
    m->sketch = true;
    HASH_ADD_BYHASHVALUE(hh, s->by_id, id, sizeof id, (unsigned)id, m);
    if (!m->hh.tbl) {
        free(m);
        return NULL;
    }
    return m;
}

struct swim_member *swim_member_add(struct swim *s, uint64_t id, uint64_t incarnation)
{
    if (s->live.n + s->gone.n + 1 >= MEMBERS_MAX) {
        struct swim_member *victim = least_useful(s);
        if (!victim)
            return NULL;
        swim_member_drop(s, victim);
    }
    if (s->live.n + s->gone.n == s->cap && !grow(s))
        return NULL;
    struct swim_member *m = member_new(s, id, incarnation);
    if (!m)
        return NULL;
    list_insert(s, &s->live, m);
    sums_enter(s, m);
    return m;
}

void swim_member_drop(struct swim *s, struct swim_member *m)
{
    sums_leave(s, m);
    list_remove(swim_gone(m) ? &s->gone : &s->live, m);
    swim_timer_clear(s, m);
    if (m->listed[SWIM_CHANGED])
        swim_queue_remove(&s->changed, SWIM_CHANGED, m);
    if (m->listed[SWIM_NEWS]) {
        swim_queue_remove(&s->news[m->sends], SWIM_NEWS, m);
        s->news_n--;
    }
    name_release(s, m);
    HASH_DELETE(hh, s->by_id, m);
    discard_text(s, m->text);
    free(m);
}

void swim_member_move(struct swim *s, struct swim_member *m, enum member_state state,
                      uint64_t incarnation)
{
    CHECK(incarnation > m->incarnation || (incarnation == m->incarnation && state >= m->state));
    bool was_gone = swim_gone(m), changes = m->state != state;
    sums_leave(s, m);
    if (changes)
        m->since_ms = s->now_ms;
    m->state = (uint8_t)state;
    m->incarnation = incarnation;
    sums_enter(s, m);
    if (m == s->self || !changes)
        return;
    if (swim_gone(m) != was_gone) {
        list_remove(was_gone ? &s->gone : &s->live, m);
        list_insert(s, was_gone ? &s->live : &s->gone, m);
    }
    m->accuser_n = 0;
    swim_timer_clear(s, m);
    if (swim_gone(m) && !m->pinned)
        swim_timer_set(s, m, s->now_ms + SWIM_FORGET_MS);
}

void swim_member_trust(struct swim *s, struct swim_member *m)
{
    sums_leave(s, m);
    m->verified = true;
    sums_enter(s, m);
    swim_member_claim(s, m);
    if (m->state == MEMBER_ALIVE)
        swim_timer_clear(s, m); /* it was for introductions (swim_meet.c) */
}

void swim_member_pin(struct swim *s, struct swim_member *m, bool pinned)
{
    sums_leave(s, m);
    m->pinned = pinned;
    sums_enter(s, m);
    swim_member_claim(s, m);
    if (!swim_gone(m))
        return;
    if (pinned)
        swim_timer_clear(s, m);
    else
        swim_timer_set(s, m, s->now_ms + SWIM_FORGET_MS);
}

/* ---- Birth and end ---- */

int swim_table_init(struct swim *s, const struct swim_options *o)
{
    buf_init(&s->table, MESSAGE_MAX);
    s->self = member_new(s, o->self, o->incarnation);
    if (!s->self)
        return ERR_NO_MEMORY;
    s->self->addr = o->addr;
    s->self->sketch = false;
    s->self->verified = true;
    if (!swim_member_describe(s, s->self, o->name, o->meta)) {
        swim_table_close(s);
        return ERR_NO_MEMORY;
    }
    sums_enter(s, s->self);
    return 0;
}

static void free_trash(struct swim *s)
{
    while (s->trash) {
        struct swim_text *t = s->trash;
        s->trash = t->next;
        free(t);
    }
}

void swim_table_sweep(struct swim *s)
{
    if (s->trash && s->now_ms > s->trash_ms)
        free_trash(s);
}

void swim_table_close(struct swim *s)
{
    HASH_CLEAR(hh_name, s->by_name);
    struct swim_member *m, *next;
    HASH_ITER(hh, s->by_id, m, next)
    {
        HASH_DELETE(hh, s->by_id, m);
        free(m->text);
        free(m);
    }
    free_trash(s);
    free(s->live.m);
    free(s->gone.m);
    free(s->timer);
    buf_close(&s->table);
}
