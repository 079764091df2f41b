#include "sim/hints.h"

#include "base/check.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OPEN_MAX = 1 << 26, /* bytes of struct hints_seen.open */
};

static const uint32_t KEY_ANY = UINT32_MAX; /* the key of a flush, which is for all keys */

struct hint_seen {
    uint64_t location;
    struct version version;
    uint32_t key; /* its number, or KEY_ANY for a flush */
};

/* What a node did with the hints for one target. */
struct hints_seen {
    uint64_t target, read_us;
    struct hint_seen hint[HINTS_BATCH]; /* the batch read last */
    uint32_t n;
    /* The keys, uint32_t each, of the hints that were put since none was unanswered last. */
    struct buf open;
    uint32_t open_n; /* how many of them are unanswered */
};

void hints_check_init(struct hints_check *h, struct world *w, uint32_t keys)
{
    *h = (struct hints_check){.world = w, .key_n = keys};
    buf_init(&h->why, 4096);
    buf_init(&h->scratch, RECORD_VALUE_MAX);
    h->holder = calloc(w->o.nodes, sizeof *h->holder);
    h->lost = calloc(keys, sizeof *h->lost);
    CHECK(h->holder && h->lost);
}

void hints_check_close(struct hints_check *h)
{
    for (uint32_t i = 0; i < h->world->o.nodes; i++) {
        for (uint32_t t = 0; t < h->holder[i].n; t++)
            buf_close(&h->holder[i].seen[t].open);
        free(h->holder[i].seen);
    }
    free(h->holder);
    free(h->lost);
    buf_close(&h->why);
    buf_close(&h->scratch);
}

static struct hints_seen *seen_of(const struct hints_check *h, uint32_t node, uint64_t target)
{
    struct hints_holder *of = &h->holder[node];
    for (uint32_t i = 0; i < of->n; i++)
        if (of->seen[i].target == target)
            return &of->seen[i];
    of->seen = realloc(of->seen, (of->n + 1) * sizeof *of->seen);
    CHECK(of->seen);
    of->seen[of->n] = (struct hints_seen){.target = target};
    buf_init(&of->seen[of->n].open, OPEN_MAX);
    return &of->seen[of->n++];
}

/* What a node's disk holds of a key; kind RECORD_NONE: nothing. */
static struct record held(struct hints_check *h, const struct sim_node *s, struct slice key)
{
    struct record r;
    /* an error is about the value alone, which nobody needs here */
    (void)mem_peek(world_disk(h->world, world_index(h->world, s)), key, &h->scratch, &r);
    return r;
}

/* When hints are acknowledged, the disk has at least as many: a loss of power would leave them. */
static void check_promise(struct hints_check *h, uint32_t node, const struct event *ev)
{
    if (h->holder[node].struck)
        return;
    uint64_t left = hints_disk_waiting(&h->world->node[node].hints_disk, ev->hinted.target);
    if (left < ev->hinted.waiting && h->why.n == 0)
        CHECK(!buf_printf(&h->why,
                          "n%" PRIu32 " was promised %" PRIu64 " durable hints for %s at %" PRIu64
                          " us, when its disk had %" PRIu64,
                          node, ev->hinted.waiting, world_by_id(h->world, ev->hinted.target)->name,
                          h->world->now_us, left));
}

static uint32_t key_number(const struct hints_check *h, struct slice key)
{
    char text[KEY_TEXT];
    struct slice name = key_name(key);
    snprintf(text, sizeof text, "%.*s", (int)name.n, (const char *)name.p);
    unsigned long k = strtoul(text + 1, NULL, 10);
    CHECK(k < h->key_n);
    return (uint32_t)k;
}

static uint32_t number_of(const struct hints_check *h, const struct record *r)
{
    return r->kind == RECORD_FLUSH ? KEY_ANY : key_number(h, r->key);
}

static void keep_batch(struct hints_check *h, uint32_t node, const struct event *ev)
{
    struct hints_seen *b = seen_of(h, node, ev->hints.target);
    b->n = ev->hints.n;
    b->read_us = h->world->now_us;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct record *r = &ev->hints.batch[i].record;
        b->hint[i] = (struct hint_seen){
            .location = ev->hints.batch[i].location, .version = r->version, .key = number_of(h, r)};
    }
}

static void lose_number(struct hints_check *h, uint32_t key)
{
    if (key == KEY_ANY)
        memset(h->lost, true, h->key_n * sizeof *h->lost);
    else
        h->lost[key] = true;
}

static void lose(struct hints_check *h, const struct op *op)
{
    lose_number(h, key_number(h, slice_of(op->data.p, op->key_n)));
}

static void lose_hint(void *arg, uint64_t target, const struct record *r)
{
    struct hints_check *h = arg;
    (void)target;
    lose_number(h, number_of(h, r));
}

