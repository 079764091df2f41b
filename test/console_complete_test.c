/* console_complete_test.c: what the Tab key offers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "console/complete.h"
#include "front/command.h"

enum { LINE_MAX_BYTES = 256 };

static const char *const more[] = {"help", "exit", NULL};

/* What is offered, each word with a blank behind it. */
static const char *offered(const char *line)
{
    static char text[4096];
    struct completions c = complete(slice_str(line), more);
    size_t n = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < c.n; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s ", c.word[i]);
    return text;
}

static void expect(const char *line, const char *want)
{
    if (strcmp(offered(line), want) != 0)
        fail_msg("after \"%s\": \"%s\", not \"%s\"", line, offered(line), want);
}

static void test_commands(void **state)
{
    (void)state;
    expect("strl", "strlen ");
    expect("EX", "exists expire expireat expiretime exit ");
    expect("client set", "setinfo setname ");
    expect("help", "help ");
    expect("help clie", "client ");
    expect("help client set", "setinfo setname ");
    expect("help consistency ", "");
    expect("nonsense ", "");
    assert_non_null(strstr(offered(""), "get "));
    assert_non_null(strstr(offered(""), "help "));
    assert_null(strstr(offered("help "), "exit "));
}

static void test_options(void **state)
{
    (void)state;
    expect("set ", "");
    expect("set k ", "");
    expect("set k v ", "EX PX EXAT PXAT KEEPTTL ");
    expect("SET 'a key' \"a value\" e", "EX EXAT ");
    expect("set k v px ", "");
    expect("set k v px 5000 ", "");
    expect("set k 'v ", ""); /* inside quotes */
    expect("expire k 10 ", "NX XX GT LT ");
    expect("consistency ", "READ WRITE ");
    expect("consistency read ", "ONE QUORUM ALL ");
    expect("consistency read one ", "WRITE ");
    expect("consistency write all ", "READ ");
    expect("consistency write all read q", "QUORUM ");
    expect("hello ", "");
    expect("hello 3 ", "AUTH SETNAME ");
    expect("hello 3 auth me ", "");
    expect("hello 3 auth me secret ", "SETNAME ");
    expect("client no-evict ", "ON OFF ");
    expect("client setinfo ", "LIB-NAME LIB-VER ");
    expect("command list filterby ", "PATTERN ");
    expect("repair s", "STATUS ");
    expect("del k l ", "");
    expect("get k ", "");
}

static void test_what_the_words_have_in_common(void **state)
{
    (void)state;
    struct completions c = complete(SLICE("set k v ex"), more);
    assert_int_equal(c.n, 2);
    assert_int_equal(c.common, 2);
    assert_true(slice_eq(c.prefix, SLICE("ex")));
    assert_int_equal(complete(SLICE("ring V"), more).common, strlen("VNODES"));
}

/* ---- Every token of the table ---- */

static unsigned tokens;

static void append(char line[LINE_MAX_BYTES], const char *word)
{
    size_t n = strlen(line);
    assert_true(snprintf(line + n, LINE_MAX_BYTES - n, "%s ", word) < (int)(LINE_MAX_BYTES - n));
}

/* Types an argument that must be there. */
static void type(char line[LINE_MAX_BYTES], const struct command_argument *a)
{
    if (a->token != NULL)
        append(line, a->token);
    if (a->type == ARGUMENT_ONEOF)
        type(line, a->of);
    else if (a->type != ARGUMENT_BLOCK && a->type != ARGUMENT_WORD)
        append(line, "1");
    for (const struct command_argument *part = a->of;
         a->type == ARGUMENT_BLOCK && part->type != ARGUMENT_END; part++)
        if (!part->optional)
            type(line, part);
}

static void expect_tokens(const struct command_argument *a, const char *before);

static void expect_tokens_of(const struct command_argument *list, const char *before)
{
    char required[LINE_MAX_BYTES];
    snprintf(required, sizeof required, "%s", before);
    for (const struct command_argument *a = list; a->type != ARGUMENT_END; a++) {
        if (a->optional)
            continue;
        expect_tokens(a, required);
        type(required, a);
    }
    for (const struct command_argument *a = list; a->type != ARGUMENT_END; a++) {
        if (a->optional)
            expect_tokens(a, required);
    }
}

static void expect_tokens(const struct command_argument *a, const char *before)
{
    char line[LINE_MAX_BYTES], word[64];
    snprintf(line, sizeof line, "%s", before);
    if (a->token != NULL) {
        snprintf(word, sizeof word, "%s ", a->token);
        if (strstr(offered(line), word) == NULL)
            fail_msg("after \"%s\": \"%s\", without %s", line, offered(line), word);
        append(line, a->token);
        tokens++;
    }
    if (a->type == ARGUMENT_BLOCK)
        expect_tokens_of(a->of, line);
    for (const struct command_argument *part = a->of;
         a->type == ARGUMENT_ONEOF && part->type != ARGUMENT_END; part++)
        expect_tokens(part, line);
}

static void test_every_token_is_offered(void **state)
{
    (void)state;
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        char line[LINE_MAX_BYTES] = "";
        if (c->parent != NULL)
            append(line, c->parent);
        assert_non_null(strstr(offered(line), c->name));
        append(line, c->name);
        if (!command_is_parent(c))
            expect_tokens_of(c->arguments, line);
    }
    assert_true(tokens > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_what_the_words_have_in_common),
        cmocka_unit_test(test_every_token_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
