/* console_render_test.c: replies as tables, lines and JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "console/render.h"
#include "console/text.h"
#include "json_valid.h"

/* What a reply looks like; the caller frees it. json: the name of the command, or NULL for text. */
static char *rendered(struct slice bytes, const struct render *how, const char *json)
{
    struct resp_reply reply;
    struct buf out;
    resp_reply_init(&reply);
    buf_init(&out, 1024 * 1024);
    assert_int_equal(resp_parse_reply(&reply, bytes), bytes.n);
    assert_int_equal(json != NULL ? render_json(&out, &reply, slice_str(json))
                                  : render_text(&out, &reply, how),
                     0);
    char *text = strndup((const char *)out.p, out.n);
    assert_non_null(text);
    resp_reply_close(&reply);
    buf_close(&out);
    return text;
}

static void expect_text(struct slice bytes, struct render how, const char *want)
{
    char *text = rendered(bytes, &how, NULL);
    assert_string_equal(text, want);
    free(text);
}

static void expect_json(struct slice bytes, const char *command, const char *want)
{
    char *text = rendered(bytes, NULL, command);
    assert_string_equal(text, want);
    assert_true(json_valid(text));
    free(text);
}

static const struct render terminal = {.columns = 80}, pipe_ = {.raw = true};

#define TWO_MEMBERS                                                                                \
    SLICE("*2\r\n"                                                                                 \
          "%6\r\n$2\r\nid\r\n$2\r\n0a\r\n$4\r\nname\r\n$1\r\na\r\n$5\r\nstate\r\n$5\r\nalive\r\n$" \
          "6\r\nplaces\r\n:1024\r\n"                                                               \
          "$4\r\nself\r\n#t\r\n$8\r\nsince_ms\r\n:192400\r\n"                                      \
          "%6\r\n$2\r\nid\r\n$2\r\n0b\r\n$4\r\nname\r\n$5\r\nberta\r\n$5\r\nstate\r\n$"            \
          "4\r\ndead\r\n$6\r\nplaces\r\n:7\r\n"                                                    \
          "$4\r\nself\r\n#f\r\n$8\r\nsince_ms\r\n:900\r\n")

static void test_array_of_maps_is_a_table(void **state)
{
    (void)state;
    expect_text(TWO_MEMBERS, terminal,
                "id  name   state  places  self  since\n"
                "0a  a      alive    1024  yes   3m12s\n"
                "0b  berta  dead        7  -      0.9s\n");
}

static void test_narrow_table_loses_the_least(void **state)
{
    (void)state;
    struct render narrow = {.columns = 34};
    expect_text(TWO_MEMBERS, narrow,
                "name   state  places  self  since\n"
                "a      alive    1024  yes   3m12s\n"
                "berta  dead        7  -      0.9s\n"
                "not shown: id\n");
}

/* Columns that go for want of room are named, within it; one that says nothing goes unnamed. */
static void test_dropped_columns_are_named(void **state)
{
    (void)state;
    struct render narrow = {.columns = 20};
    expect_text(TWO_MEMBERS, narrow,
                "name   state  places\n"
                "a      alive    1024\n"
                "berta  dead        7\n"
                "not shown: id, self,\n"
                "  since\n");
    expect_text(SLICE("*1\r\n%3\r\n$4\r\nzone\r\n$0\r\n\r\n$2\r\nid\r\n$4\r\n0123\r\n$"
                      "4\r\nname\r\n$1\r\na\r\n"),
                (struct render){.columns = 6}, "name\na\nnot shown:\n  id\n");
}

static void test_colour_only_when_asked(void **state)
{
    (void)state;
    struct render colour = {.columns = 80, .colour = true};
    char *text = rendered(TWO_MEMBERS, &colour, NULL);
    assert_non_null(strstr(text, "\033[32malive\033[0m"));
    assert_non_null(strstr(text, "\033[31mdead\033[0m "));
    free(text);
    text = rendered(TWO_MEMBERS, &terminal, NULL);
    assert_null(strchr(text, '\033'));
    free(text);
}

static void test_empty_columns_are_left_out(void **state)
{
    (void)state;
    expect_text(SLICE("*1\r\n%2\r\n$4\r\nzone\r\n$0\r\n\r\n$4\r\nname\r\n$1\r\na\r\n"), terminal,
                "name\na\n");
}

static void test_rows_may_differ(void **state)
{
    (void)state;
    expect_text(SLICE("*2\r\n%2\r\n$1\r\nx\r\n:1\r\n$1\r\ny\r\n:2\r\n%1\r\n$1\r\ny\r\n:30\r\n"),
                terminal, "x   y\n1   2\n-  30\n");
}

static void test_verdict_comes_first(void **state)
{
    (void)state;
    expect_text(SLICE("%4\r\n$5\r\nepoch\r\n:3\r\n$7\r\nwarning\r\n$3\r\ntwo\r\n$7\r\nverdict\r\n$"
                      "11\r\nhealthy: "
                      "3!\r\n$7\r\nforming\r\n#f\r\n"),
                terminal, "warning: two\nhealthy: 3!\nepoch    3\nforming  -\n");
}

