/* What a terminal sends as characters, and back: without loss. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"
#include "console/keys.h"

enum { TEXT_MAX = 64 };

/* Feeds the bytes one by one; the number of characters that came of them. */
static size_t feed(struct keys *k, const char *bytes, size_t n, wchar_t *out)
{
    size_t got = 0;
    for (size_t i = 0; i < n; i++) {
        keys_add(k, (uint8_t)bytes[i]);
        while (keys_next(k, &out[got]))
            got++;
    }
    return got;
}

static void expect_characters(const char *bytes, const wchar_t *want, size_t want_n)
{
    struct keys k = {.n = 0};
    wchar_t got[TEXT_MAX];
    assert_int_equal(feed(&k, bytes, strlen(bytes), got), want_n);
    assert_memory_equal(got, want, want_n * sizeof *want);
}

static void test_characters(void **state)
{
    (void)state;
    expect_characters("a\x7f\r", (const wchar_t[]){'a', 0x7f, '\r'}, 3);
    expect_characters("\xc2\x80\xc3\xaf\xd0\xbf", (const wchar_t[]){0x80, 0xef, 0x43f}, 3);
    expect_characters("\xef\xbf\xbd\xf4\x8f\xbf\xbf", (const wchar_t[]){0xfffd, 0x10ffff}, 2);
}

/* What begins a character and does not go on: each byte by itself, and what broke it off is not
 * lost. */
static void test_strays(void **state)
{
    (void)state;
    expect_characters("\xff\x80", (const wchar_t[]){0xdcff, 0xdc80}, 2);
    expect_characters("\xefve", (const wchar_t[]){0xdcef, 'v', 'e'}, 3);
    expect_characters("\xf0\x9f\xa6\r", (const wchar_t[]){0xdcf0, 0xdc9f, 0xdca6, '\r'}, 4);
    expect_characters("\xd0\xd0\xbf", (const wchar_t[]){0xdcd0, 0x43f}, 2);
    /* a surrogate is no character */
    expect_characters("\xed\xa0\x80", (const wchar_t[]){0xdced, 0xdca0, 0xdc80}, 3);
}

static void test_whole_characters_only(void **state)
{
    (void)state;
    struct keys k = {.n = 0};
    wchar_t got[TEXT_MAX];
    assert_int_equal(feed(&k, "\xf0\x9f\xa6", 3, got), 0);
    assert_int_equal(feed(&k, "\x85", 1, got), 1);
    assert_int_equal(got[0], 0x1f985);
}

static void test_any_bytes_come_back(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 1);
    for (unsigned round = 0; round < 2000; round++) {
        char bytes[TEXT_MAX];
        wchar_t text[TEXT_MAX];
        struct keys k = {.n = 0};
        struct buf back;
        buf_init(&back, 1024);
        /* of lead bytes, continuations and ASCII alike */
        for (unsigned i = 0; i < TEXT_MAX - 1; i++)
            bytes[i] = (char)(rng_below(&r, 2) ? rng_next(&r) : 0x80 | rng_below(&r, 0x40));
        bytes[TEXT_MAX - 1] = '\r'; /* ends whatever is open */
        size_t n = feed(&k, bytes, TEXT_MAX, text);
        assert_int_equal(keys_bytes(&back, text, n), 0);
        assert_int_equal(back.n, TEXT_MAX);
        assert_memory_equal(back.p, bytes, TEXT_MAX);
        buf_close(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_strays),
        cmocka_unit_test(test_whole_characters_only),
        cmocka_unit_test(test_any_bytes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
