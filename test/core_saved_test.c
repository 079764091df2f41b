/* What a node finds of itself on its disk: a state that nobody writes is refused, whichever record
 * it is in, and nothing is left open. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/error.h"
#include "core/node/node.h"
#include "core/ring/ring.h"
#include "wire/bytes.h"

static int wake(const struct node_options *o)
{
    static struct node n;
    int error = node_init(&n, o, 1000);
    if (!error)
        node_close(&n);
    return error;
}

static void a_state_that_nobody_writes_is_refused(void **state)
{
    (void)state;
    static const uint8_t garbage[] = {0xff, 1, 2};
    const struct node_options born = {.id = 1, .boot = 2, .seed = 3, .name = SLICE("a")};
    struct node_options o = born;
    struct node_saved *const record[] = {&o.cluster_saved, &o.incarnation, &o.chain, &o.layout,
                                         &o.members,       &o.clock,       &o.boots, &o.ends};
    assert_int_equal(wake(&born), 0);
    for (size_t i = 0; i < sizeof record / sizeof record[0]; i++) {
        o = born;
        *record[i] = (struct node_saved){slice_of(garbage, sizeof garbage), 1};
        if (wake(&o) != ERR_BAD_MESSAGE)
            fail_msg("record %zu was taken", i);
    }
}

/* Nor one with a number that leaves nothing above it. */
static void a_number_at_its_end_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[8];
    struct node_options o = {.id = 1, .boot = 2, .seed = 3, .name = SLICE("a")};
    struct node_saved *const record[] = {&o.incarnation, &o.clock};
    const uint64_t most[] = {INCARNATION_MAX, STAMP_MAX >> 16};
    for (size_t i = 0; i < 2; i++) {
        *record[i] = (struct node_saved){slice_of(bytes, sizeof bytes), 1};
        put_u64(bytes, UINT64_MAX);
        assert_int_equal(wake(&o), ERR_BAD_MESSAGE);
        put_u64(bytes, most[i] + 1);
        assert_int_equal(wake(&o), ERR_BAD_MESSAGE);
        put_u64(bytes, most[i]);
        assert_int_equal(wake(&o), 0);
        *record[i] = (struct node_saved){.serial = 0};
    }
}

/* Of members 1 .. n, as it is saved. */
static struct buf saved_layout(uint16_t n)
{
    struct layout_member member[2] = {{.id = 1, .disk = 1, .weight = 100},
                                      {.id = 2, .disk = 2, .weight = 100}};
    struct ring_change birth = {.member = member, .member_n = n, .n_wanted = 2, .vnodes = 4};
    struct layout l;
    struct buf bytes;
    layout_init(&l);
    buf_init(&bytes, 4096);
    assert_int_equal(ring_compute(&birth, &l), 0);
    assert_int_equal(layout_encode(&bytes, &l), 0);
    layout_close(&l);
    return bytes;
}

/* It would believe the first stranger. */
static void a_layout_belongs_to_a_cluster(void **state)
{
    (void)state;
    struct cluster_id cluster = {{7}}, none = {{0}};
    struct node_options o = {.id = 1, .boot = 2, .seed = 3, .name = SLICE("a")};
    struct buf bytes = saved_layout(1);
    o.layout = (struct node_saved){buf_view(&bytes), 1};
    assert_int_equal(wake(&o), ERR_BAD_MESSAGE);
    o.cluster_saved = (struct node_saved){slice_of(none.b, sizeof none.b), 1};
    assert_int_equal(wake(&o), ERR_BAD_MESSAGE);
    o.cluster_saved.bytes = slice_of(cluster.b, sizeof cluster.b);
    assert_int_equal(wake(&o), 0);
    buf_close(&bytes);
}

/* A member of two, with its layout and these boots. */
static void wake_member(struct node *n, struct slice boots, uint64_t serial)
{
    struct cluster_id cluster = {{7}};
    struct buf bytes = saved_layout(2);
    struct node_options o = {.id = 1, .boot = 2 + serial, .seed = 3, .name = SLICE("a")};
    o.layout = (struct node_saved){buf_view(&bytes), 1};
    o.cluster_saved = (struct node_saved){slice_of(cluster.b, sizeof cluster.b), 1};
    o.boots = (struct node_saved){boots, serial};
    assert_int_equal(node_init(n, &o, 1000), 0);
    buf_close(&bytes);
}

/* The store says that slots may lack records: of eight those that `every` names, and slot 0.
 * Returns the boots that the node puts in the same step, empty when it puts none. */
static struct slice damage(struct node *n, uint8_t every)
{
    static struct out out;
    uint8_t slots[SLOTS / 8];
    memset(slots, every, sizeof slots);
    slots[0] |= 1;
    struct event ev = {.kind = EV_DAMAGED,
                       .now_ms = 1000,
                       .wall_ms = 1000000,
                       .damaged.bytes = slice_of(slots, sizeof slots)};
    out_clear(&out);
    node_step(n, &ev, &out);
    for (unsigned i = 0; i < out.n; i++)
        if (out.action[i].kind == ACT_STORE_PUT &&
            slice_eq(out.action[i].put.record.key, SLICE("boots")))
            return out.action[i].put.record.value;
    return slice_of(NULL, 0);
}

/* What may have been of any slot may have been a vote: the node casts none until it has fetched
 * all, over restarts. A damaged record of the ring was none. */
static void what_may_have_been_a_vote_is_remembered(void **state)
{
    (void)state;
    static struct node n;
    uint8_t bytes[4096];
    wake_member(&n, slice_of(NULL, 0), 0);
    damage(&n, 0);
    assert_false(n.shard.forgot);
    assert_int_equal(n.shard.repair.recovering_n, 1);
    node_close(&n);
    wake_member(&n, slice_of(NULL, 0), 0);
    struct slice boots = damage(&n, 0xff);
    assert_true(n.now.own.forgot);
    assert_int_equal(n.shard.repair.recovering_n, 4);
    assert_in_range(boots.n, 1, sizeof bytes);
    memcpy(bytes, boots.p, boots.n);
    boots.p = bytes;
    node_close(&n);
    wake_member(&n, boots, 1);
    damage(&n, 0);
    assert_true(n.now.own.forgot);
    node_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_that_nobody_writes_is_refused),
        cmocka_unit_test(a_number_at_its_end_is_refused),
        cmocka_unit_test(a_layout_belongs_to_a_cluster),
        cmocka_unit_test(what_may_have_been_a_vote_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
