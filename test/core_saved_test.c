/* What a node finds of itself on its disk: a state that nobody writes is refused, whichever record it is in, and nothing is
 * left open. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/error.h"
#include "core/node.h"

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
                                         &o.members,       &o.clock,       &o.boots, &o.reached};
    assert_int_equal(wake(&born), 0);
    for (size_t i = 0; i < sizeof record / sizeof record[0]; i++) {
        o = born;
        *record[i] = (struct node_saved){slice_of(garbage, sizeof garbage), 1};
        if (wake(&o) != ERR_BAD_MESSAGE)
            fail_msg("record %zu was taken", i);
    }
}

/* It would believe the first stranger. */
static void a_layout_belongs_to_a_cluster(void **state)
{
    (void)state;
    uint16_t owner[4] = {0, 0, 0, 0};
    struct layout_member self = {.id = 1, .disk = 1, .since = 1, .weight = 100};
    struct layout l = {.epoch = 1, .generation = 9, .vnodes = 4, .n_wanted = 3, .n = 1, .w = 1, .r = 1, .member_n = 1};
    struct cluster_id cluster = {{7}}, none = {{0}};
    struct node_options o = {.id = 1, .boot = 2, .seed = 3, .name = SLICE("a")};
    struct buf bytes;
    l.member = &self;
    l.owner = owner;
    buf_init(&bytes, 4096);
    assert_int_equal(layout_encode(&bytes, &l), 0);
    o.layout = (struct node_saved){buf_view(&bytes), 1};
    assert_int_equal(wake(&o), ERR_BAD_MESSAGE);
    o.cluster_saved = (struct node_saved){slice_of(none.b, sizeof none.b), 1};
    assert_int_equal(wake(&o), ERR_BAD_MESSAGE);
    o.cluster_saved.bytes = slice_of(cluster.b, sizeof cluster.b);
    assert_int_equal(wake(&o), 0);
    buf_close(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_that_nobody_writes_is_refused),
        cmocka_unit_test(a_layout_belongs_to_a_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