static void test_map_with_a_table_inside(void **state)
{
    (void)state;
    expect_text(
        SLICE("%2\r\n$6\r\nowners\r\n*1\r\n%1\r\n$4\r\nname\r\n$1\r\nb\r\n$4\r\nslot\r\n:9\r\n"),
        terminal, "slot  9\n\nowners\nname\nb\n");
}

static void test_strings_on_a_terminal_are_tame(void **state)
{
    (void)state;
    expect_text(SLICE("$11\r\n\033[2J\xff\xc3\xa9\xc2\x9b\x07\t\r\n"), terminal,
                "\\x1b[2J\\xff\xc3\xa9\\xc2\\x9b\\x07\\t\n");
}

static void test_strings_in_a_pipe_are_themselves(void **state)
{
    (void)state;
    expect_text(SLICE("$4\r\n\033\xff\r\n\r\n"), pipe_, "\033\xff\r\n\n");
    expect_text(SLICE("_\r\n"), pipe_, "\n");
    expect_text(SLICE("*2\r\n$1\r\na\r\n_\r\n"), pipe_, "a\n\n");
}

static void test_scalars_and_lists(void **state)
{
    (void)state;
    expect_text(SLICE("_\r\n"), terminal, "(nil)\n");
    expect_text(SLICE(":-7\r\n"), terminal, "-7\n");
    expect_text(SLICE("*0\r\n"), terminal, "(none)\n");
    expect_text(SLICE("*3\r\n$1\r\na\r\n_\r\n*2\r\n:1\r\n:2\r\n"), terminal,
                "1) a\n2) (nil)\n3) 1 2\n");
    expect_text(SLICE("-NOQUORUM 1 of 2\r\n"), terminal, "error: NOQUORUM 1 of 2\n");
    expect_text(SLICE("$10\r\na:1\r\nb:2\r\n\r\n"), terminal, "a:1\nb:2\n");
}

/* Each of them. That it is JSON at all is checked by another parser (json_valid.h). */
static void test_json_of_each_type(void **state)
{
    (void)state;
    expect_json(SLICE("$5\r\nParis\r\n"), "get", "{\"get\":\"Paris\"}\n");
    /* a value is no number, whatever is in it */
    expect_json(SLICE("$2\r\n12\r\n"), "get", "{\"get\":\"12\"}\n");
    expect_json(SLICE("_\r\n"), "get", "{\"get\":null}\n");
    expect_json(SLICE("+OK\r\n"), "set", "{\"set\":\"OK\"}\n");
    expect_json(SLICE(":-9223372036854775807\r\n"), "x", "{\"x\":-9223372036854775807}\n");
    expect_json(SLICE("*3\r\n#t\r\n#f\r\n*0\r\n"), "x", "{\"x\":[true,false,[]]}\n");
    expect_json(SLICE("%1\r\n:1\r\n%0\r\n"), "x", "{\"x\":{\"1\":{}}}\n");
    expect_json(SLICE("*1\r\n%1\r\n$4\r\nname\r\n$1\r\na\r\n"), "members",
                "{\"members\":[{\"name\":\"a\"}]}\n");
    expect_json(SLICE("*0\r\n"), "hints", "{\"hints\":[]}\n");
}

static void test_json_numbers_are_numbers(void **state)
{
    (void)state;
    static const char *const yes[] = {"1.5",  "-0",   "0.25",    "10",
                                      "-3e5", "1E-9", "2.5e+10", "123456789012345678901234567890"};
    static const char *const no[] = {"inf", "-inf", "nan", "+1",   ".5",  "1.",  "007",
                                     "-",   "1e",   "1e+", "0x10", "1 2", "--1", "1.5.2"};
    char in[64], out[64];
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        snprintf(in, sizeof in, ",%s\r\n", yes[i]);
        snprintf(out, sizeof out, "{\"x\":%s}\n", yes[i]);
        expect_json(slice_str(in), "x", out);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        snprintf(in, sizeof in, ",%s\r\n", no[i]);
        snprintf(out, sizeof out, "{\"x\":\"%s\"}\n", no[i]);
        expect_json(slice_str(in), "x", out);
    }
}

static void test_json_errors_have_a_code(void **state)
{
    (void)state;
    expect_json(SLICE("-ERR no \"such\"\r\n"), "x",
                "{\"error\":{\"code\":\"ERR\",\"message\":\"no \\\"such\\\"\"}}\n");
    expect_json(SLICE("-NOQUORUM 1 of 2\r\n"), "get",
                "{\"error\":{\"code\":\"NOQUORUM\",\"message\":\"1 of 2\"}}\n");
    expect_json(SLICE("-no capitals\r\n"), "x",
                "{\"error\":{\"code\":\"ERR\",\"message\":\"no capitals\"}}\n");
    expect_json(SLICE("-ALONE\r\n"), "x", "{\"error\":{\"code\":\"ERR\",\"message\":\"ALONE\"}}\n");
    expect_json(SLICE("*2\r\n:1\r\n-BUSY x\r\n"), "y",
                "{\"y\":[1,{\"error\":{\"code\":\"BUSY\",\"message\":\"x\"}}]}\n");
}

