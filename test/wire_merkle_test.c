/* Merkle hashes and listings: keyed, sensitive to each field, there and back, hostile bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"
#include "wire/merkle.h"

static struct listing_entry entry(uint64_t key_hash, const char *key)
{
    static uint8_t bytes[4][16]; /* of the last entries */
    static unsigned at;
    return (struct listing_entry){
        .key_hash = key_hash,
        .version = {.stamp = 3, .node = 4, .digest = 5, .expiry_stamp = 6},
        .expiry_ms = 7,
        .size = 8,
        .kind = RECORD_VALUE,
        .key = key_write(bytes[at++ % 4], 0, slice_str(key)),
    };
}

static void hashes_depend_on_the_secret_and_on_every_field(void **state)
{
    (void)state;
    struct merkle_key a = merkle_key_of(&(struct layout_secret){{1}}),
                      b = merkle_key_of(&(struct layout_secret){{2}});
    assert_int_not_equal(merkle_key_hash(&a, SLICE("k")), merkle_key_hash(&b, SLICE("k")));
    assert_int_not_equal(merkle_key_hash(&a, SLICE("k")), merkle_key_hash(&a, SLICE("l")));
    assert_int_not_equal(merkle_key_hash(&a, SLICE("\0k")), merkle_key_hash(&a, SLICE("\x01k")));
    struct version v[7];
    for (unsigned i = 0; i < 7; i++)
        v[i] = (struct version){.stamp = 1, .node = 2, .digest = 3, .expiry_stamp = 4};
    v[1].stamp++, v[2].node++, v[3].digest++, v[4].expiry_stamp++, v[5].deleted++, v[6].ordered++;
    uint64_t print[10];
    for (unsigned i = 0; i < 7; i++)
        print[i] = merkle_print(&a, 9, RECORD_VALUE, &v[i], 5);
    print[7] = merkle_print(&a, 10, RECORD_VALUE, &v[0], 5);
    print[8] = merkle_print(&a, 9, RECORD_TOMBSTONE, &v[0], 5);
    print[9] = merkle_print(&a, 9, RECORD_VALUE, &v[0], 6);
    for (unsigned i = 0; i < 10; i++)
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(print[i], print[k]);
    assert_int_equal(print[0], merkle_print(&a, 9, RECORD_VALUE, &v[0], 5));
}

static void ranges_have_their_ends_and_nothing_between_them(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    assert_false(ranges_have(buf_view(&b), 0));
    assert_int_equal(range_append(&b, 0, 9), 0);
    assert_int_equal(range_append(&b, 20, 20), 0);
    assert_int_equal(range_append(&b, 30, UINT64_MAX), 0);
    const uint64_t in[] = {0, 9, 20, 30, UINT64_MAX}, out[] = {10, 19, 21, 29};
    for (unsigned i = 0; i < 5; i++)
        assert_true(ranges_have(buf_view(&b), in[i]));
    for (unsigned i = 0; i < 4; i++)
        assert_false(ranges_have(buf_view(&b), out[i]));
    buf_close(&b);
}

static void listings_come_back_as_they_were(void **state)
{
    (void)state;
    struct buf b;
    struct listing_entry a = entry(1, "a"), t = entry(2, ""), lapsed = entry(3, "c"), got;
    t.kind = lapsed.kind = RECORD_TOMBSTONE;
    t.version.deleted = t.version.ordered = 1;
    buf_init(&b, 1024);
    assert_int_equal(listing_append(&b, &a), 0);
    assert_int_equal(listing_append(&b, &t), 0);
    assert_int_equal(listing_append(&b, &lapsed), 0);
    assert_int_equal(b.n, 3 * LISTING_HEAD + 5);
    struct slice rest = buf_view(&b);
    assert_int_equal(listing_next(&rest, &got), 1);
    assert_int_equal(got.key_hash, 1);
    assert_int_equal(version_cmp(&got.version, &a.version), 0);
    assert_int_equal(got.expiry_ms, 7);
    assert_int_equal(got.size, 8);
    assert_true(slice_eq(got.key, a.key));
    assert_int_equal(listing_next(&rest, &got), 1);
    assert_int_equal(got.kind, RECORD_TOMBSTONE);
    assert_int_equal(got.version.deleted, 1);
    assert_int_equal(got.version.ordered, 1);
    assert_int_equal(listing_next(&rest, &got), 1);
    assert_int_equal(got.kind, RECORD_TOMBSTONE);
    assert_int_equal(got.version.deleted, 0);
    assert_int_equal(got.expiry_ms, 7);
    assert_int_equal(listing_next(&rest, &got), 0);
    buf_close(&b);
}

static void refuses(struct listing_entry e)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(listing_append(&b, &e), 0);
    struct slice rest = buf_view(&b);
    assert_int_equal(listing_next(&rest, &e), ERR_BAD_MESSAGE);
    buf_close(&b);
}

static void what_is_no_entry_is_refused(void **state)
{
    (void)state;
    struct listing_entry e = entry(1, "key"), got;
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(listing_append(&b, &e), 0);
    for (size_t n = 1; n < b.n; n++) { /* cut anywhere, in memory that ends there */
        uint8_t *copy = malloc(n);
        memcpy(copy, b.p, n);
        struct slice rest = slice_of(copy, n);
        assert_int_equal(listing_next(&rest, &got), ERR_BAD_MESSAGE);
        free(copy);
    }
    buf_close(&b);
    e.kind = RECORD_STATE;
    refuses(e);
    e.kind = RECORD_TOMBSTONE; /* without the mark of a deletion, nor an end that has come */
    e.expiry_ms = 0;
    refuses(e);
    e = entry(1, "key");
    e.size = RECORD_VALUE_MAX + 1;
    refuses(e);
    e = entry(1, "key");
    e.version.stamp = 0;
    refuses(e);
    e.version.stamp = STAMP_MAX + 1;
    refuses(e);
    e = entry(1, "key");
    e.version.expiry_stamp = UINT64_MAX;
    refuses(e);
    static uint8_t long_key[KEY_FULL_MAX + 1];
    e = entry(1, "key");
    e.key = SLICE("\x10key"); /* no space */
    refuses(e);
    e.key.n = 0;
    refuses(e);
    e = entry(1, "");
    e.key = slice_of(long_key, sizeof long_key);
    refuses(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_depend_on_the_secret_and_on_every_field),
        cmocka_unit_test(ranges_have_their_ends_and_nothing_between_them),
        cmocka_unit_test(listings_come_back_as_they_were),
        cmocka_unit_test(what_is_no_entry_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
