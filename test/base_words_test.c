/* Which word was meant, and where lines are broken. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/words.h"

static void test_same(void **state)
{
    (void)state;
    assert_true(words_same(SLICE("STATUS"), "status"));
    assert_true(words_same(SLICE("status"), "Status"));
    assert_false(words_same(SLICE("status"), "statu"));
    /* the same but for the bit of the case: no letters */
    assert_false(words_same(SLICE("@tatus"), "`tatus"));
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const words[] = {"start", "status", "set", "get"};
    static const char *const near[] = {"del", "help"};
    /* two letters exchanged are one edit */
    assert_string_equal(words_nearest("hepl", near, 2), "help");
    assert_string_equal(words_nearest("strat", words, 4), "start");
    assert_string_equal(words_nearest("stats", words, 4), "status");
    assert_string_equal(words_nearest("statu", words, 4), "status");
    assert_string_equal(words_nearest("gte", words, 4), "get");
    assert_null(words_nearest("frobnicate", words, 4));
    assert_null(words_nearest("a word that is far too long to be any of these", words, 4));
}

static void expect_row(const char *left, const char *right, unsigned width, const char *want)
{
    const struct words_page page = {.left = 8, .width = width};
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(words_row(&out, left, right, &page), 0);
    assert_int_equal(buf_append(&out, "", 1), 0);
    assert_string_equal((const char *)out.p, want);
    buf_close(&out);
}

static void test_rows(void **state)
{
    (void)state;
    expect_row("get key", "The value of a key, as a quorum agree.", 0,
               "  get key   The value of a key, as a quorum agree.\n");
    expect_row("get key", "The value of a key, as a quorum agree.", 40,
               "  get key   The value of a key, as a\n            quorum agree.\n");
    /* longer than its column */
    expect_row("get a-key", "The value.", 40, "  get a-key\n            The value.\n");
    /* no room beside it */
    expect_row("get key", "The value of a key, as a quorum agree.", 30,
               "  get key\n      The value of a key, as a\n      quorum agree.\n");
    expect_row("set key value [EX seconds]", "Stores.", 20,
               "  set key value [EX\n      seconds]\n      Stores.\n");
    expect_row("a", "incomprehensibilities of sorts", 12,
               "  a\n      incomprehensibilities\n      of\n      sorts\n");
    expect_row("a", "", 0, "  a\n");
}

static void test_paragraph(void **state)
{
    (void)state;
    const struct words_page page = {.width = 12};
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(words_paragraph(&out, "one two three four", 2, &page), 0);
    assert_int_equal(words_paragraph(&out, "", 0, &page), 0);
    assert_int_equal(buf_append(&out, "", 1), 0);
    assert_string_equal((const char *)out.p, "  one two\n  three four\n\n");
    buf_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_paragraph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
