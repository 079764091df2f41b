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
#include "wire/record.h"
#include "wire_random.h"

static uint8_t smaller(uint8_t n, uint16_t members)
{
    return n < members ? n : (uint8_t)members;
}

/* Owners follow each other round the members, so they are distinct; the second table begins one
 * later. Who is in a row of both tables has one epoch: it is that of its index, so far as the row's
 * last change allows. */
static void random_row(struct rng *rng, struct layout *l, size_t v)
{
    uint16_t first = (uint16_t)rng_below(rng, l->member_n);
    uint64_t base = rng_below(rng, 1000);
    l->changed[v] = 1 + rng_below(rng, l->epoch);
    for (uint16_t i = 0; i < l->n; i++) {
        uint16_t m = (uint16_t)((first + i) % l->member_n);
        l->owner[v * l->n + i] = m;
        l->since[v * l->n + i] = 1 + (base + m) % l->changed[v];
    }
    for (uint16_t i = 0; i < l->next.n; i++) {
        uint16_t m = (uint16_t)((first + 1 + i) % l->member_n);
        l->next.owner[v * l->next.n + i] = m;
        l->next.since[v * l->next.n + i] = 1 + (base + m) % l->changed[v];
    }
}

/* A valid layout with random content. */
static struct layout random_layout(struct rng *rng, uint16_t members, uint16_t vnodes,
                                   enum layout_stage stage)
{
    struct layout l = {.epoch = 1 + rng_below(rng, 1000),
                       .generation = 1 + (uint32_t)rng_below(rng, 5),
                       .generation_id = rng_next(rng),
                       .vnodes = vnodes,
                       .stage = (uint8_t)stage,
                       .member_n = members};
    for (unsigned i = 0; i < sizeof l.secret.b; i++)
        random_u8(rng, &l.secret.b[i]);
    l.n_wanted = (uint8_t)(1 + rng_below(rng, REPLICAS_MAX));
    l.n = smaller(stage ? (uint8_t)(1 + rng_below(rng, REPLICAS_MAX)) : l.n_wanted, members);
    l.w = (uint8_t)(l.n / 2 + 1);
    l.r = (uint8_t)(l.n - l.w + 1);
    if (stage) {
        l.next.n = smaller(l.n_wanted, members);
        l.next.w = (uint8_t)(l.next.n / 2 + 1);
        l.next.r = (uint8_t)(l.next.n - l.next.w + 1);
    }
    assert_int_equal(layout_allocate(&l), 0);
    uint64_t id = 0;
    for (uint16_t i = 0; i < members; i++) {
        struct layout_member *m = &l.member[i];
        m->id = id += 1 + rng_below(rng, 1u << 30);
        m->disk = rng_next(rng);
        m->weight = (uint16_t)(1 + rng_below(rng, 1000));
        m->zone_n = (uint8_t)rng_below(rng, ZONE_MAX + 1);
        for (unsigned z = 0; z < m->zone_n; z++)
            random_u8(rng, &m->zone[z]);
    }
    for (size_t v = 0; v < vnodes; v++)
        random_row(rng, &l, v);
    return l;
}

static struct buf encoded(const struct layout *l)
{
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    assert_int_equal(layout_encode(&b, l), 0);
    return b;
}

static void assert_tables_equal(const struct layout *a, const struct layout *b)
{
    size_t now = (size_t)a->vnodes * a->n, next = (size_t)a->vnodes * a->next.n;
    assert_memory_equal(a->changed, b->changed, a->vnodes * sizeof *a->changed);
    assert_memory_equal(a->owner, b->owner, now * sizeof *a->owner);
    assert_memory_equal(a->since, b->since, now * sizeof *a->since);
    assert_true(a->next.n == b->next.n && a->next.w == b->next.w && a->next.r == b->next.r);
    if (!next)
        return;
    assert_memory_equal(a->next.owner, b->next.owner, next * sizeof *a->next.owner);
    assert_memory_equal(a->next.since, b->next.since, next * sizeof *a->next.since);
}

static void assert_layouts_equal(const struct layout *a, const struct layout *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->generation_id, b->generation_id);
    assert_memory_equal(&a->secret, &b->secret, sizeof a->secret);
    assert_int_equal(a->stage, b->stage);
    assert_int_equal(a->vnodes, b->vnodes);
    assert_int_equal(a->n_wanted, b->n_wanted);
    assert_true(a->n == b->n && a->w == b->w && a->r == b->r);
    assert_int_equal(a->member_n, b->member_n);
    for (uint16_t i = 0; i < a->member_n; i++) {
        const struct layout_member *x = &a->member[i], *y = &b->member[i];
        assert_true(x->id == y->id && x->disk == y->disk && x->weight == y->weight);
        assert_true(slice_eq(slice_of(x->zone, x->zone_n), slice_of(y->zone, y->zone_n)));
    }
    assert_tables_equal(a, b);
}

