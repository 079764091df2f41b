/* The layout's bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "wire/bytes.h"
#include "wire/layout.h"
#include "wire_random.h"

/* A valid layout with random content: owners follow each other round the members, so they are distinct. */
static struct layout random_layout(struct rng *rng, uint16_t members, uint16_t vnodes)
{
    struct layout l = {.epoch = 1 + rng_below(rng, 1000), .generation = rng_next(rng), .vnodes = vnodes, .member_n = members};
    l.n_wanted = (uint8_t)(1 + rng_below(rng, REPLICAS_MAX));
    l.n = l.n_wanted < members ? l.n_wanted : (uint8_t)members;
    l.w = (uint8_t)(l.n / 2 + 1);
    l.r = (uint8_t)(l.n - l.w + 1);
    l.member = calloc(members, sizeof *l.member);
    l.owner = calloc((size_t)vnodes * l.n, sizeof *l.owner);
    uint64_t id = 0;
    for (uint16_t i = 0; i < members; i++) {
        struct layout_member *m = &l.member[i];
        m->id = id += 1 + rng_below(rng, 1u << 30);
        m->since = rng_below(rng, l.epoch + 1);
        m->disk = rng_next(rng);
        m->weight = (uint16_t)(1 + rng_below(rng, 1000));
        m->zone_n = (uint8_t)rng_below(rng, ZONE_MAX + 1);
        for (unsigned z = 0; z < m->zone_n; z++)
            random_u8(rng, &m->zone[z]);
    }
    for (uint16_t v = 0; v < vnodes; v++) {
        uint16_t first = (uint16_t)rng_below(rng, members);
        for (uint16_t i = 0; i < l.n; i++)
            l.owner[(size_t)v * l.n + i] = (uint16_t)((first + i) % members);
    }
    return l;
}

static struct buf encoded(const struct layout *l)
{
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    assert_int_equal(layout_encode(&b, l), 0);
    return b;
}

static void assert_layouts_equal(const struct layout *a, const struct layout *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->vnodes, b->vnodes);
    assert_int_equal(a->n_wanted, b->n_wanted);
    assert_true(a->n == b->n && a->w == b->w && a->r == b->r);
    assert_int_equal(a->member_n, b->member_n);
    for (uint16_t i = 0; i < a->member_n; i++) {
        const struct layout_member *x = &a->member[i], *y = &b->member[i];
        assert_true(x->id == y->id && x->since == y->since && x->disk == y->disk && x->weight == y->weight);
        assert_true(slice_eq(slice_of(x->zone, x->zone_n), slice_of(y->zone, y->zone_n)));
    }
    assert_memory_equal(a->owner, b->owner, (size_t)a->vnodes * a->n * sizeof *a->owner);
}

static void for_each_random(void (*body)(struct layout *l, struct buf *b))
{
    static const uint16_t members[] = {1, 2, 3, 5, 8, 100, LAYOUT_MEMBERS_MAX};
    struct rng rng;
    rng_init(&rng, 1);
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++) {
        for (uint32_t vnodes = 1; vnodes <= VNODES_MAX; vnodes *= 4) {
            struct layout l = random_layout(&rng, members[i], (uint16_t)vnodes);
            struct buf b = encoded(&l);
            body(&l, &b);
            buf_close(&b);
            layout_close(&l);
        }
    }
}

static void check_round_trip(struct layout *l, struct buf *b)
{
    struct layout back;
    layout_init(&back);
    assert_int_equal(layout_decode(buf_view(b), &back), 0);
    assert_layouts_equal(l, &back);
    assert_int_equal(layout_hash(l), layout_hash(&back));
    layout_close(&back);
}

static void test_layouts_survive(void **state)
{
    (void)state;
    for_each_random(check_round_trip);
}

static int decode_exact(const uint8_t *p, size_t n)
{
    struct layout l;
    layout_init(&l);
    uint8_t *copy = exact_copy(p, n);
    int got = layout_decode(slice_of(copy, n), &l);
    exact_free(copy, n);
    if (got)
        assert_true(!l.member && !l.owner && l.member_n == 0);
    layout_close(&l);
    return got;
}

static void test_a_layout_of_another_length_is_bad(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 2);
    struct layout l = random_layout(&rng, 4, 16);
    struct buf b = encoded(&l);
    size_t n = b.n;
    assert_int_equal(buf_append(&b, "", 1), 0);
    for (size_t cut = 0; cut <= b.n; cut++)
        assert_int_equal(decode_exact(b.p, cut), cut == n ? 0 : ERR_BAD_MESSAGE);
    buf_close(&b);
    layout_close(&l);
}

/* One changed byte: refused, or a layout again with that very byte form and another hash. */
static void check_mutated(struct layout *l, struct buf *b)
{
    static struct rng rng = {{1, 2, 3, 4}};
    uint64_t hash = layout_hash(l);
    for (int i = 0; i < 30; i++) {
        size_t at = rng_below(&rng, b->n);
        uint8_t was = b->p[at];
        b->p[at] = (uint8_t)(was + 1 + rng_below(&rng, 255));
        struct layout got;
        layout_init(&got);
        if (layout_decode(buf_view(b), &got) == 0) {
            struct buf again = encoded(&got);
            assert_true(slice_eq(buf_view(b), buf_view(&again)));
            assert_true(layout_hash(&got) != hash);
            buf_close(&again);
        }
        layout_close(&got);
        b->p[at] = was;
    }
}

static void test_mutated_layouts_do_no_harm(void **state)
{
    (void)state;
    for_each_random(check_mutated);
}

