/* owners.c: see owners.h. */
#include "sim/owners.h"

#include "base/check.h"
#include "base/hash.h"

#include <inttypes.h>

/* A key's name, for "%.*s". */
#define SHOWN(key) \
    (int)(key_name(key).n < 100 ? key_name(key).n : 100), (const char *)key_name(key).p

static bool compared(const struct repair *r, unsigned member_n, uint64_t since_ms)
{
    for (unsigned m = 0; m < member_n; m++)
        if (r->peer[m].shared && r->peer[m].done_ms < since_ms)
            return false;
    return true;
}

bool owners_compared(struct world *w, uint64_t since_ms)
{
    bool all = true;
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        const struct repair *r = &w->node[i].node.shard.repair;
        const struct layout *l = w->node[i].node.now.layout;
        if (!w->node[i].up || !l)
            return false;
        if (compared(r, l->member_n, since_ms) && r->recovering_n == 0)
            continue;
        all = false;
        if (r->run.phase != REPAIR_IDLE || r->next_ms == 0)
            continue;
        struct request ask = {.kind = OP_REPAIR, .vnode = REPAIR_ALL};
        struct event ev = {.kind = EV_REQUEST, .request = &ask};
        world_turn(w, i, &ev);
    }
    return all;
}

/* ---- Erasing ---- */

struct leftover {
    struct world *w;
    uint32_t node;
    struct buf *why;
    bool any;
};

static void look_at(void *arg, struct slice key, const struct index_item *item)
{
    struct leftover *l = arg;
    bool over = item->kind != RECORD_VALUE ||
                expiry_passed(item->expiry_ms, l->w->node[l->node].node.now.wall_ms);
    if (over && !l->any && l->why)
        CHECK(!buf_printf(l->why,
                          "n%" PRIu32 " still holds %.*s, of kind %u and stamp %" PRIu64
                          ", which is over",
                          l->node, SHOWN(key), item->kind, item->version.stamp));
    l->any |= over;
}

bool owners_erased(struct world *w, struct buf *why)
{
    struct leftover l = {.w = w, .why = why};
    for (l.node = 0; !l.any && l.node < w->o.nodes; l.node++) {
        const struct index *ix = &mem_table(w->node[l.node].store)->index;
        for (uint32_t arc = 0; !l.any && arc < ix->arc_n; arc++)
            index_walk(ix, arc, look_at, &l);
    }
    return !l.any;
}

/* ---- Equality ---- */

struct comparison {
    struct world *w;
    const struct layout *layout;
    uint16_t vnode;
    uint32_t holder; /* node whose records are walked */
    struct buf scratch;
    struct buf *why;
    bool equal;
};

static bool item_eq(const struct index_item *a, const struct index_item *b)
{
    return a->kind == b->kind && version_cmp(&a->version, &b->version) == 0 &&
           a->expiry_ms == b->expiry_ms && a->value_n == b->value_n;
}

/* Whether the value can be read, and is the one that the version names. */
static bool value_holds(struct comparison *c, struct slice key, const struct index_item *item)
{
    struct record r;
    if (item->kind != RECORD_VALUE)
        return true;
    int error = mem_peek(c->w->node[c->holder].store, key, &c->scratch, &r);
    return !error && hash_bytes(r.value) == item->version.digest;
}

static void differ(struct comparison *c, struct slice key, const struct index_item *item,
                   uint32_t owner, uint64_t stamp)
{
    c->equal = false;
    CHECK(!buf_printf(c->why,
                      "after every pair of owners compared, n%" PRIu32
                      " holds %.*s at stamp %" PRIu64 " and n%" PRIu32 " at stamp %" PRIu64,
                      c->holder, SHOWN(key), item->version.stamp, owner, stamp));
}

static void compare_one(void *arg, struct slice key, const struct index_item *item)
{
    struct comparison *c = arg;
    for (unsigned i = 0; c->equal && i < c->layout->n; i++) {
        const struct sim_node *owner = world_by_id(c->w, layout_owner(c->layout, c->vnode, i)->id);
        struct index_item held = table_look(mem_table(owner->store), key);
        if (!item_eq(&held, item))
            differ(c, key, item, world_index(c->w, owner), held.version.stamp);
    }
    if (!c->equal || value_holds(c, key, item))
        return;
    c->equal = false;
    CHECK(!buf_printf(c->why, "n%" PRIu32 " cannot read the value that it holds of %.*s", c->holder,
                      SHOWN(key)));
}

static void stray(void *arg, struct slice key, const struct index_item *item)
{
    struct comparison *c = arg;
    if (!c->equal || item->kind == RECORD_NONE)
        return;
    c->equal = false;
    CHECK(!buf_printf(c->why, "n%" PRIu32 " holds %.*s, whose owner it is not", c->holder,
                      (int)(key.n < 100 ? key.n : 100), (const char *)key.p));
}

bool owners_equal(struct world *w, struct buf *why)
{
    struct comparison c = {
        .w = w, .layout = chain_layout(&w->node[0].node.member.chain), .why = why, .equal = true};
    for (uint32_t n = 0; n < w->o.nodes; n++)
        if (!store_trees_hold(w->node[n].store)) {
            CHECK(
                !buf_printf(why, "a Merkle tree of n%" PRIu32 " is not what its records make", n));
            return false;
        }
    buf_init(&c.scratch, RECORD_VALUE_MAX);
    for (c.vnode = 0; c.vnode < c.layout->vnodes; c.vnode++)
        for (c.holder = 0; c.equal && c.holder < w->o.nodes; c.holder++) {
            bool owns = layout_owns(c.layout, c.vnode, w->node[c.holder].id);
            index_walk(&mem_table(w->node[c.holder].store)->index, c.vnode,
                       owns ? compare_one : stray, &c);
        }
    buf_close(&c.scratch);
    return c.equal;
}