static void for_each_random(void (*body)(struct layout *l, struct buf *b))
{
    static const uint16_t members[] = {1, 2, 3, 5, 8, 100, LAYOUT_MEMBERS_MAX};
    struct rng rng;
    rng_init(&rng, 1);
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++) {
        for (uint32_t vnodes = 1; vnodes <= VNODES_MAX; vnodes *= 4) {
            struct layout l = random_layout(&rng, members[i], (uint16_t)vnodes,
                                            (enum layout_stage)(rng_next(&rng) % 3));
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
    struct layout l = random_layout(&rng, 4, 16, LAYOUT_STAGE_1);
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

/* Three members a, b, c with one vnode: the smallest layout in which everything can be wrong. A
 * change is under way, if wanted, from a, b to b, c. */
static struct layout small_layout(bool changing)
{
    struct layout l = {.epoch = 9,
                       .generation = 1,
                       .vnodes = 1,
                       .n_wanted = 3,
                       .n = 3,
                       .w = 2,
                       .r = 2,
                       .member_n = 3};
    if (changing) {
        l.stage = LAYOUT_STAGE_1;
        l.n_wanted = l.n = 2;
        l.r = 1;
        l.next = (struct layout_table){.n = 2, .w = 2, .r = 1};
    }
    assert_int_equal(layout_allocate(&l), 0);
    l.changed[0] = 8;
    for (uint16_t i = 0; i < 3; i++)
        l.member[i] = (struct layout_member){.id = (uint64_t)i + 1, .weight = 100};
    for (uint16_t i = 0; i < l.n; i++) {
        l.owner[i] = i;
        l.since[i] = 5u + i;
    }
    for (uint16_t i = 0; i < l.next.n; i++) {
        l.next.owner[i] = (uint16_t)(i + 1);
        l.next.since[i] = 6u + 2 * i;
    }
    return l;
}

static void refuse(void (*spoil)(struct layout *l), bool changing)
{
    struct layout l = small_layout(changing);
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
    struct layout good = *l;
    l->vnodes = 3;
    assert_int_equal(layout_allocate(l), 0);
    memcpy(l->member, good.member, 3 * sizeof *l->member);
    for (uint16_t i = 0; i < 9; i++) {
        l->owner[i] = i % 3;
        l->since[i] = l->changed[i / 3] = 1;
    }
    layout_close(&good);
}

static void no_vnodes(struct layout *l)
{
    l->vnodes = 0;
}

static void no_generation(struct layout *l)
{
    l->generation = 0;
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

static void changed_in_the_future(struct layout *l)
{
    l->changed[0] = l->epoch + 1;
}

static void came_after_the_row_changed(struct layout *l)
{
    l->since[1] = l->changed[0] + 1;
}

static void always_there(struct layout *l)
{
    l->since[1] = 0;
}

static void quorums_of_no_change(struct layout *l)
{
    l->next.w = 1;
}

static void no_such_stage(struct layout *l)
{
    l->stage = LAYOUT_STAGE_2 + 1;
}

static void small_next_w(struct layout *l)
{
    l->next.w = 1;
}

static void small_next_r(struct layout *l)
{
    l->next.r = 2;
}

static void next_beyond_what_is_wanted(struct layout *l)
{
    l->n_wanted = 1;
}

static void repeated_next_owner(struct layout *l)
{
    l->next.owner[1] = l->next.owner[0];
}

static void next_owner_out_of_range(struct layout *l)
{
    l->next.owner[1] = 3;
}

static void next_came_after_the_row_changed(struct layout *l)
{
    l->next.since[1] = l->changed[0] + 1;
}

static void an_owner_of_two_dates(struct layout *l)
{
    l->next.since[0]--;
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
        no_epoch,
        odd_vnodes,
        no_vnodes,
        no_generation,
        too_many_wanted,
        fewer_than_wanted,
        small_w,
        small_r,
        repeated_member,
        nobody,
        unsorted_members,
        weightless,
        too_heavy,
        repeated_owner,
        no_such_stage,
        always_there,
        changed_in_the_future,
        owner_out_of_range,
        quorums_of_no_change,
        came_after_the_row_changed,
    };
    static void (*const in_a_change[])(struct layout *) = {
        no_such_stage,         small_next_w,
        small_next_r,          next_beyond_what_is_wanted,
        repeated_next_owner,   next_owner_out_of_range,
        an_owner_of_two_dates, small_w,
        owner_out_of_range,    next_came_after_the_row_changed,
    };
    for (unsigned changing = 0; changing < 2; changing++) {
        struct layout good = small_layout(changing);
        struct buf b = encoded(&good);
        assert_int_equal(decode_exact(b.p, b.n), 0);
        b.p[0] = 1; /* the former format */
        assert_int_equal(decode_exact(b.p, b.n), ERR_BAD_FORMAT);
        buf_close(&b);
        layout_close(&good);
    }
    for (unsigned i = 0; i < sizeof spoilers / sizeof *spoilers; i++)
        refuse(spoilers[i], false);
    for (unsigned i = 0; i < sizeof in_a_change / sizeof *in_a_change; i++)
        refuse(in_a_change[i], true);
}

static void check_copy(struct layout *l, struct buf *b)
{
    struct layout copy;
    layout_init(&copy);
    assert_int_equal(layout_copy(&copy, l), 0);
    assert_layouts_equal(l, &copy);
    copy.member[0].weight = (uint16_t)(l->member[0].weight + 1);
    copy.owner[0]++;
    copy.since[0]++;
    copy.changed[0]++;
    if (copy.next.n) {
        copy.next.owner[0]++;
        copy.next.since[0]++;
    }
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

/* The largest: as many bytes as it is said to have, which a message and a state record hold. */
static void test_the_largest_has_a_bound(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 4);
    struct layout l = random_layout(&rng, LAYOUT_MEMBERS_MAX, 1, LAYOUT_SETTLED), back;
    struct layout_member *member = l.member;
    l.member = NULL;
    layout_close(&l);
    l = (struct layout){.epoch = LAYOUT_EPOCH_MAX,
                        .generation = UINT32_MAX,
                        .vnodes = VNODES_MAX,
                        .n_wanted = REPLICAS_MAX};
    l.stage = LAYOUT_STAGE_2;
    l.n = l.next.n = REPLICAS_MAX;
    l.w = l.r = l.next.w = l.next.r = REPLICAS_MAX / 2 + 1;
    l.member_n = LAYOUT_MEMBERS_MAX;
    assert_int_equal(layout_allocate(&l), 0);
    memcpy(l.member, member, LAYOUT_MEMBERS_MAX * sizeof *member);
    for (unsigned m = 0; m < LAYOUT_MEMBERS_MAX; m++)
        l.member[m].zone_n = ZONE_MAX;
    for (size_t v = 0; v < VNODES_MAX; v++)
        random_row(&rng, &l, v);
    struct buf b = encoded(&l);
    assert_int_equal(b.n, LAYOUT_BYTES_MAX);
    assert_true(b.n < RECORD_VALUE_MAX / 2 && b.n < MESSAGE_MAX / 2);
    layout_init(&back);
    assert_int_equal(layout_decode(buf_view(&b), &back), 0);
    assert_layouts_equal(&l, &back);
    free(member);
    buf_close(&b);
    layout_close(&l);
    layout_close(&back);
}

/* Whoever is told of no change pays nothing for what one needs. */
static void test_a_settled_layout_has_no_second_table(void **state)
{
    (void)state;
    struct layout settled = small_layout(false), changing = small_layout(true);
    struct buf one = encoded(&settled), two = encoded(&changing);
    assert_null(settled.next.owner);
    assert_int_equal(one.n, LAYOUT_HEAD + 3 * LAYOUT_MEMBER + LAYOUT_CHANGED + 3 * LAYOUT_PLACE);
    assert_int_equal(two.n, one.n + LAYOUT_PLACE); /* two places twice instead of three */
    buf_close(&one);
    buf_close(&two);
    layout_close(&settled);
    layout_close(&changing);
}

static void test_writers_are_the_owners_of_both_tables(void **state)
{
    (void)state;
    struct layout settled = small_layout(false), changing = small_layout(true);
    uint16_t writers[OWNERS_MAX];
    assert_int_equal(layout_writers(&settled, 0, writers), 3);
    assert_int_equal(layout_writers(&changing, 0, writers), 3);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(writers[i], i);
    changing.next.owner[0] = 1;
    changing.next.owner[1] = 0;
    assert_int_equal(layout_writers(&changing, 0, writers), 2);
    layout_close(&settled);
    layout_close(&changing);
}

static void test_a_newcomer_owns_nothing_from_before(void **state)
{
    (void)state;
    struct layout l = small_layout(false);
    assert_false(layout_newcomer(&l, 2));
    l.changed[0] = l.since[2] = l.epoch;
    assert_true(layout_newcomer(&l, 2));
    assert_false(layout_newcomer(&l, 1));
    l.owner[2] = 1; /* and who owns nothing at all is none */
    assert_false(layout_newcomer(&l, 2));
    layout_close(&l);
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
        cmocka_unit_test(test_the_largest_has_a_bound),
        cmocka_unit_test(test_a_settled_layout_has_no_second_table),
        cmocka_unit_test(test_writers_are_the_owners_of_both_tables),
        cmocka_unit_test(test_a_newcomer_owns_nothing_from_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