/* Three members a, b, c with one vnode: the smallest layout in which everything can be wrong. */
static struct layout small_layout(void)
{
    struct rng rng;
    rng_init(&rng, 3);
    struct layout l = random_layout(&rng, 3, 1);
    l.n_wanted = l.n = 3;
    l.w = l.r = 2;
    free(l.owner);
    l.owner = calloc(3, sizeof *l.owner);
    for (uint16_t i = 0; i < 3; i++) {
        l.owner[i] = i;
        l.member[i].id = (uint64_t)i + 1;
    }
    return l;
}

static void refuse(void (*spoil)(struct layout *l))
{
    struct layout l = small_layout();
    spoil(&l);
    struct buf b = encoded(&l);
    assert_int_equal(decode_exact(b.p, b.n), ERR_BAD_MESSAGE);
    buf_close(&b);
    layout_close(&l);
}

static void no_epoch(struct layout *l)
{
    l->epoch = 0;
}

static void odd_vnodes(struct layout *l)
{
    l->vnodes = 3;
    free(l->owner);
    l->owner = calloc(9, sizeof *l->owner);
    for (uint16_t i = 0; i < 9; i++)
        l->owner[i] = i % 3;
}

static void no_vnodes(struct layout *l)
{
    l->vnodes = 0;
}

static void too_many_wanted(struct layout *l)
{
    l->n_wanted = REPLICAS_MAX + 1;
}

static void fewer_than_wanted(struct layout *l)
{
    l->n = 2;
}

static void small_w(struct layout *l)
{
    l->w = 1;
}

static void small_r(struct layout *l)
{
    l->r = 1;
}

static void repeated_member(struct layout *l)
{
    l->member[1].id = l->member[0].id;
}

static void unsorted_members(struct layout *l)
{
    l->member[0].id = 9;
}

static void nobody(struct layout *l)
{
    l->member[0].id = 0;
}

static void weightless(struct layout *l)
{
    l->member[2].weight = 0;
}

static void too_heavy(struct layout *l)
{
    l->member[2].weight = 1001;
}

static void since_the_future(struct layout *l)
{
    l->member[1].since = l->epoch + 1;
}

static void repeated_owner(struct layout *l)
{
    l->owner[2] = l->owner[0];
}

static void owner_out_of_range(struct layout *l)
{
    l->owner[1] = 3;
}

static void test_whatever_is_inconsistent_is_refused(void **state)
{
    (void)state;
    static void (*const spoilers[])(struct layout *) = {
        no_epoch,   odd_vnodes, no_vnodes,        too_many_wanted, fewer_than_wanted,
        small_w,    small_r,    repeated_member,  nobody,          unsorted_members,
        weightless, too_heavy,  since_the_future, repeated_owner,  owner_out_of_range,
    };
    struct layout good = small_layout();
    struct buf b = encoded(&good);
    assert_int_equal(decode_exact(b.p, b.n), 0);
    b.p[0] = 2;
    assert_int_equal(decode_exact(b.p, b.n), ERR_BAD_FORMAT);
    buf_close(&b);
    layout_close(&good);
    for (unsigned i = 0; i < sizeof spoilers / sizeof *spoilers; i++)
        refuse(spoilers[i]);
}

static void check_copy(struct layout *l, struct buf *b)
{
    struct layout copy;
    layout_init(&copy);
    assert_int_equal(layout_copy(&copy, l), 0);
    assert_layouts_equal(l, &copy);
    copy.member[0].weight = (uint16_t)(l->member[0].weight + 1);
    copy.owner[0]++;
    struct buf again = encoded(l);
    assert_true(slice_eq(buf_view(b), buf_view(&again))); /* the original is not touched */
    buf_close(&again);
    layout_close(&copy);
}

static void test_copies_are_deep(void **state)
{
    (void)state;
    for_each_random(check_copy);
    struct layout empty, copy;
    layout_init(&empty);
    layout_init(&copy);
    assert_int_equal(layout_copy(&copy, &empty), 0);
    layout_close(&copy);
}

static void check_find(struct layout *l, struct buf *b)
{
    (void)b;
    for (int i = 0; i < l->member_n; i++) {
        assert_int_equal(layout_find(l, l->member[i].id), i);
        bool next_is_taken = i + 1 < l->member_n && l->member[i + 1].id == l->member[i].id + 1;
        if (!next_is_taken)
            assert_int_equal(layout_find(l, l->member[i].id + 1), -1);
    }
    assert_int_equal(layout_find(l, 0), -1);
    assert_int_equal(layout_find(l, UINT64_MAX), -1);
}

static void test_members_are_found(void **state)
{
    (void)state;
    for_each_random(check_find);
}

static void test_arcs_are_equal_and_cover_the_ring(void **state)
{
    (void)state;
    for (uint32_t vnodes = 1; vnodes <= VNODES_MAX; vnodes *= 2) {
        struct layout l = {.vnodes = (uint16_t)vnodes};
        for (uint32_t slot = 0; slot < 16384; slot++)
            assert_int_equal(layout_vnode(&l, (uint16_t)slot), slot / (16384u / vnodes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts_survive),
        cmocka_unit_test(test_a_layout_of_another_length_is_bad),
        cmocka_unit_test(test_mutated_layouts_do_no_harm),
        cmocka_unit_test(test_whatever_is_inconsistent_is_refused),
        cmocka_unit_test(test_copies_are_deep),
        cmocka_unit_test(test_members_are_found),
        cmocka_unit_test(test_arcs_are_equal_and_cover_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