static void test_json_strings_are_unicode(void **state)
{
    (void)state;
    expect_json(SLICE("$8\r\n\"\\/\b\f\n\x01\x7f\r\n"), "x",
                "{\"x\":\"\\\"\\\\/\\b\\f\\n\\u0001\\u007f\"}\n");
    expect_json(SLICE("$6\r\n\xc3\xa9\xf0\x9f\xa6\x85\r\n"), "x",
                "{\"x\":\"\xc3\xa9\xf0\x9f\xa6\x85\"}\n");
    /* a name can be nothing but a string */
    expect_json(SLICE("%1\r\n$1\r\n\xff\r\n:1\r\n"), "x", "{\"x\":{\"\\ufffd\":1}}\n");
}

/* No byte is lost: what is no text comes back from base64 as it was. */
static void test_json_bytes_are_base64(void **state)
{
    (void)state;
    expect_json(SLICE("$1\r\n\xff\r\n"), "get", "{\"get\":{\"base64\":\"/w==\"}}\n");
    expect_json(SLICE("$4\r\na\xff\xc3z\r\n"), "get", "{\"get\":{\"base64\":\"Yf/Deg==\"}}\n");
    expect_json(SLICE("*2\r\n$3\r\n\x00\xff\x10\r\n$1\r\na\r\n"), "mget",
                "{\"mget\":[{\"base64\":\"AP8Q\"},\"a\"]}\n");
    enum { BYTES = 2000 }; /* more than one piece */
    char in[BYTES + 16], *text;
    const char *encoded, *end;
    uint8_t back[BYTES];
    size_t n = 0, head = (size_t)sprintf(in, "$%d\r\n", BYTES);
    for (size_t i = 0; i < BYTES; i++)
        in[head + i] = (char)(i * 7 + 128);
    memcpy(in + head + BYTES, "\r\n", 2);
    text = rendered(slice_of(in, head + BYTES + 2), NULL, "get");
    assert_true(json_valid(text));
    encoded = text + strlen("{\"get\":{\"base64\":\"");
    assert_int_equal(sodium_base642bin(back, sizeof back, encoded, strlen(encoded), NULL, &n, &end,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_string_equal(end, "\"}}\n");
    assert_int_equal(n, BYTES);
    assert_memory_equal(back, in + head, BYTES);
    free(text);
}

static void test_utf8_takes_only_the_well_formed(void **state)
{
    (void)state;
    assert_int_equal(text_utf8(SLICE("\xf4\x8f\xbf\xbf")), 4); /* U+10FFFF */
    assert_int_equal(text_utf8(SLICE("\xf4\x90\x80\x80")), 0); /* beyond */
    assert_int_equal(text_utf8(SLICE("\xed\xa0\x80")), 0);     /* a surrogate */
    assert_int_equal(text_utf8(SLICE("\xc0\x80")), 0);         /* overlong */
    assert_int_equal(text_utf8(SLICE("\xe0\x9f\xbf")), 0);
    assert_int_equal(text_utf8(SLICE("\xe2\x82")), 0); /* cut */
    assert_int_equal(text_utf8(SLICE("\x80")), 0);
}

static void test_a_full_buffer_is_reported(void **state)
{
    (void)state;
    struct resp_reply reply;
    resp_reply_init(&reply);
    struct slice bytes = TWO_MEMBERS;
    assert_int_equal(resp_parse_reply(&reply, bytes), bytes.n);
    for (size_t max = 0; max < 112; max++) { /* the table takes 112 bytes */
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(render_text(&out, &reply, &terminal), ERR_TOO_BIG);
        buf_close(&out);
        buf_init(&out, max);
        assert_int_equal(render_json(&out, &reply, SLICE("members")), ERR_TOO_BIG);
        buf_close(&out);
    }
    resp_reply_close(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_of_maps_is_a_table),
        cmocka_unit_test(test_narrow_table_loses_the_least),
        cmocka_unit_test(test_dropped_columns_are_named),
        cmocka_unit_test(test_colour_only_when_asked),
        cmocka_unit_test(test_empty_columns_are_left_out),
        cmocka_unit_test(test_rows_may_differ),
        cmocka_unit_test(test_verdict_comes_first),
        cmocka_unit_test(test_map_with_a_table_inside),
        cmocka_unit_test(test_strings_on_a_terminal_are_tame),
        cmocka_unit_test(test_strings_in_a_pipe_are_themselves),
        cmocka_unit_test(test_scalars_and_lists),
        cmocka_unit_test(test_json_of_each_type),
        cmocka_unit_test(test_json_numbers_are_numbers),
        cmocka_unit_test(test_json_errors_have_a_code),
        cmocka_unit_test(test_json_strings_are_unicode),
        cmocka_unit_test(test_json_bytes_are_base64),
        cmocka_unit_test(test_utf8_takes_only_the_well_formed),
        cmocka_unit_test(test_a_full_buffer_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
