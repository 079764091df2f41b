/* The index: linear hashing, growth, memory, expiry, cutting anew. */
#include "store_fixture.h"

#include "base/rng.h"
#include "store/index/index.h"

static struct index_key key_in(const struct index *ix, struct slice key)
{
    return index_key(ix, slot_of_key(key), key);
}

static struct index_item item_at(uint64_t stamp)
{
    return (struct index_item){
        .version = {.stamp = stamp, .node = stamp % 5 + 1, .digest = stamp * 3},
        .value_n = (uint32_t)(stamp % 1000),
        .offset = (uint32_t)(stamp * 7),
        .segment = (uint16_t)(stamp % 60000),
        .kind = RECORD_VALUE,
    };
}

static void set(struct index *ix, struct slice key, struct index_item item)
{
    struct index_key k = key_in(ix, key);
    struct index_spot spot;
    index_find(ix, &k, &spot);
    assert_int_equal(index_reserve(ix, &k, &item, &spot), 0);
    index_set(ix, &spot, &item);
}

static struct index_item get(const struct index *ix, struct slice key)
{
    struct index_key k = key_in(ix, key);
    struct index_spot spot;
    assert_true(index_find(ix, &k, &spot));
    return index_get(ix, &spot);
}

static void assert_item_equal(struct index_item a, struct index_item b)
{
    assert_int_equal(version_cmp(&a.version, &b.version), 0);
    assert_int_equal(a.expiry_ms, b.expiry_ms);
    assert_int_equal(a.value_n, b.value_n);
    assert_int_equal(a.offset, b.offset);
    assert_int_equal(a.segment, b.segment);
    assert_int_equal(a.kind, b.kind);
}

static void finds_what_was_set(void **state)
{
    (void)state;
    struct index ix;
    char name[32];
    assert_int_equal(index_init(&ix, 16, 1), 0);
    for (unsigned i = 1; i <= 20000; i++)
        set(&ix, numbered(name, "key", i), item_at(i));
    assert_int_equal(ix.records, 20000);
    for (unsigned i = 1; i <= 20000; i++)
        assert_item_equal(get(&ix, numbered(name, "key", i)), item_at(i));
    struct index_key absent = key_in(&ix, KEY_OF("absent"));
    struct index_spot spot;
    assert_false(index_find(&ix, &absent, &spot));
    index_check(&ix);
    index_close(&ix);
}

/* Nothing in an entry's byte of flags pushes anything else in it aside. */
static void holds_every_kind_that_has_room_with_every_mark(void **state)
{
    (void)state;
    struct index ix;
    char name[32];
    assert_int_equal(index_init(&ix, 16, 1), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 8 * RECORD_KINDS; i++) {
            struct index_item item = item_at(i + 1);
            item.kind = i / 8 ? (uint8_t)(i / 8) : RECORD_VALUE;
            item.version.deleted = i % 2;
            item.expiry_ms = i / 2 % 2 ? 7 : 0;
            item.version.ordered = i / 4 % 2;
            if (round == 0)
                set(&ix, numbered(name, "key", i), item);
            struct index_item got = get(&ix, numbered(name, "key", i));
            assert_item_equal(got, item);
            assert_int_equal(got.version.deleted, item.version.deleted);
            assert_int_equal(got.version.ordered, item.version.ordered);
        }
    }
    index_check(&ix);
    index_close(&ix);
}

/* One arc takes everything when all keys share a hash tag; long and empty keys live among short
 * ones. */
static void takes_keys_of_any_length_in_one_arc(void **state)
{
    (void)state;
    struct index ix;
    uint8_t *key = test_calloc(1, KEY_FULL_MAX);
    memcpy(key + 1, "{t}", 3);
    size_t sizes[] = {4, 5, 254, 255, 256, 300, 8000, 16384, 20000, KEY_FULL_MAX};
    assert_int_equal(index_init(&ix, 1024, 1), 0);
    set(&ix, KEY_OF(""), item_at(1));
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            set(&ix, slice_of(key, sizes[i]), item_at(100 * round + i));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            assert_item_equal(get(&ix, slice_of(key, sizes[i])), item_at(100 * round + i));
    }
    assert_int_equal(ix.records, 1 + sizeof sizes / sizeof *sizes);
    index_check(&ix);
    index_close(&ix);
    test_free(key);
}

static void a_reserved_entry_is_counted_but_not_live(void **state)
{
    (void)state;
    struct index ix;
    struct index_item item = item_at(5);
    struct index_spot spot;
    uint32_t live[4];
    assert_int_equal(index_init(&ix, 4, 1), 0);
    struct index_key k = key_in(&ix, KEY_OF("k"));
    assert_false(index_find(&ix, &k, &spot));
    assert_int_equal(index_reserve(&ix, &k, &item, &spot), 0);
    assert_int_equal(index_get(&ix, &spot).kind, RECORD_NONE);
    assert_int_equal(ix.records, 1);
    index_count(&ix, 0, live);
    assert_int_equal(live[0] + live[1] + live[2] + live[3], 0);
    index_set(&ix, &spot, &item);
    index_count(&ix, 0, live);
    assert_int_equal(live[slot_of_key(KEY_OF("k")) / 4096], 1);
    item.kind = RECORD_TOMBSTONE;
    index_set(&ix, &spot, &item);
    index_count(&ix, 0, live);
    assert_int_equal(live[slot_of_key(KEY_OF("k")) / 4096], 0);
    index_check(&ix);
    index_close(&ix);
}

static uint32_t count_all(struct index *ix, uint64_t wall_ms)
{
    uint32_t live[16], sum = 0;
    index_count(ix, wall_ms, live);
    for (unsigned i = 0; i < 16; i++)
        sum += live[i];
    return sum;
}

