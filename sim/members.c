#include "sim/members.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

void members_init(struct members_check *c, struct world *w)
{
    *c = (struct members_check){.world = w};
    buf_init(&c->why, 4096);
    c->seen = calloc((size_t)w->o.nodes * w->o.nodes, sizeof *c->seen);
    c->own = calloc(w->o.nodes, sizeof *c->own);
    CHECK(c->seen && c->own);
}

void members_close(struct members_check *c)
{
    free(c->seen);
    free(c->own);
    buf_close(&c->why);
}

/* The subject's own incarnation, as it is or as it was last. */
static uint64_t own_incarnation(struct members_check *c, uint32_t subject)
{
    struct sim_node *s = &c->world->node[subject];
    struct swim_view v;
    if (s->up && swim_find(&s->node.member.swim, s->id, &v))
        /* A node whose disk lost something may begin below what it was: it outbids the others. Of
         * any other node a lower incarnation stands here, and the comparison below finds it. */
        if (!s->forgot || v.incarnation > c->own[subject])
            c->own[subject] = v.incarnation;
    return c->own[subject];
}

static void violation(struct members_check *c, uint32_t observer, uint32_t subject,
                      const char *what, uint64_t held, uint64_t other)
{
    if (c->why.n == 0)
        CHECK(!buf_printf(
            &c->why, "n%" PRIu32 " holds n%" PRIu32 " at incarnation %" PRIu64 ": %s (%" PRIu64 ")",
            observer, subject, held, what, other));
}

void members_observe(struct members_check *c, uint32_t observer, const struct member_info *m)
{
    struct sim_node *s = world_by_id(c->world, m->id);
    if (!s)
        return;
    uint32_t subject = world_index(c->world, s);
    struct members_seen *seen = &c->seen[(size_t)observer * c->world->o.nodes + subject];
    bool back = m->incarnation < seen->incarnation ||
                (m->incarnation == seen->incarnation && m->state < seen->state);
    if (seen->seen && back)
        violation(c, observer, subject, "it held a later one before", m->incarnation,
                  seen->incarnation);
    uint64_t own = own_incarnation(c, subject);
    if (m->incarnation > own)
        violation(c, observer, subject, "more than the subject's own", m->incarnation, own);
    if (m->state == MEMBER_DEAD && (!seen->seen || seen->state != MEMBER_DEAD)) {
        c->deaths++;
        c->false_deaths += s->up;
        /* 0: the member could not store its first incarnation yet, and so announces none */
        if (s->up && c->no_excuse && m->incarnation > 0)
            violation(c, observer, subject, "dead, though it lives and nothing hinders gossip",
                      m->incarnation, own);
    }
    *seen = (struct members_seen){
        .incarnation = m->incarnation, .state = (uint8_t)m->state, .seen = true};
}

void members_life(struct members_check *c, uint32_t node, bool up)
{
    uint32_t n = c->world->o.nodes;
    if (!up) {
        memset(&c->seen[(size_t)node * n], 0, n * sizeof *c->seen);
        return;
    }
    uint64_t own = own_incarnation(c, node);
    for (uint32_t observer = 0; observer < n; observer++) {
        const struct members_seen *seen = &c->seen[(size_t)observer * n + node];
        if (observer != node && seen->seen && seen->incarnation > own &&
            !c->world->node[node].forgot)
            violation(c, observer, node, "more than the subject remembers after its restart",
                      seen->incarnation, own);
    }
}

/* Whether node i holds all nodes alive and has the layout of all. */
static bool sees_all(const struct members_check *c, uint32_t i, struct buf *why)
{
    struct world *w = c->world;
    struct sim_node *s = &w->node[i];
    const struct layout *l = s->up ? chain_layout(&s->node.member.chain) : NULL;
    const struct layout *first = w->node[0].up ? chain_layout(&w->node[0].node.member.chain) : NULL;
    bool layout = l && first && l->member_n == w->o.nodes && layout_hash(l) == layout_hash(first) &&
                  node_ready(&s->node);
    if (!layout && why)
        CHECK(!buf_printf(why, "n%" PRIu32 " is %s, at epoch %" PRIu64 " of %u members", i,
                          s->up ? "up" : "down", l ? l->epoch : 0, l ? (unsigned)l->member_n : 0));
    if (!layout)
        return false;
    for (uint32_t k = 0; k < w->o.nodes; k++) {
        struct swim_view v;
        if (swim_find(&s->node.member.swim, w->node[k].id, &v) && v.state == MEMBER_ALIVE)
            continue;
        if (why)
            CHECK(!buf_printf(why, "n%" PRIu32 " does not hold n%" PRIu32 " alive", i, k));
        return false;
    }
    return true;
}

bool members_agree(struct members_check *c, struct buf *why)
{
    for (uint32_t i = 0; i < c->world->o.nodes; i++)
        if (!sees_all(c, i, why))
            return false;
    return true;
}

/* In a cluster of fewer nodes than copies are wanted the verdict is never better than degraded:
 * that one reason is allowed. */
static bool is_healthy(const struct status_info *s)
{
    for (unsigned i = 0; i < REASONS; i++)
        if (s->reason[i].n && i != REASON_FEW)
            return false;
    return s->verdict <= VERDICT_DEGRADED;
}

bool members_healthy(const struct members_check *c, struct buf *why)
{
    struct status_info s;
    for (uint32_t i = 0; i < c->world->o.nodes; i++) {
        node_status(&c->world->node[i].node, &s);
        if (is_healthy(&s))
            continue;
        for (unsigned k = 0; k < REASONS && why; k++)
            if (s.reason[k].n)
                CHECK(!buf_printf(why, "n%" PRIu32 ": reason %u of the verdict holds for %u; ", i,
                                  k, s.reason[k].n));
        return false;
    }
    return true;
}
