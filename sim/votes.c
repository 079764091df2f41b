/* votes.c: see votes.h. */
#include "sim/votes.h"

#include "base/check.h"
#include "wire/bytes.h"

#include <inttypes.h>

void votes_init(struct votes_check *v, struct world *w)
{
    *v = (struct votes_check){.world = w};
    buf_init(&v->why, 4096);
}

void votes_close(struct votes_check *v)
{
    buf_close(&v->why);
}

/* The votes for an epoch on a node's disk (core/chain/chain_vote.c has the record's form); both 0
 * when there are none. */
struct vote_held {
    uint64_t promised, accepted;
};

static struct vote_held held(const struct sim_node *s, uint64_t epoch)
{
    struct vote_held h = {0};
    struct slice record;
    uint64_t serial;
    if (!store_state(s->store, SLICE("chain"), &record, &serial) || record.n < 25 ||
        get_u64(record.p + 1) != epoch)
        return h;
    h.promised = get_u64(record.p + 9);
    h.accepted = get_u64(record.p + 17);
    return h;
}

static void check_held(struct votes_check *v, uint32_t node, const char *what, uint64_t ballot,
                       uint64_t on_disk)
{
    if (on_disk < ballot && v->why.n == 0)
        CHECK(!buf_printf(&v->why,
                          "n%" PRIu32 " sends %s ballot %" PRIx64 " at %" PRIu64
                          " us, while its disk has %" PRIx64,
                          node, what, ballot, v->world->now_us, on_disk));
}

void votes_sent(struct votes_check *v, uint32_t node, const struct message *m)
{
    const struct sim_node *s = &v->world->node[node];
    if (m->kind == MSG_PROMISE && m->promise.error == 0)
        check_held(v, node, "its promise of", m->promise.ballot,
                   held(s, m->promise.epoch).promised);
    if (m->kind == MSG_ACCEPTED && m->accepted.error == 0)
        check_held(v, node, "its acceptance at", m->accepted.ballot,
                   held(s, m->accepted.epoch).accepted);
}

void votes_adopted(struct votes_check *v, uint32_t node)
{
    const struct layout *l = chain_layout(&v->world->node[node].node.member.chain);
    CHECK(l && l->epoch < VOTES_EPOCHS_MAX);
    uint64_t *adopted = &v->adopted[l->epoch], hash = layout_hash(l);
    if (*adopted && *adopted != hash && v->why.n == 0)
        CHECK(!buf_printf(
            &v->why, "n%" PRIu32 " adopts another layout for epoch %" PRIu64 " than others did",
            node, l->epoch));
    *adopted = hash;
}
