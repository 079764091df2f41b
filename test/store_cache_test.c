/* The cache of values: what was kept is found, what was overwritten is not, and nothing is mistaken
 * for another. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/hash.h"
#include "store/log/cache.h"

enum { VALUE = 1000 };

static struct slice value_of(uint64_t i)
{
    static uint8_t bytes[VALUE];
    memset(bytes, (int)(i % 251), sizeof bytes);
    memcpy(bytes, &i, sizeof i);
    return slice_of(bytes, sizeof bytes);
}

static struct version version_of(uint64_t i)
{
    return (struct version){.stamp = 1000 + i, .node = 1, .digest = hash_bytes(value_of(i))};
}

static bool found(const struct cache *c, uint64_t i)
{
    struct version v = version_of(i);
    struct slice got;
    if (!cache_find(c, &v, VALUE, &got))
        return false;
    assert_true(slice_eq(got, value_of(i)));
    return true;
}

static void test_kept_is_found(void **state)
{
    (void)state;
    struct cache c;
    cache_init(&c);
    assert_false(found(&c, 1));
    struct version v = version_of(1), other = v;
    cache_add(&c, &v, value_of(1));
    assert_true(found(&c, 1));
    struct slice got;
    assert_false(cache_find(&c, &v, VALUE - 1, &got));
    other.stamp++;
    assert_false(cache_find(&c, &other, VALUE, &got));
    cache_close(&c);
}

static void test_the_oldest_go_first(void **state)
{
    (void)state;
    struct cache c;
    cache_init(&c);
    const uint64_t n = 3 * (uint64_t)CACHE_RING / VALUE;
    for (uint64_t i = 0; i < n; i++) {
        struct version v = version_of(i);
        cache_add(&c, &v, value_of(i));
        assert_true(found(&c, i)); /* also across the ring's end */
    }
    uint64_t held = 0;
    for (uint64_t i = 0; i < n; i++)
        held += found(&c, i);
    assert_true(held > (uint64_t)CACHE_RING / VALUE * 8 / 10); /* some share a line */
    assert_true(held <= (uint64_t)CACHE_RING / VALUE);
    assert_false(found(&c, 0));
    cache_close(&c);
}

static void test_large_and_empty_are_not_kept(void **state)
{
    (void)state;
    static uint8_t large[CACHE_VALUE_MAX + 1];
    struct cache c;
    cache_init(&c);
    struct version v = version_of(1);
    struct slice got;
    cache_add(&c, &v, slice_of(large, sizeof large));
    cache_add(&c, &v, slice_of(NULL, 0));
    assert_null(c.line);
    assert_false(cache_find(&c, &v, sizeof large, &got));
    assert_false(cache_find(&c, &v, 0, &got));
    cache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_is_found),
        cmocka_unit_test(test_the_oldest_go_first),
        cmocka_unit_test(test_large_and_empty_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