/* ---- Hints that are not kept ---- */

static void hint_given(struct hints_check *h, uint32_t node, const struct action *a)
{
    struct hints_seen *s = seen_of(h, node, a->hint.target);
    const struct record *r = &a->hint.record;
    uint32_t key = number_of(h, r);
    CHECK(!buf_append(&s->open, &key, sizeof key));
    s->open_n++;
    if (h->holder[node].struck)
        lose_number(h, key); /* a hint that stands behind damage in its log cannot be read */
}

/* Some hints are kept, or some are lost. The answer does not name them: when some are lost, each
 * open one may be. */
static void hints_answered(struct hints_check *h, uint32_t node, const struct event *ev)
{
    struct hints_seen *s = seen_of(h, node, ev->hinted.target);
    uint32_t n = ev->hinted.n;
    for (size_t at = 0; ev->hinted.kind == HINTS_LOST && n > 0 && at < s->open.n;
         at += sizeof(uint32_t)) {
        uint32_t key;
        memcpy(&key, s->open.p + at, sizeof key);
        lose_number(h, key);
    }
    /* damage and age take hints that were kept long ago, so n may be more */
    s->open_n -= n < s->open_n ? n : s->open_n;
    if (s->open_n == 0)
        s->open.n = 0;
}

/* A coordinator whose own disk refuses a write keeps no hint of it for itself (coord_write.c). */
static void check_refused(struct hints_check *h, uint32_t node, const struct event *ev)
{
    const struct coord *c = &h->world->node[node].node.shard.coord;
    if (ev->stored.error == 0 || ev->stored.error == ERR_SUPERSEDED)
        return;
    if (TOKEN_OWNER(ev->stored.token) == TOKEN_FLUSH)
        lose_number(h, KEY_ANY);
    if (TOKEN_OWNER(ev->stored.token) != TOKEN_COORD)
        return;
    const struct op *op = slab_get(&c->ops, TOKEN_NUMBER(ev->stored.token));
    if (op)
        lose(h, op);
}

void hints_check_result(struct hints_check *h, uint32_t node, const struct event *ev)
{
    if (ev->kind == EV_HINTED) {
        check_promise(h, node, ev);
        hints_answered(h, node, ev);
    } else if (ev->kind == EV_HINTS) {
        keep_batch(h, node, ev);
    } else if (ev->kind == EV_STORED) {
        check_refused(h, node, ev);
    }
}

/* The key of a hint, written at p; for a flush any key will do. */
static struct slice hint_key(const struct hint_seen *hint, uint8_t p[KEY_TEXT])
{
    return hint->key == KEY_ANY ? KEY_OF("") : world_key(p, hint->key);
}

/* A hint that is older than hints may be, or than the floor of its target: its key is left to
 * anti-entropy. */
static bool too_old(struct hints_check *h, uint32_t node, const struct sim_node *target,
                    const struct hint_seen *hint)
{
    uint8_t key[KEY_TEXT];
    const struct floors *f =
        &mem_table(world_disk(h->world, world_index(h->world, target)))->floors;
    uint64_t age_ms = h->world->o.hint_age_ms,
             floor = f->of[(uint32_t)slot_of_key(hint_key(hint, key)) * f->n / SLOTS].durable;
    /* the node judged the age a while ago, by another clock */
    uint64_t latest_ms = h->world->node[node].node.now.believed_ms + CLOCK_SKEW_MAX_MS;
    bool aged = age_ms && version_ms(&hint->version) + age_ms < latest_ms;
    if (aged || hint->version.stamp <= floor)
        lose_number(h, hint->key);
    return aged || hint->version.stamp <= floor;
}

static void check_drop(struct hints_check *h, uint32_t node, const struct action *a)
{
    const struct hints_seen *b = seen_of(h, node, a->hint_drop.target);
    const struct sim_node *target = world_by_id(h->world, a->hint_drop.target);
    for (uint32_t i = 0; i < b->n && b->hint[i].location <= a->hint_drop.up_to; i++) {
        h->dropped++;
        if (target->struck_us >= b->read_us || h->why.n > 0)
            continue; /* the target may have held it before its disk was struck */
        uint8_t key[KEY_TEXT];
        struct record r = held(h, target, hint_key(&b->hint[i], key));
        if (too_old(h, node, target, &b->hint[i]))
            continue;
        if (r.kind == RECORD_NONE || version_cmp(&r.version, &b->hint[i].version) < 0)
            CHECK(!buf_printf(&h->why,
                              "n%" PRIu32 " dropped the hint for k%" PRIu32
                              " that %s has not on its disk, at %" PRIu64 " us",
                              node, b->hint[i].key, target->name, h->world->now_us));
    }
}

