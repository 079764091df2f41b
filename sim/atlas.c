/* atlas.c: see atlas.h. */
#include "sim/atlas.h"

#include "base/bits.h"
#include "base/check.h"
#include "sim/world.h"
#include "store/log/damage.h"

#include <inttypes.h>
#include <stdlib.h>

void atlas_init(struct atlas *a, struct world *w)
{
    *a = (struct atlas){.world = w};
    a->node = calloc(w->o.nodes, sizeof *a->node);
    CHECK(a->node);
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        a->node[i].struck = calloc(VNODES_MAX, 1);
        a->node[i].noticed = calloc(VNODES_MAX, 1);
        CHECK(a->node[i].struck && a->node[i].noticed);
    }
}

void atlas_close(struct atlas *a)
{
    for (uint32_t i = 0; i < a->world->o.nodes; i++) {
        free(a->node[i].struck);
        free(a->node[i].noticed);
    }
    free(a->node);
}

/* ---- Healing ---- */

/* Whether a disk is healed: it is the first one, or has fetched all that the one before it held. */
static bool knows_healed(const struct sim_node *s)
{
    struct slice value;
    uint64_t serial;
    return s->disks == 0 || store_state(s->store, SLICE("healed"), &value, &serial);
}

/* Whether the disk remembers that it may lack records of a vnode. */
static bool doubts(const struct sim_node *s, const struct layout *l, uint16_t vnode)
{
    struct slice value;
    uint64_t serial;
    struct damage d;
    if (!store_state(s->store, DAMAGE_NAME, &value, &serial))
        return false;
    CHECK(value.n == sizeof d.slot);
    memcpy(d.slot, value.p, sizeof d.slot);
    return damage_in(&d, vnode, l->vnodes);
}

/* Whether a node has recovered in a vnode, on its disk too, so that no restart begins it again. */
static bool healed(const struct sim_node *s, uint64_t life, uint16_t vnode)
{
    const struct layout *l = s->up && s->life > life ? chain_layout(&s->node.member.chain) : NULL;
    return l && !moment_recovers(&s->node.now, vnode) && knows_healed(s) && !doubts(s, l, vnode);
}

/* Whether a node knows what it lost, or has had the time to learn it from its peers. */
static bool aware(const struct atlas *a, uint32_t node, uint16_t vnode)
{
    const struct atlas_node *n = &a->node[node];
    bool reported =
        a->world->now_us >= a->world->node[node].started_us + (uint64_t)ATLAS_REPORTED_MS * 1000;
    return n->noticed[vnode] == ATLAS_NOTICED || (n->noticed[vnode] == ATLAS_SILENT && reported);
}

bool atlas_struck(struct atlas *a, uint32_t node, uint16_t vnode)
{
    struct atlas_node *n = &a->node[node];
    if (n->struck[vnode] && aware(a, node, vnode) && healed(&a->world->node[node], n->life, vnode))
        n->struck[vnode] = false;
    return n->struck[vnode];
}

bool atlas_healed(struct atlas *a, struct buf *why)
{
    for (uint32_t i = 0; i < a->world->o.nodes; i++)
        for (uint32_t v = 0; v < VNODES_MAX; v++) {
            if (!atlas_struck(a, i, (uint16_t)v))
                continue;
            if (why)
                CHECK(!buf_printf(why,
                                  "the disk of n%" PRIu32 " lost something of vnode %" PRIu32
                                  " at %" PRIu64 " us, which it %s",
                                  i, v, a->world->node[i].struck_us,
                                  a->node[i].noticed[v] == ATLAS_NOTICED ? "has not got again"
                                                                         : "has not noticed"));
            return false;
        }
    return true;
}

/* ---- Striking ---- */

const struct layout *atlas_layout(const struct atlas *a)
{
    const struct world *w = a->world;
    const struct layout *all = NULL;
    for (uint32_t i = 0; i < w->o.nodes; i++) {
        const struct layout *l = w->node[i].up ? chain_layout(&w->node[i].node.member.chain) : NULL;
        if (l && l->member_n == w->o.nodes)
            all = l;
        else if (w->node[i].up && !w->node[i].forgot)
            return NULL;
    }
    return all;
}

/* Whether a vnode bears one more of its owners being struck. */
static bool bears(struct atlas *a, const struct layout *l, uint32_t node, uint16_t vnode)
{
    unsigned struck = 1;
    for (unsigned k = 0; k < l->n; k++) {
        uint32_t owner =
            world_index(a->world, world_by_id(a->world, layout_owner(l, vnode, k)->id));
        struck += owner != node && atlas_struck(a, owner, vnode);
    }
    return struck < l->w;
}

bool atlas_strike(struct atlas *a, uint32_t node, const uint8_t vnodes[VNODES_MAX])
{
    const struct layout *l = atlas_layout(a);
    struct atlas_node *n = &a->node[node];
    bool allowed = l != NULL;
    for (uint16_t v = 0; allowed && v < l->vnodes; v++)
        if ((!vnodes || vnodes[v]) && layout_owns(l, v, a->world->node[node].id))
            allowed = bears(a, l, node, v);
    a->strikes += allowed;
    a->refused += !allowed;
    for (uint16_t v = 0; allowed && v < l->vnodes; v++)
        if ((!vnodes || vnodes[v]) && layout_owns(l, v, a->world->node[node].id)) {
            n->struck[v] = true;
            n->noticed[v] = ATLAS_UNNOTICED;
        }
    if (allowed) {
        struct sim_node *s = &a->world->node[node];
        /* A strike at a node without power is met by its very next start. */
        n->life = s->up ? s->life : s->life - 1;
        s->struck_us = a->world->now_us;
    }
    return allowed;
}

void atlas_noticed(struct atlas *a, uint32_t node, const uint8_t *slots)
{
    const struct layout *l = chain_layout(&a->world->node[node].node.member.chain);
    uint8_t *noticed = a->node[node].noticed;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (slots && !bit_at(slots, slot))
            continue;
        noticed[slots && l ? layout_vnode(l, (uint16_t)slot) : slot] = ATLAS_NOTICED;
    }
}

void atlas_silent(struct atlas *a, uint32_t node)
{
    for (uint32_t v = 0; v < VNODES_MAX; v++)
        if (a->node[node].noticed[v] == ATLAS_UNNOTICED)
            a->node[node].noticed[v] = ATLAS_SILENT;
}

bool atlas_clock(struct atlas *a, uint32_t node, uint64_t until_us)
{
    const struct world *w = a->world;
    for (uint32_t i = 0; i < w->o.nodes; i++)
        if (i != node && a->node[i].wrong_until_us > w->now_us)
            return false;
    if (w->o.nodes < 3)
        return false;
    uint64_t trusted_us = until_us + (uint64_t)ATLAS_CLOCK_MS * 1000;
    if (a->node[node].wrong_until_us < trusted_us)
        a->node[node].wrong_until_us = trusted_us;
    return true;
}