/* A count looks at a bounded number of entries; the next ones look at the rest. */
static void a_hundred_thousand_end_at_once(void **state)
{
    (void)state;
    struct index ix;
    char text[32] = {0};
    assert_int_equal(index_init(&ix, 16, 1), 0);
    for (unsigned i = 0; i < 100000; i++) {
        struct index_item item = item_at(5);
        struct index_spot spot;
        struct index_key k = key_in(
            &ix, slice_of(text, 1 + (size_t)snprintf(text + 1, sizeof text - 1, "key:%u", i)));
        item.version.expiry_stamp = 5;
        item.expiry_ms = 1000;
        index_find(&ix, &k, &spot);
        assert_int_equal(index_reserve(&ix, &k, &item, &spot), 0);
        index_set(&ix, &spot, &item);
    }
    assert_int_equal(count_all(&ix, 999), 100000);
    assert_in_range(count_all(&ix, 1000), 50000, 75000);
    assert_in_range(count_all(&ix, 1000), 1, 50000);
    count_all(&ix, 1000);
    assert_int_equal(count_all(&ix, 1000), 0);
    index_check(&ix);
    index_close(&ix);
}

/* An entry is made anew for its first expiry, wherever in its chain it stands, and keeps the
 * room. */
static void expiry_comes_and_goes(void **state)
{
    (void)state;
    struct index ix;
    char name[32];
    assert_int_equal(index_init(&ix, 1, 1), 0);
    for (unsigned i = 1; i <= 500; i++)
        set(&ix, numbered(name, "key", i), item_at(i));
    for (unsigned i = 1; i <= 500; i += 3) {
        struct index_item item = item_at(i);
        item.version.expiry_stamp = 1000 + i;
        item.expiry_ms = 2000 + i;
        set(&ix, numbered(name, "key", i), item);
        assert_item_equal(get(&ix, numbered(name, "key", i)), item);
    }
    index_check(&ix);
    uint64_t bytes = ix.bytes;
    for (unsigned i = 1; i <= 500; i++) {
        set(&ix, numbered(name, "key", i), item_at(1000 + i));
        assert_item_equal(get(&ix, numbered(name, "key", i)), item_at(1000 + i));
    }
    assert_int_equal(ix.records, 500);
    assert_int_equal(ix.bytes, bytes);
    index_check(&ix);
    index_close(&ix);
}

static void cutting_anew_keeps_everything(void **state)
{
    (void)state;
    struct index ix;
    char name[32];
    uint32_t live[VNODES_MAX];
    static const uint32_t cuts[] = {1, VNODES_MAX, 64};
    assert_int_equal(index_init(&ix, 1024, 9), 0);
    for (unsigned i = 1; i <= 3000; i++)
        set(&ix, numbered(name, "key", i), item_at(i));
    for (int c = 0; c < 3; c++) {
        assert_int_equal(index_cut(&ix, cuts[c]), 0);
        index_check(&ix);
        index_count(&ix, 0, live);
        uint32_t sum = 0;
        for (uint32_t i = 0; i < cuts[c]; i++)
            sum += live[i];
        assert_int_equal(sum, 3000);
        for (unsigned i = 1; i <= 3000; i++)
            assert_item_equal(get(&ix, numbered(name, "key", i)), item_at(i));
    }
    index_close(&ix);
}

/* At no size on the way is there a jump: that is what linear hashing is for. What counts is keys
 * per arc: 130,000 on 128 arcs are as dense as a million on the default 1024. */
static void stays_within_40_bytes_a_key(void **state)
{
    (void)state;
    struct index ix;
    char name[32];
    assert_int_equal(index_init(&ix, 128, 3), 0);
    for (unsigned i = 1; i <= 200000; i++) {
        set(&ix, numbered(name, "user:session", i), item_at(i));
        if (i >= 130000 && i % 1000 == 0)
            /* bytes for 1000 keys */
            assert_in_range((ix.bytes - ix.key_bytes) / (i / 1000), 30000, 40000);
    }
    index_close(&ix);
}

static void an_empty_index_is_small(void **state)
{
    (void)state;
    struct index ix;
    assert_int_equal(index_init(&ix, VNODES_DEFAULT, 3), 0);
    assert_in_range(ix.bytes + nodes_bytes(&ix.nodes), 1, 10000);
    index_close(&ix);
}

static void node_ids_are_numbered_once(void **state)
{
    (void)state;
    struct nodes t;
    struct rng r;
    assert_int_equal(nodes_init(&t), 0);
    assert_int_equal(nodes_number(&t, 0), 0);
    for (int round = 0; round < 2; round++) {
        rng_init(&r, 5);
        for (int i = 1; i <= NODES_MAX; i++)
            assert_int_equal(nodes_number(&t, rng_next(&r)), i);
    }
    assert_int_equal(nodes_number(&t, 12345), ERR_NO_MEMORY);
    nodes_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_set),
        cmocka_unit_test(holds_every_kind_that_has_room_with_every_mark),
        cmocka_unit_test(takes_keys_of_any_length_in_one_arc),
        cmocka_unit_test(a_reserved_entry_is_counted_but_not_live),
        cmocka_unit_test(a_hundred_thousand_end_at_once),
        cmocka_unit_test(expiry_comes_and_goes),
        cmocka_unit_test(cutting_anew_keeps_everything),
        cmocka_unit_test(stays_within_40_bytes_a_key),
        cmocka_unit_test(an_empty_index_is_small),
        cmocka_unit_test(node_ids_are_numbered_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