struct aging {
    struct hints_check *check;
    uint64_t before_ms;
};

static void age_one(void *arg, uint64_t target, const struct record *r)
{
    const struct aging *a = arg;
    if (version_ms(&r->version) < a->before_ms)
        lose_hint(a->check, target, r);
}

/* Hints that were stamped before that time may go: their keys are left to anti-entropy. */
static void age(struct hints_check *h, uint32_t node, uint64_t before_ms)
{
    struct aging a = {h, before_ms};
    hints_disk_each(&h->world->node[node].hints_disk, age_one, &a);
}

void hints_check_action(struct hints_check *h, uint32_t node, const struct action *a)
{
    if (a->kind == ACT_HINT_DROP)
        check_drop(h, node, a);
    else if (a->kind == ACT_HINT_PUT)
        hint_given(h, node, a);
    else if (a->kind == ACT_HINT_EXPIRE)
        age(h, node, a->hint_expire_ms);
}

/* ---- A loss of power ---- */

/* A loss of power takes the writes that a node coordinates, and its hints that are not synced. */
static void lose_pending(struct hints_check *h, uint32_t node)
{
    const struct sim_node *s = &h->world->node[node];
    const struct coord *c = &s->node.shard.coord;
    for (uint32_t i = 0; i < c->ops.cap; i++) {
        uint64_t handle;
        const struct op *op = slab_at(&c->ops, i, &handle);
        if (op && op->phase == PHASE_WRITE)
            lose(h, op);
    }
    if (c->flush.phase == FLUSH_STORING)
        lose_number(h, KEY_ANY);
    hints_mem_unsynced(s->hints, lose_hint, h);
}

void hints_check_losing(struct hints_check *h, uint32_t node)
{
    lose_pending(h, node);
    h->holder[node].struck = false;
    for (uint32_t t = 0; t < h->holder[node].n; t++)
        h->holder[node].seen[t].open.n = h->holder[node].seen[t].open_n = 0;
}

/* A disk that is lost takes its hints with it. And a write, or a hint, that has not come to all
 * owners yet may have been on that disk: its owners are equal only after they have compared. */
void hints_check_striking(struct hints_check *h, uint32_t node)
{
    h->holder[node].struck = true;
    for (uint32_t i = 0; i < h->world->o.nodes; i++) {
        if (h->world->node[i].up)
            lose_pending(h, i);
        hints_disk_each(&h->world->node[i].hints_disk, lose_hint, h);
    }
}

/* ---- The end ---- */

void hints_check_settled(struct hints_check *h)
{
    memset(h->lost, false, h->key_n * sizeof *h->lost);
}

bool hints_quiet(const struct hints_check *h)
{
    for (uint32_t i = 0; i < h->world->o.nodes; i++) {
        const struct sim_node *s = &h->world->node[i];
        if (s->up && (hint_waiting(&s->node.shard.hint) > 0 || s->node.shard.coord.ops.used > 0 ||
                      hints_mem_syncing(s->hints)))
            return false;
    }
    return true;
}

static bool over(const struct sim_node *s, const struct record *r)
{
    return r->kind != RECORD_VALUE || expiry_passed(r->expiry_ms, s->node.now.wall_ms);
}

static bool owners_equal(struct hints_check *h, const struct layout *l, uint32_t k)
{
    uint8_t bytes[KEY_TEXT];
    struct slice key = world_key(bytes, k);
    uint16_t vnode = layout_vnode(l, slot_of_key(key));
    const struct sim_node *first = world_by_id(h->world, layout_owner(l, vnode, 0)->id);
    struct record a = held(h, first, key);
    for (unsigned i = 1; i < l->n; i++) {
        const struct sim_node *other = world_by_id(h->world, layout_owner(l, vnode, i)->id);
        struct record b = held(h, other, key);
        if (version_cmp(&a.version, &b.version) == 0 || (over(first, &a) && over(other, &b)))
            continue; /* a record that is over may be erased at one owner before the other */
        CHECK(!buf_printf(&h->why,
                          "key k%" PRIu32 ": %s holds it at stamp %" PRIu64 ".%" PRIu64
                          " and %s at %" PRIu64 ".%" PRIu64
                          ", though every write was answered and no hint is left",
                          k, first->name, a.version.stamp, a.version.expiry_stamp, other->name,
                          b.version.stamp, b.version.expiry_stamp));
        return false;
    }
    return true;
}

bool hints_converged(struct hints_check *h)
{
    const struct layout *l = chain_layout(&h->world->node[0].node.member.chain);
    for (uint32_t k = 0; k < h->key_n; k++) {
        if (!h->lost[k] && !owners_equal(h, l, k))
            return false;
    }
    return true;
}
