/* answers.c: see answers.h. */
#include "sim/answers.h"

#include "base/check.h"
#include "base/hash.h"

#include <inttypes.h>

void answers_init(struct answers_check *a, struct world *w)
{
    *a = (struct answers_check){.world = w};
    buf_init(&a->why, 4096);
}

void answers_close(struct answers_check *a)
{
    buf_close(&a->why);
}

/* The operation that an answer is for, as long as its coordinator has it. An answer does not name
 * the key. */
static const struct op *asked_by(const struct answers_check *a, uint64_t coordinator,
                                 uint64_t token)
{
    const struct sim_node *s = world_by_id(a->world, coordinator);
    return s && s->up && TOKEN_OWNER(token) == TOKEN_COORD
               ? slab_get(&s->node.shard.coord.ops, TOKEN_NUMBER(token))
               : NULL;
}

void answers_sent(struct answers_check *a, uint32_t node, uint64_t to, const struct message *m)
{
    const struct sim_node *s = &a->world->node[node];
    if (m->kind != MSG_GOT || m->got.error || s->node.shard.repair.recovering_n == 0 ||
        a->why.n > 0)
        return;
    const struct op *op = asked_by(a, to, m->got.op);
    if (!op || !moment_recovers(&s->node.now, layout_vnode(s->node.now.layout, op->slot)))
        return;
    struct slice key = key_name(slice_of(op->data.p, op->key_n));
    CHECK(!buf_printf(&a->why,
                      "n%" PRIu32 " answers a read of %.*s with %s at %" PRIu64
                      " us, though it is recovering there",
                      node, (int)key.n, (const char *)key.p,
                      m->got.record.kind == RECORD_NONE ? "\"not found\"" : "a record",
                      a->world->now_us));
}
